"""`python -m unet_hf COMMAND ...`: the command line of the package."""

import importlib
import logging
import os
import sys

from .errors import UNetError

# Command -> where its `run(arguments) -> exit status` is, and what it does in a line.
COMMANDS = {
    "segment": ("unet_hf.segment_command", "segment files, folders, or a data set of the Hub"),
    "evaluate": ("train.evaluate_command", "score a checkpoint on labelled images"),
    "verify": ("unet_hf.verify_command", "check that a checkpoint predicts what it promises"),
    "calibrate": ("train.calibrate_command", "make a checkpoint ready for int8"),
    "export": ("unet_hf.export_command", "one file for ONNX Runtime, OpenVINO or torch.export"),
    "info": ("unet_hf.info_command", "what a checkpoint is, and what is known of it"),
}
INTERRUPTED = 130  # what shells expect after Ctrl-C
NEEDS_TRAIN = (
    "this needs the package's training part: pip install 'unet_hf[train]', or run it in a clone of "
    "the repository."
)


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
        from . import __version__

        print(f"unet_hf {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"{usage()}\n\nerror: there is no command {name!r}.", file=sys.stderr)
        return 2
    module, _ = COMMANDS[name]
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for noisy in ("httpx", "httpx2", "accelerate", "datasets", "tifffile"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("unet_hf").setLevel(logging.INFO)
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        raise UNetError(f"{name}: {NEEDS_TRAIN}") from error
    return command.run(rest)


def is_optional(error: ModuleNotFoundError) -> bool:
    """Whether what is missing belongs to the training part, which need not be installed."""
    return (error.name or "").split(".")[0] in ("train", "datasets", "accelerate", "jinja2")


def usage() -> str:
    lines = [f"  {name:<10}{line}" for name, (_, line) in COMMANDS.items()]
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


if __name__ == "__main__":
    sys.exit(main())
