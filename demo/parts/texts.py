"""Texts of the page as a whole, and its style."""

from pathlib import Path

from ..server import limits

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

HEADER = """
<header class="masthead">
  <h1>unet_hf</h1>
  <p>Drop a picture, see its classes, take the mask home. Uploads stay on this server and are
  deleted after an hour.</p>
</header>
"""

LIMITS = f"""
<p class="small limits">PNG, JPEG, TIFF (8 and 16 bits, float, stacks, channels), NPY and others.
Up to {limits.MAX_FILE_MEGABYTES} MB and {limits.MAX_SIDE} × {limits.MAX_SIDE} pixels; of a stack
any number of pages, one at a time.</p>
"""

FOOTER = """
<p class="small">In Python:
<code>UNet.from_pretrained("unet-nuclei").segment("image.tif").save("out")</code></p>
"""
