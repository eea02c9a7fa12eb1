"""Stored masks -> class ids; every expected id is written out by hand."""

import io

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf.data.detect_encoding import (
    IGNORE,
    RawMask,
    detect_encoding,
    instances_of,
    read_mask,
)
from unet_hf.errors import DatasetError

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


def mask(values, dtype=np.uint8) -> RawMask:
    return read_mask(np.atleast_2d(np.array(values, dtype)))


def rgb(*colors) -> RawMask:
    return read_mask(np.array([colors], np.uint8))


def encoded(image: PIL.Image.Image, format: str = "PNG", **kwargs) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **kwargs)
    return file.getvalue()


def palette_image(indices: np.ndarray) -> PIL.Image.Image:
    image = PIL.Image.fromarray(indices.astype(np.uint8), "L")
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    return image


def labels(count: int) -> dict[str, str]:
    return {str(number): f"class {number}" for number in range(count)}


def decoded(values, dtype=np.uint8, **kwargs) -> list[int]:
    stored = mask(values, dtype)
    return detect_encoding([stored], **kwargs).decode(stored).ravel().tolist()


# ------------------------------------------------------------------ reading


def test_palettes_give_indices_and_their_colours():
    for format in ("PNG", "TIFF"):
        found = read_mask(encoded(palette_image(np.array([[0, 1], [2, 255]])), format))
        assert found.values.tolist() == [[0, 1], [2, 255]]
        assert found.mode == "P" and found.palette[2] == (2, 253, 7)


def test_modes_keep_what_was_stored():
    one_bit = PIL.Image.fromarray(np.array([[False, True]]))
    for format in ("PNG", "TIFF"):
        found = read_mask(encoded(one_bit, format)).values
        assert found.dtype == bool and found.tolist() == [[False, True]]
        deep = PIL.Image.fromarray(np.array([[3, 40000]], np.uint16))
        assert read_mask(encoded(deep, format)).values.tolist() == [[3, 40000]]
    gray_alpha = PIL.Image.fromarray(np.array([[[3, 255], [4, 255]]], np.uint8), "LA")
    assert read_mask(encoded(gray_alpha)).values.tolist() == [[[3, 3, 3, 255], [4, 4, 4, 255]]]


def test_png_of_few_bits_is_not_stretched():
    """Pillow turns stored 0 ... 3 of a 2-bit PNG into 0, 85, 170, 255."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    for bits, row, values in ((2, b"\x00\x1b", [0, 1, 2, 3]), (4, b"\x00\x0f", [0, 15])):
        header = struct.pack(">IIBBBBB", len(values), 1, bits, 0, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        content += chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
        assert read_mask(content).values.tolist() == [values]


def test_tiff_goes_through_tifffile():
    file = io.BytesIO()
    tifffile.imwrite(file, np.array([[1, 70000]], np.uint32), compression="lzw")
    assert read_mask(file.getvalue()).values.tolist() == [[1, 70000]]
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((3, 40, 50), np.uint8), photometric="minisblack")
    with pytest.raises(DatasetError, match="3 pages"):
        read_mask(file.getvalue())


@pytest.mark.parametrize(
    "content", [b"", b"no image", encoded(palette_image(np.eye(9)))[:60], b"II*\0\x08\0\0\0"]
)
def test_an_unreadable_mask_is_a_dataset_error(content):
    with pytest.raises(DatasetError, match="mask cannot be read"):
        read_mask(content)


@pytest.mark.parametrize("shape", [(4, 4, 2), (2, 3, 4, 4), (5,), (0, 4)])
def test_arrays_that_are_no_mask_are_refused(shape):
    with pytest.raises(DatasetError, match="shape"):
        read_mask(np.zeros(shape))


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


# ------------------------------------------------------------------ properties


IDS = st.integers(0, 254)
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=12)


def as_stored(ids: np.ndarray, how: str) -> bytes:
    if how == "palette":
        return encoded(palette_image(ids))
    if how == "palette TIFF":
        return encoded(palette_image(ids), "TIFF")
    dtype = np.uint16 if how.startswith("I;16") else np.uint8
    return encoded(PIL.Image.fromarray(ids.astype(dtype)), "TIFF" if "TIFF" in how else "PNG")


@pytest.mark.parametrize("how", ["palette", "palette TIFF", "L", "L TIFF", "I;16", "I;16 TIFF"])
@given(ids=arrays(np.uint8, SHAPES, elements=IDS))
def test_ids_survive_storage(how, ids):
    stored = read_mask(as_stored(ids, how))
    encoding = detect_encoding([stored], id2label=labels(255))
    assert np.array_equal(encoding.decode(stored), ids)


@given(ids=arrays(bool, SHAPES))
def test_one_bit_survives_storage(ids):
    stored = read_mask(encoded(PIL.Image.fromarray(ids)))
    assert np.array_equal(detect_encoding([stored]).decode(stored), ids)


@given(
    ids=arrays(np.uint8, SHAPES, elements=st.integers(0, 7)),
    table=st.lists(st.integers(0, 2**24 - 1), min_size=8, max_size=8, unique=True).map(np.array),
)
def test_colour_codes_survive_storage(ids, table):
    colors = np.stack([table >> 16, table >> 8 & 255, table & 255], axis=-1).astype(np.uint8)
    stored = read_mask(encoded(PIL.Image.fromarray(colors[ids])))
    mapping = {f"#{color:06x}": str(number) for number, color in enumerate(table)}
    encoding = detect_encoding([stored], label_colors=mapping)
    assert np.array_equal(encoding.decode(stored), ids)


@given(ids=arrays(np.int32, SHAPES, elements=st.integers(-3, 300)))
def test_a_decoded_mask_holds_classes_and_ignore_alone(ids):
    """Whatever the values: an error, or ids below the number of classes."""
    stored = mask(ids, np.int32)
    try:
        encoding = detect_encoding([stored])
    except DatasetError:
        return
    found = encoding.decode(stored)
    assert (found[found != IGNORE] < encoding.num_classes).all()
