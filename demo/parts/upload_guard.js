// What an upload of Gradio's is given: what is too large is told here, and the rest goes on to it.
// Gradio would send all, and then refuse it in its own words.

import { find } from "./component.js";
import { listenOnPage, takeFromAnywhere } from "./drop_and_paste.js";

/**
 * @typedef {object} Props
 * @property {string} upload_id
 * @property {boolean} anywhere
 * @property {number} megabytes Of a file, at most.
 * @property {number} gigabytes Of all that one visitor sends within an hour.
 */

const UPLOADS_LEFT = "/uploads_left";  // see server/upload_budget.py

/** @param {import("./component.js").Component<Props>} component */
export function mount({ element, props }) {
  const told = find(element, "[role=alert]");
  const fits = (/** @type {File} */ file) => file.size <= props.megabytes * 2 ** 20;
  const upload = () => document.getElementById(props.upload_id);
  let handing = false;  // our own change of the upload's files is under way
  let left = Infinity;  // bytes that may still be sent, as far as is known here
  ask();

  /** What the server says of it. */
  async function ask() {
    left = Infinity;
    const { gradio_config: config } = /** @type {any} */ (window);
    try {
      const answer = await fetch(`${config?.root ?? ""}${UPLOADS_LEFT}`);
      if (answer.ok) left = (await answer.json()).bytes;
    } catch { /* then it says so when it is sent too much */ }
  }

  /** @param {string} sentence */
  function tell(sentence) {
    told.textContent = sentence;
    told.hidden = !sentence;
  }

  /**
   * Hands files to the upload as if they had been chosen there.
   *
   * @param {File[]} files
   */
  async function take(files) {
    tell(tooLarge(files.filter((file) => !fits(file)), props.megabytes));
    const small = files.filter(fits);
    if (!small.length) return;
    if (sizeOf(small) > left) await ask();  // an hour may have passed
    if (sizeOf(small) > left) return tell(tooMuch(sizeOf(small), left, props.gigabytes));
    left -= sizeOf(small);
    /** @type {HTMLInputElement | null | undefined} */
    const input = upload()?.querySelector("input[type=file]");
    if (!input) return tell("Files are on their way already. Wait until they are here.");
    const transfer = new DataTransfer();
    small.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    handing = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    handing = false;
  }

  /**
   * All at once where some have to stay behind; else Gradio may do as it does.
   *
   * @param {Event} event
   * @param {File[]} files
   */
  function check(event, files) {
    const target = event.target instanceof Node ? event.target : null;
    if (handing || !files.length || !upload()?.contains(target)) return;
    if (files.every(fits) && sizeOf(files) <= left) {
      left -= sizeOf(files);
      return tell("");
    }
    event.preventDefault();
    event.stopPropagation();
    take(files);
  }

  if (props.anywhere) takeFromAnywhere(element, upload, take);
  listenOnPage(element, {
    change(event) {
      const { target } = event;
      if (target instanceof HTMLInputElement && target.type === "file") {
        check(event, [...(target.files ?? [])]);
      }
    },
    ...(props.anywhere ? {} : {
      drop(/** @type {DragEvent} */ event) { check(event, [...(event.dataTransfer?.files ?? [])]); },
    }),
  });
}

/** @param {{size: number}[]} files */
function sizeOf(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/**
 * What is said of files that are too much for an hour.
 *
 * @param {number} size Bytes.
 * @param {number} left Bytes.
 * @param {number} gigabytes
 */
export function tooMuch(size, left, gigabytes) {
  const [asked, free] = [size, left].map((bytes) => Math.floor(bytes / 2 ** 20));
  return `These are ${asked} MB. Uploads are kept for an hour, and ${gigabytes} GB of each visitor's`
    + ` at a time; ${free} MB are left. Nothing was sent. Send less, or wait until the earlier ones`
    + " are deleted.";
}

/**
 * One sentence about files that were not sent; "" for none.
 *
 * @param {{name: string, size: number}[]} files
 * @param {number} megabytes
 */
export function tooLarge(files, megabytes) {
  if (!files.length) return "";
  const names = files.map(({ name, size }) => `${name} (${Math.ceil(size / 2 ** 20)} MB)`);
  const [are, were, it] = files.length > 1 ? ["are", "were", "them"] : ["is", "was", "it"];
  return `${names.join(", ")} ${are} above the limit of ${megabytes} MB a file, and ${were}`
    + ` not sent. Cut ${it} into parts, or compress ${it}.`;
}
