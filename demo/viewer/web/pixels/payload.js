// What Python sends of a picture (`Payload` in payload.py), and from its file to arrays: one
// request, then the browser inflates the file's planes.

/**
 * Keys and meaning are those of `Payload` in payload.py; a test holds both equal.
 *
 * @typedef {object} Payload
 * @property {string} id
 * @property {string} picture
 * @property {number} width
 * @property {number} height
 * @property {number} step
 * @property {number} channels
 * @property {string} dtype
 * @property {[number, number]} window
 * @property {{x: number, y: number, zoom: number} | null} camera
 * @property {[number, string] | null} pixel_size
 * @property {string} alt
 * @property {string} [name] Of the file, and where in it.
 * @property {string} [by] What the classes are from, such as a checkpoint.
 * @property {TileFacts | null} tiles
 * @property {{url: string}} [data]
 * @property {PlaneEntry[]} [planes]
 * @property {string[]} [names]
 * @property {string[]} [colors]
 * @property {number[]} [unpainted] Ids of classes that are not painted at first.
 * @property {number} [alpha] Opacity of the classes from now on.
 * @property {number | null} [threshold]
 * @property {{threshold: number, words: string} | null} [few_missed] See few_missed.js.
 * @property {boolean} [asked] This threshold is meant, wherever the slider was.
 * @property {number} [steps]
 * @property {number} [fine]
 * @property {import("../moving/camera.js").Box} [focus]
 * @property {number} [counted]
 */
/** @typedef {{name: PlaneName, dtype: Dtype, start: number, end: number}} PlaneEntry */
/** @typedef {{side: number, range: [number, number]}} TileFacts */
/** @typedef {"image" | "classes" | "codes" | "probability" | "entropy" | "counts"
 *   | "labels" | "hues"} PlaneName */
/** @typedef {keyof typeof ARRAYS} Dtype */
/** @typedef {InstanceType<(typeof ARRAYS)[Dtype]>} Plane */
/**
 * Arrays of a picture, or of a part of it, by name; see `show_result` in component.py.
 *
 * @typedef {object} Planes
 * @property {Plane} image
 * @property {Uint8Array} [classes]
 * @property {Uint16Array} [codes]
 * @property {Uint16Array} [probability]
 * @property {Uint8Array} [entropy]
 * @property {Uint32Array} [counts]
 */

export const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  float32: Float32Array, float64: Float64Array,
};

/**
 * Fetches the file of a payload, and takes its planes out of it.
 *
 * @param {Pick<Payload, "data" | "planes">} value
 * @returns {Promise<any>} Arrays by name: `Planes` of a picture.
 */
export async function fetchPlanes({ data, planes = [] }) {
  const response = await fetch(data?.url ?? "");
  if (!response.ok) throw new Error(`status ${response.status}`);
  const file = await response.blob();
  const entries = planes.map(async ({ name, dtype, start, end }) => {
    return [name, new ARRAYS[dtype](await inflated(file.slice(start, end).stream()))];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream
 * @returns {Promise<ArrayBuffer>}
 */
export function inflated(stream) {
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}
