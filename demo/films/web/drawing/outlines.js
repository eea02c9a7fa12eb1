// Outlines of objects, as closed lines between its pixels.

/**
 * @typedef {object} Outline
 * @property {number} id
 * @property {number[][]} loops Each x, y, x, y ... in pixels of the image; holes have some of their
 *   own. A pixel's corners are whole numbers; lines go through the middle of its sides.
 * @property {number[]} box left, top, right, bottom.
 */

// Along the upper, right, lower and left side of a pixel, with the object at one's right hand.
const ACROSS = [1, 0, -1, 0], DOWN = [0, 1, 0, -1];

/**
 * @param {Uint32Array} numbers Row by row, 0 for none.
 * @param {number} width
 * @param {number} height
 * @returns {Map<number, Outline>}
 */
export function outlinesOf(numbers, width, height) {
  /** @type {Map<number, Outline>} */
  const found = new Map();
  const walked = new Uint8Array(numbers.length);  // pixels whose upper side was
  const at = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < width && y < height ? numbers[y * width + x] : 0;

  /**
   * Walks around an object from the upper side of a pixel, back to where it began.
   *
   * @param {number} startX
   * @param {number} startY
   */
  function walk(startX, startY) {
    let x = startX, y = startY, side = 0;
    const id = at(x, y);
    const loop = [];
    do {
      if (side === 0) walked[y * width + x] = 1;
      loop.push(x + 0.5 + DOWN[side] / 2, y + 0.5 - ACROSS[side] / 2);
      const aheadX = x + ACROSS[side], aheadY = y + DOWN[side];
      const leftX = aheadX + DOWN[side], leftY = aheadY - ACROSS[side];
      if (at(leftX, leftY) === id) {
        x = leftX;
        y = leftY;
        side = (side + 3) % 4;
      } else if (at(aheadX, aheadY) === id) {
        x = aheadX;
        y = aheadY;
      } else side = (side + 1) % 4;
    } while (x !== startX || y !== startY || side);
    return straightened(loop);
  }

  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x, id = numbers[place];
      if (!id) continue;
      // Every closed line goes to the right somewhere: along the upper side of a pixel.
      if (walked[place] || (y > 0 && numbers[place - width] === id)) continue;
      const loop = walk(x, y);
      const outline = found.get(id);
      if (outline) outline.loops.push(loop);
      else found.set(id, { id, loops: [loop], box: [] });
    }
  }
  for (const outline of found.values()) outline.box = boxOf(outline.loops);
  return found;
}

/**
 * A line without the points in which it goes straight on.
 *
 * @param {number[]} loop
 */
function straightened(loop) {
  const kept = [], count = loop.length / 2;
  for (let i = 0; i < count; i++) {
    const before = 2 * ((i + count - 1) % count), after = 2 * ((i + 1) % count), here = 2 * i;
    const turns = loop[here] - loop[before] !== loop[after] - loop[here]
      || loop[here + 1] - loop[before + 1] !== loop[after + 1] - loop[here + 1];
    if (turns) kept.push(loop[here], loop[here + 1]);
  }
  return kept;
}

/** @param {number[][]} loops */
function boxOf(loops) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const loop of loops) {
    for (let i = 0; i < loop.length; i += 2) {
      box[0] = Math.min(box[0], loop[i]);
      box[1] = Math.min(box[1], loop[i + 1]);
      box[2] = Math.max(box[2], loop[i]);
      box[3] = Math.max(box[3], loop[i + 1]);
    }
  }
  return box;
}
