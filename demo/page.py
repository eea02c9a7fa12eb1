"""Words, colours and the small script of the page as a whole."""

HEADER = """
<header class="masthead">
  <h1>unet_hf</h1>
  <p>Drop a picture, see its classes, take the mask home. Uploads stay on this server and are
  deleted after an hour.</p>
</header>
"""

FOOTER = """
<p class="small">Limits: 200 MB and 4096 × 4096 pixels a file. PNG, JPEG, TIFF (8 and 16 bits,
float, multi-page), NPY. In Python:
<code>UNet.from_pretrained("unet-nuclei").segment("image.tif").save("out")</code></p>
"""

CSS = """
.gradio-container { max-width: 1240px !important; margin: auto; }
.masthead { padding: 6px 0 2px; }
.masthead h1 { font-size: 30px; font-weight: 750; margin: 0 0 4px; letter-spacing: -.02em; }
.masthead p { color: var(--body-text-color-subdued); margin: 0; font-size: 16px; }
.step { font-size: 15px; font-weight: 650; margin: 2px 0 -12px; }
.step small { font-weight: 400; color: var(--body-text-color-subdued); padding-left: 6px; }
.small { color: var(--body-text-color-subdued); font-size: 13px; margin: 0; }
.alert {
  margin: 0; padding: 12px 14px; border-radius: 8px; border-left: 4px solid #d55e00;
  background: color-mix(in srgb, #d55e00 12%, transparent); color: var(--body-text-color);
}
#facts { font-variant-numeric: tabular-nums; padding: 0 2px; }
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

# A picture pasted anywhere on the page goes the way of a chosen file.
HEAD = """
<script>
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])][0];
  const input = document.querySelector("#upload input[type=file]");
  if (!file || !input) return;
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
});
</script>
"""
