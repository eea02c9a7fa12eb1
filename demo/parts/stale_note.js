// A sentence where the picture is looked at at another threshold than something was computed at;
// that is greyed meanwhile.

import { find } from "./component.js";
import { differingThresholds, onLook } from "./look.js";

/**
 * @typedef {object} Props
 * @property {{threshold: number | null} | null} value Null while there is nothing to compare.
 * @property {string} viewer
 * @property {string} verb Such as "Scored".
 * @property {string[]} greys Ids of components.
 */

/** @param {import("./component.js").Component<Props>} component */
export function mount({ element, props, watch }) {
  /** @type {import("./look.js").Seen | null} */
  let seen = null;

  function show() {
    const between = seen && differingThresholds(props.value?.threshold, seen.threshold);
    const note = find(element, ".stale");
    note.hidden = !between;
    note.textContent = between ? `${props.verb} at ${between}. Score again.` : "";
    for (const id of props.greys) {
      document.getElementById(id)?.style.setProperty("opacity", between ? "0.45" : "1");
    }
  }

  if (props.viewer) {
    onLook(element, props.viewer, (now) => {
      seen = now;
      show();
    });
  }
  watch("value", show);
  show();
}
