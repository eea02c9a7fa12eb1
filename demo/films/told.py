"""What the tab says of a film: on its button, below it, and what was inferred."""

from collections.abc import Sequence

from unet_hf.words import number_of

from ..parts.html_parts import alert, lines, note
from ..parts.job_words import name_on_button, time_left, where_it_stands
from ..server.errors_in_words import without_python
from ..server.work.jobs import Status
from .job import FilmJob


def button_words(frames: int, model: str) -> str:
    """ "Follow the cells of 40 frames with Cell nuclei"."""
    of = f" of {frames:,} frames" if frames else ""
    return f"Follow the cells{of} with {name_on_button(model)}"


def progress_html(job: FilmJob, status: Status | None = None) -> str:
    """A bar, where it stands in words, and what was inferred; at rest also what was left out."""
    status = status or job.status
    if status.state == "broken":
        return alert(status.sentence)
    done = f"{status.done:,} of {status.total:,} frames"
    words = {
        "ready": f"{status.total:,} frames, ready.",
        "running": f"{done} segmented{time_left(status)}.",
        "stopping": f"Stopping: {done} segmented.",
        "stopped": f"Stopped: {done}. “Go on” goes on from here. {status.sentence}",
        "ended": f"Ended early: {done}. {status.sentence}",
        "finished": f"Finished: {done}.",
    }[status.state]
    told = where_it_stands(status, words, status.done, "Film")
    left_out = "" if job.at_work else lines(job.staged.left_out)
    return told + counts_html(job) + left_out


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
