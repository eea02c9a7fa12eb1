"""The two sides of a comparison: what they begin with, and what may stand on the other side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from unet_hf import UNet, shipped_checkpoints
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import check_same_classes
from unet_hf.hub.find import CONFIG_NAME, SHIPPED

from ..server.checkpoints.model_facts import called

APART = 0.1  # of the checkpoint's own threshold, on each side
LOWEST, HIGHEST = 0.01, 0.99
CHANGED = "A or B has changed meanwhile. Compare again."


@dataclass(frozen=True)
class Side:
    """threshold: None: the checkpoint's own."""

    label: str  # "A" or "B"
    model: str
    threshold: float | None


Fields = tuple[str, str, str, str]  # checkpoint and threshold of A, then of B, as they are typed


@dataclass
class Asked:
    """What a session wants to be compared: an answer about anything else is late. Gradio hands all
    events of a session the same object, in the order in which they arrive: that is not always the
    one in which they were made, which the page's clock tells.

    fields: As they were changed or compared last; None: not known, A is another checkpoint now.
    when: That, by the page's clock, in ms. compared: What was compared last.
    """

    fields: Fields | None = None
    when: float = 0.0
    compared: Fields | None = None

    def change(self, fields: Fields | None, when: float) -> bool:
        """Returns whether what is compared is another thing now: not if this arrives late."""
        if when < self.when:
            return False
        self.fields, self.when = fields, when
        return fields is None or fields != self.compared

    def compare(self, fields: Fields, when: float) -> None:
        """Is followed by `check`: something else may be wanted already."""
        self.change(fields, when)
        self.compared = fields

    def check(self, fields: Fields) -> None:
        """Raises `ConfigError` if something else is wanted meanwhile."""
        if self.fields != fields:
            raise ConfigError(CHANGED)


def around(threshold: float | None) -> tuple[str, str]:
    """Two thresholds, as they stand in the fields; empty where there is none."""
    if threshold is None:
        return "", ""
    low, high = max(LOWEST, threshold - APART), min(HIGHEST, threshold + APART)
    return f"{low:.2f}", f"{high:.2f}"


def comparable(name: str, classes: Sequence[str], models: Sequence[str]) -> list[str]:
    """Those of `models` that may tell the same classes apart as `name`, which comes first.

    What is not shipped is not looked at before it is used.
    """
    others = [
        other
        for other in models
        if other not in shipped_checkpoints() or shipped_classes(other) == sorted(classes)
    ]
    return list(dict.fromkeys([name, *others]))


@cache
def shipped_classes(name: str) -> list[str]:
    """The names of its classes, sorted; its weights are not read."""
    config = json.loads((SHIPPED / name / CONFIG_NAME).read_text(encoding="utf-8"))
    return sorted(config["id2label"].values())


def check_sides(a: Side, b: Side, model_a: UNet, model_b: UNet) -> None:
    """Raises `ConfigError` where there is nothing to compare, before anything is computed."""
    check_same_classes(model_a.id2label, model_b.id2label)
    if model_a.threshold is None:
        if a.model == b.model:
            names = ", ".join(model_a.id2label.values())
            raise ConfigError(
                f"A and B are the same: {called(a.model)} has more than two classes "
                f"({names}), and so no threshold. Choose another checkpoint with these classes for "
                "one of them."
            )
        return
    cuts = [
        model.threshold if side.threshold is None else side.threshold
        for side, model in ((a, model_a), (b, model_b))
    ]
    if a.model == b.model and cuts[0] == cuts[1]:
        raise ConfigError(
            "A and B are the same. Choose another threshold or checkpoint for one of them."
        )
