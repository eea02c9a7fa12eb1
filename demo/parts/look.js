// How a viewer is looked at, for the parts of the page that have to know.

import { viewerOf } from "./component.js";

/**
 * As `seen` says in viewer/component.py, as far as others ask for it.
 *
 * @typedef {object} Seen
 * @property {number | null} threshold
 * @property {string} view
 * @property {[number, string] | null} pixel_size As it was typed.
 */

/**
 * Calls with how a viewer is looked at, after each of its drawings, until `element` is taken off
 * the page. The viewer may come later than whoever listens to it.
 *
 * @param {Element} element
 * @param {string} viewer The `elem_id` of the viewer.
 * @param {(seen: Seen) => void} heard
 */
export function onLook(element, viewer, heard) {
  document.addEventListener("viewer:drawn", function listen({ target }) {
    if (!element.isConnected) return document.removeEventListener("viewer:drawn", listen, true);
    const root = viewerOf(viewer);
    if (root && target === root) heard(JSON.parse(root.dataset.seen ?? "{}"));
  }, true);
}

/**
 * "0.65; the picture is at 0.20", where a threshold is another one than that of the picture; empty
 * where they are the same, or one of them is none.
 *
 * @param {number | null | undefined} counted
 * @param {number | null | undefined} now
 */
export function differingThresholds(counted, now) {
  if (typeof counted !== "number" || typeof now !== "number" || counted === now) return "";
  return `${counted.toFixed(2)}; the picture is at ${now.toFixed(2)}`;
}
