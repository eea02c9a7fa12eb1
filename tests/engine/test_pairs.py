"""Two convolutions that take two pixels at a time are the two plain ones, where they are faster."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unet_hf.engine import merged, pairs
from unet_hf.engine.engine import Engine
from unet_hf.engine.pairs import PairConvolution

from ..support.networks import HERE, NETWORKS, images, network

needs_bfloat16 = pytest.mark.skipif("bfloat16" not in HERE, reason="this CPU has no bfloat16")


@given(
    height=st.integers(1, 9),
    half_width=st.integers(1, 6),
    channels=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    batch=st.integers(1, 2),
)
def test_the_first_and_the_second_are_two_plain_convolutions(height, half_width, channels, batch):
    torch.manual_seed(0)
    image = torch.randn(batch, height, 2 * half_width, channels[0])
    expected = image.permute(0, 3, 1, 2)
    with torch.inference_mode():
        for first, before, after in zip((True, False), channels, channels[1:], strict=False):
            weight, bias = torch.randn(after, before, 3, 3), torch.randn(after)
            layer = PairConvolution(weight, bias, dtype=torch.float32, first=first)
            out = torch.full(layer.output_shape(image.shape), torch.nan)
            image = layer.write(out, image)
            expected = nn.functional.conv2d(expected, weight, bias, padding=1).relu()
            assert image.shape[2] == 2 * half_width + 2 * first
            if first:
                assert not image[:, :, [0, -1]].any()
    assert torch.allclose(image.permute(0, 3, 1, 2), expected, rtol=1e-4, atol=1e-4)


def test_what_is_added_to_keeps_what_it_held():
    image, held = torch.randn(1, 4, 6, 2), torch.randn(1, 4, 8, 3)
    weight, bias = torch.randn(3, 2, 3, 3), torch.randn(3)
    with torch.inference_mode():
        layer = PairConvolution(weight, bias, dtype=torch.float32, first=True)
        added = layer.add(held.clone(), image)
        plain = nn.functional.conv2d(image.permute(0, 3, 1, 2), weight, bias, padding=1)
    expected = (plain.permute(0, 2, 3, 1) + held[:, :, 1:-1]).relu()
    assert torch.allclose(added[:, :, 1:-1], expected, atol=1e-5)


def pairs_of(engine: Engine) -> list[bool]:
    """Whether each of the convolutions takes pairs, level by level, down and up."""
    layers = [layer for step in engine.contracting for layer in step]
    for _, first, second in engine.expansive:
        layers += [getattr(first, "skip", first), second]
    return [isinstance(layer, PairConvolution) for layer in layers]


@pytest.fixture
def matrix_unit(monkeypatch):
    for module in (merged, pairs):
        monkeypatch.setattr(module, "has_matrix_unit", lambda: True)


@needs_bfloat16
def test_only_a_matrix_unit_takes_pairs_and_only_of_sixteen_channels(matrix_unit, monkeypatch):
    model = network(base_channels=16, depth=1)
    assert pairs_of(Engine(model, "bfloat16")) == [True, True, False, False, True, True]
    assert not any(pairs_of(Engine(model, "float32")))
    for channels in (4, 32):
        assert not any(pairs_of(Engine(network(base_channels=channels, depth=1), "bfloat16")))
    assert not any(pairs_of(Engine(network(**NETWORKS["valid"]), "bfloat16")))
    monkeypatch.setattr(pairs, "has_matrix_unit", lambda: False)
    assert not any(pairs_of(Engine(model, "bfloat16")))


@needs_bfloat16
@pytest.mark.parametrize("name", ["usual", "colour", "no norm", "bilinear"])
def test_the_network_computes_nearly_the_same_in_pairs(name: str, matrix_unit, monkeypatch):
    model = network(**NETWORKS[name])
    image = images(model)
    exact = Engine(model, "float32")(image)
    errors = []
    for has_unit in (False, True):
        monkeypatch.setattr(pairs, "has_matrix_unit", lambda has_unit=has_unit: has_unit)
        engine = Engine(model, "bfloat16")
        assert any(pairs_of(engine)) == has_unit
        errors.append(float((engine(image) - exact).square().mean().sqrt() / exact.std()))
    assert 0 < errors[1] <= 1.5 * errors[0]
