// The note for first-time visitors. A browser that keeps nothing shows it each time, and still
// closes it.

import { find } from "../parts/component.js";

const KEY = "unet_hf_hint_closed";

/** @param {import("../parts/component.js").Component} component */
export function mount({ element }) {
  const note = find(element, ".hint");
  note.hidden = wasClosed();
  find(note, "button").addEventListener("click", () => {
    note.hidden = true;
    try {
      localStorage.setItem(KEY, "yes");
    } catch { /* it comes back next time */ }
  });
}

function wasClosed() {
  try {
    return localStorage.getItem(KEY) === "yes";
  } catch {
    return false;
  }
}
