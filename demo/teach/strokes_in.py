"""What the page says was painted, joined with the files that it was painted on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train.teaching.strokes import read_strokes
from unet_hf.errors import ConfigError

from ..server.predictions import Place
from .sitting import Sitting

MOST_CLASSES = 20


class NothingPaintedError(ConfigError):
    """There is no stroke on any picture that is here."""


@dataclass(frozen=True)
class Painted:
    """One picture with its strokes, as they came: see `viewer.component.painted`."""

    key: str
    path: str
    place: Place
    strokes: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def count(self) -> int:
        """Strokes, erasers not counted."""
        return sum(stroke["class"] != 255 for stroke in self.strokes)


@dataclass(frozen=True)
class AllPainted:
    """Everything that was painted.

    absent: Names of pictures that have strokes, but whose files are not here. formerly: Of each
    class, what it was called before it was renamed, see `names_known_by`.
    """

    classes: list[str]
    colors: list[str]
    pictures: list[Painted]
    absent: list[str]
    formerly: list[list[str]] = field(default_factory=list)


def read_painted(given: Any, sitting: Sitting) -> AllPainted:
    """Reads what `viewer.component.painted` gave; a browser may send anything.

    Raises:
        NothingPaintedError: Nothing is painted on any picture that is here.
        ConfigError: It is not that.
    """
    try:
        classes = [str(one["name"]).strip()[:80] for one in given["classes"]]
        colors = [str(one["color"]) for one in given["classes"]]
        formerly = [
            [str(name).strip()[:80] for name in one.get("formerly") or ()]
            for one in given["classes"]
        ]
        pictures = dict(given["pictures"])
        names = {key: str(one["name"])[:200] for key, one in pictures.items()}
        strokes = {key: one["strokes"] for key, one in pictures.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigError("What was painted did not arrive whole. Paint once more.") from None
    if len(classes) > MOST_CLASSES:
        raise ConfigError(f"There are {len(classes)} classes; {MOST_CLASSES} can be taught.")
    painted, absent = [], []
    for key, name in names.items():
        read_strokes(strokes[key], len(classes))
        if not strokes[key]:
            continue
        if key in sitting.places and Path(sitting.places[key][0]).is_file():
            painted.append(Painted(key, *sitting.places[key], strokes[key]))
        else:
            absent.append(name)
    if not painted:
        raise NothingPaintedError(
            "Nothing is painted yet: choose the brush above the picture, and paint a few strokes "
            "of each class."
            + (f" Open {', '.join(absent)} again to learn from it." if absent else "")
        )
    return AllPainted(classes, colors, painted, absent, formerly)
