// The list of painted pictures: the one in view is marked at once, without asking Python.

/** @param {import("../../parts/component.js").Component} component */
export function mount({ element }) {
  document.addEventListener("teaching:shown", (event) => {
    const picture = event instanceof CustomEvent ? event.detail : null;
    for (const row of element.querySelectorAll("[data-picture]")) {
      if (row instanceof HTMLElement && row.dataset.picture === picture) {
        row.setAttribute("aria-current", "true");
      } else row.removeAttribute("aria-current");
    }
  });
}
