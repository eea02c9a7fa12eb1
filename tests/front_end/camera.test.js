import assert from "node:assert/strict";
import { test } from "node:test";

import {
  cameraOn, columnAt, constrain, fit, newCamera, openAt, panBy, pixelAt, projection, zoomBy,
} from "../../demo/viewer/web/moving/camera.js";

const SIZE = { width: 300, height: 200 };
const STAGE = { width: 600, height: 600, ratio: 2 };

function fitted() {
  const camera = newCamera();
  fit(camera, SIZE, STAGE);
  return camera;
}

test("a fitted picture fills the stage one way and stands in its middle", () => {
  assert.deepEqual(fitted(), { x: 150, y: 100, zoom: 2, fitted: true });
  const { left, top, scale, width, height } = projection(fitted(), STAGE);
  assert.deepEqual({ left, top, scale, width, height },
    { left: 0, top: 200, scale: 4, width: 1200, height: 1200 });
});

test("the point under the pointer stays where it is while one zooms", () => {
  const camera = fitted();
  const before = pixelAt(camera, SIZE, STAGE, 400.5, 300.5);
  for (const factor of [1.5, 2, 3, 1 / 2, 1.1]) {
    zoomBy(camera, SIZE, STAGE, factor, 400.5, 300.5);
    assert.deepEqual(pixelAt(camera, SIZE, STAGE, 400.5, 300.5), before);
    assert.equal(camera.fitted, false);
  }
});

test("zooming ends at 64 CSS pixels a pixel, and at the whole picture", () => {
  const camera = fitted();
  for (let i = 0; i < 50; i++) zoomBy(camera, SIZE, STAGE, 2, 10, 10);
  assert.equal(camera.zoom, 64);
  for (let i = 0; i < 50; i++) zoomBy(camera, SIZE, STAGE, 1 / 2, 10, 10);
  assert.equal(camera.zoom, 1);  // a small picture may be seen at its own size
});

test("a picture that is smaller than the stage is not moved, a larger one not out of reach", () => {
  const camera = fitted();
  panBy(camera, SIZE, STAGE, 1e6, 1e6);
  assert.deepEqual([camera.x, camera.y], [150, 100]);
  Object.assign(camera, { zoom: 10 });
  panBy(camera, SIZE, STAGE, 1e6, -1e6);
  assert.deepEqual([camera.x, camera.y], [270, 30]);
});

test("where one points is the pixel that is drawn there, at any zoom", () => {
  for (const zoom of [0.37, 1, 2.9, 17]) {
    const camera = { x: 123.4, y: 77.7, zoom, fitted: false };
    constrain(camera, SIZE, STAGE);
    const { left, top, scale } = projection(camera, STAGE);
    for (const [x, y] of [[300, 300], [431.3, 210.9]]) {
      const pixel = pixelAt(camera, SIZE, STAGE, x, y);
      const drawn = { x: columnAt(Math.floor(2 * x), left, scale),
        y: columnAt(Math.floor(2 * y), top, scale) };
      assert.deepEqual(pixel, drawn);
    }
  }
  assert.equal(pixelAt(fitted(), SIZE, STAGE, 300, 10), null);  // above the picture
});

test("a region is seen with air around it, a point not from nearer than 24", () => {
  const box = { x: 100, y: 50, width: 40, height: 20 };
  const camera = cameraOn(box, SIZE, STAGE);
  assert.deepEqual([camera.x, camera.y, camera.zoom], [120, 60, 6]);
  assert.equal(cameraOn({ x: 9, y: 9, width: 1, height: 1 }, SIZE, STAGE).zoom, 24);
});

test("somebody else's view is taken as far as this stage allows", () => {
  const camera = newCamera();
  openAt({ x: 1e9, y: -5, zoom: 4 }, camera, SIZE, STAGE);
  assert.deepEqual(camera, { x: 225, y: 75, zoom: 4, fitted: false });
  openAt({ x: 0, y: 0, zoom: 2 }, camera, SIZE, STAGE);
  assert.equal(camera.fitted, true);
});
