// The table of objects: sorts, scrolls and marks rows, and tells which one was chosen. Only the
// rows in sight are in the page, so that ten thousand scroll like ten.

import { clicked, find, fly } from "../parts/component.js";
import { draw } from "./histogram.js";

/** @typedef {number | string | boolean | null} Cell */
/** @typedef {{title: string, unit: string | null, meaning: string}} Column */
/**
 * As `show_objects` makes it in table.py.
 *
 * @typedef {object} Value
 * @property {string} id
 * @property {Column[]} columns
 * @property {Cell[][]} rows
 * @property {[number, number, number, number][]} boxes
 * @property {string} words
 * @property {import("./histogram.js").Histogram} histogram
 */
/** @typedef {{value: Value | null, viewer: string | null}} Props `viewer`: Flies to objects. */

const ROW = 30;  // height of a row in pixels, as in the style sheet
const SPARE = 8;  // rows above and below those in sight
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

/** @param {import("../parts/component.js").Component<Props>} component */
export function mount({ element, props, trigger, watch }) {
  /** @type {Value | null} */
  let value = null;
  /** @type {number[]} Places of rows, in the order of the table. */
  let order = [];
  let column = 0, descending = false;
  /** @type {number | null} The id of the object that is marked. */
  let chosen = null;

  function sort() {
    order = sorted(value?.rows ?? [], column, descending);
  }

  function drawHead() {
    const cells = (value?.columns ?? []).map(({ title, unit, meaning }, number) => {
      const cell = document.createElement("th");
      const button = document.createElement("button");
      cell.scope = "col";
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
    if (!value || !scroll) return;
    const { rows } = value;
    const inSight = Math.ceil((scroll.clientHeight || 360) / ROW);
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - SPARE);
    const last = Math.min(order.length, first + inSight + 2 * SPARE);
    const shown = order.slice(first, last).map((place) => {
      return newRow(place + 1, rows[place], place + 1 === chosen);
    });
    find(element, "table").setAttribute("aria-rowcount", String(order.length + 1));
    find(element, "tbody").replaceChildren(gap(first), ...shown, gap(order.length - last));
  }

  /**
   * Marks the row of an object and brings it into sight; null marks none.
   *
   * @param {number | null} id
   */
  function highlight(id) {
    chosen = id;
    const scroll = element.querySelector(".scroll");
    const position = id === null ? -1 : order.indexOf(id - 1);
    if (scroll && position >= 0) {
      const top = position * ROW;
      const room = scroll.clientHeight - 2 * ROW;  // the head covers a row
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      else if (top > scroll.scrollTop + room) scroll.scrollTop = top - room;
    }
    drawRows();
  }

  /** @param {number} id */
  function choose(id) {
    highlight(id);
    if (!value) return;
    const [x, y, width, height] = value.boxes[id - 1];
    const detail = { id, box: { x, y, width, height } };
    element.dispatchEvent(new CustomEvent("objects:select", { detail, bubbles: true }));
    if (props.viewer) fly(props.viewer, detail.box);
    trigger("select", detail);
  }

  function empty() {
    value = chosen = null;
    order = [];
    find(element, ".words").textContent = "Objects are listed here.";
    for (const name of [".histogram", "thead tr", "tbody"]) find(element, name).replaceChildren();
  }

  function show() {
    const fresh = props.value;
    const table = element.querySelector(".objects");
    if (!table) return;
    table.classList.toggle("none", !fresh?.rows?.length);
    if (!fresh) return empty();
    if (fresh.id !== value?.id) chosen = null;
    value = fresh;
    if (column >= value.columns.length) column = 0;
    find(element, ".words").textContent = value.words;
    find(element, ".histogram").replaceChildren(draw(value.histogram));
    sort();
    drawHead();
    drawRows();
  }

  element.addEventListener("click", (event) => {
    const row = clicked(event, "tr.row"), button = clicked(event, "th button");
    if (row) choose(Number(row.dataset.id));
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
    if (!step || !order.length || !clicked(event, ".scroll")) return;
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
  new ResizeObserver(drawRows).observe(element);  // a tab that was opened
  watch("value", show);
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
 */
function newRow(id, cells, marked) {
  const row = document.createElement("tr");
  row.className = "row";
  row.dataset.id = String(id);
  if (marked) row.setAttribute("aria-current", "true");
  row.append(...cells.map((content) => {
    const cell = document.createElement("td");
    cell.textContent = cellText(content);
    return cell;
  }));
  return row;
}

/**
 * The room of rows that are out of sight.
 *
 * @param {number} rows
 */
function gap(rows) {
  const row = document.createElement("tr");
  row.setAttribute("aria-hidden", "true");
  row.style.height = `${rows * ROW}px`;
  return row;
}
