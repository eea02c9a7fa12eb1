// Copies a link to what is in view now. Only what differs from the usual is in it.

import { find, viewerOf } from "../parts/component.js";

/**
 * What an address need not say, as `link_to` makes it in share_link.py.
 *
 * @typedef {object} Usual
 * @property {string} id Another one for each result.
 * @property {string} example
 * @property {string | null} model
 * @property {number | null} threshold
 * @property {number} opacity
 */
/**
 * What the viewer says of itself, see `seen` in viewer/component.py.
 *
 * @typedef {object} Seen
 * @property {number | null} threshold
 * @property {number} opacity
 * @property {boolean} fitted
 * @property {{x: number, y: number, zoom: number}} camera
 */

const OURS = ["example", "model", "threshold", "opacity", "x", "y", "zoom"];

/** @param {import("../parts/component.js").Component<{value: Usual | null}>} component */
export function mount({ element, props, watch }) {
  const field = find(element, "input", HTMLInputElement), said = find(element, "span");

  /** @type {Usual | null} */
  let told = null;  // what the field and the sentence are about

  async function copy() {
    const seen = await seenSoon();
    if (!props.value) return;
    told = props.value;
    const ours = parametersOf(told, JSON.parse(seen));
    // Other parameters may be this visitor's own, such as the signature of a private Space.
    const address = `${location.origin}${location.pathname}?${ours}`;
    const bar = new URL(location.href);
    OURS.forEach((name) => bar.searchParams.delete(name));
    ours.forEach((value, name) => bar.searchParams.set(name, value));
    history.replaceState(history.state, "", bar);
    field.value = address;
    try {
      await navigator.clipboard.writeText(address);
      field.hidden = true;
      said.textContent = "Copied.";
    } catch {  // no permission, or no https
      field.hidden = false;
      field.focus();
      field.select();
      said.textContent = "Your browser does not let this page copy. Copy it here:";
    }
  }

  /** What the viewer says of itself, as soon as its script is there. */
  async function seenSoon() {
    for (;;) {
      const seen = viewerOf("viewer")?.dataset.seen;
      if (seen) return seen;
      said.textContent = "The picture is on its way.";
      await new Promise(requestAnimationFrame);
    }
  }

  function show() {
    // A click may come before the news that the button is about something.
    if (props.value && props.value.id === told?.id) return;
    field.hidden = true;
    said.textContent = "";
  }

  const button = find(element, "button", HTMLButtonElement);
  button.addEventListener("click", copy);
  button.disabled = false;  // from here on a click is heard
  watch("value", show);
}

/**
 * @param {Usual} usual
 * @param {Seen} seen
 */
export function parametersOf({ example, model, threshold, opacity }, seen) {
  const found = new URLSearchParams({ example });
  if (model) found.set("model", model);
  if (seen.threshold !== null && seen.threshold !== threshold) {
    found.set("threshold", String(seen.threshold));
  }
  if (seen.opacity !== opacity) found.set("opacity", String(seen.opacity));
  // Numbers are written whole: the same place to the last bit gives the same pixels.
  if (!seen.fitted) {
    for (const [name, number] of Object.entries(seen.camera)) found.set(name, String(number));
  }
  return found;
}
