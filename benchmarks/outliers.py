"""What normalisations make of hot pixels: `python -m benchmarks.outliers`.

The same checkpoints see each image of a labelled split as plain mean and deviation normalise it,
and as other rules do: first the images as they are, which no rule should harm; then nuclei with hot
and dead pixels, and drawn cases. Wants `data/` with the data sets of the shipped checkpoints.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainingConfig
from unet_hf import UNet, read_image
from unet_hf.data.open import open_split
from unet_hf.data.pairs import Pair
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.images.image_data import ImageData
from unet_hf.images.order_statistics import Limits
from unet_hf.images.preprocessing import Preprocessing

from .measuring import in_turns, on_this_machine, table, write_json, written

CASES = {
    "unet-isbi": "data/isbi2012",
    "unet-nuclei": "data/nuclei",
    "unet-superalloy": "data/superalloy",
}
COUNTS = (0, 1, 3, 10, 30, 100)  # among 65,536 pixels
SIDE = 256  # px, of drawn cases

Rule = Callable[[np.ndarray], np.ndarray]  # scaled (H, W, C) float32 -> what the network sees


# ----------------------------------------------------------------------------------- rules


def plain(scaled: np.ndarray) -> np.ndarray:
    mean, std = (np.float32(f(dtype=np.float64)) for f in (scaled.mean, scaled.std))
    return (scaled - mean) / (std or np.float32(1))


def limits_of(scaled: np.ndarray, share: float) -> Limits:
    """The values that this share of all is below or above."""
    rank = int(share * scaled.size)
    values = np.partition(scaled, [rank, scaled.size - 1 - rank], axis=None)
    return Limits(values[rank], values[scaled.size - 1 - rank])


def clipped(outer: float, inner: float, share: float = 0.001) -> Rule:
    """Clips to the inner limits where a value is beyond the outer ones."""

    def rule(scaled: np.ndarray) -> np.ndarray:
        typical = limits_of(scaled, share)
        if typical.low == typical.high and outer:
            return plain(scaled)
        if typical.widened(np.float32(outer)).hold(scaled.min(), scaled.max()):
            return plain(scaled)
        return plain(typical.widened(np.float32(inner)).clip(scaled))

    return rule


def without_lone_pixels(scaled: np.ndarray) -> np.ndarray:
    """Pixels that are far from the median of their 3 x 3 neighbours become that median."""
    from scipy.ndimage import median_filter

    median = np.stack([median_filter(plane, 3) for plane in np.moveaxis(scaled, 2, 0)], axis=2)
    typical = limits_of(scaled, 0.001)
    far = np.abs(scaled - median) > typical.high - typical.low
    return plain(np.where(far, median, scaled))


def by_quartiles(scaled: np.ndarray) -> np.ndarray:
    """Median instead of mean, distance of the quartiles instead of deviation."""
    low, median, high = np.percentile(scaled, (25, 50, 75)).astype(np.float32)
    return (scaled - median) / ((high - low) / np.float32(1.349) or np.float32(1))


RULES: dict[str, Rule] = {
    "plain": plain,
    "**3, 0.5**": clipped(3, 0.5),
    "3, 3": clipped(3, 3),
    "1, 1": clipped(1, 1),
    "3, 0": clipped(3, 0),
    "0.5 %: 3, 0.5": clipped(3, 0.5, share=0.005),
    "winsorised at 0.1 %": clipped(0, 0),
    "winsorised at 0.5 %": clipped(0, 0, share=0.005),
    "3 x 3 median": without_lone_pixels,
    "median, quartiles": by_quartiles,
}


class Network:
    """A shipped checkpoint behind any rule of normalisation."""

    def __init__(self, name: str) -> None:
        self.model = UNet.from_pretrained(name)
        channels = self.model.preprocessing.channels
        zeros, ones = (0.0,) * len(channels), (1.0,) * len(channels)
        self.as_it_is = Preprocessing(channels, "fixed", zeros, ones)
        self.model.config["preprocessing"] = self.as_it_is.to_config()

    def scaled(self, image: ImageData) -> np.ndarray:
        return self.as_it_is.prepare(image).whole().numpy().transpose(1, 2, 0)

    def shown(self, image: ImageData, rule: Rule) -> ImageData:
        pixels = np.ascontiguousarray(rule(self.scaled(image)))
        return replace(image, pixels=pixels, notes=(), is_rgb=pixels.shape[2] == 3)

    def mean_iou(self, pairs: Iterable[Pair], rule: Rule) -> float:
        shown = (replace(pair, image=self.shown(pair.image, rule)) for pair in pairs)
        return evaluate(self.model, shown, self.model.threshold).mean_iou

    def mask(self, pixels: np.ndarray, rule: Rule) -> np.ndarray:
        return self.model.segment(self.shown(read_image(pixels), rule)).mask == 1


# --------------------------------------------------------------------------- real images


def validation(dataset: str, images: int | None) -> list[Pair]:
    split, _ = open_split(TrainingConfig(dataset_name=dataset, output_dir="unused"), "validation")
    return [split[index] for index in range(min(images or len(split), len(split)))]


def as_they_are(network: Network, pairs: list[Pair]) -> dict[str, dict[str, float]]:
    """Of each rule: mean IoU, and how many images it changes at all."""
    before = [plain(network.scaled(pair.image)) for pair in pairs]
    figures = {}
    for name, rule in RULES.items():
        after = [rule(network.scaled(pair.image)) for pair in pairs]
        changed = sum(not np.array_equal(*both) for both in zip(before, after, strict=True))
        figures[name] = {"mean_iou": network.mean_iou(pairs, rule), "changed": changed}
    return figures


FAULTS = {
    "16 bits, dim, hot": ("uint16", 65535),
    "8 bits, dim, hot": ("uint8", 255),
    "16 bits, dead": ("uint16", 0),
}


def with_faults(pair: Pair, number: int, kind: str, count: int) -> Pair:
    """The image as a dim one, with so many pixels of 65,536 at a limit of its type."""
    dtype, value = FAULTS[kind]
    pixels = pair.image.pixels.astype(dtype)
    pixels = pixels * np.uint16(6) + np.uint16(100) if dtype == "uint16" else pixels // 4
    flat = pixels.reshape(-1, pixels.shape[2])
    count = max(1, round(count * len(flat) / 65536)) if count else 0
    flat[np.random.default_rng(number).choice(len(flat), count, replace=False)] = value
    return replace(pair, image=replace(pair.image, pixels=pixels))


def with_hot_pixels(network: Network, pairs: list[Pair]) -> dict[str, dict[str, list[float]]]:
    """Of each kind of fault and each rule: mean IoU for each of `COUNTS`."""
    figures: dict[str, dict[str, list[float]]] = {}
    for kind in FAULTS:
        figures[kind] = {name: [] for name in RULES}
        for count in COUNTS:
            faulty = [with_faults(pair, at, kind, count) for at, pair in enumerate(pairs)]
            for name, rule in RULES.items():
                figures[kind][name].append(network.mean_iou(faulty, rule))
    return figures


# -------------------------------------------------------------------------- drawn cases


def disc(radius: float, y: float = SIDE / 2, x: float = SIDE / 2) -> np.ndarray:
    """(SIDE, SIDE) float, 0 to 1, with a soft edge."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.clip(radius + 0.5 - np.hypot(rows - y, columns - x), 0, 1)


def drawn_cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(H, W) uint8 pixels and (H, W) bool truth, by what is hard about them."""
    random = np.random.default_rng(0)
    noise = random.normal(10, 3, (SIDE, SIDE))
    small, places = disc(3.6), [(40, 40), (40, 150), (128, 90), (200, 60), (190, 190)]
    five = np.max([disc(12, *place) for place in places], axis=0)
    saturated, columns, scene = disc(5, 90, 200), np.zeros((SIDE, SIDE)), noise + 60 * five
    columns[:, [50, 120]] = 1
    cases = {
        "a nucleus of 40 px on 0": (190 * small, small),
        "the same on 0 and 1": (random.integers(0, 2, small.shape) + 190 * small, small),
        "the same on noise": (noise + 190 * small, small),
        "five dim nuclei": (scene, five),
        "and a saturated cluster of 80 px": (np.maximum(scene, 255 * saturated), five),
        "and two dead columns": (np.where(columns, 0, scene), five),
        "and two hot columns": (np.where(columns, 255, scene), five),
    }
    for name, value in (("black", 0), ("white", 255)):
        pad = [(SIDE // 2, SIDE // 2)] * 2
        wide = np.pad(scene, pad, constant_values=value)
        cases[f"and {name} margins, 3 times as large"] = (wide, np.pad(five, pad))
    return {
        name: (np.clip(pixels, 0, 255).astype(np.uint8), truth > 0.5)
        for name, (pixels, truth) in cases.items()
    }


def of_drawn_cases(network: Network) -> dict[str, dict[str, float]]:
    """Of each case and each rule: IoU of the nuclei."""
    figures: dict[str, dict[str, float]] = {}
    for case, (pixels, truth) in drawn_cases().items():
        figures[case] = {}
        for name, rule in RULES.items():
            found = network.mask(pixels, rule)
            figures[case][name] = float((found & truth).sum() / (found | truth).sum())
    return figures


# --------------------------------------------------------------------------------- cost


def cost(rounds: int) -> dict[str, list[float]]:
    """How many per cent of segmenting 512 x 512 px the search for outliers takes."""
    from unet_hf.hub.sample import drawn_input
    from unet_hf.images import statistics

    model = UNet.from_pretrained("unet-nuclei")
    ordinary = np.tile(drawn_input(3), (2, 2, 1))
    hot = ordinary // 4
    hot[0, 0] = 255

    def preparing(pixels: np.ndarray) -> Callable[[], object]:
        image = read_image(pixels)
        return lambda: model.preprocessing.prepare(image)

    prepare = preparing(ordinary)

    def without_search() -> None:
        kept = statistics.count_upper_halves, statistics._typical_values
        statistics.count_upper_halves = lambda values: 0
        statistics._typical_values = lambda bands, survey: None
        prepare()
        statistics.count_upper_halves, statistics._typical_values = kept

    ways = {
        "segment": lambda: model.segment(ordinary),
        "without": without_search,
        "ordinary": prepare,
        "with a hot pixel": preparing(hot),
    }
    seconds = in_turns(ways, rounds)
    return {
        name: [
            100 * (longer - shorter) / whole
            for longer, shorter, whole in zip(
                seconds[name], seconds["without"], seconds["segment"], strict=True
            )
        ]
        for name in ("ordinary", "with a hot pixel")
    }


# -------------------------------------------------------------------------------- report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="the first so many of each split; default: all")
    parser.add_argument("--rounds", type=int, default=15, help="of the timing")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    networks = {name: Network(name) for name in CASES}
    splits = {name: validation(dataset, options.images) for name, dataset in CASES.items()}
    nuclei = networks["unet-nuclei"]
    figures: dict[str, Any] = {
        "splits": {name: as_they_are(networks[name], pairs) for name, pairs in splits.items()},
        "faults": with_hot_pixels(nuclei, splits["unet-nuclei"]),
        "drawn": of_drawn_cases(nuclei),
        "cost": cost(options.rounds),
    }
    print(f"Mean IoU in float32; {on_this_machine()}\n")
    print(splits_table(figures["splits"]))
    for kind, rules in figures["faults"].items():
        rows = [(name, *(f"{value:.4f}" for value in values)) for name, values in rules.items()]
        print(f"\n{kind}\n\n" + table(("rule", *map(str, COUNTS)), rows))
    rows = [
        (case, *(f"{rules[name]:.2f}" for name in RULES))
        for case, rules in figures["drawn"].items()
    ]
    print("\n" + table(("IoU", *RULES), rows) + "\n")
    for name, percent in figures["cost"].items():
        print(f"search for outliers, {name} image: {written(percent, 1)} % of segmenting it")
    write_json(options.json, figures)


def splits_table(figures: dict[str, Any]) -> str:
    rows = [
        (
            name,
            *(
                f"{found[name]['mean_iou']:.4f} ({found[name]['changed']})"
                for found in figures.values()
            ),
        )
        for name in RULES
    ]
    return table(("rule", *(f"{name} (images changed)" for name in figures)), rows)


if __name__ == "__main__":
    main()
