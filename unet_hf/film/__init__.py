"""Films: frames that are segmented one after another, and their objects followed."""

from .run import track
from .tracked import TrackedFilm

__all__ = ["TrackedFilm", "track"]
