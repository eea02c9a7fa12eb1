// Page, channel and axes. A native `change` is what a visitor has settled on: a slider let go, a
// key pressed, Enter in the field. While a slider is dragged only its number follows.

const page = element.querySelector(".page"), channel = element.querySelector(".channel");
const axes = element.querySelector(".axes");
const EVERY = -1;  // the channel slider's first place: all channels

function show() {
  const value = props.value;
  if (!value) return;
  fill(page, value.pages - 1, value.page);
  fill(channel, value.channels - 1, value.channel ?? EVERY);
  page.hidden = value.pages < 2;
  channel.hidden = value.channels < 2;
  // Axes of a plain picture are no question, unless it was asked.
  axes.hidden = ["YX", "YXS"].includes(value.own_axes);
  axes.querySelector("input").value = value.axes;
  element.querySelector(".ask").hidden = Boolean(value.size);
}

function fill(slider, last, value) {
  Object.assign(slider.querySelector("input"), { max: last, value });
  label(slider);
}

function label(slider) {
  const input = slider.querySelector("input"), number = Number(input.value);
  const text = number === EVERY ? "all" : `${number}`;
  slider.querySelector("output").textContent = `${text} (0 to ${input.max})`;
  input.setAttribute("aria-valuetext", text);
  const [back, on] = slider.querySelectorAll("button");
  back.disabled = number <= Number(input.min);
  on.disabled = number >= Number(input.max);
}

// Other axes make other pages and channels: one begins with the first and with all.
function settle({ target }) {
  const value = { ...props.value };
  if (axes.contains(target)) {
    Object.assign(value, { axes: target.value.trim().toUpperCase(), page: 0, channel: null });
  } else {
    const [first, second] = [page, channel].map(
      (slider) => Number(slider.querySelector("input").value));
    Object.assign(value, { page: first, channel: second === EVERY ? null : second });
  }
  if (JSON.stringify(value) === JSON.stringify(props.value)) return;
  props.value = value;
  trigger("input");
}

element.addEventListener("change", settle);
for (const slider of [page, channel]) {
  const input = slider.querySelector("input");
  input.addEventListener("input", () => label(slider));
  for (const button of slider.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      input.value = Number(input.value) + Number(button.dataset.step);
      label(slider);
      settle({ target: input });
    });
  }
}
watch("value", show);
show();
