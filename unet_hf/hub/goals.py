"""Goals that were set before a training, and what became of them, from `evaluation.json`.

A goal is written "mean_iou >= 0.935". Several are parted by semicolons. Scores of a part are named
with it: "iou[tertiary precipitate] >= 0.79", "ap50[fluorescence-256] >= 0.88",
"expected[v_rand] >= 0.984" for what is expected on new images.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .expected_words import NAMES
from .object_table import COLUMNS

# Of a whole evaluation, and of a class, a kind of image, or what is expected.
WHOLE = {**NAMES, "pixel_accuracy": "pixel accuracy", **COLUMNS}
PARTS = {"iou": "IoU", "dice": "Dice", "expected": "expected", "mean_iou": "mean IoU", **COLUMNS}
GOAL = re.compile(r"\s*(\w+)\s*(?:\[([^\]]+)\])?\s*(>=|<=)\s*([0-9]*\.?[0-9]+)\s*")
RELATIONS = {">=": "at least", "<=": "at most"}


@dataclass(frozen=True)
class Goal:
    """score: A name of `WHOLE`, or of `PARTS` if `part` says of what. relation: ">=" or "<="."""

    score: str
    part: str | None
    relation: str
    value: float

    @property
    def words(self) -> str:
        """ "mean IoU at least 0.935"."""
        if self.part is None:
            title = WHOLE[self.score]
        elif self.score == "expected":
            title = f"{NAMES[self.part]} expected on new images"
        else:
            title = f"{PARTS[self.score]} of {self.part}"
        return f"{title} {RELATIONS[self.relation]} {self.value:g}"

    def result(self, evaluation: Mapping[str, Any]) -> float | None:
        """The score in a record `evaluation.json`; None if it was not measured."""
        objects = evaluation.get("objects") or {}
        if self.part is None:
            places = (
                evaluation,
                evaluation.get("membrane"),
                (objects.get("all") or {}).get("scores"),
            )
        elif self.score == "expected":
            return ((evaluation.get("expected") or {}).get("scores") or {}).get(self.part)
        elif self.score in ("iou", "dice"):
            return (evaluation.get(self.score) or {}).get(self.part)
        elif self.score == "mean_iou":
            return (evaluation.get("groups") or {}).get(self.part)
        else:
            places = ((objects.get("groups") or {}).get(self.part, {}).get("scores"),)
        return next((place[self.score] for place in places if place and self.score in place), None)

    def is_reached(self, result: float) -> bool:
        return result >= self.value if self.relation == ">=" else result <= self.value


def read_goals(text: str) -> list[Goal]:
    """Reads "mean_iou >= 0.9; ap50 >= 0.8". Raises `ConfigError`."""
    return [_read_goal(part) for part in text.split(";") if part.strip()]


def goal_rows(text: str, evaluation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What each goal was, what was measured, and whether that is "reached" or "missed".

    Raises:
        ConfigError: `text` holds something else than goals.
    """
    rows = []
    for goal in read_goals(text):
        found = goal.result(evaluation)
        if found is None:
            rows.append((goal.words, "not measured", "open"))
        else:
            reached = "reached" if goal.is_reached(found) else "missed"
            rows.append((goal.words, f"{found:.4f}", reached))
    return rows


def _read_goal(text: str) -> Goal:
    found = GOAL.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"The goal {text.strip()!r} cannot be read. Write a score, >= or <=, and a number: "
            "mean_iou >= 0.9; several with semicolons between them."
        )
    score, part, relation, value = found.groups()
    names = WHOLE if part is None else PARTS
    if score not in names:
        of = "a part" if part else "a whole evaluation"
        raise ConfigError(
            f"The goal {text.strip()!r} names the score {score}. Scores of {of} are "
            f"{', '.join(names)}."
        )
    if score == "expected" and part not in NAMES:
        raise ConfigError(
            f"The goal {text.strip()!r}: what is expected on new images is {', '.join(NAMES)}."
        )
    return Goal(score, part, relation, float(value))
