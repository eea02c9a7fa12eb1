// What is drawn where, and from which arrays: the whole picture is one piece; from near by, one of
// more pixels than are sent at once is a piece a tile, and where a tile is not there yet, the same
// piece of the coarse picture stands in.

import { columnAt, projection } from "../moving/camera.js";

/** @typedef {import("../moving/camera.js").Camera} Camera */
/** @typedef {import("../moving/camera.js").Pixel} Pixel */
/** @typedef {import("../moving/camera.js").Stage} Stage */
/** @typedef {import("./payload.js").Planes} Planes */
/** @typedef {import("../scene.js").Scene} Scene */
/** @typedef {import("../scene.js").Source} Source */
/** @typedef {{offset: number, columns: Int32Array}} Run From which device pixel on, and what. */
/** @typedef {Run & {tile: number}} TileRun */
/** @typedef {{across: TileRun, down: TileRun, source: Source}} Piece */
/**
 * @typedef {object} Visible What the screen shows.
 * @property {number} left Where the image's corner lies, in device pixels.
 * @property {number} top
 * @property {number} scale Device pixels to a pixel of the image.
 * @property {boolean} near Its runs are tiles.
 * @property {{across: Run, down: Run}} bounds
 * @property {TileRun[]} across
 * @property {TileRun[]} down
 */

/**
 * Which columns (or rows) of the image are drawn where: those outside are not in the list.
 *
 * @param {number} count Device pixels.
 * @param {number} start
 * @param {number} scale
 * @param {number} length Of the image.
 * @returns {Run}
 */
export function visible(count, start, scale, length) {
  const first = Math.max(0, Math.ceil(start - 0.5));
  const columns = [];
  for (let i = first; i < count; i++) {
    const column = columnAt(i, start, scale);
    if (column >= length) break;
    if (column >= 0) columns.push(column);
  }
  let offset = first;
  while (offset < count && columnAt(offset, start, scale) < 0) offset++;
  return { offset, columns: Int32Array.from(columns) };
}

/**
 * A run, cut where tiles of this side meet.
 *
 * @param {Run} run
 * @param {number} side
 * @returns {TileRun[]}
 */
export function cutIntoTiles({ offset, columns }, side) {
  const found = [];
  let start = 0;
  while (start < columns.length) {
    const tile = Math.floor(columns[start] / side);
    let end = start + 1;
    while (end < columns.length && columns[end] < (tile + 1) * side) end++;
    found.push({ tile, offset: offset + start, columns: columns.subarray(start, end) });
    start = end;
  }
  return found;
}

/**
 * @param {{width: number, height: number}} frame In device pixels.
 * @param {Scene} scene
 * @param {Camera} camera
 * @param {Stage} stage
 * @returns {Visible}
 */
export function viewOf(frame, scene, camera, stage) {
  const { value, tiles } = scene;
  const { left, top, scale } = projection(camera, stage);
  const across = visible(frame.width, left, scale, value.width);
  const down = visible(frame.height, top, scale, value.height);
  // As long as the coarse picture has a pixel for each of the screen's, it is as good.
  const near = tiles !== null && scale > 1 / value.step;
  const side = near ? tiles.side : Infinity;
  return { left, top, scale, near, bounds: { across, down },
    across: cutIntoTiles(across, side), down: cutIntoTiles(down, side) };
}

/**
 * Tiles in view, that in the middle of the screen first; before all others that under the pointer.
 *
 * @param {number} side Of a tile.
 * @param {Visible} view
 * @param {Camera} camera
 * @param {Pixel | null} pointed
 */
export function tilesWanted(side, view, camera, pointed) {
  /** @type {import("./tiles.js").Place[]} */
  const places = [];
  if (view.near) {
    for (const { tile: row } of view.down) {
      for (const { tile: column } of view.across) places.push([column, row]);
    }
    const far = (/** @type {[number, number]} */ [column, row]) => Math.hypot(
      (column + 0.5) * side - camera.x, (row + 0.5) * side - camera.y);
    places.sort((a, b) => far(a) - far(b));
  }
  if (pointed) places.unshift([Math.floor(pointed.x / side), Math.floor(pointed.y / side)]);
  return places;
}

/**
 * @param {Scene} scene
 * @param {Visible} view
 * @returns {Piece[]}
 */
export function piecesOf(scene, view) {
  return view.down.flatMap((down) => view.across.map((across) => {
    const tile = view.near ? scene.tiles?.at(across.tile, down.tile) : null;
    return { across, down, source: tile || scene.overview };
  }));
}

/**
 * Columns (or rows) of the image -> of the array that holds every `step`-th of them from `start`.
 *
 * @param {Int32Array} columns
 * @param {number} start
 * @param {number} step
 */
export function indicesIn(columns, start, step) {
  return columns.map((column) => Math.floor((column - start) / step));
}

/**
 * Where a pixel of the image stands in which arrays; null until its tile is there.
 *
 * @param {Scene} scene
 * @param {Pixel} pixel
 * @returns {{planes: Planes, index: number} | null}
 */
export function exactAt({ overview, tiles }, { x, y }) {
  const source = tiles
    ? tiles.at(Math.floor(x / tiles.side), Math.floor(y / tiles.side)) : overview;
  return source
    ? { planes: source.planes, index: (y - source.top) * source.width + x - source.left } : null;
}
