// Strokes of a file, which somebody has painted before and brings back. What is painted here already
// stays: those of the file come after it, and each can be undone.

import { countOf } from "./sheet.js";

/** @typedef {import("./class_lists.js").PaintClass} PaintClass */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {{name: string, width: number, height: number, strokes: Stroke[]}} OpenedPicture */
/**
 * As `viewer:painted` tells it.
 *
 * @typedef {{classes: PaintClass[], pictures: Record<string, OpenedPicture>}} Opened
 */

/**
 * Adds strokes for the classes of the file, and says what came of it in words. What is to be in view
 * is left to the caller.
 *
 * @param {import("./painted.js").Painted} painted
 * @param {Opened} opened
 * @param {number} most Strokes of a picture.
 */
export function openStrokes(painted, { classes, pictures }, most) {
  const list = painted.listWith(classes), full = [], gone = [];
  let added = 0, joined = 0, known = 0;
  for (const [picture, { strokes, ...facts }] of Object.entries(pictures)) {
    const sheet = painted.sheetOf(list, { picture, ...facts }), before = sheet.strokes;
    if (holds(before, strokes)) {
      known += strokes.length;
    } else if (before.length + strokes.length > most) {
      full.push(facts.name || "a picture");
    } else {
      for (const stroke of strokes) sheet.add(stroke);
      gone.push(painted.keep(sheet));
      added += strokes.length;
      joined += Number(before.length > 0);
    }
  }
  const words = [
    added || !known ? `${countOf(added)} opened.` : "",
    joined ? "Where something was painted already, the strokes of the file came after it." : "",
    known ? `${countOf(known)} ${known === 1 ? "was" : "were"} here already.` : "",
    full.length ? `Not those on ${full.join(", ")}: with what is painted there, they are more than `
      + `${most}. Clear some, and open the file again.` : "",
    ...gone,
  ];
  return { list, words: words.filter(Boolean).join(" ") };
}

/**
 * Whether strokes are among others, in the same order and nothing between them: a file that is opened
 * twice adds nothing.
 *
 * @param {Stroke[]} all
 * @param {Stroke[]} some
 */
export function holds(all, some) {
  const [texts, wanted] = [all, some].map((strokes) =>
    strokes.map(({ class: id, radius, points }) => [id, radius, ...points].join(" ")));
  return texts.some((_, start) => wanted.every((text, place) => texts[start + place] === text))
    || !wanted.length;
}
