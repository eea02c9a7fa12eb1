"""Which images the checkpoint that short trainings start from was trained on.

Whoever trains on some of them would be told scores of images that the network has seen before.
known_images.json has their hashes, and that of the weights that saw them;
`python -m benchmarks.known_images` writes it.
"""

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
LENGTH = 8  # bytes of `checks.seen.hash_pixels` that are kept


@cache
def known_images() -> frozenset[str]:
    """The first bytes of the images' hashes, hexadecimal."""
    return frozenset(json.loads(FILE.read_text("utf-8"))["images"])


def is_known(digest: bytes) -> bool:
    """Is this the hash of one of the images? An image that could not be read has none."""
    return digest[:LENGTH].hex() in known_images()
