// Flights of a camera.

/** @typedef {import("./camera.js").Camera} Camera */

const FLIGHT = 350;  // milliseconds

/**
 * The camera on its way: zooming is even to the eye, and nothing starts or stops suddenly.
 *
 * @param {Camera} start
 * @param {Camera} target
 * @param {number} part Of the time, 0 to 1.
 * @returns {Camera}
 */
export function between(start, target, part) {
  const eased = part * part * (3 - 2 * part);
  return {
    x: start.x + eased * (target.x - start.x),
    y: start.y + eased * (target.y - start.y),
    zoom: start.zoom * (target.zoom / start.zoom) ** eased,
    fitted: false,
  };
}

export class Flight {
  frame = 0;  // the animation frame of the next step

  /**
   * Takes a camera to a target. Who wants less motion is taken there at once.
   *
   * @param {Camera} camera Is changed.
   * @param {Camera} target
   * @param {(arrived: boolean) => void} moved
   */
  start(camera, target, moved) {
    const start = { ...camera }, began = performance.now(), calm = wantsCalm();
    this.stop();
    const step = (/** @type {number} */ now) => {
      const part = calm ? 1 : Math.min(1, Math.max(0, now - began) / FLIGHT);
      Object.assign(camera, between(start, target, part));
      if (part < 1) this.frame = requestAnimationFrame(step);
      moved(part === 1);
    };
    step(began);
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}

export function wantsCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
