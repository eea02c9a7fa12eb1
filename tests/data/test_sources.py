"""Every way to hand over a data set gives the same rows; every failure says what to do."""

import json
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, IterableDataset, List, Value

from unet_hf.data.columns import find_columns
from unet_hf.data.detect_encoding import detect_encoding, read_mask
from unet_hf.data.downloaded import check_downloaded
from unet_hf.data.sources import open_source, row_bytes
from unet_hf.errors import DatasetError

from ..support.drawn_sets import own_cache, png, streamed, values, write  # noqa: F401

LABELS = {"0": "ground", "1": "cell"}
SECRET = "hf_abcdefghijklmnop"


def table(**columns) -> Dataset:
    features = Features({name: Image() for name in columns})
    cells = {
        name: [{"bytes": png(v), "path": f"{v}.png"} for v in column]
        for name, column in columns.items()
    }
    return Dataset.from_dict(cells, features=features)


# ------------------------------------------------------------------ what is accepted


def imagefolder(root: Path, metadata: str) -> Path:
    for split in ("train", "validation"):
        write(root / split, "images/a.png", "masks/a.png")
        row = {"file_name": "images/a.png", "mask_file_name": "masks/a.png"}
        if metadata == "jsonl":
            (root / split / "metadata.jsonl").write_text(json.dumps(row))
        elif metadata == "csv":
            text = "\n".join([",".join(row), ",".join(row.values())])
            (root / split / "metadata.csv").write_text(text)
        else:
            Dataset.from_list([row]).to_parquet(root / split / "metadata.parquet")
    return root


@streamed
@pytest.mark.parametrize("metadata", ["jsonl", "csv", "parquet"])
def test_an_imagefolder_with_metadata(tmp_path, metadata, streaming):
    imagefolder(tmp_path, metadata)
    (tmp_path / "id2label.json").write_text(json.dumps(LABELS))
    source = open_source(str(tmp_path), streaming=streaming)
    assert list(source.splits) == ["train", "validation"]
    assert isinstance(source.splits["train"], IterableDataset) == streaming
    assert source.features == {"image": Image(decode=False), "mask": Image(decode=False)}
    assert values(source) == values(source, "validation") == [("a", 0, 1)]
    assert source.id2label == LABELS and "id2label.json" in source.id2label_origin


@streamed
@pytest.mark.parametrize("inside", [False, True], ids=["file", "folder"])
def test_parquet(tmp_path, inside, streaming):
    rows = table(image=[3, 4], mask=[0, 1])
    rows.to_parquet(tmp_path / "train-00000-of-00002.parquet")
    rows.to_parquet(tmp_path / "train-00001-of-00002.parquet")
    rows.to_parquet(tmp_path / "test-00000-of-00001.parquet")
    (tmp_path / "id2label.json").write_text(json.dumps(LABELS))
    name = tmp_path if inside else tmp_path / "train-00000-of-00002.parquet"
    source = open_source(str(name), streaming=streaming)
    assert list(source.splits) == (["train", "test"] if inside else ["train"])
    assert isinstance(source.splits["train"], IterableDataset) == streaming
    assert values(source) == sorted([("3", 3, 0), ("4", 4, 1)] * (2 if inside else 1))
    assert source.features["mask"] == Image(decode=False)
    assert source.id2label == LABELS


@streamed
def test_what_save_to_disk_wrote(tmp_path, streaming):
    rows = table(image=[3], mask=[1])
    DatasetDict({"train": rows, "fold2": rows}).save_to_disk(tmp_path / "dict")
    source = open_source(str(tmp_path / "dict"), streaming=streaming)
    assert list(source.splits) == ["train", "fold2"]
    assert values(source, "fold2") == [("3", 3, 1)]
    rows.save_to_disk(tmp_path / "one")
    source = open_source(str(tmp_path / "one"), streaming=streaming)
    assert values(source) == [("3", 3, 1)]
    assert isinstance(source.splits["train"], IterableDataset) == streaming


@streamed
def test_lists_and_binary_columns_stay_encoded(tmp_path, streaming):
    cell = {"bytes": png(1), "path": None}
    features = Features(
        {
            "image": Value("binary"),
            "instances": List(Image()),
            "categories": List(ClassLabel(names=["a", "b"])),
        }
    )
    row = {"image": png(0), "instances": [cell, cell], "categories": [0, 1]}
    Dataset.from_list([row], features=features).to_parquet(tmp_path / "train.parquet")
    source = open_source(str(tmp_path), streaming=streaming)
    assert source.features["image"] == Value("binary")
    assert source.features["instances"] == List(Image(decode=False))
    row = next(iter(source.splits["train"]))
    assert row_bytes(row["image"]) == (png(0), "")
    assert [row_bytes(cell)[0] for cell in row["instances"]] == [png(1)] * 2


def test_what_is_streamed_from_the_hub_stays_encoded_though_threads_would_decode_it(monkeypatch):
    rows = table(image=[3], mask=[1]).to_iterable_dataset().decode(num_threads=2)
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: {"train": rows})
    source = open_source("org/cells", streaming=True)
    assert values(source) == [("3", 3, 1)]
    assert source.features["mask"] == Image(decode=False)


def test_local_folders_are_streamed_in_shards(tmp_path):
    """So that several workers can read them."""
    write(tmp_path, *[f"{kind}/{n}.png" for n in range(5) for kind in ("images", "masks")])
    assert open_source(str(tmp_path), streaming=True).splits["train"].num_shards == 5


# ------------------------------------------------------------------ what fails


def test_folders_loaded_as_classes_are_refused(tmp_path, monkeypatch):
    """What a Hub data set with images/ and masks/ and no metadata becomes."""
    write(tmp_path, "images/a.png", "masks/a.png")
    loaded = datasets.load_dataset(str(tmp_path))
    assert loaded["train"].features["label"].names == ["images", "masks"]
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: loaded)
    with pytest.raises(DatasetError, match=r"org/cells has the folders .* Add a metadata.jsonl"):
        open_source("org/cells")


def test_other_classes_are_no_folders_of_masks(monkeypatch):
    features = Features({"image": Image(), "label": ClassLabel(names=["cat", "mask"])})
    rows = Dataset.from_dict({"image": [], "label": []}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: DatasetDict(train=rows))
    assert list(open_source("org/pets").features) == ["image", "label"]


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (
            datasets.exceptions.DatasetNotFoundError("Dataset 'o/x' doesn't exist on the Hub"),
            "Check the spelling.*hf auth login.*no local folder",
        ),
        (
            datasets.exceptions.DatasetNotFoundError(
                "Dataset 'o/x' is a gated dataset on the Hub."
            ),
            "Ask for access",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported, but found x.py"),
            "--dataset_revision refs/convert/parquet",
        ),
        (
            ValueError("Config name is missing.\nPlease pick one among: ['full', 'mini']"),
            "'full', 'mini'.*--dataset_config_name",
        ),
        (
            ValueError("BuilderConfig 'ful' not found. Available: ['full', 'mini']"),
            "'full', 'mini'.*--dataset_config_name",
        ),
        (
            datasets.exceptions.DatasetNotFoundError("Revision 'v9' doesn't exist for dataset"),
            "--dataset_revision",
        ),
        (ConnectionError("Couldn't reach 'o/x' on the Hub (ConnectError)"), "Check the network"),
        (datasets.exceptions.DataFilesNotFoundError("No data files found"), "Accepted are"),
        (KeyError("something else"), "something else.*Repair the data set"),
    ],
)
def test_every_failure_to_load_names_its_cure(monkeypatch, error, cure):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DatasetError, match=rf"(?s)'o/x' cannot be loaded.*{cure}") as caught:
        open_source("o/x")
    assert caught.value.__cause__ is error


def test_offline_is_said():
    with pytest.raises(DatasetError, match="HF_HUB_OFFLINE"):
        open_source("nobody/never-loaded")


@pytest.mark.parametrize("secret", [SECRET, "another kind of token"])
def test_a_token_is_never_shown(monkeypatch, secret):
    def fail(*args, **kwargs):
        raise RuntimeError(f"header: Bearer {secret}")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DatasetError) as caught:
        open_source("o/x", token=secret)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["data/of/nobody", "./nothing", "/nothing", "train.parquet"])
def test_a_path_that_does_not_exist(name):
    with pytest.raises(DatasetError, match="no file or folder"):
        open_source(name)


def test_local_files_that_are_no_data_set(tmp_path):
    (tmp_path / "data.txt").write_text("1, 2")
    with pytest.raises(DatasetError, match="no data set that can be read"):
        open_source(str(tmp_path / "data.txt"))
    with pytest.raises(DatasetError, match=r"neither metadata\.jsonl"):
        open_source(str(tmp_path))
    (tmp_path / "train.parquet").write_text("damaged")
    with pytest.raises(DatasetError, match="cannot be loaded"):
        open_source(str(tmp_path))


def test_id2label_that_is_no_mapping(tmp_path):
    write(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "id2label.json").write_text('"ground"')
    with pytest.raises(DatasetError, match=r"id2label.json is not a mapping"):
        open_source(str(tmp_path))


def test_splits_with_different_columns_are_refused(tmp_path):
    splits = {"train": table(image=[1], mask=[1]), "test": table(image=[1], label=[1])}
    for name, rows in splits.items():
        rows.save_to_disk(tmp_path / name)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    with pytest.raises(DatasetError, match="differ in the columns mask, label"):
        open_source(str(tmp_path))


# ------------------------------------------------------------------ cells


def test_cells(tmp_path):
    file = tmp_path / "cell 1.png"
    file.write_bytes(png(1))
    assert row_bytes({"bytes": png(1), "path": "a/b.c.png"}) == (png(1), "b.c")
    assert row_bytes({"bytes": None, "path": str(file)}) == (png(1), "cell 1")
    assert row_bytes(str(file)) == row_bytes(file) == (png(1), "cell 1")
    assert row_bytes(png(1)) == row_bytes(bytearray(png(1))) == (png(1), "")
    assert row_bytes(None) == row_bytes({"bytes": None, "path": None}) == (None, "")


def test_cells_of_archives_and_other_file_systems(tmp_path):
    """As streaming gives them."""
    import fsspec

    write(tmp_path, "masks/a.png")
    from zipfile import ZipFile

    with ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(tmp_path / "masks/a.png", "masks/a.png")
    path = f"zip://masks/a.png::{tmp_path / 'data.zip'}"
    assert row_bytes({"bytes": None, "path": path}) == (png(0), "a")
    with fsspec.open("memory://store/b.png", "wb") as file:
        file.write(png(2))
    assert row_bytes("memory://store/b.png") == (png(2), "b")


def test_a_cell_that_cannot_be_opened(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png .* cannot be opened"):
        row_bytes({"bytes": None, "path": str(tmp_path / "gone.png")})
    with pytest.raises(DatasetError, match="holds a int"):
        row_bytes(3)


def test_from_a_folder_to_class_ids(tmp_path):
    """The three modules together."""
    write(tmp_path, "images/a.png", "masks/a_mask.png")
    (tmp_path / "masks/a_mask.png").write_bytes(png(255))
    source = open_source(str(tmp_path))
    columns = find_columns(source.features)
    row = source.splits["train"][0]
    mask = read_mask(row_bytes(row[columns.label])[0])
    assert np.array_equal(detect_encoding([mask]).decode(mask), np.ones((4, 6)))


def test_a_data_set_of_the_hub_names_only_what_was_downloaded(tmp_path, monkeypatch):
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    (cache / "snapshots").mkdir(parents=True)
    (cache / "snapshots" / "private.png").symlink_to(tmp_path / "private.png")
    inside = str(cache / "snapshots" / "a.png")
    for path in (inside, f"zip://a.png::{inside}", "hf://datasets/a/b@main/c.png",
                 "https://a.org/b.png", "zip://a.png::hf://datasets/a/b/c.zip"):  # fmt: skip
        check_downloaded(path)
        check_downloaded([{"bytes": None, "path": path}])
    check_downloaded([{"bytes": b"1", "path": "/private.png"}, None, b"1"])
    check_downloaded({"text": "/private.png"}, texts_are_paths=False)
    for path in ("/private.png", "private.png", "~/private.png", "file:///private.png",
                 f"{cache}/../private.png", f"{cache}/snapshots/private.png",
                 "zip://a.png::/private.zip", "file:///private.png::https://a.org/b.png",
                 "private.png::https://a.org/b.png", "simplecache::file:///private.png",
                 "\0"):  # fmt: skip
        for cell in (
            path,
            [{"bytes": b"", "path": path}],
            {"inner": {"bytes": None, "path": path}},
        ):
            with pytest.raises(DatasetError, match="no part of it"):
                check_downloaded(cell)
