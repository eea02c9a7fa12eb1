// What is drawn of a frame, from what is known of it and how a visitor looks at it.

import { tailsOf } from "./tails.js";

/** @typedef {import("./draw.js").Scene} Scene */
/** @typedef {import("../tracks/tracks.js").Tracks} Tracks */
/**
 * @typedef {object} Look
 * @property {boolean} objects
 * @property {number} opacity Of the objects.
 * @property {boolean} tails
 * @property {number} length Of the tails, in frames.
 * @property {boolean} numbers Those of the tracks.
 */

const UNLINKED = "#0ed4f6";  // of objects before they are linked

/**
 * @param {ImageBitmap} image
 * @param {import("./labels.js").Labels | null} labels
 * @param {number} frame
 * @param {Tracks | null} tracks
 * @param {number} chosen A track; 0: none.
 * @param {Look} look
 * @returns {Scene}
 */
export function sceneOf(image, labels, frame, tracks, chosen, look) {
  const colorOf = (/** @type {number} */ track) => tracks?.colors.get(track) ?? UNLINKED;
  const objects = tracks?.inFrame(frame) ?? [];
  const steps = tracks && look.tails ? tailsOf(tracks, frame, look.length) : [];
  const past = Math.min(look.length, frame) || 1;
  return {
    image,
    labels,
    colorOf: (id) => colorOf(tracks?.objectAt([frame, id])?.track ?? 0),
    chosen: objects.filter(({ track }) => track === chosen).map(({ id }) => id),
    opacity: look.objects ? look.opacity : 0,
    // A centre of 0 is the middle of the first pixel.
    steps: steps.map(({ track, from, to }) => ({
      x1: from.x + 0.5, y1: from.y + 0.5, x2: to.x + 0.5, y2: to.y + 0.5,
      color: colorOf(track), age: (frame - to.frame) / past,
    })),
    texts: look.numbers
      ? objects.map(({ x, y, track }) => ({ x: x + 0.5, y: y + 0.5, text: `${track}` })) : [],
  };
}
