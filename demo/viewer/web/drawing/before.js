// What another checkpoint said of the picture in view, before: left of the line of the split view.

import { paintTables } from "./colors.js";
import { fetchPlanes } from "../pixels/payload.js";
import { newScene } from "../scene.js";

/** @typedef {import("./colors.js").Look} Look */
/** @typedef {import("../scene.js").Scene} Scene */

export class Before {
  /** @param {import("../viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Scene | null} */
    this.scene = null;
    this.serial = 0;  // of results that came
  }

  /**
   * Takes a result, or null: there is none any more. It may come before its picture is here.
   *
   * @param {import("../pixels/payload.js").Payload | null} value
   */
  async take(value) {
    const { viewer } = this, mine = ++this.serial;
    let scene = null;
    try {
      if (value) {
        const planes = await fetchPlanes(value);
        scene = newScene(value, planes, viewer.unpack, () => viewer.change({ panel: false }));
      }
    } catch (error) {
      console.warn(`The result before was not fetched: ${error}`);
    }
    if (mine !== this.serial) return scene?.tiles?.close();
    this.scene?.tiles?.close();
    this.scene = scene;
    viewer.change();
  }

  /** The result before, if it is one of the picture in view, and another than is shown there. */
  get shown() {
    const now = this.viewer.scene?.value, then = this.scene?.value;
    return then && now?.names && then.picture === now.picture && then.by !== now.by
      ? this.scene : null;
  }

  /**
   * What is drawn left of the line, as it is looked at; null: the bare picture.
   *
   * @param {Look} look Of the result in view.
   */
  side(look) {
    const scene = this.shown;
    if (!scene || look.split === null) return null;
    const { threshold, steps = 1 } = scene.value;
    const own = { ...look, chosen: 0, level: Math.round((threshold ?? 0) * steps) };
    return { scene, look: own, tables: paintTables(scene, own) };
  }
}
