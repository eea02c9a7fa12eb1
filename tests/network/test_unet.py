"""The network: the paper's numbers, any size, and options that are refused with a cure."""

import numpy as np
import pytest
import torch
from torch import nn

from unet_hf import UNet
from unet_hf.errors import ConfigError, ShapeError


def count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_paper_network_has_the_papers_parameters_and_sizes():
    model = UNet.paper().eval()
    assert count(model) == 31_030_658
    convolutions = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(convolutions) == 23  # section 2: "in total the network has 23 convolutional layers"
    with torch.inference_mode():
        assert model(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_paper_network_has_nothing_the_paper_has_not():
    kinds = {type(module) for module in UNet.paper().modules() if not list(module.children())}
    assert kinds == {
        nn.Conv2d, nn.ConvTranspose2d, nn.ReLU, nn.MaxPool2d, nn.Dropout, nn.Identity
    }  # fmt: skip


def test_weights_are_drawn_with_std_sqrt_2_over_incoming_nodes():
    torch.manual_seed(0)
    model = UNet.paper()
    convolution = model.contracting[1][3]  # 3x3 on 128 channels: N = 9 * 128
    assert convolution.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.01)
    up = model.up_convolutions[0]  # each output pixel of a 2x2 stride-2 kernel: N = 1024
    assert up.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert convolution.bias.abs().max() == 0


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
@pytest.mark.parametrize("depth", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 47), (64, 64)])
def test_same_padding_takes_any_size_and_keeps_it(upsampling, depth, size):
    model = UNet(2, 3, base_channels=2, depth=depth, upsampling=upsampling).eval()
    assert model(torch.randn(2, 2, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_valid_sizes_pass_and_others_are_refused_with_the_nearest(depth):
    model = UNet(base_channels=2, depth=depth, padding="valid", norm="none", tile_size=572).eval()
    geometry = model.geometry
    size = geometry.input_size(10)
    assert model(torch.zeros(1, 1, size, size)).shape[-1] == size - 2 * geometry.halo >= 10
    with pytest.raises(ShapeError, match=f"{size} and {size + geometry.multiple}"):
        model(torch.zeros(1, 1, size + 1, size))


def test_wrong_channels_are_refused_with_both_numbers():
    with pytest.raises(ShapeError, match=r"\(batch, 3, height, width\).*\(1, 1, 8, 8\)"):
        UNet(3, base_channels=2)(torch.zeros(1, 1, 8, 8))


def test_pixels_beyond_the_reach_have_no_influence_and_those_within_do():
    """The halo is not a guess: a NaN one pixel outside it changes nothing."""
    model = UNet(base_channels=2, depth=2, tile_size=128).double().eval()
    reach = model.geometry.halo  # 24 px, on the 4 px grid
    image = torch.randn(1, 1, 96, 16, dtype=torch.double)
    image[..., : 48 - reach, :] = torch.nan
    assert not model(image)[..., 48:, :].isnan().any()
    image[..., 48 - reach + 2, :] = torch.nan
    assert model(image)[..., 48:, :].isnan().any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"in_channels": 0}, "in_channels=0 is not a whole number"),
        ({"in_channels": True}, "in_channels=True"),
        ({"num_classes": 1}, "from 2 to 256"),
        ({"num_classes": 257}, "from 2 to 256"),
        ({"base_channels": 10**9}, "base_channels=1000000000"),
        ({"base_channels": 16.0}, "base_channels=16.0"),
        ({"depth": 60}, "from 1 to 8"),
        ({"max_channels": 8}, "max_channels=8 is below base_channels=16"),
        ({"max_channels": 0}, "max_channels=0 is not a whole number"),
        ({"padding": "full"}, "'same', 'valid'"),
        ({"norm": "group"}, "tiled"),
        ({"upsampling": "nearest"}, "'transposed', 'bilinear'"),
        ({"padding": "valid", "upsampling": "bilinear"}, "upsampling='transposed'"),
        ({"dropout": 1.0}, "below 1"),
        ({"dropout": float("nan")}, "dropout=nan"),
        ({"id2label": {"0": "a"}}, "Name each class once"),
        ({"id2label": {"0": "a", "1": ""}}, "1 to 200 characters"),
        ({"id2label": ["a", "b"]}, "not a mapping"),
        ({"id2label": {str(i): "x" * 50 for i in range(200_000)}}, "at most 256"),
        ({"colors": ["#ff0000"]}, "1 entries"),
        ({"colors": ["red", "blue"]}, "'#rrggbb'"),
        ({"preprocessing": {"scale": 255}}, "unknown options: scale"),
        ({"preprocessing": "imagenet"}, "not a mapping"),
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"threshold": 0.5, "num_classes": 3}, "exactly two classes"),
        ({"tile_size": 100}, "at least 208"),
    ],
)  # fmt: skip
def test_unusable_options_are_refused_with_the_cure(options, words):
    with pytest.raises(ConfigError) as error:
        UNet(**options)
    assert words in str(error.value)


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_channels_double_up_to_the_most_and_old_configurations_do_not_name_it(upsampling):
    model = UNet(1, 3, base_channels=4, depth=5, max_channels=10, upsampling=upsampling)
    assert model.widths == [4, 8, 10, 10, 10, 10]
    assert [step[0].out_channels for step in model.contracting] == model.widths[:-1]
    assert [step[0].in_channels for step in model.expansive] == [20, 20, 20, 16, 8]
    assert model(torch.zeros(1, 1, 40, 50)).shape == (1, 3, 40, 50)
    assert "max_channels" not in UNet(base_channels=2).config
    assert UNet(base_channels=2, depth=3).widths == [2, 4, 8, 16]


def test_only_the_first_two_options_are_positional():
    with pytest.raises(TypeError):
        UNet(1, 2, 16)


def test_segmenting_leaves_training_mode_as_it_was(gray_image):
    model = UNet(base_channels=2, dropout=0.5).train()
    first, second = model.segment(gray_image), model.segment(gray_image)
    assert model.training
    assert np.array_equal(first.probabilities, second.probabilities)  # no dropout in between
