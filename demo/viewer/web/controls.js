// The controls around the picture: what each button and slider does, in acts that the viewer knows.

function controls(root, act) {
  const find = (selector) => root.querySelector(selector);
  for (const name of Object.keys(MAPS)) find(".colormap").add(new Option(name));
  for (const name of Object.keys(UNITS)) find(".unit").add(new Option(name));
  find(".unit").value = "µm";

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { do: name, view, toggle, id } = button.dataset;
    if (name) act[name]();
    else if (view) act.view(view);
    else if (toggle) act[toggle]();
    else if (id) act.toggleClass(Number(id));
  });
  const entered = {
    ".opacity": ({ value }) => act.opacity(Number(value)),
    ".threshold": ({ value }) => act.threshold(Number(value)),
    ".low": ({ value }) => act.black(Number(value)),
    ".high": ({ value }) => act.white(Number(value)),
    ".colormap": ({ value }) => act.colormap(value),
    ".size, .unit": () => act.pixelSize(Number(find(".size").value), find(".unit").value),
  };
  root.addEventListener("input", ({ target }) => {
    for (const [selector, enter] of Object.entries(entered)) {
      if (target.matches(selector)) enter(target);
    }
  });
  root.addEventListener("viewer:opacity", (event) => act.opacity(event.detail));
  root.addEventListener("viewer:threshold", (event) => act.threshold(event.detail));
  find("dialog").addEventListener("keydown", (event) => { if (event.key === "h") act.close(); });
}
