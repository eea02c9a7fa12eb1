"""Pixels without data (GDAL's tag, NaN) count for nothing, and are drawn as nothing."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from demo.viewer.component import show_result
from demo.viewer.drawn_as_seen import draw_as_seen
from demo.viewer.payload import NO_DATA
from train.checks.repair import _write_image
from unet_hf import UNet, read_image
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.run import segment_files
from unet_hf.data.open import open_split
from unet_hf.data.options import DataOptions
from unet_hf.data.pairs import Pair
from unet_hf.errors import NonFiniteImageError
from unet_hf.evaluation.comparison import compare_predictions, score_mask
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.hub.sample import drawn_input
from unet_hf.images import windows
from unet_hf.images.nodata import GDAL_NODATA, parse_nodata
from unet_hf.large import segment_large

ROWS = 60  # without data, of 256
LOWEST = "-3.40282347e+38"  # what many programs write of float32's lowest number


def tagged(path: Path, pixels: np.ndarray, text: str | None, **options) -> Path:
    """A TIFF with GDAL's tag."""
    tags = [(GDAL_NODATA, "s", 0, text, True)] if text else []
    tifffile.imwrite(path, pixels, extratags=tags, **options)
    return path


def with_hole(value: float, dtype: str = "float32") -> np.ndarray:
    pixels = drawn_input(1)[..., 0].astype(dtype)
    pixels[:ROWS] = value
    return pixels


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


HOLES = {
    "-9999": (-9999, "-9999", "float32"),
    "the lowest float": (np.finfo(np.float32).min, LOWEST, "float32"),
    "the lowest float, in few digits": (np.finfo(np.float32).min, "-3.4e+38", "float32"),
    "NaN": (np.nan, None, "float32"),
    "NaN with a tag": (np.nan, "nan", "float32"),
    "0 of 16 bits": (0, "0", "uint16"),
    "255": (255, "255", "uint8"),
}


@pytest.mark.parametrize("name", HOLES)
def test_the_rest_is_seen_as_if_alone(name: str, tmp_path: Path, model: UNet):
    value, text, dtype = HOLES[name]
    pixels = with_hole(value, dtype)
    path = tagged(tmp_path / "hole.tif", pixels, text)
    image = read_image(path)
    assert np.array_equal(image.valid, np.arange(256)[:, None].repeat(256, 1) >= ROWS)
    prepared = model.preprocessing.prepare(image)
    alone = model.preprocessing.prepare(read_image(pixels[ROWS:])).whole()
    assert torch.allclose(prepared.whole()[:, ROWS:], alone, atol=2e-6)
    assert not prepared.whole()[:, :ROWS].any()
    assert prepared.notes[0].startswith("23.4 % of the pixels hold no data (")

    result = model.segment(image, precision="float32")
    assert sum(area["pixels"] for area in result.areas().values()) == (256 - ROWS) * 256
    assert sum(area["share"] for area in result.areas().values()) == pytest.approx(1)
    assert not result.mask[:ROWS].any() and not result.probabilities[:, :ROWS].any()
    assert not result.with_threshold(0.0).mask[:ROWS].any()


def test_tiles_that_are_not_stored_hold_no_data(tmp_path: Path):
    """As GDAL leaves them out (SPARSE_OK)."""
    path = tagged(tmp_path / "sparse.tif", with_hole(1), LOWEST, tile=(32, 64))
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages[0].tags
        for name in ("TileOffsets", "TileByteCounts"):
            tags[name].overwrite([0, *tags[name].value[1:]])
    valid = read_image(path).valid
    assert not valid[:32, :64].any() and valid.sum() == 256 * 256 - 32 * 64
    with windows.open_image(path) as image:
        assert np.array_equal(image.pixels[:256], read_image(path).pixels)


def test_by_windows_as_in_memory(tmp_path: Path, model: UNet):
    path = tagged(tmp_path / "hole.tif", with_hole(-9999), "-9999", tile=(64, 64))
    whole = model.segment(path, precision="float32")
    large = segment_large(
        model, path, tmp_path / "large", outputs=["mask", "probabilities"], tile_size=96,
        precision="float32",
    )  # fmt: skip
    stored = tifffile.imread(large.files["probabilities"])
    assert np.abs(stored - whole.probabilities).max() < 1e-5
    assert not stored[:, :ROWS].any()
    assert large.notes[0] == whole.notes[0]
    assert sum(large.pixel_counts.values()) == (256 - ROWS) * 256
    model.save_pretrained(tmp_path / "model")
    options = BatchOptions(str(tmp_path / "model"), outputs=("mask",), large=True)
    segment_files([str(path)], tmp_path / "batch", options)
    (row,) = csv.DictReader((tmp_path / "batch" / "results.csv").open())
    shares = [float(value) for name, value in row.items() if name.startswith("share")]
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_it_belongs_to_no_object_and_may_cut_one_off(model: UNet):
    pixels = np.zeros((40, 40), np.float32)
    pixels[20:22] = np.nan
    result = model.segment(pixels)
    result.mask[:] = 0
    result.mask[5:9, 5:9] = result.mask[16:20, 5:9] = 1
    ground = result.objects(classes=[0])
    assert ground.table["area_px"].tolist() == [20 * 40 - 32, 18 * 40]
    assert result.objects().table["touches_border"].tolist() == [False, True]
    assert len(result.objects(exclude_border=True)) == 1


def test_it_is_drawn_as_nothing(tmp_path: Path, model: UNet):
    image = read_image(tagged(tmp_path / "hole.tif", with_hole(30000, "uint16"), "30000"))
    result = model.segment(image)
    bare = np.asarray(result.overlay(0))
    assert not np.asarray(result.overlay(1))[:ROWS].any() and not bare[:ROWS].any()
    assert bare[ROWS:].max() == 255  # the contrast is that of the others
    view = {"opacity": 1.0, "view": "probability", "threshold": 0.5}
    assert not np.asarray(draw_as_seen(result, view))[:ROWS].any()


def test_of_colours_only_a_pixel_whose_channels_all_have_the_value_is_none(tmp_path: Path):
    pixels = np.full((4, 4, 3), 7, np.uint8)
    pixels[0], pixels[1, :, 0] = 0, 0
    image = read_image(tagged(tmp_path / "rgb.tif", pixels, "0", photometric="rgb"))
    assert (~image.valid).sum(axis=1).tolist() == [4, 0, 0, 0]
    broken = pixels.astype(np.float32)
    broken[3, 3, 1] = np.nan  # of NaN one is enough
    assert (~read_image(broken).valid).sum() == 1


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_the_value_is_one_of_the_file_however_it_is_shown(photometric: str, tmp_path: Path):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    path = tagged(tmp_path / "shown.tif", pixels, "9", photometric=photometric)
    assert np.argwhere(~read_image(path).valid).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("-9999", "uint8", None),  # no pixel can have it
        ("1.5", "int16", None),
        (" 255 \0", "uint8", 255),
        ("none", "float32", None),
        (None, "uint8", None),
    ],
)
def test_what_a_tag_may_hold(text: str | None, dtype: str, value: float | None):
    assert parse_nodata(text, np.dtype(dtype)) == value


def test_an_image_without_any_data_is_refused_in_words(tmp_path: Path, model: UNet):
    path = tagged(tmp_path / "empty.tif", np.full((40, 40), -9999, np.float32), "-9999")
    with pytest.raises(NonFiniteImageError, match=r"empty\.tif holds no data: all its pixels are"):
        model.segment(path)
    with pytest.raises(NonFiniteImageError, match="holds no data"):
        segment_large(model, path, tmp_path / "large")


def test_the_summary_is_json_also_where_nodata_is_infinite(tmp_path: Path, model: UNet):
    path = tagged(tmp_path / "hole.tif", with_hole(-np.inf), "-inf")
    result = model.segment(path)
    assert not result.image.valid[:ROWS].any()
    assert result.summary()["image"]["nodata"] == "-inf"
    json.dumps(result.summary(), allow_nan=False)


def test_a_page_of_a_stack_that_is_copied_keeps_its_nodata_value(tmp_path: Path):
    path = tagged(tmp_path / "stack.tif", np.stack([with_hole(-9999)] * 2), "-9999")
    pair = Pair("a", read_image(path, page=1), np.zeros((256, 256), np.uint8), None, {})
    copy = read_image(tmp_path / _write_image(tmp_path / "copy", pair, None, None))
    assert copy.pages == 1 and np.array_equal(copy.valid, pair.image.valid)


def test_nothing_is_learned_or_scored_there(tmp_path: Path, model: UNet):
    split = tmp_path / "data" / "validation"
    (split / "images").mkdir(parents=True)
    (split / "masks").mkdir()
    tagged(split / "images" / "a.tif", with_hole(-9999), "-9999")
    mask = np.ones((256, 256), np.uint8)
    mask[ROWS:] = np.arange(256) % 2
    PIL.Image.fromarray(mask).save(split / "masks" / "a.png")
    row = {"file_name": "images/a.tif", "mask_file_name": "masks/a.png"}
    (split / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "data" / "id2label.json").write_text('{"0": "ground", "1": "cell"}')
    pairs, _ = open_split(DataOptions(dataset_name=str(tmp_path / "data")), "validation")
    assert (pairs[0].label[:ROWS] == 255).all()
    assert np.array_equal(pairs[0].label[ROWS:], mask[ROWS:])
    assert pairs[0].notes == ("pixels that hold no data are ignored",)
    result = model.segment(pairs[0].image, precision="float32")
    right = (result.mask == mask)[ROWS:].mean()
    assert evaluate(model, pairs, model.threshold).pixel_accuracy == pytest.approx(right)


def test_no_comparison_counts_it(model: UNet):
    result = model.segment(with_hole(np.nan), precision="float32")
    truth = result.mask.copy()
    truth[:ROWS] = 1
    score = score_mask(result, truth)
    assert score.confusion.sum() == (256 - ROWS) * 256 and score.pixel_accuracy == 1
    assert score.errors() == []
    names = {0: result.id2label[1], 1: result.id2label[0]}
    other = replace(result, mask=1 - result.mask, id2label=names)  # the same, its ids exchanged
    assert compare_predictions(result, other).pixels == 0
    opposite = compare_predictions(result, replace(result, mask=1 - result.mask))
    assert opposite.share == 1


def test_the_viewer_gets_a_code_that_no_probability_has(monkeypatch, model: UNet):
    sent = {}

    def write(planes, height, width, step):
        sent.update(planes(slice(None), slice(None)))
        return {}

    monkeypatch.setattr("demo.viewer.component.write_transfer", write)
    payload = show_result(model.segment(with_hole(np.nan)))
    assert payload["counted"] == (256 - ROWS) * 256
    assert (sent["codes"][:ROWS] == NO_DATA).all() and sent["codes"][ROWS:].max() < NO_DATA
