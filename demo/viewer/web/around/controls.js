// The controls around the picture: what each button and slider does, in acts that the viewer knows.

import { clicked, find } from "../../../parts/component.js";

/** @typedef {import("./acts.js").Acts} Acts */

/**
 * @param {HTMLElement} root
 * @param {Acts} act
 * @param {string[]} maps Names of the colour maps.
 */
export function connectControls(root, act, maps) {
  const colormap = find(root, ".colormap", HTMLSelectElement);
  for (const name of maps) colormap.add(new Option(name));

  root.addEventListener("click", (event) => {
    const { do: name, view, toggle, id } = clicked(event)?.dataset ?? {};
    if (name) act.act(name);
    else if (view) act.view(/** @type {import("../drawing/colors.js").View} */ (view));
    else if (toggle) act.act(toggle);
    else if (id) act.toggleClass(Number(id));
  });
  /** @type {Record<string, (input: HTMLInputElement) => void>} */
  const entered = {
    ".opacity": ({ value }) => act.opacity(Number(value)),
    ".threshold": ({ value }) => act.threshold(Number(value)),
    ".low": ({ value }) => act.black(Number(value)),
    ".high": ({ value }) => act.white(Number(value)),
    ".colormap": ({ value }) => act.colormap(value),
    ".size": ({ value }) => act.pixelSize(value),
  };
  root.addEventListener("input", ({ target }) => {
    const input = /** @type {HTMLInputElement} */ (target);
    for (const [selector, enter] of Object.entries(entered)) {
      if (input.matches(selector)) enter(input);
    }
  });
  listen(root, "viewer:opacity", (alpha) => act.opacity(alpha));
  listen(root, "viewer:threshold", (cut) => act.threshold(cut));
  find(root, "dialog").addEventListener("keydown", (event) => {
    if (event.key === "h") act.dialog.close();
  });
}

/**
 * Calls with the detail of an event that another part of the page has made.
 *
 * @param {EventTarget} target
 * @param {string} name
 * @param {(detail: any) => void} heard
 */
export function listen(target, name, heard) {
  target.addEventListener(name, (event) => heard(/** @type {CustomEvent} */ (event).detail));
}
