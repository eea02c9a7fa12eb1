"""A visitor's film: segmented frame by frame, linked, corrected, and taken home.

Each frame waits for the network like anybody else, behind all people: see `server.work.queue`.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

from unet_hf import UNet
from unet_hf.errors import ConfigError, ImageError, ShapeError, UNetError
from unet_hf.film.frames import Frames
from unet_hf.film.run import FoundFrame

from ..parts.gradio_internals import upload_folder
from ..server.folders import KeptFolders
from ..server.work.computation import Computation, Report
from ..server.work.jobs import GLANCE, Job, Status
from ..server.work.runs import Run
from .film_in import open_staged, stage_film, title_of
from .following import FEWEST, Asked, Following
from .linked import Edits, Linked
from .pictures import FramePictures
from .take_home import write_file

NOT_LINKED = "The film is not linked yet. Wait until all of its frames are done, or stop."
MEND_FRAME = "The reason is below. Send the film again when it is mended."
TOO_FEW = "With fewer than two frames there is nothing to link."


def cure_of(fault: UNetError) -> str:
    """What helps after a fault that ended a film early; a limit says it by itself."""
    return MEND_FRAME if isinstance(fault, (ImageError, ShapeError)) else ""


def shown_folders() -> KeptFolders:
    """For what the page is given, among Gradio's own files, which it serves without a copy."""
    return KeptFolders(upload_folder() / "films")


class FilmJob(Job):
    """One visitor's film and results: pictures, tracks and the zip are in `shown`.

    film: None before it could be opened. linked: None before it is.

    Raises:
        ConfigError: As `archives.stage`.
    """

    def __init__(self, uploads: Sequence[str], folder: Path, shown: Path) -> None:
        super().__init__(stage_film(uploads, folder / "frames"), folder, shown)
        self.title = title_of(uploads)
        self.film: Frames | None = None
        self.asked: Asked | None = None  # of the run that was started last
        self._opened: tuple[str | None, int | None] | None = None  # axes and channel
        self._run = Run()
        self._files: dict[str, Path] = {}  # that were taken home, by kind
        self.pictures: FramePictures | None = None
        self._begin_anew()

    def open(self, axes: str | None = None, channel: int | None = None) -> Frames:
        """Opens the film, and raises, as `open_staged` does. Its first frame can then be shown."""
        self.film = open_staged(self.staged, self.title, axes, channel)
        self.pictures = self.pictures or FramePictures(self.shown, self.film.first)
        self.status = replace(self.status, total=self.film.count)
        self._opened = axes, channel
        return self.film

    def start(self, asked: Asked) -> None:
        """Before a run. What was found in the same way is not found again, and what was corrected
        stays so. Raises as `open`."""
        opened = self._opened
        film = self.open(asked.axes, asked.channel)
        # Of a first run the picture stays that is in view: a browser may still be reading it.
        if self._opened != opened if self.asked is None else asked.finding != self.asked.finding:
            self._begin_anew()
        self.asked = asked
        self.pictures = self.pictures or FramePictures(self.shown, film.first)
        self._edits = self.linked.edits if self.linked else self._edits
        self.linked = None
        self._forget_files()
        self._run = Run()
        self.status = Status("running", 0, film.count)

    def _begin_anew(self) -> None:
        """Forgets what was found."""
        if self.pictures is not None:
            for folder in (self.pictures.folder, self.folder / self.id):
                rmtree(folder, ignore_errors=True)
        self.id = uuid.uuid4().hex
        self.pictures = None
        self.linked: Linked | None = None
        self._edits = Edits()  # of the run before

    def stop(self, reason: str = "") -> None:
        """Ends the run within the time of one layer. The frames that are done are linked; `start`
        and `run` go on from there."""
        self._run.stop()
        if self.at_work:
            self.status = replace(self.status, state="stopping", sentence=reason)

    @property
    def model(self) -> str:
        """The checkpoint of the run that was started last."""
        return self.asked.model

    @property
    def is_gone(self) -> bool:
        return super().is_gone or not self.shown.is_dir()

    def run(self, network: UNet) -> Iterator[Status]:
        """Follows the film as `start` says; tells how far it is, and the end.

        Who closes the iterator stops the run, which then ends by itself.
        """
        work = Computation(partial(self._follow, network))
        try:
            while not work.has_ended(GLANCE):
                yield replace(self.status, seconds_left=work.seconds_left)
        finally:
            # Not waited for: Gradio ends an iterator on the thread that answers everybody.
            if not work.has_ended(0):
                self.stop("The page was closed.")

    def _follow(self, network: UNet, report: Report) -> None:
        before = len(self.pictures.labels)  # frames that take no time any more

        def tell(done: int, total: int) -> None:
            self.note_use()
            self.status = replace(self.status, done=done)
            if done >= before:
                report(done - before, total - before)

        try:
            following = Following(
                self.film, network, self.asked, self._run, self.folder / self.id, tell, self._show
            )
            self.linked = Linked(following.follow(), self.shown)
            if self._edits:
                self.linked.correct(self._edits)
        except Exception as error:
            if self._run.stopping.is_set() and self.status.done < FEWEST:
                self.status = replace(self.status, state="stopped", sentence=TOO_FEW)
            else:
                self.fail(error)
            return
        if self.status.done == self.status.total:
            self.status = replace(self.status, state="finished")
        elif following.fault is None:
            self.status = replace(self.status, state="stopped")
        else:  # which it would meet again
            self.status = replace(self.status, state="ended", sentence=cure_of(following.fault))

    def _show(self, index: int, frame: FoundFrame) -> int:
        return self.pictures.add(index, frame)

    def correct(self, edits: Sequence[Mapping[str, Any]]) -> None:
        """Corrects the tracks, or says why not: see `Linked.correct`.

        Raises:
            ConfigError: It is not linked yet.
        """
        if self.linked is None:
            raise ConfigError(NOT_LINKED)
        self.linked.correct(edits)
        self._forget_files()

    def value(self) -> dict[str, Any] | None:
        """What the player shows, a `player.FilmValue`; None before the film could be opened."""
        if self.pictures is None or self.film is None:
            return None
        first, linked = self.film.first, self.linked
        size = self.asked.pixel_size_of(self.film) if self.asked else first.pixel_size
        done = len(linked.film.tracks.frames) if linked else None
        return {
            "id": self.id,
            "name": self.title,
            "width": first.width,
            "height": first.height,
            "frames": done or self.film.count,
            "pixel_size": [size.x, size.unit] if size else None,
            "images": self.pictures.images[:done] or [self.pictures.before],
            "labels": self.pictures.labels[:done],
            "tracks": linked.address if linked else None,
            "edits": linked.edits if linked else [],
            "refused": linked.refused if linked else "",
        }

    def file(self, kind: str) -> Path:
        """What a visitor takes home, as the film is corrected now: see `take_home.write_file`.

        Raises:
            ConfigError: It is not linked, or `TrackedFilm.save` cannot write it.
        """
        if self.linked is None:
            raise ConfigError(NOT_LINKED)
        linked, film = self.linked, self.linked.film
        if (made := self._files.get(kind)) and made.is_file():
            return made
        folder = self.shown / uuid.uuid4().hex
        folder.mkdir()
        path = write_file(kind, film, folder, self.asked, linked.edits, self.staged.left_out)
        if self.linked is linked and linked.film is film:  # not corrected meanwhile
            self._files[kind] = path
        return path

    def _forget_files(self) -> None:
        for file in self._files.values():
            rmtree(file.parent, ignore_errors=True)
        self._files = {}
