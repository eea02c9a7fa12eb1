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
    const stream = file.slice(start, end).stream().pipeThrough(new DecompressionStream("deflate"));
    return [name, new ARRAYS[dtype](await new Response(stream).arrayBuffer())];
  });
  return Object.fromEntries(await Promise.all(entries));
}

// Values -> whole numbers that index a table of colours. Those of 8 and 16 bits without sign are
// such already; any other kind is spread over 16 bits, for the eye, between its extremes.
function indexed(raw) {
  if (raw instanceof Uint8Array || raw instanceof Uint16Array) {
    return { values: raw, size: raw instanceof Uint8Array ? 256 : 65536, origin: 0, unit: 1 };
  }
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < raw.length; i++) {
    const value = Number(raw[i]);
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  if (!(low < high)) { low = Number.isFinite(low) ? low : 0; high = low + 1; }
  const unit = (high - low) / 65535;
  const values = new Uint16Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const value = Number(raw[i]);  // NaN is drawn as the lowest value
    values[i] = value >= high ? 65535 : value > low ? Math.round((value - low) / unit) : 0;
  }
  return { values, size: 65536, origin: low, unit };
}

// The picture at 1, 1/2, 1/4 ... of its size, each pixel the mean of four: a picture far away is
// drawn from one of these and does not flicker. Classes are never averaged.
function pyramid(values, width, height, channels) {
  const levels = [{ values, width, height }];
  while (Math.max(width, height) > 256) {
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

// Everything about one picture that does not change while one looks at it.
function newScene(value, planes) {
  const { values, size, origin, unit } = indexed(planes.image);
  const width = Math.ceil(value.width / value.step), height = Math.ceil(value.height / value.step);
  const levels = pyramid(values, width, height, value.channels);
  const [lowest, highest] = size === 256 ? [0, value.dtype === "bool" ? 1 : 255] : extremes(values);
  const picture = { levels, size, origin, unit, lowest, highest, width, height,
    channels: value.channels };
  const coded = planes.codes || planes.classes;
  const counts = coded ? histogram(coded, planes.codes ? 65536 : 256) : null;
  return { value, planes, picture, counts };
}

function extremes(values) {
  let low = values[0], high = values[0];
  for (let i = 1; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return [low, high];
}
