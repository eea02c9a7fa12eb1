// Lists of regions: a click on one flies there in the viewers that the list names, and so does a
// click on the button for the next one of a kind. No request is sent.

import { clicked, fly } from "./component.js";

/** @typedef {{targets: string[]}} Props `targets`: ids of the viewers. */

/** @param {import("./component.js").Component<Props>} component */
export function mount({ element, props }) {
  /** @param {HTMLElement} button Of a region. */
  function go(button) {
    const [x, y, width, height] = JSON.parse(button.dataset.box ?? "");
    for (const id of props.targets) fly(id, { x, y, width, height });
    element.querySelector("[aria-current]")?.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    for (const output of element.querySelectorAll("output")) output.value = "";
    const kind = button.closest("section"), output = kind?.querySelector("output");
    if (!kind || !output) return;
    const all = regionsOf(kind);
    output.value = `${all.indexOf(button) + 1} of ${all.length}`;
  }

  element.addEventListener("click", (event) => {
    const button = clicked(event, "button[data-box]"), step = clicked(event, "button[data-step]");
    if (button) go(button);
    const kind = step?.closest("section");
    if (kind) go(nextOf(regionsOf(kind), Number(step?.dataset.step)));
  });
}

/**
 * The region after the one that was gone to last, or before it; from the end on, the first again.
 *
 * @param {HTMLElement[]} regions
 * @param {number} step
 */
function nextOf(regions, step) {
  const current = regions.findIndex((region) => region.hasAttribute("aria-current"));
  const next = current < 0 && step < 0 ? -1 : current + step;
  return regions[(next + regions.length) % regions.length];
}

/**
 * @param {Element} kind
 * @returns {HTMLElement[]}
 */
function regionsOf(kind) {
  return [...kind.querySelectorAll("button[data-box]")].filter((one) => one instanceof HTMLElement);
}
