"""Winograd's convolution is a convolution, and only images in one window are computed by it."""

from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st

from unet_hf.engine import winograd
from unet_hf.engine.engine import Engine
from unet_hf.engine.memory import MEMORY
from unet_hf.engine.winograd import WinogradConvolution
from unet_hf.large import segment_large

from ..support.networks import images, network

WIDE = {"base_channels": 8, "depth": 2}  # with the limits below: 16 channels and more are wide


@pytest.fixture
def anywhere(monkeypatch):
    """As if this CPU gained by it, and with limits that small networks reach."""
    monkeypatch.setattr(winograd, "cpu_has", lambda instructions: True)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(winograd, "WIDE_CHANNELS", 16)
    monkeypatch.setattr(winograd, "MANY_BLOCKS", 4)


def convolved(weight: torch.Tensor, bias: torch.Tensor, parts: list[torch.Tensor]) -> torch.Tensor:
    """In float64, of images (B, h, w, C) side by side; gives (B, h, w, out)."""
    image = torch.cat(parts, dim=-1).permute(0, 3, 1, 2).double()
    out = torch.nn.functional.conv2d(image, weight.double(), bias.double(), padding=1)
    return out.relu().permute(0, 2, 3, 1)


@given(
    height=st.integers(1, 21),
    width=st.integers(1, 21),
    channels=st.lists(st.integers(1, 5), min_size=1, max_size=2),
    out_channels=st.integers(1, 5),
    batch=st.integers(1, 2),
    at_once=st.integers(1, 9),
)
def test_it_is_a_convolution(height, width, channels, out_channels, batch, at_once):
    torch.manual_seed(0)
    parts = [torch.randn(batch, height, width, count) for count in channels]
    weight, bias = torch.randn(out_channels, sum(channels), 3, 3), torch.randn(out_channels)
    out = torch.full((batch, height, width, out_channels), torch.nan)
    with pytest.MonkeyPatch.context() as patch, MEMORY.held(), torch.inference_mode():
        patch.setattr(winograd, "BLOCKS_AT_ONCE", at_once)
        WinogradConvolution(weight, bias).write(out, *parts)
    expected = convolved(weight, bias, parts)
    assert (out - expected).abs().max() <= 2e-5 * max(1.0, float(expected.max()))


def test_a_single_pixel_by_hand():
    """All but the middle of a kernel meets the border: 3 * 2 - 1 = 5, and -3 * 2 - 1 is cut off."""
    weight = torch.full((2, 1, 3, 3), 7.0)
    weight[:, 0, 1, 1] = torch.tensor([3.0, -3.0])
    layer = WinogradConvolution(weight, torch.tensor([-1.0, -1.0]))
    with MEMORY.held(), torch.inference_mode():
        out = layer.write(torch.empty(1, 1, 1, 2), torch.full((1, 1, 1, 1), 2.0))
    assert torch.allclose(out.flatten(), torch.tensor([5.0, 0.0]), atol=1e-5)


@pytest.mark.parametrize("objects", [None, {"version": 1, "channels": ["distance"]}])
def test_a_whole_image_is_what_the_network_says(objects: Any, anywhere):
    model = network(**WIDE, object_outputs=objects)
    image = images(model, 2, 70, 100)
    with torch.inference_mode():
        expected = model(image, objects=True)
    engine = Engine(model, "float32")
    # 8 to 16 channels, and the first of the last level, are narrow.
    assert len(engine.winograd) == 5
    usual, whole = engine(image), engine(image, whole=True)
    assert not torch.equal(usual, whole)
    for seen in (usual, whole):
        assert (seen - expected).abs().max() <= 3e-5 * expected.abs().max()


@pytest.mark.parametrize("options", [{}, {"norm": "none"}, {"upsampling": "bilinear"}])
def test_an_engine_does_not_see_later_changes_of_the_network(options, anywhere):
    """Not even in kernels that are transformed after them."""
    model = network(**WIDE, **options)
    image = images(model, 1, 70, 100)
    expected = [Engine(model, "float32")(image, whole=whole) for whole in (False, True)]
    engine = Engine(model, "float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(-2).add_(0.5)
    assert all(
        torch.equal(engine(image, whole=whole), before)
        for whole, before in zip((False, True), expected, strict=True)
    )


def test_what_was_in_the_memory_does_not_matter(anywhere):
    engine, image = Engine(network(**WIDE), "float32"), images(network(**WIDE), 1, 70, 100)
    first = engine(image, whole=True)
    engine(torch.full((1, 1, 200, 160), 1e6), whole=True)
    assert torch.equal(engine(image, whole=True), first)
    MEMORY.release()
    assert torch.equal(engine(image, whole=True), first)


def test_a_tile_size_that_was_asked_for_never_changes_the_result(anywhere, tmp_path):
    """Not in the last bit; by default it may, which is faster."""
    model = network(**WIDE)
    image = np.random.default_rng(1).integers(0, 256, (333, 420), dtype=np.uint8)
    small, usual, one = (
        model.segment(image, tile_size=side, precision="float32") for side in (160, 256, 512)
    )
    assert 1 == one.tiles < usual.tiles < small.tiles
    assert np.array_equal(usual.probabilities, small.probabilities)
    assert np.array_equal(one.probabilities, small.probabilities)
    default = model.segment(image, precision="float32")
    assert default.tiles == 1
    assert 0 < np.abs(default.probabilities - one.probabilities).max() < 1e-4


def test_large_images_are_computed_as_others_are(anywhere, tmp_path):
    model = network(**WIDE, tile_size=400)
    options = {"precision": "float32", "outputs": ["probabilities"]}
    for width in (380, 420):  # one window for both, and for `segment_large` alone
        image = np.random.default_rng(1).integers(0, 256, (333, width), dtype=np.uint8)
        large = segment_large(model, image, tmp_path, prefix=f"{width}-", **options)
        seen = tifffile.imread(large.files["probabilities"])
        assert large.tiles == 1
        assert np.array_equal(seen, model.segment(image, precision="float32").probabilities)


@pytest.mark.parametrize("options", [{"padding": "valid"}, {"precision": "bfloat16"}, {"wide": 99}])
def test_layers_that_would_not_gain_are_left_alone(options: dict[str, Any], anywhere, monkeypatch):
    monkeypatch.setattr(winograd, "WIDE_CHANNELS", options.get("wide", 16))
    model = network(**WIDE, padding=options.get("padding", "same"))
    assert not Engine(model, options.get("precision", "float32")).winograd


def test_few_blocks_are_convolved_as_usual(anywhere, monkeypatch):
    monkeypatch.setattr(winograd, "MANY_BLOCKS", 10**9)
    model = network(**WIDE)
    engine, image = Engine(model, "float32"), images(model, 1, 70, 100)
    assert engine.winograd and torch.equal(engine(image), engine(image, whole=True))


def test_kernels_of_huge_layers_are_not_transformed(anywhere, monkeypatch):
    monkeypatch.setattr(winograd, "LARGEST_KERNELS", 16 * 16)
    assert len(Engine(network(**WIDE), "float32").winograd) == 2  # 16 to 16 channels
