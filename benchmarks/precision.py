"""What a coarser precision costs in accuracy: `python -m benchmarks.precision`.

Each image of a labelled split is segmented twice with the same weights, in float32 and in
another precision: how many pixels change class, how far probabilities move, and what the scores
against the truth are both times. (For int8, the checkpoint must be calibrated.)
"""

import argparse

import torch

from train.config import TrainingConfig
from unet_hf import UNet
from unet_hf.data.open import open_split
from unet_hf.engine.precision import DTYPES, best_precision
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.precision_loss import compare_precisions, main_scores

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
    seen = compare_precisions(model, pairs, precision)
    print(
        f"{name}: {100 * seen.changed:.4f} % of {seen.pixels:,} pixels change class; probabilities "
        f"differ by {seen.mean_difference:.1e} in the mean, {seen.largest_difference:.1e} at most"
    )
    for one in ("float32", precision):
        scores = main_scores(evaluate(model, pairs, model.threshold, one))
        print(f"  {one:9s} " + ", ".join(f"{key} {value:.5f}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
