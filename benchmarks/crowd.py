"""How the time of linking grows with the objects of a frame: `python -m benchmarks.crowd`.

Films of small discs that crawl, as dense in all of them; `link` alone. Seconds are those of the
CPU, of a frame that has one before it.
"""

import argparse
import resource
import time

import numpy as np

from unet_hf.tracking import Linker

from .measuring import on_this_machine, spread, table, written

SPACING = 29  # px between discs: 5,000 in 2048 x 2048
RADII = (6, 9)
SPEED = 2.0  # px a frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--frames", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        film, before = crawling_discs(size, options.frames), peak_memory()
        linker, seconds = Linker(), []
        for frame in film:
            started = time.process_time()
            linker.add(frame)
            seconds.append(time.process_time() - started)
        count = (size // SPACING) ** 2
        _, middle, _ = spread(seconds[1:])
        rows.append(
            [
                f"{size} x {size}", f"{count:,}", written(seconds[1:]),
                f"{middle / count * 1e3:.3f}", f"{(peak_memory() - before) / 1e6:.0f}",
            ]
        )  # fmt: skip
    print(table(("frame", "objects", "s a frame", "ms an object", "MB beside the masks"), rows))
    print(f"\n{on_this_machine()}")


def peak_memory() -> int:
    """Bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def crawling_discs(size: int, frames: int) -> np.ndarray:
    """(frames, size, size) int32: discs that overlap at times; each keeps its number."""
    rng = np.random.default_rng(0)
    grid = np.arange(size // SPACING) * SPACING + SPACING / 2
    centers = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    centers += rng.uniform(-5, 5, centers.shape)
    radii = rng.uniform(*RADII, len(centers))
    velocity = rng.normal(0, SPEED, centers.shape)
    film = np.zeros((frames, size, size), np.int32)
    for frame in film:
        for number, ((y, x), radius) in enumerate(zip(centers, radii, strict=True), 1):
            top, left = (max(0, int(middle - radius)) for middle in (y, x))
            here = frame[top : int(y + radius) + 2, left : int(x + radius) + 2]
            down, across = np.ogrid[: here.shape[0], : here.shape[1]]
            here[np.hypot(down + top - y, across + left - x) <= radius] = number
        velocity = 0.8 * velocity + 0.6 * rng.normal(0, SPEED, centers.shape)
        centers = centers + velocity
    return film


if __name__ == "__main__":
    main()
