"""`python -m train` trains; `python -m train check` looks at a data set. (`python -m unet_hf
evaluate` scores a finished checkpoint.)"""

import logging
import sys

from unet_hf.errors import UNetError

from ..errors import StoppedError
from .arguments import parse_arguments

INTERRUPTED = 130  # what shells expect after Ctrl-C


def main(arguments: list[str]) -> int:
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
    config = parse_arguments(arguments)
    from unet_hf.evaluation.evaluate import (
        describe,  # torch and datasets are not needed to say --help
    )

    from ..loop import train
    from ..malloc import keep_memory

    keep_memory()
    if evaluation := train(config):  # the first of several processes
        print(f"{config.output_dir}: {describe(evaluation)}")
    return 0


def run_check(arguments: list[str]) -> int:
    from .check import run

    return run(arguments)
