// Where one looks: the image's point in the middle of the stage, and CSS pixels to a pixel of
// the image. Drawing and pointing use the same two functions, so they cannot disagree.

/**
 * @typedef {object} Camera
 * @property {number} x The image's point in the middle of the stage.
 * @property {number} y
 * @property {number} zoom CSS pixels to a pixel of the image.
 * @property {boolean} fitted The whole picture is seen, as large as the stage allows.
 */
/**
 * @typedef {object} Stage
 * @property {number} width In CSS pixels.
 * @property {number} height
 * @property {number} ratio Device pixels to a CSS pixel.
 */
/** @typedef {{width: number, height: number}} Size Of the image, in pixels. */
/** @typedef {{x: number, y: number}} Pixel */
/** @typedef {{x: number, y: number, width: number, height: number}} Box In pixels of the image. */

const CLOSEST = 64;  // CSS pixels to a pixel

/** @returns {Camera} */
export function newCamera() {
  return { x: 0, y: 0, zoom: 1, fitted: true };
}

/**
 * @param {Size} size
 * @param {Stage} stage
 */
export function fitZoom(size, stage) {
  return Math.min(stage.width / size.width, stage.height / size.height);
}

/**
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 */
export function fit(camera, size, stage) {
  const { width, height } = size;
  Object.assign(camera, { x: width / 2, y: height / 2, zoom: fitZoom(size, stage), fitted: true });
}

/**
 * Keeps the picture in reach: never smaller than the stage allows, never out of it.
 *
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 */
export function constrain(camera, size, stage) {
  const smallest = Math.min(fitZoom(size, stage), 1);
  camera.zoom = Math.min(Math.max(camera.zoom, smallest), Math.max(CLOSEST, smallest));
  camera.x = within(camera.x, size.width, stage.width / camera.zoom / 2);
  camera.y = within(camera.y, size.height, stage.height / camera.zoom / 2);
}

/**
 * @param {number} middle
 * @param {number} whole The image's side.
 * @param {number} half Of what the stage shows of it.
 */
function within(middle, whole, half) {
  return 2 * half >= whole ? whole / 2 : Math.min(Math.max(middle, half), whole - half);
}

/**
 * Goes where somebody else looked, or as near to it as this stage allows.
 *
 * @param {{x: number, y: number, zoom: number}} place
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 */
export function openAt(place, camera, size, stage) {
  Object.assign(camera, place);
  constrain(camera, size, stage);
  camera.fitted = camera.zoom === fitZoom(size, stage);
}

/**
 * The point under (left, top), CSS pixels from the stage's corner, stays where it is.
 *
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 * @param {number} factor
 * @param {number} left
 * @param {number} top
 */
export function zoomBy(camera, size, stage, factor, left, top) {
  const before = camera.zoom;
  camera.fitted = false;
  camera.zoom *= factor;
  const smallest = Math.min(fitZoom(size, stage), 1);
  camera.zoom = Math.min(Math.max(camera.zoom, smallest), Math.max(CLOSEST, smallest));
  const moved = 1 / before - 1 / camera.zoom;
  camera.x += (left - stage.width / 2) * moved;
  camera.y += (top - stage.height / 2) * moved;
  constrain(camera, size, stage);
  camera.fitted = camera.zoom === fitZoom(size, stage);
}

/**
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 * @param {number} right CSS pixels.
 * @param {number} down
 */
export function panBy(camera, size, stage, right, down) {
  camera.x += right / camera.zoom;
  camera.y += down / camera.zoom;
  constrain(camera, size, stage);
}

/**
 * A camera that shows a region with some air around it.
 *
 * @param {Box} box
 * @param {Size} size
 * @param {Stage} stage
 * @returns {Camera}
 */
export function cameraOn(box, size, stage) {
  const room = 2.5;
  const zoom = Math.min(stage.width / (room * box.width), stage.height / (room * box.height), 24);
  const camera = { x: box.x + box.width / 2, y: box.y + box.height / 2, zoom, fitted: false };
  constrain(camera, size, stage);
  return camera;
}

/**
 * Device pixels: `scale` to a pixel of the image, whose corner lies at (left, top).
 *
 * @param {Camera} camera
 * @param {Stage} stage
 */
export function projection(camera, stage) {
  const scale = camera.zoom * stage.ratio;
  const width = Math.round(stage.width * stage.ratio);
  const height = Math.round(stage.height * stage.ratio);
  return { scale, width, height,
    left: width / 2 - camera.x * scale, top: height / 2 - camera.y * scale };
}

/**
 * The image's column (or row) that is drawn at a device pixel: the one its centre falls into.
 *
 * @param {number} devicePixel
 * @param {number} start
 * @param {number} scale
 */
export function columnAt(devicePixel, start, scale) {
  return Math.floor((devicePixel + 0.5 - start) / scale);
}

/**
 * The image's point under a point of the stage in CSS pixels, in pixels of the image.
 *
 * @param {Camera} camera
 * @param {Stage} stage
 * @param {number} left
 * @param {number} top
 */
export function pointAt(camera, stage, left, top) {
  const at = projection(camera, stage);
  return { x: (left * stage.ratio - at.left) / at.scale, y: (top * stage.ratio - at.top) / at.scale };
}

/**
 * The image's pixel under a point of the stage in CSS pixels; null beside the picture.
 *
 * @param {Camera} camera
 * @param {Size} size
 * @param {Stage} stage
 * @param {number} left
 * @param {number} top
 * @returns {Pixel | null}
 */
export function pixelAt(camera, size, stage, left, top) {
  const at = projection(camera, stage);
  const x = columnAt(Math.floor(left * stage.ratio), at.left, at.scale);
  const y = columnAt(Math.floor(top * stage.ratio), at.top, at.scale);
  const inside = x >= 0 && y >= 0 && x < size.width && y < size.height;
  return inside ? { x, y } : null;
}
