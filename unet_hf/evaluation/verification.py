"""Verifies a checkpoint: compares its card, configuration, weights and sample with its records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.calibration import feature_maps
from ..errors import UNetError
from ..hub.card import claimed_classes, class_rows, split_card
from ..hub.expected_words import expected_words
from ..hub.find import find_checkpoint, read_address
from ..hub.int8_record import read_calibration
from ..hub.layout import (
    CARD_NAME,
    CONFIG_NAME,
    EVALUATION_NAME,
    EXPECTED_NAME,
    INT8_NAME,
    RELIABILITY_NAME,
    SCOPE_NAME,
)
from ..hub.records import HASHES_KEY, CheckpointRecords, checkpoint_hashes, read_record
from ..hub.reliability import bins_of, drawn_text, text_in
from ..hub.sample import MAX_PIXELS, expected_values, sample_input
from ..hub.scope_record import OF_OTHERS, read_scope
from ..images.reading import read_image


@dataclass(frozen=True)
class Finding:
    """Result of one check. text: what was seen, and the cure if it is wrong."""

    ok: bool
    text: str


def verify(source: str | Path, **hub: Any) -> list[Finding]:
    """Checks a checkpoint against everything that came with it.

    Args:
        source, hub: As for `UNet.from_pretrained`.

    Returns:
        One or more findings for each check; the checkpoint is as recorded if all are ok.

    Raises:
        CheckpointError, ConfigError: The checkpoint cannot be loaded.
    """
    from ..unet import UNet

    source, revision, inside = read_address(source, hub.get("revision"), hub.get("subfolder"))
    hub |= {"revision": revision, "subfolder": inside}
    model = UNet.from_pretrained(source, **hub)
    if model.origin.commit:
        hub["revision"] = model.origin.commit  # the same commit, even if somebody pushes
    folder = find_checkpoint(source, evidence=True, **hub)
    checks = (
        check_bytes, check_sample, check_card, check_scores, check_picture, check_calibration,
        check_scope,
    )  # fmt: skip
    findings = [Finding(True, "the weights fit the configuration, tensor by tensor")]
    for check in checks:
        try:
            findings += check(model, folder)
        except UNetError as error:
            findings.append(Finding(False, str(error)))
    return list(dict.fromkeys(findings))  # a record that cannot be read fails several checks


def check_bytes(model: Any, folder: Path) -> list[Finding]:
    """Checks that configuration and weights are, to the byte, those the sample was made with."""
    expected = read_record(folder / EXPECTED_NAME)
    if expected is None:
        return [
            Finding(
                False,
                f"there is no {EXPECTED_NAME}, so nothing tells what the weights should be. "
                "`model.save_pretrained(folder)` of a checkpoint you trust writes one.",
            )
        ]
    findings, hashes = [], expected.get(HASHES_KEY)
    for name, seen in checkpoint_hashes(folder).items():
        recorded = hashes.get(name) if isinstance(hashes, dict) else None
        if seen == recorded:
            findings.append(Finding(True, f"{name} is as recorded (SHA-256 {seen[:12]})"))
        else:
            findings.append(
                Finding(
                    False,
                    f"{name} has the SHA-256 {seen[:12]}, recorded is {str(recorded)[:12]}: it was "
                    "changed or damaged since. Download it again, or, if the change was meant, "
                    "save the model again with `save_pretrained`.",
                )
            )
    return findings


def check_sample(model: Any, folder: Path) -> list[Finding]:
    """Checks that the stored input still gives the stored probabilities and maps of objects."""
    expected = read_record(folder / EXPECTED_NAME)
    if expected is None:
        return []
    image = read_image(sample_input(folder), max_pixels=MAX_PIXELS)
    tolerance = expected.get("max_difference")
    if not isinstance(tolerance, (int, float)) or not 0 <= tolerance <= 0.1:
        return [Finding(False, f"{EXPECTED_NAME} allows a difference of {tolerance!r}: no test.")]
    result = model.segment(image, precision="float32")
    seen = {"probabilities": result.probabilities}
    if result.object_maps is not None:
        seen["object_maps"] = result.object_maps
    findings = []
    for kind, values in seen.items():
        difference = float(np.abs(values - expected_values(folder, kind, values.shape)).max())
        text = (
            f"the sample's {kind.replace('_', ' ')} differ by up to {difference:.1e} from the "
            f"stored ones (allowed {tolerance:.0e})"
        )
        findings.append(Finding(difference <= tolerance, text))
    return findings


def check_card(model: Any, folder: Path) -> list[Finding]:
    """Checks that the card claims the classes of the configuration."""
    path = folder / CARD_NAME
    if not path.is_file():
        return [Finding(False, f"there is no {CARD_NAME}. `save_pretrained` writes one.")]
    text = path.read_text(encoding="utf-8", errors="replace")
    metadata, _ = split_card(text)
    claimed, true = claimed_classes(text), class_rows(model.config)
    findings = [
        Finding(True, f"the card claims the {len(true)} classes of {CONFIG_NAME}")
        if claimed == true
        else Finding(
            False,
            f"the card claims the classes {_class_list(claimed) or 'of nobody'}, {CONFIG_NAME} has "
            f"{_class_list(true)}. Write the card again with `save_pretrained`.",
        )
    ]
    if metadata.get("library_name") != "unet_hf":
        findings.append(
            Finding(
                False,
                f"the card's library_name is {metadata.get('library_name')!r}; unet_hf is expected",
            )
        )
    return findings


def check_scores(model: Any, folder: Path) -> list[Finding]:
    """Checks that scores are of these weights and classes, and that the card has the same."""
    evidence = CheckpointRecords.read(folder)
    findings = [
        Finding(
            False,
            f"{name} was recorded for another configuration or other weights. Measure again "
            "(`python -m unet_hf evaluate --update_card`), or delete it.",
        )
        for name in evidence.stale
        if name != EXPECTED_NAME  # reported by `check_bytes`
    ]
    scores = evidence.evaluation
    if scores is None:
        return findings
    if [*scores["iou"]] != [*model.id2label.values()]:
        findings.append(
            Finding(False, f"{EVALUATION_NAME} scores the classes {', '.join(scores['iou'])}")
        )
    card = folder / CARD_NAME
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    claimed = _metrics(text)
    true = {"mean_iou": scores["mean_iou"]}
    true |= {key: scores["membrane"][key] for key in ("v_rand", "v_info") if scores.get("membrane")}
    wrong = [
        f"{key} {claimed.get(key)} (measured: {value:.4f})"
        for key, value in true.items()
        if claimed.get(key) != round(value, 4)
    ]
    findings.append(
        Finding(False, f"the card claims {', '.join(wrong)}. Write it again.")
        if wrong
        else Finding(True, f"the card's scores are those of {EVALUATION_NAME}")
    )
    if (expected := scores.get("expected")) and expected_words(expected) not in text:
        findings.append(
            Finding(
                False,
                "the card does not say what to expect on new images: "
                f"{expected_words(expected)}. Write it again.",
            )
        )
    return findings


def check_picture(model: Any, folder: Path) -> list[Finding]:
    """Checks that the picture of the calibration shows the bins of the scores."""
    bins = bins_of(CheckpointRecords.read(folder).evaluation)
    if not bins:  # as older versions wrote it
        return []
    if text_in(folder / RELIABILITY_NAME) == drawn_text(bins):
        return [Finding(True, f"{RELIABILITY_NAME} shows the bins of {EVALUATION_NAME}")]
    return [
        Finding(
            False,
            f"{RELIABILITY_NAME} is missing or does not show the bins of {EVALUATION_NAME}. Write "
            "the card again with `save_pretrained`.",
        )
    ]


def check_calibration(model: Any, folder: Path) -> list[Finding]:
    """Checks that the ranges for int8, if there are any, belong to these weights."""
    if not (folder / INT8_NAME).is_file():
        return []
    if read_calibration(folder, feature_maps(model)) is None:
        return [
            Finding(
                False,
                f"{INT8_NAME} was made for another configuration or other weights, and is not "
                "used. Calibrate again (`python -m unet_hf calibrate`), or delete it.",
            )
        ]
    return [Finding(True, f"{INT8_NAME} has the ranges of these weights for int8")]


def check_scope(model: Any, folder: Path) -> list[Finding]:
    """Checks that the description of the training images, if there is one, is of these weights."""
    if not (folder / SCOPE_NAME).is_file():
        return []
    if read_scope(folder, model) is None:
        return [Finding(False, f"{SCOPE_NAME} {OF_OTHERS}")]
    return [Finding(True, f"{SCOPE_NAME} describes the training images of these weights")]


def _metrics(card: str) -> dict[str, Any]:
    """Reads metric ids and values from a card's model-index; empty where it has none."""
    try:
        index = split_card(card)[0]["model-index"]
        return {
            metric["type"]: metric["value"]
            for model in index
            for result in model["results"]
            for metric in result["metrics"]
        }
    except (KeyError, TypeError):
        return {}


def _class_list(rows: list[tuple[str, int, str]]) -> str:
    return ", ".join(f"{index} {name}" for name, index, _ in rows)
