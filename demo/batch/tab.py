"""Many images at once: files, a zip or a stack in; one zip and one table out."""

import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from unet_hf.batch.progress import duration

from ..parts.component import HIDDEN
from ..parts.gradio_internals import upload_folder
from ..parts.html_parts import STYLE, alert, lines, note, table
from ..parts.threshold_box import read_threshold, threshold_box
from ..parts.upload_guard import upload_guard
from ..server import limits, sign_in
from ..server.errors_in_words import plain_sentence
from ..server.folders import KeptFolders, ResultFolders
from ..server.models import load_model
from ..server.queue import ONE_AT_A_TIME
from . import archives
from .job import MAX_PAGES, BatchJob, Settings, Status

ROWS = 200  # of the table that are shown; the file has all
LIMITS = (
    f"Up to {archives.MAX_FILES} images or {MAX_PAGES} pages and "
    f"{archives.MAX_BYTES // 2**20} MB, unpacked; {limits.MAX_FILE_MEGABYTES} MB a file; "
    f"{limits.MAX_SIDE} × {limits.MAX_SIDE} pixels an image; objects of images that have more than "
    f"{limits.MAX_OBJECTS:,} are left out. Folders of a zip are kept. The zip to take home has "
    "the mask of each image, a table of all, and a line for each that failed. A batch takes turns "
    "with other visitors."
)
GONE = "The images are gone after an hour. Send them again."
# Beside the masks, as `python -m unet_hf segment --only` names them.
MORE = ["overlay", "objects", "outlines", "instances", "probabilities"]


def batch_tab(model: gr.components.Component, folders: ResultFolders) -> None:
    """Adds the view to the page that is being built.

    model: The component whose value names the checkpoint. folders: Where the results go.
    """
    job = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    turn = gr.State(0, time_to_live=limits.KEEP_SECONDS)  # a new number is the next turn of a run
    upload = gr.File(
        label="Images, a zip of them, or stacks of pages",
        file_count="multiple",
        height=140,
        elem_id="batch_upload",
    )
    upload_guard("batch_upload", anywhere=True)
    gr.HTML(note(f"With the checkpoint chosen under Segment. {LIMITS}"), css_template=STYLE)
    with gr.Row():
        threshold_text = threshold_box("Threshold", "batch_threshold")
        more = gr.CheckboxGroup(
            MORE, value=MORE[:1], label="Beside the masks", scale=3, elem_id="batch_more"
        )
    with gr.Row():
        start = gr.Button(
            "Segment all", variant="primary", interactive=False, min_width=130, elem_id="batch_run"
        )
        stop = gr.Button("Stop", interactive=False, min_width=130, elem_id="batch_stop")
        zip_file = gr.DownloadButton(
            "Everything (zip)", interactive=False, min_width=130, elem_id="batch_zip"
        )
    progress = gr.HTML(css_template=STYLE, elem_id="batch_progress")
    results = gr.HTML(css_template=STYLE, elem_id="batch_table")
    outputs = [job, turn, upload, start, stop, zip_file, progress, results]

    def on_upload(files: list[str] | None) -> dict[Any, Any]:
        empty = {
            job: None,
            start: gr.update(value="Segment all", interactive=False),
            stop: gr.update(interactive=False),
            zip_file: gr.update(interactive=False),
            progress: "",
            results: "",
        }
        if not files:
            return empty
        try:
            new = BatchJob(files, folders.new())
        except Exception as error:
            return empty | {progress: alert(plain_sentence(error))}
        return empty | {
            job: new,
            start: gr.update(value="Segment all", interactive=True),
            progress: progress_html(new.status) + lines(new.staged.left_out),
        }

    def on_start(
        current: BatchJob | None, number: int, name: str, cut: str, extra: list[str]
    ) -> dict[Any, Any]:
        if is_gone(current):
            return gone(current)
        try:
            settings = Settings(name, read_threshold(cut), ("mask", *extra))
        except Exception as error:
            return {progress: alert(plain_sentence(error))}
        current.start(settings)
        return {
            job: current,  # counts as new: it is kept for another hour
            turn: number + 1,
            upload: gr.update(interactive=False),  # other images are another batch
            start: gr.update(interactive=False),
            stop: gr.update(interactive=True),
            zip_file: gr.update(interactive=False),
            progress: progress_html(current.status),
        }

    def on_turn(
        current: BatchJob | None,
        number: int,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[dict[Any, Any]]:
        if is_gone(current):
            yield gone(current)
            return
        kept = {job: current}  # Gradio forgets a state an hour after it was set
        try:
            settings = current.settings
            network = load_model(settings.model, sign_in.visitor(profile, token))
            for status in current.turn(network, settings.threshold, settings.outputs):
                yield {progress: progress_html(status)}
            if current.status.state == "paused":
                yield kept | {turn: number + 1, progress: progress_html(current.status)}
                return
            yield kept | at_rest(current)
        except Exception as error:
            current.fail(error)
            yield kept | at_rest(current)

    def gone(current: BatchJob | None) -> dict[Any, Any]:
        """The images were deleted; nothing can go on, and nobody is left waiting."""
        if current is not None:
            current.stop()
        return {
            job: None,
            upload: gr.update(value=None, interactive=True),
            start: gr.update(value="Segment all", interactive=False),
            stop: gr.update(interactive=False),
            progress: alert(GONE),
        } | handed_over(current)

    def at_rest(current: BatchJob) -> dict[Any, Any]:
        """The run is over, for now or for good."""
        status = current.status
        finished = status.state == "finished"
        return {
            progress: progress_html(status) + lines(current.staged.left_out),
            upload: gr.update(interactive=True),
            start: gr.update(value="Segment all" if finished else "Go on", interactive=True),
            stop: gr.update(interactive=False),
        } | handed_over(current)

    def handed_over(current: BatchJob | None) -> dict[Any, Any]:
        """A zip and a table of what was computed, as far as there is anything."""
        rows = current.table() if current is not None else []
        if not rows:
            return {results: "", zip_file: gr.update(interactive=False)}
        place = archive_folders().new()
        packed = str(current.archive(place / "segmented.zip"))
        return {results: results_html(rows), zip_file: gr.update(value=packed, interactive=True)}

    def on_stop(current: BatchJob | None) -> dict[Any, Any]:
        if current is not None:
            current.stop()
        return {stop: gr.update(interactive=False)}

    made = [job, start, stop, zip_file, progress, results]
    upload.upload(on_upload, upload, made, **HIDDEN)
    upload.clear(on_upload, upload, made, **HIDDEN)
    upload.delete(on_upload, upload, made, **HIDDEN)
    start.click(on_start, [job, turn, model, threshold_text, more], outputs, **HIDDEN)
    turn.change(
        on_turn,
        [job, turn],
        outputs,
        show_progress="hidden",
        **ONE_AT_A_TIME,
        **HIDDEN,
    )
    # Not of the queue: it is heard while the network is at work.
    stop.click(on_stop, job, stop, queue=False, show_progress="hidden", **HIDDEN)


def is_gone(job: BatchJob | None) -> bool:
    return job is None or not job.staged.folder.is_dir()


def archive_folders() -> KeptFolders:
    """Among Gradio's own files: it would make a copy of any other."""
    return KeptFolders(upload_folder() / "batches")


def progress_html(status: Status) -> str:
    """A bar, where it stands in words, and a line for each image that failed."""
    handled = status.done + len(status.failures)
    failed = f", {len(status.failures)} failed" if status.failures else ""
    counted = f"{status.done} of {status.total} segmented{failed}"
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    words = {
        "ready": f"{status.total} image files, ready.",
        "running": f"{counted}{left}.",
        "stopping": f"Stopping after the tile at hand: {counted}.",
        "paused": f"{counted}. Others are waiting, too; the next turn comes by itself.",
        "stopped": f"Stopped: {counted}. “Go on” goes on from here. {status.sentence}",
        "finished": f"Finished: {counted}.",
        "broken": "",
    }[status.state]
    share = 100 * handled / status.total if status.total else 0
    bar = (
        f'<div class="bar" role="progressbar" aria-label="Batch" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share:.0f}"><i style="width:{share:.1f}%"></i></div>'
    )
    if status.state == "broken":
        return alert(status.sentence)
    state = f'<p class="state" role="status" data-state="{status.state}">{html.escape(words)}</p>'
    return state + bar + lines(status.failures)


def results_html(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    head, *body = rows
    kept = [column for column, name in enumerate(head) if not name.startswith("pixels ")]
    shown = [[row[column] for column in kept] for row in body[:ROWS]]
    more = f"The first {ROWS} of {len(body)} rows; the zip has all." if len(body) > ROWS else ""
    return table([head[column] for column in kept], shown, "Results") + note(more)
