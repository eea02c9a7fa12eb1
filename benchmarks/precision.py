"""What half precision costs in accuracy: `python -m benchmarks.precision`.

Each image of a labelled split is segmented twice with the same weights, in float32 and in
another precision: how many pixels change class, how far probabilities move, and what the scores
against the truth are both times.
"""

import argparse

import numpy as np
import torch

from train.config import TrainingConfig
from train.data import open_split
from train.evaluation import Evaluation, evaluate
from unet_hf import UNet
from unet_hf.engine import DTYPES, best_precision

CASES = {
    "unet-isbi": "data/isbi2012",
    "unet-nuclei": "data/nuclei",
    "unet-superalloy": "data/superalloy",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=DTYPES, help="default: what this machine takes")
    parser.add_argument(
        "--case",
        action="append",
        metavar="MODEL=DATASET",
        help="may be repeated; default: the shipped checkpoints and " + ", ".join(CASES.values()),
    )
    options = parser.parse_args()
    precision = options.precision or best_precision(torch.device("cpu"))
    cases = dict(case.split("=", 1) for case in options.case) if options.case else CASES
    print(f"{precision} against float32, validation images")
    for name, dataset in cases.items():
        compare(name, dataset, precision)


def compare(name: str, dataset: str, precision: str) -> None:
    model = UNet.from_pretrained(name)
    pairs, _ = open_split(TrainingConfig(dataset_name=dataset, output_dir="unused"), "validation")
    changed = pixels = 0
    largest, total = 0.0, 0.0
    for pair in pairs:
        exact = model.segment(pair.image, precision="float32")
        half = model.segment(pair.image, precision=precision)
        differences = np.abs(exact.probabilities - half.probabilities)
        changed += int((exact.mask != half.mask).sum())
        pixels += exact.mask.size
        largest = max(largest, float(differences.max()))
        total += float(differences[0].sum(dtype=np.float64))
    print(
        f"{name}: {100 * changed / pixels:.4f} % of {pixels:,} pixels change class; probabilities "
        f"differ by {total / pixels:.1e} in the mean, {largest:.1e} at most"
    )
    threshold = model.threshold
    for one in ("float32", precision):
        print(f"  {one:9s} {scores(evaluate(model, pairs, threshold, one))}")


def scores(evaluation: Evaluation) -> str:
    if membrane := evaluation.membrane:
        return f"V_rand {membrane['v_rand']:.5f}, V_info {membrane['v_info']:.5f}"
    return f"mean IoU {evaluation.mean_iou:.5f}"


if __name__ == "__main__":
    main()
