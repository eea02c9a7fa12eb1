"""Which pixels are one object: what hangs together, or what a watershed parts where it narrows."""

from collections.abc import Collection, Iterator

import numpy as np

from ..errors import ConfigError

METHODS = ("components", "watershed")
# Two summits are two objects if the neck between them is this much thinner than the thinner one.
NECK = 0.75
SMOOTHING = 1.0  # pixels (sigma): a ragged edge is no neck
FLOODED = 2**22  # pixels at a time


def find_instances(
    mask: np.ndarray, probabilities: np.ndarray, classes: Collection[int], method: str
) -> np.ndarray:
    """Numbers the objects of some classes; each is 4-connected and of one class.

    Args:
        mask: (H, W) uint8 class ids.
        probabilities: (classes, H, W) float, 0 to 1; the watershed alone looks at them.
        classes: Ids of the classes whose objects are meant.
        method: One of METHODS, see `Segmentation.objects`.

    Returns:
        (H, W) int32: 0 where there is none, 1 to n elsewhere, in the order in which reading
        the image row by row meets them.

    Raises:
        ConfigError: scikit-image is not installed.
    """
    check_skimage()
    from skimage.measure import label

    labels = np.zeros(mask.shape, np.int32)
    for index in classes:
        inside = mask == index
        if method == "watershed":
            found = _parted(inside, probabilities[index])
        else:
            found = label(inside, connectivity=1)
        labels[inside] = found[inside] + labels.max()
    return numbered(labels)


def numbered(labels: np.ndarray) -> np.ndarray:
    """(H, W) ids -> the same objects as 1 to n, int32, by their first pixel, row by row."""
    flat = labels.ravel()
    places = np.flatnonzero(flat)[::-1]
    first = np.full(flat.max(initial=0) + 1, -1)
    first[flat[places]] = places  # of an object's pixels the last one that is assigned counts
    present = np.flatnonzero(first >= 0)
    ids = np.zeros(first.size, np.int32)
    ids[present[np.argsort(first[present])]] = np.arange(1, present.size + 1)
    return ids[labels]


def keep(labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Only the objects for which `kept`, (n,) bool in the order of ids, is true; numbered anew."""
    ids = np.zeros(kept.size + 1, np.int32)
    ids[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    return ids[labels]


def touching_border(labels: np.ndarray) -> np.ndarray:
    """(n,) bool in the order of ids: has the object a pixel in the outermost rows or columns?"""
    touching = np.zeros(labels.max(initial=0) + 1, bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[line] = True
    return touching[1:]


def _parted(inside: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """(H, W) bool -> ids, by a watershed of the distance to the edge times the probability.

    A pixel's height is the logarithm of 1 + that product, smoothed, and a summit counts if one
    has to descend by the logarithm of 1 / NECK to reach a higher one: a ratio, and so the same
    for small objects as for large ones. The distance is not measured to the image's own border:
    what is cut off there does not narrow.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.measure import label

    if not inside.any() or inside.all():
        return inside.astype(np.int32)
    pieces = label(inside, connectivity=1)
    height = np.zeros(inside.shape)
    for rows, chosen in _some_at_a_time(pieces):
        height[rows][chosen] = distance_transform_edt(inside[rows])[chosen]
    height *= probability
    gaussian_filter(height, SMOOTHING, output=height)
    np.log1p(height, out=height)
    found = np.zeros(inside.shape, np.int32)
    for rows, chosen in _some_at_a_time(pieces):
        found[rows][chosen] = _flooded(height[rows], chosen)[chosen] + found.max()
    return found


def _some_at_a_time(pieces: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(H, W) ids -> rows with one more on either side, and where in them lie pieces that are
    wholly there; each piece once.

    Between two pieces there is always something that is neither, so that no distance reaches from
    one to the other and nothing flows: the result is that of the whole image, and the hundred
    bytes a pixel that it takes are needed for some rows only.
    """
    top, bottom = _rows_of(pieces)
    step = max(1, FLOODED // pieces.shape[1])
    for start in range(0, len(pieces), step):
        here = (start <= top) & (top < start + step)
        here[0] = False
        if here.any():
            rows = slice(max(0, start - 1), bottom[here].max() + 1)
            yield rows, here[pieces[rows]]


def _rows_of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row of each id, and the one after its last: (n + 1,) each, that of 0 at 0."""
    top, bottom = np.zeros((2, labels.max() + 1), np.int64)
    for row, ids in enumerate(labels):
        bottom[ids] = row + 1
    for row in reversed(range(len(labels))):
        top[labels[row]] = row
    return top, bottom


def _flooded(height: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(H, W) heights, of which those `inside` count -> (H, W) ids of the parts; 0 elsewhere."""
    from scipy.ndimage import generate_binary_structure
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    height = np.where(inside, height, -10)  # deep enough for every piece to have a summit
    flooded = reconstruction(
        height + np.log(NECK), height, footprint=generate_binary_structure(2, 1)
    )
    markers = label(local_maxima(flooded, connectivity=1) & inside, connectivity=1)
    return watershed(-height, markers, mask=inside, connectivity=1)


def check_skimage() -> None:
    """Raises `ConfigError` if the package that finds and measures objects is missing."""
    try:
        import skimage.measure  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Objects are found and measured by the package scikit-image, which is not installed. "
            'Install it: pip install "unet_hf[objects]"'
        ) from error
