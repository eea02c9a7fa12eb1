// A family as a tree: time goes to the right, and a division branches.

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {import("./tracks.js").Tracks} Tracks */
/**
 * @typedef {object} Branch
 * @property {number} track
 * @property {number} first A frame, where it leaves its mother's branch.
 * @property {number} last
 * @property {number} row From 0; between two rows where it branches.
 * @property {{row: number, last: number} | null} from Where its mother's branch ends.
 */

/**
 * Mothers stand in the middle of their daughters; those without daughters have a row each.
 *
 * @param {Tracks} tracks
 * @param {Track} root
 * @returns {{branches: Branch[], rows: number}}
 */
export function layOut(tracks, root) {
  /** @type {Branch[]} */
  const branches = [];
  let rows = 0;
  // With a stack of its own: a film of bacteria may have more generations than a browser calls.
  /** @type {{track: Track, branch: Branch, left: number[], daughters: Branch[]}[]} */
  const open = [];
  const begin = (/** @type {Track} */ track) => {
    const { id, first, last, daughters } = track;
    const branch = { track: id, first, last, row: 0, from: null };
    branches.push(branch);
    open.push({ track, branch, left: [...daughters], daughters: [] });
  };
  begin(root);
  while (open.length) {
    const { branch, left, daughters } = open[open.length - 1];
    const next = tracks.all.get(left.shift() ?? 0);
    if (next) {
      begin(next);
      continue;
    }
    branch.row = daughters.length
      ? (daughters[0].row + daughters[daughters.length - 1].row) / 2 : rows++;
    for (const daughter of daughters) daughter.from = { row: branch.row, last: branch.last };
    open.pop();
    open[open.length - 1]?.daughters.push(branch);
  }
  return { branches, rows };
}
