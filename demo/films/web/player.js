// The film player: holds what is shown, which frame, and which track is chosen, and redraws when one
// of them changes. The modules beside this one do the work. Python is asked only to correct tracks.

import { bringPartIntoSight, find } from "../../parts/component.js";
import { Clock } from "./frames/clock.js";
import { connectControls } from "./controls.js";
import { Correcting } from "./correcting/correcting.js";
import { Frames } from "./frames/frames.js";
import { Panel } from "./tracks/panel.js";
import { sceneOf } from "./drawing/scene.js";
import { TrackTable } from "./tracks/track_table.js";
import { Tracks } from "./tracks/tracks.js";
import { fetchTracks } from "./frames/value.js";
import { View } from "./drawing/view.js";

/** @typedef {import("./frames/value.js").FilmValue} FilmValue */
/** @typedef {import("./frames/value.js").Place} Place */
/** @typedef {import("./tracks/tracks.js").Track} Track */

const AGAIN = 2000;  // milliseconds until tracks that did not load are asked for again
const SEEN_WELL = 2;  // diameters of a cell that a flight to it shows

/** @param {import("../../parts/component.js").Component<{value: FilmValue | null}>} component */
export function mount(component) {
  new Player(component);
}

export class Player {
  /** @param {import("../../parts/component.js").Component<{value: FilmValue | null}>} component */
  constructor({ element, props, trigger, watch }) {
    this.props = props;
    this.root = find(element, ".film");
    /** @type {FilmValue | null} */
    this.value = null;
    /** @type {Tracks | null} */
    this.tracks = null;
    this.frame = 0;
    this.drawn = -1;  // the frame on the canvas
    /** @type {Place | null} An object of the chosen track: numbers of tracks change by edits. */
    this.chosen = null;
    /** @type {import("./drawing/scene.js").Look} */
    this.look = { objects: true, opacity: 0.9, tails: false, length: 10, numbers: false };
    this.clock = new Clock(this);
    this.pending = 0;  // the animation frame of the next drawing
    this.awaitsTracks = false;
    /** @type {Frames | null} */
    this.frames = null;

    this.view = new View(this.root, () => this.change(), (pixel) => this.pick(pixel));
    this.panel = new Panel(this.root, (track, frame) => this.visit(track, frame));
    this.table = new TrackTable(this.root, (track) => this.flyTo(track));
    this.correcting = new Correcting(this.root, this, (edits) => trigger("input", { edits }));
    connectControls(this.root, this);
    watch("value", () => this.show());
    this.show();
  }

  // ----------------------------------------------------------------------- what Python sends

  show() {
    const before = this.value, value = this.props.value;
    this.value = value;
    this.root.classList.toggle("empty", !value);
    if (!value || value.id !== before?.id) this.begin();
    else this.goOn(value);
    if (value && value.tracks !== (before?.id === value.id ? before.tracks : null)) {
      this.loadTracks(value.tracks);
    }
    this.showTime();
    this.change();
  }

  /** Another film, or none. */
  begin() {
    const { value } = this;
    this.clock.pause();
    this.frames?.close();
    this.frames = this.tracks = this.chosen = null;
    this.awaitsTracks = false;
    this.frame = 0;
    this.drawn = -1;
    this.root.dataset.drawn = "";
    this.correcting.reset(value);
    this.showTracks();
    this.view.canvas.classList.toggle("drawn", Boolean(value));
    if (!value) return;
    this.frames = new Frames(value, (fault) => {
      find(this.root, ".status").textContent = fault;
      this.change();
    });
    this.view.show(value);
  }

  /** @param {FilmValue} value The same film, with more frames or other tracks. */
  goOn(value) {
    this.frames?.grow(value);
    this.correcting.answer(value);
  }

  /**
   * @param {string | null} address
   * @param {boolean} again They did not load before.
   */
  async loadTracks(address, again = false) {
    this.awaitsTracks = address !== null;
    this.correcting.show();
    if (address === null) this.tracks = null;
    else {
      const isCurrent = () => this.value?.tracks === address;
      try {
        const file = await fetchTracks(address);
        if (!isCurrent()) return;
        this.tracks = new Tracks(file);
        if (again) this.correcting.refuse("");
      } catch (error) {
        if (!isCurrent()) return;
        console.warn(`The tracks were not fetched: ${error}`);
        this.correcting.refuse("The tracks did not load. They are asked for again.");
        setTimeout(() => {
          if (isCurrent() && this.root.isConnected) this.loadTracks(address, true);
        }, AGAIN);
        return;
      }
    }
    this.awaitsTracks = false;
    this.showTracks();
  }

  showTracks() {
    const { tracks, value } = this;
    if (!tracks?.objectAt(this.chosen)) this.chosen = null;
    find(this.root, ".name").textContent = value?.name ?? "";
    find(this.root, ".by").textContent = !value ? "" : !tracks
      ? `${value.width} × ${value.height}, ${count(value.frames, "frame")}`
      : `${count(tracks.all.size, "track")}, ${count(tracks.divisions, "division")}`;
    this.table.show(tracks);
    this.showChoice();
  }

  // --------------------------------------------------------------------------------- drawing

  /** Any number of changes before the next animation frame are drawn once. */
  change() {
    this.pending ||= requestAnimationFrame(() => this.draw());
  }

  /** The frame in view as soon as it is here, and until then the one before. */
  draw() {
    this.pending = 0;
    const { frames, value, root, tracks, look } = this;
    if (!frames || !value) return;
    frames.want(this.frame, this.drawn);
    // Of a film that begins, the picture is seen before its objects are there.
    const begins = this.drawn < 0;
    const frame = begins || frames.isReady(this.frame) ? this.frame : this.drawn;
    const image = frames.images.get(frame), labels = frames.labels.get(frame);
    if (!image) return;
    const chosen = this.chosenNow().track?.id ?? 0;
    const scene = sceneOf(image, labels, frame, tracks, chosen, look);
    if (!this.view.draw(scene, value.pixel_size)) return;
    const objects = labels ? `: ${count(labels.count, "object")}` : "";
    this.view.canvas.ariaLabel = `Frame ${frame + 1} of ${value.frames}${objects}`;
    if (begins && !frames.isReady(frame)) return;
    this.drawn = frame;
    root.dataset.drawn = String(frame);
    root.dispatchEvent(new CustomEvent("film:drawn"));
  }

  /** @param {"objects" | "tails" | "numbers"} name */
  toggleLook(name) {
    this.setLook({ [name]: !this.look[name] });
  }

  /** @param {Partial<import("./drawing/scene.js").Look>} changed */
  setLook(changed) {
    Object.assign(this.look, changed);
    for (const button of this.root.querySelectorAll("[data-look]")) {
      const name = /** @type {"objects"} */ (button.getAttribute("data-look"));
      button.ariaPressed = String(this.look[name]);
    }
    this.change();
  }

  // ------------------------------------------------------------------------------------ time

  /** Frames that are there. */
  get there() {
    return this.frames?.there ?? 0;
  }

  /** The last frame of the whole film. */
  get last() {
    return (this.value?.frames ?? 1) - 1;
  }

  /** @param {number} frame The nearest one that is there. */
  goTo(frame) {
    this.frame = Math.max(0, Math.min(frame, this.there - 1));
    this.showTime();
    this.showChoice();
  }

  /** @param {number} frames */
  step(frames) {
    this.clock.pause();
    this.goTo(this.frame + frames);
  }

  showTime() {
    const { root, frame, there, value } = this;
    const slider = find(root, ".time input", HTMLInputElement), all = value?.frames ?? 1;
    const where = `${frame + 1} of ${all}`;
    const missing = there < all ? `; ${there} ${there === 1 ? "is" : "are"} there so far` : "";
    slider.max = String(all);
    slider.value = String(frame + 1);
    slider.disabled = there < 2;
    slider.setAttribute("aria-valuetext", `Frame ${where}${missing}`);
    slider.style.setProperty("--there", `${100 * there / all}%`);
    find(root, ".where", HTMLOutputElement).value = value ? where + missing : "";
    const play = find(root, ".play", HTMLButtonElement);
    play.textContent = this.clock.runs ? "Pause" : "Play";
    play.classList.toggle("playing", this.clock.runs);
    play.disabled = there < 2;
    root.dataset.frame = value ? String(frame) : "";
  }

  // ---------------------------------------------------------------------------------- choice

  /** The chosen track, and its object in the frame in view. */
  chosenNow() {
    const track = this.tracks?.trackAt(this.chosen) ?? null;
    return { track, object: this.tracks?.objectIn(track, this.frame) ?? null };
  }

  /** @param {Place | null} place Of an object of the track. */
  choose(place) {
    this.chosen = place;
    this.showChoice();
  }

  showChoice() {
    const { track, object } = this.chosenNow();
    if (object) this.chosen = [object.frame, object.id];  // after a cut, what is in view stays chosen
    this.root.dataset.track = track ? String(track.id) : "";
    this.panel.show(this.tracks, track, this.frame);
    this.table.mark(track?.id ?? 0);
    this.correcting.show();
    this.change();
  }

  /**
   * @param {number} id
   * @param {number} frame
   */
  visit(id, frame) {
    const first = this.tracks?.all.get(id)?.objects[0];
    this.clock.pause();
    if (first) this.chosen = [first.frame, first.id];
    this.goTo(frame);
  }

  /** @param {Track} track */
  flyTo({ id, first, objects }) {
    this.visit(id, first);
    const [object] = objects, { pixel_size: size = null } = this.value ?? {};
    if (!object) return;
    const inPixels = this.tracks?.areaUnit === "px" || !size ? 1 : size[0];
    const diameter = Math.max(4, Math.sqrt(object.area) / inPixels);
    this.view.fly(object.x + 0.5, object.y + 0.5, SEEN_WELL * diameter);
    bringPartIntoSight(this.view.stageElement);
  }

  /** @param {{x: number, y: number}} pixel That was clicked. */
  pick({ x, y }) {
    const id = this.frames?.labels.get(this.drawn)?.at(x, y) ?? 0;
    const place = /** @type {Place} */ ([this.drawn, id]);
    if (!this.tracks || this.drawn !== this.frame) return;
    if (!this.correcting.joining) this.choose(this.tracks.objectAt(place) ? place : null);
    else if (id) this.correcting.joinTo(place);
  }

  escape() {
    this.view.hold(false);
    if (this.correcting.joining) this.correcting.leaveJoining();
    else this.choose(null);
  }

  focus() {
    find(this.root, ".stage").focus({ preventScroll: true });
  }
}

/**
 * @param {number} number
 * @param {string} of
 */
function count(number, of) {
  return `${number} ${of}${number === 1 ? "" : "s"}`;
}
