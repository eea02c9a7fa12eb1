// What an upload of Gradio's is given: what is too large is told here, and the rest goes on to it.
// Gradio would send all, and then refuse it in its own words.

const told = element.querySelector("[role=alert]");
const limit = props.megabytes * 2 ** 20;
const fits = (file) => file.size <= limit;
let handing = false;  // our own change of the upload's files is under way

function upload() {
  return document.getElementById(props.upload_id);
}

function tell(sentence) {
  told.textContent = sentence;
  told.hidden = !sentence;
}

// Hands files to the upload as if they had been chosen there.
function take(files) {
  tell(tooLarge(files.filter((file) => !fits(file))));
  const small = files.filter(fits);
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
  if (!files.length) return "";
  const names = files.map(({ name, size }) => `${name} (${Math.ceil(size / 2 ** 20)} MB)`);
  const [are, were, it] = files.length > 1 ? ["are", "were", "them"] : ["is", "was", "it"];
  return `${names.join(", ")} ${are} above the limit of ${props.megabytes} MB a file, and ${were}`
    + ` not sent. Cut ${it} into parts, or compress ${it}.`;
}

// All at once where some have to stay behind; else Gradio may do as it does.
function check(event, files) {
  if (handing || !files.length || !upload()?.contains(event.target)) return;
  if (files.every(fits)) return tell("");
  event.preventDefault();
  event.stopPropagation();
  take(files);
}

if (props.anywhere) takesAnywhere(element, upload, take);
listenOnPage(element, {
  change(event) { if (event.target.type === "file") check(event, [...event.target.files]); },
  ...(props.anywhere ? {} : {
    drop(event) { check(event, [...(event.dataTransfer?.files || [])]); },
  }),
});
