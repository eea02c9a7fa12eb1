// The player's buttons, sliders and keys, in acts that the player knows.

import { clicked, find } from "../../parts/component.js";

/** @typedef {import("./player.js").Player} Player */

/** @type {Record<string, (player: Player) => void>} What buttons ask for by name. */
const ACTS = {
  play: (player) => player.clock.toggle(),
  zoomIn: (player) => player.view.zoomMiddle(1.5),
  zoomOut: (player) => player.view.zoomMiddle(1 / 1.5),
  fit: (player) => player.view.fitWhole(),
  unchoose: (player) => player.choose(null),
  cut: (player) => player.correcting.cut(),
  join: (player) => player.correcting.startJoining(),
  leaveJoining: (player) => player.correcting.leaveJoining(),
  undo: (player) => player.correcting.undo(),
  redo: (player) => player.correcting.redo(),
};
/** @type {Record<string, (player: Player, far: number) => void>} `far`: 10 with Shift, else 1. */
const KEYS = {
  ArrowLeft: (player, far) => player.step(-far),
  ArrowRight: (player, far) => player.step(far),
  Home: (player) => player.goTo(0),
  End: (player) => player.goTo(Infinity),
  "+": ACTS.zoomIn, "=": ACTS.zoomIn, "-": ACTS.zoomOut, "_": ACTS.zoomOut, "0": ACTS.fit,
  " ": ACTS.play,
};

/**
 * @param {HTMLElement} root
 * @param {Player} player
 */
export function connectControls(root, player) {
  const slider = find(root, ".time input", HTMLInputElement);
  root.addEventListener("click", (event) => {
    const { do: name, look } = clicked(event)?.dataset ?? {};
    if (name) ACTS[name](player);
    if (look) player.toggleLook(/** @type {"objects" | "tails" | "numbers"} */ (look));
  });
  slider.addEventListener("input", () => player.goTo(Number(slider.value) - 1));
  const opacity = find(root, ".opacity input", HTMLInputElement);
  opacity.addEventListener("input", () => player.setLook({ opacity: Number(opacity.value) }));
  const length = find(root, ".length select", HTMLSelectElement);
  length.addEventListener("change", () => player.setLook({ length: Number(length.value) }));
  const speed = find(root, ".speed select", HTMLSelectElement);
  speed.addEventListener("change", () => { player.clock.speed = Number(speed.value); });

  root.addEventListener("keydown", (event) => {
    const { key, ctrlKey, metaKey, altKey, shiftKey, target } = event;
    if (altKey) return;
    if (ctrlKey || metaKey) {
      const letter = key.toLowerCase();
      if (letter !== "z" && letter !== "y") return;
      if (shiftKey || letter === "y") player.correcting.redo();
      else player.correcting.undo();
      return event.preventDefault();
    }
    if (key === "Escape") return player.escape();
    if (!KEYS[key] || (target !== slider && hasKeysOfItsOwn(target, key))) return;
    KEYS[key](player, shiftKey ? 10 : 1);
    event.preventDefault();
  });
}

/**
 * Whether a control does something itself when a key is pressed on it.
 *
 * @param {EventTarget | null} target
 * @param {string} key
 */
function hasKeysOfItsOwn(target, key) {
  if (target instanceof HTMLSelectElement || target instanceof HTMLInputElement) return true;
  return key === " " && target instanceof HTMLButtonElement;
}
