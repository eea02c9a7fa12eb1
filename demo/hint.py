"""A word to first-time visitors, which does not come back once it was closed."""

import gradio as gr

TEXT = """
<div class="hint" role="note" hidden>
  <span>New here? The picture below is segmented already. Drop one of yours, or paste it; drag and
  scroll to look around, press <kbd>h</kbd> on the picture for its keys.</span>
  <button type="button">Got it</button>
</div>
"""
# A browser that keeps nothing shows the hint each time, and still closes it.
SCRIPT = """
const note = element.querySelector(".hint");
const key = "unet_hf_hint_closed";
let closed = false;
try { closed = localStorage.getItem(key) === "yes"; } catch { /* no storage: show it */ }
note.hidden = closed;
note.querySelector("button").addEventListener("click", () => {
  note.hidden = true;
  try { localStorage.setItem(key, "yes"); } catch { /* it comes back next time */ }
});
"""
STYLE = """
.hint { display: flex; gap: 14px; align-items: center; justify-content: space-between;
  padding: 10px 14px; border-radius: 8px; font-size: 14px;
  background: color-mix(in srgb, #0ea5e9 12%, transparent); }
.hint[hidden] { display: none; }
.hint button { font-weight: 600; cursor: pointer; white-space: nowrap; padding: 4px 10px;
  border-radius: 6px; border: 1px solid currentColor; background: none; }
"""


def hint() -> gr.HTML:
    return gr.HTML(TEXT, js_on_load=SCRIPT, css_template=STYLE, elem_id="hint")
