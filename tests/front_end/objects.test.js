import assert from "node:assert/strict";
import { test } from "node:test";

import { placeOf, sizeAt } from "../../demo/objects/counting.js";
import { differingThresholds } from "../../demo/parts/look.js";
import { packed } from "../../demo/viewer/web/drawing/colors.js";
import {
  drawChosen, objectAt, objectsDrawn, objectsInView, sceneObjects,
} from "../../demo/viewer/web/drawing/objects.js";
import { readPixelSize } from "../../demo/viewer/web/around/panel.js";

const LABELS = Uint16Array.from([
  0, 0, 0, 0, 0, 0,
  0, 1, 1, 1, 0, 2,
  0, 1, 1, 1, 0, 2,
  0, 1, 1, 1, 0, 0,
  0, 0, 0, 0, 0, 0,
]);
const LAYER = { picture: "", threshold: 0.65, follows: false, colors: ["#ff0000", "#00ff00"],
  data: { url: "" }, planes: [] };

function scene() {
  const objects = sceneObjects(LAYER, { labels: LABELS, hues: Uint8Array.of(0, 1) }, packed);
  return /** @type {any} */ ({ objects, value: { steps: 100 }, overview: { width: 6, step: 2 } });
}

test("an object has the colour that it was given, and what is none has no colour", () => {
  const { paint } = scene().objects;
  assert.deepEqual([...paint.slice(0, 4)].map((color) => color >>> 0), [0, 0xff0000ff, 0xff00ff00, 0]);
});

test("objects are those of one threshold, and are not shown at another", () => {
  assert.ok(objectsInView(scene(), { level: 65 }));
  assert.equal(objectsInView(scene(), { level: 64 }), null);
  assert.equal(objectsInView({ ...scene(), objects: null }, { level: 65 }), null);
  assert.equal(objectsDrawn(scene(), { level: 64 }), null);
});

test("where those of the next threshold come by themselves, the old ones stay until then", () => {
  const before = scene();
  before.objects.follows = true;
  assert.equal(objectsDrawn(before, { level: 64 }), before.objects);
  assert.equal(objectAt(before, { level: 64 }, { x: 2, y: 2 }), 0);  // but nothing is said of them
  assert.equal(before.objects.count, 2);
});

test("a slider has small sizes pixel by pixel, and large ones in two digits", () => {
  assert.deepEqual([0, 1, 25, 50, 67, 100].map(sizeAt), [0, 1.1, 10, 100, 480, 10000].map(Math.round));
  for (const place of [0, 25, 40, 67, 100]) assert.equal(placeOf(sizeAt(place)), place);
  assert.deepEqual([NaN, -5, 1e6].map(placeOf), [0, 0, 100]);
});

test("the object at a pixel is found where every second pixel was sent", () => {
  assert.equal(objectAt(scene(), { level: 65 }, { x: 3, y: 2 }), 1);
  assert.equal(objectAt(scene(), { level: 65 }, { x: 11, y: 5 }), 2);
  assert.equal(objectAt(scene(), { level: 65 }, { x: 0, y: 0 }), 0);
  assert.equal(objectAt(scene(), { level: 20 }, { x: 3, y: 2 }), 0);
});

test("the chosen object alone has a line, white inside and dark outside", () => {
  const all = { offset: 0 };
  const bounds = { across: { ...all, columns: Int32Array.from([0, 1, 2, 3, 4, 5]) },
    down: { ...all, columns: Int32Array.from([0, 1, 2, 3, 4]) } };
  const frame = /** @type {any} */ ({ width: 6, pixels: new Int32Array(30) });
  const small = { ...scene(), overview: { width: 6, step: 1 } };
  drawChosen(frame, small, LABELS, 1, bounds, 1);
  const rows = Array.from({ length: 5 }, (_, row) => [...frame.pixels.slice(6 * row, 6 * row + 6)]
    .map((color) => (color === 0 ? "." : (color >>> 0) === 0xffffffff ? "w" : "d")).join(""));
  assert.deepEqual(rows, [".ddd..", "dwwwd.", "dw.wd.", "dwwwd.", ".ddd.."]);
});

test("a pixel size is read as people type it", () => {
  for (const text of ["0.25", "0.25um", "0,25 µm", " 0.25 Micron "]) {
    assert.deepEqual(readPixelSize(text), [0.25, "µm"], text);
  }
  assert.deepEqual(readPixelSize("4 nm"), [4, "nm"]);
  assert.equal(readPixelSize("  "), null);
  for (const text of ["abc", "0", "-1", "1 furlong", "1.2.3", "0.25 x 0.25"]) {
    assert.equal(readPixelSize(text), undefined, text);
  }
});

test("what was computed at another threshold says so, and only then", () => {
  assert.equal(differingThresholds(0.65, 0.2), "0.65; the picture is at 0.20");
  assert.equal(differingThresholds(0.65, 0.65), "");
  assert.equal(differingThresholds(null, 0.2), "");
});
