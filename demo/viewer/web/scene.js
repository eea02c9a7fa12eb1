// A picture as the viewer keeps it, with all that is known of its pixels.

import { extremes, histogram, indexed, pyramid, scaleOf } from "./pixels/levels.js";
import { newTiles } from "./pixels/tiles.js";

/** @typedef {import("./pixels/payload.js").Payload} Payload */
/** @typedef {import("./pixels/payload.js").Planes} Planes */
/** @typedef {import("./pixels/levels.js").Level} Level */
/** @typedef {import("./pixels/levels.js").Scale} Scale */
/**
 * Pixels of the image from (left, top), every `step`-th of them.
 *
 * @typedef {object} Source
 * @property {number} left
 * @property {number} top
 * @property {number} width Of the arrays.
 * @property {number} height
 * @property {number} step
 * @property {Level[]} levels The picture at 1, 1/2, 1/4 ... of its size.
 * @property {Planes} planes
 */
/**
 * Everything about one picture that does not change while one looks at it.
 *
 * @typedef {object} Scene
 * @property {Payload} value
 * @property {Planes} planes
 * @property {Source} overview What was sent at once.
 * @property {ArrayLike<number> | null} counts Pixels by class or code; null without classes.
 * @property {Scale & {lowest: number, highest: number, channels: number}} picture
 * @property {import("./pixels/tiles.js").Tiles | null} tiles All pixels; null if the overview has them.
 * @property {import("./drawing/objects.js").SceneObjects | null} objects Those that were found in it.
 */

/**
 * The scene of a picture. `unpack` makes sources of what the server has of its tiles, and `changed`
 * is called as they arrive.
 *
 * @param {Payload} value
 * @param {Planes} planes
 * @param {import("./pixels/unpack.js").Unpack} unpack
 * @param {() => void} changed
 * @returns {Scene}
 */
export function newScene(value, planes, unpack, changed) {
  const { step, channels, dtype } = value;
  const scale = scaleOf(planes.image, value.tiles?.range);
  const values = indexed(planes.image, scale);
  const width = Math.ceil(value.width / step), height = Math.ceil(value.height / step);
  const halvings = Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / 256)));
  const levels = pyramid(values, width, height, channels, halvings + 1);
  const overview = { left: 0, top: 0, width, height, step, levels, planes };
  const [lowest, highest] = scale.size === 256 ? [0, dtype === "bool" ? 1 : 255]
    : value.tiles ? indexed(value.tiles.range, scale) : extremes(values);
  const coded = planes.codes || planes.classes;
  const counts = planes.counts
    || (coded ? histogram(coded, planes.codes ? 65536 : 256) : null);
  return { value, planes, overview, counts, picture: { ...scale, lowest, highest, channels },
    objects: null, tiles: value.tiles ? newTiles(value, value.tiles.side, scale, unpack, changed) : null };
}
