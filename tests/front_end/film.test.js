import assert from "node:assert/strict";
import { test } from "node:test";

import { whyNotCut } from "../../demo/films/web/correcting/correcting.js";
import { frameAt, layOut as layOutCurve } from "../../demo/films/web/tracks/curves.js";
import { Edits, joinOf } from "../../demo/films/web/correcting/edits.js";
import { paintCrowd } from "../../demo/films/web/drawing/crowd.js";
import { wantedNear } from "../../demo/films/web/frames/frames.js";
import { Kept } from "../../demo/films/web/frames/kept.js";
import { Labels } from "../../demo/films/web/drawing/labels.js";
import { layOut } from "../../demo/films/web/tracks/lineage.js";
import { outlinesOf } from "../../demo/films/web/drawing/outlines.js";
import { columnsOf, sorted } from "../../demo/films/web/tracks/track_table.js";
import { tailsOf } from "../../demo/films/web/drawing/tails.js";
import { Tracks } from "../../demo/films/web/tracks/tracks.js";
import { branchAt } from "../../demo/films/web/tracks/tree.js";

/** Of the browser; its lines are not looked at. */
globalThis.Path2D = class {
  moveTo() {}
  lineTo() {}
  closePath() {}
};

/** Rows of [frame, id, track], and tracks as [id, parent, first, last]. */
function tracksOf(objects, tracks) {
  const column = (rows, place) => rows.map((row) => row[place]);
  return new Tracks({
    objects: { frame: column(objects, 0), id: column(objects, 1), track: column(objects, 2),
      x: objects.map(([frame, id]) => 10 * id + frame), y: column(objects, 1),
      area: objects.map(([frame]) => 100 + frame), intensity: column(objects, 1) },
    area_unit: "px",
    tracks: { id: column(tracks, 0), parent: column(tracks, 1), first: column(tracks, 2),
      last: column(tracks, 3), color: tracks.map(([id]) => `#00000${id % 10}`) },
  });
}

/** Track 1 divides after frame 1 into 3 and 4, which divides after frame 3 into 5 and 6. */
function family() {
  return tracksOf([
    [0, 1, 1], [0, 2, 2], [1, 1, 1], [1, 2, 2], [2, 1, 3], [2, 2, 2], [2, 3, 4],
    [3, 1, 3], [3, 2, 2], [3, 3, 4], [4, 1, 3], [4, 3, 5], [4, 4, 6],
  ], [[1, 0, 0, 1], [2, 0, 0, 3], [3, 1, 2, 4], [4, 1, 2, 3], [5, 4, 4, 4], [6, 4, 4, 4]]);
}

// ---------------------------------------------------------------------------------- look-ups

test("objects and tracks are found by place, frame and descent", () => {
  const tracks = family();
  assert.equal(tracks.objectAt([2, 3])?.track, 4);
  assert.equal(tracks.objectAt([2, 9]), null);
  assert.equal(tracks.objectAt(null), null);
  assert.equal(tracks.trackAt([4, 4])?.id, 6);
  assert.equal(tracks.trackAt([4, 2]), null);
  assert.deepEqual(tracks.inFrame(2).map(({ id }) => id), [1, 2, 3]);
  assert.deepEqual(tracks.inFrame(9), []);
  assert.deepEqual(tracks.all.get(1)?.daughters, [3, 4]);
  assert.equal(tracks.rootOf(tracks.all.get(6)).id, 1);
  assert.equal(tracks.objectIn(tracks.all.get(4), 3)?.id, 3);
  assert.equal(tracks.objectIn(tracks.all.get(4), 4), null);
  assert.equal(tracks.divisions, 2);
  assert.equal(tracks.colors.get(6), "#000006");
});

// ----------------------------------------------------------------------------------- objects

/** A frame as `runs` in pictures.py writes it; each row is a text, an object a digit. */
function labelsOf(...rows) {
  const begins = [], lengths = [], ids = [], width = rows[0].length;
  let before = 0;
  for (const { 0: run, index } of rows.join("\n").matchAll(/([1-9])\1*/g)) {
    const start = index - Math.floor(index / (width + 1));  // without the ends of lines
    begins.push(start - before);
    lengths.push(run.length);
    ids.push(Number(run[0]));
    before = start;
  }
  return new Labels(Uint32Array.from([...begins, ...lengths, ...ids]), width, rows.length);
}

test("each pixel is of the object whose run covers it, also in rows without any", () => {
  const rows = ["1102", "0000", "3332", "0001"], labels = labelsOf(...rows);
  const seen = rows.map((row, y) => [...row].map((_, x) => labels.at(x, y)).join(""));
  assert.deepEqual(seen, rows);
  assert.deepEqual([labels.count, labels.highest], [3, 3]);
  assert.equal(labelsOf("000", "000").count, 0);
  assert.equal(labelsOf("000", "000").at(2, 1), 0);
});

test("one object of many has the outline that it has among all", () => {
  const labels = labelsOf("0000", "0110", "0120", "0220"), { box } = labels.shapeOf(1);
  assert.deepEqual(box, [1, 1, 3, 3]);
  assert.deepEqual(labels.shapeOf(2).box, [1, 2, 3, 4]);
  labels.shapes = null;  // as of a crowd
  assert.deepEqual(labels.shapeOf(1).box, box);
  assert.deepEqual(labels.shapeOf(2).box, [1, 2, 3, 4]);
  assert.equal(labels.shapeOf(3), null);
});

test("a crowd is painted where it is seen, strongly where objects end", () => {
  const labels = labelsOf("11122", "11122", "11122"), colorOf = (id) => `#0000${id}0`;
  const painted = (at, line) => {
    const bytes = paintCrowd(labels, at, colorOf, line, 0.2), rows = [];
    for (let i = 0; i < bytes.length; i += 4 * at.width) {
      rows.push(Array.from({ length: at.width }, (_, x) =>
        `${bytes[i + 4 * x + 2] / 16 || "."}${{ 0: " ", 51: "i", 255: "e" }[bytes[i + 4 * x + 3]]}`).join(""));
    }
    return rows;
  };
  assert.deepEqual(painted({ scale: 1, left: 1, top: -1, width: 7, height: 3 }, 1),
    [". 1e1i1e2e2e. ", ". 1e1e1e2e2e. ", ". . . . . . . "]);
  assert.deepEqual(painted({ scale: 2, left: -2, top: 0, width: 6, height: 2 }, 1),
    ["1i1i1i1e2e2i", "1i1i1i1e2e2i"]);  // what goes on behind the edge of the screen ends not there
});

// ------------------------------------------------------------------------------------- tails

test("a tail goes on through divisions, and sisters share it", () => {
  const steps = tailsOf(family(), 4, 10).map(({ track, from, to }) =>
    `${track}: ${from.frame}.${from.id}-${to.frame}.${to.id}`);
  assert.deepEqual(steps.sort(), [
    "1: 0.1-1.1", "3: 1.1-2.1", "3: 2.1-3.1", "3: 3.1-4.1",
    "4: 1.1-2.3", "4: 2.3-3.3", "5: 3.3-4.3", "6: 3.3-4.4",
  ]);
});

test("a tail is as long as was asked for", () => {
  const steps = tailsOf(family(), 4, 2);
  assert.equal(Math.min(...steps.map(({ from }) => from.frame)), 2);
  assert.deepEqual(tailsOf(family(), 0, 10), []);
});

// ----------------------------------------------------------------------------------- lineage

test("mothers stand between their daughters, and no two branches lie on each other", () => {
  const tracks = family();
  const { branches, rows } = layOut(tracks, tracks.all.get(1));
  assert.equal(rows, 3);
  const rowOf = Object.fromEntries(branches.map(({ track, row }) => [track, row]));
  assert.deepEqual(rowOf, { 1: 0.75, 3: 0, 4: 1.5, 5: 1, 6: 2 });
  assert.deepEqual(branches.find(({ track }) => track === 6).from, { row: 1.5, last: 3 });
  assert.equal(branches.find(({ track }) => track === 1).from, null);
});

test("a click in the tree finds the branch that is there or near", () => {
  const tracks = family(), { branches } = layOut(tracks, tracks.all.get(1));
  assert.equal(branchAt(branches, 0, 0.6).track, 1);
  assert.equal(branchAt(branches, 3, 0.1).track, 3);
  assert.equal(branchAt(branches, 4, 2.2).track, 6);
});

test("very many generations are laid out", () => {
  const generations = Array.from({ length: 20000 }, (_, i) => [i + 1, i, i, i]);
  const tracks = tracksOf(generations.map(([id]) => [id - 1, 1, id]), generations);
  assert.equal(layOut(tracks, tracks.all.get(1)).branches.length, 20000);
});

// ------------------------------------------------------------------------------------ curves

test("a curve is broken where frames are missing, and a click in it names a frame", () => {
  const layout = layOutCurve({ title: "area (px)", points: [[3, 10], [4, 20], [6, 5]] });
  assert.equal(layout.line.match(/M/g)?.length, 2);
  assert.deepEqual(layout.ticks.map(({ text }) => text), ["area (px)", "20", "0", "4", "frame", "7"]);
  for (const frame of [3, 4, 5, 6]) assert.equal(frameAt(layout, layout.x(frame)), frame);
  assert.equal(frameAt(layout, -50), 3);
});

// ------------------------------------------------------------------------------------- table

test("tracks are sorted by any column", () => {
  const tracks = [...family().all.values()], columns = columnsOf("µm²");
  const by = (title, descending) => sorted(
    tracks, columns.find((column) => column.title === title), descending).map(({ id }) => id);
  assert.deepEqual(by("frames", true), [2, 3, 1, 4, 5, 6]);
  assert.deepEqual(by("daughters", true).slice(0, 2), [1, 4]);
  assert.deepEqual(by("first frame", false), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(by("mean area (µm²)", true).slice(0, 2), [5, 6]);
});

// --------------------------------------------------------------------------------- outlines

test("an outline goes around an object once, around its holes, and around each of its parts", () => {
  const numbers = Uint32Array.from([
    1, 1, 1, 0, 2,
    1, 0, 1, 0, 0,
    1, 1, 1, 0, 2,
  ]);
  const outlines = outlinesOf(numbers, 5, 3);
  assert.deepEqual([...outlines.keys()], [1, 2]);
  assert.equal(outlines.get(1).loops.length, 2);
  assert.deepEqual(outlines.get(1).box, [0, 0, 3, 3]);
  assert.deepEqual(outlines.get(2).loops.map((loop) => loop.length), [8, 8]);
  // The corners of a square of pixels are cut: its area is less by four eighths of a pixel.
  const areas = outlines.get(1).loops.map(areaOf);
  assert.deepEqual(areas, [9 - 0.5, -1 + 0.5]);
});

test("outlines of neighbours follow the same border, and pixels that meet at a corner hold together", () => {
  const numbers = Uint32Array.from([1, 2, 1, 1, 2, 2, 2, 2, 1]);
  const outlines = outlinesOf(numbers, 3, 3);
  assert.equal(outlines.get(2).loops.length, 1);
  assert.equal(outlines.get(1).loops.length, 3);
});

/** Twice the signed area, halved: positive around an object, negative around a hole. */
function areaOf(loop) {
  let sum = 0;
  for (let i = 0; i < loop.length; i += 2) {
    const next = (i + 2) % loop.length;
    sum += loop[i] * loop[next + 1] - loop[next] * loop[i + 1];
  }
  return sum / 2;
}

// -------------------------------------------------------------------------------------- edits

const CUT = { kind: "cut", object: [3, 1] }, JOIN = { kind: "join", from: [1, 2], to: [2, 3] };
const OTHER = { kind: "cut", object: [4, 4] };

function talk() {
  const sent = [];
  return { sent, edits: new Edits((list) => sent.push(list)) };
}

test("undo and redo send the whole list each time", () => {
  const { sent, edits } = talk();
  const accept = () => edits.answer({ edits: structuredClone(edits.list), refused: "" });
  edits.add(CUT);
  accept();
  edits.add(JOIN);
  accept();
  edits.undo();
  accept();
  edits.redo();
  accept();
  assert.deepEqual(sent, [[CUT], [CUT, JOIN], [CUT], [CUT, JOIN]]);
  edits.undo();
  accept();
  edits.add(OTHER);
  assert.equal(edits.redo(), null);
  assert.deepEqual(edits.list, [CUT, OTHER]);
});

test("what is changed while an answer is awaited is sent as soon as it is here", () => {
  const { sent, edits } = talk();
  edits.add(CUT);
  edits.add(JOIN);
  edits.add(OTHER);
  assert.deepEqual(sent, [[CUT]]);
  edits.answer({ edits: [], refused: "" });  // an update that was on its way before
  assert.deepEqual(sent, [[CUT]]);
  edits.answer({ edits: [CUT], refused: "" });
  assert.deepEqual(sent, [[CUT], [CUT, JOIN, OTHER]]);
  assert.deepEqual(edits.list, [CUT, JOIN, OTHER]);
});

test("what is refused goes, and what was done since stays", () => {
  const { sent, edits } = talk();
  edits.add(CUT);
  edits.answer({ edits: [CUT], refused: "" });
  edits.add(JOIN);
  edits.add(OTHER);
  edits.answer({ edits: [CUT], refused: "That cannot be." });
  assert.deepEqual(edits.list, [CUT, OTHER]);
  assert.deepEqual(sent.at(-1), [CUT, OTHER]);
});

test("what was refused after it had been undone is not sent again", () => {
  const { sent, edits } = talk();
  edits.add(JOIN);
  edits.undo();
  edits.answer({ edits: [], refused: "That cannot be." });
  assert.deepEqual(edits.list, []);
  assert.deepEqual(sent, [[JOIN]]);
  assert.equal(edits.sent, null);
});

test("after an answer that never came the next change sends all of them", () => {
  const { sent, edits } = talk();
  edits.add(CUT);
  edits.giveUp();
  edits.add(JOIN);
  assert.deepEqual(sent, [[CUT], [CUT, JOIN]]);
});

test("a join goes from the earlier to the later frame, and never within one", () => {
  assert.deepEqual(joinOf([4, 1], [2, 5]), { kind: "join", from: [2, 5], to: [4, 1] });
  assert.deepEqual(joinOf([2, 5], [4, 1]), { kind: "join", from: [2, 5], to: [4, 1] });
  assert.equal(joinOf([2, 5], [2, 6]), null);
});

test("a link is cut only where there is one", () => {
  const tracks = family(), [first, daughter] = [1, 4].map((id) => tracks.all.get(id));
  assert.match(whyNotCut(first, tracks.objectIn(first, 0)), /begins in this frame/);
  assert.match(whyNotCut(first, tracks.objectIn(first, 3)), /not in this frame/);
  assert.equal(whyNotCut(first, tracks.objectIn(first, 1)), "");
  assert.equal(whyNotCut(daughter, tracks.objectIn(daughter, 2)), "");  // the link to its mother
});

// --------------------------------------------------------------------------------- in memory

test("a few frames are on the way at once, those wanted last first, and the oldest are dropped", async () => {
  const asked = [], dropped = [], waiting = new Map();
  const kept = new Kept((frame) => {
    asked.push(frame);
    return new Promise((done) => waiting.set(frame, () => done(`picture ${frame}`)));
  }, 5, () => {}, (one) => dropped.push(one));
  const arrive = async (frame) => {
    waiting.get(frame)();
    await new Promise((done) => setTimeout(done));
  };
  kept.want([0, 1, 2, 3, 4]);
  assert.deepEqual(asked, [0, 1, 2, 3]);
  kept.want([20, 21]);
  await arrive(0);
  assert.deepEqual(asked, [0, 1, 2, 3, 20]);
  for (const frame of [1, 2, 3, 20, 21]) await arrive(frame);
  assert.deepEqual(dropped, ["picture 0"]);
  assert.equal(kept.get(0), null);
  assert.equal(kept.get(20), "picture 20");
  kept.close();
  assert.equal(dropped.length, 6);
});

test("a frame that comes when its film is gone is dropped", async () => {
  const dropped = [];
  const kept = new Kept(async () => "late", 5, () => assert.fail(), (one) => dropped.push(one));
  kept.want([0]);
  kept.close();
  await new Promise((done) => setTimeout(done));
  assert.deepEqual(dropped, ["late"]);
});

test("nothing is fetched beside the first frame, and then those that come next", () => {
  assert.deepEqual(wantedNear(0, -1, 20), [0]);
  assert.deepEqual(wantedNear(1, 0, 20), [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(wantedNear(2, 2, 3), [2, 0, 1]);
});
