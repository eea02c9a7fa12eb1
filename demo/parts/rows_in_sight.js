// Which rows of a long table are in the page: those in sight and a few more, so that ten thousand
// scroll like ten.

const SPARE = 8;  // rows above and below those in sight

/**
 * @param {Element} scroll What the table scrolls in.
 * @param {number} rows In all.
 * @param {number} height Of each, in pixels.
 * @returns {[first: number, end: number]}
 */
export function rowsInSight(scroll, rows, height) {
  const inSight = Math.ceil((scroll.clientHeight || 360) / height);
  const first = Math.max(0, Math.floor(scroll.scrollTop / height) - SPARE);
  return [Math.min(first, rows), Math.min(rows, first + inSight + 2 * SPARE)];
}

/**
 * Scrolls the table, and not the page, until a row is in sight.
 *
 * @param {Element} scroll
 * @param {number} position Of the row, from 0.
 * @param {number} height
 */
export function bringRowIntoSight(scroll, position, height) {
  const top = position * height, room = scroll.clientHeight - 2 * height;  // the head covers a row
  if (top < scroll.scrollTop) scroll.scrollTop = top;
  else if (top > scroll.scrollTop + room) scroll.scrollTop = top - room;
}

/**
 * The room of rows that are out of sight.
 *
 * @param {number} rows
 * @param {number} height
 */
export function gapOf(rows, height) {
  const row = document.createElement("tr");
  row.setAttribute("aria-hidden", "true");
  row.style.height = `${rows * height}px`;
  return row;
}
