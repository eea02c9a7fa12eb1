import assert from "node:assert/strict";
import { test } from "node:test";

import { newTiles } from "../../demo/viewer/web/pixels/tiles.js";
import { unpacked } from "../../demo/viewer/web/pixels/unpack.js";

// Tiles of 16 bytes, in one row.
const VALUE = { width: 400, height: 4, step: 2, channels: 1, tiles: { side: 4 },
  planes: [{ name: "image", dtype: "uint8" }], data: { url: "http://here/pixels.bin?sign=1" } };
const SCALE = { size: 256, origin: 0, unit: 1 };

function tile() {
  return new Response(new Blob([new Uint8Array(16)]).stream()
    .pipeThrough(new CompressionStream("deflate")));
}

test("tiles that were not looked at for long are forgotten, those in view never", async (context) => {
  const asked = [];
  context.mock.method(globalThis, "fetch", async (address) => {
    asked.push(Number(address.pathname.match(/tile_(\d+)_0\.bin/)[1]));
    assert.equal(address.search, "?sign=1");
    return tile();
  });
  let arrived;
  const room = 100;  // bytes: of six tiles
  const tiles = newTiles(VALUE, 4, SCALE, unpacked, () => { if (!tiles.missing) arrived(); }, room);
  const look = (...columns) => new Promise((done) => {
    arrived = done;
    tiles.want(columns.map((column) => [column, 0]));
  });
  const kept = () => [...Array(100).keys()].filter((column) => tiles.at(column, 0));

  for (let column = 0; column < 20; column++) await look(column);
  assert.deepEqual(kept(), [14, 15, 16, 17, 18, 19]);
  tiles.at(14, 0);
  await look(20);
  assert.deepEqual(kept(), [14, 16, 17, 18, 19, 20]);
  await look(30, 31, 32, 33, 34, 35, 36, 37);
  assert.deepEqual(kept(), [30, 31, 32, 33, 34, 35, 36, 37]);
  assert.deepEqual(asked, [...Array(21).keys(), 30, 31, 32, 33, 34, 35, 36, 37]);
});

test("a tile that does not come is asked for three times, then told lost", async (context) => {
  const waits = [];
  context.mock.method(globalThis, "setTimeout", (next, milliseconds) => {
    waits.push(milliseconds);
    setImmediate(next);
  });
  const warned = context.mock.method(console, "warn", () => {});
  let asked = 0;
  context.mock.method(globalThis, "fetch", async () => {
    asked++;
    return new Response("", { status: 500 });
  });
  let told;
  const lost = new Promise((done) => { told = done; });
  const tiles = newTiles(VALUE, 4, SCALE, unpacked, told);
  tiles.want([[3, 0]]);
  await lost;
  assert.equal(asked, 3);
  assert.ok(waits.length === 2 && waits[0] < waits[1]);
  assert.equal(warned.mock.callCount(), 1);
  assert.ok(tiles.lost(3, 0) && tiles.anyLost);
  tiles.want([]);  // looked away from: it has a new chance
  assert.ok(!tiles.anyLost);
});
