"""Writes and reads a checkpoint's sample: an input and what is predicted for it.

With both, anyone can check the checkpoint years later, on another machine.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from ..errors import CheckpointError
from ..images.tiff_file import open_tiff_file
from ..network.network import Network
from ..predict.overlay import to_display
from ..predict.segment import segment
from ..predict.segmentation import Segmentation
from .find import find_checkpoint
from .layout import EXPECTED_NAME, THUMBNAIL_NAME
from .records import HASHES_KEY, checkpoint_hashes, read_record

# Largest difference of a value on another machine: another CPU rounds in other places.
TOLERANCE = 1e-3
# Stored maps of objects are multiples of this, far below the tolerance: files of half the size.
MAP_STEP = np.float32(2**-12)
MAX_PIXELS = 4096 * 4096  # limit for a stored input, so that a check takes seconds
DRAWN_SIDE = 256  # px
THUMBNAIL_SIDE = 384  # px, of each half
DRAWN = "drawn by unet_hf"


def sample_input(source: str | Path, **hub: Any) -> Path:
    """Finds the picture that comes with a checkpoint to try it on; returns its path.

    source, hub: As for `UNet.from_pretrained`. Raises `CheckpointError` if there is none.
    """
    folder = find_checkpoint(source, evidence=True, **hub)
    expected = read_record(folder / EXPECTED_NAME)
    if expected is None or not _inside(folder / "sample", expected.get("input")):
        raise CheckpointError(
            f"{source} brings no sample along. Segment an image of your own: "
            '`model.segment("image.tif")`.'
        )
    return folder / "sample" / expected["input"]


def expected_values(folder: Path, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Reads what is stored of the sample's prediction, float32 of this shape.

    kind: "probabilities" or "object_maps".

    Raises:
        CheckpointError: It is missing, damaged, or of another shape than expected. The shape is
            read before the file is unpacked, since anyone may have put it on the Hub.
    """
    words = kind.replace("_", " ")
    expected = read_record(folder / EXPECTED_NAME) or {}
    if not _inside(folder / "sample", expected.get(kind)):
        raise CheckpointError(f"{EXPECTED_NAME} names no file of expected {words}.")
    try:
        with open_tiff_file(folder / "sample" / expected[kind]) as file:
            stored = file.series[0].shape
            if stored == shape:
                return file.asarray()
    except Exception as error:  # tifffile raises anything on a damaged file
        raise CheckpointError(
            f"sample/{expected[kind]} cannot be read ({error}). Download it again."
        ) from error
    raise CheckpointError(
        f"the sample gives {words} of the shape {shape}, stored are {stored}. Download it again."
    )


def _inside(folder: Path, name: Any) -> bool:
    """Whether `name` is a file directly in `folder`; a record may hold any path."""
    return isinstance(name, str) and Path(name).name == name and (folder / name).is_file()


def write_sample(model: Network, folder: Path, image: str | Path | None = None) -> None:
    """Writes `sample/` and `thumbnail.png` into a folder with the model's weights.

    image: A picture whose license allows passing it on. None: one is drawn.
    """
    sample = folder / "sample"
    sample.mkdir(exist_ok=True)
    if image is None:
        stored = _write_drawing(sample, model.config["in_channels"])
    else:
        stored = sample / f"input{Path(image).suffix.lower()}"
        shutil.copyfile(image, stored)
    result = segment(model, stored, precision="float32")  # the same on all machines
    record = {
        "input": stored.name,
        "origin": DRAWN if image is None else None,
        "probabilities": _write_values(sample, "probabilities", result.probabilities),
    }
    if result.object_maps is not None:
        rounded = np.round(result.object_maps / MAP_STEP) * MAP_STEP
        record["object_maps"] = _write_values(sample, "object_maps", rounded)
    record |= {"max_difference": TOLERANCE, HASHES_KEY: checkpoint_hashes(folder)}
    text = json.dumps(record, indent=2) + "\n"
    (folder / EXPECTED_NAME).write_text(text, encoding="utf-8")
    thumbnail(result).save(folder / THUMBNAIL_NAME)


def _write_values(folder: Path, kind: str, values: np.ndarray) -> str:
    """Writes (n, H, W) float32 values as KIND.tif; returns the file's name."""
    import tifffile

    tifffile.imwrite(
        folder / f"{kind}.tif",
        values,
        compression="zlib",
        predictor=True,
        photometric="minisblack",
        metadata={"axes": "CYX"},
    )
    return f"{kind}.tif"


def thumbnail(result: Segmentation) -> PIL.Image.Image:
    """Draws the image and, beside it, the same image with its classes painted over."""
    halves = [PIL.Image.fromarray(to_display(result.image)), result.overlay(0.5)]
    for half in halves:
        half.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    width, height = halves[0].size
    both = PIL.Image.new("RGB", (2 * width + 8, height), "white")
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (width + 8, 0))
    return both


def _write_drawing(folder: Path, channels: int) -> Path:
    """Writes a drawn input: PNG where it can hold the channels, TIFF otherwise."""
    drawing = drawn_input(channels)
    if channels in (1, 3):
        path = folder / "input.png"
        PIL.Image.fromarray(drawing.squeeze()).save(path)
    else:
        import tifffile

        path = folder / "input.tif"
        pages = np.ascontiguousarray(drawing.transpose(2, 0, 1))
        tifffile.imwrite(path, pages, photometric="minisblack", metadata={"axes": "CYX"})
    return path


def drawn_input(channels: int) -> np.ndarray:
    """Draws bright discs of all sizes on an uneven, grainy ground: (256, 256, channels) uint8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:DRAWN_SIDE, :DRAWN_SIDE] / DRAWN_SIDE
    discs = np.zeros_like(y)
    for _ in range(40):
        (top, left), radius = random.random(2), random.uniform(0.02, 0.07)
        distance = np.hypot(y - top, x - left)
        discs = np.maximum(discs, 1 / (1 + np.exp((distance - radius) * 400)))
    planes = []
    for _ in range(channels):
        ground = 60 + 40 * np.sin(3 * x + random.random()) * np.cos(2 * y)
        planes.append(ground + random.uniform(60, 110) * discs + random.normal(0, 6, y.shape))
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
