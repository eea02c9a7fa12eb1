// From the transfer to arrays: one request, then the browser inflates the file's planes.

const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  float32: Float32Array, float64: Float64Array,
};

async function fetchPlanes(value) {
  const response = await fetch(value.data.url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const file = await response.blob();
  const entries = value.planes.map(async ({ name, dtype, start, end }) => {
    return [name, new ARRAYS[dtype](await inflated(file.slice(start, end).stream()))];
  });
  return Object.fromEntries(await Promise.all(entries));
}

function inflated(stream) {
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

// How values become whole numbers that index a table of colours. Those of 8 and 16 bits without
// sign are such already; any other kind is spread over 16 bits, for the eye, between the extremes.
function scaleOf(raw, range) {
  if (isIndex(raw)) return { size: raw instanceof Uint8Array ? 256 : 65536, origin: 0, unit: 1 };
  let [low, high] = range || finiteExtremes(raw);
  if (!(low < high)) { low = Number.isFinite(low) ? low : 0; high = low + 1; }
  return { size: 65536, origin: low, unit: (high - low) / 65535 };
}

function isIndex(raw) {
  return raw instanceof Uint8Array || raw instanceof Uint16Array;
}

function finiteExtremes(raw) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < raw.length; i++) {
    const value = Number(raw[i]);
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return [low, high];
}

function indexed(raw, { origin, unit }) {
  if (isIndex(raw)) return raw;
  const values = new Uint16Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const index = (Number(raw[i]) - origin) / unit;  // NaN is drawn as the lowest value
    values[i] = index >= 65535 ? 65535 : index > 0 ? Math.round(index) : 0;
  }
  return values;
}

// The picture at 1, 1/2, 1/4 ... of its size, each pixel the mean of four: a picture far away is
// drawn from one of these and does not flicker. Classes are never averaged.
function pyramid(values, width, height, channels, count) {
  const levels = [{ values, width, height }];
  while (levels.length < count) {
    const fine = levels[levels.length - 1].values;
    const half = { width: (width + 1) >> 1, height: (height + 1) >> 1 };
    half.values = new fine.constructor(half.width * half.height * channels);
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

// How often each value of a plane occurs: the legend's shares at any threshold, without a look
// at the pixels.
function histogram(plane, size) {
  const counts = new Uint32Array(size);
  for (let i = 0; i < plane.length; i++) counts[plane[i]]++;
  return counts;
}

// Everything about one picture that does not change while one looks at it. `overview` is what was
// sent at once, a source of pixels: every `step`-th of the image's from (left, top), as `levels` of
// the picture and as planes. Tiles are such sources, too: `unpack` makes them of what the server
// has, and `changed` is called as they arrive.
function newScene(value, planes, unpack, changed) {
  const { step, channels, dtype } = value;
  const scale = scaleOf(planes.image, value.tiles?.range);
  const values = indexed(planes.image, scale);
  const width = Math.ceil(value.width / step), height = Math.ceil(value.height / step);
  const halvings = Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / 256)));
  const levels = pyramid(values, width, height, channels, halvings + 1);
  const overview = { left: 0, top: 0, width, height, step, levels, planes };
  const [lowest, highest] = scale.size === 256 ? [0, dtype === "bool" ? 1 : 255]
    : value.tiles ? indexed(value.tiles.range, scale) : extremes(values);
  const coded = planes.codes || planes.classes;
  const counts = planes.counts
    || (coded ? histogram(coded, planes.codes ? 65536 : 256) : null);
  return { value, planes, overview, counts, picture: { ...scale, lowest, highest, channels },
    tiles: value.tiles ? newTiles(value, scale, unpack, changed) : null };
}

function extremes(values) {
  let low = values[0], high = values[0];
  for (let i = 1; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return [low, high];
}
