// The threshold at which little of a class is expected to be missed, offered below the slider, with
// what it assumes.

import { find } from "../../../parts/component.js";

/** @typedef {import("../scene.js").Scene} Scene */
/** @typedef {import("../drawing/colors.js").Look} Look */

/**
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
export function showFewMissed(root, { value }, look) {
  const row = find(root, ".few"), offered = value.few_missed;
  row.hidden = !offered;
  if (!offered) return;
  const button = find(row, "button", HTMLButtonElement);
  button.textContent = `Miss little: ${offered.threshold.toFixed(2)}`;
  button.ariaPressed = String(look.level === levelOf(offered.threshold, value.steps));
  find(row, "p").textContent = offered.words;
}

/**
 * The step of the slider that a threshold is.
 *
 * @param {number} threshold
 * @param {number} [steps]
 */
export function levelOf(threshold, steps) {
  return Math.round(threshold * (steps || 100));
}
