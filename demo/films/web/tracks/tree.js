// The drawing of a family, see lineage.js. Colours: player.css.

import { newElement } from "../../../parts/svg.js";
import { placeIn } from "./curves.js";
import { layOut } from "./lineage.js";

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {import("./tracks.js").Tracks} Tracks */
/** @typedef {import("./lineage.js").Branch} Branch */

const WIDTH = 312, LEFT = 8, RIGHT = 44, ROW = 20, TOP = 20, AXIS = 22;

/**
 * The branch of a row and a frame, or the nearest one.
 *
 * @param {Branch[]} branches
 * @param {number} frame
 * @param {number} row
 */
export function branchAt(branches, frame, row) {
  const far = (/** @type {Branch} */ { row: own, first, last }) =>
    Math.abs(own - row) + Math.max(0, first - frame, frame - last);
  return branches.reduce((best, one) => (far(one) < far(best) ? one : best));
}

/**
 * The drawing, and what puts its mark on a frame. A click in it names a track and a frame of it.
 *
 * @param {Tracks} tracks
 * @param {Track} track That is chosen.
 * @param {Map<number, string>} colors
 * @param {(track: number, frame: number) => void} go
 */
export function draw(tracks, track, colors, go) {
  const { branches, rows } = layOut(tracks, tracks.rootOf(track));
  const first = branches[0].first, last = Math.max(...branches.map((branch) => branch.last));
  const height = TOP + (rows - 1) * ROW + AXIS + 12, span = last - first || 1;
  const x = (/** @type {number} */ frame) => LEFT + (frame - first) / span * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ row) => TOP + row * ROW;
  const now = newElement("path", { class: "now" });
  const lines = branches.map((branch) => {
    const { from } = branch, top = y(branch.row);
    const start = from ? `M${x(from.last)} ${y(from.row)}H${x(branch.first)}V${top}`
      : `M${x(branch.first)} ${top}`;
    const end = Math.max(x(branch.last), x(branch.first) + 2);
    const own = branch.track === track.id ? "branch chosen" : "branch";
    const divides = tracks.all.get(branch.track)?.daughters.length;
    /** @type {Record<string, string | number>} */
    const place = divides ? { x: end - 2, y: top - 6, "text-anchor": "end" }
      : { x: end + 6, y: top + 4 };
    return newElement("g", { class: own, style: `--track: ${colors.get(branch.track)}` },
      newElement("title", {}, `Track ${branch.track}`),
      newElement("path", { d: `${start}H${end}` }),
      newElement("text", place, `${branch.track}`));
  });
  const svg = newElement("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "tree" },
    newElement("title", {}, `Family of track ${track.id}: ${branches.length} `
      + `${branches.length === 1 ? "track" : "tracks"}`),
    now, ...lines,
    newElement("text", { x: LEFT, y: height - 2 }, `${first + 1}`),
    newElement("text", { x: (WIDTH + LEFT - RIGHT) / 2, y: height - 2, "text-anchor": "middle" },
      "frame"),
    newElement("text", { x: WIDTH - RIGHT, y: height - 2, "text-anchor": "end" }, `${last + 1}`));
  svg.addEventListener("click", (event) => {
    const place = placeIn(svg, event, WIDTH);
    const frame = Math.round(first + (place.x - LEFT) / (WIDTH - LEFT - RIGHT) * span);
    const branch = branchAt(branches, frame, (place.y - TOP) / ROW);
    go(branch.track, Math.min(branch.last, Math.max(branch.first, frame)));
  });
  const show = (/** @type {number} */ frame) => now.setAttribute("d",
    frame >= first && frame <= last ? `M${x(frame)} 2V${height - AXIS + 4}` : "");
  return { svg, show };
}
