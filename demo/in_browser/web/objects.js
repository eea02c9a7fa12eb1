// Single objects, from what a network has learned to tell of them: as in unet_hf/objects, whose
// basins.py and passes.py say why. A test holds both to the same objects.

const { fround } = Math;

/**
 * How a checkpoint parts its objects; null if in another way. See `_objects` in tab.py.
 *
 * @typedef {object} Parting
 * @property {string[]} channels What each map is.
 * @property {number} seed
 * @property {number} min_size In pixels.
 * @property {number} prominence
 * @property {number} border_depth
 * @property {boolean} [walled] Walls keep the objects apart.
 */

/**
 * How surely a pixel is deep inside an object; see `height_map` in learned.py.
 *
 * @param {Float32Array} maps (channels, pixels)
 * @param {Pick<Parting, "channels" | "border_depth" | "walled">} parting
 * @param {Float32Array} [walls] The probability of class 0, for walled objects.
 */
export function heightMap(maps, { channels, border_depth, walled }, walls) {
  const count = maps.length / channels.length;
  const [distance, centre, border] = ["distance", "centre", "border"].map((name) => {
    const at = channels.indexOf(name);
    return at < 0 ? null : maps.subarray(at * count, (at + 1) * count);
  });
  if (!distance) throw new Error("the network does not tell distances");
  return distance.map((value, i) => {
    let deep = centre ? fround(fround(value + centre[i]) / 2) : value;
    if (walled && walls) deep = fround(fround(deep + fround(1 - walls[i])) / 2);
    if (!border) return deep;
    const sure = fround(1 + fround(Math.exp(-border[i])));
    return deep - fround(fround(border_depth) / sure);
  });
}

/**
 * (pixels,) ids of objects, 1 to n row by row; 0 for none.
 *
 * @param {Uint8Array} mask Class ids; 0 is no object.
 * @param {Float32Array} height
 * @param {number} width
 * @param {Pick<Parting, "seed" | "prominence" | "min_size">} parting
 */
export function partObjects(mask, height, width, parting) {
  const { basins, summits } = findBasins(mask, height, width);
  const passes = highestPasses(mask, basins, height, width);
  const ids = keptIds(joinBasins(summits, passes, parting), summits, basins, parting);
  return basins.map((basin) => (basin ? ids[basin - 1] : 0));
}

/**
 * Each pixel leads to the highest of its neighbours that is higher; of equal heights the first row
 * by row is higher. All pixels that lead to one summit are its basin, numbered from 1.
 *
 * @param {Uint8Array} mask
 * @param {Float32Array} height
 * @param {number} width
 */
function findBasins(mask, height, width) {
  const leads = Int32Array.from(mask, (_, i) => highestNeighbour(i, mask, height, width));
  const basins = new Int32Array(mask.length), /** @type {number[]} */ summits = [];
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    let summit = i;
    while (leads[summit] !== summit) summit = leads[summit];
    for (let at = i, next; at !== summit; at = next) {
      next = leads[at];
      leads[at] = summit;
    }
  }
  const numbers = new Int32Array(mask.length);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i]) basins[i] = numbers[leads[i]] ||= summits.push(height[leads[i]]);
  }
  return { basins, summits };
}

/**
 * @param {number} i
 * @param {Uint8Array} mask
 * @param {Float32Array} height
 * @param {number} width
 */
function highestNeighbour(i, mask, height, width) {
  if (!mask[i]) return i;
  const column = i % width;
  let highest = i, best = -Infinity;
  for (const there of [
    i - width, column ? i - 1 : -1, i, column + 1 < width ? i + 1 : -1, i + width,
  ]) {
    if (mask[there] === mask[i] && height[there] > best) [highest, best] = [there, height[there]];
  }
  return highest;
}

/**
 * The highest pass between any two basins that touch, from the highest down; of equal ones first
 * what is first row by row.
 *
 * @param {Uint8Array} mask
 * @param {Int32Array} basins
 * @param {Float32Array} height
 * @param {number} width
 * @returns {{pair: [number, number], height: number, place: number}[]} Pairs are counted from 0.
 */
function highestPasses(mask, basins, height, width) {
  const found = new Map();
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    for (const [down, there] of [(i + 1) % width ? i + 1 : -1, i + width].entries()) {
      if (mask[there] !== mask[i] || basins[there] === basins[i]) continue;
      const [low, high] = [basins[i], basins[there]].sort((a, b) => a - b);
      const key = low * 2 ** 26 + high, level = Math.min(height[i], height[there]);
      if (level <= found.get(key)?.height) continue;
      found.set(key, { pair: [low - 1, high - 1], height: level, place: 2 * i + down });
    }
  }
  return [...found.values()].sort((a, b) => b.height - a.height || a.place - b.place);
}

/**
 * For each basin, one of those that it is an object with. The two sides of a pass are one object if
 * the lower of the summits that can be reached from them on higher passes is too low, or stands out
 * too little.
 *
 * @param {number[]} summits
 * @param {ReturnType<typeof highestPasses>} passes
 * @param {Pick<Parting, "seed" | "prominence">} parting
 */
function joinBasins(summits, passes, { seed, prominence }) {
  const reached = Int32Array.from(summits, (_, basin) => basin), objects = reached.slice();
  for (const { pair: [a, b], height } of passes) {
    let top = end(reached, a), lower = end(reached, b);
    if (top === lower) continue;
    if (summits[top] < summits[lower]) [top, lower] = [lower, top];
    reached[lower] = top;
    const rises = fround(summits[lower] - height);
    if (summits[lower] < seed || rises < fround(prominence)) objects[end(objects, a)] = end(objects, b);
  }
  return objects.map((_, basin) => end(objects, basin));
}

/**
 * Where the pointers from `at` end; on the way, they are shortened.
 *
 * @param {Int32Array} pointers
 * @param {number} at
 */
function end(pointers, at) {
  while (pointers[at] !== at) at = pointers[at] = pointers[pointers[at]];
  return at;
}

/**
 * The id of each basin's object. Objects without a summit of at least `seed`, or too small, are
 * none.
 *
 * @param {Int32Array} objects
 * @param {number[]} summits
 * @param {Int32Array} basins
 * @param {Pick<Parting, "seed" | "min_size">} parting
 */
function keptIds(objects, summits, basins, { seed, min_size }) {
  const sizes = new Int32Array(summits.length), ids = new Int32Array(summits.length);
  const begun = new Uint8Array(summits.length);
  for (const basin of basins) if (basin) sizes[objects[basin - 1]]++;
  objects.forEach((object, basin) => { begun[object] ||= Number(summits[basin] >= seed); });
  let last = 0;
  return objects.map((object) => {  // in the order of their first pixels
    return begun[object] && sizes[object] >= min_size ? ids[object] ||= ++last : 0;
  });
}
