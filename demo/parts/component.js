// What Gradio hands the script of a `gr.HTML`, and how it finds its parts.

/**
 * What `mount` of every component is given; see `js_on_load` of `gr.HTML`.
 *
 * @template [Props=any]
 * @typedef {object} Component
 * @property {HTMLElement} element
 * @property {Props} props Those of Python; `value` among them. They change as Python changes them.
 * @property {(event: string, detail?: object) => void} trigger Tells Python of an event.
 * @property {(name: string, changed: () => void) => void} watch Calls `changed` after a change.
 */

/**
 * The first element that a selector finds.
 *
 * @overload
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
/**
 * @template {Element} Kind
 * @overload
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
/**
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Element} kind
 * @returns {Element}
 */
export function find(root, selector, kind = HTMLElement) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} at "${selector}".`);
  return found;
}

/**
 * The element around the target of an event, if any; without a selector, the button.
 *
 * @param {Event} event
 * @param {string} [selector]
 */
export function clicked(event, selector = "button") {
  const target = event.target instanceof Element ? event.target.closest(selector) : null;
  return target instanceof HTMLElement ? target : null;
}

/**
 * The viewer in a component of this `elem_id`; null if the page has none.
 *
 * @param {string} id
 * @returns {HTMLElement | null}
 */
export function viewerOf(id) {
  return document.querySelector(`#${id} .viewer`);
}

/**
 * Tells a viewer something, see `tell` in viewer/component.py.
 *
 * @param {string} id
 * @param {string} event
 * @param {unknown} [detail]
 */
export function tellViewer(id, event, detail) {
  viewerOf(id)?.dispatchEvent(new CustomEvent(`viewer:${event}`, { detail }));
}

/**
 * Lets a viewer fly to a region, which then blinks.
 *
 * @param {string} id
 * @param {{x: number, y: number, width: number, height: number}} box In pixels of the image.
 */
export function fly(id, box) {
  tellViewer(id, "fly", box);
}

/**
 * Scrolls the page to the picture of a viewer, unless all of it is in sight.
 *
 * @param {string} id
 */
export function bringIntoSight(id) {
  const stage = viewerOf(id)?.querySelector(".stage");
  if (stage) bringPartIntoSight(stage);
}

/**
 * Scrolls the page to a part of it, unless all of it is in sight.
 *
 * @param {Element} part
 */
export function bringPartIntoSight(part) {
  const { top, bottom } = part.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part.scrollIntoView({ block: "center" });
}
