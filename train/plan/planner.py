"""Plans a training: fills in the options that were not given, and says why."""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unet_hf.data.open import LabelledData
from unet_hf.data.options import public_name
from unet_hf.files import parse_json, write_text
from unet_hf.hub.layout import TRAINING_NAME

from ..checks.inspection import Inspection
from ..checks.problems import share_of_crops
from ..config import TrainingConfig
from ..presets import NETWORK_OPTIONS, USUAL
from .facts import DataFacts, measure_facts
from .rules import AS_USUAL, RULES, SELDOM, conflict

PLAN = "plan.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """An option's value, and why: of the plan, or given."""

    option: str
    value: Any
    reason: str  # one sentence without a full stop; of a given option, what speaks against it
    given: bool = False

    def said(self) -> str:
        """The option and its value: "depth 4", "resolution 256 (given)"."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.option} {value}{' (given)' * self.given}"

    def __str__(self) -> str:
        return f"{self.said()}: {self.reason}" if self.reason else self.said()


@dataclass(frozen=True)
class TrainingPlan:
    """What was decided for a training, in the order in which it was."""

    decisions: tuple[Decision, ...] = ()

    def lines(self) -> list[str]:
        """A line for each decision; one line for all that stays as usual."""
        own = [decision for decision in self.decisions if decision.reason != AS_USUAL]
        usual = [decision.said() for decision in self.decisions
                 if decision.reason == AS_USUAL and decision.value is not None]  # fmt: skip
        return [*map(str, own), *([f"{AS_USUAL}: {', '.join(usual)}"] if usual else [])]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "TrainingPlan":
        """Reads what `to_json` wrote. Raises `ValueError`, `KeyError` or `TypeError`."""
        return cls(tuple(Decision(**decision) for decision in parse_json(text)["decisions"]))

    def write(self, output: Path) -> None:
        """Writes plan.json, completely or not at all."""
        if self.decisions:
            write_text(output / PLAN, self.to_json())

    def of_output(self, output: Path) -> "TrainingPlan":
        """Returns the plan that a training began with, if there is one in its folder; else this.

        When a training is resumed, all its options are given. A file that cannot be read is said.
        """
        try:
            return TrainingPlan.from_json((output / PLAN).read_bytes())
        except FileNotFoundError:  # a training of an older version, or one that planned nothing
            return self
        except (OSError, ValueError, KeyError, TypeError) as error:
            then = "was made anew" if self.decisions else "is not printed"
            logger.warning(
                "%s cannot be read (%s: %s). The training goes on with the options in %s; the "
                "plan, which says why they were chosen, %s.",
                output / PLAN, type(error).__name__, error, TRAINING_NAME, then,
            )  # fmt: skip
            return self


def plan_training(
    config: TrainingConfig, data: LabelledData, inspection: Inspection
) -> tuple[TrainingConfig, TrainingPlan]:
    """Fills in the options that are left to the plan; what was given stays.

    The same options and the same data give the same plan. The paper's preset is not planned. Where
    no image can be read, the usual values are taken.
    """
    if config.preset == "paper":
        return config, TrainingPlan()
    facts = measure_facts(data, inspection)
    if facts is None:
        return config.usual(), TrainingPlan()
    given = ("max_train_steps", "time_budget", *NETWORK_OPTIONS, *RULES)
    chosen = {name: value for name in given if (value := getattr(config, name)) is not None}
    if config.start:
        chosen["pretrained_model_name_or_path"] = public_name(config.start)
    if config.new_head is False:
        del chosen["new_head"]  # nothing that anybody gave
    left = config.left_to_plan()
    decisions = decide(facts, chosen, left, partial(shown_classes, data, inspection))
    return replace(config, **{name: chosen[name] for name in left}), TrainingPlan(decisions)


def decide(
    facts: DataFacts,
    chosen: dict[str, Any],
    left: Collection[str],
    shown: Callable[[int], Mapping[str, float]],
) -> tuple[Decision, ...]:
    """Decides the options `left`, in the order of the rules, and adds them to `chosen`.

    shown: Computes the share of random crops of a size that show a class, by its name.
    """
    decisions = []
    for name, rule in RULES.items():
        if name in left:
            more = (shown(chosen["resolution"]),) if name == "class_sampling" else ()
            chosen[name], reason = rule(facts, chosen, *more)
            decisions.append(Decision(name, chosen[name], reason))
        elif name in chosen:
            against = conflict(name, facts, chosen)
            decisions.append(Decision(name, chosen[name], against, given=True))
    return tuple(decisions)


def shown_classes(data: LabelledData, inspection: Inspection, size: int) -> dict[str, float]:
    """Share of random crops of size x size px that show a class, of those that occur, by name."""
    seen = np.flatnonzero(inspection.counts(data.num_classes)).tolist()
    return {
        data.id2label[str(number)]: share_of_crops(number, data, inspection, size, SELDOM)
        for number in seen
    }


def plan_or_resume(
    config: TrainingConfig, data: LabelledData, inspection: Inspection, earlier: dict[str, Any]
) -> tuple[TrainingConfig, TrainingPlan]:
    """Plans a new training; a resumed one takes what was planned when it began.

    earlier: The options in its checkpoint; empty for a new training.
    """
    if not earlier:
        return plan_training(config, data, inspection)
    # A checkpoint of an older version has no value for an option that came later.
    values = {name: earlier.get(name, USUAL[name]) for name in config.left_to_plan()}
    return replace(config, **values), TrainingPlan()
