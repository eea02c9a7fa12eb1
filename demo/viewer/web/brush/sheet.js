// The strokes on one picture for one list of classes, with what undo and redo need.

import { ERASER } from "./strokes.js";

/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {{added: Stroke} | {cleared: Stroke[]}} Step */
/** @typedef {{picture: string, name?: string, width: number, height: number}} Picture */
/**
 * As it is kept.
 *
 * @typedef {object} SheetRecord
 * @property {string} id
 * @property {"sheet"} kind
 * @property {number} when It was changed last, in milliseconds since 1970.
 * @property {string} list Id of the list of classes.
 * @property {string} picture
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {Stroke[]} strokes
 */

export class Sheet {
  /**
   * @param {string} list Id of the list of classes.
   * @param {Picture} picture
   * @param {Stroke[]} strokes
   * @param {number} when
   */
  constructor(list, { picture, name = "", width, height }, strokes = [], when = 0) {
    this.list = list;
    this.picture = picture;
    this.name = name;
    this.width = width;
    this.height = height;
    this.strokes = strokes;
    this.when = when;
    /** @type {Step[]} Of strokes that were kept from before, each can be undone. */
    this.past = strokes.map((added) => ({ added }));
    /** @type {Step[]} */
    this.future = [];
  }

  get id() {
    return sheetId(this.list, this.picture);
  }

  /** @param {Stroke} stroke */
  add(stroke) {
    this.do({ added: stroke });
    this.future = [];
  }

  /** Says whether there was anything. */
  clear() {
    if (!this.strokes.length) return false;
    this.do({ cleared: this.strokes });
    this.future = [];
    return true;
  }

  /** @param {Step} step */
  do(step) {
    this.past.push(step);
    this.strokes = "added" in step ? [...this.strokes, step.added] : [];
  }

  /** Says whether there was anything. */
  undo() {
    const step = this.past.pop();
    if (!step) return false;
    this.future.push(step);
    this.strokes = "added" in step ? this.strokes.slice(0, -1) : step.cleared;
    return true;
  }

  /** Says whether there was anything. */
  redo() {
    const step = this.future.pop();
    if (!step) return false;
    this.do(step);
    return true;
  }

  /**
   * Whether a class is in any stroke that is here, or can come back.
   *
   * @param {number} id
   */
  knows(id) {
    return [...this.past, ...this.future].some((step) => "added" in step && step.added.class === id);
  }

  /** @returns {SheetRecord} */
  record() {
    const { id, when, list, picture, name, width, height, strokes } = this;
    return { id, kind: "sheet", when, list, picture, name, width, height, strokes };
  }
}

/**
 * @param {string} list
 * @param {string} picture
 */
export function sheetId(list, picture) {
  return `${list} ${picture}`;
}

/**
 * In words: "5 strokes: 2 background, 3 nucleus".
 *
 * @param {Stroke[]} strokes
 * @param {{name: string}[]} classes
 */
export function strokesInWords(strokes, classes) {
  if (!strokes.length) return "No strokes on this picture yet";
  const parts = [...classes.map(({ name }) => name), "eraser"].map((name, id) => {
    const wanted = id === classes.length ? ERASER : id;
    const count = strokes.filter((stroke) => stroke.class === wanted).length;
    return count ? `${count} ${name}` : "";
  });
  return `${countOf(strokes.length)}: ${parts.filter(Boolean).join(", ")}`;
}

/** @param {number} count */
export function countOf(count) {
  return `${count} ${count === 1 ? "stroke" : "strokes"}`;
}
