"""From images with numbered masks beside them to a checkpoint that tells objects apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from demo.synthetic import fluorescence_nuclei
from train.loop import train
from train.model import build_model, set_object_outputs
from unet_hf import UNet

from ..support.tiny_training import tiny

CLASSES = {0: "background", 1: "object"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """As Cellpose leaves it: 0.tif, 0_masks.tif, 1.tif ..."""
    folder = tmp_path_factory.mktemp("cells")
    for number in range(6):
        drawing = fluorescence_nuclei(96, 12 + number, seed=number)
        ids = np.unique(drawing.instances, return_inverse=True)[1]
        tifffile.imwrite(folder / f"{number}.tif", drawing.image)
        tifffile.imwrite(folder / f"{number}_masks.tif", ids.astype(np.uint16))
    return folder


def test_numbered_masks_alone_teach_objects_and_the_card_says_how_good_they_are(folder, tmp_path):
    output = tmp_path / "out"
    torch.manual_seed(0)
    options = {"base_channels": 8, "max_train_steps": 60, "validation_steps": 60}
    train(tiny(folder, output, learning_rate=1e-2, **options))
    network = UNet.from_pretrained(output)
    assert network.object_channels == ("distance", "border")
    recipe = network.config["objects"]
    evaluation = json.loads((output / "evaluation.json").read_text())
    assert evaluation["objects"]["recipe"] == recipe
    scores = evaluation["objects"]["all"]["scores"]
    assert f"{scores['ap50']:.3f}" in (output / "README.md").read_text()
    # The distance map has learned where objects are deep.
    ids = tifffile.imread(folder / "0_masks.tif")
    distance = network.segment(folder / "0.tif").object_maps[0]
    assert distance[ids > 0].mean() > distance[ids == 0].mean() + 0.2


def test_a_fine_tuned_network_keeps_what_it_knows_of_objects_and_learns_the_rest(tmp_path):
    base = UNet(base_channels=4, depth=1, object_outputs={"version": 1, "channels": ["distance"]})
    adapted = set_object_outputs(base, {"version": 1, "channels": ["distance", "border"]})
    assert torch.equal(adapted.object_head.weight[0], base.object_head.weight[0])
    assert torch.equal(adapted.object_head.bias[:1], base.object_head.bias)
    image = torch.randn(1, 1, 16, 16)
    assert torch.equal(adapted.eval()(image), base.eval()(image))
    same = set_object_outputs(adapted, {"version": 1, "channels": ["distance", "border"]})
    assert same is adapted
    walled = {"version": 1, "channels": ["distance", "border"], "walled": True}
    closing = set_object_outputs(adapted, walled)
    assert closing.walled and not adapted.walled
    assert torch.equal(closing.object_head.weight, adapted.object_head.weight)


@pytest.mark.parametrize(
    ("recipe", "kept"),
    [
        ({"method": "learned", "seed": 0.4, "min_size": 3}, None),
        ({"method": "watershed", "min_size": 3}, {"method": "watershed", "min_size": 3}),
    ],
)
def test_data_of_classes_leaves_no_objects_that_nobody_keeps_right(recipe, kept, tmp_path):
    UNet(
        base_channels=4,
        depth=2,
        id2label={str(key): name for key, name in CLASSES.items()},
        object_outputs={"version": 1, "channels": ["distance"]},
        objects=recipe,
    ).save_pretrained(tmp_path / "base")
    config = tiny(tmp_path, tmp_path / "out", pretrained_model_name_or_path=str(tmp_path / "base"))
    network = build_model(config, CLASSES, 1)
    assert network.object_channels == ()
    assert network.object_head is None
    assert network.config.get("objects") == kept
