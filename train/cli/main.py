"""Runs `python -m train`, which trains, and `python -m train check`, which checks a data set."""

import logging
import sys
import time

from unet_hf.errors import ConfigError, UNetError

from ..errors import StoppedError
from .arguments import parse_arguments

WRONG_USAGE = 2  # exit status of argparse, too
INTERRUPTED = 130  # exit status that shells expect after Ctrl-C


def main(arguments: list[str]) -> int:
    """Runs a command; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    for noisy in ("httpx", "httpx2", "accelerate", "datasets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        if arguments[:1] == ["check"]:
            return run_check(arguments[1:])
        return run_training(arguments)
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return INTERRUPTED if isinstance(error, StoppedError) else 1
    except KeyboardInterrupt:
        print("error: stopped before the first step.", file=sys.stderr)
        return INTERRUPTED


def run_training(arguments: list[str]) -> int:
    """Trains; returns the exit status."""
    began = time.perf_counter()
    try:
        config = parse_arguments(arguments)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USAGE
    # Imported after the options are parsed: --help needs neither torch nor datasets.
    from unet_hf.evaluation.summary import describe_evaluation

    from ..folds import train_folds
    from ..loop import train
    from ..malloc import keep_memory

    keep_memory()
    command = train_folds if config.folds and config.fold is None else train
    if evaluation := command(config, began):  # the first of several processes
        print(f"{config.output_dir}: {describe_evaluation(evaluation)}")
    return 0


def run_check(arguments: list[str]) -> int:
    """Checks a data set; returns the exit status."""
    from .check import run

    return run(arguments)
