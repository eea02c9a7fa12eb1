"""Runs `python -m train check`: describes a data set, finds problems, writes a repaired copy."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from unet_hf.cli.options import add_options
from unet_hf.data.open import LabelledData, open_data, pin_revision
from unet_hf.errors import ConfigError, UNetError
from unet_hf.words import number_of

from ..checks.inspection import Inspection, PairSummary, inspect, inspection_bar, looked_at_words
from ..checks.objects import describe_objects, measure_objects
from ..checks.problems import Problem, find_problems
from ..checks.repair import Repair, repair
from ..config import TrainingConfig
from ..plan.planner import TrainingPlan, plan_training
from ..presets import CHECKED, CHOICES, DEFAULTS_SHOWN

ALL_IMAGES = 2**62  # a limit that no data set reaches


def run(arguments: list[str]) -> int:
    """Runs the command; returns 0 (no errors), 1 (errors) or 2 (options that cannot be used)."""
    parser = argparse.ArgumentParser(
        prog="python -m train check",
        description="Looks at every pair of a data set as a training would, and says what was "
        "inferred, what it holds and what is wrong with it. Ends with status 1 if it cannot be "
        "trained on.",
        allow_abbrev=False,
    )
    add_options(
        parser, TrainingConfig, dict.fromkeys(CHECKED), choices=CHOICES, presets=DEFAULTS_SHOWN
    )
    parser.add_argument("--json", action="store_true", help="the findings as JSON, and no text")
    parser.add_argument(
        "--plan", action="store_true",
        help="also print what a training would decide of the options that are not given, and why",
    )  # fmt: skip
    parser.add_argument(
        "--fix", metavar="FOLDER", type=Path,
        help="write a copy of the splits train and validation without the rows that cannot be "
        "used and without copies, masks as class ids; the data set itself stays as it is",
    )  # fmt: skip
    given = vars(parser.parse_args(arguments))
    as_json, folder, with_plan = given.pop("json"), given.pop("fix"), given.pop("plan")
    try:
        config = TrainingConfig(**given)
        if folder is not None:
            _check_fix(config, folder)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if as_json:
        _log_to_stderr()

    def say(text: str) -> None:
        if not as_json:
            print(text)

    report: dict[str, Any] = {"dataset_name": config.dataset_name}
    problems: list[Problem] = []
    try:
        config = pin_revision(config)
        data = open_data(config)
        inspection = inspect(data, ALL_IMAGES if folder else config.max_inspected, inspection_bar)
        report |= _described(data, inspection, config)
        config, planned = plan_training(config, data, inspection)
        say(_text(report))
        if with_plan:
            say(_plan_text(planned, config.preset))
            report["plan"] = asdict(planned)["decisions"]
        problems = find_problems(data, inspection, config.resolution)
        say(_listed(problems))
        report["problems"] = [asdict(problem) for problem in problems]
        if folder is not None:
            done, problems = repair(data, inspection, config, folder)
            say(f"\n{_repair_text(done)}\n{_listed(problems)}")
            report["repaired"] = asdict(done)
            report["repaired"]["problems"] = [asdict(problem) for problem in problems]
    except UNetError as error:
        problems = [Problem("unusable", "error", str(error), (), 1, "", False)]
        say(f"error: {error}")
        report.setdefault("problems", []).extend(map(asdict, problems))
    if as_json:
        print(json.dumps(report, indent=2))
    return int(any(problem.severity == "error" for problem in problems))


def _check_fix(config: TrainingConfig, folder: Path) -> None:
    """Checks the options together with --fix. Raises `ConfigError`."""
    if folder.exists():
        raise ConfigError(f"--fix {folder} exists already. Name a folder that does not: nothing is "
                          "overwritten.")  # fmt: skip
    for name in ("streaming", "max_validation_images"):
        if getattr(config, name):
            raise ConfigError(f"--fix copies all of a data set, and --{name} leaves a part of it "
                              "out. Use one of the two.")  # fmt: skip


def _log_to_stderr() -> None:
    """Moves log messages to stderr, so that only the JSON is on standard output."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def _described(
    data: LabelledData, inspection: Inspection, config: TrainingConfig
) -> dict[str, Any]:
    train = _split(data, inspection.train, inspection.train_total)
    validation = _split(data, inspection.validation, inspection.validation_total)
    return {
        "findings": data.findings,
        "objects": describe_objects(data, inspection, config.objects),
        "read": inspection.notes(),
        "id2label": data.id2label,
        "train": {"split": data.train_name, **train},
        "validation": {"split": data.validation_name, **validation},
    }


def _split(data: LabelledData, rows: Sequence[PairSummary], total: int | None) -> dict[str, Any]:
    readable = [facts for facts in rows if facts.error is None]
    counts = sum((facts.counts for facts in readable), np.zeros(256, np.int64))
    known = max(int(counts[: data.num_classes].sum()), 1)
    return {
        "images": total,  # None for a stream
        "looked_at": len(rows),
        "readable": len(readable),
        "sizes": sorted({(facts.height, facts.width) for facts in readable}),
        "channels": sorted({facts.channels for facts in readable}),
        "dtypes": sorted({facts.dtype for facts in readable}),
        "shares": {
            name: round(float(counts[int(number)] / known), 6)
            for number, name in data.id2label.items()
        },
        "ignored": round(float(1 - known / max(counts.sum(), 1)), 6) if readable else 0.0,
        "objects": measure_objects(rows) if data.has_objects else None,
    }


def _text(report: dict[str, Any]) -> str:
    lines = [("data", report["dataset_name"]), *(("", finding) for finding in report["findings"])]
    for role, head in (("train", "train"), ("validation", "evaluate")):
        split = report[role]
        total, looked_at, sizes = split["images"], split["looked_at"], split["sizes"]
        seen = looked_at_words(looked_at, total)
        span = ""
        if sizes:
            span = " to ".join(f"{h} x {w}" for h, w in dict.fromkeys((sizes[0], sizes[-1])))
            span = f", {span} px, {' or '.join(map(str, split['channels']))} x "
            span += " or ".join(split["dtypes"])
        lines.append((head, f"{split['split']}: {seen}{span}"))
        shares = [f"{label} {share:.1%}" for label, share in split["shares"].items()]
        ignored = [f"({split['ignored']:.1%} of all pixels ignored)"] if split["ignored"] else []
        lines.append(("", " ".join([", ".join(shares), *ignored])))
    for head, key in (("objects", "objects"), ("read", "read")):
        lines += [(head * (not number), line) for number, line in enumerate(report[key])]
    return "\n".join(f"{head:<10}{text}" for head, text in lines)


def _plan_text(planned: TrainingPlan, preset: str) -> str:
    none = "none: the preset decides" if preset == "paper" else "none: no image can be used"
    lines = planned.lines() or [none]
    return "\n".join(f"{'plan' * (not number):<10}{line}" for number, line in enumerate(lines))


def _listed(problems: list[Problem]) -> str:
    return "\n".join(map(str, problems)) or "no problems found"


def _repair_text(done: Repair) -> str:
    lines = [
        f"repaired copy: {done.folder}, {number_of(done.train, 'image')} to train on, "
        f"{done.validation} to evaluate on; other splits are not copied"
    ]
    for reason, names in done.dropped.items():
        lines.append(f"left out, {reason}: {', '.join(names)}")
    lines += [f"note: {note}" for note in done.notes]
    return "\n".join(lines)
