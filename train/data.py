"""Pairs of images and masks -> random crops.

A crop depends on the seed and its own number alone, never on the order in which worker
processes happen to deliver: run k of the data is the same run every time.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from unet_hf.errors import DatasetError
from unet_hf.image_data import ImageData
from unet_hf.images import read_image
from unet_hf.preprocessing import Preprocessing

from .augmentation import Augmentation
from .border_weights import border_weights, class_weights
from .config import TrainingConfig

IMAGE_COLUMNS = ("image", "pixel_values", "img", "images", "input", "photo")
LABEL_COLUMNS = (
    "mask", "label", "annotation", "semantic_segmentation", "segmentation",
    "segmentation_mask", "seg_map", "type_map", "labels", "map", "gt", "target",
)  # fmt: skip
INSTANCE_COLUMNS = ("instances", "instance", "inst_map")


@dataclass(frozen=True)
class Pair:
    """One labelled image."""

    name: str
    image: ImageData
    label: np.ndarray  # (H, W) uint8 class ids, `ignore_index` where nothing is known
    instances: np.ndarray | None  # (H, W) int32, 0 background
    extras: dict[str, Any]  # the row's other columns


@dataclass
class LabelledData:
    """Both splits, and what was found out about them."""

    train: list[Pair]
    validation: list[Pair]
    id2label: dict[str, str]
    channels: int
    frequencies: np.ndarray  # (classes,) share of each class in the training split
    findings: list[str]  # what was inferred, in words


def load_data(config: TrainingConfig) -> LabelledData:
    """Both splits of a data set. Raises `DatasetError` where a guess would be needed."""
    pairs, id2label, findings = load_splits(config, config.train_split, config.validation_split)
    train, validation = pairs
    counts = sum(
        np.bincount(pair.label.ravel(), minlength=256)[: len(id2label)] for pair in train
    ).astype(float)
    return LabelledData(
        train, validation, id2label, train[0].image.channels, counts / counts.sum(), findings
    )


def load_splits(
    config: TrainingConfig, *splits: str
) -> tuple[list[list[Pair]], dict[str, str], list[str]]:
    """The pairs of each split, the class names, and what was inferred, in words."""
    import datasets

    source = config.dataset_name
    try:
        dataset = datasets.load_dataset(
            source, config.dataset_config_name, revision=config.dataset_revision
        )
    except (FileNotFoundError, ConnectionError, ValueError, RuntimeError) as error:
        raise DatasetError(
            f"The data set {source!r} cannot be loaded: {error}. Give a folder in the Hub's "
            "imagefolder layout or a data set 'org/name'."
        ) from error
    for split in splits:
        if split not in dataset:
            raise DatasetError(
                f"{source} has no split {split!r}; it has {', '.join(dataset)}. Name one with "
                "--train_split or --validation_split."
            )

    columns = _find_columns(dataset[splits[0]].features, config)
    findings = [f"columns: {', '.join(f'{role} = {name}' for role, name in columns.items())}"]
    pairs = [_read_pairs(dataset[split], columns, split) for split in splits]
    pairs, encoding = _decode_labels(pairs, config.ignore_index)
    findings.append(f"mask values: {encoding}")

    everything = [pair for split in pairs for pair in split]
    id2label, origin = _find_labels(config, everything)
    findings.append(f"classes: {', '.join(id2label.values())} ({origin})")
    channels = sorted({pair.image.channels for pair in everything})
    if len(channels) > 1:
        raise DatasetError(
            f"The images have different numbers of channels: {channels}. Convert them to one kind."
        )
    return pairs, id2label, findings


def _find_columns(features: Any, config: TrainingConfig) -> dict[str, str]:
    """Roles ("image", "label", "instances") -> columns; each an Image feature."""
    pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]

    def find(role: str, asked: str | None, usual: tuple[str, ...], taken: set[str]) -> str | None:
        if asked is not None:
            if asked not in pictures:
                raise DatasetError(
                    f"There is no image column {asked!r}; the image columns are "
                    f"{', '.join(pictures) or 'none'}."
                )
            return asked
        matches = [name for name in usual if name in pictures and name not in taken]
        return matches[0] if len(matches) == 1 else None

    image = find("image", config.image_column, IMAGE_COLUMNS, set())
    label = find("label", config.label_column, LABEL_COLUMNS, {image or ""})
    for role, found in (("image", image), ("label", label)):
        if found is None:
            raise DatasetError(
                f"Which column holds the {role}s is not clear: the image columns are "
                f"{', '.join(pictures) or 'none'}, all columns {', '.join(features)}. Say it with "
                f"--{role}_column. (A folder needs metadata.jsonl with file_name and "
                "mask_file_name, one row an image.)"
            )
    columns = {"image": image, "label": label}
    if config.instance_column != "none":
        instances = find("instances", config.instance_column, INSTANCE_COLUMNS, {image, label})
        if instances:
            columns["instances"] = instances
    return columns


def _read_pairs(dataset: Any, columns: dict[str, str], split: str) -> list[Pair]:
    pairs = []
    others = [name for name in dataset.column_names if name not in columns.values()]
    for index, row in enumerate(dataset):
        picture = row[columns["image"]]
        if picture is None or row[columns["label"]] is None:
            raise DatasetError(f"Row {index} of {split} lacks its image or its mask. Remove it.")
        name = Path(getattr(picture, "filename", "") or f"{split}-{index}").stem
        label = np.asarray(row[columns["label"]])
        image = read_image(picture)
        instances = row[columns["instances"]] if "instances" in columns else None
        if instances is not None:
            instances = np.asarray(instances).astype(np.int32)
        for what, array in (("mask", label), ("instances", instances)):
            if array is not None and array.shape[:2] != (image.height, image.width):
                raise DatasetError(
                    f"{name} ({split}): the image is {image.height} x {image.width}, its {what} "
                    f"{array.shape[0]} x {array.shape[1]}. Pair them anew or remove the row."
                )
        extras = {key: row[key] for key in others}
        pairs.append(Pair(name, image, label, instances, extras))
    if not pairs:
        raise DatasetError(f"The split {split} is empty.")
    return pairs


def _decode_labels(splits: list[list[Pair]], ignore_index: int) -> tuple[list[list[Pair]], str]:
    """Masks as they were stored -> (H, W) uint8 class ids, and the rule in words."""
    everything = [pair for split in splits for pair in split]
    for pair in everything:
        if pair.label.ndim != 2 or pair.label.dtype.kind not in "bui":
            raise DatasetError(
                f"The mask of {pair.name} has the shape {pair.label.shape} and type "
                f"{pair.label.dtype}; one plane of class ids is expected. Colour-coded masks "
                "have to be turned into class ids first."
            )
    values = np.unique(np.concatenate([np.unique(pair.label) for pair in everything]))
    if set(values.tolist()) == {0, 255}:
        rule, black_and_white = "0 and 255 read as classes 0 and 1", True
    else:
        classes = values[values != ignore_index]
        if len(classes) == 0 or classes.max() > 255 or classes.min() < 0:
            raise DatasetError(
                f"The masks hold the values {values[:10].tolist()} ...; class ids from 0 to 254 "
                f"and {ignore_index} for 'ignore' are expected."
            )
        rule, black_and_white = f"class ids {', '.join(map(str, classes.tolist()))}", False
        if ignore_index in values:
            rule += f"; {ignore_index} ignored"

    def decoded(pair: Pair) -> Pair:
        label = pair.label == 255 if black_and_white else pair.label
        return replace(pair, label=label.astype(np.uint8))

    return [[decoded(pair) for pair in split] for split in splits], rule


def _find_labels(config: TrainingConfig, pairs: Sequence[Pair]) -> tuple[dict[str, str], str]:
    """Class names: from the flag, from the data set's id2label.json, or numbered."""
    highest = max(int(p.label[p.label != config.ignore_index].max(initial=0)) for p in pairs)
    count = max(highest + 1, 2)
    labels: Any = None
    origin = ""
    if config.id2label:
        path = Path(config.id2label)
        text = path.read_text() if path.is_file() else config.id2label
        labels, origin = _parse_labels(text, "--id2label"), "from --id2label"
    elif (path := Path(config.dataset_name) / "id2label.json").is_file():
        labels, origin = _parse_labels(path.read_text(), str(path)), "from its id2label.json"
    elif not Path(config.dataset_name).is_dir():
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            path = hf_hub_download(
                config.dataset_name,
                "id2label.json",
                repo_type="dataset",
                revision=config.dataset_revision,
            )
            labels, origin = _parse_labels(Path(path).read_text(), path), "from its id2label.json"
        except EntryNotFoundError:
            pass
    if labels is None:
        return {str(i): f"class {i}" for i in range(count)}, "no names found; see --id2label"
    if highest >= len(labels):
        raise DatasetError(
            f"The masks hold class {highest}, but id2label names only {len(labels)} classes. "
            "Name the others, or mark the value with --ignore_index."
        )
    return labels, origin


def _parse_labels(text: str, where: str) -> dict[str, str]:
    try:
        labels = json.loads(text)
        return {str(int(key)): str(name) for key, name in labels.items()}
    except (ValueError, AttributeError) as error:
        raise DatasetError(
            f'{where} is not a mapping like {{"0": "background", "1": "cell"}}: {error}.'
        ) from error


class RandomCrops(Dataset):
    """Crop number k of a training: item k, drawn from (seed, k) alone."""

    def __init__(
        self,
        data: LabelledData,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        config: TrainingConfig,
    ) -> None:
        self.augmentation = augmentation
        self.seed = config.seed
        self.length = config.max_train_steps * config.train_batch_size
        self.ready = [_ready(pair, preprocessing, data.frequencies, config) for pair in data.train]
        # Large images are met more often, though not in full proportion to their area: a few
        # slides would crowd out a hundred small pictures.
        crop_area = augmentation.size**2
        share = np.sqrt([max(label.numel() / crop_area, 1.0) for _, label, _ in self.ready])
        self.share = share / share.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        image, label, weights = self.ready[rng.choice(len(self.ready), p=self.share)]
        return self.augmentation.crop(image, label, weights, rng)


def _ready(
    pair: Pair, preprocessing: Preprocessing, frequencies: np.ndarray, config: TrainingConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """A pair as crops are cut from it: image (C, H, W), label (H, W), weights (H, W)."""
    image = preprocessing.prepare(pair.image).whole()
    if config.class_balance:
        weights = class_weights(pair.label, frequencies, config.ignore_index)
    else:
        weights = (pair.label != config.ignore_index).astype(np.float32)
    if config.border_weight > 0:
        weights = weights + border_weights(
            instance_ids(pair, config.ignore_index), config.border_weight, config.border_sigma
        )
    return image, torch.from_numpy(pair.label), torch.from_numpy(weights)


def instance_ids(pair: Pair, ignore_index: int) -> np.ndarray:
    """(H, W) int32: the given ids, or 4-connected components of each class but the first.

    Class 0 is the ground that separates objects: background, matrix, membrane.
    """
    if pair.instances is not None:
        return pair.instances
    from skimage.measure import label as connected_components

    objects = np.where(pair.label == ignore_index, 0, pair.label)
    return connected_components(objects, connectivity=1).astype(np.int32)
