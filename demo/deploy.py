"""Puts the demo on a Hugging Face Space: `python -m demo.deploy org/space`."""

import sys

from .space.deploy import main

if __name__ == "__main__":
    sys.exit(main())
