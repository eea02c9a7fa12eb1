// Page, channel and axes. A native `change` is what a visitor has settled on: a slider let go, a
// key pressed, Enter in the field. While a slider is dragged only its number follows.

import { find } from "../parts/component.js";

/**
 * As `show_place` makes it in page_and_channel.py.
 *
 * @typedef {object} Place
 * @property {number} page
 * @property {number} pages
 * @property {number | null} channel
 * @property {number} channels
 * @property {string} axes
 * @property {string} own_axes
 * @property {[number, number] | null} size
 */

const EVERY = -1;  // the channel slider's first place: all channels

/** @param {import("../parts/component.js").Component<{value: Place | null}>} component */
export function mount({ element, props, trigger, watch }) {
  const page = find(element, ".page"), channel = find(element, ".channel");
  const axes = find(element, ".axes"), letters = find(axes, "input", HTMLInputElement);

  function show() {
    const { value } = props;
    if (!value) return;
    fill(page, value.pages - 1, value.page);
    fill(channel, value.channels - 1, value.channel ?? EVERY);
    page.hidden = value.pages < 2;
    channel.hidden = value.channels < 2;
    // Axes of a plain picture are no question, unless it was asked.
    axes.hidden = ["YX", "YXS"].includes(value.own_axes);
    letters.value = value.axes;
    find(element, ".ask").hidden = Boolean(value.size);
  }

  /**
   * Other axes make other pages and channels: one begins with the first and with all.
   *
   * @param {EventTarget | null} target
   */
  function settle(target) {
    if (!props.value) return;
    const value = { ...props.value };
    if (target === letters) {
      Object.assign(value, { axes: letters.value.trim().toUpperCase(), page: 0, channel: null });
    } else {
      const chosen = placeOf(channel);
      Object.assign(value, { page: placeOf(page), channel: chosen === EVERY ? null : chosen });
    }
    if (JSON.stringify(value) === JSON.stringify(props.value)) return;
    props.value = value;
    trigger("input");
  }

  element.addEventListener("change", ({ target }) => settle(target));
  for (const slider of [page, channel]) {
    const input = find(slider, "input", HTMLInputElement);
    input.addEventListener("input", () => label(slider));
    for (const button of slider.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        input.value = String(Number(input.value) + Number(button.dataset.step));
        label(slider);
        settle(input);
      });
    }
  }
  watch("value", show);
  show();
}

/** @param {HTMLElement} slider */
function placeOf(slider) {
  return Number(find(slider, "input", HTMLInputElement).value);
}

/**
 * @param {HTMLElement} slider
 * @param {number} last
 * @param {number} place
 */
function fill(slider, last, place) {
  Object.assign(find(slider, "input", HTMLInputElement), { max: last, value: place });
  label(slider);
}

/** @param {HTMLElement} slider */
function label(slider) {
  const input = find(slider, "input", HTMLInputElement), number = Number(input.value);
  const text = number === EVERY ? "all" : `${number}`;
  find(slider, "output", HTMLOutputElement).textContent = `${text} (0 to ${input.max})`;
  input.setAttribute("aria-valuetext", text);
  const [back, on] = slider.querySelectorAll("button");
  back.disabled = number <= Number(input.min);
  on.disabled = number >= Number(input.max);
}
