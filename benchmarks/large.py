"""What a large image costs, a megapixel, and how much memory: `python -m benchmarks.large`.

Each image is a gray uint8 TIFF in tiles, drawn to a temporary file and segmented by
`segment_large` in a process of its own. "above the model" is the peak of its resident memory
beyond what it held once the model was loaded. Neither should grow with the image. Seconds of the
CPU are those of all threads: on a machine that does other things, too, they tell more.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from unet_hf.evaluation.machine import processor
from unet_hf.large.outputs import TILE

from .measuring import forget_peak, in_own_process, megabytes

BASE = 2048  # px, what the others are compared with
SPACING = 32  # px between the centres of discs
FIGURES = ("seconds", "cpu_seconds", "megabytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096, 16384])
    parser.add_argument("--model", default="unet-isbi", help="shipped name, folder or Hub id")
    text = "random weights of this many base_channels instead, 64 is the paper's"
    parser.add_argument("--width", type=int, help=text)
    parser.add_argument("--outputs", nargs="+", default=["mask"])
    parser.add_argument("--method", help="of finding objects, if they are among the outputs")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--tile_size", type=int, help="instead of the one that 400 MB allow")
    parser.add_argument("--rounds", type=int, default=1, help="of all sizes in turn")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    settings = {
        name: getattr(options, name) for name in ("model", "outputs", "precision", "tile_size")
    }
    if options.method:
        settings["objects"] = {"method": options.method}
    rows: dict[int, list[dict[str, Any]]] = {size: [] for size in options.sizes}
    with tempfile.TemporaryDirectory() as folder:
        if options.width:
            settings["model"] = random_network(Path(folder) / "model", options.width)
        images = {
            size: write_image(Path(folder) / f"{size}.tif", size, bool(options.method))
            for size in rows
        }
        for _ in range(options.rounds):
            for size, image in images.items():
                rows[size].append(measured(image, Path(folder) / "out", **settings))
    first = next(iter(rows.values()))[0]
    name = f"width {options.width}" if options.width else options.model
    print(
        f"{name}, {first['precision']}, tiles of {first['tile_size']} px, "
        f"{first['threads']} threads of {processor()}"
    )
    middle = {
        size: {key: statistics.median(run[key] for run in runs) for key in FIGURES}
        for size, runs in rows.items()
    }
    base = middle[min(rows, key=lambda size: abs(size - BASE))]
    print(
        f"| side, px | tiles | seconds a megapixel | times {BASE}'s | of the CPU | times {BASE}'s "
        "| MB above the model | objects |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size, row in middle.items():
        cells = [str(size), str(rows[size][0]["tiles"])]
        for key in FIGURES[:2]:
            cells += [f"{row[key]:.3f}", f"{row[key] / base[key]:.2f}"]
        cells += [f"{row['megabytes']:.0f}", str(rows[size][0]["objects"])]
        print("| " + " | ".join(cells) + " |")
    if options.json:
        options.json.write_text(json.dumps({"processor": processor(), "sizes": rows}))


def random_network(folder: Path, width: int) -> str:
    import torch

    from unet_hf import UNet

    torch.manual_seed(0)
    UNet(base_channels=width).save_pretrained(folder)
    return str(folder)


def write_image(path: Path, size: int, discs: bool = False) -> Path:
    """Blobs and noise, made tile by tile; compressed, as slides are.

    discs: Instead of blobs, discs that do not touch, as single objects.
    """
    import tifffile

    def tiles() -> Iterator[np.ndarray]:
        noise = np.random.default_rng(0)
        across = np.arange(TILE)
        for top in range(0, size, TILE):
            for left in range(0, size, TILE):
                waves = np.sin((left + across) / 9) + np.cos((top + across) / 11)[:, None]
                if discs:
                    y, x = ((start + across) % SPACING - SPACING / 2 for start in (top, left))
                    waves = np.where(np.hypot(y[:, None], x) < SPACING / 3, 1.5, -2.5)
                pixels = 128 + 40 * waves + noise.normal(0, 8, waves.shape)
                yield pixels.clip(0, 255).astype(np.uint8)

    tifffile.imwrite(
        path,
        tiles(),
        shape=(size, size),
        dtype=np.uint8,
        tile=(TILE, TILE),
        compression="zlib",
        photometric="minisblack",
    )
    return path


def measured(image: Path, output: Path, **settings: Any) -> dict[str, Any]:
    """`run` in a process of its own. settings: a model and options of `segment_large`."""
    request = {"image": str(image), "output": str(output), **settings}
    return in_own_process("benchmarks.large", **request)


def run(image: str, output: str, model: str, **settings: Any) -> dict[str, Any]:
    """In this process. Also seconds from the file on the disk to the files on the disk."""
    import torch

    from unet_hf import UNet
    from unet_hf.large import segment_large

    network = UNet.from_pretrained(model)
    before = megabytes("VmRSS")
    forget_peak()
    started, worked = time.perf_counter(), time.process_time()
    result = segment_large(network, image, output, **settings)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    megapixels = result.image.width * result.image.height / 1e6
    return {
        "seconds": seconds / megapixels,
        "cpu_seconds": cpu_seconds / megapixels,
        "megabytes": megabytes("VmHWM") - before,
        "tiles": result.tiles,
        "tile_size": result.tile_size,
        "precision": result.precision,
        "objects": len(result.objects) if result.objects else "",
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
