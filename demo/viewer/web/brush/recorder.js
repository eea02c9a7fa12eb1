// From where a pointer was to the points of a stroke: as few as draw the same line.

import { LONGEST } from "./strokes.js";

/** @typedef {[number, number]} Point In quarters of a pixel. */

const NEAR = 1;  // quarters of a pixel that a point may lie beside the line without it
const MOST_LEFT_OUT = 64;  // points in a row: checking them all takes time
export const MOST_POINTS = 4000;  // of a stroke, as train/teaching/strokes.py reads them

export class Recorder {
  /** @param {number} radius */
  constructor(radius) {
    this.closest = Math.max(2, radius >> 3);  // a thick brush shows no smaller bend
    /** @type {Point[]} Points that stay. */
    this.kept = [];
    /** @type {Point[]} Those behind them; the last is the end of the line. */
    this.open = [];
    /** @type {Point | null} Too near to the end to be a point yet. */
    this.tail = null;
  }

  /** @returns {Point | undefined} The end of the line, but for what is too near to it. */
  get end() {
    return this.open.at(-1) ?? this.kept.at(-1);
  }

  get isFull() {
    return this.kept.length + this.open.length >= MOST_POINTS / 2;
  }

  /**
   * Says whether the line has become longer.
   *
   * @param {Point} point
   */
  add(point) {
    const end = this.end;
    if (end && distance(end, point) < this.closest) {
      this.tail = point;
      return false;
    }
    this.tail = null;
    this.take(point);
    return true;
  }

  /** @param {Point} point */
  take(point) {
    const start = this.kept.at(-1);
    if (!start) {
      this.kept.push(point);
      return;
    }
    const straight = this.open.length < MOST_LEFT_OUT
      && this.open.every((passed) => besides(passed, start, point) <= NEAR);
    if (!straight) this.kept.push(/** @type {Point} */ (this.open.at(-1)));
    this.open = straight ? [...this.open, point] : [point];
  }

  /** The points of the whole stroke: x0, y0, x1, y1, ... */
  points() {
    const end = this.end;
    if (this.tail && (this.tail[0] !== end?.[0] || this.tail[1] !== end[1])) this.take(this.tail);
    this.tail = null;
    const line = this.open.length ? [...this.kept, /** @type {Point} */ (this.open.at(-1))] : this.kept;
    return line.flatMap((point, k) => (k ? divided(line[k - 1], point) : point));
  }
}

/**
 * The points behind `from` up to `to`, so close that strokes stay exact.
 *
 * @param {Point} from
 * @param {Point} to
 */
function divided(from, to) {
  const count = Math.ceil(distance(from, to) / (LONGEST - 2));  // each is rounded
  return Array.from({ length: count }, (_, k) => [0, 1].map((axis) =>
    Math.round(from[axis] + (to[axis] - from[axis]) * (k + 1) / count))).flat();
}

/**
 * @param {Point} one
 * @param {Point} other
 */
function distance(one, other) {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

/**
 * How far a point lies from the segment between two others.
 *
 * @param {Point} point
 * @param {Point} from
 * @param {Point} to
 */
function besides(point, from, to) {
  const along = [to[0] - from[0], to[1] - from[1]];
  const square = along[0] ** 2 + along[1] ** 2;
  const part = square && ((point[0] - from[0]) * along[0] + (point[1] - from[1]) * along[1]) / square;
  const share = Math.min(Math.max(part, 0), 1);
  return distance(point, [from[0] + share * along[0], from[1] + share * along[1]]);
}
