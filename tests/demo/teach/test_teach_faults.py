"""A teaching that goes wrong says why, and leaves nothing behind."""

import errno
import json
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from demo.batch.told import button_words
from demo.compare.sides import Side, check_sides
from demo.compare.tab import told_html
from demo.segment.model_panel import panel
from demo.segment.tab import SegmentTab
from demo.server import limits
from demo.server.checkpoints.model_facts import model_choices, title_of
from demo.server.checkpoints.models import load_model
from demo.server.checkpoints.taught import taught_folders
from demo.server.errors_in_words import page_sentence
from demo.server.folders import KeptFolders
from demo.server.in_view import InView
from demo.server.predictions import FIRST
from demo.server.recipe import HOW_TAKEN_HOME, TAKEN_HOME, Recipe, at_home
from demo.server.results.kept_results import KeptResults
from demo.server.results.result_store import array_bytes
from demo.server.work.runs import Run, StoppedError
from demo.teach import job as teach_job
from demo.teach import process as teach_process
from demo.teach.job import Status, teach_in_turn
from demo.teach.process import Progress, TeachingError
from demo.teach.sitting import Lesson, Sitting
from demo.teach.strokes_in import AllPainted, NothingPaintedError, Painted, read_painted
from demo.teach.warm import Warm, warm
from demo.teach.words import lesson_html, progress_html, strokes
from demo.viewer.component import show_result
from train.teaching.features import features_of
from unet_hf import read_image
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import compare_predictions
from unet_hf.predict.bundle import Reproduction

from .test_teach_page import CELL, CLASSES, GROUND, begun, until


@pytest.fixture
def sitting() -> Sitting:
    warm().end()  # that another test has left
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


@pytest.mark.usefixtures("forked_teaching")
def test_one_that_needs_too_much_memory_says_so(tiny, picture, tmp_path):
    process = begun(tmp_path, tiny, picture, megabytes=1)
    assert process.has_ended(60)
    with pytest.raises(TeachingError, match="memory"):
        process.outcome()


@pytest.mark.usefixtures("forked_teaching")
def test_a_disk_that_is_full_is_said_though_nothing_can_be_written(tiny, picture, tmp_path):
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    process = begun(tmp_path, tiny, picture)
    assert process.has_ended(60)
    with pytest.raises(TeachingError, match="No space left on device"):
        process.outcome()


@pytest.fixture
def silent(monkeypatch) -> None:
    """Processes that teach never say that they are ready."""
    monkeypatch.setattr(teach_process, "PYTHON", (sys.executable, "-c", "input()"))


@pytest.mark.usefixtures("silent")
def test_one_that_takes_too_long_is_ended_and_says_so(
    tiny, sitting, painted, tmp_path, monkeypatch
):
    monkeypatch.setattr(teach_job, "PATIENCE", 0.5)
    with closing(teach_in_turn(sitting, load_model(tiny), painted, tmp_path, Run(), "")) as steps:
        next(steps)
        assert next(steps) == Status()
        process = sitting.process
        with pytest.raises(TeachingError, match="was not done after"):
            list(steps)
    assert process.has_ended(20)


@pytest.mark.usefixtures("silent")
def test_one_that_never_begins_can_be_cancelled(tiny, sitting, painted, tmp_path):
    with closing(teach_in_turn(sitting, load_model(tiny), painted, tmp_path, Run(), "")) as steps:
        next(steps)
        next(steps)
        process = sitting.process
        os.kill(process.pid, signal.SIGSTOP)
        sitting.cancel()
        with pytest.raises(StoppedError):
            list(steps)
    assert process.has_ended(20)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_of_the_server_is_said(code):
    assert "disk of this server is full" in page_sentence(OSError(code, os.strerror(code)))


# ------------------------------------------------------------------------ what stays behind


@pytest.mark.usefixtures("forked_teaching")
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
    features = features_of(load_model(tiny), image)
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


# ------------------------------------------------------------------ a name that nobody else has


def test_what_others_are_given_does_not_name_a_taught_checkpoint(tiny, tmp_path):
    name = "taught-" + 32 * "a"
    command = Recipe(name).command("images", ["mask"])
    assert name not in command and f"--model {TAKEN_HOME}" in command
    about = panel(name, load_model(tiny))
    assert "Take its checkpoint home" in about and "from_pretrained(&quot;" not in about
    with gr.Blocks():
        segment = SegmentTab([tiny], True, tiny, KeptFolders(tmp_path))
        segment.connect(gr.context.Context.root_block)
    example = segment.first
    result = load_model(tiny).segment(example.path)
    for model, is_linked in ((name, False), (tiny, True)):
        view = InView((example.path, FIRST), model)
        shown = segment.show_result(view, result, show_result(result))
        assert (shown[segment.share]["value"] is not None) is is_linked


def test_a_taught_checkpoint_is_called_by_its_title_wherever_others_may_read_it(tiny):
    name, folder = taught_folders().place()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"title": "Cells, taught 12:00"}))
    result = load_model(tiny).segment(np.zeros((16, 16), np.uint8))
    side = Side("A", name, None)
    differs = compare_predictions(result, result)
    fake = SimpleNamespace(threshold=None, id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(ConfigError) as same:
        check_sides(side, side, fake, fake)
    for text in (
        model_choices([name])[0][0],
        title_of(name),
        told_html([(side, result)] * 2, differs),
        str(same.value),
    ):
        assert "Cells, taught 12:00" in text and name not in text
    assert Recipe(name).as_json()["model"] == TAKEN_HOME
    assert title_of("taught-" + 32 * "b") == button_words(0, name).split(" with ")[1]
    rmtree(folder)


def test_what_is_taken_home_of_a_result_says_where_its_taught_checkpoint_is(tiny):
    result = load_model(tiny).segment(np.zeros((16, 16), np.uint8))
    recipe = Reproduction(at_home("taught-" + 32 * "a"), note=HOW_TAKEN_HOME)
    text = recipe.text(result, result.objects())
    assert f"--model {TAKEN_HOME}" in text and "take it home there, under Teach" in text


# ------------------------------------------------------------------------------ strokes


def test_only_an_empty_page_is_taken_for_one():
    """Whatever else cannot be read is said; strokes on any number of images can be taken home."""
    with pytest.raises(NothingPaintedError):
        read_painted({"classes": CLASSES, "pictures": {}}, Sitting())
    with pytest.raises(ConfigError) as caught:
        read_painted({"classes": CLASSES * 20, "pictures": {}}, Sitting())
    assert not isinstance(caught.value, NothingPaintedError)


def test_an_answer_stays_when_the_first_result_comes_after_it(tiny, picture, tmp_path, gate):
    with gr.Blocks():
        segment = SegmentTab([tiny], True, tiny, KeptFolders(tmp_path))
        segment.connect(gr.context.Context.root_block)
    view = InView((str(picture), FIRST), tiny)
    view.choose_model(tiny)
    steps = segment.on_segment(view)
    next(steps)
    answer = load_model(tiny).segment(picture)
    segment.show_answer(view, answer, show_result(answer))
    gate.let(1)
    *_, last = steps
    assert segment.current not in last and view.is_answer
    shown = segment.show_kept(view)  # all strokes were taken away
    assert segment.current in shown and not view.is_answer
    view.choose_model(tiny)
    gate.let(1)
    assert segment.current in list(segment.on_segment(view))[-1]  # it was asked for


def test_the_time_that_is_left_is_said_once_it_can_be_known():
    assert "left" not in progress_html(Status(0, Progress((1.0,) * 2, 80), 40.0))
    assert "about 10 s left" in progress_html(Status(0, Progress((1.0,) * 10, 80), 50.0))
    assert strokes(1) == "1 stroke"


@pytest.mark.parametrize(("steps", "seconds", "is_told"), [(3, 69.0, True), (80, 60.0, False)])
def test_a_teaching_of_very_few_steps_says_that_the_computer_may_have_been_busy(
    steps, seconds, is_told
):
    outcome = {"steps": steps, "seconds": seconds}
    said = lesson_html(Lesson("taught", "Cells", "base", "", True, (), outcome), [])
    assert f"{steps} steps in" in said
    assert ("very few" in said) == is_told
