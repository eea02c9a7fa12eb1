"""Objects of large images: those of the whole image, whatever bands and windows they come from."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf import UNet
from unet_hf.errors import ConfigError, TooManyObjectsError
from unet_hf.large import measuring, segment_large
from unet_hf.large import objects as large_objects
from unet_hf.objects.bands import BandedBasins
from unet_hf.objects.basins import Basins

from ..support.random_pixels import drawn

LEARNED = {"version": 1, "channels": ["distance", "border"]}
OUTPUTS = ("mask", "instances", "objects", "outlines", "summary")


def network(**options: object) -> UNet:
    """A network whose random maps have many summits, most of them between 0 and 1."""
    torch.manual_seed(0)
    model = UNet(base_channels=4, depth=1, **({"object_outputs": LEARNED} | options))
    sample = drawn(64, 64, model.config["in_channels"])
    maps = torch.from_numpy(model.segment(sample, axes="YXC").object_maps)
    mean, scale = maps.mean((1, 2)), 0.3 / maps.std((1, 2))
    with torch.no_grad():
        model.object_head.weight *= scale[:, None, None, None]
        model.object_head.bias.copy_((model.object_head.bias - mean) * scale + 0.5)
    return model


@pytest.fixture
def small_bands(monkeypatch) -> None:
    """Seams every few rows, and objects that are measured by tens."""
    monkeypatch.setattr(large_objects, "BAND_PIXELS", 700)
    monkeypatch.setattr(measuring, "WINDOW", 16)


# ------------------------------------------------------------------------------------- bands


@st.composite
def height_maps(draw) -> tuple[np.ndarray, np.ndarray]:
    """Groups and heights, with as few or as many equal heights as it likes."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=14))
    group = draw(arrays(np.int16, shape, elements=st.sampled_from([0, 1, 1, 1, 2])))
    steps = draw(st.integers(1, 200))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    return group, random.integers(0, steps + 1, shape).astype(np.float32) / np.float32(steps)


@settings(max_examples=150, deadline=None)
@given(
    height_maps(),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.4, 0.7, 1.0]),
    st.sampled_from([0.0, 0.1, 0.3, np.inf]),
)
def test_bands_of_any_height_part_as_the_whole_image_does(maps, rows, seed, prominence):
    group, height = maps
    whole = Basins.find(group, height)
    expected = np.append(0, whole.merge(seed, prominence) + 1)[whole.labels]
    bands, pieces = BandedBasins(seed, prominence), []
    for top in range(0, len(group), rows):
        above, below = int(top > 0), int(top + rows < len(group))
        window = slice(top - above, top + rows + below)
        pieces.append(bands.add(group[window], height[window], above=above, below=below))
    assert np.array_equal(np.append(0, bands.merge() + 1)[np.vstack(pieces)], expected)


def test_pieces_within_a_band_are_merged_at_once():
    """Memory grows with the objects and not with the noise of the height map."""
    height = np.random.default_rng(0).random((60, 50)).astype(np.float32) / 4
    height[25:35, 20:30] += 0.5
    group = np.ones(height.shape, np.int16)
    bands = BandedBasins(0.5, 0.6)
    bands.add(group[:31], height[:31], above=0, below=1)
    bands.add(group[29:], height[29:], above=1, below=0)
    assert len(Basins.find(group, height).summits) > 500
    assert bands.count < 60  # those that touch the seam
    assert bands.merge().max() == 0


# -------------------------------------------------------------------------------- same objects


def written(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """A TIFF of two resolutions."""
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, subifds=1, **options)
        file.write(pixels[::2, ::2], subfiletype=1, **options)
    return path


def without_data() -> np.ndarray:
    pixels = drawn(100, 90).astype(np.float32)
    pixels[40:60, 30:50] = np.nan
    return pixels


RGB = {"photometric": "rgb"}
RGBA = RGB | {"extrasamples": ["unassalpha"]}
SIZE = {"resolution": (40_000, 40_000), "resolutionunit": 3}
CASES = {
    "learned": ({}, drawn(100, 90), SIZE, {"method": "learned", "seed": 0.4}),
    "learned, selected": (
        {},
        drawn(100, 90),
        {},
        {
            "method": "learned",
            "seed": 0.2,
            "min_size": 9,
            "exclude_border": True,
            "pixel_size": "0.5 um",
        },
    ),
    "learned, between walls": (
        {"object_outputs": {"version": 1, "channels": ["distance"], "walled": True}},
        drawn(100, 90),
        {},
        {"method": "learned", "seed": 0.3},
    ),
    "components": ({}, drawn(100, 90), {}, {"method": "components", "classes": [0, 1]}),
    "no data": ({}, without_data(), {}, {"method": "learned", "seed": 0.3}),
    "five classes, RGB": (
        {"in_channels": 3, "num_classes": 5},
        drawn(60, 70, 3),
        RGB,
        {"method": "learned", "seed": 0.3, "classes": [0, 1, 2, 3]},
    ),
    "alpha that is not measured": ({"in_channels": 4}, drawn(60, 70, 4), RGBA, {}),
}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_objects_by_windows_are_those_of_the_whole_image(name, level, small_bands, tmp_path):
    architecture, pixels, tags, options = CASES[name]
    model = network(**architecture)
    source = written(tmp_path / "a.tif", pixels, **tags)
    prediction = model.segment(source, level=level)
    whole = prediction.objects(**options)
    outlines = prediction.save(tmp_path, only=["outlines"], objects=whole)["outlines"]
    large = segment_large(
        model,
        source,
        tmp_path / "out",
        outputs=OUTPUTS,
        tile_size=32,
        level=level,
        objects=options,
    )
    assert len(large.objects) == len(whole) > 1
    assert np.array_equal(tifffile.imread(large.files["instances"]), whole.instances())
    assert large.files["objects"].read_text() == whole.csv()
    assert large.files["outlines"].read_bytes() == outlines.read_bytes()
    assert large.objects.summary() == whole.summary()
    assert large.objects.counts() == whole.counts()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "mask.tif", "instances.tif", "objects.csv", "outlines.geojson", "summary.json",
    }  # fmt: skip


def test_the_checkpoint_says_how_objects_are_found(small_bands, tmp_path):
    recipe = {"method": "learned", "seed": 0.25, "min_size": 5}
    model, image = network(objects=recipe), drawn(50, 60)
    large = segment_large(model, image, tmp_path, outputs=["objects"])
    whole = model.segment(image).objects()
    assert large.files["objects"].read_text() == whole.csv()
    assert (large.objects.seed, large.objects.min_size) == (0.25, 5)


def test_an_object_across_all_bands_and_no_object_at_all(small_bands, tmp_path):
    model, image = network(), drawn(100, 90)
    options = {"outputs": ["objects", "instances"], "objects": {"method": "components"}}
    everything = segment_large(model, image, tmp_path / "one", threshold=0.0, **options)
    whole = model.segment(image, threshold=0.0).objects(method="components")
    assert len(everything.objects) == 1
    assert everything.files["objects"].read_text() == whole.csv()
    assert any("largest object is 90 x 100 px" in note for note in everything.notes)
    nothing = segment_large(model, image, tmp_path / "none", threshold=1.0, **options)
    empty = model.segment(image, threshold=1.0).objects(method="components")
    assert nothing.files["objects"].read_text() == empty.csv()
    assert not tifffile.imread(nothing.files["instances"]).any()


# ----------------------------------------------------------------------- ended, and gone on


class StopError(Exception):
    pass


def test_ended_while_objects_are_measured_the_next_run_keeps_the_tiles(
    small_bands, tmp_path, monkeypatch
):
    model, image = network(), drawn(60, 70)
    options = {"outputs": OUTPUTS, "tile_size": 32}

    def run(seed: float):
        wanted = {"method": "learned", "seed": seed}
        return segment_large(model, image, tmp_path / "out", objects=wanted, **options)

    def stop(*_: object) -> None:
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "write_rows", stop)
        with pytest.raises(StopError):
            run(0.3)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".unet_hf-unfinished"]
    resumed = run(0.4)  # another seed needs no new tiles
    assert f"gone on with a run that had {resumed.tiles} of {resumed.tiles} tiles" in resumed.notes
    whole = model.segment(image).objects(method="learned", seed=0.4)
    assert resumed.files["objects"].read_text() == whole.csv()


# ------------------------------------------------------------------------------ what cannot be


def test_what_cannot_be_asked_for(tmp_path):
    model, image = network(objects={"method": "watershed"}), drawn(50, 60)
    plain = UNet(base_channels=4, depth=1)
    for other, options, words in (
        (model, {}, "'watershed' needs the image as a whole"),
        (plain, {"method": "learned"}, "choose 'components'"),
        (plain, {"method": "none"}, "There is no method"),
        (plain, {"min_size": -1}, "min_size"),
    ):
        with pytest.raises(ConfigError, match=words):
            segment_large(other, image, tmp_path, outputs=["objects"], objects=options)
    with pytest.raises(ConfigError, match=r"none are among the outputs mask\. Add instances"):
        segment_large(model, image, tmp_path, objects={"min_size": 3})
    with pytest.raises(TooManyObjectsError):
        options = {"method": "components", "max_objects": 1}
        segment_large(model, image, tmp_path, outputs=["mask", "objects"], objects=options)


def test_the_table_says_all_that_a_summary_needs(small_bands, tmp_path):
    from unet_hf.batch.tables import measured

    model, image = network(), drawn(50, 60)
    whole = model.segment(image).objects(method="components")
    wanted = {"method": "components"}
    large = segment_large(model, image, tmp_path, outputs=["objects"], objects=wanted)
    assert measured(large.objects) == measured(whole)
    with large.files["objects"].open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == list(
            map(str, range(1, len(whole) + 1))
        )
