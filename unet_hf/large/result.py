"""`LargeSegmentation`: a prediction whose pixels are in files."""

from dataclasses import dataclass, field
from pathlib import Path

from ..images.image_data import ImageData
from ..predict.summary import PredictionSummary
from .objects import LargeObjects


@dataclass(frozen=True, eq=False)
class LargeSegmentation(PredictionSummary):
    """A prediction whose pixels are in files."""

    files: dict[str, Path]  # by the names in `outputs`
    pixel_counts: dict[int, int]  # by class id
    id2label: dict[int, str]
    threshold: float | None
    image: ImageData = field(repr=False)  # its pixels can no longer be read
    notes: tuple[str, ...] = ()
    tiles: int = 1
    tile_size: int = 0  # px
    seconds: float = 0.0
    device: str = "cpu"
    precision: str = "float32"
    objects: LargeObjects | None = field(default=None, repr=False)  # if they are among the outputs
    unlike_training: float | None = None  # see `Segmentation.unlike_training`
