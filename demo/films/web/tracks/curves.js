// A measure of a track over time, as an <svg>. Colours: player.css.

import { newElement } from "../../../parts/svg.js";

const WIDTH = 312, HEIGHT = 112;
const LEFT = 44, RIGHT = 8, TOP = 22, BASE = HEIGHT - 18;

/**
 * @typedef {object} Curve
 * @property {string} title With the unit.
 * @property {[frame: number, value: number][]} points By frame.
 */
/** @typedef {{x: number, y: number, anchor: string, text: string}} Tick */

/**
 * Where the line goes, and which words stand at its axes, in units of the drawing. Where frames are
 * missing the line is broken.
 *
 * @param {Curve} curve
 */
export function layOut({ title, points }) {
  const frames = points.map(([frame]) => frame), values = points.map(([, value]) => value);
  const first = Math.min(...frames), last = Math.max(...frames);
  const most = Math.max(...values, 0) || 1;
  const x = (/** @type {number} */ frame) =>
    LEFT + (last > first ? (frame - first) / (last - first) : 0.5) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => BASE - Math.max(0, value) / most * (BASE - TOP);
  const line = points.map(([frame, value], i) => {
    const goesOn = i > 0 && frame === frames[i - 1] + 1;
    return `${goesOn ? "L" : "M"}${round(x(frame))} ${round(y(value))}`;
  }).join("");
  /** @type {Tick[]} */
  const ticks = [
    { x: 0, y: 12, anchor: "start", text: title },
    { x: LEFT - 5, y: TOP + 8, anchor: "end", text: digits(most) },
    { x: LEFT - 5, y: BASE, anchor: "end", text: "0" },
    { x: LEFT, y: HEIGHT - 3, anchor: "start", text: `${first + 1}` },
    { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, anchor: "middle", text: "frame" },
    ...(last > first
      ? [{ x: WIDTH - RIGHT, y: HEIGHT - 3, anchor: "end", text: `${last + 1}` }] : []),
  ];
  return { line, ticks, x, y, first, last };
}

/**
 * The frame at a place of the drawing.
 *
 * @param {Pick<ReturnType<typeof layOut>, "first" | "last">} layout
 * @param {number} x
 */
export function frameAt({ first, last }, x) {
  const share = Math.min(1, Math.max(0, (x - LEFT) / (WIDTH - LEFT - RIGHT)));
  return Math.round(first + share * (last - first));
}

/**
 * The drawing, and what puts its mark on a frame. A click in it names a frame.
 *
 * @param {Curve} curve
 * @param {string} color
 * @param {(frame: number) => void} go
 */
export function draw(curve, color, go) {
  const layout = layOut(curve), { line, ticks, x, y } = layout;
  const mark = newElement("path", { class: "now" }), dot = newElement("circle", { class: "dot", r: 4 });
  const svg = newElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "curve" },
    newElement("title", {}, `${curve.title} over time`),
    newElement("path", { class: "axis", d: `M${LEFT} ${TOP}V${BASE}H${WIDTH - RIGHT}` }),
    mark,
    newElement("path", { class: "line", d: line, style: `--track: ${color}` }),
    dot,
    ...ticks.map(({ x: left, y: top, anchor, text }) =>
      newElement("text", { x: left, y: top, "text-anchor": anchor }, text)));
  svg.addEventListener("click", (event) => go(frameAt(layout, placeIn(svg, event, WIDTH).x)));
  const show = (/** @type {number} */ frame) => {
    const value = curve.points.find(([one]) => one === frame)?.[1];
    mark.setAttribute("d", inside(layout, frame) ? `M${round(x(frame))} ${TOP}V${BASE}` : "");
    dot.toggleAttribute("hidden", value === undefined);
    if (value === undefined) return;
    dot.setAttribute("cx", round(x(frame)));
    dot.setAttribute("cy", round(y(value)));
  };
  return { svg, show };
}

/**
 * @param {{first: number, last: number}} layout
 * @param {number} frame
 */
function inside({ first, last }, frame) {
  return frame >= first && frame <= last;
}

/**
 * Where a drawing was clicked, in its own units.
 *
 * @param {Element} svg
 * @param {MouseEvent} event
 * @param {number} width Of the drawing.
 */
export function placeIn(svg, { clientX, clientY }, width) {
  const box = svg.getBoundingClientRect(), scale = width / box.width;
  return { x: (clientX - box.left) * scale, y: (clientY - box.top) * scale };
}

/**
 * A measure as people read it: four digits.
 *
 * @param {number} value
 */
export function digits(value) {
  return Number.isInteger(value) ? `${value}` : `${Number(value.toPrecision(4))}`;
}

/** @param {number} value */
function round(value) {
  return value.toFixed(1);
}
