// A list of regions: a click on one flies there in the viewers that the list names.
// `props.targets`: ids of the viewers. No request is sent.

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-box]");
  if (!button) return;
  const [x, y, width, height] = JSON.parse(button.dataset.box);
  const detail = { x, y, width, height };
  for (const id of props.targets) {
    const viewer = document.querySelector(`#${id} .viewer`);
    viewer?.dispatchEvent(new CustomEvent("viewer:fly", { detail }));
  }
  element.querySelector("[aria-current]")?.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
});
