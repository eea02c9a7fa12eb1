"""`Piece`: connected painted pixels of one class; some are kept aside to judge by.

A neighbour of a pixel that was learned says little of what was learned. Hence whole pieces are kept
aside, and strokes of one class that touch are one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unet_hf.data.detect_encoding import IGNORE

ONE_IN = 4  # pieces of a class is kept aside, of so many at least


@dataclass(frozen=True)
class Piece:
    """Connected pixels of one class in one image.

    image: Number of the image. rows, columns: The box around it. pixels: (h, w) bool in that box.
    """

    image: int
    class_id: int
    rows: slice
    columns: slice
    pixels: np.ndarray

    def share_right(self, mask: np.ndarray) -> float:
        """How much of it has its class in this mask, (H, W) of the whole image; 0 to 1."""
        return float((mask[self.rows, self.columns][self.pixels] == self.class_id).mean())


def find_pieces(label: np.ndarray, image: int = 0) -> list[Piece]:
    """Finds the pieces of a label image, (H, W) uint8 with IGNORE where nothing is painted."""
    from skimage.measure import label as connected
    from skimage.measure import regionprops

    pieces = []
    for class_id in np.unique(label[label != IGNORE]):
        for region in regionprops(connected(label == class_id, connectivity=2)):
            pieces.append(Piece(image, int(class_id), *region.slice, region.image))
    return pieces


def keep_aside(pieces: Sequence[Piece], seed: int) -> list[Piece]:
    """Draws the pieces that are not learned from: of each class one in `ONE_IN`.

    A class with fewer pieces than that keeps all of them to learn from.
    """
    rng = np.random.default_rng(seed)
    aside = []
    for class_id in sorted({piece.class_id for piece in pieces}):
        of_class = [piece for piece in pieces if piece.class_id == class_id]
        drawn = rng.permutation(len(of_class))[: len(of_class) // ONE_IN]
        aside += [of_class[number] for number in sorted(drawn)]
    return aside


def without(label: np.ndarray, aside: Sequence[Piece]) -> np.ndarray:
    """The same label image with IGNORE where pieces are kept aside."""
    label = label.copy()
    for piece in aside:
        label[piece.rows, piece.columns][piece.pixels] = IGNORE
    return label
