"""A large image, beside the usual way to segment one: `python -m benchmarks.sliding_window`.

The usual way is MONAI's `sliding_window_inference` (`pip install monai`): windows of 512 px that
overlap by a quarter, blended by a Gaussian, one or four at a time, whichever is faster here,
through the network as PyTorch runs it. Both sides have the same weights, take turns in one
process, and answer with probabilities.

"seams" is the largest difference from the whole image at once. A large one at once would not fit
into memory, and need not: what lies further than the halo from the edges of a cut-out cannot know
that it was cut out. Two of them, at the image's corner and in its middle, are compared; each is
large enough to hold seams of both sides.
"""

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from unet_hf import UNet, read_image
from unet_hf.engine.engine import Engine
from unet_hf.engine.precision import checked_precision
from unet_hf.images.preprocessing import PreparedImage
from unet_hf.network.tiling import TileGeometry, mirrored, round_up
from unet_hf.predict.tta import predict_once

from .measuring import clock, on_this_machine, ratios, table, write_json, written

WINDOW = 512  # px, MONAI's
TRIAL = WINDOW + 3 * 384  # px: 4 x 4 of them
CUT_OUT = 1280  # px: with 64 channels at full size it takes 2.5 GB
MONAI = "MONAI"

Way = Callable[[], np.ndarray]  # (classes, H, W) float32 probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="unet-isbi", help="shipped name, folder or Hub id")
    parser.add_argument("--width", type=int, help="of a network with random weights, instead")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096, 8192], help="px")
    parser.add_argument("--precisions", nargs="+", default=["auto", "float32"], help="or int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    model = network(options.model, options.width)
    chosen = (checked_precision(one, model.device) for one in options.precisions)
    precisions = list(dict.fromkeys(chosen))
    if "int8" in precisions and model.calibration is None:
        model.calibrate([random_image(model, WINDOW)])
    name = f"width {options.width}, random weights" if options.width else options.model
    at_a_time = faster_batch(model)
    print(
        f"{name}; {on_this_machine()}; {options.rounds} rounds. {MONAI}: windows of {WINDOW} px, "
        f"{at_a_time} at a time. Seconds, median [lowest .. highest]; ratios round by round.",
        flush=True,
    )
    sizes = {}
    for size in options.sizes:
        sizes[size] = compare(model, size, options.rounds, precisions, at_a_time)
        print(report(size, sizes[size]), flush=True)
    figures = {"model": name, "rounds": options.rounds, "monai_at_a_time": at_a_time}
    write_json(options.json, figures | {"sizes": sizes})


def report(size: int, ways: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, way in ways.items():
        faster = written(ratios(ways[MONAI]["seconds"], way["seconds"]), 1)
        seams = f"{way['seams']:.2g}" if name in (MONAI, "float32") else ""  # others also round
        rows.append([f"{size} x {size}", name, written(way["seconds"]), faster, seams])
    return table(["image", "computed by", "s", "times as fast", "seams"], rows)


def compare(
    model: UNet, size: int, rounds: int, precisions: list[str], at_a_time: int
) -> dict[str, dict[str, Any]]:
    """Way -> seconds, round by round, and the largest difference from the whole image at once."""
    image = random_image(model, size)
    ways = {MONAI: monai(model, image, at_a_time)}
    for precision in precisions:
        ways[precision] = ours(model, image, precision)
        ours(model, image[:1024, :1024], precision)()  # takes memory, packs weights
    cut_outs = [CutOut.of(model.geometry, size, place) for place in (0, 0.5)]
    figures: dict[str, dict[str, Any]] = {name: {"seconds": []} for name in ways}
    pieces = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            probabilities = way()
            figures[name]["seconds"].append(time.perf_counter() - started)
            pieces[name] = [cut_out.of_result(probabilities) for cut_out in cut_outs]
            del probabilities  # of 8192 x 8192 px they are half a gigabyte

    prepared, engine = prepare(model, image), Engine(model, "float32")
    expected = [cut_out.predicted(engine, prepared) for cut_out in cut_outs]
    for name, seen in pieces.items():
        differences = (np.abs(a - b).max() for a, b in zip(seen, expected, strict=True))
        figures[name]["seams"] = float(max(differences))
    return figures


# ----------------------------------------------------------------------------- the two sides


def network(name: str, width: int | None) -> UNet:
    torch.manual_seed(0)
    model = UNet(base_channels=width) if width else UNet.from_pretrained(name)
    return model.eval()


def random_image(model: UNet, size: int) -> np.ndarray:
    """(size, size, channels) uint8."""
    shape = (size, size, model.config["in_channels"])
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def prepare(model: UNet, image: np.ndarray) -> PreparedImage:
    return model.preprocessing.prepare(read_image(image, axes="YXC"))


def monai(model: UNet, image: np.ndarray, at_a_time: int) -> Way:
    # The layout that networks are usually run in.
    usual = copy.deepcopy(model).to(memory_format=torch.contiguous_format)

    @torch.inference_mode()
    def way() -> np.ndarray:
        pixels = prepare(model, image).whole()[None]
        logits = sliding_window_inference(
            pixels, WINDOW, at_a_time, usual, overlap=0.25, mode="gaussian"
        )
        return logits[0].softmax(dim=0).numpy()

    return way


def faster_batch(model: UNet) -> int:
    """How many windows at a time MONAI is faster with."""
    image = random_image(model, TRIAL)
    monai(model, image[:WINDOW, :WINDOW], 1)()  # the first call also allocates
    return min((1, 4), key=lambda at_a_time: clock(monai(model, image, at_a_time)))


def ours(model: UNet, image: np.ndarray, precision: str) -> Way:
    return lambda: model.segment(image, axes="YXC", precision=precision).probabilities


# --------------------------------------------------------------------------------- the seams


@dataclass(frozen=True)
class CutOut:
    """Of a square image, along its diagonal: what the network is shown, and what is compared."""

    shown: tuple[int, int]  # start and stop in both axes, px; on the pooling grid
    compared: slice  # of the image, in both axes: `shown` without a halo at edges that are cuts

    @classmethod
    def of(cls, geometry: TileGeometry, size: int, place: float) -> "CutOut":
        """place: 0 for the corner, 0.5 for the middle."""
        padded = round_up(size, geometry.multiple)
        side = min(CUT_OUT, padded)
        start = int(place * (padded - side)) // geometry.multiple * geometry.multiple
        stop = start + side
        first = start + geometry.halo if start else 0
        last = stop - geometry.halo if stop < padded else size
        return cls((start, stop), slice(first, last))

    def of_result(self, probabilities: np.ndarray) -> np.ndarray:
        """(classes, H, W) of the image -> a copy of what is compared."""
        return probabilities[:, self.compared, self.compared].copy()

    def predicted(self, engine: Engine, prepared: PreparedImage) -> np.ndarray:
        """The same pixels, from one window."""
        indices = mirrored(*self.shown, prepared.image.width)
        probabilities = predict_once(engine, prepared.window(indices, indices), 2).probabilities
        start = self.shown[0]
        inside = slice(self.compared.start - start, self.compared.stop - start)
        return probabilities[:, inside, inside]


if __name__ == "__main__":
    main()
