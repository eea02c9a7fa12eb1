"""Many images at once: files, a zip or a stack in; one zip, two tables and previews out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf import UNet

from ..parts.component import HIDDEN
from ..parts.gradio_internals import upload_folder
from ..parts.html_parts import STYLE, lines
from ..parts.job_tab import JobTab
from ..server import sign_in
from ..server.checkpoints.models import load_model
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders, ResultFolders
from ..server.recipe import Recipe
from .fields import BatchFields, recipe_of
from .job import BatchJob
from .previews import previews
from .told import button_words, progress_html, recipe_html, results_html

GONE = "The images are gone after an hour. Send them again."
# The last column has sentences, the others numbers.
NOTES = "td { white-space: nowrap; } td:last-child { min-width: 260px; white-space: normal; }"
Updates = dict[Any, Any]


class BatchTab(JobTab[BatchJob]):
    """Adds the view to the page that is being built; files and a recipe may come from other tabs.

    Args:
        models: Checkpoints to choose from. Others can be typed, or come from another tab.
        chosen: The one it begins with.
        folders: Where images and results go.
    """

    name = "batch"
    busy = "A batch is at work. Stop it first, or wait until it has finished."
    gone_words = GONE

    def __init__(self, models: Sequence[str], chosen: str, folders: ResultFolders) -> None:
        super().__init__(folders)
        with gr.Row(equal_height=False, elem_id="batch_desk"):
            with gr.Column(scale=4, min_width=260):
                self.add_upload("Images, zips, stacks", 190)
            with gr.Column(scale=8, min_width=260):
                self.fields = BatchFields(models, chosen)
        with gr.Row():
            self.add_start_and_stop(chosen)
            self.zip_file = gr.DownloadButton(
                "Everything (zip)", interactive=False, min_width=130, elem_id="batch_zip"
            )
        self.add_progress()
        self.results = gr.HTML(css_template=STYLE + NOTES, elem_id="batch_table")
        self.previews = previews()
        self.connect(self.fields.model)
        starting = [self.job, self.number, self.fields.more, *self.fields.recipe]
        self.start.click(self.on_start, starting, self.made, **HIDDEN)

    def fill(self, recipe: Recipe) -> Updates:
        """The fields say this recipe."""
        return self.fields.filled(recipe)

    def on_start(
        self,
        current: BatchJob | None,
        number: int,
        more: list[str],
        model: str,
        threshold: str,
        method: str,
        min_size: str,
        exclude_border: bool,
        pixel_size: str,
        seed: str = "",
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        if current is None or current.is_gone:
            return self.gone(current)
        if current.at_work:
            return self.say(self.busy)
        try:
            recipe = recipe_of(model, threshold, method, min_size, exclude_border, pixel_size, seed)
            current.visitor = sign_in.visitor(profile, token)
            network = load_model(recipe.model, current.visitor)
            current.start(recipe.settled(network), more, network.title)
        except Exception as error:
            return self.say(page_sentence(error))
        return self.started(current, number) | {
            self.previews: current.previews.as_value(),
            self.zip_file: gr.update(interactive=False),
            self.progress: recipe_html(current) + progress_html(current.status),
        }

    # -------------------------------------------------------------- as `JobTab` asks

    @property
    def taken(self) -> list[gr.components.Component]:
        return [
            self.job, self.upload, self.start, self.stop, self.zip_file, self.told, self.progress,
            self.results, self.previews, *self.fields.recipe,
        ]  # fmt: skip

    def shown_folders(self) -> KeptFolders:
        return served_folders()

    def start_words(self, current: BatchJob | None, model: str) -> str:
        return button_words(current.status.total if current else 0, model)

    def opened(self, files: list[str], folder: Path, shown: Path, model: str) -> Updates:
        new = BatchJob(files, folder, shown)
        return {
            self.job: new,
            self.start: gr.update(value=self.start_words(new, model), interactive=True),
            self.progress: progress_html(new.status) + lines(new.staged.left_out),
        }

    def running(self, current: BatchJob, network: UNet) -> Iterator[Updates]:
        drawn = 0
        for status in current.run(network):
            changes: Updates = {self.progress: recipe_html(current) + progress_html(status)}
            if len(current.previews) != drawn:
                drawn = len(current.previews)
                changes[self.previews] = current.previews.as_value()
            yield changes

    def emptied(self, model: str) -> Updates:
        nothing = {self.zip_file: gr.update(interactive=False), self.results: ""}
        return super().emptied(model) | nothing | {self.previews: None}

    def at_rest(self, current: BatchJob) -> Updates:
        told = recipe_html(current) + progress_html(current.status)
        return super().at_rest(current) | {
            self.progress: told + lines(current.staged.left_out),
            self.previews: current.previews.as_value(),
        } | self.handed_over(current)  # fmt: skip

    def gone(self, current: BatchJob | None) -> Updates:
        return super().gone(current) | self.handed_over(current)

    def handed_over(self, current: BatchJob | None) -> Updates:
        """A zip and a table of what was computed, as far as there is anything."""
        rows = current.table() if current is not None else []
        if len(rows) < 2:
            return {self.results: "", self.zip_file: gr.update(interactive=False)}
        packed = str(current.archive())
        return {
            self.results: results_html(rows),
            self.zip_file: gr.update(value=packed, interactive=True),
        }


def served_folders() -> KeptFolders:
    """For what the page is given."""
    return KeptFolders(upload_folder() / "batches")
