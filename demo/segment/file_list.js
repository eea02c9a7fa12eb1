// The list of files: one is in view, a click shows another, a cross removes one.

import { find } from "../parts/component.js";

/** @typedef {{name: string, title: string, bad: boolean}} Entry */
/** @typedef {{value: {files?: Entry[], current?: number, many?: boolean} | null}} Props */

/** @param {import("../parts/component.js").Component<Props>} component */
export function mount({ element, props, trigger, watch }) {
  const list = find(element, "ul");

  function show() {
    const { files = [], current = 0, many = false } = props.value || {};  // Gradio has "" for none
    list.hidden = files.length === 0;
    find(element, ".more").hidden = !many;
    list.replaceChildren(...files.map((file, index) => row(file, index, index === current)));
  }

  /**
   * @param {Entry} file
   * @param {number} index
   * @param {boolean} inView
   */
  function row({ name, title, bad }, index, inView) {
    const item = document.createElement("li");
    const choose = newButton("name", name, title);
    const remove = newButton("cross", "×", `Remove ${name}`);
    if (inView) choose.setAttribute("aria-current", "true");
    if (bad) choose.setAttribute("aria-label", `${name}, could not be read`);
    remove.setAttribute("aria-label", `Remove ${name}`);
    item.classList.toggle("bad", bad);
    choose.addEventListener("click", () => trigger("select", { index, value: title }));
    remove.addEventListener("click", () => trigger("delete", { index }));
    item.append(choose, remove);
    return item;
  }

  find(element, ".all").addEventListener("click", () => trigger("submit", {}));
  watch("value", show);
  show();
}

/**
 * @param {string} className
 * @param {string} textContent
 * @param {string} title
 */
function newButton(className, textContent, title) {
  const button = document.createElement("button");
  return Object.assign(button, { type: "button", className, textContent, title });
}
