import assert from "node:assert/strict";
import { test } from "node:test";

import { extremes, histogram, indexed, pyramid, scaleOf } from "../../demo/viewer/web/pixels/levels.js";

test("8 and 16 bits without sign are indices as they are", () => {
  const bytes = Uint8Array.of(0, 7, 255), words = Uint16Array.of(9, 65535);
  assert.deepEqual(scaleOf(bytes), { size: 256, origin: 0, unit: 1 });
  assert.deepEqual(scaleOf(words), { size: 65536, origin: 0, unit: 1 });
  assert.equal(indexed(bytes, scaleOf(bytes)), bytes);
});

test("all else is spread over 16 bits between its finite extremes", () => {
  const values = Float32Array.of(-2, NaN, 2, Infinity, -Infinity, 0);
  const scale = scaleOf(values);
  assert.deepEqual([scale.origin, scale.unit * 65535], [-2, 4]);
  assert.deepEqual([...indexed(values, scale)], [0, 0, 65535, 65535, 0, 32768]);
});

test("whole numbers of 64 bits, extremes that are known, and one value alone", () => {
  const large = BigInt64Array.of(-5n, 5n);
  assert.deepEqual([...indexed(large, scaleOf(large))], [0, 65535]);
  assert.deepEqual(scaleOf(Int16Array.of(3), [0, 65535]), { size: 65536, origin: 0, unit: 1 });
  assert.equal(scaleOf(Float32Array.of(4, 4)).origin, 4);
  assert.equal(scaleOf(Float32Array.of(NaN)).origin, 0);
});

test("each level is the mean of four, also at an odd border, in every channel", () => {
  const [whole, half, quarter] = pyramid(
    Uint8Array.of(0, 4, 100, 8, 12, 100, 50, 60, 255), 3, 3, 1, 3);
  assert.equal(whole.width, 3);
  assert.deepEqual([half.width, half.height, [...half.values]], [2, 2, [6, 100, 55, 255]]);
  assert.deepEqual([quarter.width, [...quarter.values]], [1, [104]]);
  const rgb = pyramid(Uint16Array.of(10, 20, 30, 20, 40, 60), 2, 1, 3, 2)[1].values;
  assert.ok(rgb instanceof Uint16Array);
  assert.deepEqual([...rgb], [15, 30, 45]);
});

test("values are counted, and their extremes found", () => {
  const plane = Uint8Array.of(1, 1, 3);
  assert.deepEqual([...histogram(plane, 4)], [0, 2, 0, 1]);
  assert.deepEqual(extremes(plane), [1, 3]);
});
