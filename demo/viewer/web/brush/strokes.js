// Strokes of a brush, and which pixels they cover. Everything is in integers, quarters of a pixel of
// the image: the centre of the pixel in column j and row i is at (4 j + 2, 4 i + 2). Python draws
// them by the same rule, and both agree in every pixel.

/**
 * A line of some thickness that says of its pixels to which class they belong.
 *
 * @typedef {object} Stroke
 * @property {number} class Its id, or `ERASER`.
 * @property {number} radius A pixel is covered if its centre is at most so far from the line.
 * @property {number[]} points x0, y0, x1, y1, ...; two in a row are at most `LONGEST` apart.
 */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Extent In pixels. */

export const ERASER = 255;  // takes away what was painted before
export const NOTHING = 255;  // in a raster: nobody has painted here
export const QUARTERS = 4;  // to a pixel
export const LONGEST = 1024;  // between two points: all products below are exact
export const SIDE = 512;  // of a block of the raster, in pixels

/**
 * Whether the point (x, y) lies within the radius of the segment from a to b.
 *
 * @param {number} ax
 * @param {number} ay
 * @param {number} bx
 * @param {number} by
 * @param {number} radius
 * @param {number} x
 * @param {number} y
 */
export function segmentCovers(ax, ay, bx, by, radius, x, y) {
  const dx = bx - ax, dy = by - ay, px = x - ax, py = y - ay;
  const length = dx * dx + dy * dy, along = px * dx + py * dy, reach = radius * radius;
  if (along <= 0) return px * px + py * py <= reach;
  if (along >= length) return (x - bx) ** 2 + (y - by) ** 2 <= reach;
  return (dx * py - dy * px) ** 2 <= reach * length;
}

/**
 * Calls with each segment of a stroke; a dot is one that begins where it ends.
 *
 * @param {number[]} points
 * @param {(ax: number, ay: number, bx: number, by: number) => void} each
 */
function segmentsOf(points, each) {
  if (points.length === 2) each(points[0], points[1], points[0], points[1]);
  for (let k = 2; k < points.length; k += 2) {
    each(points[k - 2], points[k - 1], points[k], points[k + 1]);
  }
}

/**
 * What is covered of a row is one run without gaps, as around every segment: its ends are estimated
 * in floats, and then moved to where the rule has them.
 *
 * @param {number} ax
 * @param {number} ay
 * @param {number} bx
 * @param {number} by
 * @param {number} radius
 * @param {number} row
 * @returns {[number, number]} First and last column; none, if the first is behind the last.
 */
export function runOf(ax, ay, bx, by, radius, row) {
  const y = QUARTERS * row + 2, dx = bx - ax, dy = by - ay;
  let low = Infinity, high = -Infinity;
  const take = (/** @type {number} */ from, /** @type {number} */ to) => {
    if (from <= to) [low, high] = [Math.min(low, from), Math.max(high, to)];
  };
  for (const [cx, cy] of [[ax, ay], [bx, by]]) {
    const reach = radius * radius - (y - cy) ** 2;
    if (reach >= 0) take(cx - Math.sqrt(reach), cx + Math.sqrt(reach));
  }
  // Beside the segment: between the lines through its ends, and between those along it.
  const length = dx * dx + dy * dy, py = y - ay, wide = radius * Math.sqrt(length);
  const ends = [-Infinity, Infinity];
  for (const [factor, from, to] of [[dx, -dy * py, length - dy * py],
    [-dy, -wide - dx * py, wide - dx * py]]) {
    if (factor === 0) {
      if (from > 0 || to < 0) ends[1] = -Infinity;
      continue;
    }
    const sides = [from / factor, to / factor].sort((one, other) => one - other);
    ends[0] = Math.max(ends[0], sides[0]);
    ends[1] = Math.min(ends[1], sides[1]);
  }
  if (length) take(ax + ends[0], ax + ends[1]);
  if (low > high) return [0, -1];
  const covered = (/** @type {number} */ column) =>
    segmentCovers(ax, ay, bx, by, radius, QUARTERS * column + 2, y);
  let first = Math.floor((low - 2) / QUARTERS), last = Math.ceil((high - 2) / QUARTERS);
  while (first <= last && !covered(first)) first++;
  while (last >= first && !covered(last)) last--;
  return [first, last];
}

/** What is painted on one picture: blocks of pixels, only where somebody has painted. */
export class Raster {
  /**
   * @param {number} width Of the picture, in pixels.
   * @param {number} height
   */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    /** @type {Map<number, Uint8Array>} Class ids by the number of the block, row by row. */
    this.blocks = new Map();
    this.across = Math.ceil(width / SIDE);
    /** @type {Map<number, Uint8Array | undefined> | null} Blocks as they were; see `begin`. */
    this.before = null;
  }

  /**
   * @param {number} column
   * @param {number} row
   */
  at(column, row) {
    const block = this.block(column, row);
    return block ? block[(row % SIDE) * SIDE + (column % SIDE)] : NOTHING;
  }

  /**
   * The block that a pixel lies in, if anything was painted there.
   *
   * @param {number} column
   * @param {number} row
   */
  block(column, row) {
    return this.blocks.get(Math.floor(row / SIDE) * this.across + Math.floor(column / SIDE));
  }

  /** From now on `undo` brings back what is painted now. */
  begin() {
    this.before = new Map();
  }

  undo() {
    for (const [number, block] of this.before ?? []) {
      if (block) this.blocks.set(number, block);
      else this.blocks.delete(number);
    }
    this.before = null;
  }

  /** @param {Stroke} stroke */
  paint(stroke) {
    segmentsOf(stroke.points, (...ends) => this.paintSegment(stroke, ...ends));
  }

  /**
   * @param {Pick<Stroke, "class" | "radius">} stroke
   * @param {number} ax
   * @param {number} ay
   * @param {number} bx
   * @param {number} by
   */
  paintSegment({ class: id, radius }, ax, ay, bx, by) {
    const top = Math.max(0, Math.floor((Math.min(ay, by) - radius) / QUARTERS));
    const bottom = Math.min(this.height - 1, Math.floor((Math.max(ay, by) + radius) / QUARTERS));
    for (let row = top; row <= bottom; row++) {
      const [first, last] = runOf(ax, ay, bx, by, radius, row);
      this.fill(row, Math.max(first, 0), Math.min(last, this.width - 1), id);
    }
  }

  /**
   * @param {number} row
   * @param {number} first
   * @param {number} last
   * @param {number} id
   */
  fill(row, first, last, id) {
    for (let column = first; column <= last; column = (Math.floor(column / SIDE) + 1) * SIDE) {
      const block = this.blockToPaint(column, row, id);
      const start = (row % SIDE) * SIDE, left = column - (column % SIDE);
      block?.fill(id, start + column - left, start + Math.min(last + 1 - left, SIDE));
    }
  }

  /**
   * @param {number} column
   * @param {number} row
   * @param {number} id
   */
  blockToPaint(column, row, id) {
    const number = Math.floor(row / SIDE) * this.across + Math.floor(column / SIDE);
    const there = this.blocks.get(number);
    if (!there && id === ERASER) return undefined;  // there is nothing to take away
    if (this.before && !this.before.has(number)) this.before.set(number, there?.slice());
    const block = there ?? new Uint8Array(SIDE * SIDE).fill(NOTHING);
    this.blocks.set(number, block);
    return block;
  }

  /** The smallest box of blocks that holds all that is painted; null if there is nothing. */
  extent() {
    if (!this.blocks.size) return null;
    const columns = [...this.blocks.keys()].map((number) => number % this.across);
    const rows = [...this.blocks.keys()].map((number) => Math.floor(number / this.across));
    return { left: SIDE * Math.min(...columns), top: SIDE * Math.min(...rows),
      right: SIDE * (Math.max(...columns) + 1), bottom: SIDE * (Math.max(...rows) + 1) };
  }
}

/**
 * What strokes say of each pixel: class ids, `NOTHING` where nobody has painted; later ones win.
 *
 * @param {Stroke[]} strokes
 * @param {number} width
 * @param {number} height
 */
export function newRaster(strokes, width, height) {
  const painted = new Raster(width, height);
  for (const stroke of strokes) painted.paint(stroke);
  return painted;
}

/**
 * The same as one array, row by row, as `raster` in train/teaching/strokes.py has it.
 *
 * @param {Stroke[]} strokes
 * @param {[number, number]} size Height and width.
 */
export function raster(strokes, [height, width]) {
  const painted = newRaster(strokes, width, height);
  const whole = new Uint8Array(width * height);
  for (let i = 0; i < whole.length; i++) whole[i] = painted.at(i % width, Math.floor(i / width));
  return whole;
}
