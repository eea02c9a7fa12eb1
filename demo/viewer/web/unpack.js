// From a tile's file to a source of pixels, see `newScene`: beside the page, in a worker that has
// this very code, so that a picture that moves does not halt; on the page where there is no worker.

// content: ArrayBuffer as the server has it; `described`: the planes in it, in their order; `depth`:
// as of `pyramid`. Gives { planes, levels, bytes }.
async function unpacked(content, { width, height, channels, described, scale, depth }) {
  const raw = await inflated(new Blob([content]).stream());
  const planes = {};
  let start = 0;
  for (const { name, dtype } of described) {
    const count = width * height * (name === "image" ? channels : 1);
    const end = start + count * ARRAYS[dtype].BYTES_PER_ELEMENT;
    planes[name] = new ARRAYS[dtype](raw.slice(start, end));
    start = end;
  }
  if (start !== raw.byteLength) throw new Error(`${raw.byteLength} bytes, not ${start}`);
  const shades = indexed(planes.image, scale);
  const levels = pyramid(shades, width, height, channels, depth);
  return { planes, levels, bytes: start + (shades === planes.image ? 0 : shades.byteLength) };
}

// (content, how) => a promise of what `unpacked` gives. `program`: what a worker runs.
function newUnpacker(program) {
  const waiting = new Map();  // number -> [resolve, reject]
  let worker = null, number = 0;  // worker: a promise; of null where there is none

  function start() {
    return new Promise((done) => {
      const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
      const fresh = new Worker(address);
      fresh.onmessage = ({ data }) => {
        if (data.ready) {
          URL.revokeObjectURL(address);
          return done(fresh);
        }
        const [resolve, reject] = waiting.get(data.number);
        waiting.delete(data.number);
        if (data.error) reject(new Error(data.error));
        else resolve(data.found);
      };
      // It did not start, or broke down: what it had is asked for again.
      fresh.onerror = () => {
        fresh.terminate();
        worker = Promise.resolve(null);
        done(null);
        for (const [, reject] of waiting.values()) reject(new Error("the worker ended"));
        waiting.clear();
      };
    }).catch(() => null);  // a browser that forbids it
  }

  return async (content, how) => {
    const beside = await (worker ||= start());
    if (!beside) return unpacked(content, how);
    return new Promise((resolve, reject) => {
      waiting.set(++number, [resolve, reject]);
      beside.postMessage({ number, content, how }, [content]);
    });
  };
}
