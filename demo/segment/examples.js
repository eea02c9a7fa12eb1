// The row of examples: a click on one triggers `select` with its number.

import { clicked } from "../parts/component.js";

/** @param {import("../parts/component.js").Component} component */
export function mount({ element, trigger }) {
  element.addEventListener("click", (event) => {
    const button = clicked(event);
    if (button) trigger("select", { index: Number(button.dataset.index), value: null });
  });
}
