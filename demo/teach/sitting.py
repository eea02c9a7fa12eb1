"""`Sitting`: what one visitor has taught since they opened the page."""

import threading
from dataclasses import dataclass
from typing import Any

from unet_hf.errors import ConfigError

from ..server.in_view import InView
from ..server.predictions import Place
from ..server.results.kept_results import KeptResults
from .process import TeachProcess
from .warm import warm

MOST_PICTURES = 30


@dataclass(frozen=True)
class Lesson:
    """One teaching of a sitting, which can be gone back to.

    name: Of the taught checkpoint, see `server.checkpoints.taught`. base: What it was taught from.
    words: How it was judged. pictures: Names of the images, with their numbers of strokes. goes_on:
    Whether the first of its classes are those of the base, perhaps under other names.
    """

    name: str
    title: str
    base: str
    words: str
    is_worse: bool
    pictures: tuple[tuple[str, int], ...]
    outcome: dict[str, Any]

    @property
    def goes_on(self) -> bool:
        return self.outcome["judgement"]["right_before"] is not None


class Sitting:
    """(No dataclass: of one, Gradio would send the fields to the page.)

    places: Where pictures are that may be painted, by `Payload.picture`: file and place in it.
    lessons: The latest comes last.
    pushed: Repositories on the Hub that were created for it.
    process: That is at work.
    features: With the image, by what they are of, see `InView.wanted`; for answers at once.
    preparing: Held while features are computed.
    """

    def __init__(self) -> None:
        self.places: dict[str, tuple[str, Place]] = {}
        self.lessons: list[Lesson] = []
        self.pushed: set[str] = set()
        self.process: TeachProcess | None = None
        self.features = KeptResults()
        self.preparing = threading.Lock()
        self.is_busy = False
        self.is_cancelled = False

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sitting":
        """Gradio copies what a `gr.State` begins with: each session has its own."""
        return Sitting()

    def __del__(self) -> None:
        """Gradio has forgotten its visitor."""
        self.end_process()

    def base_of(self, name: str) -> str:
        """The checkpoint to begin with: a taught one is taught again from its base."""
        found = {lesson.name: lesson.base for lesson in self.lessons}
        return found.get(name, name)

    def lesson_at(self, name: str) -> Lesson | None:
        """The lesson whose checkpoint is chosen, else the last one; None: there is none."""
        last = self.lessons[-1] if self.lessons else None
        return next((lesson for lesson in self.lessons if lesson.name == name), last)

    def note_place(self, picture: str, path: str, place: Place) -> None:
        """Something is painted on this picture."""
        self.places[picture] = (path, place)

    def note_places(self, in_view: InView) -> None:
        """Something is painted on a picture that is or was in view: whoever paints fast is at the
        next one already."""
        self.places.update(in_view.places)

    def take_process(self) -> TeachProcess:
        """A process for one job."""
        self.process = warm().take()
        return self.process

    def end_process(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def cancel(self) -> None:
        """Ends what is at work or waits."""
        self.is_cancelled = True


def check_pictures(count: int) -> None:
    """Raises `ConfigError` if there are too many pictures to learn from."""
    if count > MOST_PICTURES:
        raise ConfigError(
            f"Something is painted on {count} images; {MOST_PICTURES} can be learned from at once. "
            "Take the strokes off some, or take the strokes home and train with them."
        )
