// The list of files: one is in view, a click shows another, a cross removes one.

const list = element.querySelector("ul");

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

watch("value", show);
show();
