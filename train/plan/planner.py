"""Plans a training: fills in the options that were not given, and says why."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unet_hf.data.open import LabelledData
from unet_hf.files import parse_json, write_text

from ..checks.inspection import Inspection
from ..config import USUAL, TrainingConfig
from .facts import measure_facts
from .rules import RULES

PLAN = "plan.json"


@dataclass(frozen=True)
class Decision:
    """An option's value, and why: of the plan, or given."""

    option: str
    value: Any
    reason: str  # one sentence without a full stop; of a given option, what speaks against it
    given: bool = False

    def __str__(self) -> str:
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        head = f"{self.option} {value}{' (given)' if self.given else ''}"
        return f"{head}: {self.reason}" if self.reason else head


@dataclass(frozen=True)
class TrainingPlan:
    """What was decided for a training, in the order in which it was."""

    decisions: tuple[Decision, ...] = ()

    def lines(self) -> list[str]:
        """A line for each decision."""
        return [str(decision) for decision in self.decisions]

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

        When a training is resumed, all its options are given. Its file may be of another version.
        """
        try:
            return TrainingPlan.from_json((output / PLAN).read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
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
    facts = measure_facts(inspection)
    if facts is None:
        return config.usual(), TrainingPlan()
    open_options = config.unplanned()
    chosen = {name: value for name in USUAL if (value := getattr(config, name)) is not None}
    decisions = []
    for name, rule in RULES.items():
        if name in open_options:
            chosen[name], reason = rule(facts, chosen)
            decisions.append(Decision(name, chosen[name], reason))
        elif name in chosen:
            decisions.append(Decision(name, chosen[name], "", given=True))
    config = replace(config, **{name: chosen[name] for name in open_options if name in chosen})
    return config.usual(), TrainingPlan(tuple(decisions))


def resumed_options(config: TrainingConfig, earlier: dict[str, Any]) -> TrainingConfig:
    """Returns the options of a resumed training with what was planned when it began.

    earlier: The options in its checkpoint; empty for a new training.
    """
    if not earlier:
        return config
    # A checkpoint of an older version has no value for an option that came later.
    return replace(config, **{name: earlier.get(name, USUAL[name]) for name in config.unplanned()})
