"""What goes wrong in `segment` over many files is said of each image, and the rest is done."""

import csv
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from unet_hf import UNet
from unet_hf.batch import workers
from unet_hf.batch.attempt import BatchStoppedError
from unet_hf.batch.inputs import find_inputs
from unet_hf.batch.item import Failure, Item, Job
from unet_hf.batch.options import BatchOptions
from unet_hf.errors import CalibrationError, ConfigError
from unet_hf.files import exclusive_writer
from unet_hf.hashes import model_sha256

from .batches import draw, draw_three, files, on_one_thread, save_model, segment


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with on_one_thread():
        yield


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_three(tmp_path / "images")


def test_a_damaged_image_is_one_line_and_the_rest_is_done(images, model, tmp_path, capsys):
    whole = (images / "a.png").read_bytes()
    (images / "a.png").write_bytes(whole[: len(whole) // 2])
    batch = segment(images, tmp_path / "out", model)
    assert batch.summary() == "2 of 3 segmented, 1 failed"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "a.png" in line]
    assert line.startswith(f"failed: {images / 'a.png'} cannot be decoded")
    assert "Copy it again" in line
    with (tmp_path / "out" / "failed.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["page"]) == ("a.png", "0")

    (images / "a.png").write_bytes(whole)
    assert len(segment(images, tmp_path / "out", model).todo) == 1
    assert not (tmp_path / "out" / "failed.csv").exists()


def test_int8_without_a_calibration_is_refused_once(images, model, tmp_path):
    with pytest.raises(CalibrationError, match="unet_hf calibrate"):
        segment(images, tmp_path / "out", model, precision="int8")
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")


def test_a_second_run_into_the_same_folder_is_refused(images, model, tmp_path):
    (tmp_path / "out").mkdir()
    with exclusive_writer(tmp_path / "out"), pytest.raises(ConfigError, match="Another run"):
        segment(images, tmp_path / "out", model)


def test_an_output_folder_that_cannot_be_written_is_said(images, model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        segment(images, tmp_path / "file", model)
    with pytest.raises(BatchStoppedError, match="cannot be written"):
        segment(images, tmp_path / "file" / "out", model)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(images, model, tmp_path, monkeypatch):
    out, real = tmp_path / "out", os.replace

    def full(source: Path, target: Path) -> None:
        if str(target).endswith("plate/a_overlay.png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BatchStoppedError, match=r"the disk is full.*goes on where it stopped"):
        segment(images, out, model)
    monkeypatch.undo()
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    assert len(segment(images, out, model).todo) == 2
    segment(images, tmp_path / "fresh", model)
    assert files(out) == files(tmp_path / "fresh")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8 exist on Linux alone")
def test_any_file_name_will_do(model, tmp_path):
    names = [b"\xff.png", 'µ, "2"\n.png'.encode(), b"a" * 240 + b".png"]
    for name in names:
        draw(tmp_path / "images" / os.fsdecode(name))
    for _ in range(2):
        batch = segment(tmp_path / "images", tmp_path / "out", model)
    assert batch.summary() == "2 of 3 segmented (2 of them before), 1 failed"
    assert "its name is too long" in batch.failures[0].reason
    assert b"\xff.png" in (tmp_path / "out" / "results.csv").read_bytes()


def test_a_process_that_dies_loses_one_image_and_the_rest_is_done(
    images, model, tmp_path, monkeypatch
):
    class Doomed(workers.Worker):
        def hand(self, item: Item | None) -> None:
            if item and item.name == "plate/a":
                self.loaded = self.connection.recv() is None if not self.loaded else True
                self.process.kill()
                self.process.join()
            super().hand(item)

    monkeypatch.setattr(workers, "Worker", Doomed)
    batch = segment(images, tmp_path / "out", model, jobs=2)
    assert batch.summary() == "2 of 3 segmented, 1 failed"
    assert "killed by signal 9, most often for lack of memory" in batch.failures[0].reason
    assert str(images / "plate" / "a.png") in batch.failures[0].reason


def test_a_process_that_cannot_begin_ends_the_run_with_a_sentence(images, model, tmp_path):
    network = UNet.from_pretrained(model)
    options = BatchOptions(str(model)).settled(network)
    items = [Item(file) for file in find_inputs([str(images)], tmp_path / "out")]
    gone = Job(
        replace(options, model=str(tmp_path / "gone")), tmp_path / "out", model_sha256(network)
    )
    with pytest.raises(BatchStoppedError, match="gone"):
        list(workers.in_processes(items[:1], gone, 1))
    other = Job(options, tmp_path / "out", "of another model")
    with pytest.raises(BatchStoppedError, match="changed while it was in use"):
        list(workers.in_processes(items[:1], other, 1))


def test_more_memory_than_there_is_is_said_of_the_image(images, model, tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr("unet_hf.predict.tiles.logits_function", fail)
    batch = segment(images, tmp_path / "out", model)
    assert len(batch.failures) == 3
    assert all(isinstance(failure, Failure) for failure in batch.failures)
    assert "Use a smaller --tile_size" in batch.failures[0].reason
