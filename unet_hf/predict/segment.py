"""`segment`: predicts an image that fits into memory."""

import time
from collections.abc import Callable

from ..engine.fast import notes_on_precision, settled_precision
from ..engine.scope import notes_on_unlikeness, unlike_training
from ..errors import PrecisionError
from ..images.reading import ImageSource, read_image
from ..network.configuration import checked_threshold, checked_tile_size
from ..network.network import Network
from .segmentation import Segmentation
from .tiles import precisions_to_try, predict_tiles, put_together


def segment(
    model: Network,
    source: ImageSource,
    *,
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    threshold: float | None = None,
    tile_size: int | None = None,
    precision: str = "auto",
    tta: bool = False,
    progress: Callable[[int, int], None] | None = None,
    level: int = 0,
) -> Segmentation:
    """Predicts the class of every pixel; see `UNet.segment`."""
    geometry = model.geometry
    if threshold is None:
        threshold = model.threshold
    else:
        threshold = checked_threshold(threshold, model.config["num_classes"])
    by_default = tile_size is None
    tile_size = model.config["tile_size"] if by_default else tile_size
    checked_tile_size(tile_size, geometry)
    precision, notes_on_choice = settled_precision(model, precision)
    precisions = precisions_to_try(precision, model.device)
    image = read_image(source, page=page, axes=axes, channel=channel, level=level)
    started = time.perf_counter()

    prepared = model.preprocessing.prepare(image)
    tiles = geometry.plan(image.height, image.width, tile_size)
    unlike = unlike_training(model, prepared)
    notes = (
        *notes_on_unlikeness(unlike),
        *prepared.image.notes,
        *prepared.notes,
        *notes_on_choice,
        *notes_on_precision(model, precision),
    )
    for chosen in precisions:
        predictions = predict_tiles(
            model,
            prepared,
            tiles,
            threshold=threshold,
            precision=chosen,
            tta=tta,
            tile_size=tile_size,
            whole=by_default and len(tiles) == 1,
            progress=progress,
        )
        try:
            probabilities, mask, object_maps, uncertainty = put_together(
                predictions, image.height, image.width
            )
            break
        except PrecisionError:
            if chosen == precisions[-1]:
                raise
            notes = (*notes, f"{chosen} cannot hold this network's values: float32 was taken")

    return Segmentation(
        mask=mask,
        probabilities=probabilities,
        id2label=model.id2label,
        colors=list(model.config["colors"]),
        threshold=threshold,
        image=image,
        notes=notes,
        tiles=len(tiles),
        seconds=time.perf_counter() - started,
        device=str(model.device),
        precision=chosen,
        uncertainty=uncertainty,
        object_defaults=model.config.get("objects", {}),
        object_maps=object_maps if model.object_channels else None,
        object_channels=model.object_channels,
        walled=model.walled,
        unlike_training=unlike,
    )
