"""Pictures to start with: real ones that scikit-image ships, and our own drawings."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import PIL.Image

from unet_hf.hub import SHIPPED

SAMPLE = Path("sample") / "input.png"


@dataclass(frozen=True)
class Example:
    title: str
    path: str
    model: str  # the shipped checkpoint that is made for it


@cache
def examples() -> tuple[Example, ...]:
    """Written once a process, to a folder that lives as long as the process does."""
    from skimage import data

    # The folder goes with the object that made it, hence the attribute.
    examples.folder = tempfile.TemporaryDirectory(prefix="unet_hf_examples_")
    stained = Path(examples.folder.name) / "stained-tissue.png"
    PIL.Image.fromarray(data.immunohistochemistry()).save(stained)
    return (
        Example("Tissue", str(stained), "unet-nuclei"),
        Example("EM, drawn", str(SHIPPED / "unet-isbi" / SAMPLE), "unet-isbi"),
        Example("Nuclei, drawn", str(SHIPPED / "unet-nuclei" / SAMPLE), "unet-nuclei"),
    )
