"""Answers a stroke at once: the result in view, with what the strokes on it say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.teaching.features import Features
from train.teaching.quick import learn
from train.teaching.student import known_classes, names_known_by
from unet_hf import Segmentation, UNet
from unet_hf.images.image_data import ImageData
from unet_hf.predict.decision import decide

UNSURE_SIDE = 48  # px of the place that is pointed at
REACH = 24  # px around what is painted where nobody needs to be asked


@dataclass(frozen=True)
class Answer:
    """result: Of the whole image. unsure: A box that a next stroke would help in most; None: no."""

    result: Segmentation
    unsure: dict[str, int] | None


def answer(
    model: UNet,
    image: ImageData,
    features: Features,
    label: np.ndarray,
    classes: Sequence[str],
    colors: Sequence[str],
    formerly: Sequence[Sequence[str]] = (),
) -> Answer:
    """Learns what is painted on one image.

    label: (H, W) uint8, 255 where nothing is painted; something is. formerly: What each
    class was called before it was renamed, see `names_known_by`.
    """
    began = time.perf_counter()
    known = known_classes(model, names_known_by(model, classes, formerly))
    probabilities = learn([(features, label)], known, len(classes)).probabilities(features)
    threshold = None
    if len(classes) == 2:
        threshold = model.threshold if known else 0.5
    objects = {}
    if known:  # the network goes on to tell them apart
        objects = {
            "object_defaults": model.config.get("objects", {}),
            "object_maps": features.object_maps,
            "object_channels": model.object_channels,
            "walled": model.walled,
        }
    result = Segmentation(
        mask=decide(probabilities, threshold),
        probabilities=probabilities,
        id2label=dict(enumerate(classes)),
        colors=list(colors),
        threshold=threshold,
        image=image,
        seconds=time.perf_counter() - began,
        notes=("answered at once, by logistic regression on the network's features",),
        **objects,
    )
    return Answer(result, unsure_place(probabilities, label))


def unsure_place(probabilities: np.ndarray, label: np.ndarray) -> dict[str, int] | None:
    """The box, away from all strokes, in which the two best classes are closest to each other."""
    from scipy import ndimage

    best = np.partition(probabilities, -2, axis=0)
    doubt = 1 - (best[-1] - best[-2])
    doubt = ndimage.uniform_filter(doubt, UNSURE_SIDE, mode="nearest")
    near = ndimage.maximum_filter((label != 255).astype(np.uint8), 2 * REACH + 1)
    doubt[near > 0] = 0
    y, x = np.unravel_index(int(doubt.argmax()), doubt.shape)
    if doubt[y, x] < 0.05:
        return None
    half = UNSURE_SIDE // 2
    return {"x": int(x) - half, "y": int(y) - half, "width": UNSURE_SIDE, "height": UNSURE_SIDE}
