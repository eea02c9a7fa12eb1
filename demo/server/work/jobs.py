"""`Job`: what a visitor has sent to be worked at in the background, and how far that is."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from ..archives import Staged
from ..checkpoints.models import Visitor
from ..errors_in_words import page_sentence

GLANCE = 0.2  # seconds between two looks at a run


@dataclass(frozen=True)
class Status:
    """How far a job is.

    state: "ready", "running", "stopping", "stopped", "ended", "finished" or "broken". One that is
        stopped can go on; one that has ended before it was finished cannot.
    failures: A line for each file that failed.
    sentence: Why it stopped, ended or broke.
    """

    state: str
    done: int = 0
    total: int = 0
    failures: tuple[str, ...] = ()
    seconds_left: float | None = None
    sentence: str = ""


class Job:
    """One visitor's files and results, in two folders of their own.

    shown: The folder of what the page is given, which Gradio serves.
    """

    def __init__(self, staged: Staged, folder: Path, shown: Path) -> None:
        self.staged, self.folder, self.shown = staged, folder, shown
        self.status = Status("ready")
        self.visitor: Visitor | None = None  # who asked for the run that was started last

    @property
    def at_work(self) -> bool:
        return self.status.state in ("running", "stopping")

    @property
    def is_gone(self) -> bool:
        """Its hour is over."""
        return not self.staged.folder.is_dir()

    def note_use(self) -> None:
        """What is in use is not an hour old."""
        for folder in (self.folder, self.shown):
            os.utime(folder)

    def discard(self) -> None:
        """Deletes it."""
        for folder in (self.folder, self.shown):
            rmtree(folder, ignore_errors=True)

    def fail(self, error: Exception) -> None:
        """The run cannot go on."""
        sentence = self.plain(page_sentence(error))
        self.status = replace(self.status, state="broken", sentence=sentence)

    def plain(self, sentence: str) -> str:
        """Without the server's folders."""
        return sentence.replace(f"{self.staged.folder}{os.sep}", "").replace(str(self.folder), "")
