import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { mixed } from "../../demo/in_browser/web/facts.js";
import { crc32, nameOf, npy, png } from "../../demo/in_browser/web/files.js";
import {
  clippedTo, fixedPoint, maskOf, outlierLimits, planesOfClasses, probabilityCodes, scaledOf,
  statistics,
} from "../../demo/in_browser/web/numbers.js";
import { described, Refused } from "../../demo/in_browser/web/picture.js";
import { keptModule } from "../../demo/in_browser/web/segmenter.js";
import { cuts } from "../../demo/in_browser/web/cuts.js";

// That numbers are Python's to the bit is tested where there is a Python: test_in_browser.py.

test("gray stays gray, colours become gray as Pillow has it, gray becomes three channels", () => {
  const gray = { pixels: Uint8Array.of(0, 255), channels: 1 };
  const colour = { pixels: Uint8Array.of(255, 255, 255, 0, 0, 255), channels: 3 };
  assert.equal(scaledOf(gray, 1)(1, 0), 1);
  assert.equal(scaledOf(gray, 3)(1, 2), 1);
  assert.equal(scaledOf(colour, 3)(1, 2), 1);
  assert.ok(Math.abs(scaledOf(colour, 1)(0, 0) - 1) < 1e-6);
  assert.ok(Math.abs(scaledOf(colour, 1)(1, 0) - 0.114) < 1e-6);
});

test("mean and standard deviation are of all channels together", () => {
  const values = [0, 1, 1, 0];
  assert.deepEqual(statistics((pixel, channel) => values[2 * pixel + channel], 2, 2),
    { mean: 0.5, std: 0.5 });
});

test("a value far beyond nearly all others is clipped, others never are", () => {
  const values = Float32Array.from({ length: 2000 }, (_, at) => at % 100);
  /** @param {number} pixel */
  const scaled = (pixel) => values[pixel];
  assert.equal(outlierLimits(scaled, 2000, 1), null);
  values[7] = 99 + 3 * 99;
  assert.equal(outlierLimits(scaled, 2000, 1), null);
  values[7] += 1;
  assert.deepEqual(outlierLimits(scaled, 2000, 1), [-49.5, 148.5]);
  assert.deepEqual([6, 7].map((pixel) => clippedTo([-49.5, 148.5], scaled)(pixel, 0)), [6, 148.5]);
  values.fill(0);
  assert.equal(outlierLimits(scaled, 2000, 1), null);
});

test("a probability exceeds a threshold exactly where its code does", () => {
  const near = [0, 0.5, Math.fround(0.5000001), 1, 0.25];
  const codes = probabilityCodes(Float32Array.from(near), 100, 600);
  for (const [index, probability] of near.entries()) {
    for (let k = 0; k <= 100; k++) {
      const exceeds = Math.fround(probability) > Math.fround(k / 100);
      assert.equal(codes[index] >= (k + 1) * 600, exceeds, `${probability} and ${k}`);
    }
  }
});

test("halves are rounded to even, as NumPy does", () => {
  assert.equal(fixedPoint(0.5, 255), 128);
  assert.equal(fixedPoint(0.5, 5), 2);
  assert.equal(fixedPoint(7, 255), 255);
});

test("of classes alike the lower id is taken, and nothing is more uncertain", () => {
  const { classes, probability, entropy } = planesOfClasses(Float32Array.of(0.5, 0, 0.5, 1), 2);
  assert.deepEqual([...classes], [0, 1]);
  assert.deepEqual([...probability], [32768, 65535]);
  assert.deepEqual([...entropy], [255, 0]);
  assert.deepEqual([...maskOf(Float32Array.of(0.6, 0.2, 0.4, 0.8), 2, 0.5)], [0, 1]);
  assert.deepEqual([...maskOf(Float32Array.of(0.6, 0.2, 0.4, 0.8), 2, null)], [0, 1]);
});

test("tiles cover the picture once, on the grid, and are of about one size", () => {
  assert.deepEqual(cuts(512, 16), [[0, 512]]);
  assert.deepEqual(cuts(1025, 16), [[0, 528], [528, 1025]]);
  for (const size of [1, 15, 1024, 4095, 4096]) {
    const found = cuts(size, 32);
    assert.equal(found[0][0], 0);
    assert.equal(found.at(-1)[1], size);
    for (const [index, [start]] of found.entries()) {
      assert.equal(start % 32, 0);
      if (index) assert.equal(start, found[index - 1][1]);
    }
  }
});

test("a PNG holds the very numbers, and its checksums are right", async () => {
  const file = await png(Uint8Array.of(1, 2, 3, 4, 5, 6), 3, 2, ["#000102", "#ff8000"]);
  const bytes = Buffer.from(await file.arrayBuffer());
  const colors = bytes.indexOf("PLTE") + 4;
  assert.deepEqual([...bytes.subarray(colors, colors + 6)], [0, 1, 2, 255, 128, 0]);
  assert.equal(crc32(Buffer.from("IEND")), 0xae426082);
  assert.equal(bytes.readUInt32BE(16), 3);
  assert.equal(bytes.readUInt32BE(20), 2);
  const start = bytes.indexOf("IDAT"), length = bytes.readUInt32BE(start - 4);
  const rows = inflateSync(bytes.subarray(start + 4, start + 4 + length));
  assert.deepEqual([...rows], [0, 1, 2, 3, 0, 4, 5, 6]);
  const checked = bytes.subarray(start, start + 4 + length);
  assert.equal(bytes.readUInt32BE(start + 4 + length), crc32(checked));
});

test("an NPY file has its shape in a header of whole 64 bytes", async () => {
  const bytes = Buffer.from(await npy(Float32Array.of(1, 2), [1, 2, 1]).arrayBuffer());
  const length = 10 + bytes.readUInt16LE(8);
  assert.equal(length % 64, 0);
  assert.match(bytes.toString("latin1", 10, length), /'shape': \(1, 2, 1\)/);
  assert.equal(bytes.readFloatLE(length + 4), 2);
});

test("a file is named after its picture, without the ending of that", () => {
  assert.equal(nameOf("cells.2.png", "mask.png"), "cells.2_mask.png");
  assert.equal(nameOf("cells", "mask.png"), "cells_mask.png");
});

function head(...bytes) {
  return new DataView(Uint8Array.from({ length: 40 }, (_, at) => bytes[at] ?? 0).buffer);
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 73, 72, 68, 82,
  0, 0, 0, 7, 0, 0, 0, 9];

test("the first bytes of a file say how it is read, or why not", () => {
  const file = { name: "a.png" };
  assert.deepEqual(described(file, head(...PNG, 8, 0)), { channels: 1, width: 7, height: 9 });
  assert.equal(described(file, head(...PNG, 8, 2)).channels, 3);
  assert.throws(() => described(file, head(...PNG, 16, 0)), /a.png has 16 bits a channel/);
  assert.throws(() => described(file, head(0x49, 0x49, 42)), /is a TIFF/);
  assert.throws(() => described(file, head(0x93, 0x4e)), /is an NPY file/);
  assert.throws(() => described(file, head(1, 2, 3)), Refused);
});

test("a network that sees other channels than the picture's says so", () => {
  assert.equal(mixed({ channels: 3 }, { channels: 3 }), "");
  assert.match(mixed({ channels: 1 }, { channels: 3 }), /three equal channels/);
  assert.match(mixed({ channels: 3 }, { channels: 1 }), /turned into gray/);
});

test("a worker's modules are kept, each once, with nothing left to fetch", async (context) => {
  const files = {
    "http://here/web/main.js": 'import { a } from "./a.js";\nimport { b } from "../b.js";\na(b);',
    "http://here/web/a.js": 'import { b } from "../b.js";\nexport const a = b;',
    "http://here/b.js": "export const b = 1;",
  };
  const asked = [];
  context.mock.method(globalThis, "fetch", async (address) => {
    asked.push(address);
    return new Response(files[address], { status: address in files ? 200 : 404 });
  });
  const blobs = new Map();
  context.mock.method(URL, "createObjectURL", (blob) => {
    const address = `blob:${blobs.size}`;
    blobs.set(address, blob);
    return address;
  });
  const text = await blobs.get(await keptModule("http://here/web/main.js")).text();
  assert.deepEqual(asked.sort(), Object.keys(files).sort());
  assert.match(text, /from "blob:\d";\nimport \{ b \} from "blob:\d";/);
  for (const blob of blobs.values()) assert.doesNotMatch(await blob.text(), /from "\./);
  await assert.rejects(keptModule("http://here/web/none.js"), /status 404/);
});
