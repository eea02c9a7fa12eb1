"""What every prediction tells of itself, be it in memory or in files."""

from typing import Any

from ..images.image_data import ImageData


class Counted:
    """A prediction whose pixels of each class can be counted."""

    pixels: dict[int, int]  # of each class id
    id2label: dict[int, str]
    threshold: float | None
    image: ImageData
    notes: tuple[str, ...]
    tiles: int
    seconds: float
    device: str
    precision: str

    def areas(self) -> dict[str, dict[str, float]]:
        """Pixels and share (0 to 1) of each class, by name; absent classes count 0."""
        pixels, total = self.pixels, self.image.height * self.image.width
        return {
            name: {"pixels": pixels[index], "share": pixels[index] / total}
            for index, name in self.id2label.items()
        }

    def summary(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON."""
        return {
            "size": [self.image.width, self.image.height],
            "classes": {str(key): name for key, name in self.id2label.items()},
            "areas": self.areas(),
            "threshold": self.threshold,
            "seconds": round(self.seconds, 4),
            "device": self.device,
            "precision": self.precision,
            "tiles": self.tiles,
            "notes": list(self.notes),
            "image": self.image.summary(),
        }
