"""How long the preparation of a training image takes: `python -m benchmarks.augmentation`.

On a drawn micrograph, against SciPy as one would write it down: the paper's elastic deformation
of an image and its label, and the weight map of its equation 2. Both sides take turns in one
process, round after round, on one thread, which is what a process that prepares crops has.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from demo.synthetic import electron_micrograph
from train.crops.augmentation import COARSE, sample, sampling_grid
from train.crops.border_weights import border_weights

from .measuring import clock

STD = 10.0  # px, of the paper's displacement vectors
W0, SIGMA = 10.0, 5.0  # the paper's weight map


def scipy_elastic(
    image: np.ndarray, label: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The paper's deformation in SciPy's words: bilinear image, nearest label.

    image: (H, H) float32; label: (H, H) uint8.
    """
    size = len(image)
    coarse = rng.normal(0, STD, (2, COARSE, COARSE))
    dx, dy = (ndimage.zoom(displacement, size / COARSE, order=3) for displacement in coarse)
    y, x = np.mgrid[:size, :size]
    position = [y + dy, x + dx]
    return (
        ndimage.map_coordinates(image, position, order=1, mode="mirror"),
        ndimage.map_coordinates(label, position, order=0, mode="mirror"),
    )


def our_elastic(
    image: Tensor, label: Tensor, rng: np.random.Generator, mode: str = "bilinear"
) -> tuple[Tensor, Tensor]:
    """The same with what `train.crops.augmentation` is made of.

    image: (H, H) float32; label: (H, H) uint8. A training crop is sampled "bicubic".
    """
    size = len(image)
    coarse = rng.normal(0, STD, (2, COARSE, COARSE))
    center = ((size - 1) / 2, (size - 1) / 2)
    grid = sampling_grid(size, (size, size), center, np.eye(2), coarse)
    return (
        sample(image[None], grid, mode)[0],
        sample(label[None].float(), grid, "nearest")[0].long(),
    )


def naive_border_weights(instances: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """Equation 2 word for word: the distance to every object, sorted. (H, W) float64."""
    ids = [index for index in np.unique(instances) if index != 0]
    distances = np.stack([ndimage.distance_transform_edt(instances != index) for index in ids])
    d1, d2 = np.sort(distances, axis=0)[:2]
    weights = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return np.where(instances == 0, weights, 0)


def compare(name: str, rounds: int, sides: dict[str, Callable[[], object]]) -> dict[str, object]:
    """Prints times, and how many times slower the first side is than each of the others."""
    times: dict[str, list[float]] = {side: [] for side in sides}
    for work in sides.values():
        work()  # the first call also allocates
    for _ in range(rounds):
        for side, work in sides.items():
            times[side].append(clock(work))
    print(f"{name}, {rounds} rounds: milliseconds, median [min .. max]; ratio, round by round")
    first, *_ = times.values()
    for side, values in times.items():
        low, middle, high = (1000 * f(values) for f in (min, statistics.median, max))
        ratios = [a / b for a, b in zip(first, values, strict=True)]
        print(
            f"  {side:34s} {middle:8.1f} [{low:.1f} .. {high:.1f}]   "
            f"{statistics.median(ratios):6.1f} [{min(ratios):.1f} .. {max(ratios):.1f}]"
        )
    return {"name": name, "seconds": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--cells", type=int, default=142, help="cells to draw; a few are hidden")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file for the times, in seconds")
    options = parser.parse_args()
    torch.set_num_threads(1)

    drawing = electron_micrograph(options.size, options.cells)
    image, label = drawing.image / np.float32(255), drawing.label
    tensors = torch.from_numpy(image), torch.from_numpy(label)

    def chance() -> np.random.Generator:
        return np.random.default_rng(0)

    size = f"{options.size} x {options.size}"
    elastic = compare(
        f"elastic deformation of image and label, {size}",
        3 * options.rounds,
        {
            "scipy zoom + map_coordinates": lambda: scipy_elastic(image, label, chance()),
            "ours, bilinear like scipy": lambda: our_elastic(*tensors, chance()),
            "ours, bicubic as in training": lambda: our_elastic(*tensors, chance(), "bicubic"),
        },
    )
    expected, expected_label = scipy_elastic(image, label, chance())
    found, found_label = our_elastic(*tensors, chance())
    difference = np.abs(found.numpy() - expected).max()
    flipped = int((found_label.numpy() != expected_label).sum())
    print(f"  greatest difference {difference:.1e} of 1, {flipped} of {label.size} labels differ")

    instances = drawing.instances
    cells = len(np.unique(instances[instances > 0]))
    weights = compare(
        f"weight map, {size}, {cells} cells",
        options.rounds,
        {
            "scipy: a distance map a cell": lambda: naive_border_weights(instances, W0, SIGMA),
            "ours": lambda: border_weights(instances, W0, SIGMA),
        },
    )
    expected = naive_border_weights(instances, W0, SIGMA)
    difference = np.abs(border_weights(instances, W0, SIGMA) - expected).max()
    print(f"  greatest difference {difference:.1e} of {W0:g}")
    if options.json:
        options.json.write_text(json.dumps([elastic, weights], indent=2))


if __name__ == "__main__":
    main()
