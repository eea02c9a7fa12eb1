"""Writes the model card, README.md, from the records beside the weights.

The section between two marks is written from the files of the folder, and only from them. What
people write outside the marks stays. A number that was not measured is not on the card.
"""

import html
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..errors import CheckpointError, ConfigError
from ..network.configuration import check_objects
from .expected_words import expected_words, how_expected
from .few_missed import why_none
from .goals import goal_rows
from .layout import CONFIG_NAME, RELIABILITY_NAME, THUMBNAIL_NAME, TRAINING_NAME
from .object_table import COLUMNS, count_words, object_rows, recipe_words
from .records import MADE_WITH, CheckpointRecords, read_record
from .reliability import bins_of

BEGIN = "<!-- unet_hf: begin. Written from the files beside this card; edits in here are lost. -->"
END = "<!-- unet_hf: end -->"
SECTION = re.compile(r"<!-- unet_hf: begin\b.*?-->.*?<!-- unet_hf: end -->", re.DOTALL)
FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n?---\r?\n", re.DOTALL)
CLASS_ROW = re.compile(r"^\| (.+) \| (\d+) \| `(#[0-9a-f]{6})` \|$", re.MULTILINE)
CURVE_ROWS = 12  # evaluations on the card; all are in metrics.jsonl
WORST = 3  # images with the lowest scores on the card
# Metadata that follows from the records; the rest belongs to the card's owner.
DERIVED = ("library_name", "pipeline_tag", "base_model", "metrics", "model-index")


@dataclass(frozen=True)
class CardOptions:
    """What a card needs and no record holds: the checkpoint's name, and what its owner states.

    name: "org/name", a shipped name or a folder, as `from_pretrained` takes it.
    license: A Hub identifier such as "cc-by-4.0"; None: the card says that it is not stated.
    base_model: Hub id of the checkpoint these weights were made from.
    space: Hub id of a Space that runs the demo.
    """

    name: str
    license: str | None = None
    base_model: str | None = None
    space: str | None = None


def render_card(folder: Path, options: CardOptions, existing: str | None = None) -> str:
    """Renders the card of the checkpoint in `folder`, as text.

    What people wrote into an existing card stays. Raises `CheckpointError`.
    """
    if existing and options.base_model is None:
        known = split_card(existing)[0].get("base_model")
        options = replace(options, base_model=known if isinstance(known, str) else None)
    config = read_record(folder / CONFIG_NAME)
    evidence = CheckpointRecords.read(folder)
    training = evidence.training or {}
    made_with = training.get(MADE_WITH) or {}
    base = made_with.get("base_model") or {"name": options.base_model}
    metadata = _metadata(options, evidence, base)
    evaluation = evidence.evaluation or {}
    membrane = bool(evaluation.get("membrane"))
    scores = ("v_rand", "v_info") if membrane else ("mean_iou",)
    measured = [row for row in evaluation.get("images", []) if None not in map(row.get, scores)]
    card = ModelCard.from_template(
        metadata,
        template_path=str(Path(__file__).parent / "card.md"),
        title=options.name.rstrip("/").rsplit("/", 1)[-1],
        begin=BEGIN,
        end=END,
        name=options.name,
        shell_name=shlex.quote(options.name),
        space=options.space or training.get("demo_space"),
        channels="/".join(config["preprocessing"]["channels"]),
        classes=class_rows(config),
        threshold=config["threshold"],
        objects=check_objects(config["objects"]) if config.get("objects") else None,
        counted_by=_counted_by,
        thumbnail=(folder / THUMBNAIL_NAME).is_file(),
        sample=evidence.sample,
        stamp=evidence.hashes,
        license=metadata.license,
        license_name=metadata.license_name,
        base=base,
        evaluation=evidence.evaluation,
        object_columns=list(COLUMNS.values()),
        object_rows=object_rows,
        recipe_words=recipe_words,
        expected_words=expected_words,
        how_expected=how_expected,
        count_words=count_words,
        worst=sorted(measured, key=lambda row: sum(map(row.get, scores)))[:WORST],
        reliability=bool(bins_of(evaluation)) and (folder / RELIABILITY_NAME).is_file(),
        foreground=class_rows(config)[1][0],
        why_none=why_none,
        across=evidence.across,
        training=evidence.training,
        goals=_goals(training, evaluation),
        few=evaluation.get("few_missed"),
        percent=_percent,
        data=made_with.get("data") or {},
        made_with=made_with,
        curve=_curve(evidence),
        speed=evidence.speed,
        int8=evidence.int8,
        scope=evidence.scope,
        number=_number,
        words=_words,
    )
    return merge_cards(existing, str(card).rstrip() + "\n")


def _goals(training: dict[str, Any], evaluation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The rows of `goal_rows`, if something was measured. Raises `CheckpointError`."""
    if not evaluation or not training.get("goals"):
        return []
    try:
        return goal_rows(training["goals"], evaluation)
    except ConfigError as error:
        raise CheckpointError(f"{TRAINING_NAME}: {error}") from error


def _counted_by(recipe: dict[str, Any]) -> str:
    """Says in words how objects are found; see `Segmentation.objects`."""
    if recipe["method"] == "learned":
        return (
            "parting them as the network has learned to: the deepest pixel of an object has at "
            f"least the height {recipe['seed']:g}"
        )
    if recipe["method"] == "watershed":
        return "splitting what touches (watershed)"
    return "connected regions"


def class_rows(config: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Name, id and color of each class, as the card's table shows them."""
    names = sorted(config["id2label"].items(), key=lambda item: int(item[0]))
    return [
        (_words(name), int(key), color)
        for (key, name), color in zip(names, config["colors"], strict=True)
    ]


def claimed_classes(card: str) -> list[tuple[str, int, str]]:
    """Reads name, id and color of the classes in our section of a card; empty without one."""
    section = SECTION.search(card)
    rows = CLASS_ROW.findall(section.group()) if section else []
    return [(name, int(key), color) for name, key, color in rows]


def merge_cards(existing: str | None, new: str) -> str:
    """Puts the new card's section and derived metadata into an existing card.

    Everything else stays. In a card without our section, it is added at the end.

    Raises:
        CheckpointError: The existing card's metadata is not YAML.
    """
    if existing is None or not existing.strip():
        return new
    old_data, old_text = split_card(existing)
    new_data, new_text = split_card(new)
    kept = {key: value for key, value in old_data.items() if key not in DERIVED or key in new_data}
    data = kept | {key: new_data[key] for key in new_data if key in DERIVED or key not in kept}
    for key in ("tags", "datasets"):
        both = [*_listed(old_data.get(key)), *_listed(new_data.get(key))]
        if both:
            data[key] = list(dict.fromkeys(both))
    if "license" in new_data:  # the owner states it now
        for key in ("license", "license_name", "license_link"):
            data.pop(key, None)
        data |= {key: new_data[key] for key in new_data if key.startswith("license")}
    section = SECTION.search(new_text).group()
    if SECTION.search(old_text):
        text = SECTION.sub(lambda _: section, old_text, count=1)
    else:
        text = old_text.rstrip() + "\n\n" + section + "\n"
    front = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n{text}"


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """Splits a card into its metadata and its text. Raises `CheckpointError`."""
    found = FRONT_MATTER.match(card)
    if found is None:
        return {}, card
    try:
        data = yaml.safe_load(found[1]) or {}
    except yaml.YAMLError as error:
        raise CheckpointError(
            f"The metadata of README.md is not YAML ({str(error).splitlines()[0]}). Repair what "
            "stands between its two lines of ---."
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(
            "The metadata of README.md is no mapping. Repair what stands between its two lines "
            "of ---."
        )
    return data, card[found.end() :]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _metadata(
    options: CardOptions, evidence: CheckpointRecords, base: dict[str, Any]
) -> ModelCardData:
    training = evidence.training or {}
    data = (training.get(MADE_WITH) or {}).get("data") or {}
    base_id = base.get("name") or ""
    results = _results(evidence.evaluation) if evidence.evaluation else []
    return ModelCardData(
        license=options.license or training.get("license"),
        license_name=None if options.license else training.get("license_name"),
        library_name="unet_hf",
        pipeline_tag="image-segmentation",
        tags=["unet"],
        base_model=base_id if base.get("on_hub", True) and _is_hub_id(base_id) else None,
        datasets=[data["name"]] if data.get("on_hub") else None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=options.name.rstrip("/").rsplit("/", 1)[-1] if results else None,
        eval_results=results or None,
    )


def membrane_proposal(membrane: Mapping[str, Any]) -> str:
    """Says what V_rand and V_info of a record are of: parted cells, or the thinned mask."""
    return "thinned" if membrane.get("mask_v_rand") is None else "cells"


def _is_hub_id(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name))


def _results(evaluation: dict[str, Any]) -> list[EvalResult]:
    dataset = evaluation.get("dataset") or {}
    name = dataset.get("name") or "unnamed"
    scores = [("mean_iou", "mean IoU", evaluation["mean_iou"])]
    if membrane := evaluation.get("membrane"):
        what = membrane_proposal(membrane)
        scores.append(("v_rand", f"V_rand ({what})", membrane["v_rand"]))
        scores.append(("v_info", f"V_info ({what})", membrane["v_info"]))
    if objects := evaluation.get("objects"):
        scores.append(("ap50", "AP of objects at IoU 0.5", objects["all"]["scores"]["ap50"]))
    return [
        EvalResult(
            task_type="image-segmentation",
            dataset_type=name,
            dataset_name=name,
            dataset_config=dataset.get("config"),
            dataset_split=dataset.get("split"),
            dataset_revision=dataset.get("revision"),
            metric_type=metric,
            metric_name=title,
            metric_value=round(value, 4),
        )
        for metric, title, value in scores
    ]


def _curve(evidence: CheckpointRecords) -> list[dict[str, Any]]:
    """Chooses about CURVE_ROWS evaluations, evenly spread, with the kept and the last one."""
    rows = evidence.curve
    kept = ((evidence.training or {}).get(MADE_WITH) or {}).get("step")
    step = -(-len(rows) // CURVE_ROWS) or 1
    return [
        row
        for index, row in enumerate(rows)
        if index % step == step - 1 or row["step"] == kept or row is rows[-1]
    ]


def _number(value: float | None, spread: list[float] | None = None) -> str:
    """Formats a score, "0.9123 [0.8950 .. 0.9310]"; "absent" for None."""
    if value is None:
        return "absent"
    return f"{value:.4f}" + (f" [{spread[0]:.4f} .. {spread[1]:.4f}]" if spread else "")


def _percent(share: float | None) -> str:
    """Formats a share, "9.7 %"; "absent" for None."""
    return "absent" if share is None else f"{100 * share:.3g} %"


def _words(text: object) -> str:
    """Escapes a text for a Markdown table and HTML, on one line."""
    return html.escape(" ".join(str(text).split()), quote=False).replace("|", "&#124;")
