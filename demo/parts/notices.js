// What Gradio tells in boxes of its own ("Error", "Queue is full", "Connection errored out") is said
// as a sentence. And after the page was loaded anew: that the visitor's image is gone.

import { find, viewerOf } from "./component.js";

const KEPT = "unet_hf_image";  // the name of the visitor's own image, as long as the window is open

/** @param {import("./component.js").Component} component */
export function mount({ element }) {
  const notice = find(element, ".notice"), words = find(notice, "p");

  /** @param {string} sentence */
  function say(sentence) {
    words.textContent = sentence;
    notice.hidden = false;
  }

  find(notice, "button").addEventListener("click", () => { notice.hidden = true; });
  const toasts = new MutationObserver(() => {
    if (!element.isConnected) return toasts.disconnect();
    for (const toast of document.querySelectorAll("[data-testid=toast-body]")) {
      say(sentenceFor(toast.textContent ?? ""));
      toast.remove();
    }
  });
  toasts.observe(document.body, { childList: true, subtree: true });
  const gone = remembered();
  if (gone) say(`The page was loaded anew, and ${gone} is no longer here. Send it again.`);
  document.addEventListener("viewer:shown", () => remember(ownImage()));
}

/**
 * What to say instead of Gradio's words.
 *
 * @param {string} told
 */
export function sentenceFor(told) {
  if (/queue|too many|full/i.test(told)) {
    return "Many people are here at the moment. Try again in a minute.";
  }
  if (/connection|network|fetch|lost|timed? ?out/i.test(told)) {
    return "The connection to the server was lost. Check your network, and try again.";
  }
  if (/upload|file|size/i.test(told)) {
    return "The file did not arrive. Try again; if it stays, try another file.";
  }
  return "Something went wrong that should not have. Try again, or load the page anew.";
}

/** The name of the visitor's own image in view; "" for an example or none. */
function ownImage() {
  const own = document.querySelector("#files li [aria-current]");
  return own ? viewerOf("viewer")?.querySelector(".head .name")?.textContent ?? "" : "";
}

/** @param {string} name */
function remember(name) {
  try {
    if (name) sessionStorage.setItem(KEPT, name);
    else sessionStorage.removeItem(KEPT);
  } catch { /* a browser that keeps nothing is told nothing */ }
}

function remembered() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null;
  }
}
