"""Checks the fields of the records beside a checkpoint that this package reads.

A record may come from anyone's repository. Fields that were checked here can be printed, sorted
and put on a card without another check; fields that are not listed are kept as they are.
"""

from dataclasses import dataclass
from typing import Any

from .layout import (
    ACROSS_NAME,
    CURVE_NAME,
    EVALUATION_NAME,
    EXPECTED_NAME,
    INT8_NAME,
    SCOPE_NAME,
    SPEED_NAME,
    TRAINING_NAME,
)


@dataclass(frozen=True)
class Optional:
    """A field that may be missing or null."""

    fields: Any


@dataclass(frozen=True)
class Each:
    """A mapping from any names to values of the same fields."""

    fields: Any


@dataclass(frozen=True)
class ListOf:
    """A list of any length whose values have the same fields."""

    fields: Any


SPREAD = Optional((float, float))
WORDS = Optional(str)
SCORES = Each(Optional(float))
DATASET = {"name": str, "shown": str, "config": WORDS, "split": WORDS, "revision": WORDS}
MEMBRANE = dict.fromkeys(
    ("v_rand", "best_v_rand", "best_v_rand_threshold", "v_info", "best_v_info",
     "best_v_info_threshold", "rand_error", "pixel_error"), float,
) | dict.fromkeys(("mask_v_rand", "mask_v_info"), Optional(float))  # fmt: skip
OBJECT_SCORES = ("ap50", "mean_ap", "f1", "pq", "aji", "seg", "count_error", "count_off")
OBJECT_SUMMARY = {
    "images": int,
    "true": int,
    "proposed": int,
    "scores": dict.fromkeys(OBJECT_SCORES, Optional(float)) | {"count_off": float},
    "intervals": dict.fromkeys(OBJECT_SCORES, SPREAD),
}
OBJECTS = {
    "recipe": {"method": str, "min_size": int, "seed": Optional(float)},
    "all": OBJECT_SUMMARY,
    "groups": Each(OBJECT_SUMMARY),
    "beside": Each(OBJECT_SUMMARY),
}
TRAINED_ON = {"name": WORDS, "config": WORDS, "split": WORDS, "revision": WORDS, "license": WORDS}
EXPECTED = {
    "method": str,
    "chosen": ListOf(str),
    "images": int,
    "left_out": int,
    "folds": Optional(int),
    "scores": Each(float),
    "intervals": Each(SPREAD),
}
BIN_ROWS = Optional(
    ListOf({"pixels": int, "confidence": Optional(float), "accuracy": Optional(float)})
)
COST = {"missed": float, "precision": Optional(float), "area": Optional(float)}
FEW_MISSED = {
    "share": float,
    "threshold": Optional(float),
    "images": int,
    "without": int,
    "chosen": Optional(COST),
    "usual": COST,
}
MADE_WITH = {
    "command": str,
    "data": Optional(TRAINED_ON),
    "base_model": Optional({"name": WORDS, "commit": WORDS, "license": WORDS}),
    "step": Optional(float),
    "parameters": float,
    "crops": float,
    "minutes": float,
    "extended": ListOf((float, float)),
    "processor": WORDS,
}
# A mapping lists fields; a tuple is a list of that length; float is any number.
FIELDS: dict[str, Any] = {
    EVALUATION_NAME: {
        "dataset": DATASET,
        "threshold": Optional(float),
        "arguments": WORDS,
        "iou": SCORES,
        "dice": SCORES,
        "mean_iou": float,
        "pixel_accuracy": float,
        "calibration": {"expected_error": float, "bins": float, "per_bin": BIN_ROWS},
        "intervals": {
            "iou": Each(SPREAD), "dice": Each(SPREAD), "mean_iou": SPREAD, "v_rand": SPREAD,
            "v_info": SPREAD,
        },
        "membrane": Optional(MEMBRANE),
        "images": ListOf(
            {"name": str, "mean_iou": Optional(float), "v_rand": Optional(float),
             "v_info": Optional(float)}
        ),
        "groups": Optional(SCORES),
        "objects": Optional(OBJECTS),
        "expected": Optional(EXPECTED),
        "folds": Optional({"count": int, "steps": ListOf(int)}),
        "few_missed": Optional(FEW_MISSED),
    },
    ACROSS_NAME: {
        "commit": WORDS,
        "processor": str,
        "instructions": str,
        "rows": ListOf(
            {"dataset": str, "own": bool, "images": Optional(int), "classes": WORDS,
             "mean_iou": Optional(float), "interval": SPREAD, "why": WORDS}
        ),
    },
    TRAINING_NAME: {
        "max_train_steps": float,
        "resolution": Optional(float),
        "seed": float,
        "folds": Optional(int),
        "license": WORDS,
        "license_name": WORDS,
        "license_note": WORDS,
        "goals": WORDS,
        "goals_note": WORDS,
        "dataset_note": WORDS,
        "citation": WORDS,
        "demo_space": WORDS,
        "fitted_to": WORDS,
        "made_with": MADE_WITH,
    },
    CURVE_NAME: {"step": float, "loss": float, "score": Optional(float), "score_name": str},
    SPEED_NAME: {
        "image": (float, float),
        "milliseconds": {"median": float, "lowest": float, "highest": float},
        "rounds": float,
        "peak_megabytes": Optional(float),
        "precision": str,
        "threads": float,
        "processor": str,
        "torch": str,
    },
    INT8_NAME: {
        "images": int,
        "dataset": Optional({"name": str, "train": str, "validation": str}),
        "rounding": Optional({"changed": float, "pixels": int}),
        "scores": Optional({"float32": SCORES, "int8": SCORES}),
        "weight_bits": Optional(int),
    },
    SCOPE_NAME: {
        "limit": float,
        "images": Optional(int),
        "dataset": Optional({"name": str, "train": str, "validation": str}),
        "validation": Optional({"images": int, "beyond": int}),
        "foreign": Optional(ListOf({"name": str, "images": int, "beyond": int})),
    },
    EXPECTED_NAME: {"input": str, "origin": WORDS, "probabilities": str, "object_maps": WORDS},
}  # fmt: skip
# Pairs of mappings that must have the same keys: a row of the card's tables shows both.
SAME_KEYS = {
    EVALUATION_NAME: [(("iou",), ("dice",))],
    INT8_NAME: [(("scores", "float32"), ("scores", "int8"))],
}
ALL_OR_NONE = {  # fields that need each other
    INT8_NAME: ("dataset", "rounding", "scores"),
    SCOPE_NAME: ("images", "dataset", "validation"),
}


def wrong_field(name: str, record: dict[str, Any]) -> str | None:
    """Says what is wrong with the record in the file `name`; None if nothing is."""
    if fault := _wrong(record, FIELDS[name], ""):
        return fault
    together = ALL_OR_NONE.get(name, ())
    if len({record.get(field) is None for field in together}) > 1:
        return f"it has some but not all of {', '.join(together)}"
    for pair in SAME_KEYS.get(name, ()):
        one, other = (_at(record, path) for path in pair)
        if one.keys() != other.keys():
            return f"{'.'.join(pair[0])} and {'.'.join(pair[1])} have different names"
    return None


def _at(record: Any, path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        record = (record or {}).get(key)
    return record or {}


def _wrong(value: Any, fields: Any, at: str) -> str | None:
    if isinstance(fields, Optional):
        return None if value is None else _wrong(value, fields.fields, at)
    if isinstance(fields, type):
        kinds = (int, float) if fields is float else fields
        if isinstance(value, kinds) and isinstance(value, bool) == (fields is bool):
            return None
        return f"{at} is {_shown(value)}, expected is a {_KIND[fields]}"
    wanted = dict if isinstance(fields, (dict, Each)) else list
    if not isinstance(value, wanted):
        return f"{at or 'it'} is {_shown(value)}, expected is a {_KIND[wanted]}"
    if isinstance(fields, tuple) and len(value) != len(fields):
        return f"{at} has {len(value)} values, expected are {len(fields)}"
    if isinstance(fields, dict):
        parts = [
            (value.get(key), inner, f"{at}.{key}".lstrip(".")) for key, inner in fields.items()
        ]
    elif isinstance(fields, Each):
        parts = [(part, fields.fields, f"{at}.{key[:40]}") for key, part in value.items()]
    else:
        inner = fields if isinstance(fields, tuple) else [fields.fields] * len(value)
        parts = [
            (part, kind, f"{at}[{i}]")
            for i, (part, kind) in enumerate(zip(value, inner, strict=True))
        ]
    return next(filter(None, (_wrong(*part) for part in parts)), None)


_KIND = {
    bool: "truth value",
    str: "text",
    int: "whole number",
    float: "number",
    dict: "mapping",
    list: "list",
}


def _shown(value: Any) -> str:
    return "missing" if value is None else repr(value)[:60]
