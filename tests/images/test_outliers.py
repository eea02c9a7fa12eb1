"""Hot pixels and other values far beyond nearly all others are clipped; nothing else changes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf import UNet, read_image
from unet_hf.errors import ConfigError
from unet_hf.hub.sample import drawn_input
from unet_hf.images import statistics
from unet_hf.images.order_statistics import Limits, order_statistics
from unet_hf.images.preprocessing import Preprocessing
from unet_hf.large import segment_large

KEEP = Preprocessing(("gray",))
CLIP = replace(KEEP, outliers="clip")


def with_hot_pixels(count: int, dtype: str = "uint16") -> np.ndarray:
    """Drawn nuclei, dim as on a camera of many bits, with values at the limit of the type."""
    pixels = drawn_input(1)[..., 0].astype(dtype)
    pixels = pixels * 6 + 100 if dtype == "uint16" else pixels // 4
    places = np.random.default_rng(0).choice(pixels.size, count, replace=False)
    pixels.ravel()[places] = np.iinfo(dtype).max
    return pixels


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=1, max_dims=1, max_side=60),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    st.data(),
)
def test_order_statistics_of_parts_are_those_of_all_sorted(values: np.ndarray, data):
    ranks = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=3))
    cut = data.draw(st.integers(0, len(values)))
    found = order_statistics(lambda: iter((values[:cut], values[cut:])), ranks)
    assert found.dtype == np.float32
    assert found.tolist() == np.sort(values)[ranks].tolist()


def ramp(highest: float) -> np.ndarray:
    """2000 values, lo = 0 and hi = 99, and one of `highest` in place of a 7."""
    values = np.tile(np.arange(100, dtype=np.float32), 20).reshape(40, 50)
    values[0, 7] = highest
    return values


def test_a_value_is_an_outlier_from_three_ranges_beyond_the_others_on():
    below = ramp(99 + 3 * 99)
    assert torch.equal(*(rule.prepare(read_image(below)).whole() for rule in (KEEP, CLIP)))
    beyond = CLIP.prepare(read_image(ramp(397)))
    assert beyond.limits == Limits(np.float32(-49.5), np.float32(148.5))
    clipped = ramp(148.5)
    expected = (clipped - clipped.mean()) / clipped.std()
    assert np.abs(beyond.whole()[0].numpy() - expected).max() < 1e-5
    assert beyond.notes == (
        "1 pixel (0.05 %) beyond -297 .. 396 was clipped before normalisation, to -49.5 .. 148.5",
    )


def test_nothing_is_clipped_where_nothing_says_how_far_is_far():
    """One small nucleus on black must not be lost; nor is anything known of few pixels."""
    sparse = np.zeros((256, 256), np.uint8)
    sparse[100:105, 100:108] = 200
    few = np.zeros((10, 90), np.uint8)
    few[3, 3], few[::2, ::2] = 255, 1
    for pixels in (sparse, few):
        assert CLIP.prepare(read_image(pixels)).limits is None


def test_an_ordinary_image_is_proved_to_be_one_without_sorting(monkeypatch):
    monkeypatch.setattr(statistics, "order_statistics", None)
    for rule in (CLIP, replace(CLIP, channels=("red", "green", "blue"))):
        assert rule.prepare(read_image(drawn_input(len(rule.channels)))).limits is None


def test_the_proof_never_contradicts_the_order(monkeypatch):
    """Without it, the same images are clipped."""
    random = np.random.default_rng(0)
    images = [random.normal(0, 1, (64, 64)) ** power for power in (1, 3, 5, 9)]
    images += [with_hot_pixels(count) for count in (0, 1, 3, 4, 200)]
    found = [CLIP.prepare(read_image(image)).limits for image in images]
    assert {limits is None for limits in found} == {True, False}
    monkeypatch.setattr(statistics, "_proves_no_outlier", lambda survey, rank: False)
    assert [CLIP.prepare(read_image(image)).limits for image in images] == found


@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
@pytest.mark.parametrize("count", [1, 30])
def test_hot_pixels_hardly_change_what_a_shipped_checkpoint_finds(count: int, dtype: str):
    model = UNet.from_pretrained("unet-nuclei")
    expected = model.segment(with_hot_pixels(0, dtype)).mask == 1
    result = model.segment(with_hot_pixels(count, dtype))
    found = result.mask == 1
    assert (found & expected).sum() / (found | expected).sum() > 0.97
    assert f"{count} pixel{'s' * (count > 1)} (" in result.notes[-1]
    assert "clipped before normalisation" in result.notes[-1]


def test_a_checkpoint_that_keeps_outliers_says_so_where_it_matters():
    (note,) = KEEP.prepare(read_image(with_hot_pixels(10))).notes
    assert note == "10 pixels (0.015 %) hold 94 % of the variance: hot pixels?"
    assert KEEP.prepare(read_image(with_hot_pixels(0))).notes == ()


def test_outliers_are_clipped_alike_in_memory_and_by_windows(tmp_path):
    torch.manual_seed(0)
    model = UNet(base_channels=4, depth=2)
    assert model.preprocessing.outliers == "clip"
    tifffile.imwrite(tmp_path / "hot.tif", with_hot_pixels(5), tile=(64, 64), compression="zlib")
    whole = model.segment(tmp_path / "hot.tif", precision="float32")
    tiled = model.segment(tmp_path / "hot.tif", precision="float32", tile_size=96)
    large = segment_large(
        model, tmp_path / "hot.tif", tmp_path, outputs=["probabilities"], precision="float32"
    )
    stored = tifffile.imread(large.files["probabilities"])
    assert np.abs(tiled.probabilities - whole.probabilities).max() < 1e-5
    assert np.array_equal(stored, whole.probabilities)
    assert "clipped" in large.notes[-1] and large.notes[-1] == whole.notes[-1]


def test_new_checkpoints_clip_and_a_config_without_the_option_keeps(tmp_path):
    UNet(base_channels=2, depth=1).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    assert config["preprocessing"]["outliers"] == "clip"
    del config["preprocessing"]["outliers"]
    for old in (config["preprocessing"], None):
        path.write_text(json.dumps(config | {"preprocessing": old}))
        model = UNet.from_pretrained(tmp_path)
        assert model.preprocessing.outliers == "keep"
        assert "outliers" not in model.config["preprocessing"]


def test_with_fixed_numbers_the_input_is_clipped():
    rule = Preprocessing.from_config({"normalization": "fixed", "outliers": "clip"}, 1)
    prepared = rule.prepare(read_image(ramp(397)))
    assert prepared.whole().max() == (148.5 - 0.5) / 0.5
    assert "clipped" in prepared.notes[0]


def test_an_option_that_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"='drop' is not known\. Choose 'keep' or 'clip'"):
        Preprocessing.from_config({"outliers": "drop"}, 1)
