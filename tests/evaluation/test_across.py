"""Checkpoints on other data: which classes are compared, and what is stored of it."""

import json

import numpy as np
import pytest

from benchmarks.across import STORED, compare, mapping, matrix
from unet_hf import UNet, shipped_checkpoints
from unet_hf.data.pairs import Pair
from unet_hf.hub.layout import ACROSS_NAME, CARD_NAME, SHIPPED
from unet_hf.hub.records import HASHES_KEY, checkpoint_hashes, read_record
from unet_hf.images.reading import read_image


def test_classes_are_compared_by_their_meaning_and_not_by_their_number():
    membranes, nuclei = {0: "membrane", 1: "cell"}, {0: "background", 1: "nucleus"}
    assert mapping(membranes, nuclei) == [0, 1]
    assert mapping(membranes, {0: "nucleus", 1: "background"}) == [1, 0]
    metal = {0: "matrix", 1: "secondary precipitate", 2: "tertiary precipitate"}
    assert mapping(metal, metal) == [0, 1, 2]
    assert "membrane and cell are none of matrix, secondary" in mapping(membranes, metal)
    assert "none of" in mapping(metal, membranes)


def test_pixels_are_counted_in_the_classes_of_the_data():
    model = UNet(in_channels=1, base_channels=2, depth=1)
    image = read_image(np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8))
    mask = model.segment(image, precision="float32").mask
    pair = Pair("a", image, 1 - mask, None, {})  # every pixel has the other class
    assert np.trace(compare(model, pair, [0, 1], 2)) == 0
    assert np.trace(compare(model, pair, [1, 0], 2)) == 256


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_each_card_holds_its_row(name: str):
    folder, stored = SHIPPED / name, json.loads(STORED.read_text("utf-8"))[name]
    assert read_record(folder / ACROSS_NAME) == stored
    assert stored[HASHES_KEY] == checkpoint_hashes(folder)
    card = (folder / CARD_NAME).read_text(encoding="utf-8")
    scores = [row["mean_iou"] for row in stored["rows"]]
    assert len(scores) == 4 and sum(score is not None for score in scores) in (1, 3)
    section = card.split("## On other data")[1].split("\n## ")[0]
    assert all(f"{score:.4f} [" in section for score in scores if score is not None)
    assert matrix({name: stored}).count("| **") == 1  # its own
