"""The tab *Film*: a film in; tracks to watch and to correct, and a zip out."""

import html
from collections.abc import Iterator, Sequence
from shutil import rmtree
from time import monotonic
from typing import Any

import gradio as gr

from unet_hf.batch.progress import duration
from unet_hf.errors import ConfigError
from unet_hf.words import number_of

from ..parts.component import HIDDEN
from ..parts.downloads import Download, connect, download_menu, usable
from ..parts.html_parts import STYLE, alert, bar, lines, note
from ..parts.threshold_box import read_threshold, threshold_box
from ..parts.upload_guard import upload_guard
from ..server import limits, sign_in
from ..server.errors_in_words import page_sentence, without_python
from ..server.folders import ResultFolders
from ..server.model_facts import model_choices, shipped_title
from ..server.models import load_model
from ..server.queue import MEASURES, WATCHES
from ..server.taught import is_taught
from .example import MODEL as EXAMPLE_MODEL
from .example import write_example
from .following import Asked
from .job import FilmJob, Status, shown_folders
from .player import film_player

BUSY = "A film is at work. Stop it first, or wait until it has finished."
GONE = "The film is gone after an hour. Send it again."
SHOW_SECONDS = 1.0  # between two times that the player is told of new frames
ALL_CHANNELS = -1
AS_STORED = -1.0
# How often cells divide, as a share of the cells of a frame.
LIVES = [
    ("As the checkpoint says, else once in 50 frames", AS_STORED),
    ("Never", 0.0),
    ("Seldom: once in 200 frames", 0.005),
    ("Now and then: once in 50 frames", 0.02),
    ("Often: once in 20 frames", 0.05),
]
DOWNLOADS = (
    Download("everything", "Everything (zip)", "linked"),
    Download("lineage", "Lineage (SVG)", "linked", more=True),
    Download("outlines", "Outlines (GeoJSON)", "linked", more=True),
    Download("overlay", "Film with outlines", "linked", more=True),
)
Updates = dict[Any, Any]


class FilmTab:
    """Adds the view to the page that is being built; a film may come from another tab.

    Args:
        models: Checkpoints to choose from. Others can be typed, or come from another tab.
        chosen: The one it begins with.
        folders: Where films and results go.
    """

    def __init__(self, models: Sequence[str], chosen: str, folders: ResultFolders) -> None:
        self.folders = folders
        self.job = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        # A new number begins a run.
        self.number = gr.State(0, time_to_live=limits.KEEP_SECONDS)
        with gr.Row(equal_height=False, elem_id="film_desk"):
            with gr.Column(scale=4, min_width=260):
                self.upload = gr.File(
                    label="Stack, animation, frames or a zip of them",
                    file_count="multiple",
                    height=150,
                    elem_id="film_upload",
                )
                upload_guard("film_upload", anywhere=True)
            with gr.Column(scale=8, min_width=260):
                self._add_choices(models, chosen)
        with gr.Row():
            self.start = gr.Button(
                button_words(0, chosen),
                variant="primary",
                interactive=False,
                min_width=180,
                scale=2,
                elem_id="film_run",
            )
            self.stop = gr.Button("Stop", interactive=False, min_width=100, elem_id="film_stop")
            self.example = gr.Button("Try an example", min_width=130, elem_id="film_example")
        self.told = gr.HTML(css_template=STYLE, visible="hidden", elem_id="film_told")
        self.progress = gr.HTML(css_template=STYLE, elem_id="film_progress")
        self.player = film_player()
        self.downloads = download_menu(DOWNLOADS, "film_downloads")
        self._connect()

    def _add_choices(self, models: Sequence[str], chosen: str) -> None:
        with gr.Row():
            self.model = gr.Dropdown(
                model_choices(models),
                value=chosen,
                label="Checkpoint",
                allow_custom_value=True,
                min_width=220,
                scale=2,
                elem_id="film_model",
            )
            self.threshold = threshold_box("Threshold", "film_threshold")
        with gr.Row():
            self.divisions = gr.Dropdown(
                LIVES,
                value=AS_STORED,
                label="Cells divide",
                min_width=220,
                scale=2,
                elem_id="film_divisions",
            )
            self.channel = gr.Dropdown(
                [("All", ALL_CHANNELS)],
                value=ALL_CHANNELS,
                label="Channel",
                visible="hidden",
                min_width=130,
                elem_id="film_channel",
            )
            self.axes = gr.Textbox(
                "",
                label="Frames' axes",
                info="a letter for each, T is time",
                placeholder="such as TYX",
                max_lines=1,
                visible="hidden",
                min_width=130,
                elem_id="film_axes",
            )

    @property
    def choices(self) -> list[gr.components.Component]:
        """Inputs: what `asked_of` reads."""
        return [self.model, self.threshold, self.divisions, self.channel, self.axes]

    @property
    def taken(self) -> list[gr.components.Component]:
        """Outputs of `take`."""
        return [
            self.job, self.upload, self.start, self.stop, self.example, self.told, self.progress,
            self.player, self.downloads, *self.choices,
        ]  # fmt: skip

    def _connect(self) -> None:
        made = [*self.taken, self.number]
        quiet = {"show_progress": "hidden"} | HIDDEN
        for sent in (self.upload.upload, self.upload.clear, self.upload.delete):
            sent(self.on_upload, [self.upload, self.model, self.job], made, **HIDDEN)
        self.model.change(self.on_model, [self.model, self.job], self.start, queue=False, **quiet)
        starting = [self.job, self.number, *self.choices]
        awaited = {"show_progress_on": self.progress} | HIDDEN
        self.start.click(self.on_start, starting, made, **awaited)
        drawn = self.example.click(self.on_example, self.job, made, **awaited)
        drawn.success(self.on_start, starting, made, **awaited)
        self.number.change(self.on_run, [self.job], made, **WATCHES, **quiet)
        # Not of the queue: it is heard while a run is at work.
        self.stop.click(self.on_stop, self.job, self.stop, queue=False, **quiet)
        # Each list of corrections is whole: only the last one matters.
        self.player.input(
            self.on_edits, self.job, made, trigger_mode="always_last", **MEASURES, **quiet
        )
        connect(self.downloads, write, [self.job], None, self.told)

    # ------------------------------------------------------------ from other tabs

    def take(
        self, files: Sequence[str] | None, model: str, current: FilmJob | None = None
    ) -> Updates:
        """These files are the film now, as if they had been dropped here. What is at work stays.

        model: The checkpoint that the button names. current: The film so far.
        """
        if current is not None and current.at_work:
            return self._told(BUSY)
        updates = self._emptied(model)
        if current is not None:
            for folder in (current.folder, current.shown):
                rmtree(folder, ignore_errors=True)
        if not files:
            return updates
        folders = self.folders.new(), shown_folders().new()
        try:
            new = FilmJob(list(files), *folders)
            updates |= self._opened(new, model)
        except Exception as error:
            for folder in folders:
                rmtree(folder, ignore_errors=True)
            return updates | self._told(page_sentence(error))
        return updates

    def _opened(self, new: FilmJob, model: str) -> Updates:
        """Raises as `FilmJob.open`, unless its axes can be told by whoever sent it."""
        start = gr.update(value=button_words(0, model), interactive=True)
        try:
            film = new.open()
        except Exception as error:
            if "axes=" not in str(error):
                raise
            asked = gr.update(value="", visible=True)
            said = self._told(page_sentence(error))
            return said | {self.job: new, self.axes: asked, self.start: start}
        channels = [("All", ALL_CHANNELS), *((str(n), n) for n in range(film.first.channels))]
        several = len(channels) > 2
        return {
            self.job: new,
            self.start: gr.update(value=button_words(film.count, model), interactive=True),
            self.channel: gr.update(
                choices=channels, value=ALL_CHANNELS, visible=True if several else "hidden"
            ),
            self.progress: progress_html(new) + lines(new.staged.left_out),
            self.player: new.value(),
        }

    def _emptied(self, model: str) -> Updates:
        return {
            self.job: None,
            self.start: gr.update(value=button_words(0, model), interactive=False),
            self.stop: gr.update(interactive=False),
            self.progress: "",
            self.player: None,
            self.downloads: usable(linked=False),
            self.channel: gr.update(value=ALL_CHANNELS, visible="hidden"),
            self.axes: gr.update(value="", visible="hidden"),
        } | self._told("")

    def _told(self, sentence: str) -> Updates:
        visible = True if sentence else "hidden"
        return {self.told: gr.update(value=alert(sentence), visible=visible)}

    # --------------------------------------------------------------------- events

    def on_upload(
        self, files: list[str] | None, model: str, current: FilmJob | None = None
    ) -> Updates:
        return self.take(files, model, current)

    def on_example(self, current: FilmJob | None = None) -> Updates:
        """A drawn film in place of the one so far."""
        if current is not None and current.at_work:
            return self._told(BUSY)
        with self.folders.lent() as folder:
            taken = self.take([str(write_example(folder))], EXAMPLE_MODEL, current)
        return taken | {self.upload: None, self.model: EXAMPLE_MODEL, self.threshold: ""}

    def on_model(self, model: str, current: FilmJob | None) -> Any:
        if current is None or current.film is None:
            return gr.update(value=button_words(0, model))
        # What is at work keeps its checkpoint.
        words = button_words(current.film.count, model)
        return gr.skip() if current.at_work else gr.update(value=words)

    def on_start(
        self,
        current: FilmJob | None,
        number: int,
        model: str,
        threshold: str,
        divisions: float,
        channel: int = ALL_CHANNELS,
        axes: str = "",
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        if current is None or current.is_gone:
            return self.gone(current)
        if current.at_work:
            return self._told(BUSY)
        try:
            asked = asked_of(model, threshold, divisions, channel, axes)
            current.visitor = sign_in.visitor(profile, token)
            load_model(asked.model, current.visitor)
            current.start(asked)
        except Exception as error:
            return self._told(current.plain(page_sentence(error)))
        return self._told("") | {
            self.job: current,  # counts as new: it is kept for another hour
            self.number: number + 1,
            self.upload: gr.update(interactive=False),  # another film is another run
            self.start: gr.update(interactive=False),
            self.example: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
            self.downloads: usable(linked=False),
            self.player: current.value(),
            self.progress: progress_html(current),
        }

    def on_run(self, current: FilmJob | None) -> Iterator[Updates]:
        if current is None or current.is_gone:
            yield self.gone(current)
            return
        kept = {self.job: current}  # Gradio forgets a state an hour after it was set
        drawn, when = 0, -SHOW_SECONDS
        try:
            network = load_model(current.asked.model, current.visitor)
            for status in current.run(network):
                changes = kept | {self.progress: progress_html(current, status)}
                there = len(current.pictures.labels)
                if there != drawn and monotonic() - when >= SHOW_SECONDS:
                    drawn, when = there, monotonic()
                    changes[self.player] = current.value()
                yield changes
                if current.is_gone:
                    yield self.gone(current)
                    return
        except Exception as error:
            current.fail(error)
        yield kept | self.at_rest(current)

    def at_rest(self, current: FilmJob) -> Updates:
        """The run is over, for now or for good."""
        again = "Go on" if current.status.state == "stopped" else None
        words = again or button_words(current.film.count, current.asked.model)
        return self._idle() | {
            self.start: gr.update(value=words, interactive=True),
            self.progress: progress_html(current) + lines(current.staged.left_out),
            self.player: current.value(),
            self.downloads: usable(linked=current.linked is not None),
        }

    def gone(self, current: FilmJob | None) -> Updates:
        """The film was deleted; nothing can go on, and nobody is left waiting."""
        if current is not None:
            current.stop()
        return self._idle() | {
            self.job: None,
            self.upload: gr.update(value=None, interactive=True),
            self.start: gr.update(interactive=False),
            self.progress: alert(GONE),
            self.player: None,
            self.downloads: usable(linked=False),
        }

    def _idle(self) -> Updates:
        return {
            self.upload: gr.update(interactive=True),
            self.example: gr.update(interactive=True),
            self.stop: gr.update(interactive=False),
        }

    def on_stop(self, current: FilmJob | None) -> Any:
        if current is not None:
            current.stop()
        return gr.update(interactive=False)

    def on_edits(self, current: FilmJob | None, event: gr.EventData) -> Updates:
        if current is None or current.is_gone:
            return self.gone(current)
        try:
            current.correct(event.edits)
        except Exception as error:
            return self._told(page_sentence(error))
        return self._told("") | {
            self.job: current,
            self.progress: progress_html(current) + lines(current.staged.left_out),
            self.player: current.value(),
        }


def write(kind: str, current: FilmJob | None) -> str:
    """A file, which is made when it is asked for; returns its path."""
    if current is None or current.is_gone:
        raise ConfigError(GONE)
    return str(current.file(kind))


def asked_of(model: str, threshold: str, divisions: float, channel: int, axes: str) -> Asked:
    """What the fields say. Raises `ConfigError`."""
    return Asked(
        model,
        read_threshold(threshold),
        (axes or "").strip().upper() or None,
        None if channel in (None, ALL_CHANNELS) else int(channel),
        None if divisions == AS_STORED else float(divisions),
    )


def button_words(frames: int, model: str) -> str:
    """ "Follow the cells of 40 frames with Cell nuclei"."""
    of = f" of {frames:,} frames" if frames else ""
    name = "your taught checkpoint" if is_taught(model) else shipped_title(model) or model
    return f"Follow the cells{of} with {name}"


def progress_html(job: FilmJob, status: Status | None = None) -> str:
    """A bar, where it stands in words, and what was inferred."""
    status = status or job.status
    if status.state == "broken":
        return alert(status.sentence)
    done = f"{status.done:,} of {status.total:,} frames"
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    words = {
        "ready": f"{status.total:,} frames, ready.",
        "running": f"{done} segmented{left}.",
        "stopping": f"Stopping: {done} segmented.",
        "stopped": f"Stopped: {done}. “Go on” goes on from here. {status.sentence}",
        "finished": f"Finished: {done}.",
    }[status.state]
    share = status.done / status.total if status.total else 0
    state = f'<p class="state" role="status" data-state="{status.state}">{html.escape(words)}</p>'
    return state + bar(share, "Film") + counts_html(job)


def counts_html(job: FilmJob) -> str:
    """ "213 tracks, 24 divisions, 40 frames", and what was inferred."""
    film = job.linked.film if job.linked else None
    if film is None:
        return notes_html(job.film.notes) if job.film else ""
    tracks = film.tracks
    counted = [
        number_of(len(tracks), "track"), number_of(tracks.divisions, "division"),
        number_of(len(tracks.frames), "frame"),
    ]  # fmt: skip
    if job.linked.edits:
        counted.append(number_of(len(job.linked.edits), "correction"))
    told = f'<p class="title" id="film_counts">{", ".join(counted)}</p>'
    return told + notes_html(film.notes)


def notes_html(notes: Sequence[str]) -> str:
    """What was inferred, a sentence each. Names and axes keep their capitals."""
    said = (without_python(one).removesuffix(".") for one in notes)
    return "".join(note(f"{one[:1].upper()}{one[1:]}.") for one in said)
