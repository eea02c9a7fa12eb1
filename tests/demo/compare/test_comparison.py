"""A mask against the truth, and two predictions against each other."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from demo.truth.label_image import read_truth
from unet_hf import Segmentation, read_image
from unet_hf.errors import ConfigError, DatasetError, ShapeError
from unet_hf.evaluation.comparison import OUTCOMES, Region, compare_predictions, score_mask
from unet_hf.evaluation.object_scores import score_objects

CELLS = {0: "ground", 1: "cell"}
TISSUE = {0: "ground", 1: "cell", 2: "vessel"}
MEMBRANES = {0: "membrane", 1: "cell"}

# Nine pixels of which seven are right: one cell missed, one false.
TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)
FOUND = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], np.uint8)

masks = arrays(np.uint8, (7, 9), elements=st.integers(0, 2))


def prediction(mask: np.ndarray, id2label: dict[int, str] = TISSUE, seconds: float = 0.0):
    return Segmentation(
        mask=mask,
        probabilities=np.zeros((len(id2label), *mask.shape), np.float32),
        id2label=id2label,
        colors=["#9a9a9a", "#e69f00", "#56b4e9"][: len(id2label)],
        threshold=None,
        image=read_image(np.zeros(mask.shape, np.uint8)),
        seconds=seconds,
    )


# ---------------------------------------------------------------- against the truth


def test_the_table_of_a_mask_by_hand():
    scored = score_mask(FOUND, TRUTH, CELLS)
    assert scored.confusion.tolist() == [[4, 1], [1, 3]]
    assert scored.iou == {"ground": 4 / 6, "cell": 3 / 5}
    assert scored.dice == {"ground": 8 / 10, "cell": 6 / 8}
    assert scored.mean_iou == pytest.approx((4 / 6 + 3 / 5) / 2)
    assert scored.pixel_accuracy == 7 / 9
    assert scored.v_rand is None
    assert scored.v_info is None


def test_the_map_of_a_class_by_hand():
    names = np.array(OUTCOMES)[score_mask(FOUND, TRUTH, CELLS).outcome(1)]
    assert names.tolist() == [
        ["correct", "correct", "elsewhere"],
        ["correct", "missed", "elsewhere"],
        ["elsewhere", "elsewhere", "false"],
    ]


def test_pixels_that_do_not_count_are_no_error():
    truth = TRUTH.copy()
    truth[2, 2], truth[1, 1] = 255, 255
    scored = score_mask(FOUND, truth, CELLS)
    assert scored.pixel_accuracy == 1
    assert scored.errors() == []
    assert OUTCOMES[scored.outcome(1)[2, 2]] == "not counted"


def test_errors_are_regions_with_place_kind_and_classes_the_largest_first():
    truth = np.zeros((8, 12), np.uint8)
    truth[1:4, 2:7] = 1  # missed altogether: 15 pixels
    truth[6, 0:3] = 2  # taken for class 1
    mask = np.zeros_like(truth)
    mask[6, 0:3] = 1
    mask[5:8, 9:12] = 2  # out of thin air
    assert score_mask(mask, truth, TISSUE).errors() == [
        Region(15, (2, 1, 5, 3), "missed", "cell", "ground"),
        Region(9, (9, 5, 3, 3), "false", "ground", "vessel"),
        Region(3, (0, 6, 3, 1), "confused", "vessel", "cell"),
    ]
    assert len(score_mask(mask, truth, TISSUE).errors(limit=2)) == 2


def test_neighbours_that_are_wrong_in_different_ways_are_two_regions():
    errors = score_mask(np.array([[1, 2]]), np.array([[0, 0]]), TISSUE).errors()
    assert [(error.pixels, error.predicted) for error in errors] == [(1, "cell"), (1, "vessel")]


def test_membranes_get_the_scores_of_the_challenge():
    truth = np.ones((20, 21), np.uint8)
    truth[:, 10] = 0  # one membrane between two cells
    perfect = score_mask(truth, truth, MEMBRANES)
    assert perfect.v_rand == perfect.v_info == 1
    merged = score_mask(np.ones_like(truth), truth, MEMBRANES)  # no membrane found: one cell of two
    # Pairs together in both: 2 * 200^2. In truth as many; in the one region 400^2.
    assert merged.v_rand == pytest.approx(2 * 200**2 / (0.5 * 2 * 200**2 + 0.5 * 400**2))
    assert merged.v_info == pytest.approx(0)


def test_a_segmentation_brings_its_own_names():
    assert score_mask(prediction(FOUND, CELLS), TRUTH).iou["cell"] == 3 / 5


@given(masks, masks)
def test_scores_are_symmetric_and_the_errors_are_all_that_is_wrong(first, second):
    one, other = score_mask(first, second, TISSUE), score_mask(second, first, TISSUE)
    assert one.iou == other.iou
    assert one.dice == other.dice
    assert one.pixel_accuracy == other.pixel_accuracy
    assert np.array_equal(one.confusion, other.confusion.T)
    errors = one.errors()
    assert sum(error.pixels for error in errors) == (first != second).sum()
    assert [error.pixels for error in errors] == sorted(
        (error.pixels for error in errors), reverse=True
    )
    assert [(e.pixels, e.box) for e in errors] == [(e.pixels, e.box) for e in other.errors()]
    for class_id in TISSUE:
        counts = np.bincount(one.outcome(class_id).ravel(), minlength=len(OUTCOMES))
        hit, missed, false = counts[1:4]
        assert one.confusion[class_id, class_id] == hit
        assert one.confusion[class_id].sum() == hit + missed
        assert one.confusion[:, class_id].sum() == hit + false


@given(masks)
def test_a_mask_is_perfect_against_itself(mask):
    scored = score_mask(mask, mask, TISSUE)
    assert scored.pixel_accuracy == scored.mean_iou == 1
    assert scored.errors() == []


@pytest.mark.parametrize(
    ("mask", "truth", "names", "error", "words"),
    [
        (FOUND, TRUTH[:2], CELLS, ShapeError, r"\(2, 3\)"),
        (FOUND, TRUTH * 7, CELLS, ConfigError, "truth holds uint8 values from 0 to 7"),
        (FOUND * 9, TRUTH, CELLS, ConfigError, "prediction holds uint8 values from 0 to 9"),
        (FOUND, TRUTH / 2, CELLS, ConfigError, "float64"),
        (FOUND, np.full_like(TRUTH, 255), CELLS, ConfigError, "in every pixel"),
        (FOUND, TRUTH, None, ConfigError, "does not name the classes"),
    ],
)
def test_what_cannot_be_scored_is_told(mask, truth, names, error, words):
    with pytest.raises(error, match=words):
        score_mask(mask, truth, names)


def test_a_class_that_is_none_is_told():
    with pytest.raises(ConfigError, match="no class 3"):
        score_mask(FOUND, TRUTH, CELLS).outcome(3)


# ---------------------------------------------------------------- two predictions


def test_a_disagreement_by_hand():
    found = compare_predictions(prediction(TRUTH, CELLS, 0.5), prediction(FOUND, CELLS, 0.25))
    assert found.map.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert (found.pixels, found.share) == (2, 2 / 9)
    assert found.confusion.tolist() == [[4, 1], [1, 3]]
    assert found.seconds == (0.5, 0.25)
    assert [region.box for region in found.regions()] == [(1, 1, 1, 1), (2, 2, 1, 1)]


@given(masks, masks)
def test_a_disagreement_is_symmetric(first, second):
    one = compare_predictions(prediction(first), prediction(second))
    other = compare_predictions(prediction(second), prediction(first))
    assert one.share == other.share == (first != second).mean()
    assert np.array_equal(one.map, other.map)
    assert np.array_equal(one.confusion, other.confusion.T)
    assert compare_predictions(prediction(first), prediction(first)).pixels == 0


def test_classes_are_matched_by_name():
    swapped = prediction(1 - TRUTH, {0: "cell", 1: "ground"})
    assert compare_predictions(prediction(TRUTH, CELLS), swapped).pixels == 0


def test_what_cannot_be_compared_is_told():
    with pytest.raises(ConfigError, match="ground, cell apart, the other membrane, cell"):
        compare_predictions(prediction(TRUTH, CELLS), prediction(TRUTH, MEMBRANES))
    with pytest.raises(ShapeError, match="3 x 3 and 3 x 2"):
        compare_predictions(prediction(TRUTH, CELLS), prediction(TRUTH[:2], CELLS))


# ---------------------------------------------------------------- the truth as people have it

LABELS = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)
COLORS = np.array([[0x9A] * 3, [0xE6, 0x9F, 0], [0x56, 0xB4, 0xE9]], np.uint8)


PIECES = int(label(LABELS > 0, connectivity=1).max())


def numbered(count: int, first: int = 1, step: int = 1) -> np.ndarray:
    """(20, 60) ids of as many objects of 2 x 3 pixels."""
    ids = np.zeros((20, 60), np.int64)
    for index in range(count):
        top, left = 4 * (index // 15), 4 * (index % 15)
        ids[top : top + 2, left : left + 3] = first + index * step
    return ids


def indexed() -> PIL.Image.Image:
    image = PIL.Image.fromarray(LABELS, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return image


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("ids.png", lambda p: PIL.Image.fromarray(LABELS).save(p), "read as class ids"),
        ("palette.png", lambda p: indexed().save(p), "palette indices"),
        ("colours.png", lambda p: PIL.Image.fromarray(COLORS[LABELS]).save(p), "colours"),
        ("ids.tif", lambda p: tifffile.imwrite(p, LABELS.astype(np.uint16)), "read as class ids"),
        ("ids.npy", lambda p: np.save(p, LABELS.astype(np.int64)), "read as class ids"),
    ],
)
def test_a_truth_is_read_as_it_is_stored(tmp_path: Path, name, write, words):
    write(tmp_path / name)
    truth = read_truth(tmp_path / name, prediction(LABELS))
    assert np.array_equal(truth.classes, LABELS)
    assert words in truth.rule
    assert truth.objects is None


def test_black_and_white_is_a_truth_of_two_classes(tmp_path: Path):
    binary = (LABELS > 0).astype(np.uint8)
    PIL.Image.fromarray(binary * 255).save(tmp_path / "mask.png")
    truth = read_truth(tmp_path / "mask.png", prediction(binary, CELLS))
    assert np.array_equal(truth.classes, binary)
    assert "0 and 255" in truth.rule
    parts = read_truth(tmp_path / "mask.png", prediction(binary, CELLS), "objects")
    assert parts.objects.max() == PIECES
    assert "each connected region is an object" in parts.rule


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("cellpose.png", numbered(70)),
        ("stardist.tif", numbered(3).astype(np.int32)),
        ("imagej.tif", numbered(70, 1000, 7).astype(np.float32)),
        ("few.png", numbered(2)),  # 2 is no class of this checkpoint
        ("many.png", numbered(56, 200)),  # up to 255, which is an object like the others
    ],
)
def test_ids_of_objects_are_a_truth_of_one_class(tmp_path: Path, name: str, ids: np.ndarray):
    if name.endswith(".tif"):
        tifffile.imwrite(tmp_path / name, ids)
    else:
        PIL.Image.fromarray(ids.astype(np.uint8)).save(tmp_path / name)
    truth = read_truth(tmp_path / name, prediction(ids > 0, CELLS))
    assert np.array_equal(truth.classes, ids > 0)
    count = len(np.unique(ids)) - 1
    assert f"read as ids of {count} objects (cell)" in truth.rule
    assert score_objects(ids, truth.objects).f1 == 1


def test_a_255_that_no_ids_lead_up_to_does_not_count(tmp_path: Path):
    ids = numbered(3)
    ids[-1] = 255
    PIL.Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "mask.png")
    truth = read_truth(tmp_path / "mask.png", prediction(ids > 0, CELLS))
    assert truth.objects.max() == 3
    assert (truth.classes == 255).sum() == 60
    assert "255 not counted" in truth.rule


def test_what_a_mask_is_read_as_can_be_said(tmp_path: Path):
    ids = numbered(1)
    PIL.Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "mask.png")
    result = prediction(ids > 0, CELLS)
    assert read_truth(tmp_path / "mask.png", result).objects is None
    assert read_truth(tmp_path / "mask.png", result, "objects").objects.max() == 1
    PIL.Image.fromarray(numbered(9).astype(np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="no clear meaning"):
        read_truth(tmp_path / "mask.png", result, "classes")
    with pytest.raises(DatasetError, match="several classes of them"):
        read_truth(tmp_path / "mask.png", prediction(ids, TISSUE))


def test_soft_edges_and_gray_levels_are_no_ids(tmp_path: Path):
    soft = np.uint8(np.clip(1.2 * gaussian_filter(255.0 * (numbered(15) > 0), 0.6), 0, 255))
    PIL.Image.fromarray(soft).save(tmp_path / "mask.png")
    truth = read_truth(tmp_path / "mask.png", prediction(soft > 127, CELLS))
    assert truth.objects is None
    levels = np.random.default_rng(0).choice([0, 80, 160], (20, 60)).astype(np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="no clear meaning"):
        read_truth(tmp_path / "mask.png", prediction(levels > 0, CELLS))


def test_our_own_mask_file_is_a_perfect_truth(tmp_path: Path):
    result = prediction(LABELS)
    truth = read_truth(result.save(tmp_path, only=["mask"])["mask"], result)
    assert score_mask(result, truth.classes).mean_iou == 1


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (LABELS[:10], "30 x 10 pixels, the image 30 x 20"),
        (LABELS * 100, "the values 0, 100, 200"),
        (np.full((20, 30, 3), (9, 8, 7), np.uint8), "the colours #090807"),
        (np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8), "more"),
    ],
)
def test_a_truth_without_a_clear_meaning_is_refused_with_what_was_seen(
    tmp_path: Path, stored, words
):
    PIL.Image.fromarray(stored).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError) as error:
        read_truth(tmp_path / "mask.png", prediction(LABELS))
    assert words in str(error.value)
    assert "--" not in str(error.value)  # options of the command line mean nothing in a browser


def test_a_truth_that_is_no_image_is_refused(tmp_path: Path):
    (tmp_path / "mask.png").write_text("no image")
    with pytest.raises(DatasetError, match=r"mask\.png .*Export it"):
        read_truth(tmp_path / "mask.png", prediction(LABELS))
