// Strokes over the picture: stronger than the classes of a result, and with a dotted border, black
// and white, that no result has.

import { packed } from "../drawing/colors.js";
import { NOTHING, SIDE } from "./strokes.js";

/** @typedef {import("../drawing/paint.js").Frame} Frame */
/** @typedef {import("../pixels/pieces.js").Run} Run */
/** @typedef {import("../pixels/pieces.js").Visible} Visible */
/** @typedef {import("./strokes.js").Raster} Raster */

const STRENGTH = 0.65;  // the picture is still seen through it
const LIGHT = 0xffffffff, DARK = 0xff100d0b;
const DOT = 4;  // CSS pixels of a dot of the border

/**
 * @param {Frame} frame
 * @param {Raster} raster
 * @param {string[]} colors By the ids of the classes.
 * @param {Visible} view
 * @param {number} ratio Device pixels to a CSS pixel.
 */
export function drawStrokes(frame, raster, colors, view, ratio) {
  const extent = raster.extent();
  if (!extent) return;
  const across = within(view.bounds.across, extent.left - 1, extent.right);
  const down = within(view.bounds.down, extent.top - 1, extent.bottom);
  const count = across.columns.length, rows = down.columns.length;
  const ids = idsIn(raster, across.columns, down.columns);
  const thick = Math.max(1, Math.round(ratio)), dot = DOT * ratio;
  const paint = Int32Array.from(colors, packed);
  const parts = Math.round(256 * STRENGTH), keep = 256 - parts;
  for (let j = 0; j < rows; j++) {
    const line = j * count, above = Math.max(j - thick, 0) * count;
    const below = Math.min(j + thick, rows - 1) * count;
    const target = (down.offset + j) * frame.width + across.offset;
    const y = down.offset + j - Math.round(view.top);
    for (let i = 0; i < count; i++) {
      const id = ids[line + i];
      if (id === NOTHING) continue;
      const edge = ids[above + i] !== id || ids[below + i] !== id
        || ids[line + Math.max(i - thick, 0)] !== id
        || ids[line + Math.min(i + thick, count - 1)] !== id;
      if (edge) {  // dots stay where they are on the picture
        const x = across.offset + i - Math.round(view.left);
        frame.pixels[target + i] = Math.floor((x + y) / dot) & 1 ? LIGHT : DARK;
        continue;
      }
      const bare = frame.pixels[target + i], color = paint[id];
      const mixed = Math.imul(bare & 0xff00ff, keep) + Math.imul(color & 0xff00ff, parts);
      const green = Math.imul(bare & 0xff00, keep) + Math.imul(color & 0xff00, parts);
      frame.pixels[target + i] = 0xff000000 | (((mixed + 0x800080) >>> 8) & 0xff00ff)
        | (((green + 0x8000) >>> 8) & 0xff00);
    }
  }
}

/**
 * The part of a run that lies from one column to another.
 *
 * @param {Run} run
 * @param {number} first
 * @param {number} last
 * @returns {Run}
 */
function within({ offset, columns }, first, last) {
  let start = 0, end = columns.length;
  while (start < end && columns[start] < first) start++;
  while (end > start && columns[end - 1] > last) end--;
  return { offset: offset + start, columns: columns.subarray(start, end) };
}

/**
 * What is painted at these columns and rows of the picture, row by row.
 *
 * @param {Raster} raster
 * @param {Int32Array} columns
 * @param {Int32Array} rows
 */
function idsIn(raster, columns, rows) {
  const ids = new Uint8Array(columns.length * rows.length).fill(NOTHING);
  rows.forEach((row, j) => {
    const start = (row % SIDE) * SIDE;
    let number = -1;
    /** @type {Uint8Array | undefined} */
    let block;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i], next = Math.floor(column / SIDE);
      if (next !== number) {
        number = next;
        block = raster.block(column, row);
      }
      if (block) ids[j * columns.length + i] = block[start + (column % SIDE)];
    }
  });
  return ids;
}
