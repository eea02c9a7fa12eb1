"""Which pixels are one object: what hangs together, or what a watershed parts where it narrows."""

from collections.abc import Collection

import numpy as np

from .errors import ConfigError

METHODS = ("components", "watershed")
# Two summits are two objects if the neck between them is this much thinner than the thinner one.
NECK = 0.75
SMOOTHING = 1.0  # pixels (sigma): a ragged edge is no neck


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
    places = np.flatnonzero(flat)
    _, first, which = np.unique(flat[places], return_index=True, return_inverse=True)
    ids = np.empty(first.size, np.int32)
    ids[np.argsort(first)] = np.arange(1, first.size + 1)
    result = np.zeros(flat.size, np.int32)
    result[places] = ids[which]
    return result.reshape(labels.shape)


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
    from scipy.ndimage import distance_transform_edt, gaussian_filter, generate_binary_structure
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    if not inside.any() or inside.all():
        return inside.astype(np.int32)
    distance = distance_transform_edt(inside) * probability
    height = np.log1p(gaussian_filter(distance, SMOOTHING))
    height[~inside] = -10  # deep enough for every piece to have a summit
    flooded = reconstruction(
        height + np.log(NECK), height, footprint=generate_binary_structure(2, 1)
    )
    summits = local_maxima(flooded, connectivity=1) & inside
    markers = label(summits, connectivity=1)
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
