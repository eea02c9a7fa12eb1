"""Strokes: which pixels they cover, how they are read, and which pieces are kept aside."""

import numpy as np
import pytest

from train.teaching.pictures import painted_boxes
from train.teaching.pieces import find_pieces, keep_aside, without
from train.teaching.strokes import Stroke, as_json, raster, read_strokes
from unet_hf.errors import ConfigError

# ------------------------------------------------------------------------------------- strokes


def test_a_stroke_covers_the_pixels_whose_centres_are_within_its_radius():
    # From the centre of pixel (row 1, column 1) to that of column 3, a radius of one pixel.
    label = raster([Stroke(1, 4, np.array([[6, 6], [14, 6]]))], (4, 6))
    expected = [
        [255, 1, 1, 1, 255, 255],
        [1, 1, 1, 1, 1, 255],
        [255, 1, 1, 1, 255, 255],
        [255, 255, 255, 255, 255, 255],
    ]
    assert label.tolist() == expected


def test_a_slanted_stroke_covers_what_the_distance_says():
    """Against the distance to the line in floating point, none of whose pixels is a near miss."""
    a, b, radius = np.array([3.0, 5.0]), np.array([37.0, 22.0]), 11.1
    y, x = np.mgrid[:32, :40] * 4.0 + 2
    along = ((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) ** 2).sum()
    near = a + np.clip(along, 0, 1)[..., None] * (b - a)
    inside = np.hypot(x - near[..., 0], y - near[..., 1]) <= radius
    label = raster([Stroke(0, 11, np.array([a, b]).astype(np.int64))], (32, 40))
    assert ((label == 0) == inside).all()


def test_later_strokes_win_and_the_eraser_takes_away():
    dot = np.array([[6, 6]])
    strokes = [Stroke(0, 12, dot), Stroke(1, 4, dot), Stroke(255, 1, dot)]
    label = raster(strokes, (4, 4))
    assert label[1, 1] == 255 and label[0, 1] == 1 and label[3, 1] == 0


def test_strokes_outside_the_image_cover_nothing_of_it():
    assert (raster([Stroke(1, 8, np.array([[-400, -400]]))], (5, 5)) == 255).all()
    assert (raster([Stroke(1, 8, np.array([[400, 2]]))], (5, 5)) == 255).all()


def test_strokes_are_read_as_they_are_written():
    strokes = [Stroke(1, 8, np.array([[4, 4], [40, 8]])), Stroke(255, 2, np.array([[0, 0]]))]
    read = read_strokes(as_json(strokes), 2)
    assert [(one.class_id, one.radius) for one in read] == [(1, 8), (255, 2)]
    assert (read[0].points == strokes[0].points).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"class": 1}, "a list"),
        ([{"class": 2, "radius": 4, "points": [0, 0]}], "the classes 0 to 1"),
        ([{"class": 1, "radius": 0, "points": [0, 0]}], "radius 0"),
        ([{"class": 1, "radius": 4, "points": [0, 0, 5]}], "cannot be read"),
        ([{"class": 1, "radius": 4, "points": []}], "0 points"),
        ([{"class": 1, "radius": 4, "points": [0, 0, 2000, 0]}], "apart"),
        ([{"class": "one", "radius": 4, "points": [0, 0]}], "cannot be read"),
        ([None], "cannot be read"),
    ],
)
def test_what_is_no_stroke_is_refused_in_words(given, says):
    with pytest.raises(ConfigError, match=says):
        read_strokes(given, 2)


# ---------------------------------------------------------------------------------- kept aside


def test_whole_pieces_are_kept_aside_and_never_learned_from():
    label = np.full((20, 40), 255, np.uint8)
    for column in range(0, 40, 5):
        label[2:4, column : column + 2] = 0
        label[10:14, column : column + 2] = 1
    pieces = find_pieces(label)
    aside = keep_aside(pieces, seed=0)
    assert len(pieces) == 16
    assert sorted(piece.class_id for piece in aside) == [0, 0, 1, 1]
    learned = without(label, aside)
    assert (learned != 255).sum() == (label != 255).sum() - sum(p.pixels.sum() for p in aside)
    assert all((learned[p.rows, p.columns][p.pixels] == 255).all() for p in aside)


def test_few_pieces_are_all_learned_from():
    label = np.full((9, 9), 255, np.uint8)
    label[0, 0] = label[4, 4] = label[8, 8] = 1
    assert keep_aside(find_pieces(label), seed=0) == []


def test_strokes_of_a_class_that_touch_are_one_piece():
    label = np.full((9, 9), 255, np.uint8)
    label[0:3, 0] = label[3, 1] = 1
    assert len(find_pieces(label)) == 1


def test_the_boxes_of_a_large_image_hold_all_that_is_painted():
    label = np.full((3000, 2000), 255, np.uint8)
    label[10, 10] = label[2990, 1990] = 0
    covered = np.zeros(label.shape, bool)
    for rows, columns in painted_boxes(label):
        covered[rows, columns] = True
    assert covered[label != 255].all() and covered.mean() < 0.2
