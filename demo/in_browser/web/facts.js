// What the page knows of a checkpoint.

/**
 * What is known of a checkpoint, see `exported` in tab.py.
 *
 * @typedef {object} Facts
 * @property {string} name
 * @property {string[]} names Of classes.
 * @property {string[]} colors
 * @property {number | null} threshold
 * @property {number} channels
 * @property {boolean} measures It wants the image's mean and standard deviation.
 * @property {boolean} clips Outliers are clipped before.
 * @property {number} multiple Of the grid of tiles.
 * @property {number} halo Pixels around a tile that it has to see.
 * @property {number} steps
 * @property {number} fine
 * @property {import("./objects.js").Parting | null} objects How it parts them, if it has learned to.
 */

/**
 * How a network sees a picture of other channels than its own; "" for the same.
 *
 * @param {{channels: number}} picture
 * @param {{channels: number}} facts
 */
export function mixed(picture, facts) {
  if (picture.channels === facts.channels) return "";
  return picture.channels === 1 ? " · gray image shown to an RGB network as three equal channels"
    : " · RGB image turned into gray (0.299 R + 0.587 G + 0.114 B)";
}

/**
 * How many objects there are, in words; "" where they were not counted.
 *
 * @param {number | null} count
 * @param {Pick<Facts, "threshold">} facts
 */
export function counted(count, { threshold }) {
  if (count === null) return "";
  const at = threshold === null ? "" : ` at the threshold ${threshold}`;
  return ` · ${count.toLocaleString("en")} object${count === 1 ? "" : "s"}${at}`;
}
