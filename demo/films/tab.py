"""The tab *Film*: a film in; tracks to watch and to correct, and a zip out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr

from unet_hf import UNet
from unet_hf.errors import ConfigError

from ..parts.component import HIDDEN
from ..parts.downloads import Download, connect, download_menu, usable
from ..parts.job_tab import QUIET, JobTab
from ..server import sign_in
from ..server.checkpoints.models import load_model
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders, ResultFolders
from ..server.work.queue import MEASURES
from .example import MODEL as EXAMPLE_MODEL
from .example import write_example
from .fields import ALL_CHANNELS, FilmFields, asked_of
from .job import FilmJob, shown_folders
from .player import film_player
from .told import button_words, progress_html

GONE = "The film is gone after an hour. Send it again."
SHOW_SECONDS = 1.0  # between two times that the player is told of new frames
DOWNLOADS = (
    Download("everything", "Everything (zip)", "linked"),
    Download("lineage", "Lineage (SVG)", "linked", more=True),
    Download("outlines", "Outlines (GeoJSON)", "linked", more=True),
    Download("overlay", "Film with outlines", "linked", more=True),
)
Updates = dict[Any, Any]


class FilmTab(JobTab[FilmJob]):
    """Adds the view to the page that is being built; a film may come from another tab.

    Args:
        models: Checkpoints to choose from. Others can be typed, or come from another tab.
        chosen: The one it begins with.
        folders: Where films and results go.
    """

    name = "film"
    busy = "A film is at work. Stop it first, or wait until it has finished."
    gone_words = GONE

    def __init__(self, models: Sequence[str], chosen: str, folders: ResultFolders) -> None:
        super().__init__(folders)
        with gr.Row(equal_height=False, elem_id="film_desk"):
            with gr.Column(scale=4, min_width=260):
                self.add_upload("Stack, animation, frames or a zip of them", 150)
            with gr.Column(scale=8, min_width=260):
                self.fields = FilmFields(models, chosen)
        with gr.Row():
            self.add_start_and_stop(chosen)
            self.example = gr.Button("Try an example", min_width=130, elem_id="film_example")
        self.add_progress()
        self.player = film_player()
        self.downloads = download_menu(DOWNLOADS, "film_downloads")
        self.connect(self.fields.model)
        starting = [self.job, self.number, *self.fields.all]
        awaited = {"show_progress_on": self.progress} | HIDDEN
        self.start.click(self.on_start, starting, self.made, **awaited)
        drawn = self.example.click(self.on_example, self.job, self.made, **awaited)
        drawn.success(self.on_start, starting, self.made, **awaited)
        # Each list of corrections is whole: only the last one matters.
        self.player.input(
            self.on_edits, self.job, self.made, trigger_mode="always_last", **MEASURES, **QUIET
        )
        connect(self.downloads, write, [self.job], None, self.told)

    def take_stack(
        self, path: str, axes: str | None, model: str, current: FilmJob | None = None
    ) -> Updates:
        """This file is the film now, and this the checkpoint. axes: None: as the file says."""
        if current is not None and current.at_work:
            return self.say(self.busy)
        taken = self.take([path], model, current, axes=axes)
        return taken | {self.upload: None, self.fields.model: model}

    # --------------------------------------------------------------------- events

    def on_example(self, current: FilmJob | None = None) -> Updates:
        """A drawn film in place of the one so far."""
        if current is not None and current.at_work:
            return self.say(self.busy)
        with self.folders.lent() as folder:
            taken = self.take([str(write_example(folder))], EXAMPLE_MODEL, current)
        own = {self.fields.model: EXAMPLE_MODEL, self.fields.threshold: "", self.fields.seed: ""}
        return taken | {self.upload: None} | own

    def on_start(
        self,
        current: FilmJob | None,
        number: int,
        model: str,
        threshold: str,
        divisions: float,
        channel: int = ALL_CHANNELS,
        axes: str = "",
        seed: str = "",
        min_size: str = "",
        pixel_size: str = "",
        interval: str = "",
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        if current is None or current.is_gone:
            return self.gone(current)
        if current.at_work:
            return self.say(self.busy)
        found = (model, threshold, divisions, channel, axes, seed, min_size)
        try:
            asked = asked_of(current.film, *found, pixel_size, interval)
            current.visitor = sign_in.visitor(profile, token)
            asked.recipe.settled(load_model(asked.model, current.visitor))
            current.start(asked)
        except Exception as error:
            return self.say(current.plain(page_sentence(error)))
        return self.started(current, number) | {
            self.example: gr.update(interactive=False),
            self.downloads: usable(linked=False),
            self.player: current.value(),
            self.progress: progress_html(current),
        }

    def on_edits(self, current: FilmJob | None, event: gr.EventData) -> Updates:
        if current is None or current.is_gone:
            return self.gone(current)
        try:
            current.correct(event.edits)
        except Exception as error:
            return self.say(page_sentence(error))
        return self.say("") | {
            self.job: current,
            self.progress: progress_html(current),
            self.player: current.value(),
        }

    # -------------------------------------------------------------- as `JobTab` asks

    @property
    def taken(self) -> list[gr.components.Component]:
        return [
            self.job, self.upload, self.start, self.stop, self.example, self.told, self.progress,
            self.player, self.downloads, *self.fields.all,
        ]  # fmt: skip

    def shown_folders(self) -> KeptFolders:
        return shown_folders()

    def start_words(self, current: FilmJob | None, model: str) -> str:
        return button_words(current.film.count if current and current.film else 0, model)

    def opened(
        self, files: list[str], folder: Path, shown: Path, model: str, axes: str | None = None
    ) -> Updates:
        """Raises as `FilmJob.open`, unless its axes can be told by whoever sent it."""
        new = FilmJob(files, folder, shown)
        ready = {self.job: new}
        try:
            film = new.open(axes)
        except Exception as error:
            if "axes=" not in str(error):
                raise
            ready |= self.say(page_sentence(error)) | self.fields.ask_axes()
        else:
            ready |= self.fields.opened(film, axes)
            ready |= {self.progress: progress_html(new), self.player: new.value()}
        words = self.start_words(new, model)
        return ready | {self.start: gr.update(value=words, interactive=True)}

    def running(self, current: FilmJob, network: UNet) -> Iterator[Updates]:
        drawn, when = 0, -SHOW_SECONDS
        for status in current.run(network):
            changes: Updates = {self.progress: progress_html(current, status)}
            there = len(current.pictures.labels)
            if there != drawn and monotonic() - when >= SHOW_SECONDS:
                drawn, when = there, monotonic()
                changes[self.player] = current.value()
            yield changes

    def emptied(self, model: str) -> Updates:
        nothing = {self.player: None, self.downloads: usable(linked=False)}
        return super().emptied(model) | nothing | self.fields.emptied()

    def at_rest(self, current: FilmJob) -> Updates:
        return super().at_rest(current) | {
            self.example: gr.update(interactive=True),
            self.progress: progress_html(current),
            self.player: current.value(),
            self.downloads: usable(linked=current.linked is not None),
        }

    def gone(self, current: FilmJob | None) -> Updates:
        return super().gone(current) | {
            self.example: gr.update(interactive=True),
            self.player: None,
            self.downloads: usable(linked=False),
        }


def write(kind: str, current: FilmJob | None) -> str:
    """A file, which is made when it is asked for; returns its path."""
    if current is None or current.is_gone:
        raise ConfigError(GONE)
    return str(current.file(kind))
