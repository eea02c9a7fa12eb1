"""Objects of an image that is larger than memory: its basins, band of rows by band of rows.

A band is parted as a whole image is. The rows above and below it say where its outermost pixels
lead, so that its basins are exactly the pieces of the image's basins that lie in it. Within a band,
most basins are merged at once: nothing outside can change what they are a part of. What is left,
about as many pieces as there are objects, is joined across the seams and merged at the end.

Memory holds one band, for each piece 4 bytes, and 28 bytes for each pass that a seam left open.
While they are merged at the end, it is about 100 bytes for each of these passes and 40 for each
piece.
"""

import numpy as np

from .basins import Basins, places
from .passes import Passes, is_no_object, number_joined


class BandedBasins:
    """The basins of an image that is given in bands of rows, from top to bottom.

    count: The number of pieces so far.
    """

    def __init__(self, seed: float, prominence: float) -> None:
        """seed, prominence: See `Basins.merge`."""
        self.count = 0
        self._bounds = (seed, prominence)
        self._summits: list[np.ndarray] = []
        self._passes: list[Passes] = []
        self._rows = 0
        self._last_labels, self._leads_down = np.zeros(0, np.int64), np.zeros(0, bool)

    def add(self, group: np.ndarray, height: np.ndarray, *, above: int, below: int) -> np.ndarray:
        """Parts the next band; see `Basins.find` for the arguments.

        Returns:
            (h, W) int64, the rows of the band itself: 0 outside, else the number of a piece from 1.
            They are in the order of first pixels, and go on over all bands.
        """
        basins = Basins.find(group, height, above=above, below=below)
        pieces, passes = basins.certain(*self._bounds)
        count = int(pieces.max(initial=-1)) + 1
        summits = np.full(count, -np.inf, np.float32)
        np.maximum.at(summits, pieces, basins.summits)
        labels = np.concatenate([[0], pieces + 1 + self.count])[basins.labels]

        before = places(self._rows, 0, group.shape[1], 0)
        self._passes.append(
            Passes(passes.pairs + self.count, passes.heights, passes.places + before)
        )
        if above:
            self._passes.append(self._seam(group[:2], height[:2], labels[0], basins.leads_up))
        self._summits.append(summits)
        self.count += count
        self._rows += len(labels)
        self._last_labels, self._leads_down = labels[-1].copy(), basins.leads_down
        return labels

    def _seam(
        self, group: np.ndarray, height: np.ndarray, labels: np.ndarray, leads_up: np.ndarray
    ) -> Passes:
        """Returns the passes between the last band and this one.

        Where a pixel points across the seam, both pieces are of one basin: this pass is higher than
        all others, and always joins.

        group, height: (2, W), the last row of the band before, and the first one of this.
        """
        columns = np.flatnonzero((group[0] == group[1]) & (group[0] > 0))
        heights = np.minimum(*height[:, columns]).astype(np.float32)
        heights[(leads_up | self._leads_down)[columns]] = np.inf
        pairs = np.stack([self._last_labels[columns], labels[columns]], axis=1) - 1
        seam = Passes(pairs, heights, places(self._rows - 1, columns, group.shape[1], 1))
        return seam.highest(self.count + int(labels.max(initial=0)))

    @property
    def summits(self) -> np.ndarray:
        """The highest pixel of each piece, (n,) float32."""
        return np.concatenate([np.zeros(0, np.float32), *self._summits])

    def merge(self) -> np.ndarray:
        """Returns the object of each piece, (n,) int32 from 0, in the order of first pixels."""
        passes = Passes.joined(self._passes).forest(self.count)
        lower = passes.lower_summits(self.summits)
        joined = is_no_object(lower, passes.heights, *self._bounds)
        return number_joined(passes[joined].pairs, self.count)
