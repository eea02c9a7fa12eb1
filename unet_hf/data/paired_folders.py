"""Pairs images and masks without metadata by the names of their files and folders."""

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError
from ..images.suffixes import PAIRED_SUFFIXES
from ..words import number_of

if TYPE_CHECKING:
    import datasets  # slow to import, so only where it is used

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
IMAGE_FOLDERS = {"image", "images", "img", "imgs"}
MASK_FOLDERS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "gt", "segmentation",
    "segmentations", "groundtruth", "ground_truth", "ground-truth", "ground truth",
    "manual", "manual1", "1st_manual",  # vessels of the retina: DRIVE, HRF
}  # fmt: skip
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
MASK_SUFFIX = re.compile(
    r"[_-]((cp[_-])?masks?|seg|segmentation|labels?|gt|annotations?)$", re.IGNORECASE
)
IMAGE_SUFFIX = re.compile(r"[_-](images?|imgs?|volumes?|stacks?|raw)$", re.IGNORECASE)
MOST_NAMED = 8  # folders, or splits, in an error
# 21_training.tif and 21_manual1.gif of DRIVE
RETINA_SUFFIXES = (re.compile(r"_(training|test)$"), re.compile(r"_manual1$"))
NUMBER = re.compile(r"[_-]\d+$")  # of another mask of the same image
HIDDEN = (".", "@eaDir", "__MACOSX")  # what programs and systems leave beside pictures
CELLPOSE_PICKLE = "_seg.npy"  # written by Cellpose's window beside each image
PICKLE_CURE = (
    f"Files *{CELLPOSE_PICKLE} of Cellpose are pickles, which can run programs, and are not read: "
    "save the masks as PNG or TIFF files in Cellpose (File menu)"
)


def looks_paired(root: Path) -> bool:
    """Whether `root`, or a folder in it, holds folders of images and of masks."""
    return any(all(_roles(folder)) for folder in (root, *folders_in(root)))


def find_pairs(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Finds splits with the columns image and mask; returns them and what was inferred, in words.

    images/ and masks/ are in `root` (with or without folders of splits inside), or in a folder
    for each split. Or images and masks lie side by side. Raises `DatasetError` where the pairs
    are not clear.
    """
    if not looks_paired(root) and (beside := _pair_side_by_side(root)):
        return beside
    splits, findings = _find_splits(root)
    found = {}
    for split, (images, masks) in splits.items():
        pairs = _pair(images, masks)
        found[split] = table_of_pairs(pairs)
        findings.append(
            f"{split}: {len(pairs)} files of {images.relative_to(root)}/ and "
            f"{masks.relative_to(root)}/ paired by name"
        )
        if images.parent == masks.parent and (others := _others(images, masks)):
            findings.append(f"{split}: left out, as nothing says what they are: {others}")
    return found, findings


def table_of_pairs(pairs: list[tuple[Path, Path]]) -> "datasets.Dataset":
    """(image, mask) of each row, as columns of these names."""
    import datasets

    features = datasets.Features({"image": datasets.Image(), "mask": datasets.Image()})
    columns = {
        "image": [checked_name(image) for image, _ in pairs],
        "mask": [checked_name(mask) for _, mask in pairs],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def checked_name(file: Path) -> str:
    """Returns the path as text. Raises `DatasetError` if no text is written so."""
    try:
        str(file).encode()
    except UnicodeEncodeError as error:
        shown = str(file).encode(errors="backslashreplace").decode()
        raise DatasetError(
            f"The name of {shown} is not UTF-8, as those of some old archives. Rename the file."
        ) from error
    return str(file)


def _others(images: Path, masks: Path) -> str:
    """Names the folders beside both that hold pictures, too; "" without any."""
    found = [(folder, len(pictures_in(folder))) for folder in folders_in(images.parent)
             if folder not in (images, masks)]  # fmt: skip
    return ", ".join(
        f"{folder.name}/ ({number_of(count, 'picture')})" for folder, count in found if count
    )


def _pair_side_by_side(root: Path) -> tuple[dict[str, Any], list[str]] | None:
    """Pairs files of one folder, as cell.tif and cell_masks.tif; None if none does.

    Names that are those of splits are splits, as train-volume.tif and train-labels.tif; else all
    pairs are the split train. The folder is `root`, or each of the folders of splits in it.
    """
    by_split: dict[str, list[tuple[Path, Path]]] = {}
    pairs, alone = _neighbours(root)
    known = all(name.lower() in SPLITS for name in pairs)
    for name, pair in pairs.items():
        by_split.setdefault(SPLITS[name.lower()] if known else "train", []).append(pair)
    if not pairs:
        for folder in folders_in(root):
            pairs, more = _neighbours(folder)
            if pairs:
                by_split.setdefault(split_name(folder), []).extend(pairs.values())
                alone += more
    if not by_split:
        return None
    findings = [
        f"{split}: {image.name} and {mask.name} paired by name" + more
        for split, pairs in by_split.items()
        for (image, mask), *others in [pairs]
        for more in [f", and {len(others)} more pairs" if others else ""]
    ]
    if alone:
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        findings.append(f"left out, as they have no partner: {', '.join(alone[:5])}{more}")
    if _holds_pickles(root):
        findings.append(PICKLE_CURE)
    return {split: table_of_pairs(pairs) for split, pairs in by_split.items()}, findings


def _neighbours(folder: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Pairs files side by side: name -> (image, mask); and names of files without a partner."""
    masks: dict[str, list[Path]] = defaultdict(list)
    images: dict[str, list[Path]] = defaultdict(list)
    for file in pictures_in(folder, "*"):
        if MASK_SUFFIX.search(file.stem):
            masks[MASK_SUFFIX.sub("", file.stem)].append(file)
        else:
            images[IMAGE_SUFFIX.sub("", file.stem)].append(file)
    names = sorted(masks.keys() & images.keys())
    for name in names:
        if several := next((found for found in (images[name], masks[name]) if found[1:]), None):
            what = "masks" if several is masks[name] else "images"
            raise DatasetError(
                f"{folder} has {len(several)} {what} called {name}: "
                f"{', '.join(file.name for file in several)}. Keep one, and move the others away."
            )
    alone = [file.name for name, files in {**images, **masks}.items() for file in files
             if name not in names]  # fmt: skip
    known = {masks[name][0].stem: masks[name][0] for name in names}
    for file in alone:
        stem = Path(file).stem
        if (first := known.get(NUMBER.sub("", stem))) and stem != first.stem:
            raise DatasetError(
                f"{folder} has two masks of one image: {first.name} and {file}. Merge them, or "
                "give each image a folder with images/ and masks/, a mask for each object."
            )
    return {name: (images[name][0], masks[name][0]) for name in names}, sorted(alone)


def _holds_pickles(root: Path) -> bool:
    return any(True for _ in root.rglob(f"*{CELLPOSE_PICKLE}"))


def _find_splits(root: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Finds the folders of images and masks of each split, and what was inferred."""
    images, masks = _roles(root)
    findings = []
    if images and masks:
        inside = {split_name(folder): folder for folder in folders_in(images)}
        known = {split: inside[split] for split in inside if split in SPLITS.values()}
        if not ({*known} == {*inside} or {"train", "validation"} <= {*known}):
            known = {}  # names such as "test" may be among those of scenes
        if not known or pictures_in(images, "*"):
            return {"train": (images, masks)}, ["one split, train: there are no folders of splits"]
        if others := [inside[name].name for name in inside if name not in known]:
            findings.append(f"left out, as they are no splits: {', '.join(others)}")
        inside = known
        partners = {split_name(folder): folder for folder in folders_in(masks)}
        found = {s: (folder, partners[s]) for s, folder in inside.items() if s in partners}
        missing = [split for split in inside if split not in partners]
    else:
        found, missing = {}, []
        for folder in folders_in(root):
            images, masks = _roles(folder)
            if images and masks:
                if split_name(folder) in found:
                    raise DatasetError(f"{root} has two folders of the split {folder.name}.")
                found[split_name(folder)] = (images, masks)
            elif images:
                missing.append(split_name(folder))
    if not found:
        pickles = f" {PICKLE_CURE}." if _holds_pickles(root) else ""
        raise DatasetError(
            f"{root} holds no data set: neither metadata.jsonl, nor .parquet files, nor folders "
            "images/ and masks/, nor files like train-volume.tif and train-labels.tif were found "
            f"in it, but {_seen_in(root)}. Add metadata.jsonl with file_name and "
            f"mask_file_name, one row an image.{pickles}"
        )
    if missing:
        findings.append(f"left out, as they have no masks: {', '.join(missing)}")
    order = [*dict.fromkeys(SPLITS.values()), *sorted(found)]
    return {split: found[split] for split in dict.fromkeys(order) if split in found}, findings


def _seen_in(root: Path) -> str:
    """Says what a folder that is no data set holds instead."""
    files = pictures_in(root, "*")
    seen = [f"{folder.name}/ ({number_of(len(pictures_in(folder)), 'picture')})"
            for folder in folders_in(root)[:MOST_NAMED]]  # fmt: skip
    if more := len(folders_in(root)) - len(seen):
        seen.append(f"{more} more folders")
    if files:
        seen.append(f"{number_of(len(files), 'picture')} such as {files[0].name}")
    return ", ".join(seen) or "no folder and no picture"


def _roles(folder: Path) -> tuple[Path | None, Path | None]:
    """Finds the folder of images and the folder of masks in a folder; None if missing."""
    roles = []
    for what, names in (("images", IMAGE_FOLDERS), ("masks", MASK_FOLDERS)):
        found = [inner for inner in folders_in(folder) if inner.name.lower() in names]
        # A folder of polygons or boxes (.txt, .json) beside one of masks does not count.
        if len(found) > 1:
            found = [inner for inner in found if pictures_in(inner)]
        if len(found) > 1:
            raise DatasetError(
                f"{folder} has several folders that may hold the {what}: "
                f"{', '.join(inner.name for inner in found)}. Move all but one away, or add a "
                "metadata.jsonl with file_name and mask_file_name."
            )
        roles.append(found[0] if found else None)
    return roles[0], roles[1]


def folders_in(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(HIDDEN))


def split_name(folder: Path) -> str:
    name = re.sub(r"^stage\d_", "", folder.name.lower())  # of the Data Science Bowl
    return SPLITS.get(name, folder.name)


def pictures_in(folder: Path, pattern: str = "**/*") -> list[Path]:
    return sorted(
        file
        for file in folder.glob(pattern)
        if file.suffix.lower() in PAIRED_SUFFIXES
        and not any(part.startswith(HIDDEN) for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def _pair(image_folder: Path, mask_folder: Path) -> list[tuple[Path, Path]]:
    """Pairs files by their subfolder and stem, if need be without suffixes such as "_mask"."""
    images, masks = pictures_in(image_folder), pictures_in(mask_folder)
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
    for suffixes in ((None, None), RETINA_SUFFIXES, (IMAGE_SUFFIX, MASK_SUFFIX)):
        by_name, partners = map(index, (image_folder, mask_folder), (images, masks), suffixes)
        if set(by_name) == set(partners):
            break
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
