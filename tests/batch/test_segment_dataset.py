"""`python -m unet_hf segment --dataset_name`: a data set in, the same one with masks out."""

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pyarrow.parquet
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value, load_dataset

from unet_hf import UNet
from unet_hf.batch.dataset import shards as mask_shards
from unet_hf.batch.dataset.options import DatasetOptions
from unet_hf.batch.dataset.segment import find_image_column, segment_dataset
from unet_hf.data.columns import find_columns
from unet_hf.data.sources import open_source
from unet_hf.errors import ConfigError, DatasetError, UNetError, UnreadableImageError
from unet_hf.files import HIDDEN_PREFIX
from unet_hf.images.image_data import ImageData

from ..conftest import ROOT
from ..loopback.hub import Hub, client_environment, running_hub
from ..support.processes import forked_python
from ..support.tiny_training import write_dataset

TOKEN = "hf_the_secret_of_alice"
READER = "hf_the_secret_of_bob"
ROWS = {"train": 9, "validation": 2}
CELLS, MASKS, MODEL = "alice/cells", "alice/cells-masks", "alice/unet-tiny"
SMALL = ("--max_train_steps", "2", "--base_channels", "2", "--depth", "1", "--resolution", "32",
         "--dataloader_num_workers", "0", "--measure_speed", "no")  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny network whose threshold lies where its masks show both classes."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"})
    probabilities = network.eval().segment(picture(0)).probabilities[1]
    network.config["threshold"] = float(np.round(np.median(probabilities), 4))
    network.save_pretrained(folder)
    return folder


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 48), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def table(count: int, start: int = 0, **more: tuple[list, Any]) -> Dataset:
    """Rows with an image, a class and a text. more: further columns and their features."""
    columns = {
        "image": [{"bytes": png(picture(start + n)), "path": f"{n}.png"} for n in range(count)],
        "kind": [n % 2 for n in range(count)],
        "note": [f"slide {n}" for n in range(count)],
    }
    features = {"image": Image(), "kind": ClassLabel(names=["a", "b"]), "note": Value("string")}
    for name, (values, feature) in more.items():
        columns[name], features[name] = values, feature
    return Dataset.from_dict(columns, features=Features(features))


def parquet(rows: Dataset) -> bytes:
    file = io.BytesIO()
    rows.to_parquet(file)
    return file.getvalue()


def expected(model: Path, pixels: np.ndarray) -> bytes:
    """The bytes of the file that `save` calls mask.png."""
    file = io.BytesIO()
    UNet.from_pretrained(model).segment(pixels).mask_image().save(file, format="PNG")
    return file.getvalue()


def cells(content: bytes, column: str = "mask") -> list[dict]:
    return pyarrow.parquet.read_table(io.BytesIO(content)).column(column).to_pylist()


@pytest.fixture(scope="module")
def hub(model) -> Iterator[Hub]:
    with running_hub({TOKEN: "alice", READER: "bob"}) as hub:
        files = {
            f"data/{split}-00000-of-00001.parquet": parquet(table(count, start=100 * number))
            for number, (split, count) in enumerate(ROWS.items())
        }
        hub.plant(CELLS, files, kind="datasets", private=True)
        names = ("config.json", "model.safetensors")
        hub.plant(MODEL, {name: (model / name).read_bytes() for name in names}, private=True)
        yield hub


def run(
    hub: Hub, home: Path, *arguments: object, processes: int = 1, token: str = TOKEN
) -> subprocess.CompletedProcess:
    command = [*forked_python(), "-m"]
    if processes > 1:
        command += ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        command += ["--main_process_port", "0", "--no_python", *forked_python(), "-m"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=home if processes == 1 else ROOT,
        env=client_environment(hub, home, token),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def pushed(hub, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """Two processes have segmented alice/cells and pushed the result."""
    home = tmp_path_factory.mktemp("pushed")
    done = run(
        hub, home, "unet_hf", "segment", "--dataset-name", CELLS, "--model", MODEL,
        "--push_to_hub", MASKS, "--private", "--output", home / "out", processes=2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done, home / "out"


def test_two_processes_push_all_columns_and_the_masks_that_segment_gives(hub, pushed, model):
    done, _ = pushed
    assert done.stdout.count("11 of 11 segmented") == 1  # by both together, or it were two
    repo = hub.repos["datasets", MASKS]
    assert repo.private
    assert len(repo.commits) == 2  # the empty one, and everything at once
    _, files = repo.at("main")
    for number, (split, count) in enumerate(ROWS.items()):
        shards = [files[name] for name in sorted(files) if name.startswith(f"data/{split}-")]
        assert len(shards) > 1
        original = table(count, start=100 * number)
        merged = [row for shard in shards for row in
                  pyarrow.parquet.read_table(io.BytesIO(shard)).to_pylist()]  # fmt: skip
        masks = [row.pop("mask")["bytes"] for row in merged]
        assert merged == original.with_format("arrow")[:].to_pylist()
        pixels = [picture(100 * number + n) for n in range(count)]
        assert masks == [expected(model, image) for image in pixels]
    assert len(np.unique(PIL.Image.open(io.BytesIO(masks[0])))) == 2  # or this would be empty


def test_the_card_says_what_the_masks_are_and_whose(hub, pushed):
    _, files = hub.repos["datasets", MASKS].at("main")
    card = files["README.md"].decode()
    assert "they are not ground truth" in card
    for kind, name in (("datasets", CELLS), ("models", MODEL)):
        commit, _ = hub.repos[kind, name].at("main")
        assert name in card
        assert f"at revision `{commit}`" in card
    assert json.loads(files["id2label.json"]) == {"0": "ground", "1": "cell"}
    job = json.loads(files["segmentation.json"])
    assert job["splits"] == ROWS


def test_no_token_is_written_or_said(hub, pushed):
    done, folder = pushed
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert TOKEN.encode() not in b"".join(written) + (done.stdout + done.stderr).encode()


def test_what_was_pushed_is_trained_on_loaded_and_streamed(hub, pushed, tmp_path):
    options = ("--dataset_name", MASKS)
    checked = run(hub, tmp_path, "train", "check", *options)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "masks from 'mask'" in checked.stdout
    assert "ground, cell (from its id2label.json)" in checked.stdout
    for way in ((), ("--streaming",)):
        output = tmp_path / f"out{len(way)}"
        done = run(hub, tmp_path, "train", *options, *SMALL, "--output_dir", output, *way)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (output / "model.safetensors").is_file()


def test_who_may_not_push_learns_it_before_anything_is_computed(hub, tmp_path):
    done = run(
        hub, tmp_path, "unet_hf", "segment", "--dataset_name", CELLS, "--model", MODEL,
        "--push_to_hub", "alice/others", token=READER,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: alice/others cannot be written to")
    assert "Traceback" not in done.stderr
    assert READER not in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_data_set_of_the_hub_publishes_no_file_of_this_machine(hub, tmp_path):
    private = tmp_path / "private.png"
    private.write_bytes(png(picture(7)))
    named = [{"bytes": None, "path": str(private)}]
    rows = table(1, extra=(named, Image()))
    hub.plant("bob/hostile", {"data/train.parquet": parquet(rows)}, kind="datasets")
    done = run(
        hub, tmp_path, "unet_hf", "segment", "--dataset_name", "bob/hostile", "--model", MODEL,
        "--image_column", "image", "--push_to_hub", "alice/stolen", "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    assert "row 0, column extra: The data set is of the Hub and names the file" in done.stderr
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert not any(
        "parquet" in path for path in hub.repos["datasets", "alice/stolen"].at("main")[1]
    )


def test_a_data_set_of_other_origin_is_not_pushed_over(hub, tmp_path):
    hub.plant("alice/precious", {"data/train.parquet": b"mine"}, kind="datasets")
    done = run(
        hub, tmp_path, "unet_hf", "segment", "--dataset_name", CELLS, "--model", MODEL,
        "--push_to_hub", "alice/precious",
    )  # fmt: skip
    assert done.returncode == 1
    assert "holds another data set" in done.stderr
    assert len(hub.repos["datasets", "alice/precious"].commits) == 1


def test_the_same_command_again_computes_nothing_and_commits_nothing(hub, pushed, tmp_path):
    _, folder = pushed
    times = {path: path.stat().st_mtime_ns for path in folder.glob("data/*")}
    again = run(
        hub, tmp_path, "unet_hf", "segment", "--dataset_name", CELLS, "--model", MODEL,
        "--push_to_hub", MASKS, "--output", folder,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("data/*")} == times
    assert len(hub.repos["datasets", MASKS].commits) == 2


def test_a_folder_of_images_becomes_shards_that_need_it_no_more(model, tmp_path):
    cells = write_dataset(tmp_path / "cells", {"train": 2, "test": 1})
    segment_dataset(DatasetOptions(str(cells), str(model), output=tmp_path / "out"))
    shutil.rmtree(cells)
    rows = load_dataset(str(tmp_path / "out"))
    assert {split: len(part) for split, part in rows.items()} == {"train": 2, "test": 1}
    assert rows["test"].column_names == ["image", "mask", "predicted_mask"]
    assert {value.size for value in rows["test"][0].values()} == {(96, 96)}


@pytest.fixture
def source(tmp_path) -> Path:
    """A file whose rows have a mask already, and one of them a damaged image."""
    masks = [{"bytes": png(np.zeros((40, 48), np.uint8)), "path": None} for _ in range(9)]
    rows = table(9, mask=(masks, Image())).to_dict()
    rows["image"][4] = {"bytes": rows["image"][4]["bytes"][:200], "path": "4.png"}
    features = table(9, mask=(masks, Image())).features
    path = tmp_path / "cells.parquet"
    Dataset.from_dict(rows, features=features).to_parquet(path)
    return path


def test_masks_that_are_there_stay_and_a_damaged_image_has_none(source, model, tmp_path, capsys):
    done = segment_dataset(DatasetOptions(str(source), str(model), output=tmp_path / "out"))
    assert done.summary().startswith("8 of 9 segmented, 1 failed (failed.csv)")
    assert "failed: train, row 4" in capsys.readouterr().err
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert rows.column_names == ["image", "kind", "note", "mask", "predicted_mask"]
    assert [row for row in range(9) if rows.select_columns("predicted_mask")[row]
            ["predicted_mask"] is None] == [4]  # fmt: skip
    mask = rows.select_columns("predicted_mask")[0]["predicted_mask"]
    assert np.array_equal(mask, UNet.from_pretrained(model).segment(picture(0)).mask)
    assert "train,4," in (tmp_path / "out" / "failed.csv").read_text()
    assert "1 of them without a mask" in (tmp_path / "out" / "README.md").read_text()
    found = open_source(str(tmp_path / "out"))
    assert found.id2label == {"0": "ground", "1": "cell"}
    assert find_columns(found.features, label_column="predicted_mask").label == "predicted_mask"


def test_finished_shards_are_not_computed_again_and_the_end_is_the_same(source, model, tmp_path):
    options = DatasetOptions(str(source), str(model), output=tmp_path / "out")
    segment_dataset(options)
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    _, lost, failed, *_ = shards = sorted((tmp_path / "out" / "data").iterdir())
    lost.unlink()
    (tmp_path / "out" / "data" / f"{HIDDEN_PREFIX}{32 * 'a'}.parquet").write_bytes(b"killed")
    times = {path: path.stat().st_mtime_ns for path in shards if path not in (lost, failed)}
    segment_dataset(options)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*")
            if path.is_file()} == files  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_what_failed_is_tried_again(source, model, tmp_path, monkeypatch):
    options = DatasetOptions(str(source), str(model), output=tmp_path / "out")
    read, cause = mask_shards.read_cell, UnreadableImageError("The network is away.")

    def unreadable(cell: Any, token: str | None) -> ImageData:
        raise cause

    monkeypatch.setattr(mask_shards, "read_cell", unreadable)
    with pytest.raises(DatasetError, match=r"None of the 9 images .* The network is away"):
        segment_dataset(options)
    monkeypatch.setattr(mask_shards, "read_cell", read)
    assert len(segment_dataset(options).failures) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 0.9}, "other: threshold"),
        ({"split": "test"}, "no split 'test'"),
        ({"image_column": "imge"}, "Did you mean 'image'"),
        ({"threshold": 2.0}, "threshold"),
        ({"output": Path(__file__).parent}, "is not empty"),
        ({"output": Path(__file__)}, "is a file"),
        ({"dataset_name": "no/such/place"}, "no/such/place"),
        ({"model": "unet-none"}, "unet-none"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(source, model, tmp_path, change, words):
    plain = {"dataset_name": str(source), "model": str(model), "output": tmp_path / "out"}
    if "threshold" in change:
        segment_dataset(DatasetOptions(**plain))
    with pytest.raises(UNetError, match=words):
        segment_dataset(DatasetOptions(**(plain | change)))


def test_a_data_set_is_never_pushed_over_itself():
    with pytest.raises(ConfigError, match="is the data set itself"):
        segment_dataset(DatasetOptions(CELLS, "unet-isbi", push_to_hub=CELLS))


def test_overwrite_makes_all_masks_anew(source, model, tmp_path):
    plain = {"dataset_name": str(source), "model": str(model), "output": tmp_path / "out"}
    segment_dataset(DatasetOptions(**plain))
    segment_dataset(DatasetOptions(**plain, threshold=1.0, overwrite=True))
    first = min((tmp_path / "out" / "data").iterdir())
    (cell,) = cells(first.read_bytes(), "predicted_mask")[:1]
    assert not np.asarray(PIL.Image.open(io.BytesIO(cell["bytes"]))).any()


def test_images_stored_as_bytes_are_segmented_and_stay_bytes(model, tmp_path):
    pictures = {"image": [png(picture(seed)) for seed in range(2)]}
    features = Features({"image": Value("binary")})
    Dataset.from_dict(pictures, features=features).to_parquet(tmp_path / "cells.parquet")
    options = DatasetOptions(str(tmp_path / "cells.parquet"), str(model), output=tmp_path / "out")
    segment_dataset(options)
    shard, *_ = sorted((tmp_path / "out" / "data").iterdir())
    assert cells(shard.read_bytes(), "image") == pictures["image"][:1]
    assert cells(shard.read_bytes())[0]["bytes"] == expected(model, picture(0))


def test_a_column_of_images_is_found_without_masks():
    features = {"photo": Image(), "kind": Value("string")}
    assert find_image_column(features, None, None) == "photo"
    with pytest.raises(DatasetError, match="not clear"):
        find_image_column({"x": Image(), "y": Image()}, None, None)
    assert find_image_column({"x": Image(), "y": Image()}, "y", None) == "y"
