// What strokes can be of: lists of classes. One is that of a result, another somebody's own; strokes
// that were painted for one are never taken for another's.

/** @typedef {{name: string, color: string}} PaintClass */
/**
 * @typedef {object} ClassList
 * @property {string} id
 * @property {"list"} kind
 * @property {number} when It was used last, in milliseconds since 1970.
 * @property {string[]} names That it began with: a result with these is painted with this list, also
 *   after a class was added or renamed. A class stays the same one: what a network knows of it is
 *   found by its place among these.
 * @property {PaintClass[]} classes Their ids are their places.
 * @property {boolean} pinned It stays, whatever classes the result in view has.
 */

export const MOST_CLASSES = 254;

/** @type {PaintClass[]} Where nobody has said anything about classes. */
export const FIRST = [{ name: "background", color: "" }, { name: "object", color: "" }];

/**
 * The list that a result of these classes is painted with, if there is one.
 *
 * @param {ClassList[]} lists
 * @param {string[]} names
 * @param {ClassList | null} current It stays if it can.
 */
export function listOf(lists, names, current) {
  const once = (/** @type {ClassList} */ list) => same(list.names, names);
  if (current && (listNamed([current], names) || once(current))) return current;
  return listNamed(lists, names) ?? lists.find(once) ?? null;
}

/**
 * The list whose classes have these names now.
 *
 * @param {ClassList[]} lists
 * @param {string[]} names
 */
export function listNamed(lists, names) {
  return lists.find(({ classes }) => same(classes.map(({ name }) => name), names)) ?? null;
}

/**
 * A list of classes; those without a colour get one that no other has.
 *
 * @param {ClassList[]} lists The others.
 * @param {PaintClass[]} classes
 * @param {string[]} palette
 * @returns {ClassList}
 */
export function newList(lists, classes, palette) {
  const names = classes.map(({ name }) => name), first = JSON.stringify(names);
  let id = first;
  for (let k = 2; lists.some((list) => list.id === id); k++) id = `${first} ${k}`;
  /** @type {ClassList} */
  const list = { id, kind: "list", when: 0, names, classes: [], pinned: false };
  for (const { name, color } of classes) {
    list.classes.push({ name, color: color || freeColor(list.classes, palette) });
  }
  return list;
}

/**
 * The colour that is least like those of the classes.
 *
 * @param {PaintClass[]} classes
 * @param {string[]} palette
 */
export function freeColor(classes, palette) {
  const near = (/** @type {string} */ color) =>
    Math.min(...classes.map((other) => unlikeness(color, other.color)));
  return palette.reduce((best, color) => (near(color) > near(best) ? color : best));
}

/**
 * @param {string} one
 * @param {string} other
 */
function unlikeness(one, other) {
  const parts = [1, 3, 5].map((at) =>
    parseInt(one.slice(at, at + 2), 16) - parseInt(other.slice(at, at + 2), 16));
  return Math.hypot(...parts);
}

/**
 * Why a class cannot have this name; "" if it can.
 *
 * @param {PaintClass[]} classes
 * @param {number} id Of the class.
 * @param {string} name
 */
export function faultOfName(classes, id, name) {
  if (!name.trim()) return "A class needs a name.";
  const taken = classes.some((other, place) => place !== id && other.name === name.trim());
  return taken ? `There is a class “${name.trim()}” already.` : "";
}

/** @param {ClassList} list */
export function listInWords({ classes }) {
  const names = classes.map(({ name }) => name);
  return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`
    : names.join(", ");
}

/**
 * @param {string[]} some
 * @param {string[]} others
 */
function same(some, others) {
  return some.length === others.length && some.every((name, place) => name === others[place]);
}
