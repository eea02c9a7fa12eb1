// The histogram of the areas: from the numbers of Python to an <svg>. Colours: table.css.

import { newElement } from "../parts/svg.js";

const WIDTH = 336, HEIGHT = 150;
const MARGIN = 34;  // room for the words on the left and below
const TOP = 10;  // room above the highest bar

/**
 * As `AreaHistogram.data` makes it: counts[i] objects have an area from edges[i] to edges[i + 1].
 *
 * @typedef {{edges: number[], counts: number[], unit: string}} Histogram
 */
/** @typedef {{x: number, y: number, width: number, height: number, label: string}} Bar */
/** @typedef {{x: number, y: number, anchor: "start" | "middle" | "end", text: string}} Tick */

/**
 * Computes where the bars and the words at the axes stand, in units of the drawing.
 *
 * @param {Histogram} histogram
 * @returns {{title: string, bars: Bar[], ticks: Tick[]}}
 */
export function layOut({ edges, counts, unit }) {
  if (!counts.length) return { title: "No objects", bars: [], ticks: [] };
  const base = HEIGHT - MARGIN, most = Math.max(...counts);
  const width = (WIDTH - MARGIN) / counts.length;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const bars = counts.map((count, bin) => {
    const height = count * (base - TOP) / most;
    return {
      x: MARGIN + bin * width + 0.5,  // a gap of 1 between bars
      y: base - height,
      width: Math.max(width - 1, 0.5),
      height,
      label: `${edgeText(edges[bin])} to ${edgeText(edges[bin + 1])} ${unit}: ${count}`,
    };
  });
  return {
    title: `Areas of the objects (${total}), in ${unit}`,
    bars,
    ticks: [
      { x: MARGIN, y: base + 15, anchor: "start", text: edgeText(edges[0]) },
      { x: WIDTH, y: base + 15, anchor: "end", text: edgeText(edges[counts.length]) },
      { x: (MARGIN + WIDTH) / 2, y: base + 29, anchor: "middle", text: `area (${unit})` },
      { x: MARGIN - 5, y: 16, anchor: "end", text: `${most}` },
      { x: MARGIN - 5, y: base, anchor: "end", text: "0" },
    ],
  };
}

/**
 * The drawing as an element of the page. Screen readers read its title.
 *
 * @param {Histogram} histogram
 * @returns {SVGElement}
 */
export function draw(histogram) {
  const { title, bars, ticks } = layOut(histogram);
  const axis = { class: "axis", d: `M${MARGIN} ${HEIGHT - MARGIN}H${WIDTH}` };
  return newElement(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    newElement("title", {}, title),
    ...bars.map(({ label, ...place }) => {
      return newElement("rect", { class: "bar", ...place }, newElement("title", {}, label));
    }),
    newElement("path", axis),
    ...ticks.map(({ x, y, anchor, text }) => {
      return newElement("text", { x, y, "text-anchor": anchor }, text);
    }),
  );
}

/**
 * An edge in six digits: the product of a bin's number and width may have noise behind them.
 *
 * @param {number} edge
 */
function edgeText(edge) {
  return `${Number(edge.toPrecision(6))}`;
}
