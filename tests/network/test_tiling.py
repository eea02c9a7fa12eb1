"""Overlap-tile: what the plan covers, and that seams do not exist."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.network.tiling import TileGeometry, mirrored, receptive_reach
from unet_hf.predict import progress as reporting


def test_mirrored_folds_without_repeating_the_border():
    assert mirrored(-2, 3, 5).tolist() == [2, 1, 0, 1, 2]
    assert mirrored(3, 8, 5).tolist() == [3, 4, 3, 2, 1]
    assert mirrored(-3, 4, 1).tolist() == [0] * 7


@given(st.integers(1, 30), st.integers(0, 70), st.integers(0, 70))
def test_mirrored_is_numpys_reflect(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode="reflect" if size > 1 else "edge")
    assert np.array_equal(mirrored(-before, size + after, size), expected)


@pytest.mark.parametrize(("depth", "reach"), [(2, 22), (3, 46), (4, 94), (5, 190)])
def test_reach_of_two_convolutions_a_level(depth, reach):
    assert receptive_reach(depth, "transposed") == reach


def test_margin_of_the_paper():
    geometry = TileGeometry(4, "valid", "transposed")
    assert geometry.halo == 92
    assert geometry.input_size(388) == 572


@settings(deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.integers(0, 150),
)
def test_a_plan_covers_every_pixel_once_with_all_its_context(height, width, depth, padding, extra):
    geometry = TileGeometry(depth, padding, "transposed")
    tile_size = 2 * geometry.halo + geometry.multiple + extra
    covered = np.zeros((height, width), int)
    for tile in geometry.plan(height, width, tile_size):
        covered[tile.rows, tile.columns] += 1
        top, bottom, left, right = tile.window
        assert top % geometry.multiple == (-geometry.halo) % geometry.multiple or padding == "same"
        if padding == "same":
            assert top % geometry.multiple == left % geometry.multiple == 0
            assert top == 0 or tile.rows.start - top >= geometry.halo
            assert bottom >= height or bottom - tile.rows.stop >= geometry.halo
        else:
            assert geometry.accepts(bottom - top)
            assert geometry.accepts(right - left)
            assert tile.rows.start - top == geometry.halo
            assert bottom - tile.rows.stop >= geometry.halo
    assert (covered == 1).all()


def test_a_tile_that_is_all_halo_is_refused_with_the_smallest_that_is_not():
    with pytest.raises(ConfigError, match="at least 208"):
        TileGeometry(4, "same", "transposed").core_size(200)


NETWORKS = {
    "modern": {"base_channels": 8, "depth": 4},
    "modern, bilinear": {"base_channels": 4, "depth": 3, "upsampling": "bilinear"},
    "modern, capped": {"base_channels": 4, "depth": 4, "max_channels": 8},
    "modern, RGB": {"in_channels": 3, "num_classes": 5, "base_channels": 8, "depth": 3}
    | {"object_outputs": {"version": 1, "channels": ["distance", "border"]}},
    "paper, narrow": {"base_channels": 8, "padding": "valid", "norm": "none"}
    | {"object_outputs": {"version": 1, "channels": ["distance"]}},
    "paper, shallow": {
        "base_channels": 4,
        "max_channels": 6,
        "depth": 2,
        "padding": "valid",
        "norm": "none",
    },
}


@pytest.mark.parametrize("size", [(431, 530), (380, 1), (257, 640)])
@pytest.mark.parametrize("name", NETWORKS)
def test_tiled_equals_whole_image_to_the_bit(name, size):
    torch.manual_seed(0)
    model = UNet(**NETWORKS[name])
    channels = model.config["in_channels"]
    image = np.random.default_rng(1).integers(0, 256, (*size, channels), dtype=np.uint8)
    whole = model.segment(image, tile_size=4096, precision="float32")
    assert whole.tiles == 1
    smallest = 2 * model.geometry.halo + model.geometry.multiple
    for tile_size in (smallest + 48, smallest + 112):
        tiled = model.segment(image, tile_size=tile_size, precision="float32")
        assert tiled.tiles > 1
        assert np.abs(tiled.probabilities - whole.probabilities).max() == 0.0
        assert np.array_equal(tiled.mask, whole.mask)
        if model.object_channels:
            assert whole.object_maps.shape == (len(model.object_channels), *size)
            assert np.abs(tiled.object_maps - whole.object_maps).max() == 0.0
        else:
            assert tiled.object_maps is None


@pytest.mark.parametrize("tile_size", [0, -5, 20, 1e3, True])
def test_an_unusable_tile_size_is_refused_not_replaced(tile_size, gray_image):
    with pytest.raises(ConfigError, match="tile_size"):
        UNet(base_channels=2, depth=2).segment(gray_image, tile_size=tile_size)


def test_the_smallest_tile_is_exact_too():
    torch.manual_seed(0)
    model = UNet(base_channels=4, depth=2)
    image = np.random.default_rng(2).integers(0, 256, (70, 90), dtype=np.uint8)
    tiled, whole = (model.segment(image, tile_size=one, precision="float32") for one in (52, None))
    assert (tiled.tiles, whole.tiles) == (6 * 11, 1)
    assert np.abs(tiled.probabilities - whole.probabilities).max() == 0.0


@pytest.mark.deep("narrow ones tile to the bit, above")
def test_paper_network_at_full_width_tiles_exactly():
    torch.manual_seed(0)
    model = UNet.paper()
    image = np.random.default_rng(1).integers(0, 256, (400, 390), dtype=np.uint8)
    whole, tiled = (
        model.segment(image, tile_size=size, precision="float32") for size in (1024, None)
    )
    assert (whole.tiles, tiled.tiles) == (1, 4)
    assert np.abs(tiled.probabilities - whole.probabilities).max() == 0.0


def test_progress_counts_tiles_and_can_end_the_prediction(gray_image, monkeypatch):
    monkeypatch.setattr(reporting, "PROGRESS_SECONDS", 60.0)
    model = UNet(base_channels=2, depth=2)
    calls = []
    model.segment(gray_image, tile_size=64, progress=lambda *call: calls.append(call))
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model.segment(gray_image, tile_size=64, progress=stop)


def test_it_ends_within_a_tile(gray_image, monkeypatch):
    monkeypatch.setattr(reporting, "PROGRESS_SECONDS", -1.0)
    model = UNet(base_channels=2, depth=2)
    calls = []

    def stop(*call: int) -> None:
        calls.append(call)
        if len(calls) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        model.segment(gray_image, progress=stop)
    assert calls == [(0, 1)] * 5  # of a tile with ten layers and more
    assert model.segment(gray_image).tiles == 1  # and nothing stays locked


def test_peak_memory_does_not_grow_beyond_the_outputs():
    """Twice the side, four times the outputs, the same working memory."""
    script = """
import resource, sys
import numpy as np
from unet_hf import UNet
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
model = UNet(base_channels=4, depth=2, tile_size=512)
model.segment(np.zeros((512, 512), np.uint8))
side = int(sys.argv[1])
image = np.zeros((side, side), np.uint8)
model.segment(image)
outputs = side * side * (1 + 1 + 2 * 4) / 2**20  # image, mask, probabilities
print(peak() - outputs)
"""
    small, large = (
        float(subprocess.run([sys.executable, "-c", script, str(side)],
                             check=True, capture_output=True, text=True).stdout)
        for side in (1024, 4096)
    )  # fmt: skip
    assert large - small < 60  # MiB; a whole-image pass would need about 1000 more
