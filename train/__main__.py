"""`python -m train` trains; `python -m train evaluate` scores a finished checkpoint."""

import argparse
import logging
import sys

from unet_hf.errors import UNetError

from .config import TrainingConfig, parse_arguments


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        if arguments[:1] == ["evaluate"]:
            return run_evaluation(arguments[1:])
        return run_training(arguments)
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_training(arguments: list[str]) -> int:
    config = parse_arguments(arguments)
    from .evaluation import describe  # torch and datasets are not needed to say --help
    from .loop import train

    evaluation = train(config)
    print(f"{config.output_dir}: {describe(evaluation)}")
    return 0


def run_evaluation(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m train evaluate",
        description="Segments every image of a split and prints the scores as JSON.",
    )
    parser.add_argument("--model", required=True, help="shipped name, folder or Hub id")
    parser.add_argument("--dataset_name", "--dataset-name", required=True)
    parser.add_argument("--split", default="validation")
    given = parser.parse_args(arguments)

    import json
    from dataclasses import asdict

    from unet_hf import UNet

    from .data import load_splits
    from .evaluation import describe, evaluate

    config = TrainingConfig(dataset_name=given.dataset_name, output_dir="unused")
    model = UNet.from_pretrained(given.model)
    (pairs,), _, _ = load_splits(config, given.split)
    evaluation = evaluate(model, pairs, config.ignore_index, threshold=model.threshold)
    print(json.dumps(asdict(evaluation), indent=2))
    print(describe(evaluation), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
