"""`python -m train`: see `TrainingConfig` for what can be said."""

import logging
import sys

from unet_hf.errors import UNetError

from .config import parse_arguments


def main(arguments: list[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        config = parse_arguments(arguments)
        from .loop import describe, train  # torch and datasets are not needed to say --help

        evaluation = train(config)
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{config.output_dir}: {describe(evaluation)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
