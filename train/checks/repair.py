"""Writes a copy of a data set without the rows that cannot be trained on, as an imagefolder."""

import json
import os
import re
import shutil
import uuid
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import LabelledData, open_data
from unet_hf.data.pairs import Pair, Pairs
from unet_hf.data.sources import row_bytes
from unet_hf.errors import DatasetError
from unet_hf.images.nodata import GDAL_NODATA
from unet_hf.images.suffixes import SUFFIX_OF_FORMAT
from unet_hf.words import number_of

from ..config import TrainingConfig
from .inspection import Inspection, PairSummary, inspect, inspection_bar
from .problems import Problem, Row, find_problems, rows_of
from .row_faults import row_faults

TAKEN = {"file_name", "image", "mask", "instances"}  # columns that the copy has of its own


@dataclass(frozen=True)
class Repair:
    """Summary of a copy: what it holds and what was left out."""

    folder: str
    train: int  # images
    validation: int
    dropped: dict[str, list[str]]  # code of the reason -> "split/name"
    notes: list[str]
    options: dict[str, Any]  # options that a training on the copy needs


def repair(
    data: LabelledData, inspection: Inspection, config: TrainingConfig, folder: Path
) -> tuple[Repair, list[Problem]]:
    """Writes the copy; the data set itself is not changed.

    Args:
        inspection: The notes about every row.
        folder: Created; it appears only when it is complete and was read back.

    Returns:
        A summary, and the problems of the copy.

    Raises:
        DatasetError: Too few rows would be left, or rows that cannot be read may be in order.
    """
    train, validation, dropped = select(data, inspection, config.resolution)
    notes = []
    options = {}
    if any(facts.counts[IGNORE] for facts in train + validation):
        options["ignore_index"] = IGNORE
        notes.append(f"ignored pixels are stored as {IGNORE}: train with --ignore_index {IGNORE}")
    if data.train.split == data.validation.split:
        notes.append("the images held back for the evaluation are the copy's split validation")

    unfinished = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        unfinished.mkdir(parents=True)
        lines = {}
        for split, pairs, rows in (
            ("train", data.train, train),
            ("validation", data.validation, validation),
        ):
            lines[split] = _write_split(unfinished / split, pairs, rows, config.hub_token)
        left_out = _write_metadata(unfinished, lines)
        if left_out:
            notes.append(f"columns that are not text or numbers are left out: {left_out}")
        labels = json.dumps(data.id2label, indent=2, ensure_ascii=False) + "\n"
        (unfinished / "id2label.json").write_text(labels, encoding="utf-8")
        problems = _read_back(unfinished, config, options, train, validation)
        os.replace(unfinished, folder)
    except OSError as error:
        raise DatasetError(
            f"--fix {folder} cannot be written ({error.strerror or error}). Make room, or name "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Repair(str(folder), len(train), len(validation), dropped, notes, options), problems


def select(
    data: LabelledData, inspection: Inspection, size: int
) -> tuple[list[PairSummary], list[PairSummary], dict[str, list[str]]]:
    """Selects the rows to keep of both splits; returns them, and the others by the reason.

    An image in both splits is removed from training, so that scores stay comparable.
    """
    dropped: dict[str, list[str]] = defaultdict(list)
    stuck: list[str] = []

    def usable(rows: list[Row]) -> list[Row]:
        kept = []
        for place, facts in rows:
            reasons = [fault.code for fault in row_faults(facts, size) if fault.fixable]
            if reasons:
                dropped[reasons[0]].append(place)
            elif facts.error is not None:
                stuck.append(f"{facts.code} {place}")
            else:
                kept.append((place, facts))
        return kept

    def once(rows: list[Row], held: set[bytes]) -> list[PairSummary]:
        seen, kept = set(), []
        for place, facts in rows:
            content = (facts.digest, facts.label_digest)
            if facts.digest in held:
                dropped["image-in-both-splits"].append(place)
            elif content in seen:
                dropped["image-twice"].append(place)
            else:
                kept.append(facts)
            seen.add(content)
        return kept

    train, validation = map(usable, rows_of(data, inspection))
    if stuck:
        more = f" and {len(stuck) - 5} more" if len(stuck) > 5 else ""
        raise DatasetError(
            f"No copy was written: rows cannot be read that may be in order ({', '.join(stuck[:5])}"
            f"{more}). See to these first, as the errors above say."
        )
    validation = once(validation, set())
    train = once(train, {facts.digest for facts in validation})
    if not train or not validation:
        raise DatasetError(
            f"No copy was written: {number_of(len(train), 'image')} would be left to train on, "
            f"{len(validation)} to evaluate on. Add labelled images."
        )
    return train, validation, dict(dropped)


def _write_split(
    folder: Path, pairs: Pairs, rows: list[PairSummary], token: str | None
) -> list[dict[str, Any]]:
    """Writes images, masks and instance ids; returns the metadata, a row an image."""
    positions = {int(index): position for position, index in enumerate(pairs.indices)}
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    used: set[str] = set()
    for facts in inspection_bar(rows):
        pair = pairs[positions[facts.row]]
        stem = _file_stem(facts, used)
        cell = pairs.rows[facts.row][pairs.reader.columns.image]
        line = {
            "file_name": f"images/{_write_image(folder / 'images' / stem, pair, cell, token)}",
            "mask_file_name": f"masks/{stem}.png",
        }
        PIL.Image.fromarray(pair.label).save(folder / line["mask_file_name"])
        if pair.instances is not None:
            (folder / "instances").mkdir(exist_ok=True)
            name = _write_instances(folder / "instances" / stem, pair.instances)
            line["instances_file_name"] = f"instances/{name}"
        lines.append({**line, **pair.extras, **line})
    return lines


def _file_stem(facts: PairSummary, used: set[str]) -> str:
    """Chooses a file name that no other row has, also on file systems that ignore case."""
    stem = re.sub(r"[^\w.-]+", "_", facts.name).lstrip("._") or str(facts.row)
    while stem.lower() in used:
        stem += f"-{facts.row}"
    used.add(stem.lower())
    return stem


def _write_image(path: Path, pair: Pair, cell: Any, token: str | None) -> str:
    """Copies the image's file if its format allows it, else writes a TIFF; returns the name."""
    image = pair.image
    suffix = SUFFIX_OF_FORMAT.get(image.format)  # others as TIFF, which holds any type
    # A page, a kept alpha channel and a turned image are not what a copy would be read as.
    if suffix and image.pages == 1 and image.channels not in (2, 4) and image.orientation == 1:
        content, _ = row_bytes(cell, token=token)
        name = path.name + suffix
        path.with_name(name).write_bytes(content)
        return name
    import tifffile

    pixels = image.pixels
    colors = "rgb" if pixels.shape[2] == 3 else "minisblack"
    name = path.name + ".tif"
    if pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    tags = []
    if image.nodata is not None:  # else such pixels would be taken for data
        tags.append((GDAL_NODATA, "s", 0, f"{image.nodata:.17g}", True))
    tifffile.imwrite(
        path.with_name(name), pixels, photometric=colors, planarconfig="contig", extratags=tags
    )
    return name


def _write_instances(path: Path, instances: np.ndarray) -> str:
    if instances.min() >= 0 and instances.max() < 2**16:
        name = path.name + ".png"
        PIL.Image.fromarray(instances.astype(np.uint16)).save(path.with_name(name))
    else:
        import tifffile

        name = path.name + ".tif"
        tifffile.imwrite(path.with_name(name), instances)
    return name


def _write_metadata(folder: Path, lines: dict[str, list[dict[str, Any]]]) -> str:
    """Writes metadata.jsonl of each split; returns the columns left out, in words."""
    columns = list(dict.fromkeys(name for rows in lines.values() for row in rows for name in row))

    def storable(name: str) -> bool:
        # A column without any value in one split would have another type there.
        values = [[row.get(name) for row in rows] for rows in lines.values()]
        plain = all(v is None or isinstance(v, (str, int, float)) for part in values for v in part)
        return plain and all(any(value is not None for value in part) for part in values)

    own = {"file_name", "mask_file_name", "instances_file_name"}
    kept = [name for name in columns if name in own or (name not in TAKEN and storable(name))]
    for split, rows in lines.items():
        text = "".join(
            json.dumps({name: row.get(name) for name in kept}, ensure_ascii=False) + "\n"
            for row in rows
        )
        (folder / split / "metadata.jsonl").write_text(text, encoding="utf-8")
    return ", ".join(name for name in columns if name not in kept)


def _read_back(
    folder: Path,
    config: TrainingConfig,
    options: dict[str, Any],
    train: list[PairSummary],
    validation: list[PairSummary],
) -> list[Problem]:
    """Finds the problems of the copy. Raises `DatasetError` unless it holds all rows to keep."""
    copy = open_data(
        TrainingConfig(dataset_name=str(folder), resolution=config.resolution, **options)
    )
    found = inspect(copy, len(train) + len(validation), inspection_bar)
    for split, written, wanted in (
        ("train", found.train, train),
        ("validation", found.validation, validation),
    ):
        pixels = [sorted((f.digest, f.label_digest) for f in rows) for rows in (written, wanted)]
        if pixels[0] != pixels[1]:
            raise DatasetError(
                f"No copy was written: its split {split} did not read back as it was meant to. "
                "This is a fault of the repair; leave out the rows by hand."
            )
    return find_problems(copy, found, config.resolution)
