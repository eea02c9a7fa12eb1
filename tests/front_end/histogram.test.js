import assert from "node:assert/strict";
import { test } from "node:test";

import { layOut } from "../../demo/objects/histogram.js";

const HISTOGRAM = { edges: [10, 20, 30, 40], counts: [2, 0, 4], unit: "µm²" };

test("bars stand side by side on the axis, as high as their counts", () => {
  const { bars } = layOut(HISTOGRAM);
  assert.deepEqual(bars.map((bar) => bar.height), [53, 0, 106]);
  assert.deepEqual(bars.map((bar) => bar.y + bar.height), [116, 116, 116]);
  for (const [bin, bar] of bars.entries()) {
    assert.ok(bar.width > 0 && bar.y >= 10 && bar.x + bar.width <= 336);
    if (bin) assert.ok(Math.abs(bar.x - bars[bin - 1].x - bars[bin - 1].width - 1) < 1e-9);
  }
});

test("bars, axes and the whole say in words what they show", () => {
  const { title, bars, ticks } = layOut(HISTOGRAM);
  assert.equal(title, "Areas of the objects (6), in µm²");
  assert.deepEqual(bars.map((bar) => bar.label),
    ["10 to 20 µm²: 2", "20 to 30 µm²: 0", "30 to 40 µm²: 4"]);
  assert.deepEqual(ticks.map((tick) => tick.text), ["10", "40", "area (µm²)", "4", "0"]);
});

test("edges are told without the noise of floating point, and large ones as whole numbers", () => {
  const { ticks } = layOut({ edges: [3 * 0.05, 1_000_000], counts: [1], unit: "mm²" });
  assert.deepEqual(ticks.slice(0, 2).map((tick) => tick.text), ["0.15", "1000000"]);
});

test("without objects there is a title alone", () => {
  assert.deepEqual(layOut({ edges: [0], counts: [], unit: "px²" }),
    { title: "No objects", bars: [], ticks: [] });
});
