"""Objects followed through the frames of a film: who is who, who divides, who comes and goes."""

from .link import Linker, link
from .tracks import FrameObjects, Tracks

__all__ = ["FrameObjects", "Linker", "Tracks", "link"]
