"""`python -m unet_hf COMMAND ...`: the command line of the package."""

import importlib
import logging
import os
import sys

from ..errors import UNetError
from .options import NEEDS_TRAIN, is_optional

# Command -> what it does, in a line. Each is a module of that name here, with a function
# `run(arguments) -> exit status`.
COMMANDS = {
    "segment": "segment files, folders, or a data set of the Hub",
    "track": "segment a film, and follow its objects",
    "evaluate": "score a checkpoint on labelled images",
    "verify": "check that a checkpoint predicts what it promises",
    "calibrate": "make a checkpoint ready for int8",
    "scope": "let a checkpoint tell images unlike those of its training",
    "export": "one file for ONNX Runtime, OpenVINO or the BioImage Model Zoo",
    "info": "what a checkpoint is, and what is known of it",
}
INTERRUPTED = 130  # what shells expect after Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; errors end in a sentence on standard error.

    Returns:
        0; 1 after an error; 2 for wrong usage; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = dispatch(arguments)
        sys.stdout.flush()
        return status
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        print(f"\n{str(error) or 'stopped. The same command begins again.'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def dispatch(arguments: list[str]) -> int:
    """Imports and runs the command that the first word names."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from ..version import __version__

        print(f"unet_hf {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"{usage()}\n\nerror: there is no command {name!r}.", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for noisy in ("httpx", "httpx2", "accelerate", "datasets", "tifffile"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("unet_hf").setLevel(logging.INFO)
    try:
        return importlib.import_module(f".{name}", __package__).run(rest)
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        raise UNetError(f"{name}: {NEEDS_TRAIN}") from error


def usage() -> str:
    lines = [f"  {name:<10}{line}" for name, line in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m unet_hf COMMAND ...",
            "",
            *lines,
            "",
            "python -m unet_hf COMMAND --help lists a command's options; --version says which "
            "version this is.",
        ]
    )
