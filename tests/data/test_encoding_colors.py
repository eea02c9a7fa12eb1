"""Colours of masks, and lists of masks -> class ids, written out by hand."""

import numpy as np
import PIL.Image
import pytest

from unet_hf.data.detect_encoding import (
    IGNORE,
    RawMask,
    detect_encoding,
    instances_of,
    read_mask,
)
from unet_hf.errors import DatasetError

from ..support.stored_masks import BLACK, GREEN, RED, encoded, labels, mask, palette_image, rgb

WHITE = (255, 255, 255)

# ------------------------------------------------------------------ colours


def test_few_colours_are_classes_in_their_order():
    stored = rgb(RED, BLACK, GREEN, RED)
    encoding = detect_encoding([rgb(BLACK, BLACK), stored])
    assert encoding.decode(stored).tolist() == [[2, 0, 1, 2]]
    assert "3 RGB colours read as classes 0-2" in encoding.describe()
    assert "#000000 = 0, #00ff00 = 1, #ff0000 = 2" in encoding.describe()
    assert encoding.decode(rgb(BLACK)).tolist() == [[0]], "a mask of gray colours alone"
    with pytest.raises(DatasetError, match=r"#0000ff, in 50.00% of the pixels"):
        encoding.decode(rgb(RED, (0, 0, 255)))


def test_a_colour_map_settles_the_classes():
    stored = rgb(RED, GREEN, BLACK)
    colors = {"#ff0000": "0", "#00FF00": "1", "#000000": "255"}
    encoding = detect_encoding([stored], label_colors=colors)
    assert encoding.decode(stored).tolist() == [[0, 1, IGNORE]]
    assert encoding.num_classes == 2
    with pytest.raises(DatasetError, match=r"without a class: #000000, in 33.33%"):
        detect_encoding([stored], label_colors={"#ff0000": "0", "#00ff00": "1"})
    palette = read_mask(encoded(palette_image(np.array([[4, 3]]))))
    colors = {"#04fb07": "0", "#03fc07": "1"}
    encoding = detect_encoding([palette], label_colors=colors)
    assert encoding.decode(palette).tolist() == [[0, 1]], "colours of a palette count, too"


def with_palette(indices: list[int], *palette: tuple[int, int, int]) -> RawMask:
    image = PIL.Image.fromarray(np.array([indices], np.uint8), "P")
    image.putpalette([value for color in palette for value in color])
    return read_mask(encoded(image))


def test_colours_count_where_each_file_has_a_palette_of_its_own():
    """As of programs that save each file with as few colours as it needs."""
    first = with_palette([0, 1, 2], BLACK, RED, GREEN)
    second = with_palette([0, 1, 2], BLACK, GREEN, RED)
    encoding = detect_encoding([first, second])
    assert encoding.decode(first).tolist() == [[0, 2, 1]]
    assert encoding.decode(second).tolist() == [[0, 1, 2]]
    same = detect_encoding([first, with_palette([2, 2, 1], BLACK, RED, GREEN)])
    assert same.decode(first).tolist() == [[0, 1, 2]]
    asked = detect_encoding([first, second], mask_encoding="ids")
    assert asked.decode(second).tolist() == [[0, 1, 2]], "as it was asked for"


def test_white_of_a_palette_is_white_whatever_its_index():
    turned = with_palette([0, 1, 1], WHITE, BLACK)
    assert detect_encoding([turned]).decode(turned).tolist() == [[1, 0, 0]]
    usual, gray = with_palette([0, 1, 1], BLACK, WHITE), mask([0, 255, 255])
    encoding = detect_encoding([usual, gray])
    assert encoding.decode(usual).tolist() == encoding.decode(gray).tolist() == [[0, 1, 1]]
    ids = detect_encoding([usual, mask([0, 1, 1])])
    assert ids.decode(usual).tolist() == ids.decode(mask([0, 1, 1])).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    "colors", [{"red": "0"}, {"#ff0000": "x"}, {"#ff00": "0"}, {"#ff0000": "256"}]
)
def test_a_wrong_colour_map_is_refused(colors):
    with pytest.raises(DatasetError, match="'#rrggbb'"):
        detect_encoding([rgb(RED)], label_colors=colors)


def test_names_do_not_tell_which_colour_is_missing():
    with pytest.raises(DatasetError, match="which is which"):
        detect_encoding([rgb(RED, GREEN)], id2label=labels(3))
    assert detect_encoding([rgb(RED, GREEN)], id2label=labels(2)).num_classes == 2


def test_many_colours_are_a_photograph():
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    with pytest.raises(DatasetError, match="photograph or an overlay"):
        detect_encoding([read_mask(noise)])


@pytest.mark.parametrize("kwargs", [{"reduce_labels": True}, {"ignore_index": 0}])
def test_flags_for_values_do_not_apply_to_colours(kwargs):
    with pytest.raises(DatasetError, match="does not apply"):
        detect_encoding([rgb(RED, GREEN)], **kwargs)


def test_ade20k_colours_when_asked_for():
    stored = rgb((0, 5, 99), (17, 3, 0), (0, 0, 0))  # 5; 1 * 256 + 3 = 259; 0
    with pytest.raises(DatasetError, match="to 259"):
        detect_encoding([stored], mask_encoding="ade20k")
    stored = rgb((0, 5, 99), (9, 3, 0), (0, 0, 0))
    encoding = detect_encoding([[stored, stored]], mask_encoding="ade20k")
    assert encoding.decode([stored, stored]).tolist() == [[5, 3, 0]]
    assert encoding.num_classes == 6 and "R // 10 * 256 + G" in encoding.describe()
    encoding = detect_encoding([stored], mask_encoding="ade20k", reduce_labels=True)
    assert encoding.decode(stored).tolist() == [[4, 2, IGNORE]]


# ------------------------------------------------------------------ lists of masks


FIRST, SECOND = mask([1, 1, 0, 0], bool), mask([0, 255, 255, 0])


def test_lists_are_painted_with_their_categories():
    rows, categories = [[FIRST, SECOND], [FIRST], []], [[2, 0], [1], []]
    encoding = detect_encoding(rows, categories=categories)
    assert encoding.num_classes == 4
    assert encoding.decode(rows[0], categories[0]).tolist() == [[3, 1, 1, 0]]
    assert encoding.decode(rows[1], categories[1]).tolist() == [[2, 2, 0, 0]]
    assert encoding.decode([], [], shape=(1, 4)).tolist() == [[0, 0, 0, 0]]
    with pytest.raises(DatasetError, match="categories 3"):
        encoding.decode([FIRST], [3])
    with pytest.raises(DatasetError, match="1 masks but 2 categories"):
        encoding.decode([FIRST], [0, 1])
    with pytest.raises(DatasetError, match="no size"):
        encoding.decode([], [])


def test_lists_without_categories_are_objects_of_one_class():
    encoding = detect_encoding([[FIRST, SECOND]])
    assert (encoding.kind, encoding.num_classes) == ("instances", 2)
    assert encoding.decode([FIRST, SECOND]).tolist() == [[1, 1, 1, 0]]
    assert encoding.decode([FIRST]).tolist() == [[1, 1, 0, 0]]


def test_a_list_of_one_is_its_element():
    stored = mask([0, 1, 2])
    encoding = detect_encoding([[stored], []])
    assert encoding.decode([stored]).tolist() == [[0, 1, 2]]
    with pytest.raises(DatasetError, match="list of 2 masks"):
        encoding.decode([stored, stored])


def test_lists_of_anything_but_objects_are_refused():
    with pytest.raises(DatasetError, match="one black and white mask an object"):
        detect_encoding([[mask([0, 1, 2]), FIRST]])
    with pytest.raises(DatasetError, match="--mask_encoding ade20k"):
        detect_encoding([[rgb(RED, GREEN), rgb(RED, GREEN)]])


def test_instance_ids():
    assert instances_of([FIRST, SECOND]).tolist() == [[1, 2, 2, 0]]
    assert instances_of([FIRST, SECOND]).dtype == np.int32
    assert instances_of([mask([0, 7, 9])]).tolist() == [[0, 7, 9]]
    assert instances_of(mask([0, 40000], np.uint16)).tolist() == [[0, 40000]]
    assert instances_of(rgb(BLACK, (0, 1, 2))).tolist() == [[0, 258]]
    assert instances_of([], shape=(1, 2)).tolist() == [[0, 0]]
    with pytest.raises(DatasetError, match="sizes"):
        instances_of([FIRST, mask([0, 1])])
