"""What goes wrong in `segment` over many files is said of each image, and the rest is done."""

import csv
import errno
import os
import sys
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

from ..support.batches import draw, files, segment

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_damaged_image_is_one_line_and_the_rest_is_done(
    three_images, batch_model, tmp_path, capsys
):
    whole = (three_images / "a.png").read_bytes()
    (three_images / "a.png").write_bytes(whole[: len(whole) // 2])
    batch = segment(three_images, tmp_path / "out", batch_model)
    assert batch.summary() == "2 of 3 segmented, 1 failed"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "a.png" in line]
    assert line.startswith(f"failed: {three_images / 'a.png'} cannot be decoded")
    assert "Copy it again" in line
    with (tmp_path / "out" / "failed.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["page"]) == ("a.png", "0")

    (three_images / "a.png").write_bytes(whole)
    assert len(segment(three_images, tmp_path / "out", batch_model).todo) == 1
    assert not (tmp_path / "out" / "failed.csv").exists()


def test_int8_without_a_calibration_is_refused_once(three_images, batch_model, tmp_path):
    with pytest.raises(CalibrationError, match="unet_hf calibrate"):
        segment(three_images, tmp_path / "out", batch_model, precision="int8")
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")


def test_a_second_run_into_the_same_folder_is_refused(three_images, batch_model, tmp_path):
    (tmp_path / "out").mkdir()
    with exclusive_writer(tmp_path / "out"), pytest.raises(ConfigError, match="Another run"):
        segment(three_images, tmp_path / "out", batch_model)


def test_an_output_folder_that_cannot_be_written_is_said(three_images, batch_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        segment(three_images, tmp_path / "file", batch_model)
    with pytest.raises(BatchStoppedError, match="cannot be written"):
        segment(three_images, tmp_path / "file" / "out", batch_model)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    three_images, batch_model, tmp_path, monkeypatch
):
    out, real = tmp_path / "out", os.replace

    def full(source: Path, target: Path) -> None:
        if str(target).endswith("plate/a_overlay.png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BatchStoppedError, match=r"the disk is full.*goes on where it stopped"):
        segment(three_images, out, batch_model)
    monkeypatch.undo()
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    assert len(segment(three_images, out, batch_model).todo) == 2
    segment(three_images, tmp_path / "fresh", batch_model)
    assert files(out) == files(tmp_path / "fresh")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8 exist on Linux alone")
def test_any_file_name_will_do(batch_model, tmp_path):
    names = [b"\xff.png", 'µ, "2"\n.png'.encode(), b"a" * 240 + b".png"]
    for name in names:
        draw(tmp_path / "images" / os.fsdecode(name))
    for _ in range(2):
        batch = segment(tmp_path / "images", tmp_path / "out", batch_model)
    assert batch.summary() == "2 of 3 segmented (2 of them before), 1 failed"
    assert "its name is too long" in batch.failures[0].reason
    assert b"\xff.png" in (tmp_path / "out" / "results.csv").read_bytes()


def test_a_process_that_dies_loses_one_image_and_the_rest_is_done(
    three_images, batch_model, tmp_path, monkeypatch
):
    class Doomed(workers.Worker):
        def hand(self, item: Item | None) -> None:
            if item and item.name == "plate/a":
                self.loaded = self.connection.recv() is None if not self.loaded else True
                self.process.kill()
                self.process.join()
            super().hand(item)

    monkeypatch.setattr(workers, "Worker", Doomed)
    batch = segment(three_images, tmp_path / "out", batch_model, jobs=2)
    assert batch.summary() == "2 of 3 segmented, 1 failed"
    assert "killed by signal 9, most often for lack of memory" in batch.failures[0].reason
    assert str(three_images / "plate" / "a.png") in batch.failures[0].reason


def test_a_process_that_cannot_begin_ends_the_run_with_a_sentence(
    three_images, batch_model, tmp_path
):
    network = UNet.from_pretrained(batch_model)
    options = BatchOptions(str(batch_model)).settled(network)
    items = [Item(file) for file in find_inputs([str(three_images)], tmp_path / "out")]
    gone = Job(
        replace(options, model=str(tmp_path / "gone")), tmp_path / "out", model_sha256(network)
    )
    with pytest.raises(BatchStoppedError, match="gone"):
        list(workers.in_processes(items[:1], gone, 1))
    other = Job(options, tmp_path / "out", "of another model")
    with pytest.raises(BatchStoppedError, match="changed while it was in use"):
        list(workers.in_processes(items[:1], other, 1))


@pytest.mark.parametrize(
    "words",
    [
        "DefaultCPUAllocator: can't allocate memory: you tried ...",
        "could not create a primitive",  # oneDNN's
    ],
)
def test_more_memory_than_there_is_is_said_of_the_image(
    words, three_images, batch_model, tmp_path, monkeypatch
):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr("unet_hf.predict.tiles.logits_function", fail)
    batch = segment(three_images, tmp_path / "out", batch_model)
    assert len(batch.failures) == 3
    assert all(isinstance(failure, Failure) for failure in batch.failures)
    assert "Use a smaller --tile_size" in batch.failures[0].reason
