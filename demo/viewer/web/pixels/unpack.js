// From a tile's file to a source of pixels: beside the page, in a worker that has this very code,
// so that a picture that moves does not halt; on the page where there is no worker.

import { indexed, pyramid } from "./levels.js";
import { ARRAYS, inflated } from "./payload.js";

/**
 * What a tile's file holds.
 *
 * @typedef {object} How
 * @property {number} width
 * @property {number} height
 * @property {number} channels
 * @property {import("./payload.js").PlaneEntry[]} described The planes in it, in their order.
 * @property {import("./levels.js").Scale} scale
 * @property {number} depth How many levels of the picture are made.
 */
/**
 * @typedef {object} Unpacked
 * @property {import("./payload.js").Planes} planes
 * @property {import("./levels.js").Level[]} levels
 * @property {number} bytes That all of it takes.
 */
/** @typedef {(content: ArrayBuffer, how: How) => Promise<Unpacked>} Unpack */

/** @type {Unpack} */
export async function unpacked(content, { width, height, channels, described, scale, depth }) {
  const raw = await inflated(new Blob([content]).stream());
  /** @type {Partial<Record<import("./payload.js").PlaneName, import("./payload.js").Plane>>} */
  const planes = {};
  let start = 0;
  for (const { name, dtype } of described) {
    const count = width * height * (name === "image" ? channels : 1);
    const end = start + count * ARRAYS[dtype].BYTES_PER_ELEMENT;
    planes[name] = new ARRAYS[dtype](raw.slice(start, end));
    start = end;
  }
  if (start !== raw.byteLength) throw new Error(`${raw.byteLength} bytes, not ${start}`);
  const found = /** @type {import("./payload.js").Planes} */ (planes);
  const shades = indexed(found.image, scale);
  const levels = pyramid(shades, width, height, channels, depth);
  const bytes = start + (shades === found.image ? 0 : shades.byteLength);
  return { planes: found, levels, bytes };
}

/**
 * Unpacks in a worker of its own, which starts with the first tile.
 *
 * @returns {Unpack}
 */
export function newUnpacker() {
  /** @type {Map<number, {resolve: (found: Unpacked) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  /** @type {Promise<Worker | null> | null} Of null where there is none. */
  let worker = null;
  let number = 0;

  /** @returns {Promise<Worker | null>} */
  function start() {
    return new Promise((/** @type {(fresh: Worker | null) => void} */ done) => {
      const fresh = new Worker(new URL("./unpack.worker.js", import.meta.url), { type: "module" });
      fresh.onmessage = ({ data }) => {
        if (data.ready) return done(fresh);
        const asked = waiting.get(data.number);
        waiting.delete(data.number);
        if (data.error) asked?.reject(new Error(data.error));
        else asked?.resolve(data.found);
      };
      // It did not start, or broke down: what it had is asked for again.
      fresh.onerror = () => {
        fresh.terminate();
        worker = Promise.resolve(null);
        done(null);
        for (const { reject } of waiting.values()) reject(new Error("the worker ended"));
        waiting.clear();
      };
    }).catch(() => null);  // a browser that forbids it
  }

  return async (content, how) => {
    const beside = await (worker ??= start());
    if (!beside) return unpacked(content, how);
    return new Promise((resolve, reject) => {
      waiting.set(++number, { resolve, reject });
      beside.postMessage({ number, content, how }, [content]);
    });
  };
}
