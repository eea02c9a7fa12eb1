// What lies over the picture: the line of the split view, the region that blinks, and the cross
// where keys point.

import { find } from "../../../parts/component.js";
import { wantsCalm } from "../moving/flight.js";

/** @typedef {import("../moving/camera.js").Box} Box */
/** @typedef {import("../viewer.js").Viewer} Viewer */

export class Marks {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.divider = find(viewer.root, ".divider");
    this.flash = find(viewer.root, ".flash");
    this.cross = find(viewer.root, ".cross");
    /** @type {Box | null} The region that blinks. */
    this.flashed = null;
  }

  /** Puts each where it belongs now. */
  place() {
    const { divider, flash, flashed } = this, { look, stage, camera, before } = this.viewer;
    divider.hidden = look.split === null || !look.paint;
    if (look.split !== null) {
      divider.style.left = `${100 * look.split}%`;
      divider.setAttribute("aria-valuenow", String(Math.round(100 * look.split)));
      divider.classList.toggle("both", before.shown !== null);
    }
    flash.hidden = !flashed;
    if (flashed) {
      const left = stage.width / 2 + (flashed.x - camera.x) * camera.zoom;
      const top = stage.height / 2 + (flashed.y - camera.y) * camera.zoom;
      Object.assign(flash.style, { left: `${left}px`, top: `${top}px`,
        width: `${flashed.width * camera.zoom}px`, height: `${flashed.height * camera.zoom}px` });
    }
  }

  /** @param {Box} box */
  blink(box) {
    this.flashed = box;
    this.flash.getAnimations().forEach((animation) => animation.cancel());
    const blinking = this.flash.animate({ opacity: [1, wantsCalm() ? 1 : 0.1] },
      { duration: 400, iterations: 5, direction: "alternate" });
    blinking.onfinish = () => { this.flashed = null; this.place(); };
  }
}
