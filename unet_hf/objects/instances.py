"""Instances: the pixels of each object, by connected components or by a watershed."""

from collections.abc import Collection, Iterator

import numpy as np

from ..errors import ConfigError, how_to_install

# Two summits are two objects if the neck between them is thinner than this fraction of the thinner.
NECK = 0.75
SMOOTHING = 1.0  # pixels (sigma), so that a ragged edge is not taken for a neck
WATERSHED_BAND_PIXELS = 2**22  # pixels: about how many the watershed processes at a time


def find_instances(
    mask: np.ndarray, probabilities: np.ndarray, classes: Collection[int], method: str
) -> np.ndarray:
    """Finds and numbers the objects of some classes; each is 4-connected and of one class.

    Args:
        mask: (H, W) uint8 class ids.
        probabilities: (classes, H, W) float, 0 to 1; only the watershed uses them.
        classes: Ids of the classes whose objects are found.
        method: "components" or "watershed", see `Segmentation.objects`.

    Returns:
        (H, W) int32: 0 where there is no object, else 1 to n, in the order of the objects' first
        pixels, row by row.

    Raises:
        ConfigError: scikit-image is not installed.
    """
    check_skimage()
    from skimage.measure import label

    labels = np.zeros(mask.shape, np.int32)
    for index in classes:
        inside = mask == index
        if method == "watershed":
            class_labels = _split_touching(inside, probabilities[index])
        else:
            class_labels = label(inside, connectivity=1)
        labels[inside] = class_labels[inside] + labels.max()
    return relabel_in_raster_order(labels)


def relabel_in_raster_order(labels: np.ndarray) -> np.ndarray:
    """Renumbers (H, W) ids as 1 to n, int32, in the order of first pixels, row by row."""
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)[::-1]
    first = np.full(flat.max(initial=0) + 1, -1)
    first[flat[pixels]] = pixels  # in reverse, so that an object's first pixel is assigned last
    present = np.flatnonzero(first >= 0)
    ids = np.zeros(first.size, np.int32)
    ids[present[np.argsort(first[present])]] = np.arange(1, present.size + 1)
    return ids[labels]


def select_objects(labels: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Returns only the objects for which `selected` is true, renumbered from 1.

    selected: (n,) bool, in the order of ids.
    """
    ids = np.zeros(selected.size + 1, np.int32)
    ids[1:][selected] = np.arange(1, int(selected.sum()) + 1)
    return ids[labels]


def compact(labels: np.ndarray) -> np.ndarray:
    """Returns objects 1 to n, (H, W), as uint16, or as uint32 for more than 65,535 of them."""
    return labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.uint32)


def keep_objects(
    labels: np.ndarray, valid: np.ndarray | None, min_size: int, exclude_border: bool
) -> np.ndarray:
    """Returns (n,) bool: the objects that are large enough, and whole if that is asked for.

    valid: (H, W) bool, the pixels that hold data; None: all of them.
    """
    kept = np.bincount(labels.ravel(), minlength=1)[1:] >= min_size
    if exclude_border:
        kept &= ~touching_border(labels, valid)
    return kept


def touching_border(labels: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Returns (n,) bool: whether each object has a pixel in the outermost rows or columns.

    valid: (H, W) bool, the pixels that hold data; those beside others are outermost, too.
    """
    touching = np.zeros(labels.max(initial=0) + 1, bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[line] = True
    if valid is not None:
        for ids, known in ((labels, valid), (labels.T, valid.T)):
            touching[ids[1:][~known[:-1]]] = True
            touching[ids[:-1][~known[1:]]] = True
    return touching[1:]


def _split_touching(inside: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Splits (H, W) bool into ids, by a watershed of the distance to the edge times probability.

    A pixel's height is the logarithm of 1 + that product, smoothed. A summit is an object of its
    own if the way to any higher summit descends by at least the logarithm of 1 / NECK. This is a
    ratio, so that it is the same for small and for large objects. The image's border does not count
    as an edge: an object that is cut off there does not narrow.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.measure import label

    if not inside.any() or inside.all():
        return inside.astype(np.int32)
    components = label(inside, connectivity=1)
    height = np.zeros(inside.shape)
    for rows, chosen in _bands_of_components(components):
        height[rows][chosen] = distance_transform_edt(inside[rows])[chosen]
    height *= probability
    gaussian_filter(height, SMOOTHING, output=height)
    np.log1p(height, out=height)
    labels = np.zeros(inside.shape, np.int32)
    for rows, chosen in _bands_of_components(components):
        labels[rows][chosen] = _watershed_parts(height[rows], chosen)[chosen] + labels.max()
    return labels


def _bands_of_components(components: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields bands of rows, and the pixels in each of the components that begin in it.

    A band contains its components completely, with one more row on either side. Each component
    is in one band. As components never touch, neither distances nor the watershed reach from one to
    another: the result is that of the whole image, but the hundred bytes a pixel that are needed
    for it are needed for one band only.

    components: (H, W) ids.
    """
    top, bottom = _row_ranges(components)
    step = max(1, WATERSHED_BAND_PIXELS // components.shape[1])
    for start in range(0, len(components), step):
        here = (start <= top) & (top < start + step)
        here[0] = False
        if here.any():
            rows = slice(max(0, start - 1), bottom[here].max() + 1)
            yield rows, here[components[rows]]


def _row_ranges(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each id's first row and the row after its last: (n + 1,) each, by id."""
    top, bottom = np.zeros((2, labels.max() + 1), np.int64)
    for row, ids in enumerate(labels):
        bottom[ids] = row + 1
    for row in reversed(range(len(labels))):
        top[labels[row]] = row
    return top, bottom


def _watershed_parts(height: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns (H, W) ids of the parts between watersheds, 0 where `inside` is false."""
    from scipy.ndimage import generate_binary_structure
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    height = np.where(inside, height, -10)  # low enough for every component to have a summit
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
            + how_to_install("objects")
        ) from error
