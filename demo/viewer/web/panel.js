// What stands around the picture: legend, sliders, read-out, scale bar. Each `show...` function
// brings its part of the page in line with the scene and how it is looked at.

const UNITS = { "Å": 1e-4, nm: 1e-3, "µm": 1, mm: 1e3 };  // in micrometres

function showPanel(root, scene, look) {
  const find = (selector) => root.querySelector(selector);
  const painted = Boolean(look.paint);
  find(".panel").hidden = find(".bar").hidden = false;
  for (const part of root.querySelectorAll(".painted")) part.hidden = !painted;
  find(".map").hidden = scene.picture.channels === 3;
  if (painted) {
    find(".views").hidden = !(scene.planes.codes || scene.planes.probability);
    const cut = find(".cut");
    cut.hidden = scene.value.threshold === null;
    cut.firstChild.data = `Threshold on P(${scene.value.names[1]}) `;
    for (const button of root.querySelectorAll("[data-view]")) {
      button.ariaPressed = String(button.dataset.view === look.view);
    }
    for (const button of root.querySelectorAll("[data-toggle]")) {
      const on = button.dataset.toggle === "outline" ? look.outline : look.split !== null;
      button.ariaPressed = String(on);
    }
    find("[data-toggle=outline]").disabled = look.view !== "classes";
    slide(find(".opacity"), look.alpha, `${Math.round(100 * look.alpha)} %`);
    slide(find(".threshold"), look.level / (scene.value.steps || 100),
      (look.level / (scene.value.steps || 100)).toFixed(2));
  }
  const { origin, unit, lowest, highest } = scene.picture;
  for (const [name, number] of [[".low", look.window[0]], [".high", look.window[1]]]) {
    const input = find(name);
    Object.assign(input, { min: origin + lowest * unit, max: origin + highest * unit, step: unit });
    slide(input, number, tidy(number));
  }
  showLegend(root, scene, look);
  showRamp(root, scene, look);
}

function slide(input, number, text) {
  input.value = number;
  input.parentElement.querySelector("output").value = text;
}

function tidy(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(3)));
}

function showLegend(root, scene, look) {
  const list = root.querySelector(".legend");
  list.hidden = !look.paint || look.view !== "classes";
  if (!look.paint) return;
  const { names, colors } = scene.value;
  const counts = countsOf(scene, look);
  const total = scene.value.width * scene.value.height;
  if (list.dataset.of !== scene.value.id) {
    list.dataset.of = scene.value.id;
    list.replaceChildren(...names.map((name, id) => chip(name, colors[id], id)));
  }
  for (const button of list.children) {
    const id = Number(button.dataset.id);
    button.ariaPressed = String(!look.hidden.has(id));
    button.querySelector("b").textContent = `${(100 * counts[id] / total).toFixed(1)} %`;
    button.hidden = names.length > 12 && counts[id] === 0;  // of 150 classes those that occur
  }
}

function chip(name, color, id) {
  const button = document.createElement("button");
  const swatch = document.createElement("i"), label = document.createElement("span");
  button.type = "button";
  button.dataset.id = id;
  button.title = id < 9 ? `Show or hide: ${id + 1}` : "Show or hide";
  swatch.style.background = color;
  label.textContent = name;
  button.append(swatch, label, document.createElement("b"));
  return button;
}

// Pixels of each class at the threshold in view.
function countsOf(scene, look) {
  const counts = new Array(scene.value.names.length).fill(0);
  scene.counts.forEach((count, code) => {
    const id = classOf(scene, look, code);
    if (count && id < counts.length) counts[id] += count;
  });
  return counts;
}

// The colours of a view that paints numbers.
function showRamp(root, scene, look) {
  const ramp = root.querySelector(".ramp");
  ramp.hidden = !look.paint || look.view === "classes";
  if (ramp.hidden) return;
  const [left, bar, right] = ramp.children;
  const name = scene.planes.codes ? `P(${scene.value.names[1]})` : "P of the class";
  [left.textContent, right.textContent] = look.view === "probability"
    ? [`${name} = 0`, "1"] : ["sure", "undecided"];
  bar.style.background = `linear-gradient(90deg, ${MAPS[HEAT[look.view]].join(", ")})`;
}

// One line about one pixel: everything that is known of it.
function showReadout(root, scene, look, pixel) {
  root.querySelector(".readout").textContent =
    (pixel ? partsOf(scene, look, pixel) : partsOfAll(scene)).join(" · ");
}

function partsOfAll({ value: { width, height, dtype }, tiles }) {
  const parts = [`${width} × ${height} px`, dtype];
  return tiles?.anyLost ? [...parts, "detail not available"] : parts;
}

function partsOf(scene, look, { x, y }) {
  const { value: { names, dtype }, tiles } = scene;
  const place = `x ${x}  y ${y}`, at = exactAt(scene, { x, y });
  if (!at) {
    const { side } = tiles;
    return tiles.lost(Math.floor(x / side), Math.floor(y / side))
      ? [place, "detail not available"] : [place, `… ${dtype}`, ...(look.paint ? ["…"] : [])];
  }
  const { planes: { codes, probability, entropy }, index } = at;
  const parts = [place, `${rawAt(scene, at)} ${dtype}`];
  if (!look.paint) return parts;
  parts.push(names[classAt(scene, look, at)] ?? "no class");
  if (codes) parts.push(`P(${names[1]}) ${probabilityOf(scene, codes[index]).toFixed(5)}`);
  if (probability) parts.push(`P ${(probability[index] / 65535).toFixed(5)}`);
  if (look.view === "uncertainty") {
    parts.push(`entropy ${shareOf(scene, "uncertainty", (codes || entropy)[index]).toFixed(2)}`);
  }
  return parts;
}

// `at`: see `exactAt`.
function classAt(scene, look, { planes, index }) {
  return classOf(scene, look, (planes.codes || planes.classes)[index]);
}

// The file's own value; of colour images one for each channel.
function rawAt({ value: { channels } }, { planes, index }) {
  return Array.from(planes.image.subarray(index * channels, (index + 1) * channels), shortest)
    .join(", ");
}

// As few digits as tell this number from its float32 neighbours.
function shortest(number) {
  if (typeof number === "bigint" || Math.fround(number) !== number) return String(number);
  for (let digits = 6; digits < 9; digits++) {
    const text = Number(number.toPrecision(digits));
    if (Math.fround(text) === number) return String(text);
  }
  return String(number);
}

// The two fields a visitor may fill, as a file or somebody's code has filled them.
function showPixelSize(root, pixelSize) {
  const field = root.querySelector(".size"), units = root.querySelector(".unit");
  const [side, name] = pixelSize || ["", units.value];
  if (![...units.options].some((option) => option.value === name)) units.add(new Option(name));
  field.value = side;
  units.value = name;
}

// A bar of 1, 2 or 5 times a power of ten, a quarter of the stage at most.
function showScale(root, pixelSize, camera, stage) {
  const bar = root.querySelector(".scale");
  bar.hidden = !pixelSize;
  if (!pixelSize) return;
  const [side, unit] = pixelSize;
  const room = (stage.width / 4) * side / camera.zoom;
  const power = 10 ** Math.floor(Math.log10(room));
  const length = [5, 2, 1].map((digit) => digit * power).find((candidate) => candidate <= room);
  bar.querySelector("i").style.width = `${length / side * camera.zoom}px`;
  bar.querySelector("span").textContent = withUnit(length, unit);
}

// 2000 nm -> 2 µm, 0.5 µm -> 500 nm: the unit that needs the fewest digits.
function withUnit(length, unit) {
  if (!(unit in UNITS)) return `${tidy(length)} ${unit}`;
  const micrometers = length * UNITS[unit];
  const fitting = ["nm", "µm", "mm"].filter((name) => micrometers / UNITS[name] >= 0.999).pop();
  const name = fitting ?? unit;
  return `${Number((micrometers / UNITS[name]).toPrecision(6))} ${name}`;
}
