// The frames of a film: pictures and objects, fetched before they are looked at.

import { Kept } from "./kept.js";
import { fetchImage, fetchLabels } from "./value.js";

/** @typedef {import("./value.js").FilmValue} FilmValue */

const AHEAD = 8, BEHIND = 2;
const MEMORY = 128 * 2 ** 20;  // bytes of pictures; objects take a tenth of that

/**
 * Which frames are fetched, the most urgent first. Nothing delays the first one of all.
 *
 * @param {number} frame That is wanted.
 * @param {number} drawn That is still on the canvas; -1: none.
 * @param {number} count Of the whole film.
 */
export function wantedNear(frame, drawn, count) {
  if (drawn < 0) return [frame];
  const near = Array.from({ length: AHEAD + 1 }, (_, i) => (frame + i) % count);
  for (let i = 1; i <= BEHIND; i++) near.push(frame - i);
  return [...new Set([frame, drawn, ...near])].filter((one) => one >= 0);
}

export class Frames {
  /**
   * @param {FilmValue} value More frames may come later, by `grow`.
   * @param {(fault: string) => void} came A frame, or a sentence that it did not.
   */
  constructor(value, came) {
    this.value = value;
    const pixels = value.width * value.height;
    const most = Math.max(AHEAD + BEHIND + 3, Math.floor(MEMORY / (4 * pixels)));
    const told = (/** @type {number} */ frame, /** @type {unknown} */ error) => {
      if (error) console.warn(`Frame ${frame + 1} was not fetched: ${error}`);
      came(error ? `Frame ${frame + 1} did not load. It is asked for again.` : "");
    };
    /** @type {Kept<ImageBitmap>} */
    this.images = new Kept((frame) => fetchImage(this.value.images[frame]), most, told,
      (image) => image.close());
    /** @type {Kept<import("../drawing/labels.js").Labels>} */
    this.labels = new Kept((frame) => fetchLabels(this.value.labels[frame], value), most, told);
  }

  /** @param {FilmValue} value The same film, with more frames. */
  grow(value) {
    this.value = value;
  }

  /** The number of frames that are there. */
  get there() {
    return Math.min(this.value.images.length, this.value.frames);
  }

  /**
   * Whether a frame can be drawn with its objects, or without those that there are not.
   *
   * @param {number} frame
   */
  isReady(frame) {
    const { images, labels, value } = this;
    return images.has(frame)
      && (labels.has(frame) || labels.failed.has(frame) || frame >= value.labels.length);
  }

  /**
   * Fetches a frame, and those that come next.
   *
   * @param {number} frame
   * @param {number} drawn The frame that is still on the canvas.
   */
  want(frame, drawn) {
    const wanted = wantedNear(frame, drawn, this.value.frames);
    this.images.want(wanted.filter((one) => one < this.there));
    this.labels.want(wanted.filter((one) => one < this.value.labels.length));
  }

  close() {
    this.images.close();
    this.labels.close();
  }
}
