// Hands a viewer the result that it shows left of the line of its split view.

import { viewerOf } from "../../parts/component.js";

/** @param {import("../../parts/component.js").Component<{value: unknown, viewer: string}>} component */
export function mount({ props, watch }) {
  watch("value", () => {
    viewerOf(props.viewer)?.dispatchEvent(new CustomEvent("viewer:before", { detail: props.value }));
  });
}
