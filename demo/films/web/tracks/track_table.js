// The table of tracks: sorts, marks the chosen one, and tells which one was chosen. Only the rows in
// sight are in the page.

import { clicked, find } from "../../../parts/component.js";
import { bringRowIntoSight, gapOf, rowsInSight } from "../../../parts/rows_in_sight.js";
import { digits } from "./curves.js";

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {import("./tracks.js").Tracks} Tracks */
/** @typedef {{title: string, of: (track: Track) => number}} Column */

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity,
  End: Infinity };

/**
 * Frames count from 1, as the slider has it.
 *
 * @param {string} areaUnit
 * @returns {Column[]}
 */
export function columnsOf(areaUnit) {
  return [
    { title: "track", of: ({ id }) => id },
    { title: "parent", of: ({ parent }) => parent },
    { title: "first frame", of: ({ first }) => first + 1 },
    { title: "last frame", of: ({ last }) => last + 1 },
    { title: "frames", of: ({ objects }) => objects.length },
    { title: `mean area (${areaUnit})`, of: ({ objects }) => objects.length
      && objects.reduce((sum, { area }) => sum + area, 0) / objects.length },
    { title: "daughters", of: ({ daughters }) => daughters.length },
  ];
}

/**
 * Tracks in the order of a column; equal ones in that of their numbers.
 *
 * @param {Track[]} tracks
 * @param {Column} column
 * @param {boolean} descending
 */
export function sorted(tracks, column, descending) {
  const keyed = tracks.map((track) => ({ track, key: column.of(track) }));
  const sign = descending ? -1 : 1;
  keyed.sort((a, b) => sign * (a.key - b.key) || a.track.id - b.track.id);
  return keyed.map(({ track }) => track);
}

export class TrackTable {
  /**
   * @param {HTMLElement} root
   * @param {(track: Track) => void} choose
   */
  constructor(root, choose) {
    this.root = find(root, ".list");
    this.scroll = find(this.root, ".scroll");
    this.table = find(this.root, "table");
    this.choose = choose;
    /** @type {Tracks | null} */
    this.tracks = null;
    /** @type {Track[]} */
    this.rows = [];
    this.column = 0;
    this.descending = false;
    this.chosen = 0;
    this.root.addEventListener("click", (event) => this.click(event));
    this.table.addEventListener("keydown", (event) => this.press(event));
    this.scroll.addEventListener("scroll", () => requestAnimationFrame(() => this.drawRows()));
    new ResizeObserver(() => this.drawRows()).observe(this.scroll);  // a tab that was opened
  }

  /** @param {Tracks | null} tracks */
  show(tracks) {
    this.tracks = tracks;
    this.root.hidden = !tracks?.all.size;
    if (!tracks) return;
    const columns = columnsOf(tracks.areaUnit);
    this.rows = sorted([...tracks.all.values()], columns[this.column], this.descending);
    find(this.root, "thead tr").replaceChildren(...columns.map((one, place) => {
      const cell = document.createElement("th"), button = document.createElement("button");
      cell.scope = "col";
      button.type = "button";
      button.dataset.column = String(place);
      button.textContent = one.title;
      if (place === this.column) cell.ariaSort = this.descending ? "descending" : "ascending";
      cell.append(button);
      return cell;
    }));
    this.table.ariaRowCount = String(this.rows.length + 1);
    this.bringChosenIntoSight();
    this.drawRows();
  }

  /** Those in sight. */
  drawRows() {
    if (!this.tracks) return;
    const { scroll, table, rows, chosen } = this, height = this.rowHeight();
    const [first, end] = rowsInSight(scroll, rows.length, height);
    const columns = columnsOf(this.tracks.areaUnit);
    const shown = rows.slice(first, end).map((track, place) =>
      newRow(track, columns, track.id === chosen, first + place + 2));
    const marked = shown.find((row) => row.ariaSelected === "true");
    if (marked) table.setAttribute("aria-activedescendant", marked.id);
    else table.removeAttribute("aria-activedescendant");
    find(table, "tbody").replaceChildren(
      gapOf(first, height), ...shown, gapOf(rows.length - end, height));
  }

  /** As the style says: fingers want higher rows. */
  rowHeight() {
    return parseFloat(getComputedStyle(this.scroll).getPropertyValue("--row")) || 30;
  }

  bringChosenIntoSight() {
    const position = this.rows.findIndex(({ id }) => id === this.chosen);
    if (position >= 0) bringRowIntoSight(this.scroll, position, this.rowHeight());
  }

  /** @param {number} id Of the chosen track; 0: none. */
  mark(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.bringChosenIntoSight();
    this.drawRows();
  }

  /** @param {Event} event */
  click(event) {
    const id = clicked(event, "tr.row")?.dataset.id;
    const column = clicked(event, "th button")?.dataset.column;
    const track = id && this.tracks?.all.get(Number(id));
    if (track) this.choose(track);
    if (!column) return;
    this.descending = Number(column) === this.column && !this.descending;
    this.column = Number(column);
    this.show(this.tracks);
    find(this.root, `th button[data-column="${column}"]`).focus();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const step = STEPS[event.key];
    if (!step || !this.rows.length || !(event.target instanceof HTMLTableElement)) return;
    event.preventDefault();
    event.stopPropagation();  // the player's own keys go from frame to frame
    const position = this.rows.findIndex(({ id }) => id === this.chosen);
    const next = position < 0 ? 0 : position + step;
    this.choose(this.rows[Math.min(Math.max(next, 0), this.rows.length - 1)]);
  }
}

/**
 * @param {Track} track
 * @param {Column[]} columns
 * @param {boolean} marked
 * @param {number} place In the table, from 1; the head is the first.
 */
function newRow(track, columns, marked, place) {
  const row = document.createElement("tr");
  row.className = "row";
  row.id = `track_row_${track.id}`;
  row.dataset.id = String(track.id);
  row.ariaSelected = String(marked);
  row.ariaRowIndex = String(place);
  row.append(...columns.map(({ title, of }) => {
    const cell = document.createElement("td"), number = of(track);
    const isNone = number === 0 && (title === "parent" || title === "daughters");
    cell.textContent = isNone ? "" : digits(number);
    return cell;
  }));
  return row;
}
