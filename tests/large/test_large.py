"""Large images: the same result as any other way, in flat memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet, read_image
from unet_hf.engine import merged
from unet_hf.engine.engine import Engine
from unet_hf.engine.memory import MEMORY
from unet_hf.errors import ConfigError
from unet_hf.large import outputs, segment, segment_large, tile_size_for
from unet_hf.large.tile_size import (
    MAX_OVERHEAD,
    MEGABYTES,
    TARGET_OVERHEAD,
    bytes_per_pixel,
    fixed_bytes,
    megabytes_for,
    overlap_overhead,
)
from unet_hf.predict import tiles

from ..conftest import ROOT
from ..support.random_pixels import drawn


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


# ------------------------------------------------------------------------------------ result

# Images below `engine.MANY_PIXELS`: above, one window takes a way that rounds differently.
NETWORKS = {
    "modern": ({"base_channels": 4, "depth": 3}, (157, 341)),
    "modern, RGB, fixed": (
        {
            "in_channels": 3,
            "num_classes": 5,
            "base_channels": 4,
            "depth": 2,
            "preprocessing": {"normalization": "fixed"},
        },
        (203, 190, 3),
    ),
    "gray network, RGB image": ({"base_channels": 4, "depth": 2}, (130, 99, 3)),
    "paper, narrow": (
        {"base_channels": 4, "depth": 2, "padding": "valid", "norm": "none"},
        (173, 256),
    ),
    "one row": ({"base_channels": 4, "depth": 2}, (1, 300)),
}


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_result_is_that_of_segment_to_the_bit(name, precision, tmp_path):
    options, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = UNet(**options)
    source = tmp_path / "a.tif"
    rgb = {"photometric": "rgb"} if len(shape) == 3 else {}
    tifffile.imwrite(source, drawn(*shape), tile=(64, 64), compression="zlib", **rgb)
    usual = model.segment(source, precision=precision)
    smallest = 2 * model.geometry.halo + model.geometry.multiple
    large = segment_large(
        model,
        source,
        tmp_path / "out",
        outputs=("mask", "classes", "probabilities", "summary"),
        tile_size=smallest + 16,
        precision=precision,
    )
    assert large.tiles > usual.tiles
    probabilities = tifffile.imread(large.files["probabilities"])
    assert np.abs(probabilities - usual.probabilities).max() == 0.0
    for output in ("mask", "classes"):
        assert np.array_equal(tifffile.imread(large.files[output]), usual.mask)
    written = json.loads(large.files["summary"].read_text())
    changing = {"seconds": 0, "tiles": 0}
    assert written | changing == usual.summary() | changing
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"mask.tif", "classes.tif", "probabilities.tif", "summary.json"}


def test_the_default_tile_gives_the_same(model, tmp_path):
    image = drawn(70, 90)
    large = segment_large(model, image, tmp_path, outputs=["mask"], prefix="a_")
    assert large.tile_size == tile_size_for(model, large.precision)
    assert np.array_equal(tifffile.imread(tmp_path / "a_mask.tif"), model.segment(image).mask)


def test_all_turns_and_flips_with_their_uncertainty(model, tmp_path):
    image = drawn(90, 70)
    asked = ["probabilities", "uncertainty"]
    large = segment_large(model, image, tmp_path, outputs=asked, tta=True, tile_size=64)
    usual = model.segment(image, tta=True)
    assert large.tiles > usual.tiles
    assert np.array_equal(tifffile.imread(large.files["uncertainty"]), usual.uncertainty)
    assert np.array_equal(tifffile.imread(large.files["probabilities"]), usual.probabilities)
    with pytest.raises(ConfigError, match="tta"):
        segment_large(model, image, tmp_path, outputs=asked)


def test_an_image_of_one_column(model, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (600, 1), dtype=np.uint8)
    result = model.segment(image)
    segment_large(model, image, tmp_path, outputs=("mask", "probabilities"))
    written = tifffile.imread(tmp_path / "probabilities.tif")
    assert np.array_equal(written, result.probabilities)
    assert np.array_equal(tifffile.imread(tmp_path / "mask.tif"), result.mask)


def test_results_as_zarr(model, tmp_path):
    import zarr

    image = drawn(70, 90)
    large = segment_large(model, image, tmp_path, outputs=["mask.zarr", "probabilities.zarr"])
    usual = model.segment(image)
    mask = zarr.open(str(large.files["mask.zarr"]), mode="r")
    assert np.array_equal(mask[:], usual.mask)
    assert mask.attrs["classes"] == ["class 0", "class 1"]
    assert np.array_equal(zarr.open(str(large.files["probabilities.zarr"]))[:], usual.probabilities)
    # Over itself, too.
    segment_large(model, image, tmp_path, outputs=["mask.zarr"])
    assert np.array_equal(zarr.open(str(large.files["mask.zarr"]), mode="r")[:], usual.mask)


def test_a_wide_result_is_written_piece_by_piece(model, tmp_path, monkeypatch):
    import zarr

    monkeypatch.setattr(outputs, "CHUNK_BYTES", 1)
    image = drawn(40, 1100)
    large = segment_large(model, image, tmp_path, outputs=["mask", "probabilities.zarr"])
    usual = model.segment(image)
    assert np.array_equal(tifffile.imread(large.files["mask"]), usual.mask)
    assert np.array_equal(zarr.open(str(large.files["probabilities.zarr"]))[:], usual.probabilities)


def test_a_mask_has_tiles_a_palette_and_the_size_of_a_pixel(model, tmp_path, monkeypatch):
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, drawn(90, 70), resolution=(40_000, 20_000), resolutionunit=3)
    large = segment_large(model, source, tmp_path / "out", outputs=["mask", "probabilities"])
    assert str(large.image.pixel_size) == "0.25 x 0.5 µm"
    assert str(read_image(large.files["mask"]).pixel_size) == "0.25 x 0.5 µm"
    with tifffile.TiffFile(large.files["mask"]) as file:
        assert (file.pages[0].tile, file.pages[0].photometric.name) == ((512, 512), "PALETTE")
        assert not file.is_bigtiff
    monkeypatch.setattr(outputs, "MAX_CLASSIC_TIFF_BYTES", 1000)
    segment_large(model, source, tmp_path / "out")
    with tifffile.TiffFile(large.files["mask"]) as file:
        assert file.is_bigtiff
    with PIL.Image.open(large.files["mask"]) as shown:
        assert shown.convert("RGB").getcolors() is not None


def test_a_window_of_one_colour_is_computed_once(model, tmp_path, monkeypatch):
    image = np.full((200, 200), 255, np.uint8)
    image[10:20, 10:20] = drawn(10, 10)
    image[:, 150:] = 0
    computed = []
    original = tiles.logits_function

    def counting(*arguments: object) -> object:
        network = original(*arguments)
        return lambda window, *_, **__: computed.append(1) or network(window)

    monkeypatch.setattr(tiles, "logits_function", counting)
    large = segment_large(model, image, tmp_path, outputs=["probabilities"], tile_size=64)
    assert len(computed) < large.tiles / 2
    probabilities = tifffile.imread(large.files["probabilities"])
    assert np.array_equal(probabilities, model.segment(image).probabilities)


# ------------------------------------------------------------------------------------ memory


def test_tiles_are_as_large_as_the_budget_and_never_all_halo():
    narrow, wide = UNet(base_channels=8), UNet.paper(base_channels=32)
    for model in (narrow, wide):
        sizes = [
            tile_size_for(model, "float32", megabytes=budget) for budget in (0, 400, 2000, 10**6)
        ]
        assert sizes == sorted(sizes)
        for ratio, size in ((MAX_OVERHEAD, sizes[0]), (TARGET_OVERHEAD, sizes[-1])):
            assert ratio * 0.95 <= overlap_overhead(model.geometry, size) <= ratio
        precisions = [tile_size_for(model, name) for name in ("float32", "bfloat16", "int8")]
        assert precisions == sorted(precisions)
        assert tile_size_for(model, "float32", tta=True) <= precisions[0]
        for tta in (False, True):
            size = tile_size_for(model, "float32", tta=tta)
            assert megabytes_for(model, "float32", size, tta=tta) <= MEGABYTES
            larger = size + model.geometry.multiple
            assert megabytes_for(model, "float32", larger, tta=tta) > MEGABYTES


def test_the_budget_counts_what_the_engine_keeps():
    for options in ({}, {"padding": "valid", "norm": "none"}, {"upsampling": "bilinear"}):
        model = UNet(base_channels=16, depth=2, **options).eval()
        side = model.geometry.input_size(512)
        MEMORY.release()
        Engine(model, "float32")(torch.zeros(1, model.config["in_channels"], side, side))
        counted = side**2 * bytes_per_pixel(model, "float32") + fixed_bytes(model, "float32")
        assert 0.8 * counted < len(MEMORY) < counted


def test_the_budget_counts_the_weights_of_merged_layers(monkeypatch):
    model = UNet(base_channels=16)
    more = 0
    for up, step in zip(model.up_convolutions, model.expansive, strict=True):
        both = up.weight, step[0].weight.tensor_split(2, dim=1)[1]
        more += merged.merge_kernels(*both).numel() - sum(weight.numel() for weight in both)
    sizes = {}
    for unit in (False, True):
        monkeypatch.setattr(merged, "has_matrix_unit", lambda unit=unit: unit)
        sizes[unit] = [fixed_bytes(model, name) for name in ("bfloat16", "float32")]
    assert sizes[True] == [sizes[False][0] + 2 * more, sizes[False][1]]


def test_where_tiles_have_to_be_small_it_is_said_what_larger_ones_would_bring(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(segment, "tile_size_for", lambda *_, **__: 64)
    result = segment_large(model, drawn(150, 160), tmp_path)
    assert "tiles of 64 px compute 16.0 times the pixels that they keep" in result.notes[-1]
    assert "tile_size=128" in result.notes[-1]
    chosen = segment_large(model, drawn(150, 160), tmp_path, tile_size=64)
    assert not any("tiles of" in note for note in chosen.notes)


def test_memory_does_not_grow_with_the_image(tmp_path):
    """Sixteen times the pixels: 60 MB more of image, mask and probabilities on the disk."""
    script = """
import sys
from pathlib import Path
import numpy as np
import tifffile
from unet_hf import UNet
from unet_hf.large import segment_large
from unet_hf.evaluation.speed import _peak_megabytes
side = int(sys.argv[1])
tile = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
tiles = (tile for _ in range((side // 256) ** 2))
options = {"shape": (side, side), "dtype": np.uint8, "tile": (256, 256), "compression": "zlib"}
tifffile.imwrite(f"{side}.tif", tiles, **options)
segment_large(
    UNet(base_channels=2, depth=2), f"{side}.tif", "out", outputs=("mask", "probabilities"),
    tile_size=512,
)
print(_peak_megabytes())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    small, large = (
        float(
            subprocess.run(
                [sys.executable, "-c", script, side],
                cwd=tmp_path,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for side in ("768", "3072")
    )
    assert large - small < 40  # a mask and probabilities in memory would be 90 MB
    assert Path(tmp_path / "out" / "mask.tif").is_file()
