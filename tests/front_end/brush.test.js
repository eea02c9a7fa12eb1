// What a brush needs besides its pixels: points of a stroke, undo, and lists of classes.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  faultOfName, formerNames, freeColor, listOf, newList, renamed,
} from "../../demo/viewer/web/brush/class_lists.js";
import { holds, openStrokes } from "../../demo/viewer/web/brush/open_strokes.js";
import { Painted } from "../../demo/viewer/web/brush/painted.js";
import { Recorder } from "../../demo/viewer/web/brush/recorder.js";
import { Sheet, strokesInWords } from "../../demo/viewer/web/brush/sheet.js";
import { LONGEST, segmentCovers } from "../../demo/viewer/web/brush/strokes.js";

const PALETTE = ["#9a9a9a", "#e69f00", "#56b4e9", "#009e73"];

function recorded(radius, points) {
  const recorder = new Recorder(radius);
  for (const point of points) recorder.add(point);
  return recorder.points();
}

test("a straight line is two points, however often the pointer told of it", () => {
  const line = Array.from({ length: 50 }, (_, k) => [10 * k, 5 * k]);
  assert.deepEqual(recorded(4, line), [0, 0, 490, 245]);
  assert.deepEqual(recorded(4, [[3, 4]]), [3, 4]);
  assert.deepEqual(recorded(4, [[3, 4], [4, 4], [4, 4]]), [3, 4, 4, 4]);  // the end is never lost
});

test("a bend keeps its points within a quarter of a pixel", () => {
  const arc = Array.from({ length: 200 }, (_, k) =>
    [Math.round(500 + 400 * Math.cos(k / 40)), Math.round(500 + 400 * Math.sin(k / 40))]);
  const points = recorded(4, arc);
  assert.ok(points.length / 2 < 80, `${points.length / 2} points`);
  for (const [x, y] of arc) {
    const near = Array.from({ length: points.length / 2 - 1 }, (_, k) =>
      segmentCovers(...points.slice(2 * k, 2 * k + 4), 1, x, y));
    assert.ok(near.includes(true), `${x} ${y}`);
  }
});

test("two points in a row are near enough for exact products", () => {
  const points = recorded(8, [[0, 0], [5000, 3001], [5000, 3]]);
  assert.deepEqual(points.slice(-2), [5000, 3]);
  for (let k = 2; k < points.length; k += 2) {
    assert.ok(Math.hypot(points[k] - points[k - 2], points[k + 1] - points[k - 1]) <= LONGEST);
  }
});

test("undo and redo go through strokes and clearing; a new stroke ends what could be redone", () => {
  const [one, two, three] = [1, 2, 0].map((id) => ({ class: id, radius: 4, points: [0, 0] }));
  const sheet = new Sheet("list", { picture: "p", width: 9, height: 9 }, [one]);
  sheet.add(two);
  assert.ok(sheet.clear());
  assert.ok(!sheet.clear());
  assert.deepEqual(sheet.strokes, []);
  sheet.undo();
  assert.deepEqual(sheet.strokes, [one, two]);
  sheet.undo();
  sheet.undo();  // of those that were kept from before
  assert.ok(!sheet.undo());
  sheet.redo();
  assert.deepEqual(sheet.strokes, [one]);
  sheet.add(three);
  assert.ok(!sheet.redo());
  assert.ok(sheet.knows(1) && !sheet.knows(2));
  assert.equal(strokesInWords(sheet.strokes, [{ name: "a" }, { name: "b" }]),
    "2 strokes: 1 a, 1 b");
});

test("a result is painted with the list of its classes, also after one was added or renamed", () => {
  const cells = newList([], ["background", "cell"].map((name) => ({ name, color: "" })), PALETTE);
  const other = newList([cells], ["void", "road"].map((name) => ({ name, color: "" })), PALETTE);
  assert.deepEqual(cells.classes.map(({ color }) => new Set(PALETTE).has(color)), [true, true]);
  const lists = [other, cells];
  assert.equal(listOf(lists, ["background", "cell"], other), cells);
  cells.classes = [cells.classes[0], { name: "nucleus", color: "#000000" }, { name: "dirt", color: "#ffffff" }];
  assert.equal(listOf(lists, ["background", "cell"], other), cells);
  assert.equal(listOf(lists, ["background", "nucleus", "dirt"], null), cells);
  assert.equal(listOf(lists, ["background", "nucleus"], null), cells);  // taught before the dirt came
  assert.equal(listOf(lists, ["background", "dirt"], cells), null);
  const again = newList(lists, ["background", "cell"].map((name) => ({ name, color: "" })), PALETTE);
  assert.notEqual(again.id, cells.id);
});

test("a class that is renamed twice is the one it was under any of its names", () => {
  const list = newList([], ["background", "cell"].map((name) => ({ name, color: "" })), PALETTE);
  const [ground, cell] = list.classes;
  list.classes = [ground, renamed(renamed(cell, "nucleus"), "core")];
  assert.deepEqual(list.classes[1], { ...cell, name: "core", formerly: ["cell", "nucleus"] });
  for (const name of ["cell", "nucleus", "core"]) {
    assert.equal(listOf([list], ["background", name], null), list);
  }
  assert.equal(listOf([list], ["background", "dirt"], list), null);
  const back = renamed(list.classes[1], "cell");
  assert.deepEqual(back.formerly, ["nucleus", "core"]);
  // A list that was kept by an earlier version of the page knows only what it began with.
  list.classes = [ground, { ...cell, name: "core" }];
  assert.deepEqual(formerNames(list, 1), ["cell"]);
});

test("names are not empty and differ, a new colour is the least like the others", () => {
  const classes = [{ name: "a", color: "#9a9a9a" }, { name: "b", color: "#e69f00" }];
  assert.match(faultOfName(classes, 1, " "), /needs a name/);
  assert.match(faultOfName(classes, 1, "a "), /already/);
  assert.equal(faultOfName(classes, 1, "b"), "");
  assert.equal(freeColor(classes, PALETTE), "#009e73");
  assert.equal(freeColor([], PALETTE), "#9a9a9a");
});

test("strokes of a file come after those that are there, and a file twice adds nothing", () => {
  const [one, two, three] = [1, 2, 0].map((id) => ({ class: id, radius: 4, points: [0, id] }));
  assert.ok(holds([one, two, three], [two, three]) && holds([one], []));
  assert.ok(!holds([one, two, three], [one, three]) && !holds([one], [one, two]));
  const classes = [{ name: "a", color: "#9a9a9a" }, { name: "b", color: "#e69f00" }];
  const sheets = {}, kept = [];
  const painted = {
    listWith: () => ({ id: "list" }),
    sheetOf: (list, facts) => (sheets[facts.picture] ??= new Sheet(list.id, facts)),
    keep: (sheet) => { kept.push(sheet.picture); return ""; },
  };
  const picture = (strokes) => ({ name: "x.png", width: 9, height: 9, strokes });
  painted.sheetOf({ id: "list" }, { picture: "p", width: 9, height: 9 }).add(three);
  const opened = { classes, pictures: { p: picture([one, two]), q: picture([one]) } };
  assert.equal(openStrokes(painted, opened, 3).words,
    "3 strokes opened. Where something was painted already, the strokes of the file came after it.");
  assert.deepEqual(sheets.p.strokes, [three, one, two]);
  assert.deepEqual(kept, ["p", "q"]);
  assert.equal(openStrokes(painted, opened, 3).words, "3 strokes were here already.");
  const more = { classes, pictures: { p: picture([two, one]) } };
  assert.match(openStrokes(painted, more, 3).words, /^0 strokes opened\. Not those on x\.png/);
  assert.deepEqual(sheets.p.strokes, [three, one, two]);
  sheets.p.undo();
  assert.deepEqual(sheets.p.strokes, [three, one]);
});

test("what another tab paints is here too, and is not replaced by what was read before", async () => {
  let told = 0;
  const painted = new Painted(PALETTE, () => {}, () => told++);
  await painted.loaded;
  const picture = { picture: "p", name: "p.png", width: 9, height: 9 };
  painted.open({ ...picture, names: ["ground", "cell"], colors: PALETTE });
  painted.sheet.add({ class: 0, radius: 4, points: [0, 0] });
  painted.save();
  const { id } = painted.sheet, { list } = painted, when = Date.now() + 1;

  const crack = { name: "crack", color: "#000000" };
  painted.take({ ...list, classes: [...list.classes, crack], pinned: true, when });
  const strokes = [0, 2].map((one) => ({ class: one, radius: 4, points: [0, 0] }));
  painted.take({ ...painted.sheet.record(), strokes, when });
  assert.equal(told, 2);
  assert.equal(painted.list, list);
  assert.deepEqual(list.classes.map(({ name }) => name), ["ground", "cell", "crack"]);
  assert.equal(list.pinned, false);  // each tab paints with the list that it has chosen
  assert.deepEqual(painted.told().pictures.p.strokes, strokes);
  assert.ok(painted.sheet.undo());  // they can be taken away here
  assert.ok(painted.sheet.redo());

  painted.take({ ...painted.sheet.record(), strokes: [], when: 1 });  // older than what is here
  assert.deepEqual(painted.sheet.strokes, strokes);
  painted.take({ kind: "gone", id, when: when + 1 });
  assert.deepEqual(painted.sheet.strokes, []);
});
