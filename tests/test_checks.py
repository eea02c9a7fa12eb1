"""One fault at a time is planted in a drawn data set: it is found, named, and left out by --fix."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from demo.synthetic import Drawing, fluorescence_nuclei
from train.checks.inspection import PairSummary, inspect, note_places
from train.checks.problems import Problem, find_problems, refuse_errors, seen_in
from train.checks.seen import describe_changes, look_again
from train.cli.check import run
from train.config import TrainingConfig
from unet_hf.data.open import open_data
from unet_hf.data.pair_error import PairError, cell_fault
from unet_hf.errors import DatasetError

from .conftest import ROOT
from .processes import forked_python

SIZE, CROP = 96, 40
TRAIN, VALIDATION = 6, 3
DRAWINGS = [fluorescence_nuclei(SIZE, 12, seed) for seed in range(TRAIN + VALIDATION)]


class Planted:
    """A data set in a folder, and the ways to spoil it. Rows are named "split/number"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = {"train": range(TRAIN), "validation": range(VALIDATION)}
        folder.mkdir()
        self.write_labels("background", "nucleus")
        drawings = iter(DRAWINGS)
        for split, numbers in self.rows.items():
            lines = [self.line(number) for number in numbers]
            for number in numbers:
                self.write(f"{split}/{number}", next(drawings))
            self.write_metadata(split, lines)

    @staticmethod
    def line(number: int) -> dict:
        kinds = {"file_name": "images", "mask_file_name": "masks"}
        kinds["instances_file_name"] = "instances"
        return {key: f"{kind}/{number}.png" for key, kind in kinds.items()} | {"slide": number}

    def file(self, kind: str, row: str) -> Path:
        split, number = row.split("/")
        path = self.folder / split / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, row: str, drawing: Drawing) -> None:
        self.save("images", row, drawing.image)
        self.save("masks", row, drawing.label)
        self.save("instances", row, drawing.instances.astype(np.uint16))

    def save(self, kind: str, row: str, pixels: np.ndarray) -> None:
        PIL.Image.fromarray(pixels).save(self.file(kind, row))

    def load(self, kind: str, row: str) -> np.ndarray:
        return np.array(PIL.Image.open(self.file(kind, row)))

    def change(self, kind: str, row: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self.save(kind, row, change(self.load(kind, row)))

    def copy(self, kind: str, row: str, to: str) -> None:
        self.file(kind, to).write_bytes(self.file(kind, row).read_bytes())

    def copy_row(self, row: str, to: str) -> None:
        for kind in ("images", "masks", "instances"):
            self.copy(kind, row, to)

    def cut_off(self, kind: str, row: str) -> None:
        path = self.file(kind, row)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def all(self, split: str) -> list[str]:
        return [f"{split}/{number}" for number in self.rows[split]]

    def write_labels(self, *names: str) -> None:
        labels = {str(number): name for number, name in enumerate(names)}
        (self.folder / "id2label.json").write_text(json.dumps(labels))

    def metadata(self, split: str) -> list[dict]:
        text = (self.folder / split / "metadata.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def write_metadata(self, split: str, lines: list[dict]) -> None:
        (self.folder / split).mkdir(parents=True, exist_ok=True)
        (self.folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))

    def change_line(self, row: str, **values: object) -> None:
        split, number = row.split("/")
        lines = self.metadata(split)
        lines[int(number)] |= values
        self.write_metadata(split, lines)

    def digest(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "data")


def problems_of(folder: Path, **options: object) -> list[Problem]:
    data = open_data(TrainingConfig(dataset_name=str(folder), output_dir="unused", **options))
    return find_problems(data, inspect(data, 2000), CROP)


def check(*arguments: object) -> int:
    return run([*map(str, arguments), "--resolution", str(CROP)])


# ---------------------------------------------------------------- the faults, one by one


@dataclass(frozen=True)
class Fault:
    plant: Callable[[Planted], object]
    code: str
    severity: str
    where: tuple[str, ...]
    fixable: bool = False
    also: tuple[str, ...] = ()  # what else follows from it


def a_square_of_class_2(row: str, side: int) -> Callable[[Planted], None]:
    def plant(data: Planted) -> None:
        label = data.load("masks", row)
        label[:side, :side] = 2
        data.save("masks", row, label)
        instances = data.load("instances", row)
        instances[:side, :side] = 99
        data.save("instances", row, instances)
        data.write_labels("background", "nucleus", "crystal")

    return plant


def no_objects(split: str) -> Callable[[Planted], None]:
    def plant(data: Planted) -> None:
        for row in data.all(split):
            for kind in ("masks", "instances"):
                data.change(kind, row, np.zeros_like)

    return plant


def not_a_number(data: Planted) -> None:
    """Float images throughout, one of which holds infinity; NaN, in another, is no fault."""
    for split, numbers in data.rows.items():
        for number in numbers:
            pixels = data.load("images", f"{split}/{number}").astype(np.float32)
            if (split, number) == ("train", 1):
                pixels[3, 4] = np.inf
            if (split, number) == ("train", 0):
                pixels[3, 4] = np.nan
            path = data.file("images", f"{split}/{number}").with_suffix(".tif")
            tifffile.imwrite(path, pixels)
            data.change_line(f"{split}/{number}", file_name=f"images/{number}.tif")


def small(data: Planted) -> None:
    for kind in ("images", "masks", "instances"):
        data.change(kind, "train/0", lambda pixels: pixels[30:48, 20:90])


def masks_of_two_people(data: Planted) -> None:
    data.copy_row("train/1", to="train/4")
    data.change("masks", "train/4", lambda label: np.maximum(label, np.tri(SIZE, dtype=np.uint8)))
    data.save("instances", "train/4", data.load("masks", "train/4").astype(np.uint16))


def inverted_masks(data: Planted) -> None:
    for row in ("train/0", "train/1"):
        data.change("masks", row, lambda label: (label == 0).astype(label.dtype))


def unlabelled_validation(data: Planted) -> None:
    data.change("masks", "train/0", lambda label: np.where(np.eye(SIZE), np.uint8(255), label))
    for row in data.all("validation"):
        data.change("masks", row, lambda label: np.full_like(label, 255))


def one_row(data: Planted) -> None:
    data.write_metadata("train", data.metadata("train")[:1])


def empty_row(data: Planted) -> None:
    data.change("masks", "train/3", np.zeros_like)
    data.change("instances", "train/3", np.zeros_like)


FAULTS = {
    "an image that is no image": Fault(
        lambda data: data.file("images", "train/2").write_bytes(b"<html>not found</html>"),
        "image-unreadable", "error", ("train/2",), fixable=True),
    "an image cut off": Fault(
        lambda data: data.cut_off("images", "validation/1"),
        "image-unreadable", "error", ("validation/1",), fixable=True),
    "an image that is not there": Fault(
        lambda data: data.file("images", "train/2").unlink(),
        "image-missing", "error", ("train/2",), fixable=True),
    "a mask cut off": Fault(
        lambda data: data.cut_off("masks", "train/5"),
        "mask-unreadable", "error", ("train/5",), fixable=True),
    "a row without a mask": Fault(
        lambda data: data.change_line("train/5", mask_file_name=None),
        "mask-missing", "error", ("train/5",), fixable=True),
    "instances that are not there": Fault(
        lambda data: data.file("instances", "validation/0").unlink(),
        "instances-missing", "error", ("validation/0",), fixable=True),
    "a mask of another size": Fault(
        lambda data: data.change("masks", "train/1", lambda label: label[:50]),
        "sizes-differ", "error", ("train/1",), fixable=True),
    "instances of another size": Fault(
        lambda data: data.change("instances", "train/1", lambda ids: ids[:, :50]),
        "sizes-differ", "error", ("train/1",), fixable=True),
    "a value without a class": Fault(
        lambda data: data.change("masks", "validation/2", lambda label: label * 7),
        "mask-values", "error", ("validation/2",)),
    "infinity": Fault(
        not_a_number, "image-not-finite", "error", ("train/1",), fixable=True),
    "one file as image and mask": Fault(
        lambda data: data.save("images", "train/3", data.load("masks", "train/3")),
        "mask-is-image", "error", ("train/3",)),
    "an image of one gray value": Fault(
        lambda data: data.change("images", "train/0", lambda pixels: np.full_like(pixels, 9)),
        "image-constant", "warning", ("train/0",), fixable=True),
    "a mask ignored throughout": Fault(
        lambda data: data.change("masks", "train/4", lambda label: np.full_like(label, 255)),
        "mask-ignored", "warning", ("train/4",), fixable=True),
    "inverted masks": Fault(
        inverted_masks, "mask-inverted", "warning", ("train/0", "train/1"),
        also=("instances-contradict",)),
    "an empty mask": Fault(empty_row, "mask-empty", "warning", ("train/3",)),
    "instances of another image": Fault(
        lambda data: data.copy("instances", "train/1", to="train/3"),
        "instances-contradict", "warning", ("train/3",)),
    "an image smaller than half a crop": Fault(small, "image-small", "warning", ("train/0",)),
    "one image to train on": Fault(one_row, "few-images", "warning", ()),
    "no object to train on": Fault(
        no_objects("train"), "one-class", "error", tuple(f"train/{i}" for i in range(5)),
        also=("mask-empty",)),
    "no object to evaluate on": Fault(
        no_objects("validation"), "one-class", "error",
        tuple(f"validation/{i}" for i in range(3)), also=("mask-empty",)),
    "nothing labelled to evaluate on": Fault(
        unlabelled_validation, "nothing-labelled", "error", (), also=("mask-ignored",)),
    "a validation image trained on": Fault(
        lambda data: data.copy_row("validation/2", to="train/4"),
        "image-in-both-splits", "error", ("train/4",), fixable=True),
    "a row twice": Fault(
        lambda data: data.copy_row("train/1", to="train/4"),
        "image-twice", "warning", ("train/4",), fixable=True),
    "an image with two masks": Fault(
        masks_of_two_people, "image-twice-masks-differ", "error", ("train/1", "train/4")),
    "an RGB image among gray ones": Fault(
        lambda data: data.change("images", "train/2", lambda gray: np.stack([gray] * 3, -1)),
        "channels-differ", "error", ("train/2",)),
    "a 16-bit image among others": Fault(
        lambda data: data.change("images", "train/2", lambda gray: gray.astype(np.uint16) * 257),
        "dtypes-differ", "warning", ("train/2",)),
    "a class that nobody drew": Fault(
        lambda data: data.write_labels("background", "nucleus", "crystal"),
        "class-without-pixels", "warning", ()),
    "a class to evaluate on alone": Fault(
        a_square_of_class_2("validation/1", 20), "class-only-in-validation", "warning", ()),
    "a class in one corner": Fault(
        a_square_of_class_2("train/1", 4), "class-rare", "warning", ("train/1",),
        also=("class-not-in-validation",)),
    "a class that is not evaluated": Fault(
        a_square_of_class_2("train/1", 40), "class-not-in-validation", "warning", ()),
}  # fmt: skip


def test_a_sound_data_set_has_no_problems(planted):
    assert problems_of(planted.folder) == []
    assert problems_of(planted.folder, streaming=True) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_named(planted, fault):
    fault.plant(planted)
    problems = problems_of(planted.folder)
    assert {problem.code for problem in problems} == {fault.code, *fault.also}
    found = next(problem for problem in problems if problem.code == fault.code)
    assert (found.severity, found.where, found.fixable) == (
        fault.severity, fault.where, fault.fixable,
    )  # fmt: skip
    text = str(found)
    assert text.startswith(f"{fault.severity}: ")
    assert text.endswith(".")
    assert all(place in text for place in fault.where)
    assert any(character.isdigit() for character in found.what)
    assert check("--dataset_name", planted.folder) == int(found.severity == "error")


@pytest.mark.parametrize(
    ("split", "purpose"), [("train", "train on"), ("validation", "evaluate on")]
)
def test_a_split_of_one_class_is_called_by_what_it_is_for(planted, split, purpose):
    no_objects(split)(planted)
    (found,) = (problem for problem in problems_of(planted.folder) if problem.code == "one-class")
    assert f"pixels to {purpose} " in found.what


FIXABLE = {name: fault for name, fault in FAULTS.items() if fault.fixable}


@pytest.mark.parametrize("fault", FIXABLE.values(), ids=FIXABLE)
def test_fix_writes_a_copy_without_the_fault(planted, fault, tmp_path, capsys):
    fault.plant(planted)
    before = planted.digest()
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 0
    assert planted.digest() == before
    said = capsys.readouterr().out
    assert f"left out, {fault.code}: {fault.where[0]}\n" in said
    assert problems_of(tmp_path / "copy") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_fix_leaves_out_every_fault_at_once_and_keeps_the_rest_to_the_pixel(planted, tmp_path):
    planted.cut_off("images", "train/0")
    planted.copy_row("validation/2", to="train/1")
    planted.copy_row("validation/2", to="validation/0")
    planted.change("masks", "train/3", lambda label: label[:9])
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "a" / "copy") == 0

    copy = open_data(TrainingConfig(dataset_name=str(tmp_path / "a" / "copy"), output_dir="unused"))
    for split, pairs, kept in (
        ("train", copy.train, [2, 4, 5]),
        ("validation", copy.validation, [0, 1]),
    ):
        assert [pair.extras["slide"] for pair in pairs] == kept
        for pair, number in zip(pairs, kept, strict=True):
            row = f"{split}/{number}"
            assert np.array_equal(pair.image.pixels[..., 0], planted.load("images", row))
            assert np.array_equal(pair.label, planted.load("masks", row))
            assert np.array_equal(pair.instances, planted.load("instances", row))
    assert copy.id2label == {"0": "background", "1": "nucleus"}


def test_fix_writes_class_ids_whatever_the_masks_were(planted, tmp_path):
    """Colours, rare file formats, names that collide, one split for both, much that is ignored."""
    black, red, gray = (0, 0, 0), (200, 0, 0), (90, 90, 90)
    lines = []
    for number in range(TRAIN):
        row = f"train/{number}"
        label = planted.load("masks", row)
        label[30:] = 2
        planted.save("masks", row, np.array([black, red, gray], np.uint8)[label])
        image = planted.file("images", row)
        folder = image.parent / str(number % 2)
        folder.mkdir(exist_ok=True)
        PIL.Image.open(image).save(folder / f"slide {number // 2}.tga")
        lines.append(
            {"file_name": f"images/{number % 2}/slide {number // 2}.tga",
             "mask_file_name": f"masks/{number}.png"}
        )  # fmt: skip
    (planted.folder / "validation" / "metadata.jsonl").unlink()
    for file in (planted.folder / "validation").rglob("*.png"):
        file.unlink()
    planted.write_metadata("train", lines)
    colors = json.dumps({"#000000": 0, "#c80000": 1, "#5a5a5a": 255})
    code = check("--dataset_name", planted.folder, "--label_colors", colors,
                 "--fix", tmp_path / "copy")  # fmt: skip
    assert code == 0
    masks = sorted((tmp_path / "copy").rglob("masks/*.png"))
    assert len(masks) == TRAIN
    assert {path.parent.parent.name for path in masks} == {"train", "validation"}
    for path in masks:
        assert np.unique(np.array(PIL.Image.open(path))).tolist() == [0, 1, 255]
    assert problems_of(tmp_path / "copy", ignore_index=255) == []


def test_fix_writes_nothing_where_it_would_throw_away_what_may_be_right(planted, tmp_path, capsys):
    FAULTS["a value without a class"].plant(planted)
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 1
    assert "mask-values validation/2" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_fix_says_what_is_left_to_do(planted, tmp_path, capsys):
    FAULTS["an RGB image among gray ones"].plant(planted)
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 1
    assert capsys.readouterr().out.count("error: The images have different numbers") == 2


# ---------------------------------------------------------------- the command


def test_options_that_cannot_be_used_end_with_status_2(planted, tmp_path, capsys):
    before = planted.digest()
    for arguments, words in (
        (["--dataset_name", planted.folder, "--fix", planted.folder], "exists already"),
        (["--dataset_name", planted.folder, "--fix", tmp_path / "x", "--streaming"], "--streaming"),
        ([], "--dataset_name is missing"),
    ):
        assert check(*arguments) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        check("--no-such-option")
    assert stopped.value.code == 2
    assert planted.digest() == before
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("streaming", [False, True])
def test_json_holds_findings_shares_and_problems(planted, capsys, streaming):
    planted.cut_off("images", "train/2")
    code = check("--dataset_name", planted.folder, "--json", "--streaming", streaming)
    report = json.loads(capsys.readouterr().out)
    assert code == 1
    assert any("values 0-1 read as class ids" in finding for finding in report["findings"])
    train = report["train"]
    assert (train["looked_at"], train["readable"]) == (TRAIN, TRAIN - 1)
    assert train["images"] == (None if streaming else TRAIN)
    assert (train["sizes"], train["channels"], train["dtypes"]) == ([[SIZE, SIZE]], [1], ["uint8"])
    labels = np.stack(
        [planted.load("masks", row) for row in planted.all("train") if row[-1] != "2"]
    )
    assert train["shares"]["nucleus"] == pytest.approx(labels.mean(), abs=1e-6)
    (problem,) = report["problems"]
    assert (problem["code"], problem["where"]) == ("image-unreadable", ["train/2"])


def test_a_data_set_that_cannot_be_opened_is_an_error_line_and_json(planted, capsys):
    for row in planted.all("train"):
        planted.cut_off("masks", row)
    assert check("--dataset_name", planted.folder) == 1
    assert "error: No mask of train can be read" in capsys.readouterr().out
    assert check("--dataset_name", planted.folder, "--json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["severity"] == "error"


def test_the_command_line_prints_nothing_but_json(planted):
    done = subprocess.run(
        [*forked_python(), "-m", "train", "check", "--dataset_name", planted.folder, "--json",
         "--resolution", str(CROP)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []


# ---------------------------------------------------------------- before a training


def test_a_training_is_refused_with_every_error_and_its_cure(planted):
    planted.cut_off("images", "train/2")
    planted.change("masks", "train/1", lambda label: label[:50])
    planted.copy_row("train/4", to="train/5")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    with pytest.raises(DatasetError) as refused:
        refuse_errors(data, inspect(data, 2000), CROP, "train check")
    message = str(refused.value)
    for words in (
        "train/2",
        "train/1",
        "Export it again",
        "Pair them again",
        "train check",
        "--fix",
    ):
        assert words in message
    assert "repeat" not in message  # a warning


def test_warnings_do_not_stop_a_training(planted):
    planted.copy_row("train/4", to="train/5")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    (warning,) = refuse_errors(data, inspect(data, 2000), CROP, "train check")
    assert str(warning).startswith("warning: 1 row of 6 repeat")


@pytest.mark.parametrize(("images", "severity"), [(100, "warning"), (99, "error")])
def test_few_enough_leaked_images_cannot_move_the_score_and_are_a_warning(
    planted, images, severity
):
    planted.copy_row("validation/0", to="train/4")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    inspection = inspect(data, 2000)
    others = [
        replace(inspection.validation[1], name=f"{number}", digest=number.to_bytes(16, "big"))
        for number in range(images - 1)
    ]
    inspection.validation[1:] = others
    (leak,) = find_problems(data, inspection, CROP)
    assert (leak.code, leak.severity, leak.where) == (
        "image-in-both-splits",
        severity,
        ("train/4",),
    )


def test_a_file_out_of_reach_is_not_taken_for_a_missing_one():
    remote = {"bytes": None, "path": "zip://1.png::hf://datasets/org/name/data.zip"}
    with pytest.raises(PairError) as error, cell_fault("image", remote):
        raise DatasetError("the network is down")
    assert error.value.code == "image-unreachable"


def test_other_numbers_of_the_same_foreground_are_other_data(planted):
    """A network that parts objects is taught something else by them."""

    def seen():
        data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
        notes = seen_in(data, inspect(data, 2000))
        assert look_again(data, 2000, {}) == notes
        return notes

    before = seen()
    assert describe_changes(before, seen()) == ""
    numbered = planted.load("instances", "train/0")
    planted.change("instances", "train/0", lambda ids: np.minimum(ids, 1))
    assert describe_changes(before, seen()) == "changed: the mask of train/0"
    planted.save("instances", "train/0", numbered)
    assert seen() == before


def test_changed_data_is_said_by_name():
    before = {"train": [["a/1", "x", "m"], ["a/2", "x", "m"]], "validation": [["a/3", "x", "m"]]}
    now = {"train": [["a/1", "y", "m"], ["a/2", "x", "n"]], "validation": [["a/4", "x", "m"]]}
    words = "changed: the image of a/1, the mask of a/2; missing: a/3; new: a/4"
    assert describe_changes(before, now) == words
    turned = before | {"train": before["train"][::-1]}
    assert describe_changes(before, turned) == "another order, or others of them are held back"
    twice = {"train": [["a/1", "x", "m"]] * 2, "validation": []}
    once = {"train": [["a/1", "x", "m"]], "validation": []}
    assert describe_changes(twice, once) == "changed: the image of a/1, the mask of a/1"


@pytest.mark.parametrize("size", [16, 40, 64, 200])
def test_the_share_of_crops_that_meet_a_class_is_close_to_the_counted_one(size):
    rng = np.random.default_rng(0)
    label = np.zeros((120, 90), np.uint8)
    label[rng.integers(0, 60, 2), rng.integers(0, 90, 2)] = 3
    facts = PairSummary("a", 0, height=120, width=90)
    facts.counts, facts.places = note_places(label)
    assert facts.counts[[0, 3]].tolist() == [120 * 90 - 2, 2]
    meets = [
        (label[top : top + size, left : left + size] == 3).any()
        for top in range(max(120 - size, 0) + 1)
        for left in range(max(90 - size, 0) + 1)
    ]
    assert facts.share_of_crops_with(3, size) == pytest.approx(np.mean(meets), abs=0.15)
    assert facts.share_of_crops_with(2, size) == 0
