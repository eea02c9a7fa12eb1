"""The tab of a batch: what it keeps while it runs, and what it hands over when it cannot go on."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest

from demo.batch.fields import recipe_of
from demo.batch.job import BatchJob
from demo.batch.tab import BatchTab
from demo.batch.told import button_words
from demo.server import limits
from demo.server.folders import KeptFolders, ResultFolders
from demo.server.recipe import Recipe
from unet_hf import UNet
from unet_hf.errors import ConfigError

from ...support.page_events import ShownPage
from ...support.serving import Gate, brightness_is_depth

IMAGES = 3


class BatchPage(ShownPage):
    """The tab, and what a browser would show of it."""

    def __init__(self, model: str) -> None:
        with gr.Blocks(analytics_enabled=False) as page:
            self.tab = BatchTab([model, "unet-nuclei"], model, ResultFolders())
        super().__init__(page)

    @property
    def job(self) -> BatchJob | None:
        return self.shown["State None"]

    def usable(self) -> dict[str, bool]:
        return {name: self.shown[f"batch_{name}"]["interactive"] for name in ("run", "stop", "zip")}

    def send(self, paths: list[str], current: BatchJob | None = None) -> None:
        self.show(self.events.on_upload(paths, "unet-nuclei", current))

    def start(self, model: str, cut: str = "", more: tuple[str, ...] = (), least: str = "") -> None:
        self.show(
            self.events.on_start(self.job, 0, list(more), model, cut, "auto", least, False, "")
        )

    def run(self) -> None:
        for updates in self.events.on_run(self.job):
            self.show(updates)


@pytest.fixture
def batch(tiny: str, tmp_path: Path) -> BatchPage:
    paths = [tmp_path / f"{number}.png" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 32), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(path)
    page = BatchPage(tiny)
    page.send([str(path) for path in paths])
    return page


def test_a_batch_is_kept_for_an_hour_after_each_glance(batch: BatchPage, tiny: str, gate: Gate):
    """Gradio forgets a state an hour after it was set last, however long a run takes."""
    batch.start(tiny)
    job, glances = batch.job, 0
    for updates in batch.events.on_run(job):
        batch.shown.pop("State None")
        batch.show(updates)
        assert batch.job is job
        glances += 1
        gate.let(1)
    assert glances > 1
    assert job.status.state == "finished"
    assert batch.usable() == {"run": True, "stop": False, "zip": True}


def test_a_folder_in_use_is_not_an_hour_old(batch: BatchPage, tiny: str, monkeypatch):
    """The janitor deletes what has not changed for an hour: here, a quarter of a second."""
    monkeypatch.setattr(limits, "KEEP_SECONDS", 0.25)
    real = BatchJob.report
    job, swept = batch.job, []

    def report(job: BatchJob, *given: Any) -> None:
        for folder in (job.folder, job.shown):
            os.utime(folder, (0, 0))  # it has taken long
        real(job, *given)
        for folder in (job.folder, job.shown):
            KeptFolders(folder.parent).sweep()
            swept.append(folder.is_dir())

    monkeypatch.setattr(BatchJob, "report", report)
    batch.start(tiny)
    batch.run()
    assert job.status.state == "finished"
    assert all(swept) and swept


def test_what_was_computed_is_handed_over_when_the_images_are_gone(batch: BatchPage, tiny: str):
    batch.start(tiny)
    batch.run()
    shutil.rmtree(batch.job.staged.folder)
    batch.start(tiny)
    assert batch.usable() == {"run": False, "stop": False, "zip": True}
    assert batch.shown["batch_upload"]["interactive"]
    assert "gone after an hour" in batch.shown["batch_progress"]
    with zipfile.ZipFile(batch.shown["batch_zip"]["value"]) as packed:
        assert "0_mask.png" in packed.namelist()


def test_a_batch_that_is_gone_leaves_no_button_behind(batch: BatchPage, tiny: str):
    batch.start(tiny)
    batch.shown["State None"] = None  # as Gradio forgets it
    batch.run()
    assert batch.usable() == {"run": False, "stop": False, "zip": False}
    assert batch.shown["batch_upload"]["interactive"]


def test_a_checkpoint_that_is_gone_leaves_no_button_behind(batch, tiny: str, monkeypatch):
    batch.start(tiny)
    monkeypatch.delenv("UNET_HF_LOCAL")
    batch.run()
    assert "is not a checkpoint" in batch.shown["batch_progress"]
    assert batch.usable() == {"run": True, "stop": False, "zip": False}


def test_a_run_has_the_recipe_that_it_was_started_with_and_says_it(batch: BatchPage, tiny: str):
    batch.start(tiny, "0.25", ("overlay",), "7")
    batch.run()
    assert batch.job.recipe == Recipe(tiny, 0.25, "components", 7)
    assert batch.job.outputs == ("mask", "objects", "overlay")
    assert "threshold 0.25, connected regions, from 7 pixels" in batch.shown["batch_progress"]
    # What the page says during a run is not even asked for: a run has no such inputs.
    (event,) = [event for event in batch.page.fns.values() if event.name == "on_run"]
    assert {type(component) for component in event.inputs} == {gr.State}


@pytest.mark.parametrize(("cut", "least"), [("high", ""), ("7", ""), ("", "-5"), ("", "few")])
def test_a_recipe_that_is_none_starts_nothing(batch: BatchPage, tiny: str, cut: str, least: str):
    batch.start(tiny, cut, least=least)
    assert 'role="alert"' in batch.shown["batch_told"]["value"]
    assert batch.job.status.state == "ready"
    assert batch.usable()["run"]


def test_a_recipe_asks_a_checkpoint_for_nothing_that_it_has_not_learned(tiny: str):
    plain = UNet.from_pretrained(tiny)
    with pytest.raises(ConfigError, match="trained to tell objects apart, and this one was not"):
        Recipe(tiny, method="learned").settled(plain)
    with pytest.raises(ConfigError, match=r"seed=0.4 is only for the method 'learned'"):
        Recipe(tiny, seed=0.4).settled(plain)
    own = Recipe("learned").settled(brightness_is_depth())
    assert (own.method, own.seed, own.min_size) == ("learned", 0.5, 5)
    assert recipe_of("learned", "", "auto", "", False, "", "0,7").seed == 0.7
    with pytest.raises(ConfigError, match="The seed height 'low' is no number"):
        recipe_of("learned", "", "auto", "", False, "", "low")


def test_the_button_names_the_images_and_the_checkpoint(batch: BatchPage):
    assert batch.shown["batch_run"]["value"] == "Segment 3 images with Cell nuclei"
    assert button_words(1, "org/name") == "Segment 1 image with org/name"


def test_another_batch_takes_the_place_of_the_first(batch: BatchPage, tmp_path: Path, tiny: str):
    first = batch.job
    batch.send([str(tmp_path / "0.png")], first)
    assert not first.folder.exists()
    assert not first.shown.exists()
    assert batch.job.status.total == 1
    batch.start(tiny)
    running = batch.job
    batch.send([str(tmp_path / "1.png")], running)
    assert "A batch is at work" in batch.shown["batch_told"]["value"]
    assert batch.job is running


def test_the_fields_can_be_filled_with_a_recipe(batch: BatchPage):
    recipe = Recipe("unet-nuclei", 0.4, "learned", 20, True, "0.25 um", 0.35)
    values = batch.tab.fill(recipe)
    assert recipe_of(*(values[component] for component in batch.tab.fields.recipe)) == recipe
