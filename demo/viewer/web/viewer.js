// The viewer: holds what is shown (scene), how (look) and from where (camera), and redraws when
// one of them changes. The modules beside this one do the work; nothing here asks the server,
// except once for each picture, and for the tiles of a large one.

import { find } from "../../parts/component.js";
import { Acts } from "./around/acts.js";
import { connectControls, listen } from "./around/controls.js";
import { Habits } from "./around/habits.js";
import { connectDivider, connectKeys } from "./around/input.js";
import { Marks } from "./around/marks.js";
import { classAt, sharesOf, showPanel, showReadout, showScale, tidy } from "./around/panel.js";
import { Brush } from "./brush/brush.js";
import { Before } from "./drawing/before.js";
import { imageTable, paintTables } from "./drawing/colors.js";
import { ObjectLayer } from "./drawing/object_layer.js";
import { objectAt } from "./drawing/objects.js";
import { drawFrame } from "./drawing/paint.js";
import { columnAt, fit, newCamera, openAt, pixelAt, projection } from "./moving/camera.js";
import { Motion } from "./moving/motion.js";
import { connectPointers, wheelHint } from "./moving/pointers.js";
import { fetchPlanes } from "./pixels/payload.js";
import { exactAt, tilesWanted, viewOf } from "./pixels/pieces.js";
import { newUnpacker } from "./pixels/unpack.js";
import { newScene } from "./scene.js";

/** @typedef {import("./drawing/colors.js").Look} Look */
/** @typedef {import("./moving/pointers.js").Place} Place */
/** @typedef {import("./drawing/paint.js").Frame} Frame */
/** @typedef {import("./pixels/payload.js").Payload} Payload */
/** @typedef {import("./pixels/payload.js").Planes} Planes */
/** @typedef {import("./scene.js").Scene} Scene */
/**
 * What Python gives the viewer, see `viewer` in component.py.
 *
 * @typedef {object} Props
 * @property {Payload | null} value
 * @property {{words: string, stop: boolean} | null} status What is at work, and can be stopped.
 * @property {string | null} group Viewers that move together.
 * @property {string} label What it shows, for screen readers: one page may have several.
 * @property {number} alpha Opacity of the classes at first.
 * @property {Record<string, string[]>} maps Stops of colour maps.
 * @property {Record<string, string>} heat The colour map of each view that paints numbers.
 * @property {boolean} paints There is a brush.
 * @property {string[]} palette Colours of classes that a visitor adds.
 */

/** @param {import("../../parts/component.js").Component<Props>} component */
export function mount(component) {
  new Viewer(component);
}

export class Viewer {
  /** @param {import("../../parts/component.js").Component<Props>} component */
  constructor({ element, props, trigger, watch }) {
    this.props = props;
    this.trigger = trigger;
    this.root = find(element, ".viewer");
    this.root.ariaLabel = props.label;
    this.stageElement = find(this.root, ".stage");
    this.canvas = find(this.root, "canvas", HTMLCanvasElement);
    const context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Error("This browser has no canvas to draw on.");
    this.context = context;

    /** @type {import("./moving/camera.js").Stage} */
    this.stage = { width: 0, height: 0, ratio: 1 };
    this.camera = newCamera();
    /** @type {Look} */
    this.look = {
      alpha: props.alpha, level: 50, view: "classes", outline: false, chosen: 0, split: null, hidden: new Set(),
      window: [0, 255], colormap: "Gray", pixelSize: null, imageTable: new Int32Array(0),
      paint: null, maps: props.maps, heat: props.heat,
    };
    this.unpack = newUnpacker();
    /** @type {Scene | null} */
    this.scene = null;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Place | null} Where the pointer is, in CSS pixels. */
    this.pointed = null;
    this.serial = 0;  // of pictures that came
    this.frames = 0;  // that were drawn
    this.pending = 0;  // the animation frame of the next drawing; 0: nothing has changed
    /** @type {Record<string, number>} By checkpoint, where the slider was left. */
    this.thresholds = {};
    this.tellOfWheel = wheelHint(this.root);
    this.isHeld = false;  // a click has given the wheel and one finger to the picture

    this.habits = new Habits();
    this.marks = new Marks(this);
    this.motion = new Motion(this);
    this.layer = new ObjectLayer(this);
    this.before = new Before(this);
    this.acts = new Acts(this);
    this.brush = props.paints ? new Brush(this) : null;
    this.listen();
    new ResizeObserver(() => this.resized()).observe(this.stageElement);
    this.tellSeen();
    watch("status", () => this.showStatus());
    watch("value", () => this.show());
    this.show();
  }

  /** To pointers, keys and controls, and to the other parts of the page. */
  listen() {
    const { root, canvas, acts, motion, layer } = this;
    connectPointers(canvas, this);
    connectKeys(canvas, this);
    connectDivider(this.marks.divider, this.stageElement, acts);
    connectControls(root, acts, Object.keys(this.props.maps));
    listen(root, "viewer:fly", (box) => motion.fly(box));
    listen(root, "viewer:visit", (box) => motion.visit(box));
    listen(root, "viewer:objects", (objects) => layer.show(objects));
    listen(root, "viewer:choose", (id) => layer.choose(id));
    listen(root, "viewer:before", (value) => this.before.take(value));
    listen(root, "viewer:askPixelSize", () => acts.askPixelSize());
    listen(root, "viewer:show", (detail) => this.showHere(detail));
  }

  // ------------------------------------------------------------------------------- drawing

  /**
   * Any number of changes before the next frame are drawn once.
   *
   * @param {{picture?: boolean, paint?: boolean, panel?: boolean}} what Has to be made anew.
   */
  change({ picture = false, paint = false, panel = true } = {}) {
    const { scene, look } = this;
    if (!scene) return;
    this.layer.leaveIfGone();
    if (picture) look.imageTable = imageTable(scene.picture, look);
    if (paint) look.paint = scene.counts ? paintTables(scene, look) : null;
    if (panel) showPanel(this.root, scene, look);
    this.tellSeen();
    this.pending ||= requestAnimationFrame(() => this.draw());
  }

  /** Writes down what Python asks for when it writes a file as seen, or a link to the view. */
  tellSeen() {
    const { scene, look, camera: { x, y, zoom, fitted } } = this;
    const { by, threshold, steps = 1 } = scene?.value ?? {};
    if (by && typeof threshold === "number") this.thresholds[by] = look.level / steps;
    this.root.dataset.seen = JSON.stringify({
      opacity: look.alpha,
      threshold: scene?.planes.codes ? look.level / (scene.value.steps ?? 1) : null,
      outline: look.outline, hidden: [...look.hidden].sort((a, b) => a - b), view: look.view,
      window: look.window, colormap: look.colormap, split: this.splitColumn(),
      camera: { x, y, zoom }, fitted, pixel_size: this.acts.typedSize, thresholds: this.thresholds,
    });
  }

  /** The image's first column right of the line; left of it is the bare picture. */
  splitColumn() {
    const { scene, look, stage } = this;
    if (!scene || look.split === null || !look.paint || !stage.width) return null;
    if (this.before.shown) return null;
    const { left, scale, width } = projection(this.camera, stage);
    const column = columnAt(Math.round(look.split * width), left, scale);
    return Math.min(Math.max(column, 0), scene.value.width);
  }

  draw() {
    const { scene, frame, look, camera, stage, root } = this;
    this.pending = 0;
    if (!scene || !frame) return;
    const started = performance.now();
    const pixel = this.pointed && this.pixelUnder(this.pointed);
    const view = viewOf(frame, scene, camera, stage);
    scene.tiles?.want(tilesWanted(scene.tiles.side, view, camera, pixel));
    const before = this.before.side(look);
    before?.scene.tiles?.want(tilesWanted(before.scene.tiles.side, view, camera, null));
    drawFrame(frame, scene, look, view, stage, before);
    this.brush?.draw(view);
    this.context.putImageData(frame.image, 0, 0);
    const milliseconds = performance.now() - started;
    this.brush?.placeRing();
    this.marks.place();
    showScale(root, look.pixelSize, camera, stage);
    showReadout(root, scene, look, pixel, pixel ? this.brush?.wordsAt(pixel) : "");
    // Read aloud where keys move the picture; a mouse would never let the voice finish.
    find(root, ".readout").ariaLive = this.marks.cross.hidden ? "off" : "polite";
    find(root, ".zoom", HTMLOutputElement).value = `${tidy(100 * camera.zoom)} %`;
    // A fitted picture lets pages scroll.
    this.canvas.style.touchAction = camera.fitted && !this.brush?.isOn ? "pan-y" : "none";
    root.dataset.camera = JSON.stringify(camera);
    // Tiles that were asked for with this drawing.
    root.dataset.missing = String(scene.tiles?.missing ?? 0);
    root.dataset.frames = String(++this.frames);
    root.dispatchEvent(new CustomEvent("viewer:drawn", { detail: { milliseconds } }));
  }

  // ------------------------------------------------------------------ pointing and choosing

  /**
   * @param {number} right CSS pixels.
   * @param {number} down
   */
  panBy(right, down) {
    this.motion.panBy(right, down);
  }

  /**
   * Says whether there was anything to zoom.
   *
   * @param {number} factor
   * @param {number} left
   * @param {number} top
   */
  zoomAt(factor, left, top) {
    return this.motion.zoomAt(factor, left, top);
  }

  /** @param {Place | null} place */
  point(place) {
    this.pointed = place;
    this.marks.cross.hidden = true;
    this.change({ panel: false });
  }

  pointMiddle() {
    const middle = { left: this.stage.width / 2, top: this.stage.height / 2 };
    this.pointed = middle;
    this.marks.cross.hidden = false;
    return middle;
  }

  /** @param {Place} place */
  pixelUnder({ left, top }) {
    return this.scene && pixelAt(this.camera, this.scene.value, this.stage, left, top);
  }

  /**
   * Tells Python which pixel was chosen, and its class.
   *
   * @param {Place} place
   */
  pick(place) {
    const { scene, look } = this, pixel = this.pixelUnder(place);
    if (!scene || !pixel) return;
    const at = exactAt(scene, pixel);
    const value = look.paint && at ? scene.value.names?.[classAt(scene, look, at)] : null;
    if (scene.objects) {
      this.layer.choose(objectAt(scene, look, pixel));
      this.root.dispatchEvent(new CustomEvent("viewer:picked", { detail: look.chosen || null }));
    }
    this.trigger("select", { ...pixel, index: [pixel.x, pixel.y], value });
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
    this.change({ panel: false });
  }

  /**
   * For screen readers: what a key has done, or what has come.
   *
   * @param {string} words
   */
  say(words) {
    find(this.root, ".said").textContent = words;
  }

  pickMiddle() {
    const middle = this.pointMiddle();
    if (this.brush?.isOn) this.brush.dot(middle);
    else this.pick(middle);
    this.change({ panel: false });
  }

  // ------------------------------------------------------------------------------ a picture

  async show() {
    const value = this.props.value;
    const mine = ++this.serial;
    if (!value?.data) return this.empty();
    try {
      const planes = await fetchPlanes(value);
      if (mine === this.serial) this.take(value, planes);  // unless a newer one came meanwhile
    } catch (error) {
      console.warn(`The picture was not fetched: ${error}`);
      if (mine !== this.serial) return;
      this.canvas.classList.remove("drawn");
      find(this.root, ".hint").textContent =
        "The picture did not arrive, or was deleted after its hour. Segment it again.";
    }
  }

  /** What is at work on the picture, in words. */
  showStatus() {
    const { words = "", stop = false } = this.props.status ?? {};
    find(this.root, ".status").textContent = words;
    find(this.root, ".stop").hidden = !stop;
  }

  /** There is no picture any more. */
  empty() {
    this.scene?.tiles?.close();
    this.scene = this.marks.flashed = this.pointed = null;
    this.before.take(null);
    this.canvas.classList.remove("drawn");
    this.canvas.ariaLabel = "No picture";
    for (const part of [".head .name", ".head .by"]) find(this.root, part).textContent = "";
    for (const part of [".bar", ".panel", ".scale", ".divider", ".flash"]) {
      find(this.root, part).hidden = true;
    }
    find(this.root, ".hint").textContent = "The picture appears here.";
    this.brush?.shown();
    this.tellSeen();
  }

  /**
   * Shows a picture that was made on this page.
   *
   * @param {{value: Payload, planes: Planes}} made
   */
  showHere({ value, planes }) {
    this.serial++;
    this.take(value, planes);
  }

  /**
   * @param {Payload} value
   * @param {Planes} planes
   */
  take(value, planes) {
    const { look, camera, stage } = this, before = this.scene?.value;
    const same = before?.picture === value.picture;
    this.habits.keep(this.scene, look);
    this.scene?.tiles?.close();
    this.scene = newScene(value, planes, this.unpack, () => this.change({ panel: false }));
    if (!same) {
      look.window = [...value.window];
      this.pointed = this.marks.flashed = null;
    }
    if (value.names) look.hidden = new Set(value.unpainted);
    if (value.alpha !== undefined && !this.acts.alphaChosen) look.alpha = value.alpha;
    if (value.threshold !== undefined && value.threshold !== null) {
      look.level = Math.round(value.threshold * (value.steps ?? 1));
    }
    this.habits.apply(value, look);
    if (!planes.codes && !planes.probability) look.view = "classes";
    this.acts.applyPixelSize();
    this.layer.lay();
    this.canvas.ariaLabel = value.alt;
    this.root.dataset.size = `${value.width} ${value.height}`;
    this.canvas.classList.add("drawn");
    this.measureStage();
    if (!same && value.camera) openAt(value.camera, camera, value, stage);
    else if (!same || camera.fitted) fit(camera, value, stage);
    this.change({ picture: true, paint: true });
    this.brush?.shown();
    this.drawNow();
    this.canvas.dataset.serial = String(this.serial);  // lets a test wait for this very drawing
    this.motion.wanted = value.focus;
    this.motion.goWhereWanted();
    this.root.dispatchEvent(new CustomEvent("viewer:shown", { bubbles: true }));
    if (value.names && value.by) this.say(`${value.by} found ${sharesOf(this.scene, look)}`);
  }

  drawNow() {
    cancelAnimationFrame(this.pending);
    this.tellSeen();
    this.draw();
  }

  resized() {
    if (!this.measureStage() || !this.scene) return;
    this.motion.resized();
    this.drawNow();  // a canvas that has another size is empty
    this.motion.goWhereWanted();
  }

  /** Says whether the stage has another size now. */
  measureStage() {
    const { stage, canvas } = this;
    const { clientWidth, clientHeight } = this.stageElement;
    const ratio = window.devicePixelRatio || 1;
    if (!clientWidth || !clientHeight) return false;  // on a tab that is not open
    if (this.frame && clientWidth === stage.width && clientHeight === stage.height
      && ratio === stage.ratio) return false;
    Object.assign(stage, { width: clientWidth, height: clientHeight, ratio });
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    // Whole device pixels: a canvas that the page stretches by a third of one is blurred.
    canvas.style.width = `${canvas.width / ratio}px`;
    canvas.style.height = `${canvas.height / ratio}px`;
    const image = this.context.createImageData(canvas.width, canvas.height);
    const pixels = new Int32Array(image.data.buffer);
    this.frame = { image, pixels, bare: pixels.slice(), width: canvas.width,
      height: canvas.height };
    return true;
  }
}
