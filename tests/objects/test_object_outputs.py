"""Maps of objects on their way from the network to a result."""

import json

import numpy as np
import pytest
import torch

from unet_hf import UNet
from unet_hf.hub.find import SHIPPED, shipped_checkpoints
from unet_hf.images.reading import read_image
from unet_hf.predict import tiles

from ..support.networks import HERE, gray, network

ASKED = {"version": 1, "channels": ["distance", "border"]}


@pytest.fixture
def model() -> UNet:
    return network(base_channels=4, depth=2, object_outputs=ASKED)


def test_the_network_gives_logits_as_ever_and_the_maps_after_them_when_asked(model):
    image = torch.randn(2, 1, 37, 50)
    with torch.inference_mode():
        logits, both = model(image), model(image, objects=True)
    assert (logits.shape, both.shape) == ((2, 2, 37, 50), (2, 4, 37, 50))
    assert torch.equal(both[:, :2], logits)
    assert model.object_channels == ("distance", "border")
    assert model.object_head.weight.shape == (2, 4, 1, 1)


def test_a_network_without_them_has_the_tensors_and_the_configuration_of_ever():
    model = network(base_channels=4, depth=2)
    image = torch.randn(1, 1, 20, 20)
    with torch.inference_mode():
        assert torch.equal(model(image, objects=True), model(image))
    assert not [name for name in (*model.state_dict(), *model.config) if "object" in name]
    result = model.segment(gray(), tta=True)
    assert (result.object_maps, result.object_channels) == (None, ())
    for name in shipped_checkpoints():
        config = json.loads((SHIPPED / name / "config.json").read_text())
        head = UNet.from_pretrained(name).object_head
        assert (head is None) == ("object_outputs" not in config)


@pytest.mark.parametrize("precision", [*HERE, "int8"])
def test_what_it_tells_of_objects_reaches_the_result_in_every_precision(model, precision):
    model.calibrate([gray()])
    result = model.segment(gray(), precision=precision)
    image = model.preprocessing.prepare(read_image(gray())).whole()[None]
    with torch.inference_mode():
        expected = model(image, objects=True)[0, 2:].numpy()
    assert result.object_maps.shape == (2, *gray().shape)
    assert result.object_maps.dtype == np.float32
    bound = {"float32": 3e-5, "int8": 0.12}.get(precision, 0.05)
    assert np.sqrt(np.square(result.object_maps - expected).mean()) <= bound * expected.std()

    model.object_head.bias.data[1] += 1  # an engine that was prepared before notices
    model.calibrate([gray()])
    moved = model.segment(gray(), precision=precision).object_maps - result.object_maps
    assert np.allclose(moved, [[[0]], [[1]]], atol=1e-5)


def test_with_augmentation_they_are_the_mean_over_the_eight_views(model):
    pixels = gray(48, 64)
    image = model.preprocessing.prepare(read_image(pixels)).whole()
    seen = []
    with torch.inference_mode():
        for turns in range(4):
            for flip in ((), (2,)):
                view = image.rot90(turns, (1, 2)).flip(flip)
                maps = model(view[None], objects=True)[0, 2:]
                seen.append(maps.flip(flip).rot90(-turns, (1, 2)))
    result = model.segment(pixels, tta=True, precision="float32")
    assert np.abs(result.object_maps - torch.stack(seen).mean(0).numpy()).max() < 1e-5
    tiled = model.segment(pixels, tta=True, precision="float32", tile_size=60)
    assert np.abs(tiled.object_maps - result.object_maps).max() < 1e-5


@pytest.mark.parametrize("tta", [False, True])
def test_they_are_0_where_there_is_no_data(model, tta):
    pixels = gray().astype(np.float32)
    pixels[:70, :90] = np.nan
    maps = model.segment(pixels, tile_size=96, tta=tta).object_maps
    assert not maps[:, :70, :90].any()
    assert (maps[:, 70:] != 0).mean() > 0.9


def test_blank_windows_are_computed_once_and_give_what_the_whole_image_gives(model, monkeypatch):
    computed = []
    original = tiles.logits_function

    def counting(*arguments: object) -> object:
        compute = original(*arguments)
        return lambda window, *_, **__: computed.append(1) or compute(window)

    monkeypatch.setattr(tiles, "logits_function", counting)
    pixels = np.full((300, 320), 7, np.uint8)
    pixels[90:95, 100:110] = 200
    tiled = model.segment(pixels, tile_size=96, precision="float32")
    assert len(computed) < tiled.tiles / 2
    whole = model.segment(pixels, precision="float32")
    assert np.abs(tiled.object_maps - whole.object_maps).max() == 0.0


def test_a_result_counts_as_its_checkpoint_says_and_as_one_asks(model):
    counted = {"method": "learned", "seed": 0.0, "min_size": 5}
    model = network(base_channels=4, depth=2, object_outputs=ASKED, objects=counted)
    result = model.segment(gray(60, 70))
    usual, asked = result.objects(), result.objects(method="learned", seed=1.0, min_size=0)
    assert (usual.method, usual.seed, usual.min_size) == ("learned", 0.0, 5)
    assert (asked.method, asked.seed, asked.min_size) == ("learned", 1.0, 0)
    assert usual.table["area_px"].min() >= 5
    moved = result.with_threshold(0.1)
    assert not np.array_equal(moved.objects().labels > 0, usual.labels > 0)
    assert np.array_equal(moved.with_threshold(0.5).objects().labels, usual.labels)
