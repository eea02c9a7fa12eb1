"""Data sets of pictures of one value each, and what is read of them."""

import io
from pathlib import Path

import datasets
import PIL.Image
import pytest

from unet_hf.data.columns import find_columns
from unet_hf.data.detect_encoding import read_mask
from unet_hf.data.sources import row_bytes


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))
    datasets.disable_progress_bars()


def png(value: int, size: tuple[int, int] = (6, 4)) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("L", size, value).save(file, "PNG")
    return file.getvalue()


def write(folder: Path, *names: str) -> Path:
    """Pictures of one value each: their number in the list."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return folder


def values(source, split: str = "train") -> list[tuple[str, int, int]]:
    """Of each row: the image's name, and the values of image and mask."""
    found = []
    columns = find_columns(source.features)
    for row in source.splits[split]:
        image, name = row_bytes(row[columns.image])
        mask, _ = row_bytes(row[columns.label])
        first = [int(read_mask(content).values[0, 0]) for content in (image, mask)]
        found.append((name, *first))
    return sorted(found)


streamed = pytest.mark.parametrize("streaming", [False, True], ids=["loaded", "streamed"])
