"""What a visitor sees in the viewer, for the files that are written of it.

The viewer says it as JSON, see `viewer.seen`; what it does not say is as a result has it.
"""

from typing import Any

import numpy as np
import PIL.Image

from unet_hf import Segmentation
from unet_hf.predict.overlay import (
    Look,
    bands,
    display_window,
    draw_heat,
    draw_overlay,
    to_display,
)

from .color_maps import HEAT, PLAIN, shades_of
from .object_layer import PALETTE, Colored
from .payload import FINE, STEPS, entropy, fixed_point, probability_codes


def cut_as_seen(result: Segmentation, view: dict[str, Any]) -> Segmentation:
    """The result at the threshold in view."""
    cut = view.get("threshold")
    if result.threshold is not None and cut is not None and result.threshold != cut:
        return result.with_threshold(cut)
    return result


def look_as_seen(result: Segmentation, view: dict[str, Any]) -> Look:
    """Opacity, classes, outlines and contrast in view. Raises `ConfigError`."""
    window = tuple(view.get("window") or ()) or None
    if window == display_window(result.image):
        window = None  # as it is without a word
    hidden = tuple(int(index) for index in view.get("hidden") or ())
    return Look(view["opacity"], hidden, bool(view.get("outline")), window)


def draw_as_seen(
    result: Segmentation, view: dict[str, Any], objects: Colored | None = None
) -> PIL.Image.Image:
    """The whole picture at full resolution, painted as the viewer paints it: classes, objects,
    probability or uncertainty, the contrast, the colour map, and bare left of the line that splits
    the view.

    result: Cut as seen. objects: Ids and hues of its objects, for the view that paints them.
    Raises `ConfigError`.
    """
    look = look_as_seen(result, view)
    bare = to_display(result.image, look.window)
    shades = shades_of(view.get("colormap") or PLAIN)
    if result.image.channels < 3:  # colours have no colour map
        for rows in bands(bare):
            bare[rows] = shades[bare[rows, :, 0]]
    if heat := HEAT.get(view.get("view") or ""):
        drawn = draw_heat(bare, heat_levels(result, view["view"]), shades_of(heat), look.alpha)
    elif view.get("view") == "objects" and objects is not None:
        labels, own_hues = objects
        hues = np.append(np.uint8(0), own_hues + 1)[labels]
        colors = ["#000000", *PALETTE]  # the first is for what is no object
        drawn = draw_overlay(bare, hues, colors, look.alpha, hidden=[0], outline=look.outline)
    else:
        hidden = look.hidden_ids(result.id2label)
        drawn = draw_overlay(
            bare, result.mask, result.colors, look.alpha, hidden=hidden, outline=look.outline
        )
    valid = result.image.valid
    if valid is not None:
        drawn = PIL.Image.fromarray(np.where(valid[..., None], np.asarray(drawn), bare), "RGB")
    if split := view.get("split"):  # the first column that is painted
        left = PIL.Image.fromarray(np.ascontiguousarray(bare[:, : int(split)]), "RGB")
        drawn.paste(left, (0, 0))
    return drawn


def heat_levels(result: Segmentation, view: str) -> np.ndarray:
    """(H, W) uint8: how far up its colour map each pixel stands; `shareOf` in the browser."""
    levels = np.empty(result.mask.shape, np.uint8)
    table = _levels_of_codes(view)
    for rows in bands(levels):
        probabilities = result.probabilities[:, rows]
        if result.threshold is not None:
            levels[rows] = table[probability_codes(probabilities[1])]
        elif view == "uncertainty":
            levels[rows] = fixed_point(entropy(probabilities), np.uint8)
        else:
            levels[rows] = _level(fixed_point(probabilities.max(axis=0), np.uint16) / 65535)
    return levels


def _levels_of_codes(view: str) -> np.ndarray:
    """(65536,) uint8, by the code of the probability of class 1 of two."""
    codes = np.arange(2**16)
    share = np.where(codes < FINE, 0, np.minimum(1, (codes - FINE + 0.5) / (FINE * STEPS)))
    if view == "uncertainty":
        terms = [p * np.log2(p, out=np.zeros_like(p), where=p > 0) for p in (share, 1 - share)]
        share = -(terms[0] + terms[1])
    return _level(share)


def _level(share: np.ndarray) -> np.ndarray:
    return np.floor(255 * share + 0.5).astype(np.uint8)
