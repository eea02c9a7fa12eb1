"""Reads folders with one image each and a mask file for each object, as the Data Science Bowl's."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .paired_folders import MASK_SUFFIX, SPLITS, checked_name, folders_in, pictures_in, split_name

if TYPE_CHECKING:
    import datasets  # slow to import, so only where it is used


def find_object_folders(root: Path) -> tuple[dict[str, Any], list[str]] | None:
    """Finds splits with the columns image and mask, a list; None if the layout is another one.

    ID/images/ID.png and ID/masks/*.png are in `root`, which is the split train, or in a folder for
    each split. Also returns what was inferred, in words.
    """
    if folders := _object_folders(root):
        found = {"train": (root, folders)}
    else:
        found = {
            split_name(split): (split, folders)
            for split in folders_in(root)
            if (folders := _object_folders(split))
        }
    findings = [
        f"{name}: {len(folders)} folders of one image and a mask file for each object; pixels of "
        "several objects belong to the first by name"
        for name, (_, folders) in found.items()
    ]
    for name, (folder, folders) in found.items():
        if others := len(folders_in(folder)) - len(folders):
            findings.append(f"{name}: {others} folders without masks left out")
    order = sorted(found, key=["train", "validation", "test", *found].index)
    return ({name: _table(found[name][1]) for name in order}, findings) if found else None


def _object_folders(root: Path) -> list[Path]:
    """The folders of `root` with one image and any number of masks; [] if any is of another kind.

    Where each mask is named like its image, they are pairs of a split, see `find_pairs`.
    """
    labelled = [folder for folder in folders_in(root) if _is_dir(folder, "images", "masks")]
    if all(folder.name.lower() in SPLITS for folder in labelled):
        return []  # splits of an image each
    named_alike = True
    for folder in labelled:
        images, masks = pictures_in(folder / "images"), pictures_in(folder / "masks")
        if len(images) != 1:
            return []
        names = [MASK_SUFFIX.sub("", mask.stem) for mask in masks]
        named_alike &= names == [images[0].stem] or [m.stem for m in masks] == [images[0].stem]
    return [] if named_alike else labelled


def _is_dir(folder: Path, *names: str) -> bool:
    return all((folder / name).is_dir() for name in names)


def _table(folders: list[Path]) -> "datasets.Dataset":
    import datasets

    image = datasets.Image()
    features = datasets.Features({"image": image, "mask": datasets.List(image)})
    columns = {
        "image": [checked_name(pictures_in(folder / "images")[0]) for folder in folders],
        # Later masks of a list cover earlier ones, see `instances_of`; so the first comes last.
        "mask": [
            [checked_name(mask) for mask in pictures_in(folder / "masks")[::-1]]
            for folder in folders
        ],
    }
    return datasets.Dataset.from_dict(columns, features=features)
