// What strokes can be of: lists of classes. One is that of a result, another somebody's own; strokes
// that were painted for one are never taken for another's.

/**
 * @typedef {object} PaintClass
 * @property {string} name
 * @property {string} color
 * @property {string[]} [formerly] What it was called before: a class that is renamed stays the same
 *   one, and a network that was taught under an earlier name knows it by that.
 */
/**
 * @typedef {object} ClassList
 * @property {string} id
 * @property {"list"} kind
 * @property {number} when It was used last, in milliseconds since 1970.
 * @property {string[]} names That it began with: a result with these is painted with this list, also
 *   after a class was added or renamed.
 * @property {PaintClass[]} classes Their ids are their places.
 * @property {boolean} pinned It stays, whatever classes the result in view has.
 */

export const MOST_CLASSES = 254;
const MOST_FORMER = 20;  // names of a class that are remembered, the last ones

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
  const knows = (/** @type {ClassList} */ list) => goesOn(list, names);
  if (current && knows(current)) return current;
  return listNamed(lists, names) ?? lists.find(knows) ?? null;
}

/**
 * Whether the list goes on from classes of these names: each is, or was, called so.
 *
 * @param {ClassList} list
 * @param {string[]} names
 */
function goesOn(list, names) {
  return names.length >= list.names.length && names.length <= list.classes.length
    && names.every((name, id) =>
      name === list.classes[id].name || formerNames(list, id).includes(name));
}

/**
 * All that a class was called before, the latest name last.
 *
 * @param {ClassList} list
 * @param {number} id Of the class.
 */
export function formerNames(list, id) {
  const { name, formerly = [] } = list.classes[id];
  return [...new Set([...list.names.slice(id, id + 1), ...formerly])].filter((one) => one !== name);
}

/**
 * The class under another name.
 *
 * @param {PaintClass} one
 * @param {string} name
 * @returns {PaintClass}
 */
export function renamed(one, name) {
  return alsoCalled({ ...one, name }, [one.name]);
}

/**
 * The class with more names that it had.
 *
 * @param {PaintClass} one
 * @param {string[]} names
 * @returns {PaintClass}
 */
export function alsoCalled({ name, color, formerly = [] }, names) {
  const all = [...new Set([...formerly, ...names])].filter((former) => former !== name);
  return { name, color, ...(all.length && { formerly: all.slice(-MOST_FORMER) }) };
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
  for (const one of classes) {
    list.classes.push({ ...one, color: one.color || freeColor(list.classes, palette) });
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
