// The table of objects: sorts, scrolls and marks rows, and tells which one was chosen. Only the
// rows in sight are in the page, so that ten thousand scroll like ten.

import { bringIntoSight, clicked, find, tellViewer, viewerOf } from "../parts/component.js";
import { differingThresholds, onLook } from "../parts/look.js";
import { bringRowIntoSight, gapOf, rowsInSight } from "../parts/rows_in_sight.js";
import { draw } from "./histogram.js";

/** @typedef {number | string | boolean | null} Cell */
/** @typedef {{title: string, unit: string | null, meaning: string}} Column */
/**
 * As `show_objects` makes it in table.py. Without `rows` there is only something to say.
 *
 * @typedef {object} Value
 * @property {string} id
 * @property {string} words
 * @property {boolean} [ask] Whether a visitor has to ask for the objects.
 * @property {string[]} [count] How many, and of what.
 * @property {Column[]} [columns]
 * @property {Cell[][]} [rows]
 * @property {[number, number, number, number][]} [boxes]
 * @property {import("./histogram.js").Histogram} [histogram]
 * @property {number | null} [threshold] That they were counted at.
 * @property {[number, string] | null} [typed_size] Size of a pixel, as it was typed then.
 * @property {boolean} [in_pixels] Whether the size of a pixel is not known.
 * @property {import("../viewer/web/drawing/objects.js").Layer | null} [layer] What the viewer draws.
 */
/**
 * As `show_parted` makes it in table.py: objects of a slider that is on its way.
 *
 * @typedef {object} Live
 * @property {string} id
 * @property {string[]} count
 * @property {number | null} threshold
 * @property {import("../viewer/web/drawing/objects.js").Layer} layer
 */
/** @typedef {{value: Value | null, live: Live | null, viewer: string | null}} Props `viewer`: Flies
 *   to objects. */

const ROW = 30;  // height of a row in pixels, as in the style sheet
const REST = 600;  // milliseconds that a slider stays where it is before its objects are measured
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity,
  End: Infinity };
const NONE = "Objects are counted as soon as an image is segmented.";

/** @param {import("../parts/component.js").Component<Props>} component */
export function mount({ element, props, trigger, watch }) {
  /** @type {Value | null} */
  let value = null;
  /** @type {number[]} Places of rows, in the order of the table. */
  let order = [];
  let column = 0, descending = false;
  /** @type {number | null} The id of the object that is marked. */
  let chosen = null;
  /** @type {import("../parts/look.js").Seen | null} */
  let seen = null;
  /** @type {Live | null} Objects that came after those of the table. */
  let live = null;
  /** @type {number | null} The threshold whose objects were asked for last. */
  let followed = null;
  let rest = 0;  // the timer of what is asked when the threshold rests

  function sort() {
    order = sorted(value?.rows ?? [], column, descending);
  }

  function drawHead() {
    const cells = (value?.columns ?? []).map(({ title, unit, meaning }, number) => {
      const cell = document.createElement("th");
      const button = document.createElement("button");
      cell.scope = "col";
      if (typeof value?.rows?.[0]?.[number] === "string") cell.className = "text";
      button.type = "button";
      button.dataset.column = String(number);
      button.title = meaning;
      button.textContent = unit ? `${title} (${unit})` : title;
      if (number === column) {
        cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      }
      cell.append(button);
      return cell;
    });
    find(element, "thead tr").replaceChildren(...cells);
  }

  function drawRows() {
    const scroll = element.querySelector(".scroll");
    if (!value?.rows || !scroll) return;
    const { rows } = value;
    const [first, last] = rowsInSight(scroll, order.length, ROW);
    const shown = order.slice(first, last).map((place, number) => {
      return newRow(place + 1, rows[place], place + 1 === chosen, first + number + 2);
    });
    const table = find(element, "table");
    table.setAttribute("aria-rowcount", String(order.length + 1));
    const marked = shown.find((row) => row.ariaSelected === "true");
    if (marked) table.setAttribute("aria-activedescendant", marked.id);
    else table.removeAttribute("aria-activedescendant");
    find(element, "tbody").replaceChildren(
      gapOf(first, ROW), ...shown, gapOf(order.length - last, ROW));
  }

  /**
   * Marks the row of an object and brings it into sight within the table; null marks none.
   *
   * @param {number | null} id
   */
  function highlight(id) {
    chosen = id;
    const scroll = element.querySelector(".scroll");
    const position = id === null ? -1 : order.indexOf(id - 1);
    if (scroll && position >= 0) bringRowIntoSight(scroll, position, ROW);
    drawRows();
  }

  /** @param {number} id */
  function choose(id) {
    if (live) return;  // the rows are of other objects than the picture
    highlight(id);
    if (!value?.boxes) return;
    const [x, y, width, height] = value.boxes[id - 1];
    const detail = { id, box: { x, y, width, height } };
    element.dispatchEvent(new CustomEvent("objects:select", { detail, bubbles: true }));
    if (props.viewer) {
      tellViewer(props.viewer, "choose", id);
      tellViewer(props.viewer, "visit", detail.box);
      bringIntoSight(props.viewer);
    }
    trigger("select", detail);
  }

  /** Says so if the picture is not looked at as it was when its objects were counted. */
  function compareLooks() {
    if (!seen || !value?.rows) return;
    const between = differingThresholds((live ?? value).threshold, seen.threshold);
    const follows = seen.view === "objects" && (live ?? value).layer?.follows;
    if (between && follows) follow(seen.threshold);
    const sentence = between && !follows ? `Counted at ${between}.` : "";
    find(element, ".objects").classList.toggle("outdated", Boolean(sentence));
    find(element, ".stale").hidden = !sentence;
    if (find(element, ".stale span").textContent !== sentence) {
      find(element, ".stale span").textContent = sentence;
    }
    find(element, ".ask").hidden = !sentence;
    if (sentence) find(element, ".ask button").textContent = "Count again";
    const sized = JSON.stringify(seen.pixel_size) !== JSON.stringify(value.typed_size ?? null);
    if (sized && asked !== JSON.stringify(seen.pixel_size)) {
      asked = JSON.stringify(seen.pixel_size);
      trigger("submit");
    }
  }

  /**
   * Asks for the objects of a threshold: at once how many and which, and their measures later.
   *
   * @param {number | null} threshold
   */
  function follow(threshold) {
    if (threshold === followed) return;
    followed = threshold;
    trigger("input");
    measureAtRest();
  }

  function measureAtRest() {
    clearTimeout(rest);
    rest = setTimeout(() => trigger("submit"), REST);
  }

  /** Other objects than those of the rows are in the picture; the rows wait in gray. */
  function showLive() {
    if (!props.live || props.live.id === live?.id || !value?.rows) return;
    live = props.live;
    chosen = null;
    find(element, ".count b").textContent = live.count[0];
    find(element, ".count span").textContent = live.count[1];
    find(element, ".objects").classList.add("following");
    if (props.viewer) tellViewer(props.viewer, "objects", live.layer);
    measureAtRest();
    drawRows();
    compareLooks();
  }
  /** The size of a pixel for which the objects were asked for last. */
  let asked = "";

  function show() {
    const fresh = props.value;
    const table = element.querySelector(".objects");
    if (!table) return;
    if (fresh?.id !== value?.id) chosen = null;
    value = fresh;
    live = null;
    followed = null;
    clearTimeout(rest);
    asked = "";
    const [count = "", of = ""] = value?.count ?? [];
    table.classList.toggle("none", !value?.rows?.length);
    table.classList.remove("outdated", "following");
    find(element, ".count b").textContent = count;
    find(element, ".count span").textContent = of;
    find(element, ".words").textContent = value ? value.words : NONE;
    find(element, ".stale").hidden = true;
    find(element, ".ask").hidden = !value?.ask;
    find(element, ".ask button").textContent = "Count objects";
    find(element, ".size").hidden = !value?.in_pixels || !props.viewer;
    find(element, ".histogram").replaceChildren(...(value?.histogram ? [draw(value.histogram)] : []));
    if (column >= (value?.columns?.length ?? 0)) column = 0;
    if (props.viewer) tellViewer(props.viewer, "objects", value?.layer ?? null);
    sort();
    drawHead();
    drawRows();
    compareLooks();
  }

  element.addEventListener("click", (event) => {
    const row = clicked(event, "tr.row"), button = clicked(event, "th button");
    if (row) choose(Number(row.dataset.id));
    if (clicked(event, ".ask button")) trigger("submit");
    if (clicked(event, ".size button") && props.viewer) tellViewer(props.viewer, "askPixelSize");
    if (!button) return;
    const pressed = Number(button.dataset.column);
    descending = pressed === column && !descending;
    column = pressed;
    sort();
    drawHead();
    drawRows();
    find(element, `th button[data-column="${column}"]`).focus();
  });
  element.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !order.length || !(event.target instanceof HTMLTableElement)) return;
    event.preventDefault();
    event.stopPropagation();  // the page's own keys pan the picture
    const position = chosen === null ? -1 : order.indexOf(chosen - 1);
    const next = position < 0 ? 0 : position + step;
    choose(order[Math.min(Math.max(next, 0), order.length - 1)] + 1);
  });
  // Neither of these bubbles, and the parts may be drawn again at any time: hence on the way down.
  element.addEventListener("scroll", () => requestAnimationFrame(drawRows), true);
  element.addEventListener("objects:highlight", (event) => {
    highlight(/** @type {CustomEvent} */ (event).detail);
  }, true);
  if (props.viewer) {
    onLook(element, props.viewer, (now) => {
      seen = now;
      compareLooks();
    });
    document.addEventListener("viewer:picked", function pick(event) {
      if (!element.isConnected) return document.removeEventListener("viewer:picked", pick, true);
      const { target, detail } = /** @type {CustomEvent} */ (event);
      if (target === viewerOf(props.viewer ?? "") && value?.rows && !live) highlight(detail);
    }, true);
  }
  new ResizeObserver(drawRows).observe(element);  // a tab that was opened
  watch("value", show);
  watch("live", showLive);
  show();
}

/**
 * Places of rows in the order of a column; equal ones stay in order of ids.
 *
 * @param {Cell[][]} rows
 * @param {number} column
 * @param {boolean} descending
 */
export function sorted(rows, column, descending) {
  const sign = descending ? -1 : 1;
  const key = (/** @type {number} */ place) => /** @type {number} */ (rows[place][column]);
  return rows.map((_, place) => place).sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;
  });
}

/**
 * A cell as it is shown: numbers with four digits, of a yes or no only the yes.
 *
 * @param {Cell} cell
 */
export function cellText(cell) {
  if (typeof cell === "boolean") return cell ? "yes" : "";
  if (typeof cell !== "number" || Number.isInteger(cell)) return `${cell ?? ""}`;
  return `${Number(cell.toPrecision(4))}`;
}

/**
 * @param {number} id
 * @param {Cell[]} cells
 * @param {boolean} marked
 * @param {number} number In the table, from 1; the head is the first.
 */
function newRow(id, cells, marked, number) {
  const row = document.createElement("tr");
  row.className = "row";
  row.id = `objects_row_${id}`;
  row.dataset.id = String(id);
  row.ariaSelected = String(marked);
  row.ariaRowIndex = String(number);
  row.append(...cells.map((content) => {
    const cell = document.createElement("td");
    cell.textContent = cellText(content);
    if (typeof content === "string") cell.className = "text";
    return cell;
  }));
  return row;
}
