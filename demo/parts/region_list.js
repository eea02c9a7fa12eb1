// A list of regions: a click on one flies there in the viewers that the list names. No request is
// sent.

import { clicked, fly } from "./component.js";

/** @typedef {{targets: string[]}} Props `targets`: ids of the viewers. */

/** @param {import("./component.js").Component<Props>} component */
export function mount({ element, props }) {
  element.addEventListener("click", (event) => {
    const button = clicked(event, "button[data-box]");
    if (!button) return;
    const [x, y, width, height] = JSON.parse(button.dataset.box ?? "");
    for (const id of props.targets) fly(id, { x, y, width, height });
    element.querySelector("[aria-current]")?.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
  });
}
