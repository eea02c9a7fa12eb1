// Copies a link to what is in view now. Only what differs from the usual is in it.

const OURS = ["example", "model", "threshold", "opacity", "x", "y", "zoom"];
const field = element.querySelector("input"), said = element.querySelector("span");

function parts() {
  const { example, model, threshold, opacity } = props.value;
  const seen = JSON.parse(document.querySelector("#viewer .viewer").dataset.seen);
  const found = { example };
  if (model) found.model = model;
  if (seen.threshold !== null && seen.threshold !== threshold) found.threshold = seen.threshold;
  if (seen.opacity !== opacity) found.opacity = seen.opacity;
  // Numbers are written whole: the same place to the last bit gives the same pixels.
  if (!seen.fitted) Object.assign(found, seen.camera);
  return found;
}

async function copy() {
  const ours = new URLSearchParams(parts());
  // Other parameters may be this visitor's own, such as the signature of a private Space.
  const address = `${location.origin}${location.pathname}?${ours}`;
  const bar = new URL(location.href);
  OURS.forEach((name) => bar.searchParams.delete(name));
  ours.forEach((value, name) => bar.searchParams.set(name, value));
  history.replaceState(history.state, "", bar);
  field.value = address;
  try {
    await navigator.clipboard.writeText(address);
    field.hidden = true;
    said.textContent = "Copied.";
  } catch {  // no permission, or no https
    field.hidden = false;
    field.focus();
    field.select();
    said.textContent = "Your browser does not let this page copy. Copy it here:";
  }
}

function show() {
  field.hidden = true;
  said.textContent = "";
}

element.querySelector("button").addEventListener("click", copy);
watch("value", show);
