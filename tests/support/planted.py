"""A drawn data set, and the faults that can be planted in it, one at a time."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from demo.synthetic import Drawing, fluorescence_nuclei
from train.checks.inspection import inspect
from train.checks.problems import Problem, find_problems
from train.cli.check import run
from train.config import TrainingConfig
from unet_hf.data.open import open_data

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


def problems_of(folder: Path, **options: object) -> list[Problem]:
    data = open_data(TrainingConfig(dataset_name=str(folder), output_dir="unused", **options))
    return find_problems(data, inspect(data, 2000), CROP)


def check(*arguments: object) -> int:
    return run([*map(str, arguments), "--resolution", str(CROP)])


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
