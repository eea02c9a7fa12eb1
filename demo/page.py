"""Words, colours and the small script of the page as a whole."""

HEADER = """
<header class="masthead">
  <h1>unet_hf</h1>
  <p>Segment an image with a U-Net: drop a picture, look at the classes, take the numbers home.
  Nothing leaves this machine; uploads are deleted after an hour.</p>
</header>
"""

FOOTER = """
<p class="small">Limits: 200 MB and 4096 × 4096 pixels a file. PNG, JPEG, TIFF (8 and 16 bits,
float, multi-page), NPY. In Python:
<code>UNet.from_pretrained("unet-nuclei").segment("image.tif").save("out")</code></p>
"""

CSS = """
.gradio-container { max-width: 1320px !important; margin: auto; }
.masthead h1 { font-size: 28px; font-weight: 700; margin: 4px 0 2px; letter-spacing: -.01em; }
.masthead p, .small { color: var(--body-text-color-subdued); margin: 0; }
.small { font-size: 13px; padding-top: 8px; }
.alert {
  margin: 0; padding: 12px 14px; border-radius: 8px; border-left: 4px solid #d55e00;
  background: color-mix(in srgb, #d55e00 12%, transparent); color: var(--body-text-color);
}
#facts { font-variant-numeric: tabular-nums; }
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
