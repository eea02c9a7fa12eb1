// Draws a frame: the picture, and on it objects, tails and numbers. Lines are as thick on the screen
// at any zoom.

/** @typedef {import("./outlines.js").Outline} Outline */
/** @typedef {{path: Path2D, box: number[]}} Shape Of an object; see `Outline`. */
/** @typedef {{scale: number, left: number, top: number, width: number, height: number}} Projection
 *   See `projection` of the viewer's camera. */
/**
 * What is drawn.
 *
 * @typedef {object} Scene
 * @property {ImageBitmap} image
 * @property {Map<number, Shape>} shapes By number of the object.
 * @property {(id: number) => string} colorOf An object.
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
 * @param {Outline} outline
 * @returns {Shape}
 */
export function shapeOf({ loops, box }) {
  const path = new Path2D();
  for (const loop of loops) {
    path.moveTo(loop[0], loop[1]);
    for (let i = 2; i < loop.length; i += 2) path.lineTo(loop[i], loop[i + 1]);
    path.closePath();
  }
  return { path, box };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} ratio Device pixels to a CSS pixel.
 * @param {Scene} scene
 */
export function drawFilm(context, at, ratio, scene) {
  const { image } = scene;
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
  if (scene.opacity > 0) drawObjects(context, at, thick, scene);
  drawTails(context, thick, scene.steps);
  if (scene.opacity > 0) drawChosen(context, thick, scene);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  drawTexts(context, at, ratio, scene.texts);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Projection} at
 * @param {number} thick
 * @param {Scene} scene
 */
function drawObjects(context, at, thick, { shapes, colorOf, opacity }) {
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
 * White within and dark without, for light and dark pictures.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} thick
 * @param {Scene} scene
 */
function drawChosen(context, thick, { shapes, chosen }) {
  context.globalAlpha = 1;
  for (const id of chosen) {
    const shape = shapes.get(id);
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
