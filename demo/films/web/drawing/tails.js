// Where the cells of a frame came from: the paths of their centres over the last frames. A daughter's
// path goes on to its mother's.

/** @typedef {import("../tracks/tracks.js").FilmObject} FilmObject */
/** @typedef {import("../tracks/tracks.js").Tracks} Tracks */
/** @typedef {{track: number, from: FilmObject, to: FilmObject}} Step `track`: whose colour it has. */

/**
 * Steps of the paths that end in a frame, each once, although sisters share those of their mother.
 *
 * @param {Tracks} tracks
 * @param {number} frame
 * @param {number} length In frames.
 * @returns {Step[]}
 */
export function tailsOf(tracks, frame, length) {
  /** @type {Step[]} */
  const steps = [];
  const walked = new Set();  // mothers whose path is there
  for (const { track: number } of tracks.inFrame(frame)) {
    /** @type {FilmObject | null} */
    let later = null;
    for (let track = tracks.all.get(number); track; track = tracks.all.get(track.parent)) {
      const past = track.objects.filter((one) => one.frame <= frame && one.frame >= frame - length);
      const isNew = !walked.has(track.id);
      walked.add(track.id);
      for (const object of past.reverse()) {
        if (later && (isNew || later.track !== track.id)) {
          steps.push({ track: later.track, from: object, to: later });
        }
        later = object;
        if (!isNew) break;  // the rest is there
      }
      if (!isNew || track.first < frame - length) break;
    }
  }
  return steps;
}
