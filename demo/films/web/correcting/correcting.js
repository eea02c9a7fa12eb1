// Corrections as a visitor makes them: cuts, joins in two clicks, undo and redo, and what is said
// about them.

import { find } from "../../../parts/component.js";
import { Edits, joinOf } from "./edits.js";

/** @typedef {import("../player.js").Player} Player */
/** @typedef {import("../frames/value.js").Place} Place */
/** @typedef {import("../tracks/tracks.js").FilmObject} FilmObject */
/** @typedef {import("../tracks/tracks.js").Track} Track */

const PATIENCE = 60_000;  // milliseconds until an answer is not expected any more

/**
 * Why the link into an object cannot be cut; "" if it can.
 *
 * @param {Track} track
 * @param {FilmObject | null} object Of this track in the frame in view.
 */
export function whyNotCut(track, object) {
  if (!object) return `Track ${track.id} is not in this frame.`;
  if (object !== track.objects[0] || track.parent) return "";
  return `Track ${track.id} begins in this frame: there is no link that could be cut.`;
}

export class Correcting {
  /**
   * @param {HTMLElement} root
   * @param {Player} player
   * @param {(edits: import("../frames/value.js").Edit[]) => void} tell
   */
  constructor(root, player, tell) {
    this.root = root;
    this.player = player;
    /** @type {Place | null} The object that is to be joined to the one that is clicked next. */
    this.joining = null;
    this.timer = 0;
    this.edits = new Edits((edits) => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.giveUp(), PATIENCE);
      tell(edits);
    });
    // A film and its corrections are gone when the page is: the browser asks before.
    addEventListener("beforeunload", (event) => {
      if (this.edits.list.length && root.isConnected) event.preventDefault();
    });
  }

  cut() {
    const { track, object } = this.player.chosenNow();
    if (!track || !object || whyNotCut(track, object)) return;
    this.make({ kind: "cut", object: [object.frame, object.id] });
  }

  startJoining() {
    const { object } = this.player.chosenNow();
    if (!object) return;
    this.joining = [object.frame, object.id];
    this.sayOfJoining(`Go to another frame and click the cell that this one of frame `
      + `${object.frame + 1} became, or was.`);
    this.player.focus();
  }

  leaveJoining() {
    this.joining = null;
    this.sayOfJoining("");
  }

  /**
   * The other end of a join was clicked.
   *
   * @param {Place} place
   */
  joinTo(place) {
    if (!this.joining) return;
    const edit = joinOf(this.joining, place);
    if (!edit) {
      return this.sayOfJoining("Two objects of one frame cannot be joined. Go to another frame.");
    }
    this.leaveJoining();
    this.make(edit);
  }

  /** @param {import("../frames/value.js").Edit} edit */
  make(edit) {
    this.refuse("");
    this.edits.add(edit);
    this.show();
  }

  undo() {
    this.refuse("");
    this.edits.undo();
    this.show();
  }

  redo() {
    this.refuse("");
    this.edits.redo();
    this.show();
  }

  /** @param {import("../frames/value.js").FilmValue} value Of the film in view. */
  answer(value) {
    if (this.edits.sent && value.refused) this.refuse(value.refused);
    this.edits.answer(value);
    if (!this.edits.sent) clearTimeout(this.timer);
    this.show();
  }

  /** @param {import("../frames/value.js").FilmValue | null} value Of another film. */
  reset(value) {
    clearTimeout(this.timer);
    this.edits.reset(value?.edits ?? []);
    this.refuse(value?.refused ?? "");
    this.leaveJoining();
    this.show();
  }

  giveUp() {
    this.edits.giveUp();
    this.refuse("No answer came. Your corrections are kept here, and the next one sends them again.");
    this.show();
  }

  /** @param {string} sentence */
  refuse(sentence) {
    find(this.root, ".refused").textContent = sentence;
  }

  /** @param {string} sentence */
  sayOfJoining(sentence) {
    find(this.root, ".joining").hidden = !sentence;
    find(this.root, ".joining p").textContent = sentence;
    this.root.classList.toggle("joins", Boolean(sentence));
  }

  /** Buttons and words, as they are now. */
  show() {
    const { root, player, edits: { list, undone, sent } } = this;
    const { track, object } = player.chosenNow();
    const waits = sent !== null || player.awaitsTracks;
    find(root, ".edits").hidden = !player.tracks;
    const button = (/** @type {string} */ name) =>
      find(root, `[data-do="${name}"]`, HTMLButtonElement);
    button("undo").disabled = !list.length;
    button("redo").disabled = !undone.length;
    const why = track ? whyNotCut(track, object) : "Choose a cell first.";
    button("cut").disabled = Boolean(why);
    button("cut").title = why || "Removes the link into this object: a new track begins here";
    button("join").disabled = !object;
    button("join").title = object ? "Links this object to one of another frame"
      : `Go to a frame in which the track is.`;
    const told = waits && list.length + undone.length ? "The tracks are made anew …"
      : list.length ? `${list.length} ${list.length === 1 ? "correction" : "corrections"}` : "";
    if (find(root, ".told").textContent !== told) find(root, ".told").textContent = told;
    root.dataset.edits = String(list.length);
  }
}
