// Keys of the brush. They act wherever the focus is in the viewer, but not where text is typed: a
// click on a class takes the focus from the picture. While somebody paints, they act wherever it is
// on the page, too, as long as the viewer is seen: a click on another picture takes it out of here.

import { ERASER } from "./strokes.js";

/** @typedef {import("./brush.js").Brush} Brush */

/** @type {Record<string, (brush: Brush) => void>} */
const KEYS = {
  e: (brush) => brush.choose(ERASER),
  "[": (brush) => brush.resizeBy(-1),
  "]": (brush) => brush.resizeBy(1),
};
/** @type {Record<string, "undo" | "redo">} With Ctrl or ⌘, and perhaps the shift key. */
const STEPS = { z: "undo", "shift z": "redo", y: "redo" };

/**
 * @param {HTMLElement} root
 * @param {HTMLCanvasElement} canvas
 * @param {Brush} brush
 */
export function connectBrushKeys(root, canvas, brush) {
  root.addEventListener("keydown", (event) => {
    if (event.altKey || isElsewhere(event) || !pressed(event)) return;
    event.preventDefault();
    event.stopPropagation();  // the same keys mean something else while nobody paints
  }, { capture: true });
  document.addEventListener("keydown", function elsewhere(event) {
    if (!root.isConnected) return document.removeEventListener("keydown", elsewhere);
    if (event.defaultPrevented || event.altKey || event.key === "b") return;
    if (!brush.isOn || !root.checkVisibility() || document.querySelector(":modal")) return;
    if (event.target instanceof Node && root.contains(event.target)) return;  // see above
    if (!isTyped(event) && pressed(event)) event.preventDefault();
  });
  for (const end of ["keyup", "blur"]) {
    canvas.addEventListener(end, (event) => {
      if (event instanceof KeyboardEvent && event.key !== " ") return;
      hold(false);
    });
  }

  /**
   * Says whether the key is one of the brush.
   *
   * @param {KeyboardEvent} event
   */
  function pressed({ key, ctrlKey, metaKey, shiftKey, target }) {
    if (ctrlKey || metaKey) {
      const step = STEPS[`${shiftKey ? "shift " : ""}${key.toLowerCase()}`];
      if (!brush.isOn || !step) return false;
      brush.step(step);
    } else if (key === "b") brush.toggle();
    else if (!brush.isOn) return false;
    else if (key === " " && target === canvas) hold(true);
    else if (/^[1-9]$/.test(key)) brush.choose(Number(key) - 1);
    else if (key === "Escape" && brush.stroke) brush.drop();
    else if (key in KEYS) KEYS[key](brush);
    else return false;
    return true;
  }

  /** @param {boolean} held */
  function hold(held) {
    brush.holdsPicture = held;
    root.classList.toggle("grabs", held);
  }
}

/**
 * Says whether the focus is on something of the page that has a use for the key.
 *
 * @param {KeyboardEvent} event
 */
function isTyped({ target }) {
  const typing = "select, textarea, [contenteditable], [role=listbox], iframe, "
    + "input:not([type=range], [type=radio], [type=checkbox], [type=button], [type=file])";
  return target instanceof Element && target.closest(typing) !== null;
}

/** @param {KeyboardEvent} event */
function isElsewhere({ target }) {
  return target instanceof Element && target.closest("dialog, select, input:not([type=range])") !== null;
}
