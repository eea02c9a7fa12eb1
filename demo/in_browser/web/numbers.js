// What Python computes before and after the network, in the same float32 arithmetic: JavaScript
// counts in float64, of which Math.fround keeps what float32 would.

const { fround } = Math;
const SCALE = fround(1 / 255);
const SCALED = Float32Array.from({ length: 256 }, (_, value) => value * SCALE);
const LUMINANCE = [0.299, 0.587, 0.114].map(fround);
const OUTLIERS = 1000, OUTER = 3, INNER = 0.5;  // as in statistics.py

// ---------------------------------------------------------------------------- before the network

/**
 * (pixel, channel) => float32, as the network wants its channels; see preprocessing.py. A picture
 * has one channel or three, and so has a network.
 *
 * @param {{pixels: Uint8Array, channels: number}} picture
 * @param {number} wanted Channels.
 * @returns {(pixel: number, channel: number) => number}
 */
export function scaledOf({ pixels, channels }, wanted) {
  if (channels === wanted) return (pixel, channel) => SCALED[pixels[pixel * channels + channel]];
  if (channels === 1) return (pixel) => SCALED[pixels[pixel]];
  const [red, green, blue] = LUMINANCE;
  return (pixel) => {
    const at = 3 * pixel;
    const warm = fround(fround(red * SCALED[pixels[at]]) + fround(green * SCALED[pixels[at + 1]]));
    return fround(warm + fround(blue * SCALED[pixels[at + 2]]));
  };
}

/**
 * The limits to which values far beyond nearly all others are clipped, null if there are none; see
 * `measure` in statistics.py.
 *
 * @param {(pixel: number, channel: number) => number} scaled
 * @param {number} pixels
 * @param {number} channels
 * @returns {[number, number] | null}
 */
export function outlierLimits(scaled, pixels, channels) {
  const values = Float32Array.from({ length: pixels * channels },
    (_, at) => scaled(Math.floor(at / channels), at % channels)).sort();
  const last = values.length - 1, rank = Math.floor(values.length / OUTLIERS);
  const low = values[rank], high = values[last - rank], range = fround(high - low);
  /** @param {number} reach @returns {[number, number]} */
  const widened = (reach) => [fround(low - fround(reach * range)), fround(high + fround(reach * range))];
  const [lowest, highest] = widened(OUTER);
  const none = !rank || !range || (lowest <= values[0] && values[last] <= highest);
  return none ? null : widened(INNER);
}

/**
 * @param {[number, number]} limits
 * @param {(pixel: number, channel: number) => number} scaled
 */
export function clippedTo([low, high], scaled) {
  return (/** @type {number} */ pixel, /** @type {number} */ channel) =>
    Math.min(Math.max(scaled(pixel, channel), low), high);
}

/**
 * Mean and standard deviation of all scaled values, in two passes of float64 sums.
 *
 * @param {(pixel: number, channel: number) => number} scaled
 * @param {number} pixels
 * @param {number} channels
 */
export function statistics(scaled, pixels, channels) {
  let sum = 0, squares = 0;
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let c = 0; c < channels; c++) sum += scaled(pixel, c);
  }
  const mean = sum / (pixels * channels), middle = fround(mean);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let c = 0; c < channels; c++) squares += fround(scaled(pixel, c) - middle) ** 2;
  }
  return { mean, std: Math.sqrt(squares / (pixels * channels)) };
}

// ----------------------------------------------------------------------------- after the network

/**
 * See `probability_codes` in payload.py. The last threshold, -1, is what index -1 finds there.
 *
 * @param {Float32Array} probability
 * @param {number} steps
 * @param {number} fine
 */
export function probabilityCodes(probability, steps, fine) {
  const thresholds = Float32Array.from({ length: steps + 2 }, (_, k) => k > steps ? -1 : k / steps);
  const codes = new Uint16Array(probability.length), perUnit = fround(steps * fine);
  for (let i = 0; i < codes.length; i++) {
    const p = probability[i];
    let level = Math.min(Math.max(Math.ceil(fround(p * fround(steps))), 0), steps);
    if (p > thresholds[level]) level++;
    if (level > 0 && p <= thresholds[level - 1]) level--;
    if (level === 0) continue;
    const place = fround(fround(p - thresholds[level - 1]) * perUnit);
    codes[i] = level * fine + Math.trunc(Math.min(Math.max(place, 0), fine - 1));
  }
  return codes;
}

/**
 * Of (classes, pixels) probabilities: the most probable class, the lower id where two are equal;
 * how probable that is, as 0 ... 65535; and the entropy, as 0 ... 255. See `show_result` in
 * viewer/component.py.
 *
 * @param {Float32Array} probabilities
 * @param {number} classes
 */
export function planesOfClasses(probabilities, classes) {
  const count = probabilities.length / classes, most = fround(Math.log(Math.max(2, classes)));
  const found = { classes: new Uint8Array(count), probability: new Uint16Array(count),
    entropy: new Uint8Array(count) };
  for (let i = 0; i < count; i++) {
    let best = 0, total = 0;
    for (let k = 0; k < classes; k++) {
      const p = probabilities[k * count + i];
      if (p > probabilities[best * count + i]) best = k;
      total = fround(total - fround(p * fround(Math.log(Math.max(p, 1e-30)))));
    }
    found.classes[i] = best;
    found.probability[i] = fixedPoint(probabilities[best * count + i], 65535);
    found.entropy[i] = fixedPoint(fround(total / most), 255);
  }
  return found;
}

/**
 * 0 to 1 -> 0 to `largest`, rounded as NumPy does.
 *
 * @param {number} value
 * @param {number} largest
 */
export function fixedPoint(value, largest) {
  const exact = fround(Math.min(Math.max(value, 0), 1) * largest), rounded = Math.round(exact);
  return rounded - exact === 0.5 && rounded % 2 ? rounded - 1 : rounded;  // halves to even
}

/**
 * (pixels,) uint8 class ids.
 *
 * @param {Float32Array} probabilities (classes, pixels)
 * @param {number} classes
 * @param {number | null} threshold Of class 1 of two; null: the most probable class.
 */
export function maskOf(probabilities, classes, threshold) {
  if (threshold === null) return planesOfClasses(probabilities, classes).classes;
  const cut = fround(threshold);
  return Uint8Array.from(probabilities.subarray(probabilities.length / 2), (p) => Number(p > cut));
}
