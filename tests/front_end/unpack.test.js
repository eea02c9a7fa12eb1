import assert from "node:assert/strict";
import { test } from "node:test";

import { fetchPlanes, inflated } from "../../demo/viewer/web/pixels/payload.js";
import { newUnpacker, unpacked } from "../../demo/viewer/web/pixels/unpack.js";

async function deflated(...arrays) {
  const stream = new Blob(arrays).stream().pipeThrough(new CompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const HOW = { width: 2, height: 2, channels: 1, depth: 2,
  scale: { size: 65536, origin: 0, unit: 1 / 65535 },
  described: [{ name: "image", dtype: "float32" }, { name: "codes", dtype: "uint16" }] };

test("a tile's file holds its planes one after another, deflated as one stream", async () => {
  const image = Float32Array.of(0, 1, 0.25, 0.5), codes = Uint16Array.of(1, 2, 3, 4);
  const { planes, levels, bytes } = await unpacked(await deflated(image, codes), HOW);
  assert.deepEqual([...planes.image], [...image]);
  assert.deepEqual([...planes.codes], [...codes]);
  assert.deepEqual(levels.map(({ width }) => width), [2, 1]);
  assert.deepEqual([...levels[0].values], [0, 65535, 16384, 32768]);
  assert.equal(bytes, 4 * 4 + 4 * 2 + 4 * 2);  // both planes, and the indices of one
});

test("a file of another length is refused", async () => {
  await assert.rejects(unpacked(await deflated(Float32Array.of(1, 2, 3, 4)), HOW), /bytes, not/);
});

test("where there are no workers, the page unpacks itself", async () => {
  const unpack = newUnpacker();
  const content = await deflated(Float32Array.of(1, 2, 3, 4), Uint16Array.of(1, 2, 3, 4));
  assert.deepEqual([...(await unpack(content, HOW)).planes.codes], [1, 2, 3, 4]);
});

test("planes are taken out of their file by start and end", async (context) => {
  const parts = [await deflated(Uint8Array.of(5, 6)), await deflated(BigInt64Array.of(-7n))];
  const end = parts[0].byteLength;
  context.mock.method(globalThis, "fetch", async () => new Response(new Blob(parts)));
  const planes = await fetchPlanes({ data: { url: "here" }, planes: [
    { name: "classes", dtype: "uint8", start: 0, end },
    { name: "image", dtype: "int64", start: end, end: end + parts[1].byteLength },
  ] });
  assert.deepEqual([...planes.classes], [5, 6]);
  assert.deepEqual([...planes.image], [-7n]);
});

test("a refusal of the server is an error", async (context) => {
  context.mock.method(globalThis, "fetch", async () => new Response("", { status: 403 }));
  await assert.rejects(fetchPlanes({ data: { url: "here" }, planes: [] }), /status 403/);
});

test("what is no stream of zlib's is refused", async () => {
  await assert.rejects(inflated(new Blob([Uint8Array.of(1, 2, 3)]).stream()));
});
