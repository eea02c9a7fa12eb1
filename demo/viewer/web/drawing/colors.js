// Tables from a value to a colour. A colour is one 32-bit number, as a canvas keeps it:
// 0xAABBGGRR. In a table of paint, 0 stands for "nothing is painted here".

import { objectTables, objectsDrawn } from "./objects.js";

const NO_DATA = 65535;  // as in payload.py

/** @typedef {import("../scene.js").Scene} Scene */
/** @typedef {"classes" | "objects" | "probability" | "uncertainty"} View */
/** @typedef {{name: "codes" | "classes" | "probability" | "entropy" | "objects", paint: Int32Array,
 *   classes: Uint8Array | Uint16Array}} PaintTables */
/**
 * How a picture is looked at.
 *
 * @typedef {object} Look
 * @property {number} alpha Opacity of the classes.
 * @property {number} level The threshold, in steps.
 * @property {View} view
 * @property {boolean} outline
 * @property {number} chosen Id of the object with a line around it; 0 for none.
 * @property {number | null} split The share of the stage that is bare; null without a line.
 * @property {Set<number>} hidden Ids of classes.
 * @property {[number, number]} window Values drawn black and white.
 * @property {string} colormap
 * @property {[number, string] | null} pixelSize With its unit.
 * @property {Int32Array} imageTable
 * @property {PaintTables | null} paint Null where nothing is known of the pixels.
 * @property {Record<string, string[]>} maps Stops of colour maps, see color_maps.py.
 * @property {Record<string, string>} heat The colour map of each view that paints numbers.
 */

/** @param {string} hex */
export function packed(hex) {
  const rgb = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

/**
 * @param {string[]} stops Evenly spaced.
 * @param {number} share 0 to 1.
 */
export function colorOf(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const from = packed(stops[left]), to = packed(stops[left + 1]);
  let color = 0xff;
  for (const shift of [16, 8, 0]) {
    const start = (from >>> shift) & 255, end = (to >>> shift) & 255;
    color = color * 256 + Math.round(start + (place - left) * (end - start));
  }
  return color;
}

/** @param {string[]} stops */
export function shadesOf(stops) {
  return Array.from({ length: 256 }, (_, shade) => colorOf(stops, shade / 255));
}

/**
 * Contrast and colour map as one table: index of a pixel -> its colour. Pictures in colour have
 * one for each channel, which is then a number from 0 to 255.
 *
 * @param {{size: number, origin: number, unit: number, channels: number}} picture
 * @param {Pick<Look, "colormap" | "maps" | "window">} look
 */
export function imageTable(picture, look) {
  const colored = picture.channels === 3;
  const table = new Int32Array(picture.size);
  const shades = shadesOf(look.maps[look.colormap]);
  const [low, high] = look.window;
  for (let i = 0; i < table.length; i++) {
    const share = (picture.origin + i * picture.unit - low) / ((high - low) || 1);
    const shade = Math.floor(Math.min(Math.max(share, 0), 1) * 255 + 1e-6);
    table[i] = colored ? shade : shades[shade];
  }
  return table;
}

/**
 * What is painted for each value of the plane in view, and which class the value is (255: none).
 *
 * @param {Scene} scene
 * @param {Look} look
 * @returns {PaintTables}
 */
export function paintTables(scene, look) {
  const objects = look.view === "objects" ? objectsDrawn(scene, look) : null;
  if (objects) return objectTables(objects);
  const { names = [], colors = [] } = scene.value;
  const name = planeName(scene, look.view);
  const size = scene.planes[name] instanceof Uint8Array ? 256 : 65536;
  const paint = new Int32Array(size), classes = new Uint8Array(size).fill(255);
  const heat = paintsClasses(look) ? null : shadesOf(look.maps[look.heat[look.view]]);
  for (let i = 0; i < size; i++) {
    if (name === "codes" && i === NO_DATA) continue;
    if (heat) {
      paint[i] = heat[Math.round(255 * shareOf(scene, look.view, i))];
      continue;
    }
    const id = classOf(scene, look, i);
    if (id < names.length) {
      classes[i] = id;
      paint[i] = look.hidden.has(id) ? 0 : packed(colors[id]);
    }
  }
  return { name, paint, classes };
}

/**
 * Whether places are painted by what they are, not by a number.
 *
 * @param {Pick<Look, "view">} look
 */
export function paintsClasses({ view }) {
  return view === "classes" || view === "objects";
}

/**
 * @param {Pick<Scene, "planes">} scene
 * @param {View} view
 */
function planeName({ planes }, view) {
  if (planes.codes) return "codes";
  return view === "uncertainty" ? "entropy" : view === "objects" ? "classes" : view;
}

/**
 * The class of a value, 255 without data. Two classes: exactly where Python's comparison with the
 * threshold puts it.
 *
 * @param {Pick<Scene, "value" | "planes">} scene
 * @param {Pick<Look, "level">} look
 * @param {number} code
 */
export function classOf({ value: { fine = 1 }, planes }, look, code) {
  if (!planes.codes) return code;
  if (code === NO_DATA) return 255;
  return code >= (look.level + 1) * fine ? 1 : 0;
}

/**
 * Probability of class 1 from its code, see `probability_codes` in payload.py.
 *
 * @param {Pick<Scene, "value">} scene
 * @param {number} code
 */
export function probabilityOf({ value: { fine = 1, steps = 1 } }, code) {
  return code < fine ? 0 : Math.min(1, (code - fine + 0.5) / (fine * steps));
}

/**
 * 0 to 1: how far up the colour map a value stands.
 *
 * @param {Pick<Scene, "value" | "planes">} scene
 * @param {View} view
 * @param {number} code
 */
export function shareOf(scene, view, code) {
  if (!scene.planes.codes) return code / (view === "probability" ? 65535 : 255);
  const p = probabilityOf(scene, code);
  if (view === "probability") return p;
  const term = (/** @type {number} */ q) => (q > 0 ? -q * Math.log2(q) : 0);
  return term(p) + term(1 - p);
}
