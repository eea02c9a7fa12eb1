"""What test-time augmentation brings: `python -m benchmarks.tta`.

Each image of a labelled split is segmented with the same weights and threshold, seen once and
seen in all eight turns and flips: the scores both times, how they differ image by image, and how
many times as long it takes. And whether the uncertainty tells where the mistakes are: how many of
the pixels it marks are wrong, and how well it ranks wrong pixels before right ones; beside it how
well the mean probability alone does that.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainingConfig
from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import open_split
from unet_hf.data.pairs import Pair
from unet_hf.engine.precision import DTYPES
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.summary import Evaluation
from unet_hf.evaluation.uncertainty import mean_interval

from .measuring import in_turns, on_this_machine, ratios, table, write_json, written

CASES = {
    "unet-isbi": "data/isbi2012",
    "unet-nuclei": "data/nuclei",
    "unet-superalloy": "data/superalloy",
}
NAMES = {
    "v_rand": "V_rand",
    "v_info": "V_info",
    "best_v_rand": "V_rand, best threshold",
    "best_v_info": "V_info, best threshold",
    "mean_iou": "mean IoU",
}
SHARE = 0.05  # of the pixels are called uncertain
LOST_BITS = 12  # of a float32's 32, where values are counted: 1 part in 2048 is kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=DTYPES, default="float32")
    parser.add_argument("--images", type=int, help="the first so many of each split; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="of the timing")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument(
        "--case",
        action="append",
        metavar="MODEL=DATASET",
        help="may be repeated; default: the shipped checkpoints and " + ", ".join(CASES.values()),
    )
    options = parser.parse_args()
    cases = dict(case.split("=", 1) for case in options.case) if options.case else CASES
    figures = {
        name: compare(name, dataset, options.images, options.precision, options.rounds)
        for name, dataset in cases.items()
    }
    print(f"{options.precision}, validation images; {on_this_machine()}\n")
    print(scores_table(figures))
    print()
    print(uncertainty_table(figures))
    write_json(options.json, {"precision": options.precision, "cases": figures})


# ------------------------------------------------------------------------------------ scores


def compare(
    name: str, dataset: str, images: int | None, precision: str, rounds: int
) -> dict[str, Any]:
    model = UNet.from_pretrained(name)
    split, _ = open_split(TrainingConfig(dataset_name=dataset, output_dir="unused"), "validation")
    pairs = [split[index] for index in range(min(images or len(split), len(split)))]
    once, eight = (evaluate(model, pairs, model.threshold, precision, tta) for tta in (False, True))
    first = pairs[0].image
    seconds = in_turns(
        {
            "once": lambda: model.segment(first, precision=precision),
            "eight": lambda: model.segment(first, precision=precision, tta=True),
        },
        rounds,
    )
    return {
        "images": len(pairs),
        "of": len(split),
        "scores": differences(once, eight),
        "accuracy": [once.pixel_accuracy, eight.pixel_accuracy],
        "times_as_long": ratios(seconds["eight"], seconds["once"]),
        "timed_on": [first.width, first.height],
        **mistakes(model, pairs, precision),
    }


def differences(once: Evaluation, eight: Evaluation) -> dict[str, dict[str, Any]]:
    """Of each score: both values, and the difference image by image with its 95 % interval.

    Of membranes also the best of the challenge's thresholds, chosen anew for each: the stored one
    was chosen for images seen once.
    """
    found = {}
    for key in ("v_rand", "v_info") if once.membrane else ("mean_iou",):
        rows = [b[key] - a[key] for a, b in zip(once.images, eight.images, strict=True)]
        found[key] = {
            "values": [(one.membrane or vars(one))[key] for one in (once, eight)],
            "difference": float(np.mean(rows)),
            "interval": mean_interval(rows),
            "better": sum(row > 0 for row in rows),
        }
    for key in ("best_v_rand", "best_v_info") if once.membrane else ():
        values = [one.membrane[key] for one in (once, eight)]
        found[key] = {"values": values, "difference": values[1] - values[0]}
    return found


# ------------------------------------------------------------------------------- uncertainty


@dataclass
class Ranking:
    """How many pixels are right and wrong at each value of something that should tell them apart.

    Values lie in bins of 1 part in 2048: the first bits of a float32 that is not negative count up
    as it does.
    """

    counts: np.ndarray = field(
        default_factory=lambda: np.zeros((2, 2 ** (32 - LOST_BITS)), np.int64)
    )

    def add(self, values: np.ndarray, wrong: np.ndarray) -> None:
        """values: (pixels,) float32, 0 or more. wrong: (pixels,) bool."""
        bins = np.ascontiguousarray(values, np.float32).view(np.uint32) >> LOST_BITS
        for row, chosen in zip(self.counts, (~wrong, wrong), strict=True):
            row += np.bincount(bins[chosen], minlength=len(row))

    def auroc(self) -> float:
        """How often a wrong pixel has a higher value than a right one, equal ones by half."""
        right, wrong = self.counts
        below = right.cumsum() - right
        return float(wrong @ (below + right / 2) / (right.sum() * wrong.sum()))

    def error_rates(self, share: float) -> tuple[float, float]:
        """Among the pixels of the highest values, as many as `share` of all, and among the rest.
        A bin that is cut counts in proportion."""
        pixels = self.counts.sum(0)[::-1].cumsum()
        wrong = self.counts[1][::-1].cumsum()
        cut = share * pixels[-1]
        caught = float(np.interp(cut, [0, *pixels], [0, *wrong]))
        return caught / cut, (float(wrong[-1]) - caught) / (pixels[-1] - cut)


def mistakes(model: UNet, pairs: Iterable[Pair], precision: str) -> dict[str, Any]:
    """Which pixels of the averaged prediction are wrong, and what would have told."""
    uncertainty, doubt = Ranking(), Ranking()
    for pair in pairs:
        result = model.segment(pair.image, precision=precision, tta=True)
        known = pair.label != IGNORE
        wrong = (result.mask != pair.label)[known]
        uncertainty.add(result.uncertainty[known], wrong)
        doubt.add(1 - np.minimum(result.probabilities.max(axis=0), 1)[known], wrong)
    return {
        "error_rates": uncertainty.error_rates(SHARE),
        "auroc": uncertainty.auroc(),
        "error_rates_by_probability": doubt.error_rates(SHARE),
        "auroc_by_probability": doubt.auroc(),
    }


# ------------------------------------------------------------------------------------ tables


def scores_table(figures: dict[str, Any]) -> str:
    rows = []
    for model, found in figures.items():
        for key, score in found["scores"].items():
            once, eight = score["values"]
            spread = score.get("interval")
            interval = f" [{spread[0]:+.4f} .. {spread[1]:+.4f}]" if spread else ""
            width, height = found["timed_on"]
            rows.append(
                (
                    model,
                    f"{found['images']} of {found['of']}",
                    NAMES[key],
                    f"{once:.4f}",
                    f"{eight:.4f}",
                    f"{score['difference']:+.4f}{interval}",
                    f"{score['better']} of {found['images']}" if "better" in score else "",
                    f"{written(found['times_as_long'], 1)} ({width} x {height} px)",
                )
            )
    head = (
        "checkpoint", "images", "score", "seen once", "mean of eight",
        "difference an image [95 % interval]", "better on", "times as long",
    )  # fmt: skip
    return table(head, rows)


def uncertainty_table(figures: dict[str, Any]) -> str:
    """Wrong pixels in per cent, beside what the mean probability alone would have told."""
    rows = []
    for model, found in figures.items():
        once, eight = found["accuracy"]
        cells = [model, f"{100 * (1 - once):.2f} %", f"{100 * (1 - eight):.2f} %"]
        for suffix in ("", "_by_probability"):
            cells.append(rates(found[f"error_rates{suffix}"]))
            cells.append(f"{found[f'auroc{suffix}']:.3f}")
        rows.append(cells)
    most = f"{100 * SHARE:.0f} %"
    head = (
        "checkpoint", "wrong pixels, seen once", "mean of eight",
        f"most uncertain {most}; the rest", "AUROC",
        f"least probable {most}; the rest", "AUROC",
    )  # fmt: skip
    return table(head, rows)


def rates(pair: Sequence[float]) -> str:
    return "; ".join(f"{100 * rate:.2f} %" for rate in pair)


if __name__ == "__main__":
    main()
