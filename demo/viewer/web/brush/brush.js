// The brush: what it paints with, the stroke that is being painted, and its way to the sheet of the
// picture. `Painted` holds all strokes, `Palette` shows the controls.

import { find } from "../../../parts/component.js";
import { connectBrushKeys } from "./brush_keys.js";
import { pointAt } from "../moving/camera.js";
import { faultOfName, renamed } from "./class_lists.js";
import { listen } from "../around/controls.js";
import { drawStrokes } from "./draw_strokes.js";
import { openStrokes } from "./open_strokes.js";
import { Painted } from "./painted.js";
import { Palette } from "./palette.js";
import { Recorder } from "./recorder.js";
import { ERASER, newRaster, NOTHING, QUARTERS } from "./strokes.js";

/** @typedef {import("./class_lists.js").PaintClass} PaintClass */
/** @typedef {import("../moving/pointers.js").Place} Place */
/** @typedef {import("../viewer.js").Viewer} Viewer */

export const THICKEST = 64;  // pixels of the image, the radius
const ON_SCREEN = 9;  // CSS pixels: the radius, until somebody chooses another
const MOST_STROKES = 2000;  // of a picture, as train/teaching/strokes.py reads them

export class Brush {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.isOn = false;
    this.holdsPicture = false;  // the space bar is down: the pointer drags the picture
    this.chosen = 1;  // id of the class, or `ERASER`
    this.radius = 8;  // in pixels of the image
    this.isSizeChosen = false;
    this.told = "";  // the picture that Python was told of last
    this.words = "";  // of what the visitor has to know
    /** @type {{recorder: Recorder, class: number, radius: number} | null} Being painted. */
    this.stroke = null;
    this.raster = newRaster([], 1, 1);
    this.painted = new Painted(
      viewer.props.palette, (words) => this.say(words),
      () => (this.stroke ? this.redraw() : this.refresh()));
    this.palette = new Palette(viewer.root, this);
    for (const line of viewer.root.querySelectorAll("dialog .painting")) {
      line.removeAttribute("hidden");
    }
    connectBrushKeys(viewer.root, viewer.canvas, this);
    listen(viewer.root, "viewer:paint", (asked) => this.start(asked?.classes ?? null));
    listen(viewer.root, "viewer:strokes", (opened) => this.open(opened));
    listen(viewer.root, "viewer:painted", (answer) => Object.assign(answer, this.painted.told()));
    this.painted.loaded.then(() => {
      this.shown();
      if (this.painted.strokesFor(this.painted.list)) this.tell();
    });
  }

  // -------------------------------------------------------------------------- what is in view

  /** Another picture is in view, or another result of it. */
  shown() {
    const value = this.viewer.scene?.value;
    if (!value || !this.painted.kept) return this.palette.show();
    const before = this.painted.list;
    // An answer comes while the next stroke is being painted: that goes on.
    if (!this.painted.stays(value)) this.end();
    const isOther = this.painted.open(value) && before !== null;
    // With the brush on, Python prepares for the first stroke on the next picture, once it has a
    // result.
    const isNext = this.isOn && value.names && value.picture !== this.told;
    if (isOther || isNext) this.tell();
    if (this.stroke) this.redraw();
    else this.refresh();
  }

  /** Brings the picture and the palette in line with the sheet in view. */
  refresh() {
    const { sheet, list } = this.painted;
    if (!sheet || !list) return;
    if (this.chosen !== ERASER && this.chosen >= list.classes.length) this.chosen = 0;
    this.raster = newRaster(sheet.strokes, sheet.width, sheet.height);
    this.fitSize();
    this.redraw();
  }

  redraw() {
    this.palette.show();
    this.viewer.change({ panel: false });
  }

  /**
   * Draws the strokes, where the tool is on.
   *
   * @param {import("../pixels/pieces.js").Visible} view
   */
  draw(view) {
    const { frame, stage } = this.viewer, { list, sheet } = this.painted;
    if (!this.isOn || !frame || !list || !sheet) return;
    drawStrokes(frame, this.raster, list.classes.map(({ color }) => color), view, stage.ratio);
  }

  /**
   * What is painted at a pixel, in words; "" for nothing.
   *
   * @param {import("../moving/camera.js").Pixel} pixel
   */
  wordsAt({ x, y }) {
    const id = this.isOn ? this.raster.at(x, y) : NOTHING;
    return id === NOTHING ? "" : `painted ${this.painted.list?.classes[id]?.name}`;
  }

  /** The ring around what the brush covers: at the pointer, or in the middle while keys are used. */
  placeRing() {
    const { pointed, camera, root } = this.viewer, ring = find(root, ".ring");
    ring.hidden = !this.isOn || this.holdsPicture || !pointed;
    if (!pointed) return;
    const across = `${2 * this.radius * camera.zoom}px`;
    Object.assign(ring.style, { left: `${pointed.left}px`, top: `${pointed.top}px`,
      width: across, height: across });
  }

  // ------------------------------------------------------------------------------ the tool

  toggle(on = !this.isOn) {
    this.end();
    this.isOn = on;
    this.holdsPicture = false;
    this.fitSize();
    this.viewer.hold(on);
    this.redraw();
    this.viewer.say(on ? "Painting" : "Not painting");
    if (on) this.tell();  // Python prepares for the first stroke
  }

  /**
   * Turns the tool on, with classes of the visitor's own or those of the result in view.
   *
   * @param {{name: string, color?: string}[] | null} classes
   */
  async start(classes) {
    await this.painted.loaded;
    const { painted } = this, value = this.viewer.scene?.value ?? null;
    const wanted = classes
      ? painted.listWith(classes.map(({ name, color = "" }) => ({ name, color })))
      : painted.own ?? painted.list;
    if (wanted && (wanted !== painted.list || classes)) this.useList(wanted.id);
    this.toggle(true);
    if (value) this.viewer.canvas.focus();
  }

  /**
   * Brings strokes of a file back, and turns the tool on.
   *
   * @param {import("./open_strokes.js").Opened} opened
   */
  async open(opened) {
    await this.painted.loaded;
    this.end();
    const { list, words } = openStrokes(this.painted, opened, MOST_STROKES);
    this.toggle(true);
    this.useList(list.id);
    this.say(words);
  }

  /** @param {string} id Of a list of classes. */
  useList(id) {
    const { painted } = this, list = painted.lists.find((one) => one.id === id);
    if (!list) return;
    this.end();
    painted.use(list, this.viewer.scene?.value ?? null);
    this.say("");
    this.refresh();
    this.tell();
  }

  /** @param {number} id Of a class, or `ERASER`. */
  choose(id) {
    const { classes = [] } = this.painted.list ?? {};
    if (id !== ERASER && id >= classes.length) return;
    this.end();
    this.chosen = id;
    this.redraw();
    this.viewer.say(id === ERASER ? "Eraser" : classes[id].name);
  }

  /** @param {number} radius In pixels of the image. */
  resize(radius) {
    this.radius = Math.min(Math.max(Math.round(radius), 1), THICKEST);
    this.isSizeChosen = true;
    this.redraw();
  }

  /** @param {1 | -1} way */
  resizeBy(way) {
    this.resize(this.radius + way * Math.max(1, Math.round(this.radius / 8)));
    this.viewer.say(`Brush of ${2 * this.radius} pixels`);
  }

  /** As thick on the screen for a small picture as for a large one, until somebody chooses. */
  fitSize() {
    if (this.isSizeChosen || !this.viewer.stage.width) return;
    const radius = Math.round(ON_SCREEN / this.viewer.camera.zoom);
    this.radius = Math.min(Math.max(radius, 1), THICKEST);
  }

  /** @param {string} words That stand in the palette until the next stroke. */
  say(words) {
    this.words = words;
    this.palette?.show();
  }

  // ---------------------------------------------------------------------------- a stroke

  /**
   * Begins a stroke, unless the pointer drags the picture or lies beside it.
   *
   * @param {Place} place
   */
  begin(place) {
    const { sheet } = this.painted;
    if (!this.isOn || this.holdsPicture || !sheet || !this.viewer.pixelUnder(place)) return false;
    if (sheet.strokes.length >= MOST_STROKES) {
      this.say(`A picture can have ${MOST_STROKES} strokes. Clear some of them first.`);
      return false;
    }
    const radius = QUARTERS * this.radius;
    this.stroke = { recorder: new Recorder(radius), class: this.chosen, radius };
    this.raster.begin();
    this.move(place);
    return true;
  }

  /** @param {Place} place */
  move(place) {
    const { stroke } = this;
    if (!stroke) return;
    const { recorder } = stroke, before = recorder.end, point = this.quarters(place);
    if (recorder.add(point)) this.raster.paintSegment(stroke, ...(before ?? point), ...point);
    this.viewer.change({ panel: false });
    if (!recorder.isFull) return;
    this.end();  // and goes on with the next
    this.begin(place);
  }

  /**
   * Of the picture, where the pointer is or as near as the picture goes.
   *
   * @param {Place} place
   * @returns {import("./recorder.js").Point}
   */
  quarters({ left, top }) {
    const { camera, stage, scene } = this.viewer, at = pointAt(camera, stage, left, top);
    const within = (/** @type {number} */ where, /** @type {number} */ side) =>
      Math.min(Math.max(Math.round(QUARTERS * where), 0), QUARTERS * side - 1);
    return [within(at.x, scene?.value.width ?? 1), within(at.y, scene?.value.height ?? 1)];
  }

  /** The stroke that is being painted is done. */
  end() {
    const { stroke, painted: { sheet } } = this;
    if (!stroke || !sheet) return;
    const { recorder, ...kind } = stroke, done = { ...kind, points: recorder.points() };
    this.drop();
    this.raster.paint(done);  // fewer points than were drawn
    sheet.add(done);
    this.words = "";
    this.changed();
  }

  /** There was no stroke. */
  drop() {
    if (this.stroke) this.raster.undo();
    this.stroke = null;
    this.viewer.change({ panel: false });
  }

  /** @param {Place} place */
  dot(place) {
    if (this.begin(place)) this.end();
  }

  // ---------------------------------------------------------------------- what was painted

  /** @param {"undo" | "redo" | "clear"} act */
  step(act) {
    if (this.stroke) return this.drop();
    const { sheet } = this.painted;
    if (!sheet?.[act]()) return;
    this.viewer.say({ undo: "Undone", redo: "Done again", clear: "Cleared" }[act]);
    this.refresh();
    this.changed();
  }

  addClass() {
    const id = this.painted.addClass();
    if (id < 0) return;
    this.choose(id);
    this.tell();
  }

  /**
   * Says what is wrong with the name, if anything.
   *
   * @param {number} id Of a class.
   * @param {PaintClass} begun The class before the first letter of the name was typed.
   * @param {string} name
   */
  rename(id, begun, name) {
    const { list } = this.painted;
    if (!list) return "";
    const fault = faultOfName(list.classes, id, name);
    if (!fault) this.changeClass(id, { formerly: [], ...renamed(begun, name.trim()) });
    return fault;
  }

  /**
   * @param {number} id Of a class.
   * @param {Partial<PaintClass>} what Of it changes.
   */
  changeClass(id, what) {
    const { list } = this.painted;
    if (!list) return;
    const changed = { ...list.classes[id], ...what };
    this.painted.change(list, { classes: list.classes.with(id, changed) });
    this.redraw();
    this.tell();
  }

  /** @param {number} id Of a class. */
  removeClass(id) {
    const { list } = this.painted;
    if (!list || !this.painted.canRemove(id)) return;
    this.painted.change(list, { classes: list.classes.slice(0, id) });
    this.refresh();
    this.tell();
  }

  changed() {
    this.painted.save();
    this.redraw();
    this.tell();
  }

  /** Tells Python that something was painted, or that the classes are others. */
  tell() {
    const { sheet, list } = this.painted;
    if (!sheet) return;
    this.told = sheet.picture;
    this.viewer.trigger("input", { picture: sheet.picture, strokes: sheet.strokes.length,
      total: this.painted.strokesFor(list) });
  }
}
