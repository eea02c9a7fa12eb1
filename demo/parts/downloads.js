// Buttons that ask Python for a file, and a menu of more of them. Python says which of their groups
// have something to give.

import { clicked, find } from "./component.js";

/** @typedef {{kind: string, label: string, group: string, more: boolean}} Entry */
/** @typedef {{entries: Entry[], value: {usable: Record<string, boolean>} | null}} Props */

/** @param {import("./component.js").Component<Props>} component */
export function mount({ element, props, trigger, watch }) {
  const list = find(element, ".downloads"), menu = find(element, ".menu");
  const more = find(element, "details", HTMLDetailsElement);
  /** @type {Record<string, boolean>} What Python has said last of each group. */
  const usable = {};

  for (const { kind, label, group, more: inMenu } of props.entries) {
    const button = Object.assign(document.createElement("button"), {
      type: "button", textContent: label, disabled: true,
    });
    Object.assign(button.dataset, { kind, group });
    if (inMenu) menu.append(button);
    else list.insertBefore(button, more);
  }
  more.hidden = !menu.childElementCount;

  function show() {
    Object.assign(usable, props.value?.usable);
    for (const button of list.querySelectorAll("button")) {
      button.disabled = !usable[button.dataset.group ?? ""];
    }
  }

  list.addEventListener("click", (event) => {
    const { kind } = clicked(event)?.dataset ?? {};
    if (!kind) return;
    more.open = false;
    trigger("download", { kind });
  });
  list.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !more.open) return;
    more.open = false;
    find(more, "summary").focus();
  });
  list.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !more.contains(relatedTarget)) more.open = false;
  });
  watch("value", show);
  show();
}
