// The row of examples: a click on one triggers `select` with its number.

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("select", { index: Number(button.dataset.index), value: null });
});
