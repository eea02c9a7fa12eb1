"""Many images at once: files, a zip or a stack in; one zip, two tables and previews out."""

import html
import re
from collections.abc import Iterator, Sequence
from shutil import rmtree
from typing import Any

import gradio as gr

from unet_hf.batch.progress import duration

from ..parts.component import HIDDEN
from ..parts.gradio_internals import upload_folder
from ..parts.html_parts import STYLE, alert, bar, lines, note, table
from ..parts.object_options import METHODS, read_min_size
from ..parts.threshold_box import read_seed, read_threshold, seed_box, threshold_box
from ..parts.upload_guard import upload_guard
from ..server import limits, sign_in
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders, ResultFolders
from ..server.model_facts import model_choices, title_of
from ..server.models import load_model
from ..server.queue import WATCHES
from ..server.recipe import Recipe
from ..server.taught import YOURS, is_taught
from .job import BatchJob, Status
from .previews import previews

ROWS = 200  # of the table that are shown; the file has all
BUSY = "A batch is at work. Stop it first, or wait until it has finished."
GONE = "The images are gone after an hour. Send them again."
# Beside masks and tables, as `python -m unet_hf segment --only` names them.
MORE = [
    ("Overlays", "overlay"),
    ("Outlines (GeoJSON)", "outlines"),
    ("Instances (TIFF)", "instances"),
    ("Probabilities (TIFF)", "probabilities"),
]
OWN = "the checkpoint's own"
# The last column has sentences, the others numbers.
NOTES = "td { white-space: nowrap; } td:last-child { min-width: 260px; white-space: normal; }"
Updates = dict[Any, Any]


class BatchTab:
    """Adds the view to the page that is being built; files and a recipe may come from other tabs.

    Args:
        models: Checkpoints to choose from. Others can be typed, or come from another tab.
        chosen: The one it begins with.
        folders: Where images and results go.
    """

    def __init__(self, models: Sequence[str], chosen: str, folders: ResultFolders) -> None:
        self.folders = folders
        self.job = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        # A new number begins a run.
        self.number = gr.State(0, time_to_live=limits.KEEP_SECONDS)
        with gr.Row(equal_height=False, elem_id="batch_desk"):
            with gr.Column(scale=4, min_width=260):
                self.upload = gr.File(
                    label="Images, zips, stacks",
                    file_count="multiple",
                    height=190,
                    elem_id="batch_upload",
                )
                upload_guard("batch_upload", anywhere=True)
            with gr.Column(scale=8, min_width=260):
                self._add_recipe(models, chosen)
        with gr.Row():
            self.start = gr.Button(
                button_words(0, chosen),
                variant="primary",
                interactive=False,
                min_width=180,
                elem_id="batch_run",
            )
            self.stop = gr.Button("Stop", interactive=False, min_width=100, elem_id="batch_stop")
            self.zip_file = gr.DownloadButton(
                "Everything (zip)", interactive=False, min_width=130, elem_id="batch_zip"
            )
        self.told = gr.HTML(css_template=STYLE, elem_id="batch_told")
        self.progress = gr.HTML(css_template=STYLE, elem_id="batch_progress")
        self.results = gr.HTML(css_template=STYLE + NOTES, elem_id="batch_table")
        self.previews = previews()
        self._connect()

    def _add_recipe(self, models: Sequence[str], chosen: str) -> None:
        with gr.Row():
            self.model = gr.Dropdown(
                model_choices(models),
                value=chosen,
                label="Checkpoint",
                allow_custom_value=True,
                min_width=220,
                scale=2,
                elem_id="batch_model",
            )
            self.threshold = threshold_box("Threshold", "batch_threshold")
        with gr.Row():
            self.method = gr.Dropdown(
                [("As the checkpoint says", "auto"), *METHODS],
                value="auto",
                label="An object is",
                min_width=180,
                elem_id="batch_method",
            )
            self.seed = seed_box("Seed height", "batch_seed")
        with gr.Row():
            self.min_size = gr.Textbox(
                "",
                label="Smallest object",
                info="pixels",
                placeholder=OWN,
                max_lines=1,
                min_width=130,
                elem_id="batch_min_size",
            )
            self.pixel_size = gr.Textbox(
                "",
                label="Pixel size",
                info="such as 0.25 um",
                placeholder="what a file says",
                max_lines=1,
                min_width=130,
                elem_id="batch_pixel_size",
            )
        self.exclude_border = gr.Checkbox(
            False, label="Leave out what touches the border", elem_id="batch_border"
        )
        self.more = gr.CheckboxGroup(
            MORE, value=[MORE[0][1]], label="Also save", elem_id="batch_more"
        )

    @property
    def recipe(self) -> list[gr.components.Component]:
        """Inputs: what `recipe_of` reads, in the order of the fields of `Recipe`."""
        return [
            self.model, self.threshold, self.method, self.min_size, self.exclude_border,
            self.pixel_size, self.seed,
        ]  # fmt: skip

    @property
    def taken(self) -> list[gr.components.Component]:
        """Outputs of `take` and `fill`."""
        return [
            self.job, self.upload, self.start, self.stop, self.zip_file, self.told, self.progress,
            self.results, self.previews, *self.recipe,
        ]  # fmt: skip

    def _connect(self) -> None:
        made = [*self.taken, self.number]
        for sent in (self.upload.upload, self.upload.clear, self.upload.delete):
            sent(self.on_upload, [self.upload, self.model, self.job], made, **HIDDEN)
        self.model.change(
            self.on_model,
            [self.model, self.job],
            self.start,
            queue=False,
            show_progress="hidden",
            **HIDDEN,
        )
        self.start.click(
            self.on_start, [self.job, self.number, self.more, *self.recipe], made, **HIDDEN
        )
        self.number.change(
            self.on_run, [self.job], made, show_progress="hidden", **WATCHES, **HIDDEN
        )
        # Not of the queue: it is heard while a run is at work.
        self.stop.click(
            self.on_stop, self.job, self.stop, queue=False, show_progress="hidden", **HIDDEN
        )

    # ------------------------------------------------------------ from other tabs

    def fill(self, recipe: Recipe) -> Updates:
        """The fields say this recipe."""
        return {
            self.model: recipe.model,
            self.threshold: "" if recipe.threshold is None else f"{recipe.threshold:g}",
            self.method: recipe.method,
            self.min_size: "" if recipe.min_size is None else str(recipe.min_size),
            self.exclude_border: recipe.exclude_border,
            self.pixel_size: recipe.pixel_size,
            self.seed: "" if recipe.seed is None else f"{recipe.seed:g}",
        }

    def take(
        self, files: Sequence[str] | None, model: str, current: BatchJob | None = None
    ) -> Updates:
        """These files are the batch now, as if they had been dropped here. What is at work stays.

        model: The checkpoint that the button names. current: The batch so far.
        """
        if current is not None and current.status.state in ("running", "stopping"):
            return {self.told: alert(BUSY)}
        updates = self._emptied(model)
        if current is not None:
            for folder in (current.folder, current.shown):
                rmtree(folder, ignore_errors=True)
        if not files:
            return updates
        try:
            new = BatchJob(list(files), self.folders.new(), served_folders().new())
        except Exception as error:
            return updates | {self.told: alert(page_sentence(error))}
        return updates | {
            self.job: new,
            self.start: gr.update(value=button_words(new.status.total, model), interactive=True),
            self.progress: progress_html(new.status) + lines(new.staged.left_out),
        }

    def _emptied(self, model: str) -> Updates:
        return {
            self.job: None,
            self.start: gr.update(value=button_words(0, model), interactive=False),
            self.stop: gr.update(interactive=False),
            self.zip_file: gr.update(interactive=False),
            self.told: "",
            self.progress: "",
            self.results: "",
            self.previews: None,
        }

    # --------------------------------------------------------------------- events

    def on_upload(
        self, files: list[str] | None, model: str, current: BatchJob | None = None
    ) -> Updates:
        return self.take(files, model, current)

    def on_model(self, model: str, current: BatchJob | None) -> Updates:
        if current is not None and current.status.state in ("running", "stopping"):
            return gr.skip()  # what is at work keeps its checkpoint
        return gr.update(value=button_words(current.status.total if current else 0, model))

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
        if is_gone(current):
            return self.gone(current)
        try:
            recipe = recipe_of(model, threshold, method, min_size, exclude_border, pixel_size, seed)
            current.visitor = sign_in.visitor(profile, token)
            network = load_model(recipe.model, current.visitor)
            current.start(recipe.settled(network), more, network.title)
        except Exception as error:
            return {self.told: alert(page_sentence(error))}
        return {
            self.told: "",
            self.previews: current.previews.as_value(),
            self.job: current,  # counts as new: it is kept for another hour
            self.number: number + 1,
            self.upload: gr.update(interactive=False),  # other images are another batch
            self.start: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
            self.zip_file: gr.update(interactive=False),
            self.progress: recipe_html(current) + progress_html(current.status),
        }

    def on_run(self, current: BatchJob | None) -> Iterator[Updates]:
        if is_gone(current):
            yield self.gone(current)
            return
        kept = {self.job: current}  # Gradio forgets a state an hour after it was set
        drawn = 0
        try:
            network = load_model(current.recipe.model, current.visitor)
            for status in current.run(network):
                changes = kept | {self.progress: recipe_html(current) + progress_html(status)}
                if len(current.previews) != drawn:
                    drawn = len(current.previews)
                    changes[self.previews] = current.previews.as_value()
                yield changes
                if is_gone(current):
                    yield self.gone(current)
                    return
        except Exception as error:
            current.fail(error)
        yield kept | self.at_rest(current)

    def gone(self, current: BatchJob | None) -> Updates:
        """The images were deleted; nothing can go on, and nobody is left waiting."""
        if current is not None:
            current.stop()
        return {
            self.job: None,
            self.upload: gr.update(value=None, interactive=True),
            self.start: gr.update(interactive=False),
            self.stop: gr.update(interactive=False),
            self.progress: alert(GONE),
        } | self.handed_over(current)

    def at_rest(self, current: BatchJob) -> Updates:
        """The run is over, for now or for good."""
        status = current.status
        finished = status.state in ("finished", "broken")
        again = button_words(status.total, current.recipe.model)
        return {
            self.progress: recipe_html(current)
            + progress_html(status)
            + lines(current.staged.left_out),
            self.upload: gr.update(interactive=True),
            self.start: gr.update(value=again if finished else "Go on", interactive=True),
            self.stop: gr.update(interactive=False),
            self.previews: current.previews.as_value(),
        } | self.handed_over(current)

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

    def on_stop(self, current: BatchJob | None) -> Any:
        if current is not None:
            current.stop()
        return gr.update(interactive=False)


def recipe_of(
    model: str,
    threshold: str,
    method: str,
    min_size: str,
    exclude_border: bool,
    pixel_size: str,
    seed: str = "",
) -> Recipe:
    """What the fields say. Raises `ConfigError`."""
    least = (min_size or "").strip()
    return Recipe(
        model,
        read_threshold(threshold),
        method,
        read_min_size(least) if least else None,
        exclude_border,
        (pixel_size or "").strip(),
        read_seed(seed),
    )


def button_words(images: int, model: str) -> str:
    """ "Segment 30 images with Cell nuclei"."""
    many = f"{images} image{'' if images == 1 else 's'}" if images else "images"
    name = YOURS if is_taught(model) else title_of(model)
    return f"Segment {many} with {name}"


def is_gone(job: BatchJob | None) -> bool:
    return job is None or not job.staged.folder.is_dir()


def served_folders() -> KeptFolders:
    """For what the page is given, among Gradio's own files: it would make a copy of any other."""
    return KeptFolders(upload_folder() / "batches")


def recipe_html(job: BatchJob) -> str:
    """With what the run is computed, whatever the fields say now."""
    return note(f"With {job.recipe_in_words()}.") if job.recipe else ""


def progress_html(status: Status) -> str:
    """A bar, where it stands in words, and a line for each image that failed."""
    handled = status.done + len(status.failures)
    failed = f", {len(status.failures)} failed" if status.failures else ""
    counted = f"{status.done} of {status.total} segmented{failed}"
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    words = {
        "ready": f"{status.total} image file{'' if status.total == 1 else 's'}, ready.",
        "running": f"{counted}{left}.",
        "stopping": f"Stopping: {counted}.",
        "stopped": f"Stopped: {counted}. “Go on” goes on from here. {status.sentence}",
        "finished": f"Finished: {counted}.",
        "broken": "",
    }[status.state]
    share = handled / status.total if status.total else 0
    if status.state == "broken":
        return alert(status.sentence)
    state = f'<p class="state" role="status" data-state="{status.state}">{html.escape(words)}</p>'
    return state + bar(share, "Batch") + lines(status.failures)


def results_html(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    head, *body = rows
    one_page = all(row[head.index("page")] == "0" for row in body)
    left_out = {"width", "height", "threshold", *(["page"] if one_page else [])}
    kept = [column for column, name in enumerate(head) if name not in left_out]
    shown = [[short(row[column]) for column in kept] for row in body[:ROWS]]
    more = f"The first {ROWS} of {len(body)} rows; the zip has all." if len(body) > ROWS else ""
    names = [head[column].replace("_", " ") for column in kept]
    return table(names, shown, "Results") + note(more)


def short(cell: str) -> str:
    """A number with four digits, which are enough to look at; other text as it is."""
    if re.fullmatch(r"\d+\.\d+(e[+-]\d+)?", cell):
        return f"{float(cell):.4g}"
    return cell
