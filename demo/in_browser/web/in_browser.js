// The tab: what a visitor does there becomes messages to the worker, and what that tells becomes
// what they see. The server is asked for a checkpoint by its name, and for nothing else.

import { find, viewerOf } from "../../parts/component.js";
import { aboutFolders, takeFromAnywhere } from "../../parts/uploads/drop_and_paste.js";
import { counted, mixed } from "./facts.js";
import { Segmenter } from "./segmenter.js";

/** @typedef {import("../../viewer/web/pixels/payload.js").Payload} Payload */
/** @typedef {import("../../viewer/web/pixels/payload.js").Planes} Planes */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./facts.js").Facts} Facts */
/** @typedef {{module: Blob, wasm: Blob, model: Blob, example: Blob, facts: Facts}} Checkpoint */
/** @typedef {"module" | "wasm" | "model" | "example"} Kind */
/**
 * @typedef {object} Props
 * @property {{error?: string, files?: Record<Kind, {url: string}>, facts?: Facts} | null} value
 *   What the server answers.
 * @property {[string, string][]} names Of checkpoints: for people, and the id.
 * @property {string} viewer Its `elem_id`.
 */

const NEWER = "Use a newer one, or the tab Segment.";

/** @param {import("../../parts/component.js").Component<Props>} component */
export function mount(component) {
  new InBrowser(component);
}

class InBrowser {
  /** @param {import("../../parts/component.js").Component<Props>} component */
  constructor({ element, props, trigger, watch }) {
    this.props = props;
    this.trigger = trigger;
    this.choice = find(element, "select", HTMLSelectElement);
    this.input = find(element, "input", HTMLInputElement);
    this.bar = find(element, "progress", HTMLProgressElement);
    this.exampleButton = find(element, ".example", HTMLButtonElement);
    this.runButton = find(element, ".run", HTMLButtonElement);
    this.stopButton = find(element, ".stop", HTMLButtonElement);
    this.told = find(element, ".told");
    this.alert = find(element, "[role=alert]");
    this.fileName = find(element, "output", HTMLOutputElement);
    /** @type {HTMLButtonElement[]} */
    this.saves = [...element.querySelectorAll("[data-save]")].filter(
      (button) => button instanceof HTMLButtonElement);

    /** @type {Map<string, Checkpoint>} Those that came, by name. */
    this.kept = new Map();
    this.segmenter = new Segmenter((message) => this.hear(message), (why) => this.broken(why));
    /** @type {File | null} */
    this.file = null;
    /** @type {File | null} The one whose picture is in view; the last one that could be read. */
    this.inView = null;
    this.open = false;  // the worker has read a file
    this.ready = false;  // it has the checkpoint
    this.busy = false;
    this.quiet = false;  // the checkpoint was here before
    this.drawings = 0;

    for (const [label, name] of props.names) this.choice.add(new Option(label, name));
    // The one that is chosen under Segment, if it can run here.
    const chosen = document.documentElement.dataset.checkpoint ?? "";
    if (props.names.some(([, name]) => name === chosen)) this.choice.value = chosen;
    const zone = find(element, ".drop");
    takeFromAnywhere(element, () => zone, (files, folders) => {
      if (files.length) this.take(files);
      if (folders.length) this.warn(aboutFolders(folders));
    });
    this.connect();
    watch("value", () => this.fetchAll());
    this.update();
    // Whoever never opens the tab loads nothing.
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.ask();
    }).observe(element);
  }

  connect() {
    const { input, choice, runButton, stopButton, segmenter } = this;
    input.addEventListener("change", () => {
      this.take([...(input.files ?? [])]);
      input.value = "";  // or the same file could not be chosen again
    });
    choice.addEventListener("change", () => this.ask());
    this.exampleButton.addEventListener("click", () => {
      const known = this.kept.get(choice.value);
      if (known) this.take([new File([known.example], `${choice.value}.png`)]);
    });
    runButton.addEventListener("click", () => {
      this.busy = true;
      this.canSave(false);
      this.warn("");
      this.update();
      stopButton.focus();
      segmenter.post({ act: "segment" });
    });
    stopButton.addEventListener("click", () => {
      this.restart();
      this.say("Stopped.");
    });
    for (const button of this.saves) {
      button.addEventListener("click", () => {
        const { threshold } = JSON.parse(viewerOf(this.props.viewer)?.dataset.seen ?? "{}");
        segmenter.post({ act: button.dataset.save ?? "", threshold });
      });
    }
  }

  // ------------------------------------------------------------------------- what is told

  /** @param {string} sentence */
  say(sentence) {
    this.told.textContent = sentence;
  }

  /** @param {string} sentence */
  warn(sentence) {
    this.alert.textContent = sentence;
    this.alert.hidden = !sentence;
  }

  update() {
    const { runButton, stopButton, busy } = this;
    const focused = document.activeElement === stopButton;
    runButton.disabled = !(this.ready && this.open) || busy;
    stopButton.hidden = this.bar.hidden = !busy;
    this.choice.disabled = busy;
    this.exampleButton.hidden = !this.ready || busy;
    if (focused && !busy) (runButton.disabled ? this.input : runButton).focus();
  }

  /** @param {boolean} usable */
  canSave(usable) {
    this.saves.forEach((button) => { button.disabled = !usable; });
  }

  // ------------------------------------------------------------------------ the checkpoint

  ask() {
    const name = this.choice.value, known = this.kept.get(name);
    this.ready = false;
    this.warn("");
    this.say(`${name} is on its way ...`);
    this.update();
    if (known) this.give(known);
    else if (navigator.onLine) {
      this.trigger("select", { index: this.choice.selectedIndex, value: name });
    } else this.failedToCome(name, "there is no network");
  }

  /** What the server answers: addresses, each fetched once. */
  async fetchAll() {
    const { error, files, facts } = this.props.value ?? {};
    if (error) { this.say(""); this.warn(error); }
    if (!files || !facts) return;
    const [earlier] = this.kept.values();
    try {
      const [module, wasm, model, example] = await Promise.all([
        earlier?.module ?? fetched(files.module), earlier?.wasm ?? fetched(files.wasm),
        fetched(files.model), fetched(files.example), this.segmenter.prepare(),
      ]);
      const program = new Blob([module], { type: "text/javascript" });
      const checkpoint = { module: program, wasm, model, example, facts };
      this.kept.set(facts.name, checkpoint);
      if (facts.name === this.choice.value) this.give(checkpoint);
    } catch (failure) {
      const why = failure instanceof Error ? failure.message : String(failure);
      if (facts.name === this.choice.value) this.failedToCome(facts.name, why);
    }
  }

  /**
   * @param {string} name
   * @param {string} why
   */
  failedToCome(name, why) {
    this.say("");
    this.warn(`${name} could not be fetched: ${why}. Choose another one, then it again.`);
  }

  /** @param {Checkpoint} checkpoint */
  give({ module, wasm, model, facts }) {
    this.segmenter.post({ act: "load", module, wasm, model, facts });
  }

  // ---------------------------------------------------------------------------- the worker

  /** Whatever it was doing; what it had is given to another one. */
  restart() {
    const known = this.kept.get(this.choice.value);
    this.segmenter.stop();
    this.busy = this.ready = this.open = false;
    this.canSave(false);
    this.quiet = Boolean(known);
    if (known) this.give(known);
    if (this.file) this.segmenter.post({ act: "open", file: this.file });
    this.update();
  }

  /** @param {string} why */
  broken(why) {
    this.busy = this.ready = false;
    this.warn(`This browser cannot segment here: ${why || "its workers do not start"}. ${NEWER}`);
    this.update();
  }

  /** @param {{told: "loaded" | "opened" | "tile" | "segmented" | "written" | "failed"} & any} told */
  hear({ told, ...details }) {
    const hearing = {
      loaded: () => this.loaded(details.name),
      opened: () => this.opened(details.picture),
      tile: () => this.tile(details.done, details.of),
      segmented: () => this.segmented(details),
      written: () => save(details.name, details.file),
      failed: () => this.failed(details.act, details.sentence),
    };
    hearing[/** @type {keyof typeof hearing} */ (told)]();
  }

  /** @param {string} name */
  loaded(name) {
    const known = this.kept.get(name);
    if (name !== this.choice.value || !known) return;  // another one was chosen meanwhile
    const { module, wasm, model } = known;
    const megabytes = ((module.size + wasm.size + model.size) / 1e6).toFixed(0);
    this.ready = true;
    if (!this.quiet) this.say(`${name} is here (${megabytes} MB). The network may be off now.`);
    this.quiet = false;
    this.update();
  }

  /** @param {Picture} picture */
  opened(picture) {
    this.open = true;
    this.inView = this.file;
    this.fileName.textContent = picture.name;
    this.canSave(false);
    this.show(picture, {}, { alt: `${picture.name}, not segmented yet` });
    this.update();
  }

  /**
   * @param {number} done
   * @param {number} of
   */
  tile(done, of) {
    this.bar.max = of;
    if (done) this.bar.value = done;
    else this.bar.removeAttribute("value");  // something moves, though nobody knows how far it is
    this.say(`Tile ${done + 1} of ${of}`);
  }

  /** @param {{picture: Picture, planes: Omit<Planes, "image">, facts: Facts, milliseconds: number,
   *   threads: number, clipped: boolean, objects: number | null}} found */
  segmented({ picture, planes, facts, milliseconds, threads, clipped, objects }) {
    this.busy = false;
    const { names, colors, threshold, steps, fine } = facts;
    this.show(picture, planes, { names, colors, threshold, steps, fine,
      alt: `${picture.name} with its classes painted over: ${names.join(", ")}` });
    this.say(`${picture.width} × ${picture.height} px${counted(objects, facts)}`
      + ` · ${(milliseconds / 1000).toFixed(2)} s in this browser on ${threads} thread${threads > 1 ? "s" : ""}, float32, ${facts.name}`
      + mixed(picture, facts)
      + (clipped ? " · outliers (hot pixels?) were clipped before normalisation" : ""));
    this.canSave(true);
    this.update();
  }

  /**
   * @param {string} act
   * @param {string} sentence
   */
  failed(act, sentence) {
    this.say("");
    this.warn(sentence);
    if (act === "segment") this.restart();  // short of memory, say: the runtime does not recover
    if (act !== "open") return;
    this.file = this.inView;  // which stays
    if (this.file && !this.open) this.segmenter.post({ act, file: this.file });
  }

  /**
   * As `_payload` of viewer/component.py, without a server.
   *
   * @param {Picture} picture
   * @param {Omit<Planes, "image">} planes
   * @param {Pick<Payload, "alt"> & Partial<Payload>} known
   */
  show(picture, planes, known) {
    const { name, width, height, channels, pixels } = picture;
    /** @type {Payload} */
    const value = {
      id: `here ${++this.drawings}`,  // the same picture twice is still a new drawing
      picture: `${width} ${height} ${name} ${this.file?.lastModified} ${this.file?.size}`,
      width, height, step: 1, channels, dtype: "uint8", window: [0, 255], camera: null,
      pixel_size: null, tiles: null, ...known };
    const detail = { value, planes: { image: pixels, ...planes } };
    viewerOf(this.props.viewer)?.dispatchEvent(new CustomEvent("viewer:show", { detail }));
  }

  // -------------------------------------------------------------------- what people do

  /** @param {File[]} files */
  take(files) {
    if (!files.length) return;
    const [file] = files;
    this.file = file;
    this.warn(
      files.length > 1 ? `One image at a time here: of ${files.length}, this is the first.` : "");
    if (this.ready) this.say("");
    if (this.busy) this.restart();
    else this.segmenter.post({ act: "open", file });
    this.update();
  }
}

/** @param {{url: string}} file */
async function fetched({ url }) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.blob();
}

/**
 * @param {string} name
 * @param {Blob} content
 */
function save(name, content) {
  const link = Object.assign(document.createElement("a"),
    { href: URL.createObjectURL(content), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);  // once it is saved
}
