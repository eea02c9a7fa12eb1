"""`JobTab`: what tabs have in common whose files are worked at in the background."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any, Generic, TypeVar

import gradio as gr

from unet_hf import UNet

from ..server import limits
from ..server.checkpoints.model_facts import model_choices
from ..server.checkpoints.models import load_model
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders, ResultFolders
from ..server.work.jobs import Job
from ..server.work.queue import WATCHES
from .component import HIDDEN
from .html_parts import STYLE, alert
from .uploads.upload_guard import upload_guard

Updates = dict[Any, Any]
OneJob = TypeVar("OneJob", bound=Job)
QUIET = {"show_progress": "hidden"} | HIDDEN


class JobTab(ABC, Generic[OneJob]):
    """Files come in, a run is started, watched, stopped, and goes on.

    A tab adds its components with the methods `add_...`, in the order in which they are seen, and
    calls `connect` last. `name` begins the `elem_id` of each. What a tab adds of its own are the
    methods at the end of this class, and an event that starts a run: see `started`.
    """

    name: str
    busy: str  # said to whoever sends other files meanwhile
    gone_words: str  # said when the files were deleted

    def __init__(self, folders: ResultFolders) -> None:
        """folders: Where files and results go."""
        self.folders = folders
        self.job = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        # A new number begins a run.
        self.number = gr.State(0, time_to_live=limits.KEEP_SECONDS)

    # ----------------------------------------------------------------- components

    def add_upload(self, label: str, height: int) -> None:
        self.upload = gr.File(
            label=label, file_count="multiple", height=height, elem_id=f"{self.name}_upload"
        )
        upload_guard(f"{self.name}_upload", anywhere=True)

    def add_start_and_stop(self, model: str) -> None:
        self.start = gr.Button(
            self.start_words(None, model),
            variant="primary",
            interactive=False,
            min_width=180,
            scale=2,
            elem_id=f"{self.name}_run",
        )
        self.stop = gr.Button("Stop", interactive=False, min_width=100, elem_id=f"{self.name}_stop")

    def add_progress(self) -> None:
        """What went wrong with what a visitor did, and how far the run is."""
        self.told = gr.HTML(css_template=STYLE, visible="hidden", elem_id=f"{self.name}_told")
        self.progress = gr.HTML(css_template=STYLE, elem_id=f"{self.name}_progress")

    def connect(self, model: gr.Dropdown) -> None:
        """model: The field with the checkpoint."""
        for sent in (self.upload.upload, self.upload.clear, self.upload.delete):
            sent(self.on_upload, [self.upload, model, self.job], self.made, **HIDDEN)
        model.change(self.on_model, [model, self.job], self.start, queue=False, **QUIET)
        self.number.change(self.on_run, [self.job], self.made, **WATCHES, **QUIET)
        # Not of the queue: it is heard while a run is at work.
        self.stop.click(self.on_stop, self.job, self.stop, queue=False, **QUIET)

    @property
    def made(self) -> list[gr.components.Component]:
        """Outputs of the events."""
        return [*self.taken, self.number]

    # ------------------------------------------------------------- what is sent

    def take(
        self,
        files: Sequence[str] | None,
        model: str,
        current: OneJob | None = None,
        **options: Any,
    ) -> Updates:
        """These files are the job now, as if they had been dropped here. What is at work stays.

        model: The checkpoint that the button names. current: The job so far. options: Of `opened`.
        """
        if current is not None and current.at_work:
            return self.say(self.busy)
        updates = self.emptied(model)
        if current is not None:
            current.discard()
        if not files:
            return updates
        folders = self.folders.new(), self.shown_folders().new()
        try:
            return updates | self.opened(list(files), *folders, model, **options)
        except Exception as error:
            for folder in folders:
                rmtree(folder, ignore_errors=True)
            return updates | self.say(page_sentence(error))

    def say(self, sentence: str) -> Updates:
        return {self.told: gr.update(value=alert(sentence), visible=True if sentence else "hidden")}

    # --------------------------------------------------------------------- events

    def on_upload(
        self, files: list[str] | None, model: str, current: OneJob | None = None
    ) -> Updates:
        return self.take(files, model, current)

    def on_model(self, model: str, current: OneJob | None) -> Any:
        if current is not None and current.at_work:
            return gr.skip()  # what is at work keeps its checkpoint
        return gr.update(value=self.start_words(current, model))

    def on_run(self, current: OneJob | None) -> Iterator[Updates]:
        if current is None or current.is_gone:
            yield self.gone(current)
            return
        kept = {self.job: current}  # Gradio forgets a state an hour after it was set
        try:
            for updates in self.running(current, load_model(current.model, current.visitor)):
                yield kept | updates
                if current.is_gone:
                    yield self.gone(current)
                    return
        except Exception as error:
            current.fail(error)
        yield kept | self.at_rest(current)

    def on_stop(self, current: OneJob | None) -> Any:
        if current is not None:
            current.stop()
        return gr.update(interactive=False)

    # ------------------------------------------------- the components, at each turn

    def emptied(self, model: str) -> Updates:
        """There is no job."""
        return {
            self.job: None,
            self.start: gr.update(value=self.start_words(None, model), interactive=False),
            self.stop: gr.update(interactive=False),
            self.progress: "",
        } | self.say("")

    def started(self, current: OneJob, number: int) -> Updates:
        """A run begins. number: The value of `number`."""
        return self.say("") | {
            self.job: current,  # counts as new: it is kept for another hour
            self.number: number + 1,
            self.upload: gr.update(interactive=False),  # other files are another run
            self.start: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }

    def at_rest(self, current: OneJob) -> Updates:
        """The run is over, for now or for good."""
        again = self.start_words(current, current.model)
        words = "Go on" if current.status.state == "stopped" else again
        return {
            self.upload: gr.update(interactive=True),
            self.start: gr.update(value=words, interactive=True),
            self.stop: gr.update(interactive=False),
        }

    def gone(self, current: OneJob | None) -> Updates:
        """The files were deleted; nothing can go on, and nobody is left waiting."""
        if current is not None:
            current.stop()
        return {
            self.job: None,
            self.upload: gr.update(value=None, interactive=True),
            self.start: gr.update(interactive=False),
            self.stop: gr.update(interactive=False),
            self.progress: alert(self.gone_words),
        }

    # ------------------------------------------------------------- a tab's own part

    @property
    @abstractmethod
    def taken(self) -> list[gr.components.Component]:
        """Outputs of `take`."""

    @abstractmethod
    def shown_folders(self) -> KeptFolders:
        """For what the page is given, among Gradio's own files: it would make a copy of others."""

    @abstractmethod
    def start_words(self, current: OneJob | None, model: str) -> str:
        """What the button says."""

    @abstractmethod
    def opened(self, files: list[str], folder: Path, shown: Path, model: str) -> Updates:
        """A new job in these folders, and what is shown of it. Raises what is then said."""

    @abstractmethod
    def running(self, current: OneJob, network: UNet) -> Iterator[Updates]:
        """Runs the job; tells how far it is, again and again."""


def model_box(models: Sequence[str], chosen: str, elem_id: str) -> gr.Dropdown:
    """Checkpoints to choose from. Others can be typed, or come from another tab."""
    return gr.Dropdown(
        model_choices(models),
        value=chosen,
        label="Checkpoint",
        allow_custom_value=True,
        min_width=220,
        scale=2,
        elem_id=elem_id,
    )
