import assert from "node:assert/strict";
import { test } from "node:test";

import {
  cutIntoTiles, exactAt, indicesIn, piecesOf, tilesWanted, viewOf, visible,
} from "../../demo/viewer/web/pixels/pieces.js";

const STAGE = { width: 40, height: 40, ratio: 1 };
const FRAME = { width: 40, height: 40 };

function sceneOf(tiles) {
  return { value: { width: 100, height: 80, step: 2 }, tiles,
    overview: { left: 0, top: 0, width: 50, height: 40, step: 2, levels: [], planes: {} } };
}

test("only columns of the image are drawn, each where it belongs", () => {
  const { offset, columns } = visible(10, 2, 2, 3);
  assert.equal(offset, 2);
  assert.deepEqual([...columns], [0, 0, 1, 1, 2, 2]);
  assert.deepEqual([...visible(4, -6, 1, 100).columns], [6, 7, 8, 9]);
});

test("a run is cut where tiles meet, and nothing is lost", () => {
  const cut = cutIntoTiles({ offset: 5, columns: Int32Array.of(6, 7, 7, 8, 9, 17) }, 8);
  assert.deepEqual(cut.map(({ tile, offset, columns }) => [tile, offset, [...columns]]),
    [[0, 5, [6, 7, 7]], [1, 8, [8, 9]], [2, 10, [17]]]);
  const whole = cutIntoTiles({ offset: 0, columns: Int32Array.of(1, 2, 900) }, Infinity);
  assert.equal(whole.length, 1);
});

test("tiles are wanted from near by only; the middle first, before all the pointer's", () => {
  const scene = sceneOf({ side: 16, at: () => null });
  const far = viewOf(FRAME, scene, { x: 50, y: 40, zoom: 0.4, fitted: true }, STAGE);
  assert.equal(far.near, false);
  assert.deepEqual(tilesWanted(16, far, { x: 50, y: 40 }, null), []);
  const camera = { x: 40, y: 40, zoom: 2, fitted: false };
  const near = viewOf(FRAME, scene, camera, STAGE);
  assert.equal(near.near, true);
  const places = tilesWanted(16, near, camera, { x: 99, y: 79 });
  assert.deepEqual(places[0], [6, 4]);
  assert.deepEqual(places[1], [2, 2]);
  assert.equal(places.length, 1 + near.across.length * near.down.length);
});

test("where a tile is not there yet, the coarse picture stands in", () => {
  const tile = { left: 32, top: 32, width: 16, height: 16, step: 1, levels: [], planes: {} };
  const scene = sceneOf({ side: 16, at: (column, row) => (column === 2 && row === 2 ? tile : null) });
  const view = viewOf(FRAME, scene, { x: 40, y: 40, zoom: 2, fitted: false }, STAGE);
  const sources = piecesOf(scene, view).map(({ source }) => source);
  assert.ok(sources.includes(tile));
  assert.ok(sources.includes(scene.overview));
  assert.deepEqual([...indicesIn(Int32Array.of(33, 47), tile.left, tile.step)], [1, 15]);
});

test("a pixel is read from its tile, and is not known until that is there", () => {
  const planes = {}, tile = { left: 32, top: 16, width: 16, height: 16, planes };
  const scene = sceneOf({ side: 16, at: (column, row) => (column === 2 && row === 1 ? tile : null) });
  assert.deepEqual(exactAt(scene, { x: 35, y: 18 }), { planes, index: 2 * 16 + 3 });
  assert.equal(exactAt(scene, { x: 5, y: 18 }), null);
});
