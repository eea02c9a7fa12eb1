"""The tensors of a model as the zoo describes them: their axes, sizes, and how pixels are
normalised."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...images.preprocessing import Preprocessing
from ...network.network import Network
from ...network.tiling import TileGeometry
from .bare import channel_names
from .wording import identifiers

INPUT, OUTPUT = "image", "prediction"
# Added to the standard deviation, as the specification and most programs have it by default.
EPSILON = 1e-6


def smallest_side(geometry: TileGeometry) -> int:
    """The smallest input that leaves something of the output, in pixels."""
    if geometry.padding == "same":
        return 2 * geometry.halo + geometry.multiple
    return geometry.input_size(geometry.multiple)


def input_tensor(network: Network, scale: float) -> dict[str, Any]:
    """scale: What pixels are multiplied by to be from 0 to 1, see `preprocessing_steps`."""
    size = {"min": smallest_side(network.geometry), "step": network.geometry.multiple}
    return {
        "id": INPUT,
        "description": "Pixels as the file has them.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": identifiers(network.preprocessing.channels)},
            *({"type": "space", "id": axis, "size": dict(size)} for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "preprocessing": preprocessing_steps(network.preprocessing, scale),
    }


def output_tensor(network: Network) -> dict[str, Any]:
    """Height and width are those of the input. A network without padding trims them itself; of
    one with padding, the reader has to throw the halo away where it has cut the image."""
    geometry = network.geometry
    trims = geometry.padding == "valid"
    sides = []
    for axis in "yx":
        size: dict[str, Any] = {"tensor_id": INPUT, "axis_id": axis}
        if trims:
            size["offset"] = -2 * geometry.halo
        side = {"type": "space", "id": axis, "size": size}
        sides.append(side if trims else side | {"halo": geometry.halo})
    words = "The probability of each class"
    return {
        "id": OUTPUT,
        "description": words + (", then maps of objects." if network.object_channels else "."),
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": channel_names(network)},
            *sides,
        ],
        "data": {"type": "float32"},
    }


def preprocessing_steps(preprocessing: Preprocessing, scale: float) -> list[dict[str, Any]]:
    """The normalisation of a checkpoint as steps of the specification.

    "image": mean and deviation of all channels of an image; the scale of its pixels makes no
    difference. "fixed": pixels are scaled first. Neither outliers nor missing pixels can be
    expressed, see `documentation.OUTLIERS` and `documentation.MISSING`.
    """
    if preprocessing.normalization == "image":
        asked = {"axes": ["channel", "y", "x"], "eps": EPSILON}
        return [{"id": "zero_mean_unit_variance", "kwargs": asked}]
    fixed = {"mean": list(preprocessing.mean), "std": list(preprocessing.std), "axis": "channel"}
    steps: list[dict[str, Any]] = [{"id": "fixed_zero_mean_unit_variance", "kwargs": fixed}]
    if scale != 1:
        steps.insert(0, {"id": "scale_linear", "kwargs": {"gain": scale, "offset": 0.0}})
    return steps


def apply_steps(steps: Sequence[dict[str, Any]], pixels: np.ndarray) -> np.ndarray:
    """Does to (batch, channels, height, width) what the steps say: what a reader does."""
    values = pixels.astype(np.float64)
    for step in steps:
        options = step["kwargs"]
        if step["id"] == "scale_linear":
            values = values * options["gain"] + options["offset"]
        elif step["id"] == "zero_mean_unit_variance":
            of = {"axis": (1, 2, 3), "keepdims": True}
            values = (values - values.mean(**of)) / (values.std(**of) + options["eps"])
        else:
            mean, std = (np.reshape(options[key], (1, -1, 1, 1)) for key in ("mean", "std"))
            values = (values - mean) / std
    return values.astype(np.float32)
