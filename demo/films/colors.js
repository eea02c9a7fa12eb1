// The colour of a track, the same in every frame. It follows from the first object of the track,
// which no correction elsewhere can change: numbers of tracks may.

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {import("./tracks.js").Tracks} Tracks */
/** @typedef {{hue: number, lightness: number}} Shade In OKLCH: degrees, 0 to 1. */

const GOLDEN = 0.6180339887;  // its multiples, taken round a circle, never come close to each other
const LIGHTNESS = [0.8, 0.72, 0.87];  // all legible on gray, and on black
const CHROMA = 0.16;
const APART = 42;  // degrees between mother and daughter; less from generation to generation
export const UNLINKED = "oklch(0.8 0.14 215)";  // of objects before they are linked

/**
 * @param {Tracks} tracks
 * @param {Track} track
 * @returns {Shade}
 */
export function shadeOf(tracks, track) {
  const line = [track];  // from the track to the first of its family
  for (let one = tracks.all.get(track.parent); one; one = tracks.all.get(one.parent)) line.push(one);
  const eldest = line[line.length - 1];
  const { frame = eldest.first, id = eldest.id } = eldest.objects[0] ?? {};
  // Neighbours in a frame have numbers close to each other, as a rule.
  const turn = id * GOLDEN + frame * GOLDEN * GOLDEN;
  const shade = { hue: 360 * (turn - Math.floor(turn)), lightness: LIGHTNESS[id % 3] };
  for (let generation = line.length - 2; generation >= 0; generation--) {
    const { id: own, parent } = line[generation];
    const sisters = tracks.all.get(parent)?.daughters ?? [own];
    const side = sisters.indexOf(own) % 2 ? 1 : -1;
    shade.hue = (shade.hue + 360 + side * APART * 0.75 ** (line.length - 2 - generation)) % 360;
    shade.lightness = Math.min(0.88, Math.max(0.7, shade.lightness + 0.05 * side));
  }
  return shade;
}

/** @param {Shade} shade */
export function css({ hue, lightness }) {
  return `oklch(${lightness.toFixed(3)} ${CHROMA} ${hue.toFixed(1)})`;
}

/**
 * Colours of all tracks, by their numbers.
 *
 * @param {Tracks} tracks
 * @returns {Map<number, string>}
 */
export function colorsOf(tracks) {
  return new Map([...tracks.all.values()].map((track) => [track.id, css(shadeOf(tracks, track))]));
}
