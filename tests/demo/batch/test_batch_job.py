"""A visitor's batch: its recipe, a stop, a resumption, and what it leaves behind."""

import csv
import io
import json
import shlex
import threading
import zipfile
from collections import deque
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from demo.batch import job as batch_job
from demo.batch import previews as batch_previews
from demo.batch.job import BatchJob
from demo.batch.told import progress_html, results_html
from demo.server import limits, predictions
from demo.server.recipe import Recipe
from demo.server.work.jobs import Status
from demo.server.work.queue import Turns
from demo.server.work.runs import Run
from unet_hf import UNet
from unet_hf.batch.tables import measured
from unet_hf.cli.segment import run as segment_command
from unet_hf.images.pixel_size import MICROMETERS

from ...support.drawn import drawn
from ...support.serving import brightness_is_depth, until

IMAGES, CORRUPT = 8, 3
RECIPE = Recipe("tiny")


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
    return new_job(uploads, tmp_path)


def new_job(uploads: list[str], place: Path) -> BatchJob:
    folders = [place / name for name in ("job", "shown")]
    for folder in folders:
        folder.mkdir()
    return BatchJob(uploads, *folders)


def run(job: BatchJob, network: UNet, recipe: Recipe = RECIPE, more=("overlay",)) -> Status:
    """A whole run; its last status."""
    job.start(recipe.settled(network), more)
    deque(job.run(network), maxlen=0)
    return job.status


def test_one_bad_file_is_a_line_and_does_not_stop_the_rest(job: BatchJob, network: UNet):
    end = run(job, network)
    assert (end.state, end.done, end.total) == ("finished", IMAGES - 1, IMAGES)
    (line,) = end.failures
    assert line.startswith("3.png is not an image")
    assert str(job.folder) not in line
    assert not end.sentence


def test_the_zip_has_everything_and_two_tables(job: BatchJob, network: UNet):
    run(job, network)
    with zipfile.ZipFile(job.archive()) as packed:
        good = [number for number in range(IMAGES) if number != CORRUPT]
        assert set(packed.namelist()) == {
            *(f"{number}_{what}.png" for number in good for what in ("mask", "overlay")),
            *("objects.csv", "summary.csv", "failed.csv", "recipe.json", "reproduce.txt"),
        }
        with PIL.Image.open(io.BytesIO(packed.read("0_mask.png"))) as mask:
            expected = network.segment(job.staged.folder / "0.png").mask
            assert np.array_equal(np.asarray(mask), expected)
        rows = list(csv.reader(io.StringIO(packed.read("summary.csv").decode())))
        assert [row[0] for row in rows[1:]] == [f"{number}.png" for number in good]
        assert all(str(job.folder).encode() not in packed.read(name) for name in packed.namelist())
    assert "0.png" in results_html(job.table())


def test_the_command_in_the_zip_gives_the_same_files(job, tmp_path, monkeypatch):
    """With each part of the recipe other than the checkpoint has it."""
    network = brightness_is_depth()
    network.save_pretrained(tmp_path / "tiny")
    whole = network.segment(job.staged.folder / "0.png")
    cut = round(float(np.quantile(whole.probabilities[1], 0.7)), 3)
    recipe = Recipe(str(tmp_path / "tiny"), cut, "learned", 3, True, "0.5 um", 0.9)
    run(job, network, recipe, ("overlay", "instances"))
    assert "parted as the network learned from seed height 0.90" in job.recipe_in_words()
    with zipfile.ZipFile(job.archive()) as packed:
        packed.extractall(tmp_path / "zip")
    words = json.loads((tmp_path / "zip" / "recipe.json").read_text())
    assert Recipe(**words) == recipe
    *_, command = (tmp_path / "zip" / "reproduce.txt").read_text().splitlines()
    (tmp_path / "images").symlink_to(job.staged.folder)
    monkeypatch.chdir(tmp_path)
    assert segment_command(shlex.split(command)[4:]) == 1  # one is no image
    ours = {path.name for path in (tmp_path / "zip").iterdir()}
    assert len(ours) == 3 * (IMAGES - 1) + 5
    for name in ours - {"failed.csv", "recipe.json", "reproduce.txt"}:
        assert (tmp_path / "zip" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_the_tables_say_what_the_objects_of_each_image_are(job: BatchJob, network: UNet):
    whole = network.segment(job.staged.folder / "1.png")
    cut = round(float(np.median(whole.probabilities[1])), 3)
    recipe = Recipe("tiny", cut, method="components", min_size=2, pixel_size="0.5 um")
    run(job, network, recipe)
    found = whole.with_threshold(cut).objects(method="components", min_size=2, pixel_size="0.5 um")
    assert len(found) > 1
    with zipfile.ZipFile(job.archive()) as packed:
        objects, summary = (
            list(csv.DictReader(io.StringIO(packed.read(name).decode())))
            for name in ("objects.csv", "summary.csv")
        )
    own = [row for row in objects if row["file"] == "1.png"]
    assert [int(row["id"]) for row in own] == list(range(1, len(found) + 1))
    areas = found.table["area_um2"]
    assert np.allclose([float(row["area_um2"]) for row in own], areas)
    row = next(row for row in summary if row["file"] == "1.png")
    assert int(row["objects cell"]) == len(found)
    assert float(row["mean_area_um2 cell"]) == pytest.approx(areas.mean())
    assert float(row["median_area_um2 cell"]) == pytest.approx(np.median(areas))
    assert float(row["threshold"]) == cut
    megapixels = 24 * 32 / 1e6
    assert float(row["objects_per_megapixel cell"]) == pytest.approx(len(found) / megapixels)
    assert float(row["objects_per_mm2 cell"]) == pytest.approx(len(found) / (megapixels * 0.25))
    brightness = found.table["mean_intensity"].mean()
    assert float(row["mean_intensity cell"]) == pytest.approx(brightness)


def test_each_image_is_shown_small_with_its_classes_as_it_comes(job, network, monkeypatch):
    monkeypatch.setattr(batch_previews, "MOST", 3)
    run(job, network)
    shown = job.previews.as_value()["pictures"]
    assert [one["name"] for one in shown] == ["0.png", "1.png", "2.png"]
    with PIL.Image.open(shown[0]["file"]["path"]) as picture:
        assert picture.size == (32, 24)
        assert picture.format == "WEBP"
    job.start(Recipe("tiny", 0.4), ())
    assert job.previews.as_value() is None  # those were of another recipe


def test_objects_are_counted_in_the_table_and_bounded(job: BatchJob, network: UNet, monkeypatch):
    whole = network.segment(job.staged.folder / "0.png")
    cut = float(np.median(whole.probabilities[1]))  # a mask of crumbs

    recipe = Recipe("tiny", cut)
    assert not run(job, network, recipe).sentence
    head, first, *_ = job.table()
    counted = int(first[head.index("objects cell")])
    assert counted == len(whole.with_threshold(cut).objects()) > 1
    assert "objects cell" in results_html(job.table())

    monkeypatch.setattr(limits, "MAX_OBJECTS", 1)
    end = run(job, network, recipe)
    assert (end.done, len(end.failures)) == (IMAGES - 1, 1)  # the one that is no image
    head, first, *_ = job.table()
    assert f"no objects: There are {counted} objects, and at most 1 are measured" in first[-1]
    assert "no objects" in results_html(job.table())
    assert (job.output / "0_mask.png").is_file()
    assert not list(job.output.glob("*_objects.csv"))  # nor those of the run before

    again = []
    monkeypatch.setattr(predictions, "predict", lambda *given, **_: again.append(given))
    assert run(job, network, recipe).done == IMAGES - 1
    assert not again  # what was left out is not tried once more


def test_each_image_waits_for_the_network_behind_people(job, network, monkeypatch):
    """Somebody comes while the third image is computed, and goes before the fourth."""
    turns, order = Turns(), []
    monkeypatch.setattr(predictions, "turns", lambda: turns)
    real = predictions.predict

    def visit() -> None:
        with turns.take(Run()):
            order.append("somebody")

    visitor = threading.Thread(target=visit)

    def predict(model, image, *arguments, **options):
        order.append(image.source)
        if len(order) == 3:
            visitor.start()
            until(lambda: turns._waiting)
        return real(model, image, *arguments, **options)

    monkeypatch.setattr(predictions, "predict", predict)
    assert run(job, network).done == IMAGES - 1
    assert order == ["0.png", "1.png", "2.png", "somebody", *(f"{n}.png" for n in range(4, 8))]


def test_a_stop_is_heard_at_the_next_tile_and_the_run_goes_on_later(job, network, monkeypatch):
    real = predictions.predict
    computed = []

    def predict(model, image, *options, progress):
        computed.append(image.source)
        if len(computed) == 3:
            job.stop()
            progress(1, 4)  # the first of four tiles is done
            pytest.fail("It did not stop.")
        return real(model, image, *options, progress=progress)

    monkeypatch.setattr(predictions, "predict", predict)
    end = run(job, network)
    assert (end.state, end.done) == ("stopped", 2)
    assert len(job.table()) == 1 + 2
    end = run(job, network)
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
    job.start(RECIPE.settled(network))
    running = job.run(network)
    next(running)
    begun.wait()
    running.close()  # does not wait for the image at hand, which is still held back
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
    job = new_job([str(tmp_path / "stack.tif")], tmp_path)
    end = run(job, network)
    assert (end.done, end.total) == (4, 4)
    with zipfile.ZipFile(job.archive()) as packed:
        masks = tifffile.imread(io.BytesIO(packed.read("stack_mask.tif")))
    assert masks.shape == stack.shape


def test_limits_of_the_page_hold_for_each_image(job: BatchJob, network: UNet, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 100)
    end = run(job, network)
    assert end.done == 0
    assert len(end.failures) == IMAGES
    assert "too large" in end.failures[0]


def test_too_many_pages_are_refused_in_words(job: BatchJob, network: UNet, monkeypatch):
    monkeypatch.setattr(batch_job, "MAX_PAGES", 5)
    end = run(job, network)
    assert end.state == "broken"
    assert end.sentence.startswith("There are 8 pages in all files; the limit is 5.")


def test_results_beyond_the_limit_end_the_run_and_are_kept(job, network, monkeypatch):
    monkeypatch.setattr(batch_job, "MAX_RESULT_BYTES", 1)
    end = run(job, network)
    assert (end.state, end.done) == ("stopped", 1)
    assert "send the other images as another batch" in end.sentence
    assert len(job.table()) == 2


def test_a_file_name_is_text_on_the_page():
    status = Status("finished", 0, 1, ("<img src=x>.png is damaged",))
    assert "<img" not in progress_html(status)
    assert "<b>" not in results_html([["file", "page"], ["<b>.png", "0"]])


@pytest.mark.parametrize("unit", MICROMETERS)
def test_a_density_is_known_for_every_unit_of_length(unit: str):
    found = measured(drawn(np.eye(4)).objects(pixel_size=(2, unit)))
    assert found["mm2 of a pixel"] == pytest.approx((2 * MICROMETERS[unit] / 1000) ** 2)
