// The viewer: holds what is shown (scene), how (look) and from where (camera), and redraws when
// one of them changes. The files before this one do the work; nothing here asks the server,
// except once for each picture, and for the tiles of a large one.

const root = element.querySelector(".viewer");
const stageElement = root.querySelector(".stage");
const canvas = root.querySelector("canvas");
const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
const dialog = root.querySelector("dialog");
const divider = root.querySelector(".divider");
const flash = root.querySelector(".flash");
const cross = root.querySelector(".cross");
const VIEWS = ["classes", "probability", "uncertainty"];

const stage = { width: 0, height: 0, ratio: 1 };  // CSS pixels; device pixels to one of them
const camera = newCamera();
const unpack = newUnpacker(props.unpacking);
const look = {
  alpha: 0.45, level: 50, view: "classes", outline: false, split: null, hidden: new Set(),
  window: [0, 255], colormap: "Gray", pixelSize: null, imageTable: null, paint: null,
};
let scene = null, frame = null, pointed = null, flashed = null, wanted = null;
let serial = 0, frames = 0, pending = 0, flight = 0, alphaChosen = false;

// ------------------------------------------------------------------------------- drawing

// Any number of changes before the next frame are drawn once.
function change({ picture = false, paint = false, panel = true } = {}) {
  if (!scene) return;
  if (picture) look.imageTable = imageTable(scene.picture, look);
  if (paint) look.paint = scene.counts ? paintTables(scene, look) : null;
  if (panel) showPanel(root, scene, look);
  tellSeen();
  pending ||= requestAnimationFrame(draw);
}

// What Python asks for when it writes a file as seen, or a link to the view.
function tellSeen() {
  const { x, y, zoom, fitted } = camera;
  root.dataset.seen = JSON.stringify({
    opacity: look.alpha, threshold: scene?.planes.codes ? look.level / scene.value.steps : null,
    outline: look.outline, hidden: [...look.hidden].sort((a, b) => a - b), view: look.view,
    window: look.window, colormap: look.colormap, split: splitColumn(), camera: { x, y, zoom },
    fitted,
  });
}

// The image's first column right of the line.
function splitColumn() {
  if (look.split === null || !look.paint || !stage.width) return null;
  const { left, scale, width } = projection(camera, stage);
  const column = columnAt(Math.round(look.split * width), left, scale);
  return Math.min(Math.max(column, 0), scene.value.width);
}

function draw() {
  pending = 0;
  if (!scene || !frame) return;
  const started = performance.now();
  const pixel = pointed && pixelAt(camera, scene, stage, pointed.left, pointed.top);
  const view = viewOf(frame, scene, camera, stage);
  scene.tiles?.want(tilesWanted(scene, view, camera, pixel));
  drawFrame(frame, scene, look, view, stage);
  context.putImageData(frame.image, 0, 0);
  const milliseconds = performance.now() - started;
  placeMarks();
  showScale(root, look.pixelSize, camera, stage);
  showReadout(root, scene, look, pixel);
  // Read aloud where keys move the picture; a mouse would never let the voice finish.
  root.querySelector(".readout").ariaLive = cross.hidden ? "off" : "polite";
  root.querySelector(".zoom").value = `${tidy(100 * camera.zoom)} %`;
  canvas.style.touchAction = camera.fitted ? "pan-y" : "none";  // a fitted picture lets pages scroll
  root.dataset.camera = JSON.stringify(camera);
  root.dataset.missing = scene.tiles?.missing || 0;  // tiles that were asked for with this drawing
  root.dataset.frames = ++frames;
  root.dispatchEvent(new CustomEvent("viewer:drawn", { detail: { milliseconds } }));
}

function placeMarks() {
  divider.hidden = look.split === null || !look.paint;
  if (!divider.hidden) {
    divider.style.left = `${100 * look.split}%`;
    divider.setAttribute("aria-valuenow", Math.round(100 * look.split));
  }
  flash.hidden = !flashed;
  if (flashed) {
    const left = stage.width / 2 + (flashed.x - camera.x) * camera.zoom;
    const top = stage.height / 2 + (flashed.y - camera.y) * camera.zoom;
    Object.assign(flash.style, { left: `${left}px`, top: `${top}px`,
      width: `${flashed.width * camera.zoom}px`, height: `${flashed.height * camera.zoom}px` });
  }
}

// --------------------------------------------------------------------------------- moving

// Others of the same group follow.
function moved() {
  if (props.group) {
    const detail = { group: props.group, from: root, camera: { ...camera } };
    document.dispatchEvent(new CustomEvent("viewer:moved", { detail }));
  }
  change({ panel: false });
}

function follow({ detail }) {
  if (!root.isConnected) return document.removeEventListener("viewer:moved", follow);
  if (!scene || detail.group !== props.group || detail.from === root) return;
  if (detail.camera.fitted) fit(camera, scene, stage);
  else Object.assign(camera, detail.camera);
  constrain(camera, scene, stage);
  change({ panel: false });
}

// To a region, which then blinks. Who wants less motion is taken there at once.
function fly(box) {
  if (!scene || !box || !stage.width) return;
  const target = cameraOn(box, scene, stage), start = { ...camera }, began = performance.now();
  const calm = wantsCalm();
  cancelAnimationFrame(flight);
  const step = (now) => {
    const part = calm ? 1 : Math.min(1, Math.max(0, now - began) / 350);
    const eased = part * part * (3 - 2 * part);
    camera.zoom = start.zoom * (target.zoom / start.zoom) ** eased;
    camera.x = start.x + eased * (target.x - start.x);
    camera.y = start.y + eased * (target.y - start.y);
    camera.fitted = false;
    if (part < 1) flight = requestAnimationFrame(step);
    else blink(box);
    moved();
  };
  step(began);
}

function wantsCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function blink(box) {
  flashed = box;
  flash.getAnimations().forEach((animation) => animation.cancel());
  flash.animate({ opacity: [1, wantsCalm() ? 1 : 0.1] }, { duration: 400, iterations: 5,
    direction: "alternate" }).onfinish = () => { flashed = null; placeMarks(); };
}

// ----------------------------------------------------------------------------------- acts

const act = {
  panBy(right, down) { if (scene) { panBy(camera, scene, stage, right, down); moved(); } },
  zoomAt(factor, left, top) {
    if (!scene) return false;
    const before = camera.zoom;
    zoomBy(camera, scene, stage, factor, left, top);
    moved();
    return factor > 1 || camera.zoom !== before;
  },
  zoomIn: () => act.zoomAt(1.5, stage.width / 2, stage.height / 2),
  zoomOut: () => act.zoomAt(1 / 1.5, stage.width / 2, stage.height / 2),
  fit() { if (scene) { fit(camera, scene, stage); moved(); } },
  step(right, down, little) {
    const far = little ? camera.zoom : Math.min(stage.width, stage.height) / 10;
    act.panBy(right * far, down * far);
    act.pointMiddle();
  },
  point(place) {
    pointed = place;
    cross.hidden = true;
    change({ panel: false });
  },
  pointMiddle() {
    pointed = { left: stage.width / 2, top: stage.height / 2 };
    cross.hidden = false;
  },
  pick(place) {
    const pixel = scene && pixelAt(camera, scene, stage, place.left, place.top);
    if (!pixel) return;
    const at = exactAt(scene, pixel);
    const value = look.paint && at ? scene.value.names[classAt(scene, look, at)] : null;
    trigger("select", { ...pixel, index: [pixel.x, pixel.y], value });
  },
  pickMiddle() { act.pointMiddle(); act.pick(pointed); change({ panel: false }); },
  toggleClass(id) {
    if (!look.paint || id >= scene.value.names.length) return;
    if (!look.hidden.delete(id)) look.hidden.add(id);
    change({ paint: true });
  },
  outline() { if (look.paint) { look.outline = !look.outline; change(); } },
  split() { if (look.paint) { look.split = look.split === null ? 0.5 : null; change(); } },
  splitAt(share) { look.split = Math.min(Math.max(share, 0), 1); change({ panel: false }); },
  view(name) { look.view = name; change({ paint: true }); },
  nextView() {
    if (!look.paint || root.querySelector(".views").hidden) return;
    act.view(VIEWS[(VIEWS.indexOf(look.view) + 1) % VIEWS.length]);
  },
  opacity(alpha) { look.alpha = alpha; alphaChosen = true; change(); },
  threshold(cut) {
    look.level = Math.round(cut * (scene?.value.steps || 100));
    change({ paint: true });
  },
  contrast() { look.window = [...scene.value.window]; change({ picture: true }); },
  black(low) { look.window = [low, Math.max(low, look.window[1])]; change({ picture: true }); },
  white(high) { look.window = [Math.min(high, look.window[0]), high]; change({ picture: true }); },
  colormap(name) { look.colormap = name; change({ picture: true }); },
  pixelSize(side, unit) {
    look.pixelSize = side > 0 ? [side, unit] : null;
    change({ panel: false });
  },
  help() { if (dialog.open) dialog.close(); else dialog.showModal(); },
  close: () => dialog.close(),
};

hands(canvas, act);
divides(divider, stageElement, act);
controls(root, act);
root.addEventListener("viewer:fly", (event) => fly(event.detail));
// Whoever takes the controls is not flown on.
for (const kind of ["pointerdown", "wheel", "keydown", "click"]) {
  root.addEventListener(kind, () => cancelAnimationFrame(flight), { capture: true, passive: true });
}
document.addEventListener("viewer:moved", follow);

// ------------------------------------------------------------------------------- a picture

async function show() {
  const value = props.value;
  if (!value || !value.data) return;
  const mine = ++serial;
  try {
    const planes = await fetchPlanes(value);
    if (mine === serial) take(value, planes);  // unless a newer one came meanwhile
  } catch (error) {
    console.warn(`The picture was not fetched: ${error.message}`);
    if (mine !== serial) return;
    canvas.classList.remove("drawn");
    root.querySelector(".hint").textContent =
      "The picture did not arrive, or was deleted after its hour. Segment it again.";
  }
}

// A picture that was made on this page, with its planes.
function showHere({ detail }) {
  serial++;
  take(detail.value, detail.planes);
}

function take(value, planes) {
  const same = scene?.value.picture === value.picture;
  const renamed = JSON.stringify(scene?.value.names) !== JSON.stringify(value.names);
  scene?.tiles?.close();
  scene = newScene(value, planes, unpack, () => change({ panel: false }));
  if (!same) {
    look.window = [...value.window];
    look.pixelSize = null;
    pointed = flashed = null;
  }
  if (renamed) look.hidden.clear();
  if (value.alpha !== undefined && !alphaChosen) look.alpha = value.alpha;
  if (value.threshold !== undefined && value.threshold !== null) {
    look.level = Math.round(value.threshold * value.steps);
  }
  if (!planes.codes && !planes.probability) look.view = "classes";
  look.pixelSize = value.pixel_size || look.pixelSize;
  showPixelSize(root, look.pixelSize);
  canvas.ariaLabel = value.alt;
  root.dataset.size = `${value.width} ${value.height}`;
  canvas.classList.add("drawn");
  measureStage();
  if (!same && value.camera) openAt(value.camera, camera, scene, stage);
  else if (!same || camera.fitted) fit(camera, scene, stage);
  change({ picture: true, paint: true });
  drawNow();
  canvas.dataset.serial = serial;  // lets a test wait for this very drawing
  wanted = value.focus;
  goWhereWanted();
}

// A viewer on a tab that is not open has no size yet; it flies when it is seen.
function goWhereWanted() {
  if (!wanted || !stage.width) return;
  fly(wanted);
  wanted = null;
}

function drawNow() {
  cancelAnimationFrame(pending);
  tellSeen();
  draw();
}

function measureStage() {
  const { clientWidth, clientHeight } = stageElement;
  const ratio = window.devicePixelRatio || 1;
  if (!clientWidth || !clientHeight) return false;  // on a tab that is not open
  if (frame && clientWidth === stage.width && clientHeight === stage.height
    && ratio === stage.ratio) return false;
  Object.assign(stage, { width: clientWidth, height: clientHeight, ratio });
  canvas.width = Math.round(clientWidth * ratio);
  canvas.height = Math.round(clientHeight * ratio);
  // Whole device pixels: a canvas that the page stretches by a third of one is blurred.
  canvas.style.width = `${canvas.width / ratio}px`;
  canvas.style.height = `${canvas.height / ratio}px`;
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Int32Array(image.data.buffer);
  frame = { image, pixels, bare: pixels.slice(), width: canvas.width, height: canvas.height };
  return true;
}

new ResizeObserver(() => {
  if (!measureStage() || !scene) return;
  if (camera.fitted) fit(camera, scene, stage);
  else constrain(camera, scene, stage);
  drawNow();  // a canvas that was measured anew is empty
  goWhereWanted();
}).observe(stageElement);
tellSeen();
root.addEventListener("viewer:show", showHere);
watch("value", show);
show();
