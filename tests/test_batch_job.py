"""A visitor's batch: turns, a stop, a resumption, and what it leaves behind."""

import csv
import io
import threading
import zipfile
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from demo.batch import job as batch_job
from demo.batch.job import BatchJob, Status
from demo.batch.tab import progress_html, results_html
from demo.server import limits, predictions
from unet_hf import UNet

IMAGES, CORRUPT = 8, 3
OUTPUTS = ("mask", "overlay")
SHIPPED_TURN = batch_job.TURN_SECONDS


@pytest.fixture(autouse=True)
def one_turn(monkeypatch) -> None:
    """A run is one turn, however busy the machine is, where a test does not say otherwise."""
    monkeypatch.setattr(batch_job, "TURN_SECONDS", 3600)


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).eval()


@pytest.fixture
def uploads(tmp_path: Path) -> list[str]:
    """Eight images, of which one is none."""
    for number in range(IMAGES):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 32), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / f"{CORRUPT}.png").write_bytes(b"no image")
    return [str(tmp_path / f"{number}.png") for number in range(IMAGES)]


@pytest.fixture
def job(uploads: list[str], tmp_path: Path) -> BatchJob:
    (tmp_path / "job").mkdir()
    return BatchJob(uploads, tmp_path / "job")


def run(job: BatchJob, network: UNet) -> list[Status]:
    """All turns of a run; the last status of each."""
    job.start()
    ends = []
    while job.status.state in ("running", "paused"):
        for _ in job.turn(network, outputs=OUTPUTS):
            pass
        ends.append(job.status)
    return ends


def test_one_bad_file_is_a_line_and_does_not_stop_the_rest(job: BatchJob, network: UNet):
    (end,) = run(job, network)
    assert (end.state, end.done, end.total) == ("finished", IMAGES - 1, IMAGES)
    (line,) = end.failures
    assert line.startswith("3.png is not an image")
    assert str(job.folder) not in line
    assert not end.sentence


def test_the_zip_has_everything_and_one_table(job: BatchJob, network: UNet):
    run(job, network)
    with zipfile.ZipFile(job.archive(job.folder / "all.zip")) as packed:
        good = [number for number in range(IMAGES) if number != CORRUPT]
        assert set(packed.namelist()) == {
            *(f"{number}_{what}.png" for number in good for what in ("mask", "overlay")),
            "results.csv",
            "failed.csv",
        }
        with PIL.Image.open(io.BytesIO(packed.read("0_mask.png"))) as mask:
            expected = network.segment(job.staged.folder / "0.png").mask
            assert np.array_equal(np.asarray(mask), expected)
        rows = list(csv.reader(io.StringIO(packed.read("results.csv").decode())))
        assert [row[0] for row in rows[1:]] == [f"{number}.png" for number in good]
        assert all(str(job.folder).encode() not in packed.read(name) for name in packed.namelist())
    assert "0.png" in results_html(job.table())


def test_objects_are_counted_in_the_table_and_bounded(job: BatchJob, network: UNet, monkeypatch):
    whole = network.segment(job.staged.folder / "0.png")
    cut = float(np.median(whole.probabilities[1]))  # a mask of crumbs

    def last() -> Status:
        return deque(job.turn(network, cut, ("mask", "objects")), maxlen=1)[0]

    assert not last().sentence
    head, first, *_ = job.table()
    (name,) = [name for name in head if name.startswith("objects ")]
    counted = int(first[head.index(name)])
    assert counted == len(whole.with_threshold(cut).objects()) > 1
    assert name in results_html(job.table())

    monkeypatch.setattr(limits, "MAX_OBJECTS", 1)
    job.start()
    end = last()
    assert (end.done, len(end.failures)) == (IMAGES - 1, 1)  # the one that is no image
    head, first, *_ = job.table()
    assert f"no objects: There are {counted} objects, and at most 1 are measured" in first[-1]
    assert "no objects" in results_html(job.table())
    assert (job.output / "0_mask.png").is_file()
    assert not list(job.output.glob("*_objects.csv"))  # nor those of the run before

    again = []
    monkeypatch.setattr(predictions, "predict", lambda *given, **_: again.append(given))
    job.start()
    assert last().done == IMAGES - 1
    assert not again  # what was left out is not tried once more


def test_turns_end_as_one_run_would(job: BatchJob, network: UNet, monkeypatch):
    """With no time at all, a turn is one image; each is computed once, the bad one read once."""
    computed = []
    real = predictions.predict

    def predict(model, image, *arguments, **options):
        computed.append(image.source)
        return real(model, image, *arguments, **options)

    monkeypatch.setattr(predictions, "predict", predict)
    monkeypatch.setattr(batch_job, "TURN_SECONDS", 0)
    ends = run(job, network)
    assert [end.state for end in ends] == ["paused"] * (IMAGES - 1) + ["finished"]
    assert computed == [f"{number}.png" for number in range(IMAGES) if number != CORRUPT]
    assert (ends[-1].done, len(ends[-1].failures)) == (IMAGES - 1, 1)


def test_others_come_in_between_after_each_image_that_takes_a_second(
    job: BatchJob, network: UNet, monkeypatch
):
    """With the turn that ships, and a clock on which each prediction takes one second."""
    now = [0.0]
    real = predictions.predict

    def predict(*arguments, **options):
        now[0] += 1
        return real(*arguments, **options)

    monkeypatch.setattr(predictions, "predict", predict)
    monkeypatch.setattr(batch_job, "TURN_SECONDS", SHIPPED_TURN)
    monkeypatch.setattr(batch_job, "time", SimpleNamespace(monotonic=lambda: now[0]))
    ends = run(job, network)
    assert [end.done for end in ends] == list(range(1, IMAGES))
    assert [end.state for end in ends] == ["paused"] * (IMAGES - 2) + ["finished"]


def test_a_stop_is_heard_at_the_next_tile_and_the_run_goes_on_later(job, network, monkeypatch):
    real = predictions.predict
    computed = []

    def predict(model, image, threshold, progress):
        computed.append(image.source)
        if len(computed) == 3:
            job.stop()
            progress(1, 4)  # the first of four tiles is done
            pytest.fail("It did not stop.")
        return real(model, image, threshold, progress=progress)

    monkeypatch.setattr(predictions, "predict", predict)
    (end,) = run(job, network)
    assert (end.state, end.done) == ("stopped", 2)
    assert len(job.table()) == 1 + 2
    (end,) = run(job, network)
    assert (end.state, end.done) == ("finished", IMAGES - 1)
    assert len(computed) == IMAGES  # the third twice, the bad one never


def test_who_closes_the_page_leaves_nothing_running(job: BatchJob, network: UNet, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    real = predictions.predict

    def predict(*arguments, **options):
        begun.set()
        go_on.wait()
        return real(*arguments, **options)

    monkeypatch.setattr(predictions, "predict", predict)
    before = set(threading.enumerate())
    job.start()
    turn = job.turn(network)
    next(turn)
    begun.wait()
    turn.close()  # does not wait for the image at hand, which is still held back
    assert job.status.state == "stopping"
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert job.status.state == "stopped"
    assert job.status.done <= 1
    assert set(threading.enumerate()) <= before


def test_a_stack_is_segmented_page_by_page_and_joined(tmp_path: Path, network: UNet):
    stack = np.random.default_rng(0).integers(0, 255, (4, 24, 32), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    (tmp_path / "job").mkdir()
    job = BatchJob([str(tmp_path / "stack.tif")], tmp_path / "job")
    (end,) = run(job, network)
    assert (end.done, end.total) == (4, 4)
    with zipfile.ZipFile(job.archive(job.folder / "all.zip")) as packed:
        masks = tifffile.imread(io.BytesIO(packed.read("stack_mask.tif")))
    assert masks.shape == stack.shape


def test_limits_of_the_page_hold_for_each_image(job: BatchJob, network: UNet, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 100)
    (end,) = run(job, network)
    assert end.done == 0
    assert len(end.failures) == IMAGES
    assert "too large" in end.failures[0]


def test_too_many_pages_are_refused_in_words(job: BatchJob, network: UNet, monkeypatch):
    monkeypatch.setattr(batch_job, "MAX_PAGES", 5)
    (end,) = run(job, network)
    assert end.state == "broken"
    assert end.sentence.startswith("There are 8 pages in all files; the limit is 5.")


def test_results_beyond_the_limit_end_the_run_and_are_kept(job, network, monkeypatch):
    monkeypatch.setattr(batch_job, "MAX_RESULT_BYTES", 1)
    (end,) = run(job, network)
    assert (end.state, end.done) == ("stopped", 1)
    assert "send the other images as another batch" in end.sentence
    assert len(job.table()) == 2


def test_a_file_name_is_text_on_the_page():
    status = Status("finished", 0, 1, ("<img src=x>.png is damaged",))
    assert "<img" not in progress_html(status)
    assert "<b>" not in results_html([["file"], ["<b>.png"]])
