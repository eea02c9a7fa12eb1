"""Outlines follow the edges of pixels: filled, they are the mask again, bit for bit."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import roifile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unet_hf.images.place import Place
from unet_hf.network.configuration import OBJECT_METHODS
from unet_hf.objects.outline_files import to_geojson, to_roi_zip
from unet_hf.objects.outlines import trace

from ..support.drawn import disc, drawn

NAMES = ("ground", "cell", "nucleus")
masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 2)
)


def filled(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool by the even-odd rule: a pixel is inside if a ray from its centre to the left
    crosses the rings an odd number of times."""
    crossings = np.zeros((shape[0], shape[1] + 1), bool)
    for ring in rings:
        for (x, y), (next_x, next_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if x == next_x:
                crossings[min(y, next_y) : max(y, next_y), x] ^= True
    return np.logical_xor.accumulate(crossings, axis=1)[:, :-1]


@given(masks, st.sampled_from(OBJECT_METHODS))
def test_filled_outlines_are_the_objects_bit_for_bit(mask, method):
    objects = drawn(mask, names=NAMES).objects(method=method)
    again = np.zeros(mask.shape, np.int32)
    for number, outline in enumerate(objects.outlines, start=1):
        again[filled(outline.rings, mask.shape)] = number
    assert np.array_equal(again, objects.labels)


@given(masks)
def test_rings_are_simple_and_turn_at_every_corner(mask):
    objects = drawn(mask, names=NAMES).objects()
    assert [outline.area for outline in objects.outlines] == objects.table["area_px"].tolist()
    for outline in objects.outlines:
        for ring in outline.rings:
            assert len(np.unique(ring, axis=0)) == len(ring)  # it never comes back to a point
            steps = np.roll(ring, -1, axis=0) - ring
            level = steps[:, 1] == 0
            assert ((steps == 0).sum(axis=1) == 1).all()
            assert (level != np.roll(level, 1)).all()  # no corner on a straight line


def test_a_single_pixel_is_a_square_from_corner_to_corner():
    labels = np.zeros((3, 4), np.int32)
    labels[1, 2] = 1
    (outline,) = trace(labels)
    assert outline.exterior.tolist() == [[2, 1], [3, 1], [3, 2], [2, 2]]
    assert outline.holes == ()


def test_holes_run_the_other_way_and_may_touch_the_exterior_in_a_point():
    labels = np.ones((4, 4), np.int32)
    labels[0, 0] = labels[1, 1] = 0  # the hole and the outside meet at a corner
    (outline,) = trace(labels)
    assert [len(ring) for ring in outline.rings] == [6, 4]
    assert outline.holes[0].tolist() == [[2, 1], [1, 1], [1, 2], [2, 2]]
    assert outline.area == 14


def test_nothing_has_no_outlines():
    assert trace(np.zeros((3, 3), np.int32)) == []


@pytest.fixture
def objects():
    """Of two classes, one with a hole."""
    mask = disc((30, 50), 12, 14, 9).astype(np.uint8)
    mask[disc(mask.shape, 12, 14, 3)] = 0
    mask[1:9, 30:45] = 2
    return drawn(mask, names=NAMES).objects()


def test_geojson_is_closed_polygons_with_the_class_and_its_colour(objects):
    collection = json.loads(json.dumps(to_geojson(objects)))
    assert collection["type"] == "FeatureCollection"
    again = np.zeros(objects.labels.shape, np.int32)
    for number, feature in enumerate(collection["features"], start=1):
        geometry = feature["geometry"]
        assert (feature["type"], geometry["type"]) == ("Feature", "Polygon")
        assert all(ring[0] == ring[-1] for ring in geometry["coordinates"])
        rings = [np.array(ring[:-1]) for ring in geometry["coordinates"]]
        again[filled(rings, again.shape)] = number
    assert np.array_equal(again, objects.labels)
    square, ring = (feature["properties"] for feature in collection["features"])
    assert ring["classification"] == {"name": "cell", "color": [0x56, 0xB4, 0xE9]}
    assert square["classification"]["name"] == "nucleus"
    assert (ring["objectType"], ring["name"]) == ("detection", "cell 2")


def test_imagej_rois_read_back_as_the_same_pixels(objects):
    archive = zipfile.ZipFile(io.BytesIO(to_roi_zip(objects)))
    assert archive.namelist() == ["0001-nucleus.roi", "0002-cell.roi"]
    again = np.zeros(objects.labels.shape, np.int32)
    for number, name in enumerate(archive.namelist(), start=1):
        roi = roifile.ImagejRoi.frombytes(archive.read(name))
        assert roi.name == name.removesuffix(".roi")
        rings = [np.rint(ring).astype(int) for ring in roi.coordinates(multi=True)]
        again[filled([r[:-1] if (r[0] == r[-1]).all() else r for r in rings], again.shape)] = number
        box = objects.table["left_px"][number - 1], objects.table["bottom_px"][number - 1]
        assert (roi.left, roi.bottom) == box
    assert np.array_equal(again, objects.labels)


def test_imagej_rois_know_their_slice_and_are_the_same_bytes_each_time(objects):
    objects = replace(objects, place=Place("ZYX", (5, 30, 50), number=3))
    content = to_roi_zip(objects)
    roi = roifile.ImagejRoi.frombytes(zipfile.ZipFile(io.BytesIO(content)).read("0002-cell.roi"))
    assert roi.position == 4  # ImageJ counts from 1
    assert roi.stroke_color == bytes([255, 0x56, 0xB4, 0xE9])
    assert content == to_roi_zip(objects)
