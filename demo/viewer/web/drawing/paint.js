// Draws what is visible, at the resolution of the screen: an image of 4096 x 4096 pixels costs
// as much as one of 512 x 512. Plain arrays rather than WebGL: whole numbers make the drawing
// exact, and it is the same in every browser, with several viewers, and without a graphics card.

import { paintsClasses } from "./colors.js";
import { drawChosen, objectsInView } from "./objects.js";
import { indicesIn, piecesOf } from "../pixels/pieces.js";

/** @typedef {import("./colors.js").Look} Look */
/** @typedef {import("../pixels/pieces.js").Piece} Piece */
/** @typedef {import("../pixels/pieces.js").Visible} Visible */
/** @typedef {import("../scene.js").Scene} Scene */
/**
 * What is drawn into.
 *
 * @typedef {object} Frame
 * @property {ImageData} image
 * @property {Int32Array} pixels Of `image`.
 * @property {Int32Array} bare The picture alone, for the next drawing from the same place.
 * @property {number} width In device pixels.
 * @property {number} height
 * @property {string} [place] From where `bare` was drawn,
 * @property {Int32Array} [table] and in which colours.
 */
/** @typedef {[number, number]} Span The first column of the frame that is painted, and the end. */
/**
 * A result on one side of the line of a split view.
 *
 * @typedef {object} Side
 * @property {Scene} scene
 * @property {Look} look
 * @property {import("./colors.js").PaintTables} tables
 */

const BACKGROUND = 0xff1c1714;  // #14171c

/**
 * @param {Frame} frame
 * @param {Scene} scene
 * @param {Look} look
 * @param {Visible} view
 * @param {import("../moving/camera.js").Stage} stage
 * @param {Side | null} before Left of the line of a split view; null: nothing is painted there.
 */
export function drawFrame(frame, scene, look, view, stage, before) {
  const pieces = piecesOf(scene, view);
  const place = `${view.left} ${view.top} ${view.scale} ${scene.value.id} ${scene.tiles?.serial}`;
  if (frame.table === look.imageTable && frame.place === place) frame.pixels.set(frame.bare);
  else {
    frame.pixels.fill(BACKGROUND);
    for (const piece of pieces) drawPicture(frame, piece, look.imageTable, scene, view.scale);
    frame.bare.set(frame.pixels);
    Object.assign(frame, { table: look.imageTable, place });
  }
  if (!look.paint) return;
  const line = look.split === null ? 0 : Math.round(look.split * frame.width);
  const thick = Math.max(1, Math.round(2 * stage.ratio));
  drawSide(frame, { scene, look, tables: look.paint }, view, [line, frame.width], thick);
  if (before && line) drawSide(frame, before, view, [0, line], thick);
  const objects = look.chosen ? objectsInView(scene, look) : null;
  if (objects) drawChosen(frame, scene, objects.labels, look.chosen, view.bounds, thick);
}

/**
 * @param {Frame} frame
 * @param {Side} side
 * @param {Visible} view
 * @param {Span} span
 * @param {number} thick Outlines, in device pixels.
 */
function drawSide(frame, { scene, look, tables }, view, span, thick) {
  // Of objects there is what was sent at once, and no tiles.
  const pieces = piecesOf(scene, view).map((piece) => (
    tables.name === "objects" ? { ...piece, source: scene.overview } : piece));
  if (look.outline && paintsClasses(look)) {
    drawOutlines(frame, pieces, scene, tables, view.bounds, span, thick);
  } else for (const piece of pieces) drawFilled(frame, piece, scene, look, tables, span);
}

/**
 * @param {Frame} frame
 * @param {Piece} piece
 * @param {Int32Array} table
 * @param {Scene} scene
 * @param {number} scale
 */
function drawPicture({ pixels, width }, { source, across, down }, table, scene, scale) {
  // The coarsest picture that still has a pixel for each of the screen's.
  const { levels, step, left, top } = source;
  const depth = Math.min(Math.max(Math.floor(Math.log2(1 / (scale * step))), 0), levels.length - 1);
  const { values, width: stride } = levels[depth];
  const shrink = step * 2 ** depth;
  const columns = indicesIn(across.columns, left, shrink), rows = indicesIn(down.columns, top, shrink);
  const count = columns.length, gray = scene.value.channels === 1;
  rows.forEach((y, j) => {
    const row = y * stride;
    let target = (down.offset + j) * width + across.offset;
    if (gray) {
      for (let i = 0; i < count; i++) pixels[target++] = table[values[row + columns[i]]];
      return;
    }
    for (let i = 0; i < count; i++) {
      const place = 3 * (row + columns[i]);
      pixels[target++] = 0xff000000 | (table[values[place + 2]] << 16)
        | (table[values[place + 1]] << 8) | table[values[place]];
    }
  });
}

/**
 * @param {Frame} frame
 * @param {Piece} piece
 * @param {Scene} scene
 * @param {Look} look
 * @param {import("./colors.js").PaintTables} tables
 * @param {Span} span
 */
function drawFilled(frame, { source, across, down }, scene, look, { name, paint }, [first, last]) {
  const plane = planeOf(source, scene, name);
  const weight = paintsClasses(look) ? look.alpha : Math.min(1, 2 * look.alpha);
  const parts = Math.round(256 * weight), keep = 256 - parts;
  const columns = indicesIn(across.columns, source.left, source.step);
  const begin = Math.max(0, first - across.offset);
  const end = Math.min(columns.length, last - across.offset);
  const { pixels } = frame;
  indicesIn(down.columns, source.top, source.step).forEach((y, j) => {
    const row = y * source.width;
    let target = (down.offset + j) * frame.width + across.offset + begin;
    for (let i = begin; i < end; i++, target++) {
      const color = paint[plane[row + columns[i]]];
      if (color === 0) continue;
      const bare = pixels[target];  // red and blue are mixed in one go, green in another
      const mixed = Math.imul(bare & 0xff00ff, keep) + Math.imul(color & 0xff00ff, parts);
      const green = Math.imul(bare & 0xff00, keep) + Math.imul(color & 0xff00, parts);
      pixels[target] = 0xff000000 | (((mixed + 0x800080) >>> 8) & 0xff00ff)
        | (((green + 0x8000) >>> 8) & 0xff00);
    }
  });
}

/**
 * @param {import("../scene.js").Source} source
 * @param {Scene} scene
 * @param {import("./colors.js").PaintTables["name"]} name
 */
function planeOf(source, scene, name) {
  const plane = name === "objects" ? scene.objects?.labels : source.planes[name];
  if (!plane) throw new Error(`The plane ${name} was not sent.`);
  return plane;
}

/**
 * A class is painted where another begins, as thick at every zoom. One line between two classes:
 * that of the higher id, or of the one that is not hidden. Classes are gathered from all pieces
 * first: a border may lie where two tiles meet.
 *
 * @param {Frame} frame
 * @param {Piece[]} pieces
 * @param {Scene} scene
 * @param {import("./colors.js").PaintTables} tables
 * @param {Visible["bounds"]} bounds
 * @param {Span} span
 * @param {number} thick In device pixels.
 */
function drawOutlines(
  frame, pieces, scene, { name, paint, classes }, { across, down }, [first, end], thick,
) {
  const count = across.columns.length;
  const Kind = classes instanceof Uint8Array ? Uint8Array : Uint16Array;
  const ids = new Kind(count * down.columns.length);
  const colors = new Int32Array(2 ** (8 * Kind.BYTES_PER_ELEMENT));
  for (const { source, across: run, down: fall } of pieces) {
    const plane = planeOf(source, scene, name);
    const columns = indicesIn(run.columns, source.left, source.step);
    indicesIn(fall.columns, source.top, source.step).forEach((y, j) => {
      const row = y * source.width;
      let target = (fall.offset - down.offset + j) * count + run.offset - across.offset;
      for (let i = 0; i < columns.length; i++, target++) {
        const code = plane[row + columns[i]];
        ids[target] = classes[code];
        colors[classes[code]] = paint[code];
      }
    });
  }
  const yields = (/** @type {number} */ other, /** @type {number} */ id) =>
    other < id || (other !== id && colors[other] === 0);
  const last = down.columns.length - 1;
  for (let j = 0; j <= last; j++) {
    const above = Math.max(j - thick, 0) * count, below = Math.min(j + thick, last) * count;
    const begin = Math.max(0, first - across.offset), stop = Math.min(count, end - across.offset);
    for (let i = begin; i < stop; i++) {
      const id = ids[j * count + i];
      if (colors[id] === 0) continue;
      const edge = yields(ids[j * count + Math.max(i - thick, 0)], id)
        || yields(ids[j * count + Math.min(i + thick, count - 1)], id)
        || yields(ids[above + i], id) || yields(ids[below + i], id);
      if (edge) frame.pixels[(down.offset + j) * frame.width + across.offset + i] = colors[id];
    }
  }
}
