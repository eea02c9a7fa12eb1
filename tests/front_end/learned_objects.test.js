import assert from "node:assert/strict";
import { test } from "node:test";

import { counted } from "../../demo/in_browser/web/facts.js";
import { heightMap, partObjects } from "../../demo/in_browser/web/objects.js";

// That objects are those of Python is tested where there is a Python: test_front_end.py.

const PARTING = { seed: 0.5, prominence: 0.2, min_size: 0 };

/** @param {number[]} mask @param {number[]} height @param {object} [parting] */
const parted = (mask, height, parting) => [...partObjects(
  Uint8Array.from(mask), Float32Array.from(height), mask.length, { ...PARTING, ...parting })];

test("what leads to a low summit goes over its highest pass, and a deep valley parts", () => {
  const height = [0.9, 0.1, 0.2, 0.4, 0.3, 0.8], all = height.map(() => 1);
  assert.deepEqual(parted(all, height), [1, 1, 2, 2, 2, 2]);
  assert.deepEqual(parted(all, height, { prominence: 0.8 }), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(parted(all, height, { min_size: 3 }), [0, 0, 1, 1, 1, 1]);
  assert.deepEqual(parted(all, height, { seed: 0.85 }), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(parted(all, height, { seed: 0.95 }), [0, 0, 0, 0, 0, 0]);
});

test("classes part where the height does not, and the end of a row does not touch the next", () => {
  assert.deepEqual(parted([1, 1, 2, 2, 0], [0.6, 0.7, 0.8, 0.9, 1]), [1, 1, 2, 2, 0]);
  const two = partObjects(Uint8Array.of(0, 1, 1, 0), new Float32Array(4).fill(0.7), 2, PARTING);
  assert.deepEqual([...two], [0, 1, 2, 0]);
  assert.deepEqual(parted([0, 0], [1, 1]), [0, 0]);
});

test("a sure border lowers the height, a centre is half of it", () => {
  const maps = Float32Array.of(0.8, 0.8, 50, -50);
  const [low, high] = heightMap(maps, { channels: ["distance", "border"], border_depth: 0.3 });
  assert.ok(Math.abs(low - 0.5) < 1e-6 && Math.abs(high - 0.8) < 1e-6);
  const centred = heightMap(Float32Array.of(0.8, 0.4), {
    channels: ["distance", "centre"], border_depth: 0.3 });
  assert.ok(Math.abs(centred[0] - 0.6) < 1e-6);
});

test("objects are told of with the threshold, or not at all", () => {
  assert.equal(counted(null, { threshold: 0.5 }), "");
  assert.equal(counted(1, { threshold: null }), " · 1 object");
  assert.equal(counted(1234, { threshold: 0.65 }), " · 1,234 objects at the threshold 0.65");
});
