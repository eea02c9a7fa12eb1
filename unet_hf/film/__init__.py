"""Films: frames that are segmented one after another, and their objects followed."""

from .run import TrackedFilm, track

__all__ = ["TrackedFilm", "track"]
