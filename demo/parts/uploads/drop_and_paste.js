// Files from outside: dropped or pasted. Whoever takes them listens on the whole page, before
// Gradio hears of it.

/**
 * @typedef {object} Ways What is done with an event of the page, by its name.
 * @property {(event: Event) => void} [change]
 * @property {(event: DragEvent) => void} [dragover]
 * @property {(event: DragEvent) => void} [dragleave]
 * @property {(event: DragEvent) => void} [drop]
 * @property {(event: ClipboardEvent) => void} [paste]
 */

/**
 * Listens until `element` is taken off the page.
 *
 * @param {Element} element
 * @param {Ways} ways
 */
export function listenOnPage(element, ways) {
  for (const [name, way] of Object.entries(ways)) {
    document.addEventListener(name, function listen(/** @type {any} */ event) {
      if (element.isConnected) way(event);
      else document.removeEventListener(name, listen, true);
    }, true);
  }
}

/**
 * What was dropped: files, and the names of folders, which cannot be read as files can.
 *
 * @param {DataTransfer | null} dropped
 * @returns {{files: File[], folders: string[]}}
 */
export function filesAndFolders(dropped) {
  /** @type {File[]} */
  const files = [];
  const folders = [];
  for (const item of dropped?.items ?? []) {
    const file = item.getAsFile();
    if (file && item.webkitGetAsEntry?.()?.isDirectory) folders.push(file.name);
    else if (file) files.push(file);
  }
  return { files, folders };
}

/**
 * One sentence about folders that were dropped; "" for none.
 *
 * @param {string[]} names
 */
export function aboutFolders(names) {
  if (!names.length) return "";
  const [are, it] = names.length > 1 ? ["are folders", "them"] : ["is a folder", "it"];
  return `${names.join(", ")} ${are}: open ${it}, and drop the files inside.`;
}

/**
 * All zones that take from anywhere, in the order of the page.
 *
 * @type {(() => Element | null)[]}
 */
const zones = [];

/**
 * Takes files that are dropped or pasted anywhere on the page while the tab of the zone is open,
 * but for what another upload is given. In a tab that has no such zone, the first one takes them:
 * the browser would leave the page for the file.
 *
 * @param {Element} element
 * @param {() => Element | null} zone Takes files, and shows that it would while they hang above the
 *   page.
 * @param {(files: File[], folders: string[]) => void} take Gets files, and the names of folders.
 */
export function takeFromAnywhere(element, zone, take) {
  zones.push(zone);
  const isMine = (/** @type {Event} */ { target }) => {
    const other = target instanceof Element ? target.closest(".upload-container") : null;
    const mine = zone();
    if (!mine || (other && !mine.contains(other))) return false;
    const open = zones.find((one) => one()?.checkVisibility());
    return open ? mine.checkVisibility() : zones.find((one) => one()) === zone;
  };
  listenOnPage(element, {
    dragover(event) {
      if (!event.dataTransfer?.types.includes("Files") || !isMine(event)) return;
      event.preventDefault();  // or the browser would leave the page for the file
      zone()?.classList.add("over");
    },
    dragleave(event) {
      if (!event.relatedTarget) zone()?.classList.remove("over");
    },
    drop(event) {
      zone()?.classList.remove("over");
      const { files, folders } = filesAndFolders(event.dataTransfer);
      if (!files.length && !folders.length || !isMine(event)) return;
      event.preventDefault();
      event.stopPropagation();
      take(files, folders);
    },
    paste(event) {
      const files = [...(event.clipboardData?.files ?? [])];
      const typing = event.target instanceof Element && event.target.closest(
        "input:not([type=file]), textarea, [contenteditable=true]");
      if (!files.length || typing || !isMine(event)) return;
      event.preventDefault();
      take(files, []);
    },
  });
}
