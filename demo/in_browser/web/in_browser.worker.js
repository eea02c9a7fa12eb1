// The worker that segments, beside the page so that this never halts. It is told what to do, one
// thing after another, and tells what came of it; it asks no server for anything. Who stops it
// ends it, and starts another one.

import { nameOf, npy, png } from "./files.js";
import {
  clippedTo, maskOf, outlierLimits, planesOfClasses, probabilityCodes, scaledOf, statistics,
} from "./numbers.js";
import { heightMap, partObjects } from "./objects.js";
import { readPicture, Refused } from "./picture.js";
import { cuts } from "./cuts.js";

/** @typedef {import("./facts.js").Facts} Facts */

const MOST_THREADS = 4;

/** @type {any} onnxruntime-web, once it is loaded. */
let runtime = null;
/** @type {any} */
let session = null;
/** @type {Facts | null} */
let checkpoint = null;
/** @type {import("./picture.js").Picture | null} */
let picture = null;
/** @type {{probabilities: Float32Array<ArrayBuffer>, classes: number, width: number,
 *   height: number, name: string, colors: string[]} | null} */
let result = null;
let last = Promise.resolve();

onmessage = ({ data }) => { last = last.then(() => answer(data)); };

/** @param {{act: string} & Record<string, any>} message */
async function answer({ act, ...details }) {
  try {
    await acts[act](details);
  } catch (error) {
    const why = error instanceof Error && error.message ? error.message : error;
    const sentence = error instanceof Refused ? error.message
      : `This did not work in your browser: ${why}. Try another browser, or a smaller image, or`
        + " the tab Segment.";
    postMessage({ told: "failed", act, sentence });
  }
}

/** @type {Record<string, (details: any) => Promise<void>>} */
const acts = {
  /** @param {{module: Blob, wasm: Blob, model: Blob, facts: Facts}} checkpoint */
  async load({ module, wasm, model, facts }) {
    await session?.release();
    session = checkpoint = null;
    if (!runtime) {
      runtime = await import(URL.createObjectURL(module));
      // More than one needs a page that is isolated from others, see cross_origin.py.
      runtime.env.wasm.numThreads = self.crossOriginIsolated
        ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
      const whole = wasm.stream().pipeThrough(new DecompressionStream("gzip"));
      runtime.env.wasm.wasmBinary = await new Response(whole).arrayBuffer();
    }
    session = await runtime.InferenceSession.create(new Uint8Array(await model.arrayBuffer()));
    checkpoint = facts;
    postMessage({ told: "loaded", name: facts.name });
  },

  /** @param {{file: File}} chosen */
  async open({ file }) {
    const read = await readPicture(file);  // what cannot be read leaves the earlier one
    picture = read;
    result = null;
    postMessage({ told: "opened", picture });
  },

  async segment() {
    const started = performance.now();
    result = null;
    if (!picture || !checkpoint) throw new Error("there is no picture or no checkpoint yet");
    const { probabilities, maps, clipped } = await segmented(picture, checkpoint);
    const facts = checkpoint, classes = facts.names.length, count = probabilities.length / classes;
    const { name, width, height } = picture;
    result = { probabilities, classes, width, height, name, colors: facts.colors };
    const planes = facts.threshold === null ? planesOfClasses(probabilities, classes)
      : { codes: probabilityCodes(probabilities.subarray(count), facts.steps, facts.fine) };
    const objects = countObjects(probabilities, maps, width, facts);
    const milliseconds = performance.now() - started;
    const moved = Object.values(planes).map((plane) => plane.buffer);
    const threads = runtime.env.wasm.numThreads;  // 1 where it could not have more
    postMessage(
      { told: "segmented", picture, planes, facts, milliseconds, threads, clipped, objects }, moved);
  },

  /** @param {{threshold: number | null}} cut */
  async mask({ threshold }) {
    if (!result) throw new Error("nothing is segmented yet");
    const { probabilities, classes, width, height, name, colors } = result;
    const mask = maskOf(probabilities, classes, threshold);
    const file = await png(mask, width, height, colors);
    postMessage({ told: "written", name: nameOf(name, "mask.png"), file });
  },

  async probabilities() {
    if (!result) throw new Error("nothing is segmented yet");
    const { probabilities, classes, width, height, name } = result;
    const file = npy(probabilities, [classes, height, width]);
    postMessage({ told: "written", name: nameOf(name, "probabilities.npy"), file });
  },
};

/**
 * How many objects there are at the stored threshold; null where the checkpoint has not learned to
 * part them.
 *
 * @param {Float32Array} probabilities
 * @param {Float32Array} maps
 * @param {number} width
 * @param {Facts} facts
 */
function countObjects(probabilities, maps, width, { names, threshold, objects }) {
  if (!objects) return null;
  const mask = maskOf(probabilities, names.length, threshold);
  const height = heightMap(maps, objects, probabilities.subarray(0, mask.length));
  const ids = partObjects(mask, height, width, objects);
  return ids.reduce((most, id) => Math.max(most, id), 0);
}

/**
 * Probabilities, (classes, height, width) float32, and maps of objects where the checkpoint parts
 * objects by them. It goes tile by tile; a tile is shown `halo` more on every side, as far as the
 * picture goes, and is then predicted as in the whole image. And whether outliers were clipped.
 *
 * @param {import("./picture.js").Picture} image
 * @param {Facts} facts
 */
async function segmented(image, { channels, multiple, halo, names, measures, clips, objects }) {
  const { width, height } = image, count = width * height;
  const stored = scaledOf(image, channels);
  const limits = clips ? outlierLimits(stored, count, channels) : null;
  const scaled = limits ? clippedTo(limits, stored) : stored;
  /** @type {Record<string, any>} */
  const measured = {};
  if (measures) {
    const { mean, std } = statistics(scaled, count, channels);
    measured.mean = new runtime.Tensor("float32", [mean], [1]);
    measured.std = new runtime.Tensor("float32", [std], [1]);
  }
  const rows = cuts(height, multiple), columns = cuts(width, multiple);
  const tiles = rows.flatMap(([top, bottom]) => columns.map((span) => [top, bottom, ...span]));
  const probabilities = new Float32Array(names.length * count);
  const object_maps = new Float32Array((objects?.channels.length ?? 0) * count);
  const outputs = objects ? { probabilities, object_maps } : { probabilities };
  for (const [index, [top, bottom, left, right]] of tiles.entries()) {
    postMessage({ told: "tile", done: index, of: tiles.length });
    const first = Math.max(0, top - halo), tall = Math.min(height, bottom + halo) - first;
    const start = Math.max(0, left - halo), wide = Math.min(width, right + halo) - start;
    const seen = new Float32Array(channels * tall * wide);
    let at = 0;
    for (let c = 0; c < channels; c++) {
      for (let y = first; y < first + tall; y++) {
        for (let x = start; x < start + wide; x++) seen[at++] = scaled(y * width + x, c);
      }
    }
    const shown = new runtime.Tensor("float32", seen, [1, channels, tall, wide]);
    const answered = await session.run({ image: shown, ...measured });
    const area = { top, bottom, left, right, first, start, tall, wide, width, count };
    for (const [name, whole] of Object.entries(outputs)) copyTile(answered[name].data, whole, area);
    for (const tensor of Object.values(answered)) tensor.dispose?.();
  }
  return { probabilities, maps: object_maps, clipped: limits !== null };
}

/**
 * Copies a tile, without what it was shown around it, into the planes of the whole picture.
 *
 * @param {Float32Array} tile (n, tall, wide)
 * @param {Float32Array} whole (n, pixels)
 * @param {Record<"top" | "bottom" | "left" | "right" | "first" | "start" | "tall" | "wide" | "width"
 *   | "count", number>} area
 */
function copyTile(tile, whole, { top, bottom, left, right, first, start, tall, wide, width, count }) {
  for (let k = 0; k < whole.length / count; k++) {
    for (let y = top; y < bottom; y++) {
      const from = (k * tall + y - first) * wide + left - start;
      whole.set(tile.subarray(from, from + right - left), k * count + y * width + left);
    }
  }
}
