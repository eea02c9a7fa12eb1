"""Values of stored masks -> class ids; every expected id is written out by hand."""

import numpy as np
import PIL.Image
import pytest

from unet_hf.data.detect_encoding import (
    IGNORE,
    RawMask,
    detect_encoding,
    read_mask,
)
from unet_hf.errors import DatasetError

from ..support.stored_masks import RED, encoded, labels, mask, palette_image, rgb


def decoded(values, dtype=np.uint8, **kwargs) -> list[int]:
    stored = mask(values, dtype)
    return detect_encoding([stored], **kwargs).decode(stored).ravel().tolist()


# ------------------------------------------------------------------ values -> classes


@pytest.mark.parametrize(
    ("values", "kwargs", "expected", "said"),
    [
        pytest.param([0, 1, 2], {}, [0, 1, 2], "values 0-2 read as class ids", id="ids"),
        pytest.param([0, 1], {}, [0, 1], "0-1", id="two ids"),
        pytest.param(
            [0, 255, 0], {}, [0, 1, 0], "values 0 and 255 read as classes 0 and 1", id="0/255"
        ),
        pytest.param([0, 128], {}, [0, 1], "0 and 128 read as classes 0 and 1", id="0/128"),
        pytest.param([0, 2], {}, [0, 1], "0 and 2 read as classes 0 and 1", id="0/2"),
        pytest.param([0, 2], {"id2label": labels(4)}, [0, 2], "class ids", id="0/2 of 4 classes"),
        pytest.param([0, 255], {"id2label": labels(2)}, [0, 1], "0 and 255", id="0/255 named"),
        pytest.param(
            [0, 1, 2, 0, 0, 255], {}, [0, 1, 2, 0, 0, IGNORE], "255 ignored (void, 16.7%)", id="VOC"
        ),
        pytest.param(
            [0, 255], {"id2label": labels(3)}, [0, IGNORE], "255 ignored", id="0/255 of 3 classes"
        ),
        pytest.param(
            [1, 2, 3],
            {},
            [0, 1, 2],
            "values 1-3 read as classes 0-2 (they start at 1)",
            id="trimap of the Oxford pets",
        ),
        pytest.param(
            [1, 2, 3], {"ignore_index": 3}, [0, 1, IGNORE], "3 ignored", id="trimap, border ignored"
        ),
        pytest.param([1, 2, 3], {"id2label": labels(3)}, [0, 1, 2], "start at 1", id="3 names"),
        pytest.param([1, 2, 3], {"id2label": labels(4)}, [1, 2, 3], "class ids", id="4 names"),
        pytest.param([1, 2, 3], {"mask_encoding": "ids"}, [1, 2, 3], "class ids", id="ids asked"),
        pytest.param(
            [0, 1, 150],
            {"reduce_labels": True},
            [IGNORE, 0, 149],
            "(--reduce_labels)",
            id="ADE20K, LoveDA",
        ),
        pytest.param(
            [0, 1, 7],
            {"ignore_index": 0},
            [IGNORE, 1, 7],
            "0 ignored",
            id="ignored 0 renumbers nothing",
        ),
        pytest.param(
            [0, 1, 255],
            {"reduce_labels": True, "id2label": labels(1)},
            [IGNORE, 0, IGNORE],
            "0, 255 ignored",
            id="255 stays void when labels are reduced",
        ),
        pytest.param(
            [0, 128, 255],
            {"mask_encoding": "binary"},
            [0, 1, 1],
            "every other value as class 1",
            id="binary asked",
        ),
        pytest.param(
            [0, 7, 9], {"mask_encoding": "binary"}, [0, 1, 1], "every other", id="objects asked"
        ),
        pytest.param(
            [0, 128, 255], {"mask_encoding": "colors"}, [0, 1, 2], "#808080 = 1", id="gray levels"
        ),
        pytest.param(
            [0, 128, 255], {"ignore_index": 128}, [0, IGNORE, 1], "128 ignored", id="0/255 and void"
        ),
    ],
)
def test_what_values_mean(values, kwargs, expected, said):
    stored = mask(values)
    encoding = detect_encoding([stored], **kwargs)
    assert encoding.decode(stored).tolist() == [expected]
    assert encoding.decode(stored).dtype == np.uint8
    assert said in encoding.describe()


def soft_mask(levels) -> RawMask:
    return mask([[0] * 900 + list(levels) + [255] * 300])


@pytest.mark.parametrize(
    "levels", [range(1, 255), (1, 2, 3, 252, 253, 254)], ids=["soft alpha", "JPEG edges"]
)
def test_soft_masks_are_cut_in_the_middle(levels):
    encoding = detect_encoding([soft_mask(levels)])
    assert encoding.kind == "binary" and "above 127 class 1" in encoding.describe()
    assert encoding.num_classes == 2
    assert encoding.decode(mask([126, 127, 128, 255])).tolist() == [[0, 0, 1, 1]]
    assert encoding.decode(mask([False, True], bool)).tolist() == [[0, 1]]


def test_ones_among_soft_masks_are_of_another_scale_and_no_background():
    encoding = detect_encoding([soft_mask(range(1, 255))])
    with pytest.raises(DatasetError, match=r"A mask holds 1 in 50.00% of its pixels, outside"):
        encoding.decode(mask([0, 1]))
    dark = mask([[0] * 300 + [1]])  # losses of JPEG
    assert not encoding.decode(dark).any()
    assert encoding.decode(mask([1, 1, 255])).tolist() == [[0, 0, 1]]


def test_a_jpeg_of_a_black_and_white_mask_is_binary():
    drawn = np.zeros((64, 64), np.uint8)
    drawn[10:40, 21:50] = 255
    stored = read_mask(encoded(PIL.Image.fromarray(drawn).convert("RGB"), "JPEG", quality=80))
    assert stored.values.shape == (64, 64, 3) and len(np.unique(stored.values)) > 5
    encoding = detect_encoding([stored])
    assert np.array_equal(encoding.decode(stored), drawn == 255)


def test_many_class_ids_are_no_soft_mask():
    """ADE20K has 151 values, and void."""
    values = [*range(151), 255]
    assert decoded(values) == [*range(151), IGNORE]


def test_uint8_instance_ids_are_not_taken_for_a_soft_mask_or_classes():
    with pytest.raises(DatasetError, match="instance ids"):
        decoded([*[0] * 300, *range(256)] * 3)


def test_one_bit_masks_are_two_classes_also_among_others():
    assert decoded([False, True], bool) == [0, 1]
    encoding = detect_encoding([mask([False, True], bool), mask([0, 255])])
    assert encoding.decode(mask([False, True], bool)).tolist() == [[0, 1]]
    assert encoding.decode(mask([0, 255])).tolist() == [[0, 1]]


def test_palettes_are_ids_whatever_their_colours():
    stored = read_mask(encoded(palette_image(np.array([[0, 15, 20, 20, 15, 255]]))))
    encoding = detect_encoding([stored])
    assert encoding.decode(stored).tolist() == [[0, 15, 20, 20, 15, IGNORE]]
    assert "palette indices 0, 15, 20" in encoding.describe()
    stored = read_mask(encoded(palette_image(np.array([[0, 15]]))))
    assert detect_encoding([stored]).decode(stored).tolist() == [[0, 15]]


def test_all_masks_are_looked_at_together():
    masks = [mask([1, 1]), mask([2, 3]), mask([0, 2])]
    encoding = detect_encoding(masks)
    assert encoding.decode(masks[1]).tolist() == [[2, 3]], "0 occurs, so nothing starts at 1"
    assert encoding.num_classes == 4


def test_equal_channels_are_gray():
    stored = read_mask(np.repeat(np.array([[[0], [1], [2]]], np.uint8), 3, axis=2))
    assert detect_encoding([stored]).decode(stored).tolist() == [[0, 1, 2]]
    with_alpha = np.array([[[0, 0, 0, 255], [255, 255, 255, 255]]], np.uint8)
    stored = read_mask(with_alpha)
    assert detect_encoding([stored]).decode(stored).tolist() == [[0, 1]]
    with_alpha[..., :3], with_alpha[..., 3] = 255, [[0, 255]]
    with pytest.raises(DatasetError, match="alpha channel"):
        detect_encoding([read_mask(with_alpha)])


def test_floats():
    assert decoded([0.0, 3.0, 1.0], np.float32) == [0, 3, 1]
    assert decoded([0.0, 0.4, 0.6, 1.0], np.float32) == [0, 0, 1, 1]
    for values in ([0.0, np.nan], [0.0, 1.5]):
        with pytest.raises(DatasetError, match="whole numbers"):
            decoded(values, np.float32)


def test_sixteen_bit():
    assert decoded([0, 65535], np.uint16) == [0, 1]
    assert decoded([0, 1, 3, 65535], np.uint16, ignore_index=65535) == [0, 1, 3, IGNORE]
    with pytest.raises(DatasetError, match="instance ids: give the column as --instance_column"):
        decoded(np.arange(900), np.uint16)
    assert decoded([0, 300, 900], np.uint16, mask_encoding="binary") == [0, 1, 1]


@pytest.mark.parametrize(
    ("values", "kwargs", "message"),
    [
        ([0, 1, 5, 6], {"id2label": labels(5)}, "hold 5, 6, but id2label names 5 classes"),
        ([0, -2], {}, "from -2 to 0"),
        ([0, 60, 120, 200], {}, "gray levels that stand for classes"),
        ([0, 128, 255], {}, "--mask_encoding"),
        ([0, 1, 255, 255, 255], {}, "255 fills 60% of the masks, beside 0, 1"),
        ([3, 3], {"ignore_index": 3}, "hold 3 alone, which is ignored"),
        ([0, 1], {"mask_encoding": "palette"}, "none of ids, binary"),
        ([0, 1], {"mask_encoding": "ade20k"}, "needs RGB"),
    ],
)
def test_what_has_no_clear_meaning_is_an_error(values, kwargs, message):
    with pytest.raises(DatasetError, match=message):
        detect_encoding([mask(values, np.int32)], **kwargs)


def test_no_masks_are_an_error():
    with pytest.raises(DatasetError, match="no mask"):
        detect_encoding([])


# ------------------------------------------------------------------ masks seen later


def test_later_masks_may_hold_classes_that_were_not_looked_at():
    encoding = detect_encoding([mask([0, 1, 4])])
    assert encoding.num_classes == 5
    assert encoding.decode(mask([2, 3])).tolist() == [[2, 3]]
    encoding = detect_encoding([mask([0, 1])], id2label=labels(9))
    assert encoding.decode(mask([8])).tolist() == [[8]]


@pytest.mark.parametrize(
    ("looked_at", "later", "message"),
    [
        ([0, 1], [0, 2, 0, 0], "holds 2 in 25.00% of its pixels"),
        ([0, 0], [0, 255], "holds 255"),
        ([0, 255], [1, 2, 3, 4, 5, 6], "holds 1, 2, 3, 4, 5 and 1 more"),
        ([1, 2], [0, 1], "holds 0 in"),
        ([0, 1, 1, 255], [0, 200], "holds 200"),
    ],
)
def test_later_values_outside_of_the_encoding_are_an_error(looked_at, later, message):
    encoding = detect_encoding([mask(looked_at)])
    with pytest.raises(DatasetError, match=message):
        encoding.decode(mask(later))


def test_a_coloured_mask_among_gray_ones_is_an_error():
    with pytest.raises(DatasetError, match="coloured"):
        detect_encoding([mask([0, 1])]).decode(rgb(RED))
