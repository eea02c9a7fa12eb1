// Draws what is visible, at the resolution of the screen: an image of 4096 x 4096 pixels costs
// as much as one of 512 x 512. Plain arrays rather than WebGL: whole numbers make the drawing
// exact, and it is the same in every browser, with several viewers, and without a graphics card.

const BACKGROUND = 0xff1c1714;  // #14171c

// Which columns (or rows) of the image are drawn where: those outside are not in the list.
function visible(count, start, scale, length) {
  const first = Math.max(0, Math.ceil(start - 0.5));
  const columns = [];
  for (let i = first; i < count; i++) {
    const column = columnAt(i, start, scale);
    if (column >= length) break;
    if (column >= 0) columns.push(column);
  }
  let offset = first;
  while (offset < count && columnAt(offset, start, scale) < 0) offset++;
  return { offset, columns: Int32Array.from(columns) };
}

// frame: { pixels, bare: Int32Array, width, height } in device pixels; `bare` keeps the picture
// alone, for the next drawing from the same place.
function drawFrame(frame, scene, look, camera, stage) {
  const at = projection(camera, stage);
  const { value, picture } = scene;
  const across = visible(frame.width, at.left, at.scale, value.width);
  const down = visible(frame.height, at.top, at.scale, value.height);
  const place = `${at.left} ${at.top} ${at.scale} ${value.id}`;
  if (frame.table === look.imageTable && frame.place === place) frame.pixels.set(frame.bare);
  else {
    drawPicture(frame, picture, look.imageTable, across, down, at.scale * value.step, value.step);
    frame.bare.set(frame.pixels);
    Object.assign(frame, { table: look.imageTable, place });
  }
  if (!look.paint) return;
  const clear = look.split === null ? 0 : Math.round(look.split * frame.width);
  const part = { frame, look, across, down, clear, step: value.step, width: picture.width };
  if (look.outline && look.view === "classes") drawOutlines(part, stage.ratio);
  else drawFilled(part);
}

function drawPicture(frame, picture, table, across, down, scale, step) {
  const { pixels, width } = frame;
  // The coarsest picture that still has a pixel for each of the screen's.
  const depth = Math.min(Math.max(Math.floor(Math.log2(1 / scale)), 0), picture.levels.length - 1);
  const level = picture.levels[depth];
  const shrink = step * 2 ** depth;
  const columns = across.columns.map((x) => Math.floor(x / shrink));
  const { values } = level, count = columns.length;
  pixels.fill(BACKGROUND);
  down.columns.forEach((y, j) => {
    const row = Math.floor(y / shrink) * level.width;
    let target = (down.offset + j) * width + across.offset;
    if (picture.channels === 1) {
      for (let i = 0; i < count; i++) pixels[target++] = table[values[row + columns[i]]];
      return;
    }
    for (let i = 0; i < count; i++) {
      const source = 3 * (row + columns[i]);
      pixels[target++] = 0xff000000 | (table[values[source + 2]] << 16)
        | (table[values[source + 1]] << 8) | table[values[source]];
    }
  });
}

function drawFilled({ frame, look, across, down, clear, step, width }) {
  const { plane, paint } = look.paint;
  const weight = look.view === "classes" ? look.alpha : Math.min(1, 2 * look.alpha);
  const parts = Math.round(256 * weight), keep = 256 - parts;
  const columns = across.columns.map((x) => Math.floor(x / step));
  const begin = Math.max(0, clear - across.offset);
  const { pixels } = frame;
  down.columns.forEach((y, j) => {
    const row = Math.floor(y / step) * width;
    let target = (down.offset + j) * frame.width + across.offset + begin;
    for (let i = begin; i < columns.length; i++, target++) {
      const color = paint[plane[row + columns[i]]];
      if (color === 0) continue;
      const bare = pixels[target];  // red and blue are mixed in one go, green in another
      const mixed = Math.imul(bare & 0xff00ff, keep) + Math.imul(color & 0xff00ff, parts);
      const green = Math.imul(bare & 0xff00, keep) + Math.imul(color & 0xff00, parts);
      pixels[target] = 0xff000000 | (((mixed + 0x800080) >>> 8) & 0xff00ff)
        | (((green + 0x8000) >>> 8) & 0xff00);
    }
  });
}

// A class is painted where another begins, as thick at every zoom. One line between two classes:
// that of the higher id, or of the one that is not hidden.
function drawOutlines({ frame, look, across, down, clear, step, width }, ratio) {
  const { plane, paint, classes } = look.paint;
  const columns = across.columns.map((x) => Math.floor(x / step));
  const count = columns.length, thick = Math.max(1, Math.round(2 * ratio));
  const ids = new Uint8Array(count * down.columns.length);
  const colors = new Int32Array(256);
  down.columns.forEach((y, j) => {
    const row = Math.floor(y / step) * width;
    for (let i = 0, target = j * count; i < count; i++, target++) {
      const code = plane[row + columns[i]];
      ids[target] = classes[code];
      colors[classes[code]] = paint[code];
    }
  });
  const yields = (other, id) => other < id || (other !== id && colors[other] === 0);
  const last = down.columns.length - 1;
  for (let j = 0; j <= last; j++) {
    const above = Math.max(j - thick, 0) * count, below = Math.min(j + thick, last) * count;
    for (let i = Math.max(0, clear - across.offset); i < count; i++) {
      const id = ids[j * count + i];
      if (colors[id] === 0) continue;
      const edge = yields(ids[j * count + Math.max(i - thick, 0)], id)
        || yields(ids[j * count + Math.min(i + thick, count - 1)], id)
        || yields(ids[above + i], id) || yields(ids[below + i], id);
      if (edge) frame.pixels[(down.offset + j) * frame.width + across.offset + i] = colors[id];
    }
  }
}
