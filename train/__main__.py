"""`python -m train` trains; `python -m train check` looks at a data set; `python -m train
evaluate` scores a finished checkpoint."""

import argparse
import logging
import sys

from unet_hf.errors import UNetError

from .arguments import DATA_OPTIONS, add_options, parse_arguments
from .config import TrainingConfig

INTERRUPTED = 130  # what shells expect after Ctrl-C


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    for noisy in ("httpx", "httpx2", "accelerate", "datasets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    commands = {"evaluate": run_evaluation, "check": run_check}
    command = commands.get(arguments[0] if arguments else "")
    try:
        return command(arguments[1:]) if command else run_training(arguments)
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return INTERRUPTED if type(error).__name__ == "StoppedError" else 1
    except KeyboardInterrupt:
        print("error: stopped before the first step.", file=sys.stderr)
        return INTERRUPTED


def run_training(arguments: list[str]) -> int:
    config = parse_arguments(arguments)
    from .evaluation import describe  # torch and datasets are not needed to say --help
    from .loop import train
    from .memory import keep_memory

    keep_memory()
    if evaluation := train(config):  # the first of several processes
        print(f"{config.output_dir}: {describe(evaluation)}")
    return 0


def run_check(arguments: list[str]) -> int:
    from .check_command import run

    return run(arguments)


def run_evaluation(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m train evaluate",
        description="Segments every image of a split and prints the scores as JSON. The data "
        "set's options are those of `python -m train`.",
        allow_abbrev=False,
    )

    parser.add_argument("--model", required=True, help="shipped name, folder or Hub id")
    parser.add_argument("--split", default="validation")
    add_options(parser, DATA_OPTIONS)
    given = vars(parser.parse_args(arguments))

    import json
    from dataclasses import asdict

    from unet_hf import UNet

    from .data import open_split
    from .evaluation import describe, evaluate

    source, split = given.pop("model"), given.pop("split")
    config = TrainingConfig(**given, output_dir="unused")
    model = UNet.from_pretrained(source, token=config.hub_token)
    pairs, _ = open_split(config, split)
    evaluation = evaluate(model, pairs, threshold=model.threshold)
    print(json.dumps(asdict(evaluation), indent=2))
    print(describe(evaluation), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
