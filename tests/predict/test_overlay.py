"""What the overlay paints and what it leaves alone, held against pixels worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.predict import overlay
from unet_hf.predict.overlay import Look, borders, display_window, draw_overlay, to_display

from ..support.drawn import COLORS, drawn

NAMES = ("ground", "cell", "nucleus")
RED, BLUE = [213, 94, 0], [86, 180, 233]  # of `COLORS`
masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)
)


def pixels(picture) -> list:
    return np.asarray(picture).tolist()


def test_hidden_classes_are_the_bare_image():
    image = np.array([[10, 20, 30]], np.uint8)
    result = drawn(np.array([[0, 1, 2]]), image, names=NAMES)
    bare = pixels(result.overlay(0))[0]
    for hidden in ("cell", 1, ["cell"], (1,)):
        seen = pixels(result.overlay(1, hidden=hidden))[0]
        assert seen == [RED, [20, 20, 20], [0, 158, 115]]
    assert pixels(result.overlay(0.5, hidden=NAMES))[0] == bare


def test_an_outline_is_two_pixels_of_the_class_of_the_higher_id():
    result = drawn(np.array([[0, 0, 0, 0, 1, 1, 1, 1]]), np.full((1, 8), 7, np.uint8))
    bare = [7, 7, 7]
    expected = [bare] * 4 + [BLUE] * 2 + [bare] * 2
    assert pixels(result.overlay(0.1, outline=True))[0] == expected  # opaque, as in the viewer


def test_next_to_a_hidden_class_the_outline_lies_in_the_one_that_is_shown():
    mask = np.array([[0, 0, 0, 0, 1, 1, 1, 2]])
    assert borders(mask, 3, hidden=[1])[0].tolist() == [0, 0, 1, 1, 0, 0, 0, 1]
    assert not borders(mask, 3, hidden=[0, 1, 2]).any()


def test_outlines_run_down_and_across_and_leave_corners_and_the_images_edge_alone():
    mask = np.zeros((9, 9), np.uint8)
    mask[2:, 2:] = 1  # cut off by the right and the lower edge
    expected = np.zeros((9, 9), bool)
    expected[2:4, 2:] = expected[2:, 2:4] = True
    assert np.array_equal(borders(mask, 2), expected)


@given(masks, st.sets(st.integers(0, 2)))
def test_outlines_turn_with_the_mask_and_stay_off_hidden_classes(mask, hidden):
    found = borders(mask, 3, hidden)
    assert np.array_equal(np.rot90(found), borders(np.rot90(mask), 3, hidden))
    assert not found[np.isin(mask, list(hidden))].any()


@given(masks, st.booleans())
def test_bands_of_rows_make_no_difference(mask, outline):
    display = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    whole = draw_overlay(display, mask, COLORS, 0.4, outline=outline)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlay, "BAND", 1)
        assert pixels(draw_overlay(display, mask, COLORS, 0.4, outline=outline)) == pixels(whole)


def test_a_window_is_in_the_images_own_values():
    image = np.array([[0, 1000, 1500, 2000, 65535]], np.uint16)
    shades = pixels(drawn(np.zeros((1, 5)), image).overlay(0, window=(1000, 2000)))[0]
    assert [shade[0] for shade in shades] == [0, 0, 127, 255, 255]
    eight = np.array([[100, 101, 102]], np.uint8)
    shades = pixels(drawn(np.zeros((1, 3)), eight).overlay(0, window=(100, 102)))[0]
    assert [shade[0] for shade in shades] == [0, 127, 255]


def test_the_default_window_is_that_of_the_percentiles():
    ramp = np.arange(1001, dtype=np.float32)[None]
    ramp[0, 500] = np.nan
    image = ImageData(np.atleast_3d(ramp), "ramp.tif", "TIFF", "YX")
    low, high = display_window(image)
    assert (low, high) == pytest.approx((0.005 * 1000, 0.995 * 1000), abs=1)
    assert np.array_equal(to_display(image), to_display(image, (low, high)))
    assert to_display(image)[0, 500].tolist() == [0, 0, 0]  # NaN
    assert (to_display(image)[0, [0, 1000], 0] == [0, 255]).all()


@pytest.mark.parametrize(
    ("dtype", "window"), [(bool, (0, 1)), (np.uint8, (0, 255)), (np.int16, (-8, 5))]
)
def test_small_types_and_flat_images_are_drawn(dtype, window):
    values = np.array([window], dtype)
    image = ImageData(np.atleast_3d(values), "a.tif", "TIFF", "YX")
    assert to_display(image, window)[0, :, 0].tolist() == [0, 255]
    flat = ImageData(np.full((3, 3, 1), 1, dtype), "a.tif", "TIFF", "YX")
    assert to_display(flat).shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 2}, "alpha=2 is not from 0"),
        ({"hidden": "nerve"}, "There is no class 'nerve'; the checkpoint has 0 'ground'"),
        ({"hidden": [3]}, "There is no class 3"),
        ({"window": (5, 1)}, "window=(5, 1) is not (black, white)"),
        ({"window": (0, float("nan"))}, "such as (0, 4095)"),
        ({"window": (1, 2, 3)}, "two numbers"),
    ],
)
def test_what_cannot_be_painted_is_refused_before_anything_is_written(options, words, tmp_path):
    result = drawn(np.ones((2, 2)), names=NAMES)
    for ask in (result.overlay, lambda **given: result.save(tmp_path / "out", **given)):
        with pytest.raises(ConfigError) as error:
            ask(**options)
        assert words in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_look_tells_only_what_was_chosen():
    assert Look(0.3).extras() == {}
    assert Look(hidden="cell", window=(0, 3)).extras() == {"hidden": ["cell"], "window": [0, 3]}
