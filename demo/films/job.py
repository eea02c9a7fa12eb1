"""A visitor's film: segmented frame by frame, linked, corrected, and taken home.

Each frame waits for the network like anybody else, behind all people: see `server.queue`.
"""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.film.frames import Frames
from unet_hf.film.run import FoundFrame

from ..parts.gradio_internals import upload_folder
from ..server.computation import Computation, Report
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders
from ..server.models import Visitor
from ..server.runs import Run
from .film_in import open_staged, stage_film, title_of
from .following import FEWEST, Asked, Following
from .linked import Edits, Linked
from .pictures import FramePictures
from .take_home import write_file

GLANCE = 0.2  # seconds between two looks at a run
NOT_LINKED = "The film is not linked yet. Wait until all of its frames are done, or stop."
TOO_FEW = "With fewer than two frames there is nothing to link."


def shown_folders() -> KeptFolders:
    """For what the page is given, among Gradio's own files, which it serves without a copy."""
    return KeptFolders(upload_folder() / "films")


@dataclass(frozen=True)
class Status:
    """How far a film is.

    state: "ready", "running", "stopping", "stopped", "finished" or "broken".
    """

    state: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    sentence: str = ""  # why it ended early or broke


class FilmJob:
    """One visitor's film and results, in a folder of their own.

    shown: The folder of what the page is given, which Gradio serves: pictures, tracks, the zip.
    film: None before it could be opened. linked: None before it is.

    Raises:
        ConfigError: As `archives.stage`.
    """

    def __init__(self, uploads: Sequence[str], folder: Path, shown: Path) -> None:
        self.folder, self.shown = folder, shown
        self.title = title_of(uploads)
        self.staged = stage_film(uploads, folder / "frames")
        self.film: Frames | None = None
        self.asked: Asked | None = None  # of the run that was started last
        self.visitor: Visitor | None = None  # who asked for it
        self.status = Status("ready")
        self._run = Run()
        self._files: dict[str, Path] = {}  # that were taken home, by kind
        self.pictures: FramePictures | None = None
        self._begin_anew()

    def open(self, axes: str | None = None, channel: int | None = None) -> Frames:
        """Opens the film, and raises, as `open_staged` does. Its first frame can then be shown."""
        self.film = open_staged(self.staged, self.title, axes, channel)
        self.pictures = self.pictures or FramePictures(self.shown, self.film.first)
        self.status = replace(self.status, total=self.film.count)
        return self.film

    def start(self, asked: Asked) -> None:
        """Before a run. What was found in the same way is not found again, and what was corrected
        stays so. Raises as `open`."""
        film = self.open(asked.axes, asked.channel)
        if self.asked is None or asked.finding != self.asked.finding:
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
    def at_work(self) -> bool:
        return self.status.state in ("running", "stopping")

    @property
    def is_gone(self) -> bool:
        """Its hour is over."""
        return not (self.staged.folder.is_dir() and self.shown.is_dir())

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
            for folder in (self.folder, self.shown):
                os.utime(folder)  # what is in use is not an hour old
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
        state = "finished" if self.status.done == self.status.total else "stopped"
        self.status = replace(self.status, state=state)

    def _show(self, index: int, frame: FoundFrame) -> int:
        return self.pictures.add(index, frame)

    def fail(self, error: Exception) -> None:
        """The run cannot go on."""
        sentence = self.plain(page_sentence(error))
        self.status = replace(self.status, state="broken", sentence=sentence)

    def plain(self, sentence: str) -> str:
        """Without the server's folders."""
        return sentence.replace(f"{self.staged.folder}{os.sep}", "").replace(str(self.folder), "")

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
        size = first.pixel_size
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
