export function mount({ element, props, trigger, watch }) {
  const show = () => {
    const { frames = 0, images = [], tracks = null, edits = [], refused = "" } = props.value || {};
    element.textContent = `${images.length} of ${frames} ${tracks ? "linked" : ""} ${edits.length} ${refused}`;
    if (images.length && !element.dataset.first) element.dataset.first = Date.now();
  };
  element.edit = (edits) => trigger("input", { edits });
  watch("value", show);
  show();
}
