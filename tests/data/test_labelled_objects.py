"""Labelled data whose masks tell objects apart: the layouts people have, each without an option."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from demo.synthetic import fluorescence_nuclei
from train.checks.inspection import inspect
from train.checks.objects import describe_objects, measure_objects
from train.checks.problems import find_problems
from unet_hf.data.numbered_objects import numbers_objects
from unet_hf.data.open import open_data, open_split
from unet_hf.data.options import DataOptions
from unet_hf.data.pair_error import PairError
from unet_hf.errors import DatasetError

SIDE = 64
DRAWN = [fluorescence_nuclei(SIDE, count, seed=count) for count in (14, 8, 11, 9)]
IDS = [np.unique(drawn.instances, return_inverse=True)[1] for drawn in DRAWN]


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        PIL.Image.fromarray(pixels).save(path)


def paired(folder: Path, image: str, mask: str, masks: list, dtype: type = np.uint16) -> Path:
    """Writes the drawn images with these masks; {} in a name is the image's number."""
    for number, values in enumerate(masks):
        save(folder / image.format(number), DRAWN[number % len(DRAWN)].image)
        save(folder / mask.format(number), values.astype(dtype))
    return folder


def opened(folder: Path, **options):
    return open_data(DataOptions(dataset_name=str(folder), **options))


def all_pairs(folder: Path, **options) -> list:
    data = opened(folder, **options)
    return sorted([*data.train, *data.validation], key=lambda pair: pair.name)


def same_objects(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two maps tell the same objects apart, whatever their numbers are."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    counts = [len(np.unique(side)) for side in (one, other)]
    return counts[0] == counts[1] == pairs.shape[1] and ((one == 0) == (other == 0)).all()


def cellpose(folder: Path) -> None:
    paired(folder, "{}.tif", "{}_masks.tif", IDS)
    (folder / "0_seg.npy").write_bytes(b"a pickle")
    save(folder / "0_flows.tif", DRAWN[0].image)


def cellpose_of_8_bits(folder: Path) -> None:
    paired(folder, "train/{}_img.png", "train/{}_cp_masks.png", IDS, np.uint8)
    paired(folder, "test/{}_img.png", "test/{}_cp_masks.png", IDS, np.uint8)


def stardist(folder: Path) -> None:
    """Ids of 32 bits; in every other mask not consecutive, and beyond 16 bits."""
    ids = [values * (70001 if number % 2 else 1) for number, values in enumerate(IDS)]
    paired(folder, "train/images/{}.tif", "train/masks/{}.tif", ids, np.uint32)


def bowl(folder: Path) -> None:
    """The second nucleus claims pixels of the first."""
    for number, ids in enumerate(IDS):
        place = folder / "stage1_train" / f"id{number}"
        save(place / "images" / f"{number}.png", DRAWN[number].image)
        for one in range(1, ids.max() + 1):
            claimed = ids == one if one != 2 else (ids == 1) | (ids == 2)
            save(place / "masks" / f"{one:02}.png", np.uint8(claimed) * 255)
    save(folder / "stage1_test/x/images/x.png", DRAWN[0].image)


def imagefolder(folder: Path, ids_in: str) -> None:
    masks = IDS if ids_in == "mask" else [ids > 0 for ids in IDS]
    paired(folder, "train/images/{}.png", "train/masks/{}.tif", masks)
    paired(folder, "train/images/{}.png", "train/ids/{}.tif", [ids * 300 for ids in IDS], np.int32)
    keys = {"file_name": "images/{}.png", "mask_file_name": "masks/{}.tif"}
    if ids_in == "column":
        keys["instances_file_name"] = "ids/{}.tif"
    rows = [{key: name.format(n) for key, name in keys.items()} for n in range(len(IDS))]
    (folder / "train/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


LAYOUTS = {
    "cellpose": (cellpose, "ids of the masks"),
    "cellpose of 8 bits": (cellpose_of_8_bits, "ids of the masks"),
    "stardist": (stardist, "ids of the masks"),
    "data science bowl": (bowl, "a mask each"),
    "masks of ids": (lambda folder: imagefolder(folder, "mask"), "ids of the masks"),
    "column of ids": (lambda folder: imagefolder(folder, "column"), "ids of the column"),
}


@pytest.mark.parametrize(("write", "said"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_objects_without_an_option(write, said, tmp_path):
    write(tmp_path)
    data = opened(tmp_path)
    assert data.has_objects and data.objects.startswith(said)
    assert data.num_classes == 2
    pairs = all_pairs(tmp_path)
    streamed = [read() for read in opened(tmp_path, streaming=True).validation.first(9)]
    evaluated = open_split(DataOptions(dataset_name=str(tmp_path)), "train")[0]
    for found in (pairs, list(evaluated), sorted(streamed, key=lambda pair: pair.name)):
        assert len(found) == len(IDS)
        for pair, ids in zip(found, IDS, strict=True):
            assert pair.instances.dtype == np.int32
            assert same_objects(pair.instances, ids)
            assert np.array_equal(pair.label, ids > 0)


def test_more_than_255_objects_keep_their_ids(tmp_path):
    ids = [np.kron(np.arange(n * n).reshape(n, n), np.ones((3, 3))) for n in (20, 21, 22)]
    for number, values in enumerate(ids):
        save(tmp_path / f"{number}.tif", np.pad(values, 2).astype(np.uint8))
        save(tmp_path / f"{number}_masks.tif", np.pad(values, 2).astype(np.uint16))
    for pair, values in zip(all_pairs(tmp_path), ids, strict=True):
        assert np.array_equal(pair.instances, np.pad(values, 2))


def test_pickles_of_cellpose_are_never_read_and_what_to_do_is_said(tmp_path):
    cellpose(tmp_path / "both")
    findings = "\n".join(opened(tmp_path / "both").findings)
    assert "_seg.npy of Cellpose are pickles" in findings
    assert "no partner: 0_flows.tif" in findings
    save(tmp_path / "alone/0.tif", DRAWN[0].image)
    (tmp_path / "alone/0_seg.npy").write_bytes(b"a pickle")
    with pytest.raises(DatasetError, match=r"pickles.*save the masks as PNG or TIFF"):
        opened(tmp_path / "alone")


def test_two_masks_of_one_image_are_an_error(tmp_path):
    paired(tmp_path, "{}.tif", "{}_masks.tif", IDS)
    save(tmp_path / "0_cp_masks.png", IDS[0].astype(np.uint8))
    with pytest.raises(DatasetError, match=r"2 masks called 0: 0_cp_masks\.png, 0_masks\.tif"):
        opened(tmp_path)


# ------------------------------------------------------------------ ids or classes


def cut_in_two(ids: np.ndarray) -> np.ndarray:
    """Takes away the middle row of every second object."""
    ids = ids.copy()
    for one in range(2, ids.max() + 1, 2):
        middle = int(np.nonzero(ids == one)[0].mean())
        ids[middle][ids[middle] == one] = 0
    return ids


def scattered(ids: np.ndarray, seed: int) -> np.ndarray:
    """Gives each object a number that no other mask has."""
    drawn = np.random.default_rng(seed).permutation(10_000)[: ids.max()]
    return np.concatenate([[0], 1 + 10_000 * seed + drawn])[ids]


MANY = np.kron(np.arange(36).reshape(6, 6), np.ones((9, 9), int))  # 35 objects side by side


@pytest.mark.parametrize(
    "planes",
    [
        [cut_in_two(ids) for ids in IDS],
        [scattered(cut_in_two(ids), seed) for seed, ids in enumerate(IDS)],
        [MANY],
    ],
    ids=["in pieces", "numbers of their own, in pieces", "one mask of many"],
)
def test_ids_are_told_from_classes_where_a_single_piece_each_does_not_show_it(planes):
    assert numbers_objects(planes)


def test_maps_of_classes_are_never_taken_for_objects():
    """Cells of a Voronoi diagram, each of a class, with rare and frequent ones."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        masks, cells, classes = rng.integers(1, 8), rng.integers(8, 60), rng.integers(2, 40)
        share = rng.dirichlet(np.full(classes, 0.7))
        planes = []
        for _ in range(masks):
            y, x = rng.integers(0, SIDE, (2, cells, 1, 1))
            nearest = ((rows - y) ** 2 + (columns - x) ** 2).argmin(0)
            planes.append(rng.choice(classes, cells, p=share)[nearest])
        assert not numbers_objects(planes), seed


def test_a_few_objects_are_read_as_classes_and_the_option_that_parts_them_is_said(tmp_path):
    few = [np.where(ids <= 2, ids, 0) for ids in IDS]
    paired(tmp_path, "images/{}.png", "masks/{}.png", few, np.uint8)
    data = opened(tmp_path)
    assert not data.has_objects
    assert any("objects: --mask_encoding instances" in finding for finding in data.findings)
    pairs = all_pairs(tmp_path, mask_encoding="instances")
    assert all(np.array_equal(p.instances, ids) for p, ids in zip(pairs, few, strict=True))


@pytest.mark.parametrize(("value", "dtype"), [(-1, np.int16), (65535, np.uint16)])
def test_ignored_values_are_no_objects(value, dtype, tmp_path):
    ids = [np.where(ids == 3, value, ids) for ids in IDS]
    paired(tmp_path, "{}.tif", "{}_masks.tif", ids, dtype)
    for pair, stored in zip(all_pairs(tmp_path, ignore_index=value), ids, strict=True):
        assert np.array_equal(pair.instances, np.where(stored == value, 0, stored))
        assert (pair.label[stored == value] == 255).all()


def test_a_small_split_is_evaluated_as_the_training_split_is_read(tmp_path):
    paired(tmp_path, "train/{}.tif", "train/{}_masks.tif", IDS)
    paired(tmp_path, "val/{}.tif", "val/{}_masks.tif", IDS[:1])
    pairs, names = open_split(DataOptions(dataset_name=str(tmp_path)), "validation")
    assert len(names) == 2
    assert np.array_equal(pairs[0].instances, IDS[0])


def test_ids_that_do_not_fit_are_refused(tmp_path):
    imagefolder(tmp_path, "column")
    save(tmp_path / "train/ids/2.tif", IDS[2].astype(np.uint32) * 2**28)
    with pytest.raises(PairError, match="up to 2147483647 are expected") as raised:
        all_pairs(tmp_path)
    assert raised.value.code == "instances-unreadable"


# ------------------------------------------------------------------ what is said, and what is asked


def test_the_plan_counts_and_measures_the_objects(tmp_path):
    """Two squares of 10 px that touch, and one of 4 px: pi/4 d^2 is their area."""
    ids = np.zeros((SIDE, SIDE), np.uint16)
    ids[10:20, 10:20], ids[10:20, 20:30], ids[40:44, 40:44] = 1, 2, 3
    paired(tmp_path, "images/{}.png", "masks/{}.png", [ids > 0] * 4, np.uint8)
    paired(tmp_path / "ids", "images/{}.png", "masks/{}.png", [ids] * 4)
    data = opened(tmp_path / "ids", mask_encoding="instances")
    inspection = inspect(data, 10)
    expected = {"count": 9, "touching": 6, "diameter": [4.5, 11.3, 11.3]}
    assert measure_objects(inspection.train) == expected
    assert describe_objects(data, inspection, "auto") == [
        "ids of the masks, 9 in 3 images; the network learns to part them (--objects none to "
        "leave it)",
        "6 (67%) touch another; diameter 4.5 to 11.3 px, median 11.3",
    ]
    classes = opened(tmp_path)
    assert not classes.has_objects
    assert "masks hold classes (--objects components" in describe_objects(
        classes, inspection, "auto"
    )[0]  # fmt: skip


def test_connected_pieces_are_objects_when_asked_for_and_ids_are_not_learned_when_not(tmp_path):
    imagefolder(tmp_path, "column")
    data = opened(tmp_path, objects="components")
    assert data.objects == "4-connected pieces of each class"
    from scipy import ndimage

    for pair in data.train:
        assert same_objects(pair.instances, ndimage.label(pair.label)[0])
    none = opened(tmp_path, objects="none")
    assert not none.has_objects
    assert none.train[0].instances is not None  # the border weights still see them
    assert describe_objects(none, inspect(none, 9), "none") == ["not learned (--objects none)"]


def test_rows_without_ids_are_named_with_the_option_that_trains_without(tmp_path):
    imagefolder(tmp_path, "column")
    file = tmp_path / "train/metadata.jsonl"
    file.write_text(file.read_text().replace('"ids/2.tif"', "null"))
    data = opened(tmp_path)
    (problem,) = (p for p in find_problems(data, inspect(data, 9), 32) if p.severity == "error")
    assert (problem.code, problem.where) == ("instances-missing", ("train/2",))
    assert "train without ids: --instance_column none" in problem.cure


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_of_classes_among_masks_of_ids_is_refused_and_said_if_ids_are_asked_for(
    value, tmp_path
):
    squares = np.arange(SIDE) // 6 % 2 == 0
    classes = np.where(np.outer(squares, squares), value, 0)
    paired(tmp_path, "{}.tif", "{}_masks.tif", [*IDS[:3], classes])
    with pytest.raises(DatasetError, match=r"number their objects \(3 .* for all objects \(1\)"):
        opened(tmp_path)
    data = opened(tmp_path, mask_encoding="instances")
    problems = find_problems(data, inspect(data, 9), 32)
    assert ("objects-in-pieces", 1) in [(problem.code, problem.count) for problem in problems]
