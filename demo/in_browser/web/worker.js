// The worker that segments, beside the page so that this never halts. It is told what to do, one
// thing after another, and tells what came of it; it asks no server for anything. Who stops it
// ends it, and starts another one.

const MOST_THREADS = 4;
const CORE = 1024;  // px of a tile's side, at most, without what it is shown around it

let runtime = null, checkpoint = null, session = null, picture = null, result = null;
let last = Promise.resolve();

onmessage = ({ data }) => { last = last.then(() => answer(data)); };

async function answer({ act, ...details }) {
  try {
    await acts[act](details);
  } catch (error) {
    const known = error instanceof Refused;
    const sentence = known ? error.message : `This did not work in your browser: ${
      error.message || error}. Try another browser, or a smaller image, or the tab Segment.`;
    postMessage({ told: "failed", act, sentence });
  }
}

const acts = {
  // module, wasm, model: Blobs; facts: see `exported` in tab.py.
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

  async open({ file }) {
    picture = result = null;
    picture = await readPicture(file);
    postMessage({ told: "opened", picture });
  },

  async segment() {
    const started = performance.now();
    result = null;
    const probabilities = await segmented();
    const facts = checkpoint, classes = facts.names.length, count = probabilities.length / classes;
    result = { probabilities, classes, width: picture.width, height: picture.height };
    const planes = facts.threshold === null ? planesOfClasses(probabilities, classes)
      : { codes: probabilityCodes(probabilities.subarray(count), facts.steps, facts.fine) };
    const milliseconds = performance.now() - started;
    const moved = Object.values(planes).map((plane) => plane.buffer);
    const threads = runtime.env.wasm.numThreads;  // 1 where it could not have more
    postMessage({ told: "segmented", picture, planes, facts, milliseconds, threads }, moved);
  },

  async mask({ threshold }) {
    const { probabilities, classes, width, height } = result;
    const mask = maskOf(probabilities, classes, threshold);
    postMessage({ told: "written", kind: "mask.png", file: await png(mask, width, height) });
  },

  async probabilities() {
    const { probabilities, classes, width, height } = result;
    const file = npy(probabilities, [classes, height, width]);
    postMessage({ told: "written", kind: "probabilities.npy", file });
  },
};

// (classes, height, width) float32, tile by tile; a tile is shown `halo` more on every side, as far
// as the picture goes, and is then predicted as in the whole image.
async function segmented() {
  const { width, height } = picture, { channels, multiple, halo, names } = checkpoint;
  const scaled = scaledOf(picture, channels), count = width * height;
  const measured = {};
  if (checkpoint.measures) {
    const { mean, std } = statistics(scaled, count, channels);
    measured.mean = new runtime.Tensor("float32", [mean], [1]);
    measured.std = new runtime.Tensor("float32", [std], [1]);
  }
  const rows = cuts(height, multiple), columns = cuts(width, multiple);
  const tiles = rows.flatMap(([top, bottom]) => columns.map((span) => [top, bottom, ...span]));
  const probabilities = new Float32Array(names.length * count);
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
    const image = new runtime.Tensor("float32", seen, [1, channels, tall, wide]);
    const answered = (await session.run({ image, ...measured })).probabilities;
    for (let k = 0; k < names.length; k++) {
      for (let y = top; y < bottom; y++) {
        const from = (k * tall + y - first) * wide + left - start;
        const row = answered.data.subarray(from, from + right - left);
        probabilities.set(row, k * count + y * width + left);
      }
    }
    answered.dispose?.();
  }
  return probabilities;
}

// [start, stop] of as few tiles as do, all on the grid and of about one size.
function cuts(size, multiple) {
  const side = Math.ceil(size / Math.ceil(size / CORE) / multiple) * multiple;
  const starts = Array.from({ length: Math.ceil(size / side) }, (_, index) => index * side);
  return starts.map((start) => [start, Math.min(start + side, size)]);
}
