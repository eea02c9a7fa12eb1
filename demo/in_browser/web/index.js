// The tab: what a visitor does there becomes messages to the worker, and what that tells becomes
// what they see. The server is asked for a checkpoint by its name, and for nothing else.

const part = (selector) => element.querySelector(selector);
const choice = part("select"), input = part("input"), zone = part(".drop"), bar = part("progress");
const run = part(".run"), stop = part(".stop");
const saves = [...element.querySelectorAll("[data-save]")];

const kept = new Map();  // by its name what a checkpoint needs: {module, wasm, model, facts}
let worker = null, source = null;  // where the worker's program lies
let file = null, open = false, ready = false, busy = false, quiet = false, drawings = 0;

// ------------------------------------------------------------------------------- what is told

function say(sentence) {
  part(".told").textContent = sentence;
}

function warn(sentence) {
  part("[role=alert]").textContent = sentence;
  part("[role=alert]").hidden = !sentence;
}

function update() {
  const focused = document.activeElement === stop;
  run.disabled = !(ready && open) || busy;
  stop.hidden = bar.hidden = !busy;
  choice.disabled = busy;
  if (focused && !busy) (run.disabled ? input : run).focus();
}

function canSave(usable) {
  saves.forEach((button) => { button.disabled = !usable; });
}

// ------------------------------------------------------------------------------- the checkpoint

function ask() {
  const name = choice.value;
  ready = false;
  warn("");
  say(`${name} is on its way ...`);
  update();
  if (kept.has(name)) give(kept.get(name));
  else if (navigator.onLine) trigger("select", { index: choice.selectedIndex, value: name });
  else failedToCome(name, "there is no network");
}

// What the server answers: addresses, each fetched once.
async function fetchAll() {
  const { error, files, facts } = props.value || {};
  if (error) { say(""); warn(error); }
  if (!files) return;
  const [earlier = {}] = kept.values();
  try {
    const [module, wasm, model] = await Promise.all([
      earlier.module || fetched(files.module), earlier.wasm || fetched(files.wasm),
      fetched(files.model),
    ]);
    const program = new Blob([module], { type: "text/javascript" });
    kept.set(facts.name, { module: program, wasm, model, facts });
    if (facts.name === choice.value) give(kept.get(facts.name));
  } catch (error) {
    if (facts.name === choice.value) failedToCome(facts.name, error.message);
  }
}

function failedToCome(name, why) {
  say("");
  warn(`${name} could not be fetched: ${why}. Choose another one, then it again.`);
}

function give(checkpoint) {
  worker ||= start();
  worker.postMessage({ act: "load", ...checkpoint });
}

async function fetched({ url }) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.blob();
}

// ----------------------------------------------------------------------------------- the worker

function start() {
  source ||= URL.createObjectURL(new Blob([props.program], { type: "text/javascript" }));
  const fresh = new Worker(source, { type: "module" });
  fresh.onmessage = ({ data }) => { if (fresh === worker) hears[data.told](data); };
  fresh.onerror = (event) => {
    busy = ready = false;
    warn(`This browser cannot segment here: ${event.message || "its workers do not start"}. `
      + "Use a newer one, or the tab Segment.");
    update();
  };
  return fresh;
}

// Whatever it was doing; what it had is given to another one.
function restart() {
  worker?.terminate();
  worker = start();
  busy = ready = open = false;
  canSave(false);
  quiet = kept.has(choice.value);
  if (quiet) give(kept.get(choice.value));
  if (file) worker.postMessage({ act: "open", file });
  update();
}

const hears = {
  loaded({ name }) {
    if (name !== choice.value) return;  // another one was chosen meanwhile
    const { module, wasm, model } = kept.get(name);
    const megabytes = ((module.size + wasm.size + model.size) / 1e6).toFixed(0);
    ready = true;
    if (!quiet) say(`${name} is here (${megabytes} MB). The network may be off now.`);
    quiet = false;
    update();
  },
  opened({ picture }) {
    open = true;
    show(picture, {}, { alt: `${picture.name}, not segmented yet` });
    update();
  },
  tile({ done, of }) {
    bar.max = of;
    if (done) bar.value = done;
    else bar.removeAttribute("value");  // something moves, though nobody knows how far it is
    say(`Tile ${done + 1} of ${of}`);
  },
  segmented({ picture, planes, facts, milliseconds, threads }) {
    busy = false;
    const { names, colors, threshold, steps, fine, alpha } = facts;
    show(picture, planes, { names, colors, threshold, steps, fine, alpha,
      alt: `${picture.name} with its classes painted over: ${names.join(", ")}` });
    say(`${picture.width} × ${picture.height} px · ${(milliseconds / 1000).toFixed(2)} s in this`
      + ` browser on ${threads} thread${threads > 1 ? "s" : ""}, float32, ${facts.name}`
      + mixed(picture, facts));
    canSave(true);
    update();
  },
  written({ kind, file: content }) {
    const name = `${file.name.replace(/\.[^.]*$/, "")}_${kind}`;
    const link = Object.assign(document.createElement("a"),
      { href: URL.createObjectURL(content), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);  // once it is saved
  },
  failed({ act, sentence }) {
    say("");
    warn(sentence);
    if (act === "segment") restart();  // short of memory, say: the runtime does not recover
  },
};

function mixed(picture, facts) {
  if (picture.channels === facts.channels) return "";
  return picture.channels === 1 ? " · gray image shown to an RGB network as three equal channels"
    : " · RGB image turned into gray (0.299 R + 0.587 G + 0.114 B)";
}

// As `_payload` of viewer/component.py, without a server.
function show(picture, planes, known) {
  const { width, height, channels, pixels } = picture;
  const value = {
    id: `here ${++drawings}`,  // the same picture twice is still a new drawing
    picture: `${width} ${height} ${picture.name} ${file.lastModified} ${file.size}`,
    width, height, step: 1, channels, dtype: "uint8", window: [0, 255], camera: null,
    pixel_size: null, tiles: null, ...known };
  const detail = { value, planes: { image: pixels, ...planes } };
  viewer().dispatchEvent(new CustomEvent("viewer:show", { detail }));
}

function viewer() {
  return document.querySelector(`#${props.viewer} .viewer`);
}

// ------------------------------------------------------------------------------ what people do

function take(files) {
  if (!files.length) return;
  [file] = files;
  open = false;
  part("output").textContent = file.name;
  canSave(false);
  warn(files.length > 1 ? `One image at a time here: of ${files.length}, this is the first.` : "");
  if (ready) say("");
  if (busy || !worker) restart();
  else worker.postMessage({ act: "open", file });
  update();
}

input.addEventListener("change", () => {
  take([...input.files]);
  input.value = "";  // or the same file could not be chosen again
});
choice.addEventListener("change", ask);
run.addEventListener("click", () => {
  busy = true;
  canSave(false);
  warn("");
  update();
  stop.focus();
  worker.postMessage({ act: "segment" });
});
stop.addEventListener("click", () => {
  restart();
  say("Stopped.");
});
saves.forEach((button) => button.addEventListener("click", () => {
  const { threshold } = JSON.parse(viewer().dataset.seen);
  worker.postMessage({ act: button.dataset.save, threshold });
}));
takesAnywhere(element, () => zone, take);

for (const name of props.names) choice.add(new Option(name));
watch("value", fetchAll);
update();
// Whoever never opens the tab loads nothing.
new IntersectionObserver((entries, observer) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  ask();
}).observe(element);
