// All that was painted, on every picture and for every list of classes, and which of it is in view.

import {
  alsoCalled, FIRST, formerNames, freeColor, listInWords, listNamed, listOf, MOST_CLASSES, newList,
} from "./class_lists.js";
import { countOf, Sheet, sheetId } from "./sheet.js";
import { openKept } from "./strokes_kept.js";

/** @typedef {import("./class_lists.js").ClassList} ClassList */
/** @typedef {import("./class_lists.js").PaintClass} PaintClass */
/** @typedef {import("../pixels/payload.js").Payload} Payload */

const MOST_PICTURES = 100;  // that strokes are kept of, those painted last

export class Painted {
  /**
   * @param {string[]} palette Colours of new classes.
   * @param {(words: string) => void} say
   * @param {() => void} changed What is in view was painted on in another tab.
   */
  constructor(palette, say, changed) {
    this.palette = palette;
    this.say = say;
    this.changed = changed;
    /** @type {ClassList[]} */
    this.lists = [];
    /** @type {Map<string, Sheet>} */
    this.sheets = new Map();
    /** @type {ClassList | null} In use. */
    this.list = null;
    /** @type {ClassList | null} That of the result in view. */
    this.own = null;
    /** @type {Sheet | null} In view. */
    this.sheet = null;
    /** @type {import("./strokes_kept.js").Kept | null} Until it is there, nothing can be painted. */
    this.kept = null;
    this.loaded = this.load();
  }

  async load() {
    const kept = await openKept(this.say, (record) => this.take(record));
    if (kept.words) this.say(kept.words);
    for (const record of kept.records) this.take(record);
    this.lists.sort((one, other) => other.when - one.when);
    this.list = this.lists.find(({ pinned }) => pinned) ?? null;
    this.kept = kept;
  }

  /**
   * Takes what was kept before, or what another tab has painted now, unless something newer is here.
   * Strokes of another tab take the place of those on the same picture: that tab has had these.
   *
   * @param {import("./strokes_kept.js").KeptRecord | import("./strokes_kept.js").Gone} record
   */
  take(record) {
    const { id, kind, when } = record;
    if (kind === "list") {
      const here = this.lists.find((list) => list.id === id);
      if (!here) this.lists.push(record);
      // Which list is in use is a matter of each tab.
      else if (here.when <= when) Object.assign(here, record, { pinned: here.pinned });
    } else {
      const here = this.sheets.get(id);
      if (here && here.when > when) return;
      if (kind === "sheet") {
        this.sheets.set(id, new Sheet(record.list, record, record.strokes, when));
      } else {
        this.sheets.delete(id);
      }
      if (this.sheet?.id === id && this.list) this.sheet = this.sheetOf(this.list, this.sheet);
    }
    if (this.kept && (this.sheet?.id === id || this.list?.id === id)) this.changed();
  }

  /**
   * Opens the sheet of the picture in view. The classes are those of its result, unless others were
   * chosen; a picture without a result is painted with the classes of the last one.
   *
   * @param {Payload} value
   */
  open(value) {
    const { names, colors = [] } = value, before = this.list;
    this.own = names
      ? listOf(this.lists, names, before)
        ?? this.newList(names.map((name, id) => ({ name, color: colors[id] })))
      : null;
    if (!before?.pinned) this.list = this.own ?? before;
    this.list ??= this.listWith(FIRST);
    this.sheet = this.sheetOf(this.list, value);
    const left = before === this.list ? 0 : this.strokesFor(before);
    if (before && left) {
      this.say(`The classes are those of this result now. ${countOf(left)} for `
        + `“${listInWords(before)}” ${left === 1 ? "is" : "are"} kept: choose them under Classes.`);
    }
    return before !== this.list;
  }

  /**
   * Whether the sheet in view stays the same when this is shown.
   *
   * @param {Payload} value
   */
  stays({ picture, names }) {
    const { list, sheet } = this;
    return list !== null && sheet?.picture === picture
      && (list.pinned || !names || listOf(this.lists, names, list) === list);
  }

  /**
   * The list of these classes, a new one if need be. What they were called before is remembered.
   *
   * @param {PaintClass[]} classes
   */
  listWith(classes) {
    const list = listNamed(this.lists, classes.map(({ name }) => name));
    if (!list) return this.newList(classes);
    list.classes = list.classes.map((one, id) => alsoCalled(one, classes[id].formerly ?? []));
    return list;
  }

  /** @param {PaintClass[]} classes */
  newList(classes) {
    const list = newList(this.lists, classes, this.palette);
    this.lists.push(list);
    return list;
  }

  /**
   * @param {ClassList} list
   * @param {import("./sheet.js").Picture} value
   */
  sheetOf(list, value) {
    const id = sheetId(list.id, value.picture);
    const sheet = this.sheets.get(id) ?? new Sheet(list.id, value);
    if (value.name) sheet.name = value.name;
    this.sheets.set(id, sheet);
    return sheet;
  }

  /**
   * Paints with another list from now on, which stays unless it is that of the result in view.
   *
   * @param {ClassList} list
   * @param {Payload | null} value Of the picture in view.
   */
  use(list, value) {
    for (const other of this.lists) {
      if (other.pinned && other !== list) this.change(other, { pinned: false });
    }
    this.list = list;
    this.change(list, { pinned: list !== this.own });
    this.sheet = value && this.sheetOf(list, value);
  }

  /**
   * @param {ClassList} list
   * @param {Partial<ClassList>} what Of it changes.
   */
  change(list, what) {
    Object.assign(list, what, { when: Date.now() });
    this.kept?.put(structuredClone(list));
  }

  /** Adds a class to the list in use, and gives its id; -1 if there are too many. */
  addClass() {
    const { list } = this;
    if (!list || list.classes.length >= MOST_CLASSES) return -1;
    const { classes } = list;
    let number = classes.length + 1;
    while (classes.some(({ name }) => name === `class ${number}`)) number++;
    const added = { name: `class ${number}`, color: freeColor(classes, this.palette) };
    this.change(list, { classes: [...classes, added] });
    return classes.length;
  }

  /**
   * Whether a class of the list in use can go: the last one, which no result has and no stroke.
   *
   * @param {number} id
   */
  canRemove(id) {
    const { list } = this;
    return list !== null && id === list.classes.length - 1 && id >= list.names.length
      && this.sheetsOf(list).every((sheet) => !sheet.knows(id));
  }

  /** Keeps the sheet in view as it is now. */
  save() {
    if (!this.sheet || !this.list) return;
    this.change(this.list, {});
    const words = this.keep(this.sheet);
    if (words) this.say(words);
  }

  /**
   * Says in words what had to go for it; "" if nothing.
   *
   * @param {Sheet} sheet That has changed.
   */
  keep(sheet) {
    const { kept } = this;
    if (!kept) return "";
    sheet.when = Date.now();
    if (sheet.strokes.length) kept.put(sheet.record());
    else kept.remove(sheet.id);
    const full = [...this.sheets.values()].filter(({ strokes }) => strokes.length);
    if (full.length <= MOST_PICTURES) return "";
    const oldest = full.reduce((one, other) => (other.when < one.when ? other : one));
    this.sheets.delete(oldest.id);
    kept.remove(oldest.id);
    return `Strokes are kept of ${MOST_PICTURES} pictures: those on ${oldest.name} went.`;
  }

  /** @param {ClassList | null} list */
  sheetsOf(list) {
    return [...this.sheets.values()].filter((sheet) => sheet.list === list?.id);
  }

  /** @param {ClassList | null} list */
  strokesFor(list) {
    return this.sheetsOf(list).reduce((sum, { strokes }) => sum + strokes.length, 0);
  }

  /** Lists that can be chosen: with strokes, of the result in view, in use. */
  choices() {
    return this.lists.filter((list) =>
      list === this.list || list === this.own || this.strokesFor(list) > 0);
  }

  /** What the page reads: see `painted` in component.py. */
  told() {
    const pictures = this.sheetsOf(this.list).filter(({ strokes }) => strokes.length)
      .map(({ picture, name, width, height, strokes }) =>
        [picture, { name, width, height, strokes }]);
    const { list } = this;
    const classes = list?.classes.map((one, id) => alsoCalled(one, formerNames(list, id))) ?? [];
    return { classes, pictures: Object.fromEntries(pictures) };
  }
}
