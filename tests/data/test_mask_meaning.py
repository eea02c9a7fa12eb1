"""What mask values mean is told by how many pixels have them and where: drawn masks, read back."""

import io
import re

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from unet_hf.data.detect_encoding import IGNORE, RawMask, detect_encoding, read_mask
from unet_hf.errors import DatasetError

SIDE, MASKS = 96, 4
NAMES = {"0": "ground", "1": "cell"}
COLORS = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0]], np.uint8)
LABEL_COLORS = {"#000000": "0", "#00ff00": "1", "#ff0000": "2"}


def ids(seed: int) -> np.ndarray:
    """Nine discs that do not touch, numbered 1 to 9."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(9):
        y, x = 16 + 31 * np.array(divmod(number, 3)) + rng.integers(-3, 4, 2)
        drawn[(rows - y) ** 2 + (columns - x) ** 2 <= rng.integers(6, 11) ** 2] = number + 1
    return drawn


IDS = [ids(seed) for seed in range(MASKS)]
TWO = [np.uint8(drawn > 0) for drawn in IDS]
THREE = [np.where(drawn > 0, 1 + drawn % 2, 0).astype(np.uint8) for drawn in IDS]
LARGE = [np.kron(drawn, np.ones((3, 3), np.uint8)) for drawn in TWO]


def levels(truth: list[np.ndarray], *values: int, dtype: type = np.uint8) -> list[np.ndarray]:
    return [np.array(values, dtype)[drawn] for drawn in truth]


def soft(array: np.ndarray) -> np.ndarray:
    """Twice as large, with edges that are mixtures."""
    size = (2 * array.shape[1], 2 * array.shape[0])
    return np.array(PIL.Image.fromarray(array).resize(size, PIL.Image.BILINEAR))


def twice(truth: list[np.ndarray]) -> list[np.ndarray]:
    return [np.kron(drawn, np.ones((2, 2), np.uint8)) for drawn in truth]


def jpeg(array: np.ndarray, quality: int) -> RawMask:
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, "JPEG", quality=quality)
    return read_mask(file.getvalue())


def strays(masks: list[np.ndarray], *values: int, share: float = 0.002) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        np.where(rng.random(m.shape) < share, rng.choice(values, m.shape), m).astype(m.dtype)
        for m in masks
    ]


def agreement(masks: list, truth: list[np.ndarray], **options) -> tuple[float, str, int]:
    """Share of pixels that are read as drawn, what is said, and the number of classes."""
    stored = [mask if isinstance(mask, RawMask) else read_mask(mask) for mask in masks]
    encoding = detect_encoding(stored, **options)
    pairs = zip(stored, truth, strict=True)
    right = np.mean([np.mean(encoding.decode(mask) == drawn) for mask, drawn in pairs])
    return float(right), encoding.describe(), encoding.num_classes


BLACK_WHITE = levels(TWO, 0, 255)
FOUR_STRAYS = [mask.copy() for mask in BLACK_WHITE]
FOUR_STRAYS[1][1:3, 1:3] = 1


@pytest.mark.parametrize(
    ("masks", "truth", "least", "said"),
    [
        (FOUR_STRAYS, TWO, 0.9998, r"0\.01% of the pixels have other values \(1:"),
        (strays(BLACK_WHITE, 20), TWO, 0.999, "stray pixels"),
        (strays(BLACK_WHITE, *range(1, 8), share=0.01), TWO, 0.998, "stray pixels"),
        ([m * (255 if n % 2 else 1) for n, m in enumerate(TWO)], TWO, 1, "on its own scale"),
        (strays([m * (255 if n % 2 else 1) for n, m in enumerate(TWO)], 7, share=0.001), TWO,
         0.999, "its own scale .* stray pixels"),
        (levels(THREE, 0, 127, 254), THREE, 1, "levels 0, 127, 254 read as classes 0-2"),
        (levels(THREE, 0, 128, 255), THREE, 1, "levels 0, 128, 255 read as classes 0-2"),
        (levels(THREE, 0, 1, 254), THREE, 1, "levels 0, 1, 254 read as classes 0-2"),
        (levels(THREE, 0, 20000, 65000, dtype=np.uint16), THREE, 1, "0, 20000, 65000"),
        ([soft(m) for m in BLACK_WHITE], twice(TWO), 0.995, "have other values .*soft edges"),
        ([soft(m) for m in levels(THREE, 0, 128, 255)], twice(THREE), 0.995, "soft edges"),
        ([jpeg(m, 90) for m in levels(THREE, 0, 128, 255)], THREE, 0.995, "classes 0-2"),
        ([soft(COLORS[m]) for m in THREE], twice(THREE), 0.995, r"% of the pixels have .* nearest"),
        ([jpeg(COLORS[m], 95) for m in twice(THREE)], twice(THREE), 0.999, "losses of JPEG"),
        (IDS, TWO, 1, "9 values up to 9 number objects .*--mask_encoding ids"),
        ([m.astype(np.uint16) * 100 for m in IDS], TWO, 1, "number objects"),
        (levels(TWO, 1, 2), TWO, 1, "they start at 1"),
        (THREE, THREE, 1, "values 0-2 read as class ids"),
    ],
    ids=[
        "four strays", "strays", "strays of many values", "two scales", "two scales and strays",
        "0/127/254", "0/128/255", "0/1/254", "16 bits", "soft", "soft of three", "JPEG of three",
        "soft colours", "JPEG of colours", "instance ids", "instance ids of 16 bits", "1/2", "ids",
    ],
)  # fmt: skip
def test_values_are_read_as_they_were_meant(masks, truth, least, said):
    right, rule, classes = agreement(masks, truth)
    assert right >= least
    assert re.search(said, rule)
    assert classes == max(drawn.max() for drawn in truth) + 1


@pytest.mark.parametrize("middle", [128, 127])
def test_thin_lines_of_a_middle_level_are_a_class_and_no_soft_edges(middle):
    lines = [drawn.copy() for drawn in TWO]
    for drawn in lines:
        drawn[2::31, 4:90] = 2
    truth = levels(lines, 0, 2, 1)
    assert agreement(levels(lines, 0, 255, middle), truth)[::2] == (1, 3)
    colors = np.array([[0, 0, 0], [0, 0, 255], [0, 0, middle]], np.uint8)
    assert agreement([colors[drawn] for drawn in lines], truth)[::2] == (1, 3)


def test_many_values_that_fill_no_area_are_asked_for_and_the_cure_works():
    masks = [soft(mask) for mask in levels(THREE, 0, 30, 60)]
    with pytest.raises(DatasetError, match=r"instance ids or soft edges.*--mask_encoding binary"):
        agreement(masks, twice(THREE))
    truth = [np.uint8(mask > 0) for mask in masks]
    assert agreement(masks, truth, mask_encoding="binary")[::2] == (1, 2)


def test_a_void_of_usual_size_stays_a_void():
    masks = [np.where(drawn == 2, 255, drawn).astype(np.uint8) for drawn in THREE]
    right, rule, classes = agreement(masks, masks)
    assert (right, classes) == (1, 2) and "255 ignored (void" in rule


def test_strokes_that_cross_two_named_classes_lie_in_void():
    row, column = np.mgrid[:SIDE, :SIDE]
    drawn = (row % 19 < 2) | (column % 24 < 2)
    masks = [np.where(drawn, mask, np.uint8(255)) for mask in TWO]
    right, rule, _ = agreement(masks, masks, id2label=NAMES)
    assert right == 1 and "255 ignored (void" in rule


def test_a_stray_one_does_not_make_the_white_of_two_named_classes_void():
    masks = levels(TWO, 0, 255)
    masks[0][0, 0] = 1
    assert agreement(masks, TWO, id2label=NAMES)[0] == 1


def test_names_of_as_many_classes_as_levels_fit():
    three = {str(number): f"kind {number}" for number in range(3)}
    assert agreement(levels(THREE, 0, 128, 255), THREE, id2label=three)[0] == 1
    assert agreement(IDS, TWO, id2label=NAMES)[0] == 1, "two names: objects, not nine classes"
    with pytest.raises(DatasetError, match=r"id2label names 2 classes.*--mask_encoding binary"):
        agreement(levels(THREE, 0, 128, 255), THREE, id2label=NAMES)


def test_what_values_mean_can_be_said():
    assert agreement(IDS, IDS, mask_encoding="ids")[0] == 1
    right, rule, _ = agreement(THREE, TWO, mask_encoding="instances")
    assert right == 1 and "(--mask_encoding instances)" in rule


# ------------------------------------------------------------------ trimaps


def trimap(drawn: np.ndarray, outside: int, border: int, inside: int) -> np.ndarray:
    inner, outer = ndimage.binary_erosion(drawn, iterations=2), ndimage.binary_dilation(drawn)
    return np.where(inner, inside, np.where(outer, border, outside)).astype(np.uint8)


def test_the_thin_border_of_a_trimap_is_unknown():
    masks = [trimap(drawn, 0, 128, 255) for drawn in LARGE]
    truth = [trimap(drawn, 0, IGNORE, 1) for drawn in LARGE]
    right, rule, classes = agreement(masks, truth)
    assert (right, classes) == (1, 2) and "128 ignored" in rule and "trimap" in rule
    pets = [trimap(drawn, 2, 3, 1) for drawn in LARGE]  # Oxford's: pet 1, ground 2
    truth = [trimap(drawn, 1, IGNORE, 0) for drawn in LARGE]
    right, rule, classes = agreement(pets, truth)
    assert (right, classes) == (1, 2) and "3 ignored" in rule


def test_a_level_between_two_others_that_is_no_thin_border_is_asked_for_and_each_cure_works():
    inner = [ndimage.binary_erosion(drawn, iterations=14) for drawn in LARGE]
    nested = [m + np.uint8(i) for m, i in zip(LARGE, inner, strict=True)]
    masks = levels(nested, 0, 128, 255)
    with pytest.raises(DatasetError, match="third class, or the unknown border") as asked:
        agreement(masks, nested)
    cures = dict(re.findall(r"--(\w+) (\w+) \(", str(asked.value)))
    assert cures == {"mask_encoding": "colors", "ignore_index": "128"}
    assert agreement(masks, nested, mask_encoding=cures["mask_encoding"])[0] == 1
    truth = [np.array([0, IGNORE, 1], np.uint8)[drawn] for drawn in nested]
    assert agreement(masks, truth, ignore_index=int(cures["ignore_index"]))[0] == 1


# ------------------------------------------------------------------ unknown


@pytest.mark.parametrize("value", [-1, -100])
def test_minus_1_and_minus_100_are_unknown(value):
    masks = [np.where(drawn == 2, value, drawn.astype(np.int16)) for drawn in THREE]
    truth = [np.where(drawn == 2, IGNORE, drawn) for drawn in THREE]
    right, rule, _ = agreement(masks, truth)
    assert right == 1 and f"{value} ignored (unknown" in rule


def test_another_value_for_unknown_is_named_with_the_option_that_works():
    masks = [np.where(drawn == 2, 65535, drawn.astype(np.uint16)) for drawn in THREE]
    with pytest.raises(DatasetError) as asked:
        agreement(masks, THREE)
    value = int(re.search(r"--ignore_index (\d+)\.", str(asked.value)).group(1))
    truth = [np.where(drawn == 2, IGNORE, drawn) for drawn in THREE]
    assert agreement(masks, truth, ignore_index=value)[0] == 1


# ------------------------------------------------------------------ named colours


def test_soft_edges_of_named_colours_go_to_the_nearest_one_and_it_is_said():
    masks, truth = [soft(COLORS[drawn]) for drawn in THREE], twice(THREE)
    right, rule, _ = agreement(masks, truth, label_colors=LABEL_COLORS)
    assert right > 0.995 and re.search(r"\d\.\d\d% of the pixels have \d+ other colours", rule)


def test_an_area_of_a_colour_without_a_class_is_refused():
    masks = [COLORS[drawn] for drawn in THREE]
    named = {color: LABEL_COLORS[color] for color in ("#000000", "#00ff00")}
    with pytest.raises(DatasetError, match="colours without a class: #ff0000"):
        agreement(masks, THREE, label_colors=named)
    encoding = detect_encoding([read_mask(soft(COLORS[THREE[0]]))], label_colors=LABEL_COLORS)
    later = COLORS[THREE[1]].copy()
    later[40:60, 40:60] = (0, 0, 255)
    with pytest.raises(DatasetError, match="#0000ff"):
        encoding.decode(read_mask(later))
