"""What a visitor sees in the viewer, for the files that are written of it.

The viewer says it as JSON, see `viewer.seen`; what it does not say is as a result has it.
"""

from typing import Any

from unet_hf import Segmentation
from unet_hf.overlay import Look, display_window


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
