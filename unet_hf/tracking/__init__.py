"""Objects followed through the frames of a film: who is who, who divides, who comes and goes."""

from .frames import FrameObjects
from .link import Linker, link
from .tracks import Tracks

__all__ = ["FrameObjects", "Linker", "Tracks", "link"]
