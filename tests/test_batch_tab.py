"""The tab of a batch: what it keeps while it runs, and what it hands over when it cannot go on."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest

from demo.batch import job as batch_job
from demo.batch.job import BatchJob
from demo.batch.tab import batch_tab
from demo.server.folders import ResultFolders

from .page_events import Events

IMAGES = 3


class BatchPage:
    """The tab, and what a browser would show of it."""

    def __init__(self, model: str) -> None:
        with gr.Blocks(analytics_enabled=False) as self.page:
            batch_tab(gr.Textbox(model), ResultFolders())
        self.events = Events(self.page)
        self.shown: dict[Any, Any] = {}

    def show(self, updates: dict[gr.Component, Any]) -> None:
        """By `elem_id`; a state by its class."""
        for component, value in updates.items():
            name = component.elem_id or f"{type(component).__name__} {component.value}"
            if isinstance(value, dict) and value.get("__type__") == "update":
                self.shown.setdefault(name, {}).update(value)
            else:
                self.shown[name] = value

    @property
    def job(self) -> BatchJob | None:
        return self.shown["State None"]

    def usable(self) -> dict[str, bool]:
        return {name: self.shown[f"batch_{name}"]["interactive"] for name in ("run", "stop", "zip")}

    def send(self, paths: list[str]) -> None:
        self.show(self.events.on_upload(paths))

    def start(self, model: str, cut: str = "", more: tuple[str, ...] = ()) -> None:
        self.show(self.events.on_start(self.job, 0, model, cut, list(more)))

    def turn(self) -> None:
        for updates in self.events.on_turn(self.job, 1):
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


@pytest.fixture
def one_image_a_turn(monkeypatch) -> None:
    monkeypatch.setattr(batch_job, "TURN_SECONDS", 0)


@pytest.mark.usefixtures("one_image_a_turn")
def test_a_batch_is_kept_for_an_hour_after_each_turn(batch: BatchPage, tiny: str):
    """Gradio forgets a state an hour after it was set last."""
    job = batch.job
    batch.start(tiny)
    for _ in range(IMAGES):
        batch.shown.pop("State None")
        for updates in batch.events.on_turn(job, 1):
            batch.show(updates)
        assert batch.job is job
    assert job.status.state == "finished"


@pytest.mark.usefixtures("one_image_a_turn")
def test_what_was_computed_is_handed_over_when_the_images_are_gone(batch: BatchPage, tiny: str):
    batch.start(tiny)
    batch.turn()
    assert batch.usable() == {"run": False, "stop": True, "zip": False}
    shutil.rmtree(batch.job.staged.folder)
    batch.turn()
    assert batch.usable() == {"run": False, "stop": False, "zip": True}
    assert batch.shown["batch_upload"]["interactive"]
    assert "gone after an hour" in batch.shown["batch_progress"]
    with zipfile.ZipFile(batch.shown["batch_zip"]["value"]) as packed:
        assert "0_mask.png" in packed.namelist()


def test_a_batch_that_is_gone_leaves_no_button_behind(batch: BatchPage, tiny: str):
    batch.start(tiny)
    batch.shown["State None"] = None  # as Gradio forgets it
    batch.turn()
    assert batch.usable() == {"run": False, "stop": False, "zip": False}
    assert batch.shown["batch_upload"]["interactive"]


@pytest.mark.usefixtures("one_image_a_turn")
def test_what_was_computed_is_handed_over_when_the_checkpoint_is_gone(
    batch: BatchPage, tiny: str, monkeypatch
):
    batch.start(tiny)
    batch.turn()
    monkeypatch.delenv("UNET_HF_LOCAL")
    batch.turn()
    assert "is not a checkpoint" in batch.shown["batch_progress"]
    assert batch.usable() == {"run": True, "stop": False, "zip": True}


def test_a_run_has_the_settings_that_it_was_started_with(batch: BatchPage, tiny: str, monkeypatch):
    given = []
    real = BatchJob.turn

    def turn(job: BatchJob, network: Any, *settings: Any) -> Any:
        given.append(settings)
        return real(job, network, *settings)

    monkeypatch.setattr(BatchJob, "turn", turn)
    batch.start(tiny, "0.25", ("overlay",))
    batch.turn()
    assert given == [(0.25, ("mask", "overlay"))]
    # What the page says during a run is not even asked for: a turn has no such inputs.
    (event,) = [event for event in batch.page.fns.values() if event.name == "on_turn"]
    assert {type(component) for component in event.inputs} == {gr.State}


def test_a_threshold_that_is_none_starts_nothing(batch: BatchPage, tiny: str):
    batch.start(tiny, "high")
    assert 'role="alert"' in batch.shown["batch_progress"]
    assert batch.job.status.state == "ready"
    assert batch.usable()["run"]
