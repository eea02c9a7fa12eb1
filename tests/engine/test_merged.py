"""A merged convolution is the two that it stands for, and only some CPUs and networks have one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unet_hf.engine import merged
from unet_hf.engine.engine import Engine
from unet_hf.engine.merged import MergedConvolution

from ..support.networks import HERE, NETWORKS, images, network

needs_bfloat16 = pytest.mark.skipif("bfloat16" not in HERE, reason="this CPU has no bfloat16")


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 5),
    small_channels=st.integers(1, 5),
    out_channels=st.integers(1, 5),
    batch=st.integers(1, 2),
)
def test_it_is_an_upsampling_and_a_convolution_of_both_maps(
    height, width, channels, small_channels, out_channels, batch
):
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(small_channels, channels, 2, stride=2)
    weight, bias = torch.randn(out_channels, 2 * channels, 3, 3), torch.randn(out_channels)
    small = torch.randn(batch, height, width, small_channels)
    skip = torch.randn(batch, 2 * height, 2 * width, channels)
    out = torch.full((batch, 2 * height, 2 * width, out_channels), torch.nan)
    blocks = torch.full((batch, height + 1, width + 1, 4 * out_channels), torch.nan)
    with torch.inference_mode():
        layer = MergedConvolution(up, weight, bias, dtype=torch.float32)
        layer.write(out, skip, small, blocks)
        both = torch.cat([skip.permute(0, 3, 1, 2), up(small.permute(0, 3, 1, 2))], dim=1)
        expected = nn.functional.conv2d(both, weight, bias, padding=1).relu()
    assert torch.allclose(out.permute(0, 3, 1, 2), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture
def one_window(monkeypatch):
    """A CPU without a matrix unit, on which images of 48 x 64 pixels are worth it."""
    monkeypatch.setattr(merged, "has_matrix_unit", lambda: False)
    monkeypatch.setattr(merged, "cpu_has", lambda instructions: True)
    monkeypatch.setattr("unet_hf.engine.engine.MANY_PIXELS", 48 * 64)


@needs_bfloat16
def test_without_a_matrix_unit_images_in_one_window_alone_are_merged(one_window):
    model = network()
    engine, exact = Engine(model, "bfloat16"), Engine(model, "float32")
    assert len(engine.merged) == 4 and not any(merges(engine))
    few, many = images(model, 1, 32, 64), images(model, 1, 48, 64)
    assert torch.equal(engine(few, whole=True), engine(few))
    usual, whole, expected = engine(many), engine(many, whole=True), exact(many)
    assert not torch.equal(whole, usual)
    errors = [float((one - expected).square().mean().sqrt()) for one in (usual, whole)]
    assert 0 < errors[1] <= 1.5 * errors[0]


@needs_bfloat16
def test_layers_that_would_not_gain_are_not_merged_in_one_window(one_window, monkeypatch):
    for name in ("bilinear", "valid"):
        assert not Engine(network(**NETWORKS[name]), "bfloat16").merged
    for precision in {"float32", "float16"} & set(HERE):
        assert not Engine(network(), precision).merged
    monkeypatch.setattr(merged, "cpu_has", lambda instructions: False)
    assert not Engine(network(), "bfloat16").merged


def merges(engine: Engine) -> list[bool]:
    return [isinstance(first, MergedConvolution) for _, first, _ in engine.expansive]


@needs_bfloat16
def test_layers_are_merged_only_where_tiles_stay_the_same(monkeypatch):
    monkeypatch.setattr(merged, "has_matrix_unit", lambda: True)
    assert all(merges(Engine(network(), "bfloat16")))
    assert not any(merges(Engine(network(), "float32")))
    for name in ("bilinear", "valid"):
        assert not any(merges(Engine(network(**NETWORKS[name]), "bfloat16")))
    monkeypatch.setattr(merged, "LARGEST_KERNELS", 4 * 16 * 32)  # pairs of channels of level 1
    assert merges(Engine(network(), "bfloat16")) == [False, False, True, True]
    monkeypatch.setattr(merged, "has_matrix_unit", lambda: False)
    assert not any(merges(Engine(network(), "bfloat16")))


@needs_bfloat16
@pytest.mark.parametrize("name", ["usual", "colour", "deep", "no norm"])
def test_the_network_computes_nearly_the_same_with_it(name: str, monkeypatch):
    model = network(**NETWORKS[name])
    image = images(model)
    exact = Engine(model, "float32")(image)
    seen = []
    for has_unit in (False, True):
        monkeypatch.setattr(merged, "has_matrix_unit", lambda has_unit=has_unit: has_unit)
        seen.append(Engine(model, "bfloat16")(image))
    errors = [float((one - exact).square().mean().sqrt() / exact.std()) for one in seen]
    assert 0 < errors[1] <= 1.5 * errors[0]
