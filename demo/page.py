"""Words and colours of the page as a whole."""

from math import isqrt

from .actions import MAX_FILE_MEGABYTES, MAX_PIXELS

SIDE = isqrt(MAX_PIXELS)

HEADER = """
<header class="masthead">
  <h1>unet_hf</h1>
  <p>Drop a picture, see its classes, take the mask home. Uploads stay on this server and are
  deleted after an hour.</p>
</header>
"""

LIMITS = f"""
<p class="small limits">PNG, JPEG, TIFF (8 and 16 bits, float, stacks, channels), NPY and others.
Up to {MAX_FILE_MEGABYTES} MB and {SIDE} × {SIDE} pixels; of a stack any number of pages, one at a
time.</p>
"""

FOOTER = """
<p class="small">In Python:
<code>UNet.from_pretrained("unet-nuclei").segment("image.tif").save("out")</code></p>
"""

CSS = """
.gradio-container { max-width: 1240px !important; margin: auto; }
.masthead { padding: 6px 0 2px; }
.masthead h1 { font-size: 30px; font-weight: 750; margin: 0 0 4px; letter-spacing: -.02em; }
.masthead p { color: var(--body-text-color-subdued); margin: 0; font-size: 16px; }
.step { font-size: 15px; font-weight: 650; margin: 2px 0 -12px; }
.step small { font-weight: 400; color: var(--body-text-color-subdued); padding-left: 6px; }
.small { --hush: #566070; color: var(--hush); font-size: 13px; margin: 0; }
.dark .small { --hush: #a7b0bd; }
.alert {
  margin: 0; padding: 12px 14px; border-radius: 8px; border-left: 4px solid #d55e00;
  background: color-mix(in srgb, #d55e00 12%, transparent); color: var(--body-text-color);
}
#facts { font-variant-numeric: tabular-nums; padding: 0 2px; }
.limits { margin: -16px 0 -10px; }
/* No gap for nothing. */
#files:not(:has(.files > :not([hidden]))), .way_in:has([hidden]) { display: none; }
/* Gradio's own sign of how far an upload is, a ring of 14 pixels, as a bar. */
.wrap.progress { min-height: 128px; }
.wrap.progress .file { flex-direction: column; margin-top: 8px; }
.wrap.progress .progress-bar {
  width: 220px; height: 8px; border-radius: 4px; background: linear-gradient(
    to right, #0ea5e9 var(--upload-progress-width), var(--border-color-primary) 0);
}
#upload.over { outline: 3px solid #0ea5e9; outline-offset: 2px; }
.small code { white-space: normal !important; overflow-wrap: anywhere; }
@media (max-width: 500px) { .gradio-container .main { padding: 12px !important; } }
.examples {
  display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px; align-items: start;
}
.examples button {
  font-size: 13px !important; font-weight: 500 !important; line-height: 1.3; cursor: pointer;
  background: none !important; border: 0 !important; padding: 0 !important;
}
.examples img {
  width: 100%; aspect-ratio: 1; object-fit: cover; margin: 0 0 5px !important;
  border-radius: 8px; border: 2px solid transparent;
}
.examples button:hover img, .examples button:focus-visible img { border-color: #0ea5e9; }
"""
