"""The endpoint `/track`: a film followed, for programs."""

from pathlib import Path
from shutil import rmtree
from typing import Any

import gradio as gr

from unet_hf.film import TrackedFilm
from unet_hf.film.outputs import SUMMARY, TABLE
from unet_hf.tracking.tracks import write_table

from ..parts.endpoints import asked_by, in_one_sentence, publish, segmenting_inputs
from ..server.checkpoints.models import Visitor, load_model
from ..server.folders import ResultFolders
from ..server.work.queue import WATCHES
from ..server.work.runs import Run
from .film_in import open_staged, stage_film, title_of
from .following import Asked, Following
from .take_home import pack_film

ZIP = "tracks.zip"


def add_endpoint(folders: ResultFolders) -> None:
    """Adds it to the page that is being built, out of sight."""

    def track(
        film: str,
        model: str,
        threshold: float | None = None,
        axes: str = "",
        channel: int | None = None,
        divisions: float | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
        request: gr.Request | None = None,
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Segments the frames of a film, and follows its objects through time, with divisions.

        Args:
            film: A stack (TIFF, NPY ...), an animation, or a zip with an image for each frame, in
                the order of their names.
            model: A shipped checkpoint such as "unet-nuclei", or a Hub id "org/name".
            threshold: For two classes: a pixel is class 1 where its probability exceeds this.
                Empty: the checkpoint's own.
            axes: Meaning of the axes of a stack, such as "TYX", with T for time. Empty: as the
                file says; planes of depth (Z) are never taken for frames.
            channel: Which channel alone is looked at, from 0, as a gray image. Empty: all.
            divisions: How often cells divide, as a share of the cells of a frame: 0.02 if a cell
                lives for 50 frames, 0 if they never do. Empty: what the checkpoint says, or 0.02.

        Returns:
            A table with a row for each object of each frame (CSV: track_id, t, y, x, area, parent
            and intensity; the first four are what napari's tracks layer reads), a table with a row
            for each track (CSV: parent, first and last frame, path, speed, area), both with masks
            in track ids and res_track.txt as a zip in the layout of the Cell Tracking Challenge,
            and a summary with the numbers of frames, tracks and divisions.
        """
        with (
            in_one_sentence(),
            folders.kept_if_filled() as folder,
            asked_by(request, profile, token) as (visitor, run),
        ):
            asked = Asked(model, threshold, axes.strip().upper() or None, channel, divisions)
            followed = _follow(film, asked, folder, visitor, run)
        return *(str(folder / name) for name in (TABLE, SUMMARY, ZIP)), summary_of(followed)

    with gr.Row(visible=False):
        inputs = [
            *segmenting_inputs("Film"),
            gr.Textbox("", label="Axes"),
            gr.Number(None, label="Channel", precision=0),
            gr.Number(None, label="Divisions"),
        ]
        outputs = [
            gr.File(label="Objects"),
            gr.File(label="Tracks"),
            gr.File(label="Everything"),
            gr.JSON(label="Summary"),
        ]
        publish(track, inputs, outputs, **WATCHES)


def _follow(
    upload: str, asked: Asked, folder: Path, visitor: Visitor | None, run: Run
) -> TrackedFilm:
    """Writes the two tables and the zip into `folder`, and nothing else."""
    network = load_model(asked.model, visitor)
    uploads = [upload] if upload else []
    work = folder / "work"
    work.mkdir()
    try:
        staged = stage_film(uploads, work / "frames")
        opened = open_staged(staged, title_of(uploads), asked.axes, asked.channel)
        following = Following(opened, network, asked, run, work / "objects")
        followed = following.follow()
        run.check()  # whoever has left wants no part of it
        pack_film(followed, folder / ZIP, asked, [], staged.left_out)
        write_table(followed.table(), folder / TABLE)
        write_table(followed.summary(), folder / SUMMARY)
    finally:
        rmtree(work, ignore_errors=True)
    return followed


def summary_of(film: TrackedFilm) -> dict[str, Any]:
    size = film.pixel_size
    return {
        "film": film.name,
        "frames": len(film.tracks.frames),
        "tracks": len(film.tracks),
        "divisions": film.tracks.divisions,
        "pixel_size": str(size) if size else None,
        "notes": list(film.notes),
    }
