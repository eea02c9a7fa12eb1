// Draws a frame: the picture, and on it objects, tails and numbers. Lines are as thick on the screen
// at any zoom.

import { paintCrowd } from "./crowd.js";

/** @typedef {import("./labels.js").Labels} Labels */
/** @typedef {import("./labels.js").Shape} Shape */
/** @typedef {{scale: number, left: number, top: number, width: number, height: number}} Projection
 *   See `projection` of the viewer's camera. */
/**
 * What is drawn.
 *
 * @typedef {object} Scene
 * @property {ImageBitmap} image
 * @property {Labels | null} labels Its objects, if they are there.
 * @property {(id: number) => string} colorOf An object: "#rrggbb".
 * @property {number[]} chosen Numbers of objects with a strong line.
 * @property {number} opacity Of the objects; 0: none are drawn.
 * @property {{x1: number, y1: number, x2: number, y2: number, color: string, age: number}[]} steps
 *   Of tails, in pixels of the image; `age` 0 is of now, 1 the oldest.
 * @property {{x: number, y: number, text: string}[]} texts
 */

const BACKGROUND = "#14171c";  // as in the viewer
const FILL = 0.28;  // of an object's opacity
const LINE = 1.6, STRONG = 3, HALO = 6;  // CSS pixels

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} ratio Device pixels to a CSS pixel.
 * @param {Scene} scene
 * @param {OffscreenCanvas} sheet For what is painted before it is laid over the picture.
 */
export function drawFilm(context, at, ratio, scene, sheet) {
  const { image, labels } = scene;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, at.width, at.height);
  context.imageSmoothingEnabled = at.scale < 1;
  context.imageSmoothingQuality = "high";
  context.setTransform(at.scale, 0, 0, at.scale, at.left, at.top);
  context.drawImage(image, 0, 0);
  context.lineJoin = context.lineCap = "round";
  const thick = ratio / at.scale;  // a CSS pixel, in pixels of the image
  if (labels?.shapes) drawObjects(context, at, thick, labels.shapes, scene);
  else if (labels) drawCrowd(context, at, ratio, labels, scene, sheet);
  drawTails(context, thick, scene.steps);
  if (labels) drawChosen(context, thick, labels, scene);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  drawTexts(context, at, ratio, scene.texts);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} thick
 * @param {Map<number, Shape>} shapes
 * @param {Scene} scene
 */
function drawObjects(context, at, thick, shapes, { colorOf, opacity }) {
  if (!opacity) return;
  const left = -at.left / at.scale, right = (at.width - at.left) / at.scale;
  const top = -at.top / at.scale, bottom = (at.height - at.top) / at.scale;
  context.lineWidth = LINE * thick;
  for (const [id, { path, box }] of shapes) {
    if (box[0] > right || box[2] < left || box[1] > bottom || box[3] < top) continue;
    context.fillStyle = context.strokeStyle = colorOf(id);
    context.globalAlpha = FILL * opacity;
    context.fill(path, "evenodd");
    context.globalAlpha = opacity;
    context.stroke(path);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} ratio
 * @param {Labels} labels
 * @param {Scene} scene
 * @param {OffscreenCanvas} sheet
 */
function drawCrowd(context, at, ratio, labels, { colorOf, opacity }, sheet) {
  const { width, height } = at, on = sheet.getContext("2d");
  if (!opacity || !on) return;
  const line = Math.max(1, Math.round(LINE * ratio / 2));  // the other half is of the neighbour
  const painted = paintCrowd(labels, at, colorOf, line, FILL);
  if (sheet.width !== width || sheet.height !== height) Object.assign(sheet, { width, height });
  on.putImageData(new ImageData(painted, width, height), 0, 0);
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(sheet, 0, 0);
  context.restore();
}

/**
 * White within and dark without, for light and dark pictures.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} thick
 * @param {Labels} labels
 * @param {Scene} scene
 */
function drawChosen(context, thick, labels, { chosen, opacity }) {
  if (!opacity) return;
  context.globalAlpha = 1;
  for (const id of chosen) {
    const shape = labels.shapeOf(id);
    if (!shape) continue;
    for (const [color, width] of /** @type {[string, number][]} */ (
      [["#0b0d10", HALO], ["#fff", STRONG]])) {
      context.strokeStyle = color;
      context.lineWidth = width * thick;
      context.stroke(shape.path);
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} thick
 * @param {Scene["steps"]} steps
 */
function drawTails(context, thick, steps) {
  context.lineWidth = 2 * thick;
  for (const { x1, y1, x2, y2, color, age } of steps) {
    context.globalAlpha = 1 - 0.75 * age;
    context.strokeStyle = color;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} ratio
 * @param {Scene["texts"]} texts
 */
function drawTexts(context, at, ratio, texts) {
  context.font = `600 ${Math.round(12 * ratio)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3 * ratio;
  context.strokeStyle = "rgba(11, 13, 16, .8)";
  context.fillStyle = "#fff";
  for (const { x, y, text } of texts) {
    const left = at.left + x * at.scale, top = at.top + y * at.scale;
    context.strokeText(text, left, top);
    context.fillText(text, left, top);
  }
}
