"""What objects of a whole image cost: `python -m benchmarks.objects`.

Each image is drawn: touching discs with a noisy height map. Seconds are the best of the rounds,
and "MB" is the peak of the resident memory beyond what was held before. "parted" begins with mask
and height map and ends with ids; "parted again" is another seed on the same basins; "measured" is
the rest of `Segmentation.objects`. The ratio is to scikit-image's watershed from the same summits.

The second table is of the same map repeated to larger images and parted band by band, as
`segment_large` does: its memory should hardly grow.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from unet_hf.evaluation.machine import processor

from .measuring import forget_peak, in_own_process, megabytes

SPACING = 29  # px: 5,000 objects in 2048 x 2048
NOISE = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--bands", type=int, nargs="*", default=[2048, 8192], help="px, by bands")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(processor())
    print(
        "| side, px | basins | objects | parted, s | again, s | measured, s | watershed, s | MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size in options.sizes:
        row = in_own_process("benchmarks.objects", size=size, rounds=options.rounds)
        seconds = [f"{row[key]:.3f}" for key in ("parted", "again", "measured", "watershed")]
        cells = [row["side"], row["basins"], row["objects"], *seconds, f"{row['megabytes']:.0f}"]
        print("| " + " | ".join(map(str, cells)) + " |")
    print("| side, px | pieces | objects | by bands, s a megapixel | MB |")
    print("|---|---|---|---|---|")
    for size in options.bands:
        row = in_own_process("benchmarks.objects", size=size, rounds=0)
        cells = [size, row["pieces"], row["objects"], f"{row['seconds']:.3f}"]
        print("| " + " | ".join(map(str, [*cells, f"{row['megabytes']:.0f}"])) + " |")


def drawn(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a mask of touching discs, (size, size) uint8, and the height in each, float32."""
    random = np.random.default_rng(0)
    height = np.zeros((size, size), np.float32)
    for y in range(SPACING // 2, size, SPACING):
        for x in range(SPACING // 2, size, SPACING):
            centre = np.array([y, x]) + random.uniform(-4, 4, 2)
            radius = random.uniform(9, 17)
            box = [slice(max(0, int(c - radius)), int(c + radius) + 2) for c in centre]
            grid = np.ogrid[tuple(slice(b.start, min(b.stop, size)) for b in box)]
            inside = 1 - np.hypot(grid[0] - centre[0], grid[1] - centre[1]) / radius
            part = height[tuple(box)]
            np.maximum(part, inside, out=part, casting="same_kind")
    mask = (height > 0).astype(np.uint8)
    return mask, height + random.normal(0, NOISE, height.shape).astype(np.float32)


def run(size: int, rounds: int) -> dict[str, Any]:
    """In this process. rounds: 0 for one round by bands."""
    return run_bands(size) if rounds == 0 else run_whole(size, rounds)


def run_bands(size: int) -> dict[str, Any]:
    from unet_hf.images.preprocessing import BAND_PIXELS
    from unet_hf.objects.bands import BandedBasins
    from unet_hf.objects.learned import PROMINENCE

    side = min(size, 2048)
    mask, height = (np.tile(each, (1, size // side)) for each in drawn(side))
    BandedBasins(0.5, PROMINENCE).add(mask[:2, :99], height[:2, :99], above=0, below=0)
    before = megabytes("VmRSS")
    forget_peak()
    started = time.perf_counter()
    bands, step = BandedBasins(0.5, PROMINENCE), BAND_PIXELS // size
    for top in range(0, size, step):
        above, below = int(top > 0), int(top + step < size)
        rows = np.arange(top - above, min(top + step + below, size)) % side
        bands.add(mask[rows], height[rows], above=above, below=below)
    objects = bands.merge()
    return {
        "pieces": bands.count,
        "objects": int(objects.max()) + 1,
        "seconds": (time.perf_counter() - started) / (size * size / 1e6),
        "megabytes": megabytes("VmHWM") - before,
    }


def run_whole(size: int, rounds: int) -> dict[str, Any]:
    from skimage.segmentation import watershed

    from unet_hf import read_image
    from unet_hf.objects.learned import learned_basins, learned_labels
    from unet_hf.objects.objects import find_objects

    mask, height = drawn(size)
    probabilities = np.stack([1 - mask, mask]).astype(np.float32)
    image = read_image((255 * height.clip(0, 1)).astype(np.uint8))

    def measured(labels: np.ndarray) -> Any:
        names, colors = {0: "background", 1: "disc"}, ["#000000", "#ffffff"]
        options = {"classes": (1,), "method": "learned", "seed": 0.5, "min_size": 20}
        return find_objects(labels, mask, probabilities, image, names, colors, **options)

    learned_labels(learned_basins(mask[:64, :64], height[None, :64, :64], ("distance",), (1,)), 0.5)
    before = megabytes("VmRSS")
    forget_peak()
    parting, basins = best(lambda: learned_basins(mask, height[None], ("distance",), (1,)), rounds)
    labelling, labels = best(lambda: learned_labels(basins, 0.5), rounds)
    again, _ = best(lambda: learned_labels(basins, 0.6), rounds)
    peak = megabytes("VmHWM") - before
    measuring, objects = best(lambda: measured(labels), rounds)
    flooding, _ = best(lambda: watershed(-height, labels * (height > 0.8), mask=mask > 0), rounds)
    return {
        "side": size,
        "basins": len(basins.summits),
        "objects": len(objects),
        "parted": parting + labelling,
        "again": again,
        "measured": measuring,
        "watershed": flooding,
        "megabytes": peak,
    }


def best(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Returns the least seconds of some rounds, and the last result."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


if __name__ == "__main__":
    main()
