// What Python sends of a film, and how it is fetched.

import { inflated } from "../../../viewer/web/pixels/payload.js";
import { Labels } from "../drawing/labels.js";

/**
 * Keys and meaning are those of `FilmValue` in player.py; a test holds both equal.
 *
 * @typedef {object} FilmValue
 * @property {string} id
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {number} frames
 * @property {[number, string] | null} pixel_size
 * @property {string[]} images
 * @property {string[]} labels
 * @property {string | null} tracks
 * @property {Edit[]} edits
 * @property {string} refused
 */
/**
 * Keys and meaning are those of `TracksFile` in player.py; a test holds both equal.
 *
 * @typedef {object} TracksFile
 * @property {Record<"frame" | "id" | "track" | "x" | "y" | "area" | "intensity", number[]>} objects
 * @property {string} area_unit
 * @property {Record<"id" | "parent" | "first" | "last", number[]> & {color: string[]}} tracks
 */
/** @typedef {[frame: number, id: number]} Place An object, by its frame and its number there. */
/** @typedef {{kind: "join", from: Place, to: Place} | {kind: "cut", object: Place}} Edit */

/**
 * An address of a value, as the browser can fetch it: those without a host begin where Gradio says
 * that its own do.
 *
 * @param {string} address
 */
export function whole(address) {
  const { root } = /** @type {any} */ (window).gradio_config ?? {};
  return new URL(address, root ? `${root}/` : document.baseURI).href;
}

/**
 * @param {string} address
 * @returns {Promise<Response>}
 */
async function fetched(address) {
  const response = await fetch(whole(address));
  if (!response.ok) throw new Error(`status ${response.status} of ${address}`);
  return response;
}

/**
 * @param {string} address
 * @returns {Promise<TracksFile>}
 */
export async function fetchTracks(address) {
  return (await fetched(address)).json();
}

/**
 * The very values of the file: no profile of colours, and nothing multiplied.
 *
 * @param {string} address
 */
export async function fetchImage(address) {
  const file = await (await fetched(address)).blob();
  return createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/**
 * The objects of a frame.
 *
 * @param {string} address
 * @param {{width: number, height: number}} size Of the frame.
 */
export async function fetchLabels(address, { width, height }) {
  const { body } = await fetched(address);
  if (!body) throw new Error(`nothing at ${address}`);
  return new Labels(new Uint32Array(await inflated(body)), width, height);
}
