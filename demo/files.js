// The list of files, and the three ways in: chosen, dropped, pasted. Gradio's own upload does the
// sending; what it would refuse only in its own words, or not take at all, is looked after here.

const list = element.querySelector("ul");
const told = element.querySelector("[role=alert]");
const limit = props.megabytes * 2 ** 20;
let handing = false;  // our own change of the upload's files is under way

// ------------------------------------------------------------------------------------ the list

function show() {
  const files = props.value?.files || [];
  list.hidden = files.length === 0;
  element.querySelector(".more").hidden = files.length < 2;
  list.replaceChildren(...files.map(({ name, title, bad }, index) => {
    const row = document.createElement("li");
    const choose = button("name", name, title);
    const remove = button("cross", "×", `Remove ${name}`);
    if (index === props.value.current) choose.setAttribute("aria-current", "true");
    if (bad) choose.setAttribute("aria-label", `${name}, could not be read`);
    remove.setAttribute("aria-label", `Remove ${name}`);
    row.classList.toggle("bad", bad);
    choose.addEventListener("click", () => trigger("select", { index, value: title }));
    remove.addEventListener("click", () => trigger("delete", { index }));
    row.append(choose, remove);
    return row;
  }));
}

function button(name, text, title) {
  return Object.assign(document.createElement("button"),
    { type: "button", className: name, textContent: text, title });
}

element.querySelector(".all").addEventListener("click", () => {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.find((tab) => tab.textContent.trim() === "Many images")?.click();
});

function tell(sentence) {
  told.textContent = sentence;
  told.hidden = !sentence;
}

// ----------------------------------------------------------------------------------- three ways

function upload() {
  return document.getElementById(props.upload_id);
}

// Hands files to Gradio's upload as if they had been chosen there.
function take(files) {
  const large = files.filter((file) => file.size > limit);
  const small = files.filter((file) => file.size <= limit);
  tell(large.length ? tooLarge(large) : "");
  if (!small.length) return;
  const input = upload().querySelector("input[type=file]");
  if (!input) return tell("Files are on their way already. Wait until they are here.");
  const transfer = new DataTransfer();
  small.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
  handing = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  handing = false;
}

function tooLarge(files) {
  const names = files.map(({ name, size }) => `${name} (${Math.ceil(size / 2 ** 20)} MB)`);
  const verb = files.length > 1 ? "are" : "is";
  return `${names.join(", ")} ${verb} above the limit of ${props.megabytes} MB a file, and was not`
    + " sent. Cut it into parts, or compress it.";
}

// A page that shows another tab takes nothing, and another upload takes its own.
function isMine(event) {
  const zone = event.target.closest?.(".upload-container");
  return upload()?.checkVisibility() && (!zone || upload().contains(zone));
}

const ways = {
  change(event) {
    if (handing || event.target.type !== "file" || !upload()?.contains(event.target)) return;
    const files = [...event.target.files];
    if (files.every((file) => file.size <= limit)) return tell("");
    event.stopPropagation();
    take(files);
  },
  dragover(event) {
    if (!event.dataTransfer?.types.includes("Files") || !isMine(event)) return;
    event.preventDefault();  // or the browser would leave the page for the file
    upload().classList.add("over");
  },
  dragleave(event) {
    if (!event.relatedTarget) upload()?.classList.remove("over");
  },
  drop(event) {
    upload()?.classList.remove("over");
    const files = [...(event.dataTransfer?.files || [])];
    if (!files.length || !isMine(event)) return;
    event.preventDefault();
    event.stopPropagation();
    take(files);
  },
  paste(event) {
    const files = [...(event.clipboardData?.files || [])];
    const typing = event.target.closest?.("input, textarea, [contenteditable=true]");
    if (!files.length || typing || !isMine(event)) return;
    event.preventDefault();
    take(files);
  },
};

// Before Gradio hears of it.
for (const [name, way] of Object.entries(ways)) {
  document.addEventListener(name, function listen(event) {
    if (element.isConnected) way(event);
    else document.removeEventListener(name, listen, true);
  }, true);
}
watch("value", show);
show();
