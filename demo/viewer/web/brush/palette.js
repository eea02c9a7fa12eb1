// The controls of the brush below the picture: classes, eraser, size, undo, and what was painted.

import { clicked, find } from "../../../parts/component.js";
import { listInWords, MOST_CLASSES } from "./class_lists.js";
import { countOf, strokesInWords } from "./sheet.js";
import { ERASER } from "./strokes.js";

/** @typedef {import("./brush.js").Brush} Brush */

/** @type {Record<string, (palette: Palette) => void>} What buttons ask for by name. */
const ACTS = {
  toggle: ({ brush }) => brush.toggle(),
  eraser: ({ brush }) => brush.choose(ERASER),
  undo: ({ brush }) => brush.step("undo"),
  redo: ({ brush }) => brush.step("redo"),
  clear: ({ brush }) => brush.step("clear"),
  add: (palette) => palette.add(),
  edit: (palette) => palette.edit(!palette.isEditing),
  remove: ({ brush }) => brush.removeClass(brush.chosen),
  done: (palette) => palette.edit(false),
};

export class Palette {
  /**
   * @param {HTMLElement} root Of the viewer.
   * @param {Brush} brush
   */
  constructor(root, brush) {
    this.root = root;
    this.brush = brush;
    this.element = find(root, ".palette");
    this.tool = find(root, "[data-brush=toggle]");
    this.chips = find(this.element, ".classes");
    this.size = find(this.element, ".brush_size", HTMLInputElement);
    this.name = find(this.element, ".class_name", HTMLInputElement);
    this.lists = find(this.element, ".lists", HTMLSelectElement);
    this.isEditing = false;
    /** @type {import("./class_lists.js").PaintClass | null} What is chosen, as it was before somebody began to type a name. */
    this.begun = null;
    this.drawn = "";  // the classes that chips stand for
    this.tool.hidden = false;
    root.addEventListener("click", (event) => {
      const { brush: act, paint, color } = clicked(event)?.dataset ?? {};
      if (act) ACTS[act](this);
      else if (paint) this.brush.choose(Number(paint));
      else if (color) this.brush.changeClass(this.brush.chosen, { color });
    });
    this.size.addEventListener("input", () => this.brush.resize(Number(this.size.value)));
    this.lists.addEventListener("change", () => this.brush.useList(this.lists.value));
    this.name.addEventListener("focus", () => {
      this.begun = this.brush.painted.list?.classes[this.brush.chosen] ?? null;
    });
    this.name.addEventListener("input", () => this.rename());
    this.name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      this.edit(false);
      find(root, "canvas", HTMLCanvasElement).focus();
    });
  }

  /** Brings all controls in line with the brush. */
  show() {
    const { brush, element, tool, root } = this, { painted, viewer } = brush;
    const { list, sheet } = painted;
    element.hidden = !brush.isOn || !viewer.scene;
    tool.ariaPressed = String(brush.isOn);
    const count = sheet?.strokes.length ?? 0;
    find(tool, "b").textContent = count ? String(count) : "";
    root.classList.toggle("paints", brush.isOn);
    root.dataset.strokes = String(count);
    if (!list || !sheet) return;
    this.showChips(list.classes, sheet.strokes);
    this.size.value = String(brush.radius);
    find(element, ".slide output").textContent = `${2 * brush.radius} px`;
    for (const [name, there] of Object.entries({ undo: sheet.past.length,
      redo: sheet.future.length, clear: count, add: list.classes.length < MOST_CLASSES })) {
      find(element, `[data-brush=${name}]`, HTMLButtonElement).disabled = !there;
    }
    const others = painted.strokesFor(list) - count;
    find(element, ".strokes").textContent = strokesInWords(sheet.strokes, list.classes)
      + (others ? ` · ${countOf(others)} on other pictures` : "");
    find(element, ".notice").textContent = brush.words;
    this.showLists();
    this.showEditor(list.classes[brush.chosen]);
  }

  /**
   * @param {import("./class_lists.js").PaintClass[]} classes
   * @param {import("./strokes.js").Stroke[]} strokes
   */
  showChips(classes, strokes) {
    const now = JSON.stringify(classes);
    if (now !== this.drawn) this.chips.replaceChildren(...classes.map(chip));
    this.drawn = now;
    for (const [id, button] of [...this.chips.children].entries()) {
      button.ariaPressed = String(id === this.brush.chosen);
      find(button, "b").textContent =
        String(strokes.filter((stroke) => stroke.class === id).length || "");
    }
    find(this.element, "[data-brush=eraser]").ariaPressed = String(this.brush.chosen === ERASER);
  }

  /** Which classes are painted, where there is a choice. */
  showLists() {
    const { painted } = this.brush, choices = painted.choices();
    find(this.element, ".which").hidden = choices.length < 2;
    this.lists.replaceChildren(...choices.map((list) => {
      const count = painted.strokesFor(list);
      const words = [listInWords(list), ...(count ? [countOf(count)] : []),
        ...(list === painted.own ? ["of this result"] : [])];
      return new Option(words.join(" · "), list.id, false, list === painted.list);
    }));
  }

  /** @param {import("./class_lists.js").PaintClass | undefined} chosen */
  showEditor(chosen) {
    const editor = find(this.element, ".editor"), { painted, chosen: id } = this.brush;
    const opener = find(this.element, "[data-brush=edit]", HTMLButtonElement);
    editor.hidden = !this.isEditing || !chosen;
    opener.disabled = !chosen;
    opener.ariaExpanded = String(!editor.hidden);
    find(editor, "[data-brush=remove]").hidden = !painted.canRemove(id);
    if (!chosen) return;
    if (document.activeElement !== this.name) this.name.value = chosen.name;
    const swatches = painted.palette.map((color) => swatch(color, color === chosen.color));
    find(editor, ".swatches").replaceChildren(...swatches);
  }

  add() {
    this.brush.addClass();
    this.edit(true);
  }

  /** @param {boolean} on */
  edit(on) {
    this.isEditing = on;
    this.name.blur();  // the name it has is shown, and what is typed next is another one
    this.fault("");
    this.show();
    if (on) this.name.select();
  }

  rename() {
    if (!this.begun) return;
    this.fault(this.brush.rename(this.brush.chosen, this.begun, this.name.value));
  }

  /** @param {string} words Why the name cannot be. */
  fault(words) {
    this.name.ariaInvalid = String(words !== "");
    find(this.element, ".fault").textContent = words;
  }
}

/**
 * @param {import("./class_lists.js").PaintClass} one
 * @param {number} id
 */
function chip({ name, color }, id) {
  const button = document.createElement("button");
  const dab = document.createElement("i"), label = document.createElement("span");
  button.type = "button";
  button.dataset.paint = String(id);
  button.title = id < 9 ? `Paint ${name}: ${id + 1}` : `Paint ${name}`;
  dab.style.background = color;
  label.textContent = name;
  button.append(dab, label, document.createElement("b"));
  if (id < 9) {
    const key = document.createElement("kbd");
    key.className = "key";
    key.textContent = String(id + 1);
    key.ariaHidden = "true";
    button.append(key);
  }
  return button;
}

/**
 * @param {string} color
 * @param {boolean} chosen
 */
function swatch(color, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.color = color;
  button.title = button.ariaLabel = `Colour ${color}`;
  button.ariaPressed = String(chosen);
  button.style.background = color;
  return button;
}
