"""Objects from what a network has learned to tell of them: see `Network.object_channels`."""

from collections.abc import Collection, Sequence

import numpy as np

from ..errors import ConfigError
from .basins import Basins

# Two summits of the height map are one object if the lower one rises less than this above the pass.
PROMINENCE = 0.35
WALLED_PROMINENCE = 0.5  # where walls keep the objects apart: a gap in them is a high pass
BORDER_DEPTH = 0.2  # how much a sure border between two objects lowers the height
NOT_LEARNED = (
    "The method 'learned' needs a checkpoint that was trained to tell objects apart, and this one "
    "was not. Choose 'watershed' or 'components'."
)


def prominence(walled: bool) -> float:
    """Returns how much an object rises above its passes; walled: see `Network.walled`."""
    return WALLED_PROMINENCE if walled else PROMINENCE


def height_map(
    maps: np.ndarray, channels: Sequence[str], inside: np.ndarray | None = None
) -> np.ndarray:
    """Returns how surely a pixel is deep inside an object, (H, W) float32; about 0 to 1.

    Args:
        maps: (n, H, W) float32, one for each of `channels`.
        inside: Where walls keep the objects apart, the probability of being no wall, (H, W)
            float32. In a gap it is a little lower than in an object, and so is the distance; their
            mean shows the wall that neither shows alone. None: there are no walls.
    """
    height = maps[channels.index("distance")].copy()
    if "centre" in channels:
        height = (height + maps[channels.index("centre")]) / np.float32(2)
    if inside is not None:
        height = (height + inside) / np.float32(2)
    if "border" in channels:
        border = maps[channels.index("border")]
        with np.errstate(over="ignore"):  # exp is infinite where there is surely no border
            height -= np.float32(BORDER_DEPTH) / (1 + np.exp(-border))
    return height


def learned_basins(
    mask: np.ndarray,
    maps: np.ndarray | None,
    channels: Sequence[str],
    classes: Collection[int],
    inside: np.ndarray | None = None,
) -> Basins:
    """Finds the basins of some classes' pixels; objects of different classes never share one.

    Args:
        mask: (H, W) class ids; negative where nothing is known.
        maps: (n, H, W) float32, one for each of `channels`; None if the network has none.
        inside: See `height_map`.

    Raises:
        ConfigError: The network has no such maps.
    """
    if maps is None or not channels:
        raise ConfigError(NOT_LEARNED)
    return Basins.find(groups(mask, classes), height_map(maps, list(channels), inside))


def walled_cells(maps: np.ndarray, channels: Sequence[str], inside: np.ndarray) -> np.ndarray:
    """Parts a whole image into objects that share its walls out among them, at no threshold.

    maps, channels, inside: See `height_map`.

    Returns:
        (H, W) int32 ids from 1; 0 on lines one pixel wide between them.
    """
    everywhere = np.ones(inside.shape, np.int16)
    basins = Basins.find(everywhere, height_map(maps, list(channels), inside))
    cells = basins.merge(-np.inf, WALLED_PROMINENCE)[basins.labels - 1] + 1
    lines = np.zeros(cells.shape, bool)
    lines[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    lines[:-1] |= cells[:-1] != cells[1:]
    return np.where(lines, 0, cells).astype(np.int32)


def groups(mask: np.ndarray, classes: Collection[int]) -> np.ndarray:
    """Returns (H, W) int16: the class id and 1 more where it is one of `classes`, otherwise 0."""
    return np.where(np.isin(mask, list(classes)), mask.astype(np.int16) + 1, 0).astype(np.int16)


def learned_labels(basins: Basins, seed: float, walled: bool = False) -> np.ndarray:
    """Returns (H, W) int32 ids of objects, 0 for none; each is 4-connected.

    They are 1 to n in the order of first pixels, row by row.

    A summit of at least `seed` begins an object. What has no such summit goes to the object that
    it touches at the highest pass; pieces of the mask without any belong to no object.
    """
    ids = basin_ids(basins, seed, walled)
    return np.concatenate([np.zeros(1, np.int32), ids])[basins.labels]


def basin_ids(basins: Basins, seed: float, walled: bool = False) -> np.ndarray:
    """Returns the id of each basin's object, (n,) int32, as in `learned_labels`."""
    return object_ids(basins.merge(seed, prominence(walled)), basins.summits, seed)


def object_ids(objects: np.ndarray, summits: np.ndarray, seed: float) -> np.ndarray:
    """Returns the id of each basin's object, (n,) int32 from 1; 0 if no summit reaches `seed`.

    objects: (n,) int, the number of each basin's object from 0, in their order.
    """
    highest = np.full(objects.max(initial=-1) + 1, -np.inf, np.float32)
    np.maximum.at(highest, objects, summits)
    begun = highest >= np.float64(seed)
    return np.where(begun, np.cumsum(begun), 0)[objects].astype(np.int32)
