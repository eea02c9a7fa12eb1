"""Small images, a tiny model for them, and what `segment` over many files makes of them.

The fixtures `batch_model`, `three_images` and `one_thread` are for every file of tests.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from unet_hf import UNet
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.run import Batch, segment_files


def pixels(seed: int, shape: tuple[int, ...] = (32, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def draw(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels(seed)).save(path)
    return path


def draw_three(folder: Path) -> Path:
    """Three images in two folders."""
    for number, name in enumerate(("a.png", "plate/a.png", "plate/b.tif")):
        draw(folder / name, number)
    return folder


def save_model(folder: Path) -> Path:
    """A tiny network whose threshold lies where its masks show both classes."""
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).eval()
    probabilities = network.segment(pixels(0)).probabilities[1]
    network.config["threshold"] = float(np.round(np.median(probabilities), 4))
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def batch_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def three_images(tmp_path: Path) -> Path:
    return draw_three(tmp_path / "images")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As each of two jobs on two cores has: on more, probabilities are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def segment(named: object, output: Path, model: Path, **options: object) -> Batch:
    named = named if isinstance(named, list) else [named]
    return segment_files(list(map(str, named)), output, BatchOptions(str(model), **options))


def files(folder: Path) -> dict[str, bytes | dict]:
    """Everything in a folder; of a summary all but the seconds it took."""
    found: dict[str, bytes | dict] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found[path.relative_to(folder).as_posix()] = path.read_bytes()
        if path.name.endswith("summary.json"):
            found[path.relative_to(folder).as_posix()] = json.loads(path.read_bytes()) | {
                "seconds": 0
            }
    return found


def times(folder: Path, ending: str = "mask.png") -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob(f"*{ending}")}
