"""reliability.png: drawn from the bins of evaluation.json, and gone where there are none."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from unet_hf import UNet
from unet_hf.evaluation.uncertainty import BINS, bin_rows, calibration_bins
from unet_hf.evaluation.verification import verify
from unet_hf.hub.card import CardOptions
from unet_hf.hub.layout import RELIABILITY_NAME, belongs_to_checkpoint
from unet_hf.hub.push import published_files
from unet_hf.hub.reliability import BAR, bins_of, draw_reliability
from unet_hf.hub.save import write_card

from .test_model_card import scores_for


def twenty_pixels() -> list[dict]:
    """Ten pixels at 0.9 of which seven are right, ten at 0.6 of which six are."""
    truth = np.array([[1] * 7 + [0] * 3 + [1] * 6 + [0] * 4])
    confidence = np.array([[0.9] * 10 + [0.6] * 10])
    return bin_rows(calibration_bins(truth, np.stack([1 - confidence, confidence])))


def record_of(folder: Path, rows: list[dict] | None) -> None:
    calibration = {"expected_error": 0.1, "bins": BINS} | ({"per_bin": rows} if rows else {})
    scores = scores_for(folder, calibration=calibration)
    (folder / "evaluation.json").write_text(json.dumps(scores))


@pytest.fixture
def folder(tmp_path) -> Path:
    labels = {"0": "ground", "1": "cell | <b>nucleus</b>"}
    UNet(base_channels=2, depth=1, id2label=labels).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def test_the_bins_by_hand():
    rows = twenty_pixels()
    assert len(rows) == BINS
    filled = {place: row for place, row in enumerate(rows) if row["pixels"]}
    assert filled == {
        8: {"pixels": 10, "confidence": pytest.approx(0.6), "accuracy": 0.6},
        13: {"pixels": 10, "confidence": pytest.approx(0.9), "accuracy": 0.7},
    }
    assert rows[0] == {"pixels": 0, "confidence": None, "accuracy": None}


def test_a_bar_ends_at_the_accuracy_of_its_bin():
    bins = bins_of({"calibration": {"per_bin": twenty_pixels()}})
    picture = np.array(draw_reliability(bins, BINS))
    blue = (picture == tuple(bytes.fromhex(BAR[1:]))).all(-1)
    heights = blue.sum(0)
    left, right = heights[: heights.size // 2].max(), heights[heights.size // 2 :].max()
    # The axis begins at 0.5, below the lowest edge: 8 / 15; bars of 0.1 and 0.2 of it.
    assert right / left == pytest.approx(2, rel=0.1)


def test_the_picture_comes_and_goes_with_the_bins(folder):
    picture, card = folder / RELIABILITY_NAME, folder / "README.md"
    assert belongs_to_checkpoint(RELIABILITY_NAME)
    record_of(folder, twenty_pixels())
    write_card(folder, CardOptions("net"))
    assert PIL.Image.open(picture).size == (640, 460)
    assert f"]({RELIABILITY_NAME})" in card.read_text()
    assert RELIABILITY_NAME in published_files(folder)
    assert all(finding.ok for finding in verify(folder))

    other = twenty_pixels()
    other[8]["accuracy"] = 0.5
    record_of(folder, other)
    wrong = [finding.text for finding in verify(folder) if not finding.ok]
    assert len(wrong) == 1 and "does not show the bins" in wrong[0]

    record_of(folder, None)  # as older versions wrote it
    assert RELIABILITY_NAME not in published_files(folder)
    write_card(folder, CardOptions("net"))
    assert not picture.exists()
    assert RELIABILITY_NAME not in card.read_text()
    assert all(finding.ok for finding in verify(folder))


def test_impossible_bins_of_others_are_not_drawn():
    rows = [
        {"pixels": 1, "confidence": 0.9, "accuracy": -1e9},
        {"pixels": 1, "confidence": None, "accuracy": 0.5},
        {"pixels": -1, "confidence": 0.9, "accuracy": 0.5},
    ]
    assert bins_of({"calibration": {"per_bin": rows}}) == []
