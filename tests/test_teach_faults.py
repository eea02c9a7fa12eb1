"""A teaching that goes wrong says why, and leaves nothing behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from demo.server import limits
from demo.server.folders import KeptFolders
from demo.server.kept_results import KeptResults
from demo.server.models import load_model
from demo.server.predictions import FIRST
from demo.server.result_store import array_bytes
from demo.server.runs import Run, StoppedError
from demo.teach import job as teach_job
from demo.teach.job import Status, teach_in_turn
from demo.teach.process import TeachingError
from demo.teach.sitting import Sitting
from demo.teach.strokes_in import AllPainted, Painted
from demo.teach.warm import Warm, warm
from train.teaching.features import Features
from unet_hf import read_image

from .test_teach_page import CELL, GROUND, begun, until


@pytest.fixture
def sitting() -> Sitting:
    one = Sitting()
    yield one
    one.end_process()
    warm().end()


@pytest.fixture
def painted(picture: Path) -> AllPainted:
    one = Painted("key", str(picture), FIRST, GROUND + CELL)
    return AllPainted(["ground", "cell"], ["#999999", "#d55e00"], [one], [])


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# ------------------------------------------------------------------------- why it has ended


def test_one_that_needs_too_much_memory_says_so(tiny, picture, tmp_path):
    process = begun(tmp_path, tiny, picture, megabytes=1)
    assert process.has_ended(60)
    with pytest.raises(TeachingError, match="memory"):
        process.outcome()


def test_a_disk_that_is_full_is_said_though_nothing_can_be_written(tiny, picture, tmp_path):
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    process = begun(tmp_path, tiny, picture)
    assert process.has_ended(60)
    with pytest.raises(TeachingError, match="No space left on device"):
        process.outcome()


def test_one_that_takes_too_long_is_ended_and_says_so(
    tiny, sitting, painted, tmp_path, monkeypatch
):
    monkeypatch.setattr(teach_job, "PATIENCE", 0.5)
    steps = teach_in_turn(sitting, load_model(tiny), painted, tmp_path, Run(), "")
    next(steps)
    assert next(steps) == Status()
    process = sitting.process
    with pytest.raises(TeachingError, match="was not done after"):
        list(steps)
    assert process.has_ended(20)


def test_one_that_never_begins_can_be_cancelled(tiny, sitting, painted, tmp_path):
    steps = teach_in_turn(sitting, load_model(tiny), painted, tmp_path, Run(), "")
    next(steps)
    next(steps)
    process = sitting.process
    os.kill(process.pid, signal.SIGSTOP)
    sitting.cancel()
    with pytest.raises(StoppedError):
        list(steps)
    assert process.has_ended(20)


# ------------------------------------------------------------------------ what stays behind


def test_all_who_paint_share_one_process_that_waits(monkeypatch):
    monkeypatch.setattr("demo.teach.warm.IDLE", 0.5)
    shared = Warm()
    shared.start()
    first = shared._process
    shared.start()
    assert shared._process is first
    until(lambda: ended(first.pid))  # nobody has taught
    shared.start()
    taken = shared.take()
    time.sleep(1)
    assert taken.is_alive()  # it is somebody's
    assert shared._process is None
    taken.end()


def test_features_count_as_memory_and_are_forgotten_after_an_hour(tiny, picture, monkeypatch):
    image = read_image(picture)
    features = Features(load_model(tiny), image)
    size = array_bytes([(image, features)])
    assert size >= sum(level.nbytes for level in features.levels) + features.logits.nbytes
    kept = KeptResults()
    kept.keep("this", (image, features))
    assert kept.get("this")[1] is features
    monkeypatch.setattr(limits, "KEEP_SECONDS", -1)
    assert kept.get("this") is None


def test_a_lent_folder_is_gone_however_it_ends(tmp_path):
    with pytest.raises(ValueError), KeptFolders(tmp_path).lent() as folder:
        (folder / "base").mkdir()
        raise ValueError
    assert not folder.exists()
