// A picture's values as indices into tables of colours, at several sizes.

/** @typedef {import("./payload.js").Plane} Plane */
/** @typedef {Uint8Array | Uint16Array} Indices */
/** @typedef {{values: Indices, width: number, height: number}} Level */
/** @typedef {{size: number, origin: number, unit: number}} Scale Index i: origin + i * unit. */
/**
 * How values become whole numbers that index a table of colours. Those of 8 and 16 bits without
 * sign are such already; any other kind is spread over 16 bits, for the eye, between the extremes.
 *
 * @param {Plane} raw
 * @param {[number, number]} [range] The extremes, where they are known.
 * @returns {Scale}
 */
export function scaleOf(raw, range) {
  if (isIndex(raw)) return { size: raw instanceof Uint8Array ? 256 : 65536, origin: 0, unit: 1 };
  let [low, high] = range || finiteExtremes(raw);
  if (!(low < high)) { low = Number.isFinite(low) ? low : 0; high = low + 1; }
  return { size: 65536, origin: low, unit: (high - low) / 65535 };
}

/**
 * @param {ArrayLike<number | bigint>} raw
 * @returns {raw is Indices}
 */
function isIndex(raw) {
  return raw instanceof Uint8Array || raw instanceof Uint16Array;
}

/** @param {Plane} raw */
function finiteExtremes(raw) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < raw.length; i++) {
    const value = Number(raw[i]);
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return [low, high];
}

/**
 * @param {ArrayLike<number | bigint>} raw
 * @param {Scale} scale
 * @returns {Indices}
 */
export function indexed(raw, { origin, unit }) {
  if (isIndex(raw)) return raw;
  const values = new Uint16Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const index = (Number(raw[i]) - origin) / unit;  // NaN is drawn as the lowest value
    values[i] = index >= 65535 ? 65535 : index > 0 ? Math.round(index) : 0;
  }
  return values;
}

/**
 * The picture at 1, 1/2, 1/4 ... of its size, each pixel the mean of four: a picture far away is
 * drawn from one of these and does not flicker. Classes are never averaged.
 *
 * @param {Indices} values
 * @param {number} width
 * @param {number} height
 * @param {number} channels
 * @param {number} count How many sizes.
 * @returns {Level[]}
 */
export function pyramid(values, width, height, channels, count) {
  const levels = [{ values, width, height }];
  while (levels.length < count) {
    const fine = levels[levels.length - 1].values;
    const across = (width + 1) >> 1, down = (height + 1) >> 1;
    const Kind = fine instanceof Uint8Array ? Uint8Array : Uint16Array;
    const half = { values: new Kind(across * down * channels), width: across, height: down };
    let target = 0;
    for (let y = 0; y < half.height; y++) {
      const upper = 2 * y * width;
      const lower = Math.min(2 * y + 1, height - 1) * width;
      for (let x = 0; x < half.width; x++) {
        const left = 2 * x, right = Math.min(2 * x + 1, width - 1);
        for (let c = 0; c < channels; c++) {
          half.values[target++] = (
            fine[(upper + left) * channels + c] + fine[(upper + right) * channels + c]
            + fine[(lower + left) * channels + c] + fine[(lower + right) * channels + c] + 2
          ) >> 2;
        }
      }
    }
    levels.push(half);
    ({ width, height } = half);
  }
  return levels;
}

/**
 * How often each value of a plane occurs: the legend's shares at any threshold, without a look
 * at the pixels.
 *
 * @param {Indices} plane
 * @param {number} size How many values are possible.
 */
export function histogram(plane, size) {
  const counts = new Uint32Array(size);
  for (let i = 0; i < plane.length; i++) counts[plane[i]]++;
  return counts;
}

/** @param {Indices} values */
export function extremes(values) {
  let low = values[0], high = values[0];
  for (let i = 1; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return [low, high];
}
