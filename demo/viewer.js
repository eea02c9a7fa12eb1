// Draws the image with its classes painted over. Opacity and threshold arrive as events on the
// component's element ("viewer:opacity", "viewer:threshold"); nothing here asks the server.

const state = { image: null, classes: null, alpha: 0.5, level: 50, value: null, serial: 0 };

async function pixels(url) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

function draw() {
  const canvas = element.querySelector("canvas");
  if (!canvas || !state.image) return;
  const { width, height, data: source } = state.image;
  const target = new ImageData(width, height);
  const out = target.data;
  const { value } = state;
  const counts = new Array(value.names ? value.names.length : 0).fill(0);

  if (!state.classes) {
    out.set(source);
  } else {
    const colors = value.colors.map(rgb);
    const paint = state.alpha, keep = 1 - paint;
    const classes = state.classes.data;
    const twoClasses = value.threshold !== null;
    for (let i = 0; i < out.length; i += 4) {
      const id = twoClasses ? (classes[i] > state.level ? 1 : 0) : classes[i];
      const color = colors[id];
      counts[id] += 1;
      out[i] = keep * source[i] + paint * color[0];
      out[i + 1] = keep * source[i + 1] + paint * color[1];
      out[i + 2] = keep * source[i + 2] + paint * color[2];
      out[i + 3] = 255;
    }
  }
  canvas.width = width;
  canvas.height = height;
  canvas.style.aspectRatio = `${width} / ${height}`;
  canvas.style.imageRendering = canvas.clientWidth > 2 * width ? "pixelated" : "auto";
  canvas.getContext("2d").putImageData(target, 0, 0);
  canvas.setAttribute("aria-label", value.alt);
  canvas.classList.add("drawn");
  canvas.dataset.serial = state.serial;  // lets a test wait for this very drawing
  legend(counts, (width * height) || 1);
}

function legend(counts, total) {
  const list = element.querySelector(".legend");
  list.replaceChildren();
  counts.forEach((count, id) => {
    const entry = document.createElement("span");
    const swatch = document.createElement("i");
    swatch.style.background = state.value.colors[id];
    const share = document.createElement("b");
    share.textContent = `${(100 * count / total).toFixed(1)} %`;
    entry.append(swatch, state.value.names[id], share);
    list.append(entry);
  });
}

async function show() {
  const value = props.value;
  if (!value || !value.image) return;
  const serial = ++state.serial;
  const [image, classes] = await Promise.all([
    pixels(value.image),
    value.classes ? pixels(value.classes) : null,
  ]);
  if (serial !== state.serial) return;  // a newer result came while this one was decoded
  Object.assign(state, { image, classes, value });
  if (value.alpha !== undefined) state.alpha = value.alpha;
  if (value.threshold !== null && value.threshold !== undefined) {
    state.level = Math.round(value.threshold * value.steps);
  }
  draw();
}

const root = document.getElementById("viewer") || element;
root.addEventListener("viewer:opacity", (event) => { state.alpha = event.detail; draw(); });
root.addEventListener("viewer:threshold", (event) => {
  state.level = Math.round(event.detail * (state.value?.steps || 100));
  draw();
});
watch("value", show);
show();
