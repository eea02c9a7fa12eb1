// The picture at full resolution, tile by tile. The viewer says at each drawing which tiles it
// wants, the most wanted first; they are fetched a few at a time, and those it no longer wants are
// given up. See tiles.py for what a tile's file holds.

/** @typedef {import("./payload.js").Payload} Payload */
/** @typedef {import("../scene.js").Source & {bytes: number}} Tile */
/** @typedef {[column: number, row: number]} Place Of a tile. */
/** @typedef {ReturnType<typeof newTiles>} Tiles */

const AT_ONCE = 4;  // requests; a browser sends six to one server, the page needs some itself
const TRIES = 3, PAUSE = 700;  // milliseconds, from one try to the next
const MOST_BYTES = 256 * 2 ** 20;  // of tiles that were seen and may be seen again

/**
 * Calls `changed` when a tile has arrived, or will not.
 *
 * @param {Payload} value
 * @param {number} side Of a tile.
 * @param {import("./levels.js").Scale} scale
 * @param {import("./unpack.js").Unpack} unpack
 * @param {() => void} changed
 * @param {number} mostBytes
 */
export function newTiles(value, side, scale, unpack, changed, mostBytes = MOST_BYTES) {
  /** @type {Map<string, Tile>} The one that was looked at longest ago comes first. */
  const kept = new Map();
  /** @type {Map<string, AbortController>} */
  const asked = new Map();
  /** @type {Map<string, {tries: number, resting: boolean}>} */
  const failed = new Map();
  /** @type {Set<string>} */
  let wanted = new Set();
  let bytes = 0, serial = 0;

  /**
   * @param {number} column
   * @param {number} row
   */
  const keyOf = (column, row) => `${column}_${row}`;

  /**
   * @param {number} column
   * @param {number} row
   */
  function at(column, row) {
    const key = keyOf(column, row), tile = kept.get(key);
    if (tile && kept.delete(key)) kept.set(key, tile);
    return tile;
  }

  /** @param {Place[]} places The most wanted first. */
  function want(places) {
    wanted = new Set(places.map(([column, row]) => keyOf(column, row)));
    for (const [key, control] of asked) {
      if (wanted.has(key)) continue;
      control.abort();
      asked.delete(key);
    }
    for (const key of failed.keys()) if (!wanted.has(key)) failed.delete(key);  // a new chance
    ask();
  }

  function ask() {
    for (const key of wanted) {
      if (asked.size >= AT_ONCE) return;
      if (!kept.has(key) && !asked.has(key) && !failed.get(key)?.resting) load(key);
    }
  }

  /** @param {string} key */
  async function load(key) {
    const control = new AbortController();
    asked.set(key, control);
    try {
      keep(key, await fetchTile(value, side, key, scale, unpack, control.signal));
      failed.delete(key);
      changed();
    } catch (error) {
      if (control.signal.aborted) return;
      backOff(key, error);
    } finally {
      if (asked.get(key) === control) asked.delete(key);
      ask();
    }
  }

  /**
   * Waits before the next try, longer each time; after the last one the tile is lost.
   *
   * @param {string} key
   * @param {unknown} error
   */
  function backOff(key, error) {
    const tries = (failed.get(key)?.tries || 0) + 1;
    const failure = { tries, resting: true };
    failed.set(key, failure);
    if (tries < TRIES) {
      setTimeout(() => { failure.resting = false; ask(); }, PAUSE * tries);
      return;
    }
    console.warn(`The tile ${key} was not fetched: ${error}`);
    changed();
  }

  /**
   * What is in view stays, even if it is more than there is room for.
   *
   * @param {string} key
   * @param {Tile} tile
   */
  function keep(key, tile) {
    if (kept.has(key)) return;  // given up when all but there, and asked for once more
    kept.set(key, tile);
    bytes += tile.bytes;
    serial++;
    for (const [old, { bytes: size }] of kept) {
      if (bytes <= mostBytes) break;
      if (!wanted.has(old) && kept.delete(old)) bytes -= size;
    }
  }

  return {
    side, at, want,
    close: () => want([]),
    get serial() { return serial; },  // changes with what `at` answers
    get missing() { return [...wanted].filter((key) => !kept.has(key)).length; },
    lost: (/** @type {number} */ column, /** @type {number} */ row) => {
      return (failed.get(keyOf(column, row))?.tries ?? 0) >= TRIES;
    },
    get anyLost() { return [...failed.values()].some(({ tries }) => tries >= TRIES); },
  };
}

/**
 * One tile as a source of pixels.
 *
 * @param {Payload} value
 * @param {number} side
 * @param {string} key
 * @param {import("./levels.js").Scale} scale
 * @param {import("./unpack.js").Unpack} unpack
 * @param {AbortSignal} signal
 * @returns {Promise<Tile>}
 */
async function fetchTile(value, side, key, scale, unpack, signal) {
  const { width, height, step, channels, planes = [] } = value;
  const [left, top] = key.split("_").map((place) => Number(place) * side);
  const size = { width: Math.min(side, width - left), height: Math.min(side, height - top) };
  const response = await fetch(tileAddress(value, key), { signal });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const described = planes.filter((plane) => plane.name !== "counts");
  // Between the picture as a whole and the tiles: no coarser than the former.
  const depth = Math.ceil(Math.log2(step));
  const how = { ...size, channels, described, scale, depth };
  return { ...size, left, top, step: 1, ...await unpack(await response.arrayBuffer(), how) };
}

/**
 * The files of tiles lie beside that of the whole picture.
 *
 * @param {Payload} value
 * @param {string} key
 */
function tileAddress(value, key) {
  const whole = new URL(value.data?.url ?? "", globalThis.location?.href);
  const address = new URL(`tile_${key}.bin`, whole);
  address.search = whole.search;
  return address;
}
