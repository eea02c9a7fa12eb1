// Files from outside: dropped or pasted. Whoever takes them listens on the whole page, before
// Gradio hears of it.

// Until `element` is taken off the page. ways: { name of an event: function }
function listenOnPage(element, ways) {
  for (const [name, way] of Object.entries(ways)) {
    document.addEventListener(name, function listen(event) {
      if (element.isConnected) way(event);
      else document.removeEventListener(name, listen, true);
    }, true);
  }
}

// zone(): The element that takes files, and shows that it would while they hang above the page. It
// takes nothing while its tab is not open, and nothing that another upload is given.
function takesAnywhere(element, zone, take) {
  const isMine = ({ target }) => {
    const other = target.closest?.(".upload-container");
    return zone()?.checkVisibility() && (!other || zone().contains(other));
  };
  listenOnPage(element, {
    dragover(event) {
      if (!event.dataTransfer?.types.includes("Files") || !isMine(event)) return;
      event.preventDefault();  // or the browser would leave the page for the file
      zone().classList.add("over");
    },
    dragleave(event) {
      if (!event.relatedTarget) zone()?.classList.remove("over");
    },
    drop(event) {
      zone()?.classList.remove("over");
      const files = [...(event.dataTransfer?.files || [])];
      if (!files.length || !isMine(event)) return;
      event.preventDefault();
      event.stopPropagation();
      take(files);
    },
    paste(event) {
      const files = [...(event.clipboardData?.files || [])];
      const typing = event.target.closest?.("input:not([type=file]), textarea,"
        + " [contenteditable=true]");
      if (!files.length || typing || !isMine(event)) return;
      event.preventDefault();
      take(files);
    },
  });
}
