// Small pictures of a batch, which come one by one; a click asks for the image in the tab Segment.

import { find } from "../parts/component.js";

/** @typedef {{name: string, page: number, file: {url: string}}} Picture */
/** @typedef {{value: {pictures?: Picture[]} | null}} Props */

/** @param {import("../parts/component.js").Component<Props>} component */
export function mount({ element, props, trigger, watch }) {
  const list = find(element, "ul");

  function show() {
    const { pictures = [] } = props.value || {};  // Gradio has "" for none
    list.hidden = pictures.length === 0;
    // Those that are there stay: they would blink, and lose the focus.
    const addresses = pictures.map(({ file }) => file.url);
    for (const item of [...list.children]) {
      if (!addresses.includes(addressOf(item))) item.remove();
    }
    const known = new Set([...list.children].map(addressOf));
    list.append(...pictures.filter(({ file }) => !known.has(file.url)).map(newItem));
  }

  /** @param {Picture} picture */
  function newItem({ name, page, file }) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const words = page ? `${name}, page ${page}` : name;
    const image = Object.assign(new Image(), { src: file.url, alt: "", loading: "lazy" });
    const caption = Object.assign(document.createElement("span"), { textContent: words });
    button.title = `Open ${words} under Segment`;
    button.append(image, caption);
    button.addEventListener("click", () => trigger("select", { name, page }));
    item.append(button);
    return item;
  }

  watch("value", show);
  show();
}

/** @param {Element} item */
function addressOf(item) {
  return item.querySelector("img")?.getAttribute("src") ?? "";
}
