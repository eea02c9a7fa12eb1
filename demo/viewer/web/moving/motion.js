// Moves the camera of a viewer: by hand, in flights, and with the other viewers of its group.

import { cameraOn, constrain, fit, panBy, zoomBy } from "./camera.js";
import { Flight } from "./flight.js";

/** @typedef {import("./camera.js").Box} Box */
/** @typedef {import("../viewer.js").Viewer} Viewer */

export class Motion {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.flight = new Flight();
    /** @type {Box | null | undefined} Where to fly as soon as the viewer is seen. */
    this.wanted = null;
    // Whoever takes the controls is not flown on.
    for (const kind of ["pointerdown", "wheel", "keydown", "click"]) {
      viewer.root.addEventListener(kind, () => this.flight.stop(),
        { capture: true, passive: true });
    }
    this.followOthers();
  }

  /** Others of the same group follow. */
  moved() {
    const { root, camera, props: { group } } = this.viewer;
    if (group) {
      const detail = { group, from: root, camera: { ...camera } };
      document.dispatchEvent(new CustomEvent("viewer:moved", { detail }));
    }
    this.viewer.change({ panel: false });
  }

  followOthers() {
    const { viewer } = this;
    const follow = (/** @type {Event} */ event) => {
      if (!viewer.root.isConnected) return document.removeEventListener("viewer:moved", follow);
      const { group, from, camera } = /** @type {CustomEvent} */ (event).detail;
      if (!viewer.scene || group !== viewer.props.group || from === viewer.root) return;
      if (camera.fitted) fit(viewer.camera, viewer.scene.value, viewer.stage);
      else Object.assign(viewer.camera, camera);
      constrain(viewer.camera, viewer.scene.value, viewer.stage);
      viewer.change({ panel: false });
    };
    document.addEventListener("viewer:moved", follow);
  }

  /**
   * @param {number} right CSS pixels.
   * @param {number} down
   */
  panBy(right, down) {
    const { scene, camera, stage } = this.viewer;
    if (!scene) return;
    panBy(camera, scene.value, stage, right, down);
    this.moved();
  }

  /**
   * By a tenth of the stage, or `little`: by a pixel of the image.
   *
   * @param {number} right
   * @param {number} down
   * @param {boolean} little
   */
  step(right, down, little) {
    const { camera, stage } = this.viewer;
    const far = little ? camera.zoom : Math.min(stage.width, stage.height) / 10;
    this.panBy(right * far, down * far);
    this.viewer.pointMiddle();
  }

  /**
   * Says whether there was anything to zoom.
   *
   * @param {number} factor
   * @param {number} left
   * @param {number} top
   */
  zoomAt(factor, left, top) {
    const { scene, camera, stage } = this.viewer;
    if (!scene) return false;
    const before = camera.zoom;
    zoomBy(camera, scene.value, stage, factor, left, top);
    this.moved();
    return factor > 1 || camera.zoom !== before;
  }

  /** @param {number} factor */
  zoomMiddle(factor) {
    const { width, height } = this.viewer.stage;
    this.zoomAt(factor, width / 2, height / 2);
  }

  fitWhole() {
    const { scene, camera, stage } = this.viewer;
    if (!scene) return;
    fit(camera, scene.value, stage);
    this.moved();
  }

  /** The stage has another size. */
  resized() {
    const { scene, camera, stage } = this.viewer;
    if (!scene) return;
    if (camera.fitted) fit(camera, scene.value, stage);
    else constrain(camera, scene.value, stage);
  }

  /**
   * To a region with its surroundings; it has a mark of its own.
   *
   * @param {Box} box
   */
  visit({ x, y, width, height }) {
    this.fly({ x: x - width / 2, y: y - height / 2, width: 2 * width, height: 2 * height }, false);
  }

  /**
   * To a region, which then blinks. Who wants less motion is taken there at once.
   *
   * @param {Box | null} box
   * @param {boolean} blinks
   */
  fly(box, blinks = true) {
    const { scene, camera, stage, marks } = this.viewer;
    if (!scene || !box || !stage.width) return;
    this.flight.start(camera, cameraOn(box, scene.value, stage), (arrived) => {
      if (arrived && blinks) marks.blink(box);
      this.moved();
    });
  }

  /** A viewer on a tab that is not open has no size yet; it flies when it is seen. */
  goWhereWanted() {
    if (!this.wanted || !this.viewer.stage.width) return;
    this.fly(this.wanted);
    this.wanted = null;
  }
}
