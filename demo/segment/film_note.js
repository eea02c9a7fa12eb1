// Says that a file is a film. The button takes it to the tab Film.

import { find } from "../parts/component.js";

/** @param {import("../parts/component.js").Component<{value: number | "" | null}>} component */
export function mount({ element, props, trigger, watch }) {
  const note = find(element, ".film_note");

  function show() {
    const frames = props.value || 0;  // Gradio has "" for none
    note.hidden = !frames;
    find(note, "span").textContent =
      `This is one of the ${frames.toLocaleString("en")} frames of a film (T).`;
  }

  find(note, "button").addEventListener("click", () => trigger("submit", {}));
  watch("value", show);
  show();
}
