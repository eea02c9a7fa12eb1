// The picture of the player: its canvas and its camera. It tells what was clicked and when to draw.

import { find } from "../../../parts/component.js";
import {
  cameraOn, constrain, fit, newCamera, panBy, pixelAt, projection, zoomBy,
} from "../../../viewer/web/moving/camera.js";
import { Flight } from "../../../viewer/web/moving/flight.js";
import { showScale } from "../../../viewer/web/around/panel.js";
import { connectPointers, wheelHint } from "../../../viewer/web/moving/pointers.js";
import { drawFilm } from "./draw.js";

/** @typedef {import("../../../viewer/web/moving/camera.js").Size} Size */
/** @typedef {import("../../../viewer/web/moving/pointers.js").Place} Place */
/** @typedef {import("../../../viewer/web/moving/pointers.js").Pointed} Pointed */

export class View {
  /**
   * @param {HTMLElement} root
   * @param {() => void} changed It has to be drawn again.
   * @param {(pixel: {x: number, y: number}) => void} picked
   */
  constructor(root, changed, picked) {
    this.root = root;
    this.changed = changed;
    this.picked = picked;
    /** @type {Pointed["brush"]} */
    this.brush = null;
    this.isHeld = false;
    this.tellOfWheel = wheelHint(root);
    this.stageElement = find(root, ".stage");
    this.canvas = find(root, ".stage canvas", HTMLCanvasElement);
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser has no canvas to draw on.");
    this.context = context;
    this.sheet = new OffscreenCanvas(1, 1);
    /** @type {import("../../../viewer/web/moving/camera.js").Stage} */
    this.stage = { width: 0, height: 0, ratio: 1 };
    this.camera = newCamera();
    this.flight = new Flight();
    /** @type {Size | null} */
    this.size = null;
    connectPointers(this.canvas, this);
    for (const kind of ["pointerdown", "wheel"]) {  // whoever takes the picture is not flown on
      this.canvas.addEventListener(kind, () => this.flight.stop(), { capture: true, passive: true });
    }
    new ResizeObserver(() => this.resized()).observe(this.stageElement);
  }

  /** @param {Size} size Of another film: all of it is seen at first. */
  show(size) {
    this.size = { width: size.width, height: size.height };
    this.flight.stop();
    this.measureStage();
    if (this.stage.width) fit(this.camera, this.size, this.stage);
    this.canvas.classList.add("drawn");
    this.changed();
  }

  /**
   * @param {import("./draw.js").Scene} scene
   * @param {[number, string] | null} pixelSize
   */
  draw(scene, pixelSize) {
    const { camera, stage } = this;
    if (!stage.width) return false;  // on a tab that is not open
    drawFilm(this.context, projection(camera, stage), stage.ratio, scene, this.sheet);
    showScale(this.root, pixelSize, camera, stage);
    this.canvas.style.touchAction = camera.fitted ? "pan-y" : "none";  // else pages scroll
    this.root.dataset.camera = JSON.stringify(camera);
    return true;
  }

  // ----------------------------------------------------------------- what pointers and keys do

  /**
   * @param {number} right CSS pixels.
   * @param {number} down
   */
  panBy(right, down) {
    if (!this.size) return;
    panBy(this.camera, this.size, this.stage, right, down);
    this.changed();
  }

  /**
   * @param {number} factor
   * @param {number} left
   * @param {number} top
   */
  zoomAt(factor, left, top) {
    if (!this.size) return false;
    const before = this.camera.zoom;
    zoomBy(this.camera, this.size, this.stage, factor, left, top);
    this.changed();
    return factor > 1 || this.camera.zoom !== before;
  }

  /** @param {number} factor */
  zoomMiddle(factor) {
    this.flight.stop();
    this.zoomAt(factor, this.stage.width / 2, this.stage.height / 2);
  }

  fitWhole() {
    if (!this.size) return;
    this.flight.stop();
    fit(this.camera, this.size, this.stage);
    this.changed();
  }

  /**
   * To a place with its surroundings.
   *
   * @param {number} x
   * @param {number} y
   * @param {number} side Of what is to be seen well, in pixels of the image.
   */
  fly(x, y, side) {
    if (!this.size || !this.stage.width) return;
    const box = { x: x - side / 2, y: y - side / 2, width: side, height: side };
    this.flight.start(this.camera, cameraOn(box, this.size, this.stage), () => this.changed());
  }

  point() {}

  /** @param {Place} place */
  pick({ left, top }) {
    const pixel = this.size && pixelAt(this.camera, this.size, this.stage, left, top);
    if (pixel) this.picked(pixel);
  }

  /**
   * From a click into the picture to Escape, or a click elsewhere, the wheel zooms.
   *
   * @param {boolean} held
   */
  hold(held) {
    this.isHeld = held;
    this.root.classList.toggle("held", held);
    find(this.root, ".wheel").hidden = true;
  }

  // ------------------------------------------------------------------------------ its size

  resized() {
    if (!this.measureStage() || !this.size) return;
    if (this.camera.fitted) fit(this.camera, this.size, this.stage);
    else constrain(this.camera, this.size, this.stage);
    this.changed();
  }

  /** Says whether the stage has another size now. */
  measureStage() {
    const { stage, canvas } = this;
    const { clientWidth, clientHeight } = this.stageElement;
    const ratio = window.devicePixelRatio || 1;
    if (!clientWidth || !clientHeight) return false;
    if (clientWidth === stage.width && clientHeight === stage.height && ratio === stage.ratio) {
      return false;
    }
    Object.assign(stage, { width: clientWidth, height: clientHeight, ratio });
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    // Whole device pixels: a canvas that the page stretches by a third of one is blurred.
    canvas.style.width = `${canvas.width / ratio}px`;
    canvas.style.height = `${canvas.height / ratio}px`;
    return true;
  }
}
