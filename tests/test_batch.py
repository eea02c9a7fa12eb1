"""`segment` over many files: what it writes, what it leaves alone, and how it goes on."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.batch import workers
from unet_hf.batch.inputs import find_inputs
from unet_hf.batch.item import BatchOptions, BatchStoppedError, Failure, Item, Job
from unet_hf.batch.run import Batch, segment_files
from unet_hf.errors import CalibrationError, ConfigError, ImageNotFoundError
from unet_hf.files import exclusive_writer
from unet_hf.hashes import model_sha256

from .conftest import ROOT
from .processes import forked_python

OUTPUTS = ("mask.png", "overlay.png", "probabilities.tif", "summary.json")
MANY, CORRUPT = 200, 77


def pixels(seed: int, shape: tuple[int, ...] = (32, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def draw(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels(seed)).save(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny network whose threshold lies where its masks show both classes."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).eval()
    probabilities = network.segment(pixels(0)).probabilities[1]
    network.config["threshold"] = float(np.round(np.median(probabilities), 4))
    network.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As each of two jobs on two cores has: on more, probabilities are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(tmp_path) -> Path:
    """Three images in two folders."""
    folder = tmp_path / "images"
    for number, name in enumerate(("a.png", "plate/a.png", "plate/b.tif")):
        draw(folder / name, number)
    return folder


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


def test_outputs_are_the_bytes_that_save_writes(images, model, tmp_path):
    segment(images, tmp_path / "out", model)
    network = UNet.from_pretrained(model)
    for name in ("a.png", "plate/a.png", "plate/b.tif"):
        network.segment(images / name).save(tmp_path / "saved" / name)
        written, saved = files(tmp_path / "out"), files(tmp_path / "saved" / name)
        stem = name.partition(".")[0]
        assert {output: written[f"{stem}_{output}"] for output in OUTPUTS} == saved
    mask = np.asarray(PIL.Image.open(tmp_path / "out" / "a_mask.png"))
    assert set(np.unique(mask)) == {0, 1}  # or the claim would be empty


def test_the_table_has_the_areas_of_every_image(images, model, tmp_path):
    segment(images, tmp_path / "out", model, outputs=("mask",))
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.png", "plate/a.png", "plate/b.tif"]
    for row in rows:
        stem = row["file"].partition(".")[0]
        cells = int(np.asarray(PIL.Image.open(tmp_path / "out" / f"{stem}_mask.png")).sum())
        assert int(row["pixels cell"]) == cells
        assert int(row["pixels ground"]) == 32 * 32 - cells
        assert float(row["share cell"]) == round(cells / 1024, 6)


def test_every_page_has_outputs_and_all_masks_are_one_stack(model, tmp_path):
    stack = pixels(0, (3, 20, 30))
    tifffile.imwrite(tmp_path / "cells.tif", stack, metadata={"axes": "ZYX"},
                     photometric="minisblack")  # fmt: skip
    batch = segment(tmp_path / "cells.tif", tmp_path / "out", model)
    assert batch.summary() == "3 of 3 segmented"
    masks = []
    for page in range(3):
        result = UNet.from_pretrained(model).segment(tmp_path / "cells.tif", page=page)
        masks.append(result.mask)
        saved = result.save(tmp_path / "saved")
        written = tmp_path / "out" / f"cells_page{page:04d}_probabilities.tif"
        assert written.read_bytes() == saved["probabilities"].read_bytes()
    with tifffile.TiffFile(tmp_path / "out" / "cells_mask.tif") as written:
        assert written.series[0].axes == "ZYX"
        assert written.asarray().dtype == np.uint8
        assert np.array_equal(written.asarray(), masks)

    before = times(tmp_path / "out", "_mask.tif")
    segment(tmp_path / "cells.tif", tmp_path / "out", model)
    assert times(tmp_path / "out", "_mask.tif") == before
    (tmp_path / "out" / "cells_mask.tif").unlink()
    again = segment(tmp_path / "cells.tif", tmp_path / "out", model)
    assert again.todo == []
    assert np.array_equal(tifffile.imread(tmp_path / "out" / "cells_mask.tif"), masks)


def test_of_pages_that_a_file_no_longer_has_nothing_is_left(model, tmp_path):
    for pages in ((3, 20, 30), (2, 20, 30), (20, 30)):
        axes = "ZYX"[-len(pages) :]
        tifffile.imwrite(tmp_path / "cells.tif", pixels(0, pages), metadata={"axes": axes},
                         photometric="minisblack")  # fmt: skip
        segment(tmp_path / "cells.tif", tmp_path / "out", model)
        segment(tmp_path / "cells.tif", tmp_path / f"fresh{pages}", model)
        assert files(tmp_path / "out") == files(tmp_path / f"fresh{pages}")


def test_pages_of_different_sizes_are_pages_of_the_stack_too(model, tmp_path):
    sides = (20, 31)
    with tifffile.TiffWriter(tmp_path / "cells.tif") as file:
        for side in sides:
            file.write(pixels(side, (side, side)), photometric="minisblack", metadata=None)
    segment(tmp_path / "cells.tif", tmp_path / "out", model)
    with tifffile.TiffFile(tmp_path / "out" / "cells_mask.tif") as written:
        assert [page.shape for page in written.pages] == [(side, side) for side in sides]


def test_one_page_alone_can_be_asked_for(model, tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", pixels(0, (3, 20, 30)), metadata={"axes": "ZYX"},
                     photometric="minisblack")  # fmt: skip
    batch = segment(tmp_path / "cells.tif", tmp_path / "out", model, page=1, outputs=("mask",))
    assert [item.name for item in batch.items] == ["cells_page0001"]
    assert not (tmp_path / "out" / "cells_mask.tif").exists()
    batch = segment(tmp_path / "cells.tif", tmp_path / "out", model, page=7, outputs=("mask",))
    assert "has no page 7: it has 3 pages" in batch.failures[0].reason


def test_what_is_finished_is_not_computed_again(images, model, tmp_path):
    segment(images, tmp_path / "out", model)
    before, finished = files(tmp_path / "out"), times(tmp_path / "out")
    batch = segment(images, tmp_path / "out", model)
    assert batch.summary() == "3 of 3 segmented (3 of them before)"
    assert (times(tmp_path / "out"), files(tmp_path / "out")) == (finished, before)
    assert segment(images, tmp_path / "out", model, outputs=("mask",)).todo == []


@pytest.mark.parametrize("what", ["input", "model", "threshold", "lost", "cut", "record"])
def test_what_changed_is_computed_again_and_nothing_else(what, images, model, tmp_path):
    out = tmp_path / "out"
    segment(images, out, model)
    options, changed = {}, 1
    if what == "input":
        draw(images / "a.png", seed=9)
    elif what == "model":
        network = UNet.from_pretrained(model)
        torch.nn.init.constant_(network.head.bias, 3)
        network.save_pretrained(model := tmp_path / "other")
        changed = 3
    elif what == "threshold":
        options, changed = {"threshold": 0.9}, 3
    elif what == "lost":
        (out / "a_overlay.png").unlink()
    elif what == "cut":
        (out / "a_overlay.png").write_bytes((out / "a_overlay.png").read_bytes()[:50])
    else:  # killed while it wrote the last line
        *lines, last = (out / "segmented.jsonl").read_text().splitlines(keepends=True)
        record = json.loads(last)
        planned = json.dumps({"name": record["name"], "planned": list(record["files"])}) + "\n"
        (out / "segmented.jsonl").write_text("".join(lines) + planned + last[:40])
    batch = segment(images, out, model, **options)
    assert len(batch.todo) == changed
    segment(images, tmp_path / "fresh", model, **options)
    assert files(out) == files(tmp_path / "fresh")


def test_outputs_that_no_longer_fit_are_removed(images, model, tmp_path):
    segment(images, tmp_path / "out", model)
    segment(images, tmp_path / "out", model, threshold=0.9, outputs=("mask",))
    assert not list((tmp_path / "out").rglob("*_overlay.png"))
    (images / "a.png").write_bytes(b"no image any more")
    segment(images, tmp_path / "out", model, threshold=0.9, outputs=("mask",))
    assert not (tmp_path / "out" / "a_mask.png").exists()


@pytest.mark.parametrize("outside", ["../mine.png", "below/../../mine.png", "{absolute}"])
def test_records_cannot_have_files_outside_of_their_folder_deleted(
    outside, images, model, tmp_path
):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    segment(images, tmp_path / "out", model)
    records = tmp_path / "out" / "segmented.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        line["files"][outside.format(absolute=mine)] = 4
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Outputs that the same images no longer have would be removed.
    segment(images, tmp_path / "out", model, outputs=("mask",), overwrite=True)
    assert mine.read_bytes() == b"mine"


def test_outputs_are_on_the_disk_before_their_record_and_that_before_the_next(
    images, model, tmp_path, monkeypatch
):
    """What a power cut leaves: no record of an output that was lost with it."""
    flushed: list[str] = []
    original = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve().suffix)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    segment(images, tmp_path / "out", model, outputs=("mask", "overlay"))
    finished = "".join("r" if suffix == ".jsonl" else "o" for suffix in flushed)
    # The plan; two outputs and a record an image; the records in order, and the table.
    assert finished == "r" + "oor" * 3 + "r" + "o"


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


def test_results_among_the_images_are_never_taken_for_images(images, model, tmp_path):
    inside = images / "plate" / "masks"
    for _ in range(2):
        batch = segment(images, inside, model)
        assert [item.name for item in batch.items] == ["a", "plate/a", "plate/b"]
    batch = segment([images, images / "plate" / "*", *images.iterdir()], inside, model)
    assert len(batch.items) == 3
    assert len(segment(images, tmp_path / "elsewhere", model).items) == 3
    for named in (images, images / "a.png"):
        with pytest.raises(ConfigError, match="lies in the output folder"):
            segment(named, images, model)


def test_where_no_terminal_shows_a_bar_a_line_tells_how_far_it_is(
    images, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("unet_hf.batch.progress.LINE_SECONDS", 0)
    segment(images, tmp_path / "out", model)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"{n} of 3 images" for n in (1, 2, 3)]
    assert lines[0].endswith(" s left")
    segment(images, tmp_path / "out", model)
    assert capsys.readouterr().err == "everything is segmented already\n"


def test_patterns_keep_the_folders_that_they_match(images, tmp_path):
    found = find_inputs([str(images / "**" / "*.*")], tmp_path / "out")
    assert [file.name for file in found] == ["a", "plate/a", "plate/b"]
    found = find_inputs([str(images / "pl*" / "b.tif")], tmp_path / "out")
    assert [file.name for file in found] == ["plate/b"]


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        (["nothing.png"], ImageNotFoundError, "no file or folder"),
        (["*.xyz"], ImageNotFoundError, "No file matches"),
        (["empty"], ImageNotFoundError, "There are no images in"),
        (["a.png", "plate/a.png"], ConfigError, "would both be written as a_mask.png"),
    ],
)
def test_inputs_that_are_not_clear_are_refused(named, error, words, images, tmp_path):
    (images / "empty").mkdir()
    with pytest.raises(error, match=words) as refused:
        find_inputs([str(images / name) for name in named], tmp_path / "out")
    assert all(name.strip("*") in str(refused.value) for name in named)


def test_a_file_of_somebody_else_is_not_written_over(images, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_mask.png").write_bytes(b"drawn by hand")
    with pytest.raises(ConfigError, match="was not written by this command"):
        segment(images, out, model)
    assert [path.name for path in out.iterdir()] == ["a_mask.png"]
    segment(images, out, model, overwrite=True)
    assert np.asarray(PIL.Image.open(out / "a_mask.png")).shape == (32, 32)

    other = draw(tmp_path / "other" / "a.png", seed=5)
    with pytest.raises(ConfigError, match="would be written over it"):
        segment(other, out, model)


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


# Runs the command and sends itself a signal at a chosen moment: before the n-th file gets its
# final name, or after the n-th record is written.
STRUCK = """
import os, signal, sys
moment, count, number = sys.argv[1], int(sys.argv[2]), getattr(signal, sys.argv[3])
from unet_hf.batch import records
from unet_hf.cli.main import main

def struck(function):
    left = count
    def wrapped(*arguments):
        nonlocal left
        left -= 1
        if moment == "before" and left == 0:
            os.killpg(0, number)
        done = function(*arguments)
        if moment == "after" and left == 0:
            os.killpg(0, number)
        return done
    return wrapped

if __name__ == "__main__":
    os.setsid()  # the group that is struck is its own
    # A shell that starts its commands in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if moment == "before":
        os.replace = struck(os.replace)
    else:
        records.Records.add = struck(records.Records.add)
    sys.exit(main(sys.argv[4:]))
"""


def struck(script: Path, moment: str, count: int, signal: str, *arguments: object) -> tuple:
    """(exit status, standard error)"""
    script.write_text(STRUCK)
    done = subprocess.run(
        [*forked_python(), script, moment, str(count), signal, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr, done.stdout


def test_200_files_one_corrupt_stopped_and_killed_half_way_end_as_if_nothing_had_been(
    model, tmp_path
):
    images, out, fresh = tmp_path / "images", tmp_path / "out", tmp_path / "fresh"
    for number in range(MANY):
        draw(images / f"{number:03d}.png", number)
    corrupt = images / f"{CORRUPT:03d}.png"
    corrupt.write_bytes(corrupt.read_bytes()[:400])
    command = ("segment", images, "--model", model, "--output", out)

    status, said, _ = struck(tmp_path / "run.py", "after", 40, "SIGINT", *command, "--jobs", "2")
    assert status == 130
    assert re.search(f"stopped: (39|40) of {MANY} segmented", said)  # the last one just then
    assert "The same command goes on from here" in said

    # Every image has four outputs: killed while it wrote the second one of about the hundredth.
    status, _, _ = struck(tmp_path / "run.py", "before", 4 * 60 + 3, "SIGKILL", *command)
    assert status == -9
    assert [path for path in out.iterdir() if path.name.startswith(".")]  # half-written
    finished = len(list(out.glob("*_summary.json")))
    assert 90 < finished < 110

    status, said, printed = struck(tmp_path / "run.py", "never", 0, "SIGINT", *command)
    assert status == 1
    assert [line for line in said.splitlines() if line.startswith("failed: ")] == [
        line for line in said.splitlines() if str(corrupt) in line
    ]
    assert said.count(str(corrupt)) == 1
    assert f"{MANY - 1} of {MANY} segmented" in printed
    assert "1 failed" in printed
    assert len(list(out.glob("*_mask.png"))) == MANY - 1

    segment(images, fresh, model)
    found, expected = files(out), files(fresh)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    shutil.rmtree(fresh)
