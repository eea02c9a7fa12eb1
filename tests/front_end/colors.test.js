import assert from "node:assert/strict";
import { test } from "node:test";

import {
  classOf, colorOf, imageTable, packed, paintTables, probabilityOf, shadesOf, shareOf,
} from "../../demo/viewer/web/drawing/colors.js";
import { countsOf } from "../../demo/viewer/web/around/panel.js";

const MAPS = { Gray: ["#000000", "#ffffff"], Two: ["#ff0000", "#00ff00", "#0000ff"] };
const HEAT = { probability: "Two", uncertainty: "Gray" };
const FINE = 600, STEPS = 100;

function twoClasses(codes) {
  return {
    value: { names: ["ground", "cell"], colors: ["#010203", "#a0b0c0"], fine: FINE, steps: STEPS },
    planes: { codes },
  };
}

function newLook(changes = {}) {
  return { alpha: 0.5, level: 50, view: "classes", hidden: new Set(), window: [0, 255],
    colormap: "Gray", maps: MAPS, heat: HEAT, ...changes };
}

test("a colour is packed as a canvas keeps it, and is opaque", () => {
  assert.equal(packed("#123456"), 0xff563412);
});

test("colour maps meet their stops and are straight between them", () => {
  assert.equal(colorOf(MAPS.Two, 0), packed("#ff0000"));
  assert.equal(colorOf(MAPS.Two, 0.5), packed("#00ff00"));
  assert.equal(colorOf(MAPS.Two, 1), packed("#0000ff"));
  assert.equal(colorOf(MAPS.Two, 0.25), packed("#808000"));
  assert.equal(colorOf(MAPS.Two, 7), packed("#0000ff"));
  assert.deepEqual(shadesOf(MAPS.Gray).map((color) => color & 255), [...Array(256).keys()]);
});

test("contrast cuts where it is told, and works for any kind of number", () => {
  const bytes = { size: 256, origin: 0, unit: 1, channels: 1 };
  const table = imageTable(bytes, newLook({ window: [50, 100] }));
  assert.equal(table[50], packed("#000000") | 0);
  assert.equal(table[100], packed("#ffffff") | 0);
  assert.equal(table[75], packed("#7f7f7f") | 0);
  const floats = { size: 65536, origin: -1, unit: 2 / 65535, channels: 1 };
  const half = imageTable(floats, newLook({ window: [-1, 1] }));
  assert.equal(half[0], packed("#000000") | 0);
  assert.equal(half[65535], packed("#ffffff") | 0);
});

test("a picture in colour has a table for its channels: no colour map", () => {
  const picture = { size: 256, origin: 0, unit: 1, channels: 3 };
  const table = imageTable(picture, newLook({ colormap: "Two" }));
  assert.deepEqual([...table], [...Array(256).keys()]);
});

test("a class begins exactly one code above its threshold", () => {
  const scene = twoClasses(new Uint16Array(0));
  const look = newLook({ level: 42 });
  assert.equal(classOf(scene, look, 43 * FINE - 1), 0);
  assert.equal(classOf(scene, look, 43 * FINE), 1);
  assert.equal(classOf(scene, look, 65535), 255);  // no data
});

test("what is painted are the classes that are not hidden", () => {
  const scene = twoClasses(new Uint16Array(0));
  const look = newLook({ hidden: new Set([0]) });
  const { name, paint, classes } = paintTables(scene, look);
  assert.equal(name, "codes");
  assert.equal(paint.length, 65536);
  assert.deepEqual([paint[0], classes[0]], [0, 0]);
  assert.deepEqual([paint[51 * FINE] >>> 0, classes[51 * FINE]], [packed("#a0b0c0"), 1]);
});

test("values without a name are painted by nobody", () => {
  const scene = { value: { names: ["a"], colors: ["#ffffff"] },
    planes: { classes: new Uint8Array(0) } };
  const { paint, classes } = paintTables(scene, newLook());
  assert.deepEqual([paint[1], classes[1]], [0, 255]);
});

test("codes give their probability back, and the entropy is 1 where nothing is known", () => {
  const scene = twoClasses(new Uint16Array(0));
  assert.equal(probabilityOf(scene, 0), 0);
  assert.ok(Math.abs(probabilityOf(scene, 51 * FINE) - 0.5) < 1e-5);
  assert.equal(probabilityOf(scene, 65535), 1);
  assert.ok(Math.abs(shareOf(scene, "uncertainty", 51 * FINE) - 1) < 1e-8);
  assert.equal(shareOf(scene, "uncertainty", 0), 0);
});

test("shares of the legend follow the threshold without a look at the pixels", () => {
  const counts = new Uint32Array(65536);
  counts[10 * FINE] = 7;
  counts[60 * FINE] = 5;
  counts[90 * FINE] = 3;
  const scene = { ...twoClasses(new Uint16Array(0)), counts };
  assert.deepEqual(countsOf(scene, newLook({ level: 50 })), [7, 8]);
  assert.deepEqual(countsOf(scene, newLook({ level: 80 })), [12, 3]);
  assert.deepEqual(countsOf(scene, newLook({ level: 0 })), [0, 15]);
});
