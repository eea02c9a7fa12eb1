"""What strokes are answered from: the picture with its features, computed once and ahead.

They take seconds of the network on a large picture. Between two of its layers others go first, so
that nobody waits longer for it than for one layer.
"""

from collections.abc import Callable
from contextlib import suppress

from train.teaching.features import Features, features_of
from unet_hf import UNet
from unet_hf.images.image_data import ImageData

from ..server.checkpoints.models import Visitor, load_model
from ..server.in_view import InView
from ..server.predictions import read_upload
from ..server.work.queue import turns
from ..server.work.runs import Run, StoppedError
from .sitting import Sitting

AHEAD_PIXELS = 2 * 1024**2  # at most: 260 MB of features, which may never be needed


def prepared(
    sitting: Sitting,
    model: UNet,
    wanted: tuple,
    most_pixels: float = float("inf"),
    check: Callable[[], None] = lambda: None,
) -> tuple[ImageData, Features]:
    """An image with its features, which are kept; a second call meanwhile waits for the first.

    wanted: See `InView.wanted`. check: Called between layers; what it raises ends the computation.

    Raises `StoppedError` if it has more than `most_pixels` and is not kept.
    """
    with sitting.preparing:
        if (known := sitting.features.get(wanted)) is None:
            image = read_upload(*wanted[:2])
            pixels = image.height * image.width
            if pixels > most_pixels:
                raise StoppedError("The picture is too large.")
            with turns().take(Run(), pixels) as turn:
                give_way = turn.reporting()

                def between(done: int, total: int) -> None:
                    check()
                    give_way(done, total)

                known = image, features_of(model, image, between)
            sitting.features.keep(wanted, known)
    return known


def prepare(
    sitting: Sitting,
    in_view: InView,
    visitor: Visitor | None,
    most_pixels: float = float("inf"),
) -> None:
    """The first stroke on the picture in view need not wait. Ends when the visitor goes on."""
    wanted = in_view.wanted

    def check() -> None:
        if in_view.wanted != wanted:
            raise StoppedError("Another picture is in view.")

    if wanted[0] is not None:
        with suppress(Exception):  # it is told when something is painted
            prepared(sitting, load_model(wanted[2], visitor), wanted, most_pixels, check)


def prepare_if_idle(sitting: Sitting, in_view: InView, visitor: Visitor | None) -> None:
    """Somebody may paint soon: only where that costs others nothing."""
    if turns().is_idle:
        prepare(sitting, in_view, visitor, AHEAD_PIXELS)
