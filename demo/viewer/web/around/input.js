// Keys and the line of the split view, turned into the few acts that the viewer knows.

/** @typedef {import("./acts.js").Acts} Acts */
/** @typedef {import("../viewer.js").Viewer} Viewer */

/** @type {Record<string, string>} */
const KEYS = {
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", "_": "zoomOut", "0": "fit", h: "help",
  "?": "help", o: "outline", s: "split", v: "nextView", Enter: "pickMiddle",
};
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Viewer} viewer
 */
export function connectKeys(canvas, viewer) {
  const { acts } = viewer;
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return viewer.hold(false);
    const name = KEYS[event.key];
    if (event.key in ARROWS) viewer.motion.step(...ARROWS[event.key], event.shiftKey);
    else if (name) acts.act(name);
    else if (/^[1-9]$/.test(event.key)) acts.toggleClass(Number(event.key) - 1);
    else return;
    acts.sayWhatChanged(event.key);
    event.preventDefault();
  });
}

/**
 * The line between before and after: dragged, or moved by arrow keys.
 *
 * @param {HTMLElement} divider
 * @param {HTMLElement} stageElement
 * @param {Acts} act
 */
export function connectDivider(divider, stageElement, act) {
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = stageElement.getBoundingClientRect();
    act.splitAt((event.clientX - box.left) / box.width);
  });
  divider.addEventListener("keydown", (event) => {
    const shift = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!shift) return;
    act.splitAt(Number(divider.getAttribute("aria-valuenow")) / 100 + shift);
    event.preventDefault();
  });
}
