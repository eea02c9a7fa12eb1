"""Pairs a folder of images and a folder of masks without metadata by file name."""

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError
from ..images.suffixes import PAIRED_SUFFIXES

if TYPE_CHECKING:
    import datasets  # slow to import, so only where it is used

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
IMAGE_FOLDERS = {"image", "images", "img", "imgs"}
MASK_FOLDERS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "gt", "segmentation",
    "segmentations",
}  # fmt: skip
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
MASK_SUFFIX = re.compile(r"[_-](masks?|seg|segmentation|labels?|gt|annotations?)$", re.IGNORECASE)
IMAGE_SUFFIX = re.compile(r"[_-](images?|imgs?|volumes?|stacks?|raw)$", re.IGNORECASE)


def looks_paired(root: Path) -> bool:
    """Whether `root`, or a folder in it, holds folders of images and of masks."""
    return any(all(_roles(folder)) for folder in (root, *_folders(root)))


def find_pairs(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Finds splits with the columns image and mask; returns them and what was inferred, in words.

    images/ and masks/ are in `root` (with or without folders of splits inside), or in a folder
    for each split. Raises `DatasetError` where the pairs are not clear.
    """
    if not looks_paired(root) and (beside := _pair_side_by_side(root)):
        return beside
    splits, findings = _find_splits(root)
    found = {}
    for split, (images, masks) in splits.items():
        pairs = _pair(images, masks)
        found[split] = _table(pairs)
        findings.append(
            f"{split}: {len(pairs)} files of {images.relative_to(root)}/ and "
            f"{masks.relative_to(root)}/ paired by name"
        )
    return found, findings


def _table(pairs: list[tuple[Path, Path]]) -> "datasets.Dataset":
    import datasets

    features = datasets.Features({"image": datasets.Image(), "mask": datasets.Image()})
    columns = {
        "image": [str(image) for image, _ in pairs],
        "mask": [str(mask) for _, mask in pairs],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def _pair_side_by_side(root: Path) -> tuple[dict[str, Any], list[str]] | None:
    """Pairs files of one folder, as train-volume.tif and train-labels.tif; None if none does.

    Names that are those of splits are splits; else all pairs are the split train.
    """
    files = _pictures(root, "*")
    masks = {MASK_SUFFIX.sub("", f.stem): f for f in files if MASK_SUFFIX.search(f.stem)}
    images = {IMAGE_SUFFIX.sub("", f.stem): f for f in files if f not in masks.values()}
    names = sorted(masks.keys() & images.keys())
    if not names:
        return None
    by_split = {}
    known = all(name.lower() in SPLITS for name in names)
    for name in names:
        split = SPLITS[name.lower()] if known else "train"
        by_split.setdefault(split, []).append((images[name], masks[name]))
    findings = [
        f"{split}: {image.name} and {mask.name} paired by name" + more
        for split, pairs in by_split.items()
        for (image, mask), *others in [pairs]
        for more in [f", and {len(others)} more pairs" if others else ""]
    ]
    alone = sorted(f.name for name, f in {**masks, **images}.items() if name not in names)
    if alone:
        findings.append(f"left out, as they have no partner: {', '.join(alone[:5])}")
    return {split: _table(pairs) for split, pairs in by_split.items()}, findings


def _find_splits(root: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Finds the folders of images and masks of each split, and what was inferred."""
    images, masks = _roles(root)
    findings = []
    if images and masks:
        inside = {_split_name(folder): folder for folder in _folders(images)}
        if not inside or not set(inside) <= set(SPLITS.values()) or _pictures(images, "*"):
            return {"train": (images, masks)}, ["one split, train: there are no folders of splits"]
        partners = {_split_name(folder): folder for folder in _folders(masks)}
        found = {s: (folder, partners[s]) for s, folder in inside.items() if s in partners}
        missing = [split for split in inside if split not in partners]
    else:
        found, missing = {}, []
        for folder in _folders(root):
            images, masks = _roles(folder)
            if images and masks:
                if _split_name(folder) in found:
                    raise DatasetError(f"{root} has two folders of the split {folder.name}.")
                found[_split_name(folder)] = (images, masks)
            elif images:
                missing.append(_split_name(folder))
    if not found:
        raise DatasetError(
            f"{root} holds no data set: neither metadata.jsonl, nor .parquet files, nor folders "
            "images/ and masks/, nor files like train-volume.tif and train-labels.tif were found "
            "in it. Add metadata.jsonl with file_name and "
            "mask_file_name, one row an image."
        )
    if missing:
        findings.append(f"left out, as they have no masks: {', '.join(missing)}")
    order = [*dict.fromkeys(SPLITS.values()), *sorted(found)]
    return {split: found[split] for split in dict.fromkeys(order) if split in found}, findings


def _roles(folder: Path) -> tuple[Path | None, Path | None]:
    """Finds the folder of images and the folder of masks in a folder; None if missing."""
    roles = []
    for what, names in (("images", IMAGE_FOLDERS), ("masks", MASK_FOLDERS)):
        found = [inner for inner in _folders(folder) if inner.name.lower() in names]
        # A folder of polygons or boxes (.txt, .json) beside one of masks does not count.
        if len(found) > 1:
            found = [inner for inner in found if _pictures(inner)]
        if len(found) > 1:
            raise DatasetError(
                f"{folder} has several folders that may hold the {what}: "
                f"{', '.join(inner.name for inner in found)}. Move all but one away, or add a "
                "metadata.jsonl with file_name and mask_file_name."
            )
        roles.append(found[0] if found else None)
    return roles[0], roles[1]


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _split_name(folder: Path) -> str:
    return SPLITS.get(folder.name.lower(), folder.name)


def _pictures(folder: Path, pattern: str = "**/*") -> list[Path]:
    return sorted(
        file
        for file in folder.glob(pattern)
        if file.suffix.lower() in PAIRED_SUFFIXES
        and not file.name.startswith(".")
        and file.is_file()
    )


def _pair(image_folder: Path, mask_folder: Path) -> list[tuple[Path, Path]]:
    """Pairs files by their subfolder and stem, if need be without suffixes such as "_mask"."""
    images, masks = _pictures(image_folder), _pictures(mask_folder)
    for folder, files in ((image_folder, images), (mask_folder, masks)):
        if not files:
            known = ", ".join(sorted(PAIRED_SUFFIXES))
            raise DatasetError(
                f"{folder} holds no pictures ({known}). Masks have to be "
                "pictures of class ids: draw polygons or boxes into PNG files first."
            )

    def index(folder: Path, files: list[Path], suffix: re.Pattern | None) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for file in files:
            stem = suffix.sub("", file.stem) if suffix else file.stem
            found[(file.parent.relative_to(folder) / stem).as_posix()].append(file)
        return found

    # Suffixes are removed only if the names differ: "a_seg" may be a whole name.
    by_name, partners = index(image_folder, images, None), index(mask_folder, masks, None)
    if set(by_name) != set(partners):
        by_name = index(image_folder, images, IMAGE_SUFFIX)
        partners = index(mask_folder, masks, MASK_SUFFIX)
    names = sorted({*by_name, *partners})
    problems = [
        f"{name} ({len(by_name.get(name, ()))} images, {len(partners.get(name, ()))} masks)"
        for name in names
        if not len(by_name.get(name, ())) == len(partners.get(name, ())) == 1
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DatasetError(
            f"{image_folder} and {mask_folder} do not pair by name, one mask an image: "
            f"{', '.join(problems[:5])}{more}. Rename or remove these files, or list the pairs in "
            "a metadata.jsonl with file_name and mask_file_name."
        )
    return [(by_name[name][0], partners[name][0]) for name in names]
