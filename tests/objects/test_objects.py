"""What counts as an object, and what is measured on it, held against values worked out by hand."""

import csv
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf import UNet
from unet_hf.errors import ConfigError, TooManyObjectsError
from unet_hf.images.pixel_size import PixelSize
from unet_hf.network.configuration import OBJECT_METHODS
from unet_hf.objects import instances
from unet_hf.objects.histogram import AreaHistogram, round_step

from ..support.drawn import disc, drawn

NAMES = ("ground", "cell", "nucleus")
masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2)
)


@pytest.fixture
def shapes() -> np.ndarray:
    """A disc, a square with a hole, a disc cut by the border, a rectangle; in this order."""
    mask = disc((60, 80), 20, 20, 8)
    mask[15:25, 40:50] = True
    mask[18:22, 43:47] = False
    mask |= disc(mask.shape, 40, 79, 6)
    mask[50:56, 10:18] = True
    return mask


def test_measures_of_known_shapes(shapes):
    table = drawn(shapes).objects().table
    assert table["id"].tolist() == [1, 2, 3, 4]
    # Points of the grid in a circle of radius 8, and half of one of radius 6 with its diameter.
    assert table["area_px"].tolist() == [197, 84, (113 + 13) // 2, 48]
    assert table["centroid_x_px"].tolist()[:2] == [20.5, 45.0]  # a pixel's centre is at 0.5
    assert table["centroid_y_px"].tolist()[:2] == [20.5, 20.0]
    boxes = [table[f"{side}_px"].tolist()[1] for side in ("left", "top", "right", "bottom")]
    assert boxes == [40, 15, 50, 25]
    assert table["touches_border"].tolist() == [False, False, True, False]
    # Through the centres of the border's pixels: 4 x 9 outside; inside 4 x 3, and 4 diagonals.
    assert table["perimeter_px"][1] == pytest.approx(36 + 12 + 4 * 2**0.5)
    assert table["perimeter_px"][3] == pytest.approx(2 * (7 + 5))
    assert table["eccentricity"][0] == pytest.approx(0, abs=1e-6)
    # Variances of 8 and of 6 equally spaced points: 63 / 12 and 35 / 12.
    assert table["eccentricity"][3] == pytest.approx((1 - 35 / 63) ** 0.5)
    assert table["equivalent_diameter_px"][1] == pytest.approx((4 * 84 / np.pi) ** 0.5)
    assert table["solidity"].tolist()[1::2] == [pytest.approx(0.84), pytest.approx(1)]


def test_the_perimeter_of_a_disc_is_near_that_of_its_circle():
    table = drawn(disc((110, 110), 55, 55, 45)).objects().table
    assert table["perimeter_px"][0] == pytest.approx(2 * np.pi * 45, rel=0.05)


def test_intensities_are_in_the_units_of_the_file():
    mask = np.zeros((4, 6), bool)
    mask[1:3, 1:3] = mask[3, 5] = True
    image = np.full(mask.shape, 7, np.uint16)
    image[1:3, 1:3] = [[65535, 65534], [40000, 3]]
    table = drawn(mask, image).objects().table
    assert table["mean_intensity"].tolist() == [(65535 + 65534 + 40000 + 3) / 4, 7]
    assert table["min_intensity"].tolist() == [3, 7]
    assert table["max_intensity"].tolist() == [65535, 7]
    assert table["max_intensity"].dtype == np.uint16


def test_each_channel_has_its_own_intensities():
    mask = np.ones((2, 2), bool)
    image = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 8
    colour = drawn(mask, image, axes="YXS").objects().table
    assert [colour[f"mean_intensity_{name}"][0] for name in ("red", "green", "blue")] == [
        0.5625, 0.6875, 0.8125,
    ]  # fmt: skip
    channels = drawn(mask, image, axes="CYX").objects()
    assert channels.table["max_intensity_2"].tolist() == [1.375]
    units = {column.name: column.unit for column in channels.columns}
    assert units["max_intensity_2"] == "float32"


@pytest.mark.parametrize("dtype", [bool, np.int16, np.uint32, np.float16, np.float64])
def test_pixels_of_any_type_are_measured(dtype):
    image = np.ones((5, 5), dtype)
    table = drawn(np.ones((5, 5), bool), image).objects().table
    assert (table["mean_intensity"][0], table["max_intensity"][0]) == (1, 1)


def test_the_probability_is_that_of_the_objects_own_class():
    probabilities = np.array([[[0.1, 0.9]], [[0.7, 0.05]], [[0.2, 0.05]]], np.float32)
    result = drawn(np.array([[1, 0]]), probabilities=probabilities, names=NAMES)
    assert result.objects().table["mean_probability"] == pytest.approx(0.7)
    both = result.objects(classes=["ground", 1]).table
    assert both["mean_probability"] == pytest.approx([0.7, 0.9])


def test_pixels_that_touch_by_corners_are_two_objects_those_of_two_classes_too():
    assert len(drawn(np.eye(3)).objects()) == 3
    assert len(drawn(np.array([[1, 2, 2, 1]]), names=NAMES).objects()) == 3


def test_the_first_class_is_left_out_unless_it_is_asked_for():
    result = drawn(np.array([[0, 1, 2, 0]]), names=NAMES)
    assert result.objects().table["class"].tolist() == ["cell", "nucleus"]
    assert result.objects(classes="nucleus").table["class_id"].tolist() == [2]
    assert result.objects(classes=[0, "2"]).table["class_id"].tolist() == [0, 2, 0]


@given(masks, st.sampled_from(OBJECT_METHODS))
def test_the_areas_sum_to_the_classes_pixels_and_ids_have_no_gaps(mask, method):
    objects = drawn(mask, names=NAMES).objects(method=method)
    for index in (1, 2):
        of_class = objects.table["class_id"] == index
        assert objects.table["area_px"][of_class].sum() == (mask == index).sum()
    ids = np.unique(objects.labels[objects.labels > 0])
    assert ids.tolist() == objects.table["id"].tolist() == list(range(1, len(objects) + 1))
    assert np.array_equal(objects.labels > 0, mask > 0)


@given(masks, st.sampled_from(OBJECT_METHODS))
def test_objects_are_numbered_as_one_reads_and_hang_together(mask, method):
    from skimage.measure import label

    objects = drawn(mask, names=NAMES).objects(method=method)
    flat = objects.labels.ravel()
    first = [np.flatnonzero(flat == number)[0] for number in objects.table["id"]]
    assert first == sorted(first)
    for number in objects.table["id"]:
        assert label(objects.labels == number, connectivity=1).max() == 1


@given(masks, st.integers(0, 6), st.booleans())
def test_filters_leave_out_objects_and_change_none(mask, min_size, exclude_border):
    result = drawn(mask, names=NAMES)
    every = result.objects()
    some = result.objects(min_size=min_size, exclude_border=exclude_border)
    kept = every.table["area_px"] >= min_size
    if exclude_border:
        kept &= ~every.table["touches_border"]
    for name in ("area_px", "class", "centroid_x_px", "perimeter_px"):
        assert some.table[name].tolist() == every.table[name][kept].tolist()


def test_the_watershed_parts_touching_discs():
    for scale in (1, 4):  # the rule is a ratio
        shape = (40 * scale, 60 * scale)
        mask = disc(shape, 20 * scale, 20 * scale, 10 * scale)
        mask |= disc(shape, 20 * scale, 36 * scale, 9 * scale)
        result = drawn(mask)
        assert len(result.objects()) == 1
        parted = result.objects(method="watershed")
        assert len(parted) == 2
        assert parted.labels[20 * scale, 20 * scale] != parted.labels[20 * scale, 36 * scale]
        # The seam is where the circles meet: (16² + 10² - 9²) / (2 x 16) from the first centre.
        assert parted.table["right_px"][0] / scale == pytest.approx(20 + 8.6, abs=1.5)


def test_the_watershed_leaves_rods_ragged_discs_and_cut_ones_whole():
    rod = np.zeros((30, 90), bool)
    rod[10:20, 5:85] = True
    ragged = disc((60, 60), 30, 30, 22)
    edge = ragged & ~disc(ragged.shape, 30, 30, 20)
    ragged &= ~(edge & (np.random.default_rng(0).random(edge.shape) < 0.4))
    ragged[30, 30] = True
    cut = disc((40, 60), -5, 30, 24)
    for mask in (rod, cut):
        assert len(drawn(mask).objects(method="watershed")) == 1
    found = drawn(ragged).objects(method="watershed", min_size=20)  # crumbs of the edge aside
    assert len(found) == 1


@given(masks)
def test_a_watershed_some_rows_at_a_time_is_that_of_the_whole_image(mask):
    probability = np.random.default_rng(1).random(mask.shape, np.float32)
    result = drawn(mask, probabilities=np.stack([probability] * 3), names=NAMES)
    whole = result.objects(method="watershed").labels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instances, "WATERSHED_BAND_PIXELS", 1)
        assert np.array_equal(result.objects(method="watershed").labels, whole)


def test_a_line_of_low_probability_parts_what_its_shape_does_not():
    mask = np.zeros((30, 60), bool)
    mask[8:22, 5:55] = True
    probability = np.where(mask, 0.95, 0.02).astype(np.float32)
    probability[:, 28:32] = np.where(mask[:, 28:32], 0.3, 0.02)
    result = drawn(mask, probabilities=np.stack([1 - probability, probability]))
    assert len(result.objects()) == 1
    assert len(result.objects(method="watershed")) == 2


@pytest.mark.parametrize("method", OBJECT_METHODS)
def test_an_empty_mask_has_no_objects_and_a_full_one_has_one(method):
    none = drawn(np.zeros((5, 7))).objects(method=method)
    assert (len(none), none.labels.max(), none.summary()["count"]) == (0, 0, 0)
    assert none.csv().count("\n") == 1
    assert none.table.keys() == drawn(np.ones((5, 7))).objects().table.keys()
    assert AreaHistogram.from_objects(none).data() == {"edges": [0], "counts": [], "unit": "px²"}
    one = drawn(np.ones((5, 7))).objects(method=method)
    assert one.table["area_px"].tolist() == [35]


@pytest.mark.parametrize("method", OBJECT_METHODS)
def test_a_thousand_objects(method):
    stamp = disc((25, 25), 12, 12, 9)
    mask = np.tile(stamp, (25, 40))
    started = time.perf_counter()
    objects = drawn(mask).objects(method=method)
    print(f"{len(objects)} objects, {method}: {time.perf_counter() - started:.2f} s")
    assert len(objects) == 1000
    assert set(objects.table["area_px"]) == {stamp.sum()}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_measure_is_that_of_scikit_image(dtype):
    """Crumbs of all shapes, large things among them, at the border and inside one another."""
    from skimage.measure import regionprops_table

    chance = np.random.default_rng(3)
    mask = chance.random((90, 110)) < 0.35
    mask |= disc(mask.shape, 40, 30, 17) & ~disc(mask.shape, 40, 30, 11)
    mask |= disc(mask.shape, 80, 100, 25)
    image = (chance.random((*mask.shape, 2)) * 255).astype(dtype)
    result = drawn(mask, image, axes="YXC")
    objects = result.objects()
    names = {
        "area": "area_px", "perimeter": "perimeter_px", "eccentricity": "eccentricity",
        "solidity": "solidity", "equivalent_diameter_area": "equivalent_diameter_px",
        "bbox-0": "top_px", "bbox-1": "left_px", "bbox-2": "bottom_px", "bbox-3": "right_px",
        "centroid-0": "centroid_y_px", "centroid-1": "centroid_x_px",
    }  # fmt: skip
    for statistic in ("mean", "min", "max"):
        for channel in (0, 1):
            names[f"intensity_{statistic}-{channel}"] = f"{statistic}_intensity_{channel}"
    wanted = dict.fromkeys(name.partition("-")[0] for name in names)
    expected = regionprops_table(objects.labels, image, properties=wanted)
    assert len(objects) > 300
    for theirs, ours in names.items():
        moved = 0.5 if "centroid" in theirs else 0  # a pixel's centre
        assert objects.table[ours] == pytest.approx(expected[theirs] + moved, rel=1e-6), ours


def test_more_objects_than_are_wanted_are_counted_and_told_before_they_are_measured(monkeypatch):
    result = drawn(np.eye(30))
    assert len(result.objects(max_objects=30)) == 30
    monkeypatch.setattr(
        "unet_hf.objects.objects.measure", lambda *_: pytest.fail("it was measured")
    )
    with pytest.raises(TooManyObjectsError, match="There are 30 objects, and at most 29"):
        result.objects(max_objects=29)


def test_what_is_left_out_does_not_count_against_the_most():
    mask = np.eye(30)
    mask[0, :4] = 1
    assert len(drawn(mask).objects(min_size=2, max_objects=1)) == 1


def test_units_follow_the_pixel_size():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:5] = True
    table = drawn(mask).objects(pixel_size=(0.5, "µm")).table
    assert table["area_um2"].tolist() == [6 * 0.25]
    assert table["centroid_x_um"].tolist() == [3.5 * 0.5]
    assert table["perimeter_um"] == pytest.approx(table["perimeter_px"] * 0.5)
    flat = drawn(mask).objects(pixel_size="0.5 2 nm").table  # pixels that are no squares
    assert flat["area_nm2"].tolist() == [6]
    assert flat["equivalent_diameter_nm"] == pytest.approx((4 * 6 / np.pi) ** 0.5)
    assert flat["centroid_y_nm"].tolist() == [6]
    assert "perimeter_nm" not in flat


def test_the_files_own_pixel_size_is_used_unless_another_is_given():
    result = drawn(np.ones((2, 2)), pixel_size=PixelSize(0.1, 0.1, "mm", "OME"))
    assert result.objects().table["area_mm2"] == pytest.approx(0.04)
    assert "area_um2" in result.objects(pixel_size=(3, "um")).table
    assert [name for name in drawn(np.ones((2, 2))).objects().table if "area" in name] == [
        "area_px"
    ]


def test_every_column_is_described_and_the_csv_reads_back():
    objects = drawn(np.ones((3, 3))).objects(pixel_size=(0.25, "µm"))
    assert [column.name for column in objects.columns] == list(objects.table)
    assert all(column.meaning for column in objects.columns)
    text = objects.csv()
    assert text.isascii()
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["id"], row["class"], row["area_px"]) == ("1", "cell", "9")
    assert (row["area_um2"], row["touches_border"]) == ("0.5625", "true")


def test_the_summary_counts_each_class(shapes):
    summary = drawn(shapes).objects(pixel_size=(2, "um"), exclude_border=True).summary()
    cells = summary["classes"]["cell"]
    assert (summary["count"], cells["count"], summary["area_unit"]) == (3, 3, "µm²")
    assert cells["total_area"] == 4 * (197 + 84 + 48)
    assert cells["median_area"] == 4 * 84
    assert summary["touching_border"] == 0


@given(st.lists(st.integers(1, 40), max_size=12))
def test_the_histogram_counts_every_object_once(widths):
    mask = np.zeros((2 * len(widths) + 1, 40), bool)
    for row, width in enumerate(widths):
        mask[2 * row, :width] = True
    histogram = AreaHistogram.from_objects(drawn(mask).objects())
    expected, _ = np.histogram(widths, histogram.edges) if widths else ([], None)
    assert histogram.counts.tolist() == list(expected)
    assert histogram.counts.sum() == len(widths)
    assert len(histogram.counts) == len(histogram.edges) - 1


@pytest.mark.parametrize(("least", "step"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (70, 100)])
def test_bins_are_of_round_widths(least, step):
    assert round_step(least) == pytest.approx(step)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "there are auto, components, watershed"),
        ({"min_size": -1}, "min_size=-1"),
        ({"min_size": 2.5}, "min_size=2.5"),
        ({"classes": "nerve"}, "There is no class 'nerve'; the checkpoint has 0 'ground'"),
        ({"classes": [7]}, "There is no class 7"),
        ({"classes": []}, "No class is named"),
        ({"pixel_size": (0, "um")}, "(0.25, 'µm')"),
        ({"pixel_size": "0.25"}, "(0.25, 'µm')"),
        ({"pixel_size": (1, "parsec")}, "one of pm, Å, nm"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_what_can(options, words):
    with pytest.raises(ConfigError) as error:
        drawn(np.ones((2, 2))).objects(**options)
    assert words in str(error.value)


def test_a_checkpoint_says_how_its_objects_are_counted(tmp_path):
    recipe = {"method": "watershed", "min_size": 30}
    UNet(base_channels=2, depth=1, title="Two discs", objects=recipe).save_pretrained(tmp_path)
    model = UNet.from_pretrained(tmp_path)
    assert (model.title, model.config["objects"]) == ("Two discs", recipe)
    assert model.segment(np.zeros((20, 20), np.uint8)).object_recipe == recipe

    two = disc((70, 110), 35, 35, 20) | disc((70, 110), 35, 70, 20)  # they touch
    mask = two | disc((70, 110), 5, 5, 2)  # and a speck
    plain = drawn(mask)
    counted = replace(plain, object_defaults=recipe)
    assert len(plain.objects()) == 2  # the two as one, and the speck
    assert len(counted.objects()) == 2  # the two apart, without the speck
    assert counted.objects().summary()["min_size"] == 30
    assert len(counted.objects(method="components")) == 1
    assert len(counted.objects(min_size=0)) == 3


def test_a_checkpoint_without_title_and_recipe_is_stored_as_before():
    assert not {"title", "objects"} & set(UNet(base_channels=2, depth=1).config)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"title": ""}, "title='' is not a text"),
        ({"title": "two\nlines"}, "on one line"),
        ({"title": "x" * 81}, "1 to 80 characters"),
        ({"objects": ["watershed"]}, "is not a mapping of method, min_size and seed"),
        ({"objects": {"method": "magic"}}, "objects.method='magic' is not known"),
        ({"objects": {"min_size": -1}}, "objects.min_size=-1 is not a whole number"),
    ],
)
def test_a_title_and_a_recipe_are_checked(option, words):
    with pytest.raises(ConfigError) as error:
        UNet(base_channels=2, depth=1, **option)
    assert words in str(error.value)
