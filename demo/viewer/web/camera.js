// Where one looks: the image's point in the middle of the stage, and CSS pixels to a pixel of
// the image. Drawing and pointing use the same two functions, so they cannot disagree.

const CLOSEST = 64;  // CSS pixels to a pixel

function newCamera() {
  return { x: 0, y: 0, zoom: 1, fitted: true };
}

function fitZoom(scene, stage) {
  return Math.min(stage.width / scene.value.width, stage.height / scene.value.height);
}

function fit(camera, scene, stage) {
  const { width, height } = scene.value;
  Object.assign(camera, { x: width / 2, y: height / 2, zoom: fitZoom(scene, stage), fitted: true });
}

// Keeps the picture in reach: never smaller than the stage allows, never out of it.
function constrain(camera, scene, stage) {
  const smallest = Math.min(fitZoom(scene, stage), 1);
  camera.zoom = Math.min(Math.max(camera.zoom, smallest), Math.max(CLOSEST, smallest));
  for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
    const whole = scene.value[side], half = stage[side] / camera.zoom / 2;
    camera[axis] = 2 * half >= whole ? whole / 2
      : Math.min(Math.max(camera[axis], half), whole - half);
  }
}

// Where somebody else looked: as near to it as this stage allows.
function openAt(place, camera, scene, stage) {
  Object.assign(camera, place);
  constrain(camera, scene, stage);
  camera.fitted = camera.zoom === fitZoom(scene, stage);
}

// The point under (left, top), CSS pixels from the stage's corner, stays where it is.
function zoomBy(camera, scene, stage, factor, left, top) {
  const before = camera.zoom;
  camera.fitted = false;
  camera.zoom *= factor;
  const smallest = Math.min(fitZoom(scene, stage), 1);
  camera.zoom = Math.min(Math.max(camera.zoom, smallest), Math.max(CLOSEST, smallest));
  const moved = 1 / before - 1 / camera.zoom;
  camera.x += (left - stage.width / 2) * moved;
  camera.y += (top - stage.height / 2) * moved;
  constrain(camera, scene, stage);
  camera.fitted = camera.zoom === fitZoom(scene, stage);
}

function panBy(camera, scene, stage, right, down) {
  camera.x += right / camera.zoom;
  camera.y += down / camera.zoom;
  constrain(camera, scene, stage);
}

// A region with some air around it.
function cameraOn(box, scene, stage) {
  const room = 2.5;
  const zoom = Math.min(stage.width / (room * box.width), stage.height / (room * box.height), 24);
  const camera = { x: box.x + box.width / 2, y: box.y + box.height / 2, zoom, fitted: false };
  constrain(camera, scene, stage);
  return camera;
}

// Device pixels: `scale` to a pixel of the image, whose corner lies at (left, top).
function projection(camera, stage) {
  const scale = camera.zoom * stage.ratio;
  const width = Math.round(stage.width * stage.ratio);
  const height = Math.round(stage.height * stage.ratio);
  return { scale, width, height,
    left: width / 2 - camera.x * scale, top: height / 2 - camera.y * scale };
}

// The image's column (or row) that is drawn at a device pixel: the one its centre falls into.
function columnAt(devicePixel, start, scale) {
  return Math.floor((devicePixel + 0.5 - start) / scale);
}

// The image's pixel under a point of the stage in CSS pixels; null beside the picture.
function pixelAt(camera, scene, stage, left, top) {
  const at = projection(camera, stage);
  const x = columnAt(Math.floor(left * stage.ratio), at.left, at.scale);
  const y = columnAt(Math.floor(top * stage.ratio), at.top, at.scale);
  const inside = x >= 0 && y >= 0 && x < scene.value.width && y < scene.value.height;
  return inside ? { x, y } : null;
}
