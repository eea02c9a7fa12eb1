"""Writes a drawn set into a folder: `images/`, `masks/` and the names of the classes."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unet_hf.errors import ConfigError, UNetError
from unet_hf.words import number_of

from .drawing import Drawing
from .nuclei import fluorescence_nuclei, stained_nuclei
from .phase import phase_contrast

AREA = 256 * 256  # px, in which so many objects are drawn as stand here:
KINDS: dict[str, tuple[Callable[..., Drawing], int]] = {
    "phase": (phase_contrast, 24),
    "fluorescence": (fluorescence_nuclei, 30),
    "stained": (stained_nuclei, 55),
}


def write_set(folder: Path, kind: str, images: int, size: int, seed: int) -> int:
    """Draws a set and writes it; returns how many objects it has.

    The masks number the objects, 0 where there is none, in 16 bits. The same arguments write the
    same pixels; picture n of a seed does not depend on how many there are.

    Args:
        folder: Is created; files of the same names in it are replaced.
        kind: A key of `KINDS`.
        images: Number of pictures.
        size: Side of each, pixels.
        seed: From 0.

    Raises:
        ConfigError: The folder has images of other names, which would become part of the set.
    """
    import tifffile

    names = [f"{number:02}.tif" for number in range(1, images + 1)]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        if others := sorted({path.name for path in (folder / part).iterdir()} - set(names)):
            raise ConfigError(
                f"{folder / part} has other files already, such as {others[0]}. Name a new folder."
            )
    draw, objects = KINDS[kind]
    count = 0
    for number, name in enumerate(names):
        own_seed = np.random.SeedSequence((seed, number)).generate_state(1)[0]
        drawing = draw(size, max(objects * size * size // AREA, 1), int(own_seed))
        rgb = {"photometric": "rgb"} if drawing.image.ndim == 3 else {}
        tifffile.imwrite(folder / "images" / name, drawing.image, compression="zlib", **rgb)
        mask = drawing.instances.astype(np.uint16)
        tifffile.imwrite(folder / "masks" / name, mask, compression="zlib")
        count += len(np.unique(mask)) - 1
    (folder / "id2label.json").write_text(json.dumps(drawing.id2label) + "\n", "utf-8")
    return count


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.synthetic",
        description="Draws labelled images to try a training with, into images/ and masks/.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where to; is created")
    parser.add_argument("--kind", choices=KINDS, default="phase", help="what is drawn")
    parser.add_argument("--images", type=int, default=20, help="number of images")
    parser.add_argument("--size", type=int, default=256, help="side of an image, px")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other images")
    given = parser.parse_args(arguments)
    if not 1 <= given.images <= 999 or not 64 <= given.size <= 4096 or given.seed < 0:
        parser.error("--images is from 1 to 999, --size from 64 to 4096, --seed from 0")
    try:
        count = write_set(given.folder, given.kind, given.images, given.size, given.seed)
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    objects = number_of(count, "numbered object")
    print(f"{given.folder}: {number_of(given.images, 'image')} with masks, {objects}")
    return 0
