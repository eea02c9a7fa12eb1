// What an upload of Gradio's is given: what is too large is told here, and the rest goes on to it.
// Gradio would send all, and then refuse it in its own words.

import { find } from "../component.js";
import {
  aboutFolders, filesAndFolders, listenOnPage, takeFromAnywhere,
} from "./drop_and_paste.js";
import { sizeOf, tooMuch, UploadsLeft } from "./uploads_left.js";

const SETTLES = 400;  // milliseconds from files that were handed over to the progress that shows

/**
 * @typedef {object} Props
 * @property {string} upload_id
 * @property {boolean} anywhere
 * @property {boolean} empties
 * @property {number} megabytes Of a file, at most.
 * @property {number} gigabytes Of all that one visitor sends within an hour.
 */

/** @param {import("../component.js").Component<Props>} component */
export function mount({ element, props }) {
  const told = find(element, "[role=alert]");
  const fits = (/** @type {File} */ file) => file.size <= props.megabytes * 2 ** 20;
  const upload = () => document.getElementById(props.upload_id);
  let handing = false;  // our own change of the upload's files is under way
  const left = new UploadsLeft();
  left.ask();
  let handedAt = 0;  // when files were handed over last, in milliseconds
  let waiting = 0;  // the timer of files that come while others are on their way

  /** An upload that empties itself has done so when it shows neither progress nor files. */
  function isBusy() {
    const justNow = props.empties && Date.now() - handedAt < SETTLES;
    return justNow || Boolean(upload()?.querySelector(".progress"));
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
   * @param {string[]} folders Their names.
   */
  async function take(files, folders) {
    const large = tooLarge(files.filter((file) => !fits(file)), props.megabytes);
    tell([aboutFolders(folders), large].filter(Boolean).join(" "));
    const small = files.filter(fits);
    if (!small.length) return;
    if (!left.covers(small)) await left.ask();  // an hour may have passed
    if (!left.covers(small)) {
      return tell(tooMuch(sizeOf(small), left.bytes, props.gigabytes));
    }
    left.spend(small);
    handOver(small);
  }

  /**
   * Once the upload is free: Gradio loses its way where files come while others are on theirs.
   *
   * @param {File[]} small
   */
  function handOver(small) {
    clearTimeout(waiting);
    /** @type {HTMLInputElement | null | undefined} */
    const input = isBusy() ? null : upload()?.querySelector("input[type=file]");
    if (!input) {  // of those that wait, the last are taken
      waiting = setTimeout(() => handOver(small), 100);
      return;
    }
    handedAt = Date.now();
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
   * @param {string[]} folders Their names.
   */
  function check(event, files, folders = []) {
    const target = event.target instanceof Node ? event.target : null;
    if (handing || !files.length && !folders.length || !upload()?.contains(target)) return;
    if (!folders.length && files.every(fits) && left.covers(files) && !isBusy()) {
      left.spend(files);
      handedAt = Date.now();
      return tell("");
    }
    event.preventDefault();
    event.stopPropagation();
    take(files, folders);
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
      drop(/** @type {DragEvent} */ event) {
        const { files, folders } = filesAndFolders(event.dataTransfer);
        check(event, files, folders);
      },
    }),
  });
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
