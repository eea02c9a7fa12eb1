// What is known of the chosen track: its life, its relatives, its measures over time, its family.

import { find } from "../../../parts/component.js";
import { draw as drawCurve } from "./curves.js";
import { draw as drawTree } from "./tree.js";

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {import("./tracks.js").Tracks} Tracks */

export class Panel {
  /**
   * @param {HTMLElement} root
   * @param {(track: number, frame: number) => void} go Chooses a track and goes to a frame.
   */
  constructor(root, go) {
    this.root = find(root, ".side");
    this.go = go;
    /** @type {Track | null} */
    this.track = null;
    /** @type {((frame: number) => void)[]} What moves a mark to a frame. */
    this.marks = [];
  }

  /**
   * @param {Tracks | null} tracks
   * @param {Track | null} track
   * @param {number} frame
   */
  show(tracks, track, frame) {
    if (tracks && track && track !== this.track) this.fill(tracks, track);
    this.track = track;
    find(this.root, ".track").hidden = !track;
    find(this.root, ".none").hidden = track !== null;
    if (!track) find(this.root, ".none").textContent = wordsWithout(tracks);
    else for (const mark of this.marks) mark(frame);
  }

  /**
   * @param {Tracks} tracks
   * @param {Track} track
   */
  fill(tracks, track) {
    const { root } = this, { id, first, last, objects } = track, { colors } = tracks;
    const color = colors.get(id) ?? "currentColor";
    const missing = last - first + 1 - objects.length;
    find(root, "h3 i").style.background = color;
    find(root, "h3 span").textContent = `Track ${id}`;
    find(root, ".life").textContent = `${first + 1} to ${last + 1}`
      + (missing > 0 ? `, not seen in ${missing}` : "");
    const mother = tracks.all.get(track.parent);
    find(root, ".parent").replaceChildren(
      mother ? this.button(mother.id, mother.last, colors) : first ? "—" : "there from the start");
    find(root, ".daughters").replaceChildren(...track.daughters.length
      ? track.daughters.map((daughter) =>
        this.button(daughter, tracks.all.get(daughter)?.first ?? last, colors))
      : ["—"]);
    const go = (/** @type {number} */ frame) => this.go(id, frame);
    const curves = objects.length ? [
      drawCurve({ title: `area (${tracks.areaUnit})`,
        points: objects.map(({ frame, area }) => [frame, area]) }, color, go),
      drawCurve({ title: "mean intensity",
        points: objects.map(({ frame, intensity }) => [frame, intensity]) }, color, go),
    ] : [];
    const tree = drawTree(tracks, track, colors, this.go);
    find(root, ".curves").replaceChildren(...curves.map(({ svg }) => svg));
    find(root, ".family").replaceChildren(tree.svg);
    this.marks = [...curves, tree].map(({ show }) => show);
  }

  /**
   * @param {number} track
   * @param {number} frame To go to.
   * @param {Map<number, string>} colors
   */
  button(track, frame, colors) {
    const button = document.createElement("button"), mark = document.createElement("i");
    button.type = "button";
    button.title = `Choose track ${track} and go to frame ${frame + 1}`;
    mark.style.background = colors.get(track) ?? "";
    button.append(mark, `Track ${track}`);
    button.addEventListener("click", () => this.go(track, frame));
    return button;
  }
}

/** @param {Tracks | null} tracks */
function wordsWithout(tracks) {
  return tracks ? "Click a cell, and its track is shown here."
    : "Tracks appear here when the objects of all frames are linked.";
}
