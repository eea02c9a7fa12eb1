// Objects and tracks of a film, looked up by frame, by number, and by descent.

/** @typedef {import("../frames/value.js").Place} Place */
/** @typedef {import("../frames/value.js").TracksFile} TracksFile */
/**
 * @typedef {object} FilmObject
 * @property {number} frame
 * @property {number} id In its frame.
 * @property {number} track
 * @property {number} x Of its centre, in pixels.
 * @property {number} y
 * @property {number} area
 * @property {number} intensity
 */
/**
 * @typedef {object} Track
 * @property {number} id
 * @property {number} parent 0 for none.
 * @property {number} first A frame.
 * @property {number} last
 * @property {FilmObject[]} objects By frame; some frames between may be missing.
 * @property {number[]} daughters
 */

export class Tracks {
  /** @param {TracksFile} file */
  constructor({ objects, tracks, area_unit: areaUnit }) {
    this.areaUnit = areaUnit;
    /** @type {Map<number, Track>} */
    this.all = new Map();
    /** @type {Map<number, string>} By track. */
    this.colors = new Map(tracks.id.map((id, row) => [id, tracks.color[row]]));
    /** @type {Map<number, Map<number, FilmObject>>} By frame, and by number there. */
    this.inFrames = new Map();
    tracks.id.forEach((id, row) => {
      const [parent, first, last] = [tracks.parent[row], tracks.first[row], tracks.last[row]];
      this.all.set(id, { id, parent, first, last, objects: [], daughters: [] });
    });
    for (const { id, parent } of this.all.values()) this.all.get(parent)?.daughters.push(id);
    objects.id.forEach((id, row) => {
      const object = { frame: objects.frame[row], id, track: objects.track[row],
        x: objects.x[row], y: objects.y[row],
        area: objects.area[row], intensity: objects.intensity[row] };
      const others = this.inFrames.get(object.frame);
      if (others) others.set(id, object);
      else this.inFrames.set(object.frame, new Map([[id, object]]));
      this.all.get(object.track)?.objects.push(object);
    });
  }

  /**
   * @param {Place | null} place
   * @returns {FilmObject | null}
   */
  objectAt(place) {
    return (place && this.inFrames.get(place[0])?.get(place[1])) ?? null;
  }

  /** @param {number} frame */
  inFrame(frame) {
    return [...this.inFrames.get(frame)?.values() ?? []];
  }

  /**
   * The track of an object; null if there is no such object.
   *
   * @param {Place | null} place
   * @returns {Track | null}
   */
  trackAt(place) {
    return this.all.get(this.objectAt(place)?.track ?? 0) ?? null;
  }

  /**
   * Of a track in a frame.
   *
   * @param {Track | null} track
   * @param {number} frame
   * @returns {FilmObject | null}
   */
  objectIn(track, frame) {
    return track?.objects.find((object) => object.frame === frame) ?? null;
  }

  /**
   * The first known ancestor of a track, or itself.
   *
   * @param {Track} track
   */
  rootOf(track) {
    for (let one = track; ;) {
      const parent = this.all.get(one.parent);
      if (!parent) return one;
      one = parent;
    }
  }

  /** The number of tracks that end in a division. */
  get divisions() {
    return [...this.all.values()].filter(({ daughters }) => daughters.length).length;
  }
}
