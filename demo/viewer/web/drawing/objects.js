// Single objects over the picture: each in a colour of its own, and an outline around the chosen
// one. They come after the picture, and are those of one threshold. At another one they are not
// shown, unless those of that one come by themselves: then the old ones stay until these are here.

import { indicesIn } from "../pixels/pieces.js";

/** @typedef {import("../moving/camera.js").Pixel} Pixel */
/** @typedef {import("./colors.js").Look} Look */
/** @typedef {import("./colors.js").PaintTables} PaintTables */
/** @typedef {import("./paint.js").Frame} Frame */
/** @typedef {import("../pixels/payload.js").PlaneEntry} PlaneEntry */
/** @typedef {import("../scene.js").Scene} Scene */
/**
 * As `object_layer` makes it in object_layer.py.
 *
 * @typedef {object} Layer
 * @property {string} picture That they lie on, as in its payload.
 * @property {number | null} threshold That they were found at; null where there is none.
 * @property {boolean} follows Where the threshold is changed, others come by themselves.
 * @property {string[]} colors
 * @property {{url: string}} data
 * @property {PlaneEntry[]} planes
 */
/**
 * Objects that lie on the picture in view.
 *
 * @typedef {object} SceneObjects
 * @property {number | null} threshold
 * @property {boolean} follows
 * @property {number} count
 * @property {Uint16Array} labels The object of each pixel that was sent at once; 0 for none.
 * @property {Int32Array} paint Their colours, by id.
 */

const INNER = 0xffffffff, OUTER = 0xff100d0b;  // an outline for light and dark pictures

/**
 * @param {Layer} layer
 * @param {{labels: Uint16Array, hues: Uint8Array}} planes `hues`: the colour of each object.
 * @param {(hex: string) => number} packed
 * @returns {SceneObjects}
 */
export function sceneObjects({ threshold, follows, colors }, { labels, hues }, packed) {
  const paint = new Int32Array(65536), palette = colors.map(packed);
  hues.forEach((hue, index) => { paint[index + 1] = palette[hue]; });
  return { threshold, follows, count: hues.length, labels, paint };
}

/**
 * The objects of a scene, if they are those of the threshold in view.
 *
 * @param {Scene} scene
 * @param {Pick<Look, "level">} look
 */
export function objectsInView({ objects, value }, look) {
  if (!objects) return null;
  const { threshold } = objects;
  const here = threshold === null || Math.round(threshold * (value.steps ?? 1)) === look.level;
  return here ? objects : null;
}

/**
 * The objects of a scene, if they are drawn at the threshold in view.
 *
 * @param {Scene} scene
 * @param {Pick<Look, "level">} look
 */
export function objectsDrawn(scene, look) {
  return scene.objects?.follows ? scene.objects : objectsInView(scene, look);
}

/**
 * The id of the object at a pixel; 0 for none.
 *
 * @param {Scene} scene
 * @param {Pick<Look, "level">} look
 * @param {Pixel} pixel
 */
export function objectAt(scene, look, { x, y }) {
  const { width, step } = scene.overview;
  const place = Math.floor(y / step) * width + Math.floor(x / step);
  return objectsInView(scene, look)?.labels[place] ?? 0;
}

const IDS = Uint16Array.from({ length: 65536 }, (_, id) => id);

/**
 * What the drawing of classes takes, of objects.
 *
 * @param {SceneObjects} objects
 * @returns {PaintTables}
 */
export function objectTables({ paint }) {
  return { name: "objects", paint, classes: IDS };
}

/**
 * Draws a line around the pixels of one object, white within and dark without.
 *
 * @param {Frame} frame
 * @param {Scene} scene
 * @param {Uint16Array} labels
 * @param {number} id
 * @param {import("../pixels/pieces.js").Visible["bounds"]} bounds
 * @param {number} thick In device pixels.
 */
export function drawChosen(frame, scene, labels, id, { across, down }, thick) {
  const { width, step } = scene.overview;
  const columns = indicesIn(across.columns, 0, step), rows = indicesIn(down.columns, 0, step);
  const inside = (/** @type {number} */ i, /** @type {number} */ j) => i >= 0 && j >= 0
    && i < columns.length && j < rows.length && labels[rows[j] * width + columns[i]] === id;
  const near = (/** @type {number} */ i, /** @type {number} */ j, /** @type {boolean} */ wanted) =>
    inside(i - thick, j) === wanted || inside(i + thick, j) === wanted
    || inside(i, j - thick) === wanted || inside(i, j + thick) === wanted;
  const [left, right, top, bottom] = extent(labels, id, width, columns, rows);
  for (let j = Math.max(0, top - thick); j <= Math.min(rows.length - 1, bottom + thick); j++) {
    const line = (down.offset + j) * frame.width + across.offset;
    for (let i = Math.max(0, left - thick); i <= Math.min(columns.length - 1, right + thick); i++) {
      const own = inside(i, j);
      if (near(i, j, !own)) frame.pixels[line + i] = own ? INNER : OUTER;
    }
  }
}

/**
 * Where on the screen an object is: first and last column and row; none, if the first is behind the
 * last.
 *
 * @param {Uint16Array} labels
 * @param {number} id
 * @param {number} width
 * @param {Int32Array} columns
 * @param {Int32Array} rows
 */
function extent(labels, id, width, columns, rows) {
  let left = Infinity, right = -1, top = Infinity, bottom = -1;
  rows.forEach((row, j) => {
    const line = row * width;
    for (let i = 0; i < columns.length; i++) {
      if (labels[line + columns[i]] !== id) continue;
      if (i < left) left = i;
      if (i > right) right = i;
      if (j < top) top = j;
      bottom = j;
    }
  });
  return [left, right, top, bottom];
}
