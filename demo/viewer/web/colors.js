// Tables from a value to a colour. A colour is one 32-bit number, as a canvas keeps it:
// 0xAABBGGRR. In a table of paint, 0 stands for "nothing is painted here".

const { maps: MAPS, heat: HEAT } = props;  // see color_maps.py

function packed(hex) {
  const rgb = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

// share: 0 to 1.
function colorOf(map, share) {
  const stops = MAPS[map];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const from = packed(stops[left]), to = packed(stops[left + 1]);
  let color = 0xff;
  for (const shift of [16, 8, 0]) {
    const start = (from >>> shift) & 255, end = (to >>> shift) & 255;
    color = color * 256 + Math.round(start + (place - left) * (end - start));
  }
  return color;
}

function shadesOf(map) {
  return Array.from({ length: 256 }, (_, shade) => colorOf(map, shade / 255));
}

// Contrast and colour map as one table: index of a pixel -> its colour. Pictures in colour have
// one for each channel, which is then a number from 0 to 255.
function imageTable(picture, look) {
  const colored = picture.channels === 3;
  const table = new Int32Array(picture.size);
  const shades = shadesOf(look.colormap);
  const [low, high] = look.window;
  for (let i = 0; i < table.length; i++) {
    const share = (picture.origin + i * picture.unit - low) / ((high - low) || 1);
    const shade = Math.floor(Math.min(Math.max(share, 0), 1) * 255 + 1e-6);
    table[i] = colored ? shade : shades[shade];
  }
  return table;
}

// What is painted for each value of the plane in view, and which class the value is (255: none).
function paintTables(scene, look) {
  const { value } = scene;
  const name = planeName(scene, look.view);
  const size = scene.planes[name] instanceof Uint8Array ? 256 : 65536;
  const paint = new Int32Array(size), classes = new Uint8Array(size).fill(255);
  const heat = look.view === "classes" ? null : shadesOf(HEAT[look.view]);
  for (let i = 0; i < size; i++) {
    if (heat) {
      paint[i] = heat[Math.round(255 * shareOf(scene, look.view, i))];
      continue;
    }
    const id = classOf(scene, look, i);
    if (id < value.names.length) {
      classes[i] = id;
      paint[i] = look.hidden.has(id) ? 0 : packed(value.colors[id]);
    }
  }
  return { name, paint, classes };
}

function planeName({ planes }, view) {
  if (planes.codes) return "codes";
  return view === "uncertainty" ? "entropy" : view;
}

// Two classes: exactly where Python's comparison with the threshold puts a pixel.
function classOf({ value, planes }, look, code) {
  return planes.codes ? (code >= (look.level + 1) * value.fine ? 1 : 0) : code;
}

// Probability of class 1 from its code, see `probability_codes` in payload.py.
function probabilityOf({ value }, code) {
  return code < value.fine ? 0
    : Math.min(1, (code - value.fine + 0.5) / (value.fine * value.steps));
}

// 0 to 1: how far up the colour map a value stands.
function shareOf(scene, view, code) {
  if (!scene.planes.codes) return code / (view === "probability" ? 65535 : 255);
  const p = probabilityOf(scene, code);
  if (view === "probability") return p;
  const term = (q) => (q > 0 ? -q * Math.log2(q) : 0);
  return term(p) + term(1 - p);
}
