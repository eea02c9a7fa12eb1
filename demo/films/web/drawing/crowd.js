// Many objects at once, as pixels of the screen. What it takes depends on the size of the screen
// and not on how many there are; drawing five thousand shapes takes ten times as long.

import { columnAt } from "../../../viewer/web/moving/camera.js";

/** @typedef {import("./draw.js").Projection} Projection */
/** @typedef {import("./labels.js").Labels} Labels */

/**
 * @param {Labels} labels
 * @param {Projection} at
 * @param {(id: number) => string} colorOf An object: "#rrggbb".
 * @param {number} line How wide, in pixels of the screen within the object.
 * @param {number} fill Opacity within the lines, 0 to 1.
 * @returns {ImageData["data"]} RGBA, row by row of the screen, not multiplied.
 */
export function paintCrowd(labels, at, colorOf, line, fill) {
  const { width, height } = at, ids = seenOnScreen(labels, at);
  const paint = new Uint32Array(width * height), colors = colorsOf(labels.highest, colorOf);
  const inside = Math.round(255 * fill) << 24, edge = 255 << 24;
  for (let y = 0, place = 0; y < height; y++) {
    // Objects go on where the screen ends.
    const up = y < line ? 0 : -line * width, down = y + line < height ? line * width : 0;
    for (let x = 0; x < width; x++, place++) {
      const id = ids[place];
      if (!id) continue;
      const left = x < line ? 0 : -line, right = x + line < width ? line : 0;
      const ends = ids[place + left] !== id || ids[place + right] !== id
        || ids[place + up] !== id || ids[place + down] !== id;
      paint[place] = colors[id] | (ends ? edge : inside);
    }
  }
  return new Uint8ClampedArray(paint.buffer);
}

/**
 * The object at the centre of each pixel of the screen.
 *
 * @param {Labels} labels
 * @param {Projection} at
 */
function seenOnScreen({ width, height, rows, starts, ends, ids }, at) {
  const seen = new Uint32Array(at.width * at.height);
  const column = (/** @type {number} */ x) =>  // the first one whose centre is right of this edge
    Math.min(at.width, Math.max(0, Math.ceil(x * at.scale + at.left - 0.5)));
  for (let y = 0; y < at.height; y++) {
    const row = columnAt(y, at.top, at.scale), before = row * width, line = y * at.width;
    if (row < 0 || row >= height) continue;
    for (let run = rows[row]; run < rows[row + 1]; run++) {
      seen.fill(ids[run], line + column(starts[run] - before), line + column(ends[run] - before));
    }
  }
  return seen;
}

/**
 * By number of the object. In memory red comes first, and so it is the lowest byte.
 *
 * @param {number} highest
 * @param {(id: number) => string} colorOf
 */
function colorsOf(highest, colorOf) {
  return Uint32Array.from({ length: highest + 1 }, (_, id) => {
    const rgb = id && parseInt(colorOf(id).slice(1), 16);
    return (rgb >> 16) | (rgb & 0xff00) | (rgb & 0xff) << 16;
  });
}
