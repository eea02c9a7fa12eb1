// The viewer: holds what is shown (scene), how (look) and from where (camera), and redraws when
// one of them changes. The modules beside this one do the work; nothing here asks the server,
// except once for each picture, and for the tiles of a large one.

import { find } from "../../parts/component.js";
import { Before } from "./before.js";
import { Brush } from "./brush.js";
import {
  cameraOn, columnAt, constrain, fit, newCamera, openAt, panBy, pixelAt, projection, zoomBy,
} from "./camera.js";
import { imageTable, packed, paintTables } from "./colors.js";
import { connectControls, listen } from "./controls.js";
import { Flight, wantsCalm } from "./flight.js";
import { connectDivider, connectKeys } from "./input.js";
import { objectAt, objectsDrawn, sceneObjects } from "./objects.js";
import { drawFrame } from "./paint.js";
import { classAt, readPixelSize, showPanel, showPixelSize, showReadout, showScale, sharesOf, tidy } from "./panel.js";
import { fetchPlanes } from "./payload.js";
import { exactAt, tilesWanted, viewOf } from "./pieces.js";
import { connectPointers, wheelHint } from "./pointers.js";
import { newScene } from "./scene.js";
import { newUnpacker } from "./unpack.js";

/** @typedef {import("./camera.js").Box} Box */
/** @typedef {import("./colors.js").Look} Look */
/** @typedef {import("./colors.js").View} View */
/** @typedef {import("./pointers.js").Place} Place */
/** @typedef {import("./paint.js").Frame} Frame */
/** @typedef {import("./payload.js").Payload} Payload */
/** @typedef {import("./payload.js").Planes} Planes */
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

/** @typedef {Pick<Look, "level" | "outline" | "view"> & {hidden: number[]}} Habit */

/** @type {View[]} */
const VIEWS = ["classes", "objects", "probability", "uncertainty"];

/** @type {Record<string, (viewer: Viewer) => void>} What buttons and keys ask for by name. */
const ACTS = {
  zoomIn: (viewer) => viewer.zoomAt(1.5, viewer.stage.width / 2, viewer.stage.height / 2),
  zoomOut: (viewer) => viewer.zoomAt(1 / 1.5, viewer.stage.width / 2, viewer.stage.height / 2),
  fit: (viewer) => viewer.fitWhole(),
  outline: (viewer) => viewer.toggleOutline(),
  split: (viewer) => viewer.toggleSplit(),
  nextView: (viewer) => viewer.nextView(),
  pickMiddle: (viewer) => viewer.pickMiddle(),
  contrast: (viewer) => viewer.resetContrast(),
  missLittle: (viewer) => viewer.missLittle(),
  help: (viewer) => viewer.help(),
  close: (viewer) => viewer.close(),
  stop: (viewer) => viewer.trigger("stop"),
};

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
    this.dialog = find(this.root, "dialog", HTMLDialogElement);
    this.divider = find(this.root, ".divider");
    this.flash = find(this.root, ".flash");
    this.cross = find(this.root, ".cross");

    /** @type {import("./camera.js").Stage} */
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
    /** @type {{picture: string, found: import("./objects.js").SceneObjects} | null} */
    this.layer = null;  // objects that came last, and the picture that they lie on
    this.layers = 0;  // of objects that came
    this.awaitsObjects = false;  // they were in view, and will be when there are some again
    /** @type {Look["pixelSize"]} As a visitor has typed it, for every picture. */
    this.typedSize = null;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Place | null} Where the pointer is, in CSS pixels. */
    this.pointed = null;
    /** @type {Box | null} The region that blinks. */
    this.flashed = null;
    /** @type {Box | null | undefined} Where to fly as soon as the viewer is seen. */
    this.wanted = null;
    this.serial = 0;  // of pictures that came
    this.frames = 0;  // that were drawn
    this.pending = 0;  // the animation frame of the next drawing; 0: nothing has changed
    this.flight = new Flight();
    this.alphaChosen = false;
    /** @type {Map<string, Habit>} How results of each checkpoint were looked at last. */
    this.habits = new Map();
    /** @type {Record<string, number>} By checkpoint, where the slider was left. */
    this.thresholds = {};
    this.tellOfWheel = wheelHint(this.root);
    this.isHeld = false;  // a click has given the wheel and one finger to the picture

    this.before = new Before(this);
    this.brush = props.paints ? new Brush(this) : null;
    connectPointers(this.canvas, this);
    connectKeys(this.canvas, this);
    connectDivider(this.divider, this.stageElement, this);
    connectControls(this.root, this, Object.keys(props.maps));
    listen(this.root, "viewer:fly", (box) => this.fly(box));
    listen(this.root, "viewer:visit", (box) => this.visit(box));
    listen(this.root, "viewer:objects", (layer) => this.showObjects(layer));
    listen(this.root, "viewer:before", (value) => this.before.take(value));
    listen(this.root, "viewer:choose", (id) => this.choose(id));
    listen(this.root, "viewer:askPixelSize", () => this.askPixelSize());
    listen(this.root, "viewer:show", (detail) => this.showHere(detail));
    // Whoever takes the controls is not flown on.
    for (const kind of ["pointerdown", "wheel", "keydown", "click"]) {
      this.root.addEventListener(kind, () => this.flight.stop(),
        { capture: true, passive: true });
    }
    this.followOthers();
    new ResizeObserver(() => this.resized()).observe(this.stageElement);
    this.tellSeen();
    watch("status", () => this.showStatus());
    watch("value", () => this.show());
    this.show();
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
    if (look.view === "objects" && !objectsDrawn(scene, look)) {
      look.view = "classes";
      this.awaitsObjects = true;
    }
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
      camera: { x, y, zoom }, fitted, pixel_size: this.typedSize, thresholds: this.thresholds,
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
    this.placeMarks();
    showScale(root, look.pixelSize, camera, stage);
    showReadout(root, scene, look, pixel, pixel ? this.brush?.wordsAt(pixel) : "");
    // Read aloud where keys move the picture; a mouse would never let the voice finish.
    find(root, ".readout").ariaLive = this.cross.hidden ? "off" : "polite";
    find(root, ".zoom", HTMLOutputElement).value = `${tidy(100 * camera.zoom)} %`;
    // A fitted picture lets pages scroll.
    this.canvas.style.touchAction = camera.fitted && !this.brush?.isOn ? "pan-y" : "none";
    root.dataset.camera = JSON.stringify(camera);
    // Tiles that were asked for with this drawing.
    root.dataset.missing = String(scene.tiles?.missing ?? 0);
    root.dataset.frames = String(++this.frames);
    root.dispatchEvent(new CustomEvent("viewer:drawn", { detail: { milliseconds } }));
  }

  placeMarks() {
    this.brush?.placeRing();
    const { look, divider, flash, flashed, stage, camera } = this;
    divider.hidden = look.split === null || !look.paint;
    if (look.split !== null) {
      divider.style.left = `${100 * look.split}%`;
      divider.setAttribute("aria-valuenow", String(Math.round(100 * look.split)));
      divider.classList.toggle("both", this.before.shown !== null);
    }
    flash.hidden = !flashed;
    if (flashed) {
      const left = stage.width / 2 + (flashed.x - camera.x) * camera.zoom;
      const top = stage.height / 2 + (flashed.y - camera.y) * camera.zoom;
      Object.assign(flash.style, { left: `${left}px`, top: `${top}px`,
        width: `${flashed.width * camera.zoom}px`, height: `${flashed.height * camera.zoom}px` });
    }
  }

  // -------------------------------------------------------------------------------- moving

  /** Others of the same group follow. */
  moved() {
    const { group } = this.props;
    if (group) {
      const detail = { group, from: this.root, camera: { ...this.camera } };
      document.dispatchEvent(new CustomEvent("viewer:moved", { detail }));
    }
    this.change({ panel: false });
  }

  followOthers() {
    const follow = (/** @type {Event} */ event) => {
      if (!this.root.isConnected) return document.removeEventListener("viewer:moved", follow);
      const { group, from, camera } = /** @type {CustomEvent} */ (event).detail;
      if (!this.scene || group !== this.props.group || from === this.root) return;
      if (camera.fitted) fit(this.camera, this.scene.value, this.stage);
      else Object.assign(this.camera, camera);
      constrain(this.camera, this.scene.value, this.stage);
      this.change({ panel: false });
    };
    document.addEventListener("viewer:moved", follow);
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
    const { scene, camera, stage } = this;
    if (!scene || !box || !stage.width) return;
    this.flight.start(camera, cameraOn(box, scene.value, stage), (arrived) => {
      if (arrived && blinks) this.blink(box);
      this.moved();
    });
  }

  /** @param {Box} box */
  blink(box) {
    this.flashed = box;
    this.flash.getAnimations().forEach((animation) => animation.cancel());
    const blinking = this.flash.animate({ opacity: [1, wantsCalm() ? 1 : 0.1] },
      { duration: 400, iterations: 5, direction: "alternate" });
    blinking.onfinish = () => { this.flashed = null; this.placeMarks(); };
  }

  // ---------------------------------------------------------------------------------- acts

  /** @param {string} name One of `ACTS`. */
  act(name) {
    ACTS[name](this);
  }

  /**
   * @param {number} right CSS pixels.
   * @param {number} down
   */
  panBy(right, down) {
    if (!this.scene) return;
    panBy(this.camera, this.scene.value, this.stage, right, down);
    this.moved();
  }

  /**
   * Says whether there was anything to zoom.
   *
   * @param {number} factor
   * @param {number} left
   * @param {number} top
   */
  zoomAt(factor, left, top) {
    if (!this.scene) return false;
    const before = this.camera.zoom;
    zoomBy(this.camera, this.scene.value, this.stage, factor, left, top);
    this.moved();
    return factor > 1 || this.camera.zoom !== before;
  }

  fitWhole() {
    if (!this.scene) return;
    fit(this.camera, this.scene.value, this.stage);
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
    const far = little ? this.camera.zoom : Math.min(this.stage.width, this.stage.height) / 10;
    this.panBy(right * far, down * far);
    this.pointMiddle();
  }

  /** @param {Place | null} place */
  point(place) {
    this.pointed = place;
    this.cross.hidden = true;
    this.change({ panel: false });
  }

  pointMiddle() {
    const middle = { left: this.stage.width / 2, top: this.stage.height / 2 };
    this.pointed = middle;
    this.cross.hidden = false;
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
      this.choose(objectAt(scene, look, pixel));
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

  /** @param {string} key That was pressed on the picture. */
  sayWhatChanged(key) {
    const { scene, look, camera } = this, id = Number(key) - 1;
    if (!scene) return;
    const words = {
      o: look.outline ? "Outlines" : "Filled",
      s: look.split === null ? "Not split"
        : `Split: ${this.before.shown ? "before" : "the bare picture"} on the left`,
      v: look.view, 0: "The whole picture",
    }[key];
    const name = scene.value.names?.[id];
    if (words) this.say(words);
    else if (name) this.say(`${name} ${look.hidden.has(id) ? "hidden" : "shown"}`);
    else if ("+=-_".includes(key)) this.say(`${tidy(100 * camera.zoom)} %`);
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

  /** @param {number} id */
  toggleClass(id) {
    const { scene, look } = this;
    if (!look.paint || id >= (scene?.value.names?.length ?? 0)) return;
    if (!look.hidden.delete(id)) look.hidden.add(id);
    this.change({ paint: true });
  }

  toggleOutline() {
    if (!this.look.paint) return;
    this.look.outline = !this.look.outline;
    this.change();
  }

  toggleSplit() {
    if (!this.look.paint) return;
    this.look.split = this.look.split === null ? 0.5 : null;
    this.change();
  }

  /** @param {number} share Of the stage. */
  splitAt(share) {
    this.look.split = Math.min(Math.max(share, 0), 1);
    this.change({ panel: false });
  }

  /** @param {View} name */
  view(name) {
    this.look.view = name;
    this.awaitsObjects = false;
    this.change({ paint: true });
  }

  nextView() {
    if (!this.look.paint || find(this.root, ".views").hidden) return;
    const there = VIEWS.filter((name) => {
      return !find(this.root, `[data-view=${name}]`, HTMLButtonElement).matches("[hidden], :disabled");
    });
    this.view(there[(there.indexOf(this.look.view) + 1) % there.length]);
  }

  /** @param {number} alpha */
  opacity(alpha) {
    this.look.alpha = alpha;
    this.alphaChosen = true;
    this.change();
  }

  /** @param {number} cut */
  threshold(cut) {
    this.look.level = Math.round(cut * (this.scene?.value.steps || 100));
    this.change({ paint: true });
  }

  missLittle() {
    const offered = this.scene?.value.few_missed;
    if (!offered) return;
    this.threshold(offered.threshold);
    this.say(offered.words);
  }

  resetContrast() {
    if (!this.scene) return;
    this.look.window = [...this.scene.value.window];
    this.change({ picture: true });
  }

  /** @param {number} low */
  black(low) {
    this.look.window = [low, Math.max(low, this.look.window[1])];
    this.change({ picture: true });
  }

  /** @param {number} high */
  white(high) {
    this.look.window = [Math.min(high, this.look.window[0]), high];
    this.change({ picture: true });
  }

  /** @param {string} name */
  colormap(name) {
    this.look.colormap = name;
    this.change({ picture: true });
  }

  /** @param {string} text */
  pixelSize(text) {
    const size = readPixelSize(text);
    find(this.root, ".size", HTMLInputElement).ariaInvalid = String(size === undefined);
    if (size === undefined) {
      find(this.root, ".size_told").textContent =
        "Type a number and its unit, such as 0.25 µm. Units: Å, nm, µm, mm.";
      return;
    }
    this.typedSize = size;
    this.applyPixelSize();
    this.change({ panel: false });
    this.tellSeen();
  }

  applyPixelSize() {
    const own = this.scene?.value.pixel_size ?? null;
    this.look.pixelSize = this.typedSize ?? own;
    showPixelSize(this.root, own, this.typedSize);
  }

  askPixelSize() {
    find(this.root, ".panel details", HTMLDetailsElement).open = true;
    find(this.root, ".size").focus();
  }

  help() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  close() {
    this.dialog.close();
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
    this.scene = this.flashed = this.pointed = null;
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
   * Objects of the picture, or none any more. They may come before the picture is here.
   *
   * @param {import("./objects.js").Layer | null} layer
   */
  async showObjects(layer) {
    const mine = ++this.layers;
    // Of the same picture the old ones stay until the new ones are here.
    if (layer?.picture !== this.layer?.picture) this.layer = null;
    this.layObjects();
    if (!layer) return;
    try {
      const found = sceneObjects(layer, await fetchPlanes(layer), packed);
      if (mine === this.layers) this.layer = { picture: layer.picture, found };
    } catch (error) {
      console.warn(`The objects were not fetched: ${error}`);
      if (mine === this.layers) this.layer = null;
    }
    this.layObjects();
    this.root.dataset.layer = String(mine);  // lets a test wait for these very objects
  }

  layObjects() {
    if (!this.scene) return;
    const { layer, scene, look } = this;
    const found = layer?.picture === scene.value.picture ? layer.found : null;
    if (found !== scene.objects) look.chosen = 0;  // other objects have other numbers
    scene.objects = found;
    if (this.awaitsObjects && objectsDrawn(scene, look)) {
      look.view = "objects";
      this.awaitsObjects = false;
    }
    this.change({ paint: true });
  }

  /**
   * An object has a line around it until another is chosen; 0 for none.
   *
   * @param {number | null} id
   */
  choose(id) {
    this.look.chosen = id ?? 0;
    this.change({ panel: false });
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
    this.keepHabit();
    this.scene?.tiles?.close();
    this.scene = newScene(value, planes, this.unpack, () => this.change({ panel: false }));
    if (!same) {
      look.window = [...value.window];
      this.pointed = this.flashed = null;
    }
    if (value.names) look.hidden = new Set(value.unpainted);
    if (value.alpha !== undefined && !this.alphaChosen) look.alpha = value.alpha;
    if (value.threshold !== undefined && value.threshold !== null) {
      look.level = Math.round(value.threshold * (value.steps ?? 1));
    }
    this.applyHabit(value);
    if (!planes.codes && !planes.probability) look.view = "classes";
    this.applyPixelSize();
    this.layObjects();
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
    this.wanted = value.focus;
    this.goWhereWanted();
    this.root.dispatchEvent(new CustomEvent("viewer:shown", { bubbles: true }));
    if (value.names && value.by) this.say(`${value.by} found ${sharesOf(this.scene, look)}`);
  }

  /** The next result of the same checkpoint is looked at as this one. */
  keepHabit() {
    const { scene, look: { level, hidden, outline, view } } = this;
    if (!scene?.value.names) return;
    this.habits.set(kindOf(scene.value), { level, outline, view, hidden: [...hidden] });
  }

  /** @param {Payload} value */
  applyHabit(value) {
    const habit = value.names && this.habits.get(kindOf(value));
    if (!habit) return;
    const level = value.asked ? this.look.level : habit.level;
    Object.assign(this.look, habit, { level, hidden: new Set(habit.hidden) });
  }

  /** A viewer on a tab that is not open has no size yet; it flies when it is seen. */
  goWhereWanted() {
    if (!this.wanted || !this.stage.width) return;
    this.fly(this.wanted);
    this.wanted = null;
  }

  drawNow() {
    cancelAnimationFrame(this.pending);
    this.tellSeen();
    this.draw();
  }

  resized() {
    if (!this.measureStage() || !this.scene) return;
    if (this.camera.fitted) fit(this.camera, this.scene.value, this.stage);
    else constrain(this.camera, this.scene.value, this.stage);
    this.drawNow();  // a canvas that has another size is empty
    this.goWhereWanted();
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

/**
 * Results with the same classes of the same checkpoint are looked at alike.
 *
 * @param {Payload} value
 */
function kindOf({ by, names }) {
  return JSON.stringify([by, names]);
}
