"""Finds the columns of images and masks in a data set: by name, never by position."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DatasetError
from ..images.tiff_file import SIGNATURES

IMAGE_NAMES = ("image", "pixel_values", "img", "images", "input", "photo")
# Names that mean class ids; the other names may stand for other kinds of masks.
SEMANTIC_NAMES = ("semantic_segmentation", "type_map")
LABEL_NAMES = (
    *SEMANTIC_NAMES, "mask", "masks", "label", "labels", "annotation", "annotations",
    "segmentation", "segmentations", "segmentation_mask", "seg_map", "map", "gt", "target", "type",
)  # fmt: skip
# Words in names of pictures made from the image or the mask, or for another task.
DECOYS = ("overlay", "depth", "preview", "thumbnail")
CATEGORY_NAMES = ("categories", "category", "classes", "class_ids", "category_ids", "labels")
COCO_KEYS = {"bbox", "bboxes", "segmentation", "polygon", "polygons", "points", "iscrowd"}
# First bytes of PNG, JPEG, GIF, BMP, WebP and TIFF.
IMAGE_FILES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", *SIGNATURES)

FLAGS = "Say it with --image_column and --label_column"
RASTERIZE = (
    "Draw the objects into one PNG of class ids an image (pycocotools' annToMask, or "
    "skimage.draw.polygon) and list them as mask_file_name in metadata.jsonl"
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns by role, and the kinds of two of them.

    A kind is "image" (an Image feature), "binary" (bytes of image files) or "list" (one picture
    an object).
    """

    image: str
    label: str
    instances: str | None
    label_kind: str
    image_kind: str
    categories: str | None  # column with the class of each mask of a list

    def describe(self) -> str:
        """Says in words which columns are used."""
        label = f"masks from {self.label!r}"
        if self.label_kind == "list":
            label += " (a list of masks a row"
            label += f", of the classes in {self.categories!r})" if self.categories else ")"
        parts = [f"images from {self.image!r}", label]
        if self.instances:
            parts.append(f"instance ids from {self.instances!r}")
        binary = [
            name
            for name, kind in ((self.image, self.image_kind), (self.label, self.label_kind))
            if kind == "binary"
        ]
        if binary:
            parts.append(f"bytes in {' and '.join(map(repr, binary))} read as image files")
        return "; ".join(parts)


def find_columns(
    features: Mapping[str, Any],
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    instance_column: str | None = None,
    first_row: Mapping[str, Any] | None = None,
) -> Columns:
    """Finds the columns to train on.

    Args:
        features: column -> feature of `datasets`.
        image_column, label_column, instance_column: Names to use instead of searching;
            instance_column "none": no instance ids.
        first_row: Undecoded; distinguishes bytes of image files from other bytes.

    Raises:
        DatasetError: Nothing fits, several do, or what fits is no picture.
    """
    kinds = _kinds(features, first_row)
    for flag, asked, lists in (
        ("image_column", image_column, False),
        ("label_column", label_column, True),
        ("instance_column", None if instance_column == "none" else instance_column, True),
    ):
        if asked is not None:
            _check_asked(flag, asked, lists, features, kinds)

    image = image_column or _find_image(features, kinds, taken=label_column)
    label = label_column or _find_label(features, kinds, taken=image)
    if image == label:
        raise DatasetError(
            f"The column {image!r} is asked for as image and as mask. {FLAGS}: two columns."
        )
    instances = None
    if instance_column != "none":
        # A list of masks also separates objects of one class; a map of classes does not.
        taken = {image} if kinds[label] == "list" else {image, label}
        instances = instance_column or _find_instances(kinds, taken)
    categories = None
    if kinds[label] == "list":
        categories = _find_categories(features, label, first_row)
    return Columns(image, label, instances, kinds[label], kinds[image], categories)


def find_image_column(
    features: Mapping[str, Any], asked: str | None, first_row: Mapping[str, Any] | None
) -> str:
    """Finds only the column of the images, where no masks are needed.

    Raises:
        DatasetError: Nothing fits, or several do.
    """
    kinds = _kinds(features, first_row)
    if asked is not None:
        _check_asked("image_column", asked, False, features, kinds)
    return asked or _find_image(features, kinds, taken=None)


def _kinds(features: Mapping[str, Any], first_row: Mapping[str, Any] | None) -> dict[str, str]:
    """Kind of each column; "" for bytes that are no image files."""
    kinds = {name: _kind(feature) for name, feature in features.items()}
    for name, kind in kinds.items():
        if kind == "binary" and first_row is not None and not _is_image(first_row.get(name)):
            kinds[name] = ""
    return kinds


def _kind(feature: Any) -> str:
    """Kind of a feature: "image", "binary", "list", or "" if it is no picture."""
    kind = type(feature).__name__
    if kind == "Image":
        return "image"
    if getattr(feature, "dtype", None) in ("binary", "large_binary"):
        return "binary"
    item = _item(feature)
    return "list" if item is not None and _kind(item) in ("image", "binary") else ""


def _item(feature: Any) -> Any:
    """The feature of a list feature's items, None for other features."""
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", None)


def _is_image(value: Any) -> bool:
    """Whether a value may be an image file; also true for a missing value."""
    return not isinstance(value, bytes) or value.startswith(IMAGE_FILES)


def _is_struct(feature: Any) -> bool:
    item = _item(feature)
    return isinstance(feature, dict) or (item is not None and _is_struct(item))


def _words(name: str) -> set[str]:
    return set(name.lower().replace("-", "_").split("_"))


def _is_decoy(name: str) -> bool:
    return not _words(name).isdisjoint(DECOYS) or name.lower().startswith("inst")


def _names_label(name: str) -> bool:
    return name.lower() in LABEL_NAMES or name.lower().endswith("_mask")


def _listing(features: Mapping[str, Any], kinds: dict[str, str]) -> str:
    pictures = [name for name, kind in kinds.items() if kind]
    return (
        f"The columns that hold pictures are {', '.join(pictures) or 'none'}; all columns are "
        f"{', '.join(features)}."
    )


def _check_asked(
    flag: str, asked: str, lists: bool, features: Mapping[str, Any], kinds: dict[str, str]
) -> None:
    if asked not in features:
        close = difflib.get_close_matches(asked, features, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DatasetError(
            f"There is no column {asked!r} (--{flag}).{hint} {_listing(features, kinds)}"
        )
    if kinds[asked] == "list" and not lists:
        raise DatasetError(
            f"The column {asked!r} (--{flag}) holds a list of pictures a row; one image is "
            f"expected. {_listing(features, kinds)}"
        )
    if not kinds[asked]:
        raise DatasetError(
            f"The column {asked!r} (--{flag}) is {_what(features[asked])}. "
            f"{_listing(features, kinds)}"
        )


def _what(feature: Any) -> str:
    """Describes a column that holds no pictures, with the cure."""
    kind, dtype = type(feature).__name__, str(getattr(feature, "dtype", ""))
    if kind == "ClassLabel" or dtype.startswith(("int", "uint", "bool")):
        what = "a class a picture" if kind == "ClassLabel" else "a number a picture"
        return f"{what}, which is classification, not segmentation: a mask of class ids is expected"
    if dtype in ("string", "large_string"):
        return (
            "text (paths or URLs?), not pictures. Download them and store them with the data: a "
            "folder with metadata.jsonl, or cast_column(name, datasets.Image()) and push_to_hub"
        )
    if _is_struct(feature):
        return f"structs of values, as polygons or boxes are (COCO), not masks. {RASTERIZE}"
    return f"{feature}, not pictures; cast_column(name, datasets.Image()) may help"


def _find_image(features: Mapping[str, Any], kinds: dict[str, str], taken: str | None) -> str:
    named = [n for n in features if n.lower() in IMAGE_NAMES and n != taken]
    found = [name for name in named if kinds[name] in ("image", "binary")]
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"Several columns may hold the image: {', '.join(found)}. Say it with --image_column."
        )
    for name in named:
        if kinds[name] == "list":
            raise DatasetError(
                f"The column {name!r} holds a list of pictures a row; one image is expected. "
                f"{FLAGS}. {_listing(features, kinds)}"
            )
        raise DatasetError(f"The column {name!r} is {_what(features[name])}.")
    raise DatasetError(
        f"Which column holds the image is not clear. {_listing(features, kinds)} "
        "Say it with --image_column."
    )


def _find_label(features: Mapping[str, Any], kinds: dict[str, str], taken: str) -> str:
    others = [n for n in features if n != taken]
    named = [n for n in others if _names_label(n) and not _is_decoy(n)]
    for tier in (("image", "binary"), ("list",)):
        found = [name for name in named if kinds[name] in tier]
        if len(found) > 1:  # one that says "classes" beside others of any kind
            semantic = [name for name in found if name.lower() in SEMANTIC_NAMES]
            found = semantic if len(semantic) == 1 else found
        if len(found) == 1:
            return found[0]
        if found:
            raise DatasetError(
                f"Several columns may hold the mask: {', '.join(found)}. Say it with "
                "--label_column."
            )
    # One mask for each object, with its class or all of one class.
    lists = [n for n in others if kinds[n] == "list" and n.lower().startswith("inst")]
    if len(lists) == 1:
        return lists[0]

    pictures = [name for name in others if kinds[name]]
    if pictures:
        hint = ""
        if any(name.lower().startswith("inst") for name in pictures):
            hint = (
                " Columns inst... number objects and are not taken for classes; to train object "
                "against background, ask for one and add --mask_encoding binary."
            )
        raise DatasetError(
            f"Which column holds the mask is not clear: beside the image {taken!r} there is "
            f"{', '.join(pictures)}, whose name does not say it. {FLAGS}.{hint}"
        )
    for name in named:
        raise DatasetError(f"The column {name!r} is {_what(features[name])}.")
    for name in others:
        if _is_struct(features[name]) and (
            _words(name) & {"objects", "annotations"} or _struct_keys(features[name]) & COCO_KEYS
        ):
            raise DatasetError(f"The column {name!r} is {_what(features[name])}.")
    raise DatasetError(
        f"There is no mask: {taken!r} is the only column with pictures; all columns are "
        f"{', '.join(features)}. A folder needs metadata.jsonl with file_name and mask_file_name, "
        f"one row an image. If the data has polygons: {RASTERIZE[0].lower()}{RASTERIZE[1:]}."
    )


def _struct_keys(feature: Any) -> set[str]:
    item = _item(feature)
    return set(feature) if isinstance(feature, dict) else _struct_keys(item) if item else set()


def _find_instances(kinds: dict[str, str], taken: set[str]) -> str | None:
    found = [
        name
        for name, kind in kinds.items()
        if kind
        and name not in taken
        and name.lower().startswith("inst")
        and _words(name).isdisjoint(DECOYS)
    ]
    if len(found) > 1:
        raise DatasetError(
            f"Several columns may number the objects: {', '.join(found)}. Say it with "
            "--instance_column, or 'none' for neither."
        )
    return found[0] if found else None


def _find_categories(
    features: Mapping[str, Any], label: str, first_row: Mapping[str, Any] | None
) -> str | None:
    """Finds the column with a class for each mask: lists of whole numbers with a known name."""
    by_name = {name.lower(): name for name in features if name != label}
    for usual in CATEGORY_NAMES:
        name = by_name.get(usual)
        item = None if name is None else _item(features[name])
        whole = str(getattr(item, "dtype", "")).startswith(("int", "uint"))
        if item is None or not whole:
            continue
        row = first_row or {}
        if len(row.get(name) or ()) == len(row.get(label) or ()):
            return name
    return None
