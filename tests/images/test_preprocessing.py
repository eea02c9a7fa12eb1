"""What the network is shown: hand-computed, the same for every dtype, window and exposure."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unet_hf import read_image
from unet_hf.errors import ChannelMismatchError, ConfigError, NonFiniteImageError
from unet_hf.images.preprocessing import BAND_PIXELS, Preprocessing

GRAY, RGB = ("gray",), ("red", "green", "blue")
IMAGE = Preprocessing(GRAY)
HALVES = Preprocessing(GRAY, "fixed", (0.5,), (0.5,))  # scaled 0, 0.5, 1 -> -1, 0, 1
pytestmark = pytest.mark.filterwarnings("error")


def shown(pixels: np.ndarray, preprocessing: Preprocessing = IMAGE) -> np.ndarray:
    """(C, H, W), as the network gets it."""
    tensor = preprocessing.prepare(read_image(pixels)).whole()
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    return tensor.numpy()


# Three pixels, and what "the dtype sets the scale" makes of them before normalisation.
SCALES = {
    "uint8": ([0, 51, 255], [0, 0.2, 1]),
    "uint16": ([0, 13107, 65535], [0, 0.2, 1]),
    "uint32": ([0, 858993459, 4294967295], [0, 0.2, 1]),
    "int16": ([-32767, 0, 32767], [-1, 0, 1]),
    "bool": ([False, True, True], [0, 1, 1]),
    "float16": ([-2, 0.25, 300], [-2, 0.25, 300]),
    "float32": ([0, 0.25, 255], [0, 0.25, 255]),
    "float64": ([0, 0.25, 1e6], [0, 0.25, 1e6]),
}


@pytest.mark.parametrize("dtype", SCALES)
def test_fixed_normalisation_by_hand(dtype: str):
    pixels, scaled = SCALES[dtype]
    expected = [(value - 0.5) / 0.5 for value in scaled]
    assert shown(np.array([pixels], dtype), HALVES)[0, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", SCALES)
def test_image_normalisation_by_hand(dtype: str):
    pixels, scaled = SCALES[dtype]
    mean = sum(scaled) / 3
    std = math.sqrt(sum((value - mean) ** 2 for value in scaled) / 3)
    expected = [(value - mean) / std for value in scaled]
    assert shown(np.array([pixels], dtype))[0, 0] == pytest.approx(expected, rel=2e-6, abs=1e-6)


def test_fixed_uses_each_channels_own_mean_and_std():
    preprocessing = Preprocessing(RGB, "fixed", (0, 0.5, 1), (1, 0.5, 0.25))
    pixels = np.full((1, 1, 3), 0.75)
    assert shown(pixels, preprocessing).ravel().tolist() == [0.75, 0.5, -1]


def test_image_takes_all_channels_together_so_that_colours_stay():
    pixels = np.array([[[0, 0, 255], [255, 255, 255]]], np.uint8)  # mean 2/3, variance 2/9
    low, high = -math.sqrt(2), math.sqrt(1 / 2)
    expected = [[low, high], [low, high], [high, high]]
    assert shown(pixels, Preprocessing(RGB))[:, 0] == pytest.approx(np.array(expected), abs=1e-6)


def test_a_dark_image_is_not_taken_for_one_of_another_range():
    """No guess: 0 and 1 in uint8 are 0 and 1/255, not black and white."""
    pixels = np.array([[0, 1]], np.uint8)
    assert shown(pixels, HALVES)[0, 0] == pytest.approx([-1, 2 / 255 - 1], rel=1e-6)


SMALL = arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
                      elements=st.integers(0, 4095))  # fmt: skip


@given(SMALL)
def test_twelve_bits_anywhere_in_sixteen_are_one_input(pixels: np.ndarray):
    assert np.allclose(shown(pixels), shown(pixels * 16), rtol=0, atol=1e-6)


@given(SMALL, st.integers(-80, 80), st.sampled_from(["float32", "float64"]))
def test_the_exposure_of_a_float_image_makes_no_difference(pixels, stops: int, dtype: str):
    assert np.array_equal(shown(pixels.astype(dtype) * 2.0**stops), shown(pixels.astype(dtype)))


@given(SMALL)
def test_image_normalisation_gives_mean_0_and_variance_1(pixels: np.ndarray):
    result = shown(pixels).astype(np.float64)
    assert abs(result.mean()) < 1e-4
    assert result.std() == pytest.approx(0 if np.ptp(pixels) == 0 else 1, abs=1e-4)


@given(SMALL, st.data())
def test_any_window_is_that_part_of_the_whole_to_the_bit(pixels: np.ndarray, data):
    picture = np.stack([pixels, pixels.max() - pixels, pixels // 2], axis=2)
    height, width = pixels.shape
    rows = np.array(data.draw(st.lists(st.integers(0, height - 1), min_size=1, max_size=20)))
    columns = np.array(data.draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=20)))
    for source in (pixels, picture):
        for channels in (GRAY, RGB):
            prepared = Preprocessing(channels).prepare(read_image(source))
            window, whole = prepared.window(rows, columns), prepared.whole()
            assert torch.equal(window, whole[:, rows][:, :, columns])
            assert window.shape == (len(channels), len(rows), len(columns))


def test_statistics_in_bands_are_those_of_the_whole():
    pixels = np.random.default_rng(0).integers(0, 65536, (1400, 1500), dtype=np.uint16)
    assert pixels.size > 2 * BAND_PIXELS
    scaled = pixels / 65535
    expected = (scaled - scaled.mean()) / scaled.std()
    assert np.abs(shown(pixels)[0] - expected).max() < 2e-6


@pytest.mark.parametrize("preprocessing", [IMAGE, Preprocessing(RGB)])
@pytest.mark.parametrize("value", [np.uint8(0), np.uint8(77), np.uint16(65535), True,
                                   np.float32(0.1), 1e-42, -1e30])  # fmt: skip
def test_a_constant_image_becomes_zeros(value, preprocessing: Preprocessing):
    assert not shown(np.full((33, 40), value), preprocessing).any()


def test_gray_for_an_rgb_network_is_three_equal_channels_and_is_said():
    prepared = Preprocessing(RGB).prepare(read_image(np.array([[0, 255]], np.uint8)))
    assert prepared.whole().tolist() == [[[-1, 1]]] * 3
    assert prepared.notes == ("gray image shown to an RGB network as three equal channels",)


def test_rgb_for_a_gray_network_is_its_luminance_and_is_said():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    units = Preprocessing(GRAY, "fixed", (0,), (1,))
    prepared = units.prepare(read_image(pixels))
    assert prepared.whole().ravel().tolist() == pytest.approx([0.299, 0.587, 0.114, 1])
    assert prepared.notes == ("RGB image turned into gray (0.299 R + 0.587 G + 0.114 B)",)


def test_fitting_channels_are_passed_as_they_are_and_nothing_is_said():
    assert Preprocessing(RGB).prepare(read_image(np.eye(3)[None])).notes == ()
    assert IMAGE.prepare(read_image(np.eye(3))).notes == ()


@pytest.mark.parametrize(
    ("seen", "names", "words"),
    [
        (2, GRAY, "has 2 channels, but this checkpoint was trained on 1 (gray)"),
        (4, RGB, "trained on 3 (red, green, blue). Pick the channels first, e.g. pixels[..., :3]"),
        (2, RGB, "Pick one, e.g. channel=0, or use a checkpoint for 2 channels."),
        (1, ("DAPI", "actin"), "has 1 channel, but this checkpoint was trained on 2 (DAPI, actin)"),
        (3, ("DAPI",), "Pick one, e.g. channel=0, or use a checkpoint for 3 channels."),
        (1, ("red", "near infrared", "green"), "Use a checkpoint for 1 channel."),
    ],
)
def test_other_channels_are_refused_with_the_cure(seen: int, names: tuple[str, ...], words: str):
    with pytest.raises(ChannelMismatchError) as raised:
        Preprocessing(names).prepare(read_image(np.zeros((5, 6, seen))))
    assert words in str(raised.value)


@pytest.mark.parametrize("preprocessing", [IMAGE, HALVES], ids=["image", "fixed"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([np.nan, np.nan], "array holds no data: all its pixels are NaN. Leave this image out"),
        ([np.inf, -np.inf, np.nan], "array holds infinite values, 2 in all. Replace them"),
        ([1e300, 1], "beyond the range of 32-bit floats. Scale it down"),
        ([3.4e38, -3.4e38, -3.4e38], "beyond the range of 32-bit floats"),
    ],
)
def test_values_that_are_no_numbers_are_refused(values, words: str, preprocessing: Preprocessing):
    with pytest.raises(NonFiniteImageError, match=words):
        preprocessing.prepare(read_image(np.array([values])))


def test_values_that_a_fixed_deviation_makes_too_large_are_refused():
    fixed = Preprocessing(("gray",), "fixed", (0.5,), (0.01,))
    prepared = fixed.prepare(read_image(np.array([[1e37, 1.0]])))
    with pytest.raises(NonFiniteImageError, match="beyond the range of 32-bit floats"):
        prepared.whole()


@pytest.mark.parametrize(
    "preprocessing",
    [
        IMAGE,
        HALVES,
        Preprocessing(RGB, "fixed", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        Preprocessing(("DAPI", "actin")),
    ],
)
def test_the_config_and_back(preprocessing: Preprocessing):
    config = json.loads(json.dumps(preprocessing.to_config()))
    assert Preprocessing.from_config(config, len(preprocessing.channels)) == preprocessing


@pytest.mark.parametrize(
    ("config", "in_channels", "expected"),
    [
        (None, 1, IMAGE),
        ({}, 3, Preprocessing(RGB)),
        ({}, 2, Preprocessing(("channel 0", "channel 1"))),
        ({"normalization": "fixed"}, 1, HALVES),
    ],
)
def test_defaults(config, in_channels: int, expected: Preprocessing):
    assert Preprocessing.from_config(config, in_channels) == expected


FIXED = {"normalization": "fixed", "mean": [0.5], "std": [0.5]}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ([], "preprocessing is a list"),
        ({"norm": "image", 7: 1}, "unknown options: 7, norm. Known are channels, normalization"),
        ({"normalization": "imagenet"}, "Choose 'image' or 'fixed'"),
        ({"normalization": None}, "Choose 'image' or 'fixed'"),
        ({"channels": ["red", "green"]}, "one name for each of in_channels=1"),
        ({"channels": "g"}, "one name for each"),
        ({"channels": [1]}, "one name for each"),
        (FIXED | {"mean": [0.5, 0.5]}, "wants 1 numbers each"),
        (FIXED | {"std": []}, "wants 1 numbers each"),
        ({"mean": [0.5], "std": [0.5]}, "wants no mean and std"),
        (FIXED | {"mean": 0.5}, "preprocessing.mean=0.5 is not a list"),
        (FIXED | {"mean": ["0.5"]}, "list of finite numbers"),
        (FIXED | {"mean": [True]}, "list of finite numbers"),
        (FIXED | {"mean": [math.nan]}, "list of finite numbers"),
        (FIXED | {"mean": [10**400]}, "list of finite numbers"),
        (FIXED | {"std": [math.inf]}, "list of finite numbers"),
        (FIXED | {"std": [1e39]}, "list of finite numbers"),
        (FIXED | {"std": [0]}, "must be above 0"),
        (FIXED | {"std": [-0.1]}, "must be above 0"),
        (FIXED | {"std": [1e-60]}, "must be above 0"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(config, words: str):
    with pytest.raises(ConfigError) as raised:
        Preprocessing.from_config(config, 1)
    assert words in str(raised.value)
