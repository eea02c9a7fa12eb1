import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ERASER, newRaster, NOTHING, raster, runOf, segmentCovers, SIDE,
} from "../../demo/viewer/web/brush/strokes.js";

const _ = NOTHING;

/** Pixels that the rule says a stroke covers, looked at one by one. */
function covered({ points, radius }, x, y) {
  const ends = points.length === 2 ? [...points, ...points] : points;
  for (let k = 2; k < ends.length; k += 2) {
    if (segmentCovers(...ends.slice(k - 2, k + 2), radius, 4 * x + 2, 4 * y + 2)) return true;
  }
  return false;
}

/** Whole numbers from 0 to `below`, the same in every run. */
function randomNumbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

test("a dot covers the pixels whose centres are at most its radius away", () => {
  // The centre of pixel (2, 1), one pixel around it: a plus.
  const plus = { class: 3, radius: 4, points: [10, 6] };
  assert.deepEqual([...raster([plus], [4, 5])], [
    _, _, 3, _, _,
    _, 3, 3, 3, _,
    _, _, 3, _, _,
    _, _, _, _, _,
  ]);
  // A corner that four pixels share: their centres are the root of 8 away.
  assert.deepEqual([...raster([{ class: 0, radius: 2, points: [8, 8] }], [3, 3])], Array(9).fill(_));
  assert.deepEqual([...raster([{ class: 0, radius: 3, points: [8, 8] }], [3, 3])],
    [_, _, _, _, 0, 0, _, 0, 0]);
});

test("a line covers what lies beside it, and a circle around each end", () => {
  // From the centre of (1, 1) to that of (4, 1), half a pixel thick; then a pixel.
  const line = { class: 1, radius: 2, points: [6, 6, 18, 6] };
  assert.deepEqual([...raster([line], [3, 6])], [
    _, _, _, _, _, _,
    _, 1, 1, 1, 1, _,
    _, _, _, _, _, _,
  ]);
  assert.deepEqual([...raster([{ ...line, radius: 4 }], [3, 6])], [
    _, 1, 1, 1, 1, _,
    1, 1, 1, 1, 1, 1,
    _, 1, 1, 1, 1, _,
  ]);
  // Down the diagonal: centres beside it are 4 / sqrt(2) = 2.83 away.
  const diagonal = { class: 1, points: [2, 2, 10, 10] };
  assert.deepEqual([...raster([{ ...diagonal, radius: 2 }], [3, 3])], [1, _, _, _, 1, _, _, _, 1]);
  assert.deepEqual([...raster([{ ...diagonal, radius: 3 }], [3, 3])], [1, 1, _, 1, 1, 1, _, 1, 1]);
});

test("later strokes win, and the eraser takes classes away", () => {
  const row = (id, from, to) => ({ class: id, radius: 2, points: [4 * from + 2, 2, 4 * to + 2, 2] });
  assert.deepEqual([...raster([row(0, 0, 5), row(1, 2, 3)], [1, 6])], [0, 0, 1, 1, 0, 0]);
  assert.deepEqual([...raster([row(0, 0, 5), row(ERASER, 2, 3), row(2, 3, 3)], [1, 6])],
    [0, 0, _, 2, 0, 0]);
  assert.equal(newRaster([row(ERASER, 0, 5)], 6, 1).blocks.size, 0);
});

test("runs of a row are those of the rule, pixel by pixel", () => {
  const random = randomNumbers(7);
  for (let round = 0; round < 400; round++) {
    const ends = Array.from({ length: 4 }, () => random(120));
    if (round % 5 === 0) ends[2 + (round % 2)] = ends[round % 2];  // along an axis
    const radius = 1 + random(60);
    for (let row = -16; row < 50; row++) {
      const [first, last] = runOf(...ends, radius, row);
      for (let column = -18; column < 50; column++) {
        const inside = first <= column && column <= last;
        if (segmentCovers(...ends, radius, 4 * column + 2, 4 * row + 2) !== inside) {
          assert.fail(`${ends}, radius ${radius}: column ${column} of row ${row}`);
        }
      }
    }
  }
});

test("strokes across blocks and beyond the picture cover what the rule says", () => {
  const width = SIDE + 90, height = SIDE + 40;
  const stroke = { class: 4, radius: 37, points: [1700, 2230, 2100, 1990, 2500, 2208, 2407, 1800] };
  const painted = newRaster([stroke], width, height);
  assert.equal(painted.blocks.size, 4);
  for (let y = 420; y < height; y++) {
    for (let x = 400; x < width; x++) {
      if ((painted.at(x, y) === 4) !== covered(stroke, x, y)) assert.fail(`column ${x} of row ${y}`);
    }
  }
});

test("a stroke that is taken back leaves what was there", () => {
  const painted = newRaster([{ class: 1, radius: 40, points: [100, 100] }], 1100, 60);
  const before = new Map([...painted.blocks].map(([number, block]) => [number, block.slice()]));
  painted.begin();
  painted.paint({ class: 2, radius: 20, points: [100, 100, 1100, 100, 2100, 100] });
  assert.equal(painted.at(26, 25), 2);
  assert.equal(painted.blocks.size, 2);
  painted.undo();
  assert.deepEqual(painted.blocks, before);
});
