"""A visitor paints, and the page learns: in a process of its own, for them alone."""

import json
import os
import signal
import time
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.interface import build
from demo.server.checkpoints.models import load_model
from demo.server.folders import KeptFolders
from demo.server.in_view import InView
from demo.server.predictions import FIRST
from demo.server.work.runs import Run, StoppedError
from demo.teach import job as teach_job
from demo.teach.answer import answer, unsure_place
from demo.teach.changes import changes_html
from demo.teach.job import Done, Status, teach_in_turn
from demo.teach.line import MOST_WAITING, Line, TooManyWaitError
from demo.teach.process import TeachingError, TeachProcess
from demo.teach.sitting import Lesson, Sitting
from demo.teach.strokes_in import AllPainted, Painted, read_painted
from demo.teach.tab import TeachPanel
from demo.teach.take_home import pack_checkpoint, pack_strokes
from demo.teach.words import curve, lesson_html
from demo.viewer.component import picture_key
from train.teaching.features import features_of
from train.teaching.worker import BASE
from unet_hf import Segmentation, UNet, read_image
from unet_hf.errors import CheckpointNotFoundError, ConfigError
from unet_hf.hub.save import write_model

from ...support.viewing import canvas_of, viewer_of

GROUND = [{"class": 0, "radius": 12, "points": [40, 40, 120, 40]}]
CELL = [{"class": 1, "radius": 12, "points": [200, 200, 240, 240]}]
CLASSES = [{"name": "ground", "color": "#999999"}, {"name": "cell", "color": "#d55e00"}]


@pytest.fixture
def sitting(picture: Path) -> Sitting:
    one = Sitting()
    one.note_place(picture_key(read_image(picture)), str(picture), FIRST)
    yield one
    one.end_process()


@pytest.fixture
def given(picture: Path) -> dict:
    """What the page says: a stroke of each class on one picture."""
    key = picture_key(read_image(picture))
    known = {"name": "nuclei.png", "width": 96, "height": 96, "strokes": GROUND + CELL}
    return {"classes": CLASSES, "pictures": {key: known}}


# --------------------------------------------------------------------------- what was painted


def test_strokes_are_joined_with_the_files_they_were_painted_on(sitting, given, picture):
    given["pictures"]["another"] = given["pictures"][picture_key(read_image(picture))] | {
        "name": "gone.png"
    }
    found = read_painted(given, sitting)
    assert [(one.path, one.count) for one in found.pictures] == [(str(picture), 2)]
    assert found.absent == ["gone.png"]
    assert found.classes == ["ground", "cell"]


def test_what_renamed_classes_were_called_is_known(sitting, given):
    assert read_painted(given, sitting).formerly == [[], []]
    given["classes"] = [CLASSES[0] | {"formerly": ["soil", "earth"]}, CLASSES[1]]
    assert read_painted(given, sitting).formerly == [["soil", "earth"], []]


def test_what_a_teaching_has_changed_is_told_also_of_a_renamed_class():
    def result(mask: np.ndarray, *names: str) -> Segmentation:
        sure = np.stack([mask == 0, mask == 1]).astype(np.float32)
        labels = dict(enumerate(names))
        return Segmentation(mask, sure, labels, ["#000000", "#ffffff"], None, image=None)

    before, after = np.zeros((2, 32, 32), np.uint8)
    after[4:10, 5:12] = 1
    told = changes_html(result(before, "ground", "cell"), result(after, "ground", "nucleus"))
    assert "ground, now nucleus, at 5, 4 (7 × 6)" in told
    assert changes_html(None, result(after, "ground", "nucleus")) == ""


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (None, "did not arrive whole"),
        ({"classes": CLASSES}, "did not arrive whole"),
        ({"classes": CLASSES, "pictures": {}}, "Nothing is painted"),
        ({"classes": CLASSES * 20, "pictures": {}}, "40 classes"),
        ({"classes": CLASSES[:1], "pictures": {"k": {"name": "x", "strokes": CELL}}}, "class 1"),
        ({"classes": CLASSES, "pictures": {"k": {"name": "x", "strokes": CELL}}}, "Open x again"),
    ],
)
def test_whatever_else_a_browser_sends_is_refused_in_words(changed, says):
    with pytest.raises(ConfigError, match=says):
        read_painted(changed, Sitting())


# ----------------------------------------------------------------------- a process of its own


def begun(folder: Path, tiny: str, picture: Path, **more: object) -> TeachProcess:
    """A process that teaches."""
    (folder / BASE).mkdir()
    write_model(UNet.from_pretrained(tiny), folder / BASE)
    image = {"source": str(picture)}
    job = {"pictures": [{"image": image, "strokes": GROUND + CELL}], "seconds": 60, "seed": 0}
    job |= {"classes": ["ground", "cell"], "colors": ["#999999", "#d55e00"], "title": "Mine"}
    job["megabytes"] = 4000
    process = TeachProcess()
    until(lambda: process.is_ready(1), seconds=180)  # whatever else is at work goes before it
    process.begin(folder, job | more)
    return process


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.usefixtures("forked_teaching")
def test_one_that_is_killed_says_so_and_leaves_no_checkpoint(tiny, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    process = begun(tmp_path, tiny, picture)
    environment = Path(f"/proc/{process.pid}/environ")
    if environment.exists():
        assert b"hf_secret" not in environment.read_bytes()
    until(lambda: process.progress().losses)
    os.kill(process.pid, signal.SIGKILL)
    assert process.has_ended(20)
    with pytest.raises(TeachingError, match="Nothing that was painted is lost"):
        process.outcome()
    assert not (tmp_path / "taught").exists()
    process.end()


@pytest.mark.usefixtures("forked_teaching")
def test_one_whose_server_is_gone_ends(tiny, picture, tmp_path):
    process = begun(tmp_path, tiny, picture)
    process._process.stdin.close()  # as the kernel does it for a server that was killed
    assert process.has_ended(20)


@pytest.mark.usefixtures("forked_teaching")
def test_a_fault_comes_back_as_a_sentence(tiny, picture, tmp_path):
    names, colors = ["one", "two", "three"], ["#000000", "#ffffff", "#ff0000"]
    process = begun(tmp_path, tiny, picture, classes=names, colors=colors)
    assert process.has_ended(60)
    with pytest.raises(TeachingError, match="Nothing is painted of three"):
        process.outcome()


@pytest.mark.usefixtures("forked_teaching")
def test_a_sitting_teaches_and_its_checkpoint_is_for_those_who_know_its_name(
    tiny, sitting, given, picture, tmp_path, monkeypatch
):
    monkeypatch.setattr(teach_job, "SECONDS", 1.0)
    base = load_model(tiny)
    painted = read_painted(given, sitting)
    said = list(teach_in_turn(sitting, base, painted, tmp_path, Run(), "Cells, taught 12:00"))
    assert all(isinstance(status, Status) for status in said[:-1])
    done = said[-1]
    assert isinstance(done, Done)
    taught = load_model(done.name)
    assert taught.title == "Cells, taught 12:00"
    assert any((a != b).any() for a, b in zip(taught.parameters(), base.parameters(), strict=True))
    assert sitting.process is None
    with pytest.raises(CheckpointNotFoundError, match="no longer kept"):
        load_model("taught-" + 32 * "0")
    lesson = Lesson(
        done.name, "Cells, taught", tiny, "It was so.", False, (("nuclei.png", 2),), done.outcome
    )
    archive = pack_checkpoint(lesson, tmp_path)
    zipfile.ZipFile(archive).extractall(tmp_path / "home")
    (folder,) = (tmp_path / "home").iterdir()
    loaded = UNet.from_pretrained(folder)
    assert (loaded.segment(picture).mask == taught.segment(picture).mask).all()
    assert "2 strokes on 1 image" in (folder / "README.md").read_text()
    assert "It was so." in lesson_html(lesson, [])


@pytest.mark.usefixtures("forked_teaching")
def test_whoever_cancels_leaves_no_process(tiny, sitting, given, tmp_path):
    painted = read_painted(given, sitting)
    steps = teach_in_turn(sitting, load_model(tiny), painted, tmp_path, Run(), "")
    while not (status := next(steps)).progress or not status.progress.losses:
        pass
    process = sitting.process
    sitting.cancel()
    with pytest.raises(StoppedError):
        list(steps)
    assert process.has_ended(20)
    assert not (tmp_path / "taught").exists()


def test_one_at_a_time_in_the_order_in_which_they_came():
    line = Line()
    tickets = [line.join() for _ in range(MOST_WAITING + 1)]
    assert [line.ahead(ticket) for ticket in tickets[:3]] == [0, 1, 2]
    with pytest.raises(TooManyWaitError):
        line.join()
    line.leave(tickets[0])
    line.leave(tickets[1])
    assert line.ahead(tickets[2]) == 0


# ------------------------------------------------------------------------------- taking home


def test_strokes_taken_home_are_a_data_set_that_a_training_reads(sitting, given, picture, tmp_path):
    archive = pack_strokes(read_painted(given, sitting), tmp_path)
    zipfile.ZipFile(archive).extractall(tmp_path / "home")
    folder = tmp_path / "home" / "strokes"
    (mask,) = (folder / "masks").iterdir()
    label = np.array(PIL.Image.open(mask))
    assert set(np.unique(label)) == {0, 1, 255} and label[10, 20] == 0
    (image,) = (folder / "images").iterdir()
    assert image.read_bytes() == picture.read_bytes()
    (row,) = [json.loads(line) for line in (folder / "metadata.jsonl").open()]
    assert row["file_name"] == f"images/{image.name}"
    assert json.loads((folder / "strokes.json").read_text())["classes"] == CLASSES


# ---------------------------------------------------------------------------- at-once answers


def test_the_place_to_paint_next_is_unsure_and_away_from_all_strokes():
    probabilities = np.full((2, 200, 200), 0.5, np.float32)
    probabilities[0, :, :100], probabilities[1, :, :100] = 0.99, 0.01
    label = np.full((200, 200), 255, np.uint8)
    label[:110, 100:] = 0
    box = unsure_place(probabilities, label)
    assert box["x"] >= 100 and box["y"] + 24 >= 110 + 24  # its middle is 24 px from any stroke
    sure = np.stack([np.ones((200, 200)), np.zeros((200, 200))]).astype(np.float32)
    assert unsure_place(sure, label) is None


def test_a_picture_without_a_stroke_is_made_ready_for_its_first(tiny, sitting, picture, tmp_path):
    with gr.Blocks():
        panel = TeachPanel([tiny], KeptFolders(tmp_path))
    view = InView((str(picture), FIRST), tiny)
    view.choose_model(tiny)
    elsewhere = Painted("key", "another.png", FIRST, GROUND + CELL)
    painted = AllPainted(["ground", "cell"], ["#999999", "#d55e00"], [elsewhere], [])
    assert panel._answered(painted, sitting, view) == {}
    image, features = sitting.features.get(view.wanted)
    assert features.size == (image.height, image.width) == (96, 96)


def test_an_answer_has_the_classes_that_were_painted(tiny, picture):
    image, model = read_image(picture), load_model(tiny)
    label = np.full((96, 96), 255, np.uint8)
    label[5:9, 5:9], label[50:54, 50:54], label[80:84, 10:14] = 0, 1, 2
    names = ["ground", "cell", "crack"]
    found = answer(model, image, features_of(model, image), label, names, ["#000000"] * 3)
    assert found.result.id2label == {0: "ground", 1: "cell", 2: "crack"}
    assert found.result.threshold is None
    assert (found.result.mask[label != 255] == label[label != 255]).mean() > 0.6


def test_the_curve_is_drawn_from_two_steps_on():
    assert curve([1.0], 80) == ""
    assert "falls from 2.00 to 1.80" in curve([2.0, 1.0], 80)


# -------------------------------------------------------------------------------- in a browser


def drag(page: Page, left: float, top: float) -> None:
    """A stroke in the picture; left and top: shares of it."""
    box = page.locator("#viewer canvas").bounding_box()
    x, y = box["x"] + left * box["width"], box["y"] + top * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 6, steps=4)
    page.mouse.up()


@pytest.mark.usefixtures("forked_teaching")
def test_a_visitor_paints_teaches_goes_back_and_takes_it_home(
    served, tiny, picture, tmp_path, monkeypatch
):
    monkeypatch.setattr(teach_job, "SECONDS", 1.0)
    page = served(build(tiny))
    by = page.locator("#viewer .whose")
    expect(by).to_contain_text("threshold", timeout=60_000)
    page.locator("#upload input[type=file]").set_input_files(str(picture))
    expect(by).to_contain_text("nuclei.png", timeout=30_000)
    expect(by).to_contain_text("threshold", timeout=60_000)
    page.locator("#teach").get_by_text("Teach", exact=True).first.click()
    page.locator("#teach_paint").click()
    page.keyboard.press("1")
    drag(page, 0.3, 0.2)
    page.keyboard.press("2")
    drag(page, 0.5, 0.6)
    expect(by).to_contain_text("with your strokes", timeout=60_000)
    expect(page.locator("#teach_progress")).to_contain_text("2 strokes", timeout=30_000)

    page.locator("#teach_start").click()
    page.locator("#teach_cancel").click(timeout=30_000)
    expect(page.locator("#teach_start")).to_be_enabled(timeout=60_000)
    page.locator("#teach_start").click()
    expect(page.locator("#teach_progress")).to_contain_text("steps in", timeout=120_000)
    expect(by).to_contain_text("taught", timeout=60_000)
    expect(page.locator("#teach_changes")).to_contain_text("changed here", timeout=30_000)
    page.locator("#teach_before").click()
    expect(by).not_to_contain_text("taught", timeout=30_000)
    viewer = viewer_of(page)
    old = canvas_of(viewer)
    page.locator("#teach_after").click()
    expect(by).to_contain_text("taught", timeout=30_000)
    history = page.locator("#teach_history label:has(input)")
    expect(history).to_have_count(2)
    expect(history.first.locator("input")).to_be_checked()
    history.last.click()
    expect(by).not_to_contain_text("taught", timeout=30_000)
    expect(history.last.locator("input")).to_be_checked()
    history.first.click()
    expect(by).to_contain_text("taught", timeout=30_000)
    # Before and now, on the two sides of a line.
    new = canvas_of(viewer)
    page.locator("#viewer [data-toggle=split]").click()
    expect(page.locator("#viewer .divider.both")).to_be_visible()
    page.wait_for_timeout(100)
    both, half = canvas_of(viewer), old.shape[1] // 2
    assert (both[:, : half - 1] == old[:, : half - 1]).all()
    assert (both[:, half + 1 :] == new[:, half + 1 :]).all()
    assert (old != new).any()
    page.locator("#viewer [data-toggle=split]").click()
    with page.expect_download(timeout=60_000) as download:
        page.locator("#teach_downloads").get_by_text("Checkpoint").click()
    download.value.save_as(tmp_path / "mine.zip")
    zipfile.ZipFile(tmp_path / "mine.zip").extractall(tmp_path / "home")
    (folder,) = (tmp_path / "home").iterdir()
    loaded = UNet.from_pretrained(folder)
    with page.expect_download(timeout=60_000) as download:
        page.locator("#downloads").get_by_text("Mask (PNG)").click()
    download.value.save_as(tmp_path / "mask.png")
    shown = np.array(PIL.Image.open(tmp_path / "mask.png"))
    assert (shown == loaded.segment(picture).mask).all()
