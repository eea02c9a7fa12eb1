// How a picture is cut into tiles.

const CORE = 1024;  // px of a tile's side, at most, without what it is shown around it

/**
 * [start, stop] of as few tiles as do, all on the grid and of about one size.
 *
 * @param {number} size Of the picture, in pixels.
 * @param {number} multiple Of the grid.
 */
export function cuts(size, multiple) {
  const side = Math.ceil(size / Math.ceil(size / CORE) / multiple) * multiple;
  const starts = Array.from({ length: Math.ceil(size / side) }, (_, index) => index * side);
  return starts.map((start) => [start, Math.min(start + side, size)]);
}
