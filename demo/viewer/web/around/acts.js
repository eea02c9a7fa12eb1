// What buttons, sliders and keys ask of a viewer.

import { find } from "../../../parts/component.js";
import { readPixelSize, showPixelSize, tidy } from "./panel.js";

/** @typedef {import("../drawing/colors.js").Look} Look */
/** @typedef {import("../drawing/colors.js").View} View */
/** @typedef {import("../viewer.js").Viewer} Viewer */

/** @type {View[]} */
const VIEWS = ["classes", "objects", "probability", "uncertainty"];

/** @type {Record<string, (acts: Acts) => void>} By the names that the page has for them. */
const NAMED = {
  zoomIn: ({ viewer }) => viewer.motion.zoomMiddle(1.5),
  zoomOut: ({ viewer }) => viewer.motion.zoomMiddle(1 / 1.5),
  fit: ({ viewer }) => viewer.motion.fitWhole(),
  outline: (acts) => acts.toggleOutline(),
  split: (acts) => acts.toggleSplit(),
  nextView: (acts) => acts.nextView(),
  pickMiddle: ({ viewer }) => viewer.pickMiddle(),
  contrast: (acts) => acts.resetContrast(),
  missLittle: (acts) => acts.missLittle(),
  help: (acts) => acts.help(),
  close: (acts) => acts.dialog.close(),
  stop: ({ viewer }) => viewer.trigger("stop"),
};

export class Acts {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.look = viewer.look;
    this.root = viewer.root;
    this.dialog = find(viewer.root, "dialog", HTMLDialogElement);
    this.alphaChosen = false;
    /** @type {Look["pixelSize"]} As a visitor has typed it, for every picture. */
    this.typedSize = null;
  }

  /** @param {string} name One of `NAMED`. */
  act(name) {
    NAMED[name](this);
  }

  help() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  // ---------------------------------------------------------------------- what is painted

  /** @param {number} id */
  toggleClass(id) {
    const { look, viewer } = this;
    if (!look.paint || id >= (viewer.scene?.value.names?.length ?? 0)) return;
    if (!look.hidden.delete(id)) look.hidden.add(id);
    viewer.change({ paint: true });
  }

  toggleOutline() {
    if (!this.look.paint) return;
    this.look.outline = !this.look.outline;
    this.viewer.change();
  }

  toggleSplit() {
    if (!this.look.paint) return;
    this.look.split = this.look.split === null ? 0.5 : null;
    this.viewer.change();
  }

  /** @param {number} share Of the stage. */
  splitAt(share) {
    this.look.split = Math.min(Math.max(share, 0), 1);
    this.viewer.change({ panel: false });
  }

  /** @param {View} name */
  view(name) {
    this.look.view = name;
    this.viewer.layer.isAwaited = false;
    this.viewer.change({ paint: true });
  }

  nextView() {
    if (!this.look.paint || find(this.root, ".views").hidden) return;
    const there = VIEWS.filter((name) => {
      return !find(this.root, `[data-view=${name}]`, HTMLButtonElement).matches("[hidden], :disabled");
    });
    this.view(there[(there.indexOf(this.look.view) + 1) % there.length]);
  }

  /** @param {number} alpha */
  opacity(alpha) {
    this.look.alpha = alpha;
    this.alphaChosen = true;
    this.viewer.change();
  }

  /** @param {number} cut */
  threshold(cut) {
    this.look.level = Math.round(cut * (this.viewer.scene?.value.steps || 100));
    this.viewer.change({ paint: true });
  }

  missLittle() {
    const offered = this.viewer.scene?.value.few_missed;
    if (!offered) return;
    this.threshold(offered.threshold);
    this.viewer.say(offered.words);
  }

  // ----------------------------------------------------------------------------- contrast

  resetContrast() {
    const { scene } = this.viewer;
    if (!scene) return;
    this.look.window = [...scene.value.window];
    this.viewer.change({ picture: true });
  }

  /** @param {number} low */
  black(low) {
    this.look.window = [low, Math.max(low, this.look.window[1])];
    this.viewer.change({ picture: true });
  }

  /** @param {number} high */
  white(high) {
    this.look.window = [Math.min(high, this.look.window[0]), high];
    this.viewer.change({ picture: true });
  }

  /** @param {string} name */
  colormap(name) {
    this.look.colormap = name;
    this.viewer.change({ picture: true });
  }

  // -------------------------------------------------------------------- the size of a pixel

  /** @param {string} text */
  pixelSize(text) {
    const size = readPixelSize(text);
    find(this.root, ".size", HTMLInputElement).ariaInvalid = String(size === undefined);
    if (size === undefined) {
      find(this.root, ".size_told").textContent =
        "Type a number and its unit, such as 0.25 µm. Units: Å, nm, µm, mm.";
      return;
    }
    this.typedSize = size;
    this.applyPixelSize();
    this.viewer.change({ panel: false });
    this.viewer.tellSeen();
  }

  applyPixelSize() {
    const own = this.viewer.scene?.value.pixel_size ?? null;
    this.look.pixelSize = this.typedSize ?? own;
    showPixelSize(this.root, own, this.typedSize);
  }

  askPixelSize() {
    find(this.root, ".panel details", HTMLDetailsElement).open = true;
    find(this.root, ".size").focus();
  }

  // --------------------------------------------------------------------- said to the blind

  /** @param {string} key That was pressed on the picture. */
  sayWhatChanged(key) {
    const { look, viewer } = this, { scene, camera, before } = viewer, id = Number(key) - 1;
    if (!scene) return;
    const words = {
      o: look.outline ? "Outlines" : "Filled",
      s: look.split === null ? "Not split"
        : `Split: ${before.shown ? "before" : "the bare picture"} on the left`,
      v: look.view, 0: "The whole picture",
    }[key];
    const name = scene.value.names?.[id];
    if (words) viewer.say(words);
    else if (name) viewer.say(`${name} ${look.hidden.has(id) ? "hidden" : "shown"}`);
    else if ("+=-_".includes(key)) viewer.say(`${tidy(100 * camera.zoom)} %`);
  }
}
