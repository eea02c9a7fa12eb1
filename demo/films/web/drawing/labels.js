// The objects of a frame, as runs: pixels beside each other that are of one object.

import { outlinesOf } from "./outlines.js";

/** @typedef {{path: Path2D, box: number[]}} Shape Of an object; see `Outline`. */

const CROWD = 1000;  // objects; lines around more of them take too long

export class Labels {
  /**
   * @param {Uint32Array} file What `runs` in pictures.py says.
   * @param {number} width
   * @param {number} height
   */
  constructor(file, width, height) {
    this.width = width;
    this.height = height;
    const count = file.length / 3;
    /** Places of pixels, counted row by row. */
    this.starts = file.slice(0, count);
    this.ends = file.slice(count, 2 * count);
    /** Numbers of the objects. */
    this.ids = file.slice(2 * count);
    /** The first run of each row, and at last how many there are. */
    this.rows = new Uint32Array(height + 1);
    let highest = 0, before = 0;
    for (let run = 0; run < count; run++) {
      before = this.starts[run] += before;
      this.ends[run] += before;
      this.rows[Math.floor(before / width) + 1] = run + 1;
      highest = Math.max(highest, this.ids[run]);
    }
    for (let row = 1; row <= height; row++) this.rows[row] ||= this.rows[row - 1];
    const there = new Uint8Array(highest + 1);
    for (const id of this.ids) there[id] = 1;
    this.highest = highest;
    /** Objects. */
    this.count = there.reduce((sum, one) => sum + one, 0);
    /** @type {Map<number, Shape> | null} Of all objects, by number; null if they are a crowd. */
    this.shapes = this.count > CROWD ? null : this.shapesOf(0, count);
  }

  /**
   * The shape of one object; null if it is not there.
   *
   * @param {number} id
   * @returns {Shape | null}
   */
  shapeOf(id) {
    if (this.shapes) return this.shapes.get(id) ?? null;
    const first = this.ids.indexOf(id);
    return first < 0 ? null : this.shapesOf(first, this.ids.lastIndexOf(id) + 1, id).get(id) ?? null;
  }

  /**
   * The object at a pixel; 0: none.
   *
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const place = y * this.width + x;
    for (let run = this.rows[y]; run < this.rows[y + 1]; run++) {
      if (place >= this.starts[run] && place < this.ends[run]) return this.ids[run];
    }
    return 0;
  }

  /**
   * Numbers of objects, row by row, in the rows of some runs.
   *
   * @param {number} first A run.
   * @param {number} end The run behind the last one.
   * @param {number} [only] One object; 0: all.
   */
  pixels(first, end, only = 0) {
    const { width, starts, ends, ids } = this;
    const top = Math.floor((starts[first] ?? 0) / width), before = top * width;
    const bottom = end > first ? Math.floor(starts[end - 1] / width) + 1 : top;
    const numbers = new Uint32Array((bottom - top) * width);
    for (let run = first; run < end; run++) {
      if (!only || ids[run] === only) numbers.fill(ids[run], starts[run] - before, ends[run] - before);
    }
    return { numbers, top, rows: bottom - top };
  }

  /**
   * @param {number} first As of `pixels`.
   * @param {number} end
   * @param {number} [only]
   * @returns {Map<number, Shape>}
   */
  shapesOf(first, end, only) {
    const { numbers, top, rows } = this.pixels(first, end, only);
    const outlines = outlinesOf(numbers, this.width, rows);
    return new Map([...outlines].map(([id, outline]) => [id, shapeOf(outline, top)]));
  }
}

/**
 * @param {import("./outlines.js").Outline} outline
 * @param {number} down By how many rows it is moved.
 * @returns {Shape}
 */
function shapeOf({ loops, box: [left, top, right, bottom] }, down) {
  const path = new Path2D();
  for (const loop of loops) {
    path.moveTo(loop[0], loop[1] + down);
    for (let i = 2; i < loop.length; i += 2) path.lineTo(loop[i], loop[i + 1] + down);
    path.closePath();
  }
  return { path, box: [left, top + down, right, bottom + down] };
}
