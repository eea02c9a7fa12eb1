// Pointers and wheel on a picture, turned into a few acts: panBy, zoomAt, point, pick, and the
// strokes of a brush where there is one.

import { find } from "../../../parts/component.js";

/** @typedef {{left: number, top: number}} Place In CSS pixels from the stage's corner. */
/**
 * Who shows the picture.
 *
 * @typedef {object} Pointed
 * @property {HTMLElement} root
 * @property {import("../brush/brush.js").Brush | null} brush
 * @property {boolean} isHeld A click has given the wheel to the picture.
 * @property {(held: boolean) => void} hold
 * @property {() => void} tellOfWheel It scrolls the page, and may have been meant to zoom.
 * @property {(place: Place | null) => void} point
 * @property {(place: Place) => void} pick
 * @property {(right: number, down: number) => void} panBy CSS pixels.
 * @property {(factor: number, left: number, top: number) => boolean} zoomAt Says whether there was
 *   anything to zoom.
 */

const HINT_SECONDS = 4;
const STILL = 4;  // CSS pixels that a hand may tremble in a click

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Pointed} act
 */
export function connectPointers(canvas, act) {
  /** @type {Map<number, Place & {start: Place, paints: boolean}>} Pointers that touch the picture. */
  const down = new Map();
  let moved = false;
  /** @type {(event: MouseEvent) => Place} */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { left: event.clientX - box.left, top: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    const drags = event.button === 1 && act.brush?.isOn;  // the middle one, while the other paints
    if (event.button !== 0 && !drags) return;
    canvas.setPointerCapture(event.pointerId);
    if (act.brush?.stroke) {  // a second finger: what the first has hardly begun was not meant
      if (moved) act.brush.end();
      else act.brush.drop();
    }
    if (down.size === 0) moved = false;
    const pointer = { ...place(event), start: place(event), paints: false };
    down.set(event.pointerId, pointer);
    if (down.size > 1) {
      moved = true;
      for (const other of down.values()) other.paints = false;
    } else if (!drags && act.brush?.begin(place(event))) {
      pointer.paints = true;
      if (event.pointerType !== "touch") act.hold(true);
    }
    act.point(place(event));
  });
  canvas.addEventListener("mousedown", (event) => {
    if (event.button === 1 && act.brush?.isOn) event.preventDefault();  // would scroll the page
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event), before = down.get(event.pointerId);
    if (!before) return act.point(now);
    const far = Math.hypot(now.left - before.start.left, now.top - before.start.top);
    if (!moved && far < STILL) return;
    moved = true;
    if (before.paints) {  // a stroke, or what is left of one that was ended: nothing is moved
      for (const one of event.getCoalescedEvents?.() ?? []) act.brush?.move(place(one));
      act.brush?.move(now);
      return act.point(now);
    }
    if (down.size === 1) act.panBy(before.left - now.left, before.top - now.top);
    if (down.size === 2) pinch(event.pointerId, before, now);
    Object.assign(before, now);
    act.point(now);
  });

  /**
   * The point between two fingers stays between them.
   *
   * @param {number} moving Id of the pointer that moves.
   * @param {Place} before
   * @param {Place} now
   */
  function pinch(moving, before, now) {
    const [other] = [...down].filter(([id]) => id !== moving).map(([, pointer]) => pointer);
    const spread = (/** @type {Place} */ finger) =>
      Math.hypot(finger.left - other.left, finger.top - other.top) || 1;
    const middle = (/** @type {Place} */ finger) =>
      [(finger.left + other.left) / 2, (finger.top + other.top) / 2];
    const [left, top] = middle(now), [oldLeft, oldTop] = middle(before);
    act.zoomAt(spread(now) / spread(before), oldLeft, oldTop);
    act.panBy(oldLeft - left, oldTop - top);  // last: a fitted picture has no room to move
  }

  const release = (/** @type {PointerEvent} */ event) => {
    if (!down.delete(event.pointerId)) return;
    if (act.brush?.isOn) return act.brush.end();
    if (event.type === "pointerup" && !moved && down.size === 0) {
      if (event.pointerType !== "touch") act.hold(true);  // fingers go on scrolling the page
      act.pick(place(event));
    }
  };
  const elsewhere = (/** @type {Event} */ { target }) => {
    if (!canvas.isConnected) return document.removeEventListener("pointerdown", elsewhere);
    if (act.isHeld && target instanceof Node && !act.root.contains(target)) act.hold(false);
  };
  document.addEventListener("pointerdown", elsewhere);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") act.point(null);
  });

  // The wheel scrolls the page, unless the picture was clicked. Pinching a touchpad comes as a wheel
  // with Ctrl. One that cannot zoom out any further scrolls the page, too.
  canvas.addEventListener("wheel", (event) => {
    if (!act.isHeld && !event.ctrlKey && !event.metaKey) return act.tellOfWheel();
    const { left, top } = place(event);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    if (act.zoomAt(Math.exp(-Math.max(-200, Math.min(200, pixels)) / 400), left, top)) {
      event.preventDefault();
    }
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => {
    if (act.brush?.isOn) return;  // these were two dots
    const { left, top } = place(event);
    act.zoomAt(2, left, top);
  });
}

/**
 * The wheel scrolls the page: it is said once how it would zoom.
 *
 * @param {HTMLElement} root Of a viewer.
 * @returns {() => void}
 */
export function wheelHint(root) {
  let told = false;
  return () => {
    if (told) return;
    told = true;
    const hint = find(root, ".wheel");
    hint.hidden = false;
    setTimeout(() => { hint.hidden = true; }, HINT_SECONDS * 1000);
  };
}
