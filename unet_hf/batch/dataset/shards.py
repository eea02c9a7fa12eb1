"""The rows of a data set in pieces: each is segmented, written as parquet, and then left alone."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from datasets import Dataset, Features, Image, LargeList, List
from datasets.table import embed_table_storage

from ...data.downloaded import check_downloaded
from ...data.pairs import read_cell
from ...errors import DatasetError, UNetError
from ...files import write_atomically, write_text
from ...unet import UNet
from ..attempt import is_out_of_memory
from ..progress import Progress
from .options import FAILED

SHARD_ROWS = 100  # images a parquet file at most
SHARDS_AT_LEAST = 8  # of a small data set, so that several processes have something to do


@dataclass(frozen=True)
class Shard:
    """Some rows of a split."""

    split: str
    number: int
    shards: int  # of this split
    rows: range

    def path(self, folder: Path) -> Path:
        name = f"{self.split}-{self.number:05d}-of-{self.shards:05d}.parquet"
        return folder / "data" / name

    def failures(self, folder: Path) -> Path:
        """Rows without a mask and why, as JSON; only where there are any."""
        return folder / ".failed" / f"{self.split}-{self.number:05d}.json"

    def is_finished(self, folder: Path) -> bool:
        """Whether all of its rows have masks; what failed is tried again."""
        return self.path(folder).is_file() and not self.failures(folder).exists()


def cut_into_shards(splits: dict[str, int]) -> list[Shard]:
    """splits: rows of each. The same cut for any number of processes."""
    shards = []
    for split, count in splits.items():
        rows = max(1, min(SHARD_ROWS, -(-count // SHARDS_AT_LEAST)))
        starts = range(0, max(count, 1), rows)
        shards += [
            Shard(split, number, len(starts), range(start, min(start + rows, count)))
            for number, start in enumerate(starts)
        ]
    return shards


def write_shard(
    shard: Shard,
    rows: Dataset,
    job: dict[str, Any],
    model: UNet,
    folder: Path,
    progress: Progress,
    token: str | None = None,
    *,
    from_hub: bool = False,
) -> None:
    """Segments the rows and writes them, all columns and the masks, with every file inside.

    Args:
        rows: Those of the shard, their pictures undecoded.
        job: Names the columns, threshold and tile_size.
        token: For files that are still on the Hub.
        from_hub: The rows may name no file of this machine, as it would be published.

    Raises:
        DatasetError: A file of another column is missing or no part of the data set, or memory is
            too small.
        OSError: The shard cannot be written.
    """
    cells = rows.select_columns([job["image_column"]])  # other columns are not decoded
    if from_hub:
        _check_files(rows, shard)
    masks, failures = [], []
    for index in range(len(shard.rows)):
        cell = cells[index][job["image_column"]]
        try:
            if from_hub:
                check_downloaded(cell)
            masks.append({"bytes": _segmented(cell, model, job, token), "path": None})
        except UNetError as error:
            masks.append(None)
            failure = {"split": shard.split, "row": shard.rows[index], "reason": str(error)}
            failures.append(failure)
            progress.say(f"failed: {shard.split}, row {failure['row']}: {failure['reason']}")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise DatasetError(
                f"{shard.split}, row {shard.rows[index]}: there is too little memory for it. Use "
                "a smaller --tile_size or fewer processes."
            ) from error
        progress.step()

    features = Features(
        {name: _decoded(feature) for name, feature in rows.features.items()}
        | {job["mask_column"]: Image()}
    )
    table = _with_files_inside(rows, shard, {job["dataset"]: token} if token else None)
    table = table.append_column(job["mask_column"], pa.array(masks, Image().pa_type))
    table = pa.Table.from_arrays(table.columns, schema=features.arrow_schema)
    path, reasons = shard.path(folder), shard.failures(folder)
    # In this order, a shard without reasons is one without failures whenever the process dies.
    if failures:
        reasons.parent.mkdir(exist_ok=True)
        write_text(reasons, json.dumps(failures))
    write_atomically(path, lambda temporary: pyarrow.parquet.write_table(table, temporary))
    if not failures:
        reasons.unlink(missing_ok=True)


def _segmented(cell: Any, model: UNet, job: dict[str, Any], token: str | None) -> bytes:
    """The mask as an indexed PNG: the bytes of `mask.png` that `Segmentation.save` writes."""
    image = read_cell(cell, token)
    result = model.segment(image, threshold=job["threshold"], tile_size=job["tile_size"])
    png = io.BytesIO()
    result.mask_image().save(png, format="PNG")
    return png.getvalue()


def _check_files(rows: Dataset, shard: Shard) -> None:
    """Raises `DatasetError` if a struct in any column names a file that was not downloaded."""
    table = rows.with_format("arrow")[:]
    for index, number in enumerate(shard.rows):
        for name, value in table.slice(index, 1).to_pylist()[0].items():
            try:
                check_downloaded(value, texts_are_paths=False)
            except DatasetError as error:
                raise DatasetError(
                    f"{shard.split}, row {number}, column {name}: {error}"
                ) from error


def _with_files_inside(rows: Dataset, shard: Shard, tokens: dict[str, str] | None) -> pa.Table:
    """The rows with the contents of files in place of their paths."""
    try:
        return embed_table_storage(rows.with_format("arrow")[:], token_per_repo_id=tokens)
    except OSError as error:
        raise DatasetError(
            f"{shard.split}, rows {shard.rows.start} to {shard.rows.stop - 1}: a file of the data "
            f"set cannot be read ({error.strerror or error}). Restore it, or remove its row."
        ) from error


def _decoded(feature: Any) -> Any:
    """What `sources` opened undecoded, as it was."""
    if isinstance(feature, Image):
        return Image()
    if isinstance(feature, List):
        return List(_decoded(feature.feature), length=feature.length)
    if isinstance(feature, LargeList):
        return LargeList(_decoded(feature.feature))
    if isinstance(feature, dict):
        return {name: _decoded(inner) for name, inner in feature.items()}
    return feature


def collect_failures(folder: Path, shards: list[Shard]) -> list[dict[str, Any]]:
    """All failures, also of earlier runs, and the table of them."""
    failures = []
    for shard in shards:
        reasons = shard.failures(folder)
        if reasons.is_file():
            failures += json.loads(reasons.read_text(encoding="utf-8"))
    if not failures:
        (folder / FAILED).unlink(missing_ok=True)
        return []
    text = io.StringIO()
    writer = csv.DictWriter(text, ["split", "row", "reason"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(failures)
    write_text(folder / FAILED, text.getvalue())
    return failures
