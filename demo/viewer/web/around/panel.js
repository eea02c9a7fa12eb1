// What stands around the picture: legend, sliders, read-out, scale bar. Each `show...` function
// brings its part of the page in line with the scene and how it is looked at.

import { find } from "../../../parts/component.js";
import { classOf, paintsClasses, probabilityOf, shareOf } from "../drawing/colors.js";
import { showFewMissed } from "./few_missed.js";
import { objectAt, objectsDrawn, objectsInView } from "../drawing/objects.js";
import { exactAt } from "../pixels/pieces.js";

/** @typedef {import("../moving/camera.js").Camera} Camera */
/** @typedef {import("../moving/camera.js").Pixel} Pixel */
/** @typedef {import("../moving/camera.js").Stage} Stage */
/** @typedef {import("../drawing/colors.js").Look} Look */
/** @typedef {import("../pixels/payload.js").Planes} Planes */
/** @typedef {import("../scene.js").Scene} Scene */

/** @type {Record<string, number>} In micrometres. */
export const UNITS = { "Å": 1e-4, nm: 1e-3, "µm": 1, mm: 1e3 };

/**
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
export function showPanel(root, scene, look) {
  find(root, ".panel").hidden = find(root, ".bar").hidden = false;
  showHead(root, scene, look);
  for (const part of elements(root, ".painted")) part.hidden = !look.paint;
  find(root, ".map").hidden = scene.picture.channels === 3;
  if (look.paint) showPainted(root, scene, look);
  const { origin, unit, lowest, highest } = scene.picture;
  for (const [name, number] of /** @type {const} */ ([
    [".low", look.window[0]], [".high", look.window[1]],
  ])) {
    const input = find(root, name, HTMLInputElement);
    Object.assign(input, { min: origin + lowest * unit, max: origin + highest * unit, step: unit });
    slide(input, number, tidy(number));
  }
  showLegend(root, scene, look);
  showTally(root, scene, look);
  showRamp(root, scene, look);
}

/**
 * Whose picture it is: the file, the checkpoint, the threshold.
 *
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
function showHead(root, { value: { name, by, threshold, steps } }, look) {
  find(root, ".head .name").textContent = name ?? "";
  const cut = typeof threshold === "number"
    ? [`threshold ${(look.level / (steps || 100)).toFixed(2)}`] : [];
  find(root, ".head .by").textContent = [by, ...cut].filter(Boolean).join(" · ");
}

/**
 * What there is where something is painted over the picture.
 *
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
function showPainted(root, scene, look) {
  const { threshold, names = [], steps } = scene.value;
  find(root, ".views").hidden = !(scene.planes.codes || scene.planes.probability);
  const cut = find(root, ".cut");
  cut.hidden = threshold === null;
  if (cut.firstChild) cut.firstChild.nodeValue = `Threshold for ${names[1]} `;
  for (const button of elements(root, "[data-view]")) {
    button.ariaPressed = String(button.dataset.view === look.view);
  }
  for (const button of elements(root, "[data-toggle]")) {
    const on = button.dataset.toggle === "outline" ? look.outline : look.split !== null;
    button.ariaPressed = String(on);
  }
  find(root, "[data-toggle=outline]", HTMLButtonElement).disabled = !paintsClasses(look);
  const single = find(root, "[data-view=objects]", HTMLButtonElement);
  single.hidden = !scene.objects;
  single.disabled = !objectsDrawn(scene, look);
  const share = look.level / (steps || 100);
  slide(find(root, ".opacity", HTMLInputElement), look.alpha, `${Math.round(100 * look.alpha)} %`);
  slide(find(root, ".threshold", HTMLInputElement), share, share.toFixed(2));
  showFewMissed(root, scene, look);
}

/**
 * @param {HTMLElement} root
 * @param {string} selector
 * @returns {NodeListOf<HTMLElement>}
 */
function elements(root, selector) {
  return root.querySelectorAll(selector);
}

/**
 * @param {HTMLInputElement} input
 * @param {number} number
 * @param {string} text
 */
function slide(input, number, text) {
  input.value = String(number);
  if (input.parentElement) find(input.parentElement, "output", HTMLOutputElement).value = text;
}

/**
 * A number in as few digits as tell enough.
 *
 * @param {number} number
 */
export function tidy(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(3)));
}

/**
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
function showLegend(root, scene, look) {
  const list = find(root, ".legend");
  list.hidden = !look.paint || look.view !== "classes";
  if (!look.paint) return;
  const { names = [], colors = [] } = scene.value;
  const counts = countsOf(scene, look);
  const total = scene.value.counted ?? scene.value.width * scene.value.height;
  find(root, "canvas", HTMLCanvasElement).ariaLabel =
    `${scene.value.alt}: ${sharesOf(scene, look)}`;
  if (list.dataset.of !== scene.value.id) {
    list.dataset.of = scene.value.id;
    list.replaceChildren(...names.map((name, id) => chip(name, colors[id], id)));
  }
  for (const button of elements(list, "button")) {
    const id = Number(button.dataset.id);
    button.ariaPressed = String(!look.hidden.has(id));
    find(button, "b").textContent = `${(100 * counts[id] / total).toFixed(1)} %`;
    button.hidden = names.length > 12 && counts[id] === 0;  // of 150 classes those that occur
  }
}

/**
 * How many objects there are, beside the shares of the classes.
 *
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
function showTally(root, scene, look) {
  const count = objectsInView(scene, look)?.count;
  find(root, ".tally").textContent = count === undefined ? ""
    : `${grouped(count)} ${count === 1 ? "object" : "objects"}`;
}

/**
 * 12345 as "12 345", as Python writes it.
 *
 * @param {number} count
 */
function grouped(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, " ");
}

/**
 * A button of the legend.
 *
 * @param {string} name
 * @param {string} color
 * @param {number} id
 */
function chip(name, color, id) {
  const button = document.createElement("button");
  const swatch = document.createElement("i"), label = document.createElement("span");
  button.type = "button";
  button.dataset.id = String(id);
  button.title = id < 9 ? `Show or hide: ${id + 1}` : "Show or hide";
  swatch.style.background = color;
  label.textContent = name;
  button.append(swatch, label, document.createElement("b"));
  return button;
}

/**
 * Pixels of each class at the threshold in view.
 *
 * @param {Pick<Scene, "value" | "planes" | "counts">} scene
 * @param {Pick<Look, "level">} look
 * @returns {number[]}
 */
export function countsOf(scene, look) {
  const counts = new Array(scene.value.names?.length ?? 0).fill(0);
  const found = scene.counts ?? [];
  for (let code = 0; code < found.length; code++) {
    const id = classOf(scene, look, code);
    if (id < counts.length) counts[id] += found[code];
  }
  return counts;
}

/**
 * In words: "nucleus 18.2 %, background 81.8 %", the largest first, ten at most.
 *
 * @param {Scene} scene
 * @param {Look} look
 */
export function sharesOf(scene, look) {
  const { names = [], width, height, counted = width * height } = scene.value;
  const counts = countsOf(scene, look);
  const ids = [...names.keys()].filter((id) => counts[id]).sort((a, b) => counts[b] - counts[a]);
  const share = (/** @type {number} */ id) => (100 * counts[id] / counted).toFixed(1);
  return ids.slice(0, 10).map((id) => `${names[id]} ${share(id)} %`).join(", ");
}

/**
 * The colours of a view that paints numbers.
 *
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 */
function showRamp(root, scene, look) {
  const ramp = find(root, ".ramp");
  ramp.hidden = !look.paint || paintsClasses(look);
  if (ramp.hidden) return;
  const bar = find(ramp, "i"), [left, right] = elements(ramp, "span");
  const name = scene.planes.codes ? `P(${scene.value.names?.[1]})` : "P of the class";
  [left.textContent, right.textContent] = look.view === "probability"
    ? [`${name} = 0`, "1"] : ["sure", "undecided"];
  bar.style.background = `linear-gradient(90deg, ${look.maps[look.heat[look.view]].join(", ")})`;
}

/**
 * One line about one pixel: everything that is known of it; without one, about all.
 *
 * @param {HTMLElement} root
 * @param {Scene} scene
 * @param {Look} look
 * @param {Pixel | null} pixel
 * @param {string} [painted] What a visitor has painted there.
 */
export function showReadout(root, scene, look, pixel, painted) {
  const parts = pixel ? partsOf(scene, look, pixel) : partsOfAll(scene);
  find(root, ".readout").textContent = [...parts, ...(painted ? [painted] : [])].join(" · ");
}

/** @param {Scene} scene */
function partsOfAll({ value: { width, height, dtype }, tiles }) {
  const parts = [`${width} × ${height} px`, dtype];
  return tiles?.anyLost ? [...parts, "detail not available"] : parts;
}

/**
 * @param {Scene} scene
 * @param {Look} look
 * @param {Pixel} pixel
 */
function partsOf(scene, look, { x, y }) {
  const { value: { names = [], dtype }, tiles } = scene;
  const place = `x ${x}  y ${y}`, at = exactAt(scene, { x, y });
  if (!at) {
    return tiles?.lost(Math.floor(x / tiles.side), Math.floor(y / tiles.side))
      ? [place, "detail not available"] : [place, `… ${dtype}`, ...(look.paint ? ["…"] : [])];
  }
  const { planes: { codes, probability, entropy }, index } = at;
  const parts = [place, `${rawAt(scene, at)} ${dtype}`];
  if (!look.paint) return parts;
  const name = names[classAt(scene, look, at)];
  parts.push(name ?? "no class");
  if (codes && name !== undefined) parts.push(`P(${names[1]}) ${probabilityOf(scene, codes[index]).toFixed(5)}`);
  if (probability) parts.push(`P ${(probability[index] / 65535).toFixed(5)}`);
  const coded = codes || entropy;
  if (look.view === "uncertainty" && coded) {
    parts.push(`entropy ${shareOf(scene, "uncertainty", coded[index]).toFixed(2)}`);
  }
  const object = objectAt(scene, look, { x, y });
  if (object) parts.push(`object ${object}`);
  return parts;
}

/**
 * The class at a place that `exactAt` has found.
 *
 * @param {Scene} scene
 * @param {Look} look
 * @param {{planes: Planes, index: number}} at
 */
export function classAt(scene, look, { planes, index }) {
  const coded = planes.codes || planes.classes;
  return coded ? classOf(scene, look, coded[index]) : -1;
}

/**
 * The file's own value; of colour images one for each channel.
 *
 * @param {Scene} scene
 * @param {{planes: Planes, index: number}} at
 */
function rawAt({ value: { channels } }, { planes, index }) {
  /** @type {ArrayLike<number | bigint>} */
  const values = planes.image.subarray(index * channels, (index + 1) * channels);
  return Array.from(values, shortest).join(", ");
}

/**
 * As few digits as tell this number from its float32 neighbours.
 *
 * @param {number | bigint} number
 */
export function shortest(number) {
  if (typeof number === "bigint" || Math.fround(number) !== number) return String(number);
  for (let digits = 6; digits < 9; digits++) {
    const text = Number(number.toPrecision(digits));
    if (Math.fround(text) === number) return String(text);
  }
  return String(number);
}

/**
 * What the file says of the size of its pixels, where a visitor may say something else.
 *
 * @param {HTMLElement} root
 * @param {Look["pixelSize"]} own Of the file.
 * @param {Look["pixelSize"]} typed
 */
export function showPixelSize(root, own, typed) {
  const said = own ? `${own[0]} ${own[1]}` : "";
  find(root, ".size", HTMLInputElement).placeholder = said || "0.25 µm";
  const differs = own && typed && (own[0] !== typed[0] || own[1] !== typed[1]);
  find(root, ".size_told").textContent = differs
    ? `The file says ${said}. Empty the field to go by the file.`
    : said && !typed ? "As the file says." : "";
}

/** @type {Record<string, string>} Spellings of units, in small letters. */
const SPELLINGS = { a: "Å", "å": "Å", nm: "nm", um: "µm", "µm": "µm", "μm": "µm", micron: "µm",
  microns: "µm", mm: "mm" };

/**
 * "0.25", "0.25um", "0,25 µm" -> [0.25, "µm"]; null for an empty text, undefined for any other.
 *
 * @param {string} text
 * @returns {[number, string] | null | undefined}
 */
export function readPixelSize(text) {
  if (!text.trim()) return null;
  const [, digits, spelled] = /^\s*([\d.,]+(?:e-?\d+)?)\s*(\p{L}*)\s*$/u.exec(text) ?? [];
  const side = Number(digits?.replace(",", ".")), unit = SPELLINGS[(spelled || "µm").toLowerCase()];
  return side > 0 && Number.isFinite(side) && unit ? [side, unit] : undefined;
}

/**
 * A bar of 1, 2 or 5 times a power of ten, a quarter of the stage at most.
 *
 * @param {HTMLElement} root
 * @param {Look["pixelSize"]} pixelSize
 * @param {Camera} camera
 * @param {Stage} stage
 */
export function showScale(root, pixelSize, camera, stage) {
  const bar = find(root, ".scale");
  bar.hidden = !pixelSize;
  if (!pixelSize) return;
  const [side, unit] = pixelSize;
  const room = (stage.width / 4) * side / camera.zoom;
  const power = 10 ** Math.floor(Math.log10(room));
  const candidates = [5, 2, 1].map((digit) => digit * power);
  const length = candidates.find((candidate) => candidate <= room) ?? power;
  find(bar, "i").style.width = `${length / side * camera.zoom}px`;
  find(bar, "span").textContent = withUnit(length, unit);
}

/**
 * 2000 nm -> 2 µm, 0.5 µm -> 500 nm: the unit that needs the fewest digits.
 *
 * @param {number} length
 * @param {string} unit
 */
export function withUnit(length, unit) {
  if (!(unit in UNITS)) return `${tidy(length)} ${unit}`;
  const micrometers = length * UNITS[unit];
  const fitting = ["nm", "µm", "mm"].filter((name) => micrometers / UNITS[name] >= 0.999).pop();
  const name = fitting ?? unit;
  return `${Number((micrometers / UNITS[name]).toPrecision(6))} ${name}`;
}
