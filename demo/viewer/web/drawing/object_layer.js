// Objects that lie on the picture: they may come before it, and stay until others have come.

import { packed } from "./colors.js";
import { objectsDrawn, sceneObjects } from "./objects.js";
import { fetchPlanes } from "../pixels/payload.js";

/** @typedef {import("../viewer.js").Viewer} Viewer */

export class ObjectLayer {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {{picture: string, found: import("./objects.js").SceneObjects} | null} */
    this.last = null;  // objects that came last, and the picture that they lie on
    this.serial = 0;  // of objects that came
    this.isAwaited = false;  // they were in view, and will be when there are some again
  }

  /**
   * Objects of the picture, or none any more.
   *
   * @param {import("./objects.js").Layer | null} layer
   */
  async show(layer) {
    const mine = ++this.serial;
    // Of the same picture the old ones stay until the new ones are here.
    if (layer?.picture !== this.last?.picture) this.last = null;
    this.lay();
    if (!layer) return;
    try {
      const found = sceneObjects(layer, await fetchPlanes(layer), packed);
      if (mine === this.serial) this.last = { picture: layer.picture, found };
    } catch (error) {
      console.warn(`The objects were not fetched: ${error}`);
      if (mine === this.serial) this.last = null;
    }
    this.lay();
    this.viewer.root.dataset.layer = String(mine);  // lets a test wait for these very objects
  }

  /** Puts them on the picture in view, if they are of it. */
  lay() {
    const { last, viewer } = this, { scene, look } = viewer;
    if (!scene) return;
    const found = last?.picture === scene.value.picture ? last.found : null;
    if (found !== scene.objects) look.chosen = 0;  // other objects have other numbers
    scene.objects = found;
    if (this.isAwaited && objectsDrawn(scene, look)) {
      look.view = "objects";
      this.isAwaited = false;
    }
    viewer.change({ paint: true });
  }

  /** Shows the classes where objects are in view that are not there. */
  leaveIfGone() {
    const { scene, look } = this.viewer;
    if (!scene || look.view !== "objects" || objectsDrawn(scene, look)) return;
    look.view = "classes";
    this.isAwaited = true;
  }

  /**
   * An object has a line around it until another is chosen; 0 for none.
   *
   * @param {number | null} id
   */
  choose(id) {
    this.viewer.look.chosen = id ?? 0;
    this.viewer.change({ panel: false });
  }
}
