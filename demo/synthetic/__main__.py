"""Draws a labelled set into a folder: `python -m demo.synthetic FOLDER`."""

import sys

from .write_set import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
