"""The summary that all predictions have, in memory or in files."""

from typing import Any

from ..images.image_data import ImageData


class PredictionSummary:
    """A base class of predictions: area of each class, and everything but the pixels as JSON."""

    pixel_counts: dict[int, int]  # by class id
    id2label: dict[int, str]
    threshold: float | None
    image: ImageData
    notes: tuple[str, ...]
    tiles: int
    seconds: float
    device: str
    precision: str
    unlike_training: float | None

    @property
    def pixels(self) -> dict[int, int]:
        """The earlier name of `pixel_counts`."""
        return self.pixel_counts

    def areas(self) -> dict[str, dict[str, float]]:
        """Returns pixels and share (0 to 1) of each class, by name; absent classes have 0.

        Pixels without data are not counted: the shares are of the others, and sum to 1.
        """
        counts = self.pixel_counts
        total = sum(counts.values())
        return {
            name: {"pixels": counts[index], "share": counts[index] / total}
            for index, name in self.id2label.items()
        }

    def summary(self) -> dict[str, Any]:
        """Returns everything but the pixels, as JSON."""
        unlike = self.unlike_training
        return {
            "size": [self.image.width, self.image.height],
            "classes": {str(key): name for key, name in self.id2label.items()},
            "areas": self.areas(),
            "threshold": self.threshold,
            "seconds": round(self.seconds, 4),
            "device": self.device,
            "precision": self.precision,
            "tiles": self.tiles,
            **({} if unlike is None else {"unlike_training": round(unlike, 3)}),
            "notes": list(self.notes),
            "image": self.image.summary(),
        }
