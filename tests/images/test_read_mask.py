"""A mask is read with the values that were stored, whatever the file, and ids survive it."""

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
    detect_encoding,
    read_mask,
)
from unet_hf.errors import DatasetError

from ..support.stored_masks import encoded, labels, mask, palette_image

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
