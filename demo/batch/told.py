"""What the tab says of a batch: on its button, how far it is, and its table."""

import re

from unet_hf.words import number_of

from ..parts.html_parts import alert, lines, note, table
from ..parts.job_words import name_on_button, time_left, where_it_stands
from ..server.work.jobs import Status
from .job import BatchJob

ROWS = 200  # of the table that are shown; the file has all


def button_words(images: int, model: str) -> str:
    """ "Segment 30 images with Cell nuclei"."""
    many = number_of(images, "image") if images else "images"
    return f"Segment {many} with {name_on_button(model)}"


def recipe_html(job: BatchJob) -> str:
    """With what the run is computed, whatever the fields say now."""
    return note(f"With {job.recipe_in_words()}.") if job.recipe else ""


def progress_html(status: Status) -> str:
    """A bar, where it stands in words, and a line for each image that failed."""
    if status.state == "broken":
        return alert(status.sentence)
    handled = status.done + len(status.failures)
    failed = f", {len(status.failures)} failed" if status.failures else ""
    counted = f"{status.done} of {status.total} segmented{failed}"
    words = {
        "ready": f"{status.total} image file{'' if status.total == 1 else 's'}, ready.",
        "running": f"{counted}{time_left(status)}.",
        "stopping": f"Stopping: {counted}.",
        "stopped": f"Stopped: {counted}. “Go on” goes on from here. {status.sentence}",
        "finished": f"Finished: {counted}.",
    }[status.state]
    return where_it_stands(status, words, handled, "Batch") + lines(status.failures)


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
