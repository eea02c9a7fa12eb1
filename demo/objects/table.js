// The table of objects: sorts, scrolls and marks rows, and tells which one was chosen. Only the
// rows in sight are in the page, so that ten thousand scroll like ten.

const ROW = 30;  // height of a row in pixels, as in the style sheet
const SPARE = 8;  // rows above and below those in sight
// Of the value that is shown: places of its rows in the order of the table, and what is marked.
const table = { value: null, order: [], column: 0, descending: false, chosen: null };

function part(selector) {
  return element.querySelector(selector);
}

function shown(value) {
  if (typeof value === "boolean") return value ? "yes" : "";
  if (typeof value !== "number" || Number.isInteger(value)) return `${value ?? ""}`;
  return `${Number(value.toPrecision(4))}`;
}

function sort() {
  const { value, column, descending } = table;
  const sign = descending ? -1 : 1;
  const key = (place) => value.rows[place][column];
  table.order = value.rows.map((_, place) => place).sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;  // equal ones stay in order of ids
  });
}

function drawHead() {
  const cells = table.value.columns.map((column, number) => {
    const cell = document.createElement("th");
    const button = document.createElement("button");
    cell.scope = "col";
    button.type = "button";
    button.dataset.column = number;
    button.title = column.meaning;
    button.textContent = column.unit ? `${column.title} (${column.unit})` : column.title;
    if (number === table.column) {
      cell.setAttribute("aria-sort", table.descending ? "descending" : "ascending");
    }
    cell.append(button);
    return cell;
  });
  part("thead tr").replaceChildren(...cells);
}

function gap(rows) {
  const row = document.createElement("tr");
  row.setAttribute("aria-hidden", "true");
  row.style.height = `${rows * ROW}px`;
  return row;
}

function drawRows() {
  const { value, order, chosen } = table;
  const scroll = part(".scroll");
  if (!value || !scroll) return;
  const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - SPARE);
  const last = Math.min(order.length, first + Math.ceil((scroll.clientHeight || 360) / ROW) + 2 * SPARE);
  const rows = order.slice(first, last).map((place) => {
    const row = document.createElement("tr");
    row.className = "row";
    row.dataset.id = place + 1;
    if (place + 1 === chosen) row.setAttribute("aria-current", "true");
    row.append(...value.rows[place].map((content) => {
      const cell = document.createElement("td");
      cell.textContent = shown(content);
      return cell;
    }));
    return row;
  });
  part("table").setAttribute("aria-rowcount", order.length + 1);
  part("tbody").replaceChildren(gap(first), ...rows, gap(order.length - last));
}

// Marks the row of an object and brings it into sight; null marks none.
function highlight(id) {
  table.chosen = id;
  const scroll = part(".scroll");
  const position = table.order.indexOf(id - 1);
  if (scroll && position >= 0) {
    const top = position * ROW;
    const room = scroll.clientHeight - 2 * ROW;  // the head covers a row
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top > scroll.scrollTop + room) scroll.scrollTop = top - room;
  }
  drawRows();
}

function choose(id) {
  highlight(id);
  const [x, y, width, height] = table.value.boxes[id - 1];
  const detail = { id, box: { x, y, width, height } };
  element.dispatchEvent(new CustomEvent("objects:select", { detail, bubbles: true }));
  trigger("select", detail);
}

function empty() {
  Object.assign(table, { value: null, order: [], chosen: null });
  part(".words").textContent = "Objects are listed here.";
  for (const name of [".histogram", "thead tr", "tbody"]) part(name).replaceChildren();
}

function show() {
  const value = props.value;
  if (!part(".objects")) return;
  part(".objects").classList.toggle("none", !value?.rows?.length);
  if (!value) return empty();
  if (value.id !== table.value?.id) table.chosen = null;
  table.value = value;
  if (table.column >= value.columns.length) table.column = 0;
  part(".words").textContent = value.words;
  part(".histogram").innerHTML = value.histogram;  // ours: numbers and units
  sort();
  drawHead();
  drawRows();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  const row = event.target.closest("tr.row");
  if (row) choose(Number(row.dataset.id));
  if (!button) return;
  const column = Number(button.dataset.column);
  table.descending = column === table.column && !table.descending;
  table.column = column;
  sort();
  drawHead();
  drawRows();
  part(`th button[data-column="${column}"]`).focus();
});
element.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
  if (!step || !table.order.length || !event.target.closest(".scroll")) return;
  event.preventDefault();
  event.stopPropagation();  // the page's own keys pan the picture
  const position = table.chosen === null ? -1 : table.order.indexOf(table.chosen - 1);
  const next = position < 0 ? 0 : position + step;
  choose(table.order[Math.min(Math.max(next, 0), table.order.length - 1)] + 1);
});
// Neither of these bubbles, and the parts may be drawn anew at any time: hence on the way down.
element.addEventListener("scroll", () => requestAnimationFrame(drawRows), true);
element.addEventListener("objects:highlight", (event) => highlight(event.detail), true);
new ResizeObserver(drawRows).observe(element);  // a tab that was opened
watch("value", show);
show();
