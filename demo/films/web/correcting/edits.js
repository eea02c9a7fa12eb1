// The list of corrections, with undo and redo, and its talk with Python: one list is on its way at a
// time, so that an answer is always to the list that was sent last. What is changed meanwhile is
// sent when the answer is here.

/** @typedef {import("../frames/value.js").Edit} Edit */
/** @typedef {import("../frames/value.js").FilmValue} FilmValue */

export class Edits {
  /** @param {(edits: Edit[]) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {Edit[]} */
    this.list = [];
    /** @type {Edit[]} The one that was undone last comes last. */
    this.undone = [];
    /** @type {Edit[] | null} The list that awaits its answer. */
    this.sent = null;
    /** @type {Edit[]} That Python has accepted last. */
    this.accepted = [];
  }

  /** @param {Edit[]} edits Of a film that is new here. */
  reset(edits) {
    Object.assign(this, { list: edits, undone: [], sent: null, accepted: edits });
  }

  /** @param {Edit} edit */
  add(edit) {
    this.list = [...this.list, edit];
    this.undone = [];
    this.sendIfFree();
  }

  undo() {
    const last = this.list[this.list.length - 1];
    if (!last) return null;
    this.list = this.list.slice(0, -1);
    this.undone.push(last);
    this.sendIfFree();
    return last;
  }

  redo() {
    const next = this.undone.pop();
    if (!next) return null;
    this.list = [...this.list, next];
    this.sendIfFree();
    return next;
  }

  sendIfFree() {
    if (this.sent || same(this.list, this.accepted)) return;
    this.sent = this.list;
    this.send(this.list);
  }

  /**
   * Takes an answer. One with other edits than were sent is an answer only if it refuses some: else
   * it was on its way before.
   *
   * @param {Pick<FilmValue, "edits" | "refused">} answer
   */
  answer({ edits, refused }) {
    const { sent } = this;
    if (!sent && same(edits, this.list)) this.accepted = edits;  // it came too late
    if (!sent || (!refused && !same(edits, sent))) return;
    this.sent = null;
    this.accepted = edits;
    // What was done since then stays; what was refused does not.
    const goesOn = same(this.list.slice(0, sent.length), sent);
    if (refused && goesOn) this.list = [...edits, ...this.list.slice(sent.length)];
    this.sendIfFree();
  }

  /** No answer will come any more: the next change sends all of them again. */
  giveUp() {
    this.sent = null;
  }
}

/**
 * @param {Edit[]} one
 * @param {Edit[]} other
 */
function same(one, other) {
  return one.length === other.length && one.every((edit, i) => textOf(edit) === textOf(other[i]));
}

/** @param {Edit} edit */
function textOf(edit) {
  return edit.kind === "join" ? `join ${edit.from} ${edit.to}` : `cut ${edit.object}`;
}

/**
 * A join of two objects, whichever was named first; null if both are of one frame.
 *
 * @param {import("../frames/value.js").Place} one
 * @param {import("../frames/value.js").Place} other
 * @returns {Edit | null}
 */
export function joinOf(one, other) {
  if (one[0] === other[0]) return null;
  const [from, to] = one[0] < other[0] ? [one, other] : [other, one];
  return { kind: "join", from, to };
}
