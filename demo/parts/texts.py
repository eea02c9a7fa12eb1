"""Texts of the page as a whole, and its style."""

from pathlib import Path

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

HEADER = """
<header class="masthead">
  <h1>unet_hf</h1>
  <p>Finds nuclei, cells and membranes in microscopy images. Uploads are deleted after an hour.</p>
</header>
"""
