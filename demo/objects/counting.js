// The fields that say how objects are counted. A slider that is dragged tells Python at each place,
// by `input`; what a visitor has settled on (a slider let go, a field left) goes by `submit`.

import { find } from "../parts/component.js";

/**
 * As `show_counting` makes it in counting.py.
 *
 * @typedef {object} Value
 * @property {string} method
 * @property {[string, string][]} methods In words and by name, those that the checkpoint offers.
 * @property {number | null} seed Null where the method has none.
 * @property {string} min_size As it was typed.
 * @property {boolean} exclude_border
 */

/** @param {import("../parts/component.js").Component<{value: Value | null}>} component */
export function mount({ element, props, trigger, watch }) {
  const methods = find(element, ".methods"), seed = find(element, "#seed", HTMLInputElement);
  const least = find(element, "#min_size", HTMLInputElement);
  const size = find(element, ".size", HTMLInputElement);
  const border = find(element, ".border input", HTMLInputElement);

  function show() {
    const { value } = props;
    if (!value) return;
    if (methods.dataset.offered !== JSON.stringify(value.methods)) {
      methods.dataset.offered = JSON.stringify(value.methods);
      methods.replaceChildren(...value.methods.map(newMethod));
    }
    for (const radio of methods.querySelectorAll("input")) radio.checked = radio.value === value.method;
    find(element, ".seed").hidden = value.seed === null;
    if (value.seed !== null) seed.value = String(value.seed);
    least.value = value.min_size;
    size.value = String(placeOf(Number(value.min_size)));
    border.checked = value.exclude_border;
    label();
  }

  function label() {
    find(element, ".seed output", HTMLOutputElement).value = Number(seed.value).toFixed(2);
    size.setAttribute("aria-valuetext", `${least.value} pixels`);
  }

  /** @param {EventTarget | null} target That was changed. */
  function take(target) {
    if (!props.value) return;
    if (target === size) least.value = String(sizeAt(Number(size.value)));
    label();
    const chosen = methods.querySelector("input:checked");
    props.value = {
      ...props.value,
      method: chosen instanceof HTMLInputElement ? chosen.value : props.value.method,
      seed: props.value.seed === null ? null : Number(seed.value),
      min_size: least.value.trim(),
      exclude_border: border.checked,
    };
  }

  element.addEventListener("input", ({ target }) => {
    if (target !== seed && target !== size) return;
    take(target);
    trigger("input");
  });
  element.addEventListener("change", ({ target }) => {
    if (target !== size) take(target);  // it was told of its last place already
    trigger("submit");
  });
  watch("value", show);
  show();
}

/** @param {[string, string]} method In words and by name. */
function newMethod([words, name]) {
  const label = document.createElement("label"), radio = document.createElement("input");
  Object.assign(radio, { type: "radio", name: "method", value: name });
  label.append(radio, words);
  return label;
}

const PLACES = 25;  // of the slider from one power of ten to the next

/**
 * The size in pixels at a place of the slider: 0, then 1 to 10,000 in two digits.
 *
 * @param {number} place 0 to 100.
 */
export function sizeAt(place) {
  return place <= 0 ? 0 : Math.round(Number((10 ** (place / PLACES)).toPrecision(2)));
}

/**
 * The place of a size; of what is no number, the first.
 *
 * @param {number} size
 */
export function placeOf(size) {
  return size >= 1 ? Math.min(100, Math.max(1, Math.round(PLACES * Math.log10(size)))) : 0;
}
