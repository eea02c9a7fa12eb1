import assert from "node:assert/strict";
import { test } from "node:test";

import { cellText, sorted } from "../../demo/objects/table.js";
import { aboutFolders, filesAndFolders } from "../../demo/parts/uploads/drop_and_paste.js";
import { bringRowIntoSight, rowsInSight } from "../../demo/parts/rows_in_sight.js";
import { tooLarge } from "../../demo/parts/uploads/upload_guard.js";
import { tooMuch } from "../../demo/parts/uploads/uploads_left.js";
import { parametersOf } from "../../demo/segment/share_link.js";

test("rows are sorted by a column, and stay in order where it is alike", () => {
  const rows = [[1, "b", 2.5], [2, "a", 2.5], [3, "c", -1]];
  assert.deepEqual(sorted(rows, 0, true), [2, 1, 0]);
  assert.deepEqual(sorted(rows, 1, false), [1, 0, 2]);
  assert.deepEqual(sorted(rows, 2, false), [2, 0, 1]);
  assert.deepEqual(sorted(rows, 2, true), [0, 1, 2]);
});

test("cells are short: four digits, and only the yes of a yes or no", () => {
  assert.deepEqual([1234567, 3.14159, true, false, null, "nucleus"].map(cellText),
    ["1234567", "3.142", "yes", "", "", "nucleus"]);
});

test("files that are too large are named, with their size and what to do", () => {
  assert.equal(tooLarge([], 200), "");
  assert.equal(tooLarge([{ name: "a.tif", size: 3 * 2 ** 20 - 5 }], 2),
    "a.tif (3 MB) is above the limit of 2 MB a file, and was not sent. Cut it into parts, or"
    + " compress it.");
  assert.match(tooLarge([{ name: "a", size: 2 ** 22 }, { name: "b", size: 2 ** 22 }], 2),
    /a \(4 MB\), b \(4 MB\) are above .* were not sent\. Cut them/);
});

test("a link says only what is not as usual", () => {
  const usual = { example: "tissue", model: null, threshold: 0.5, opacity: 0.45 };
  const seen = { threshold: 0.5, opacity: 0.45, fitted: true, camera: { x: 1, y: 2, zoom: 3 } };
  assert.equal(String(parametersOf(usual, seen)), "example=tissue");
  const changed = { ...seen, threshold: 0.42, opacity: 0, fitted: false };
  assert.equal(String(parametersOf({ ...usual, model: "org/a" }, changed)),
    "example=tissue&model=org%2Fa&threshold=0.42&opacity=0&x=1&y=2&zoom=3");
});

test("who sends too much within the hour is told how much is left", () => {
  assert.equal(tooMuch(300 * 2 ** 20, 120.5 * 2 ** 20, 4),
    "These are 300 MB. Uploads are kept for an hour, and 4 GB of each visitor's at a time; 120 MB"
      + " are left. Nothing was sent. Send less, or wait until the earlier ones are deleted.");
});

test("of a long table the rows in sight are in the page, and a few around them", () => {
  const scroll = { clientHeight: 300, scrollTop: 0 };
  assert.deepEqual(rowsInSight(scroll, 5000, 30), [0, 26]);
  scroll.scrollTop = 3000;
  assert.deepEqual(rowsInSight(scroll, 5000, 30), [92, 118]);
  assert.deepEqual(rowsInSight(scroll, 40, 30), [40, 40]);  // of a table that was longer before
  bringRowIntoSight(scroll, 4999, 30);
  assert.deepEqual(rowsInSight(scroll, 5000, 30).map((row) => row > 4970), [true, true]);
  bringRowIntoSight(scroll, 4995, 30);
  assert.equal(scroll.scrollTop, 4999 * 30 - 240);  // it was in sight
  bringRowIntoSight(scroll, 2, 30);
  assert.equal(scroll.scrollTop, 60);
});

test("dropped folders are told from files, and named", () => {
  const item = (name, isDirectory) => ({
    getAsFile: () => ({ name }), webkitGetAsEntry: () => ({ isDirectory }),
  });
  const pasted = { getAsFile: () => ({ name: "c.png" }), webkitGetAsEntry: () => null };
  const text = { getAsFile: () => null };
  const items = [item("scans", true), item("b.png", false), pasted, text];
  const { files, folders } = filesAndFolders({ items });
  assert.deepEqual(files.map(({ name }) => name), ["b.png", "c.png"]);
  assert.deepEqual(folders, ["scans"]);
  assert.deepEqual(filesAndFolders(null), { files: [], folders: [] });
  assert.equal(aboutFolders([]), "");
  assert.equal(aboutFolders(["scans"]), "scans is a folder: open it, and drop the files inside.");
  assert.equal(aboutFolders(["a", "b"]), "a, b are folders: open them, and drop the files inside.");
});
