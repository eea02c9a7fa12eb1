"""What a visitor has chosen last, so that a slow answer about something else is not shown.

Gradio hands every event the values that its inputs had when it began. A `gr.State` holds one
`InView` for each session, and all events of that session are handed the same object: an event that
has been at work for a while looks into it to see what was chosen meanwhile.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unet_hf import UNet
from unet_hf.errors import ConfigError

from .checkpoints.model_facts import FewMissed, few_missed_of, shipped_few_missed, title_of
from .fast import EXACT, first_precision
from .predictions import FIRST, Place
from .recipe import Recipe
from .results.kept_results import KeptResults
from .results.result_store import Handle
from .work.runs import Run

Key = tuple[str | None, Place, str, str]  # file, place in it, checkpoint, precision
MOVED_ON = "Another result has come into view meanwhile. Ask again for this one."


class InView:
    """What one visitor looks at. (No dataclass: of one, Gradio would send the fields to the page.)

    picture: The path of a file (None: of no file) and where to look in it; None before anything
        was chosen.
    places: Where each picture is that was in view, by `Payload.picture`: file and place in it.
    model: The checkpoint that was chosen last; None before any was.
    segmented_with: The checkpoint that the result in the viewer is from; empty without one.
    threshold: Of the result as the page was sent it; None unless there are two classes.
    version: Rises whenever the picture in the viewer or its result becomes another one.
    counted_as: The recipe of the batch that the picture was opened from, until another picture or
        checkpoint is chosen.
    painted: The handle of the objects that the viewer was sent last, whose colours stay while a
        slider is dragged; None before any were, and of another picture.
    opened_at: Where the picture was opened in the viewer; None: the whole was shown. The page may
        take the result of a picture before it has taken the picture.
    is_wanted: A result of what was chosen last is still to come.
    is_answer: What is in view is what strokes say of the picture, and no checkpoint's result, which
        is not shown in its place before it is asked for.
    fitting: The checkpoint that is offered for a picture unlike those of the one in use; or None.
    titles: What people call the checkpoints that were used, where they have a title.
    few_missed: Of the checkpoints that were used, see `model_facts.few_missed_of`.
    results: Those of this session, by what they are of, see `key`.
    """

    def __init__(
        self, picture: tuple[str | None, Place] | None = None, model: str | None = None
    ) -> None:
        self.picture, self.model = picture, model
        self.places: dict[str, tuple[str, Place]] = {}
        self.segmented_with = ""
        self.threshold: float | None = None
        self.version = 0
        self.counted_as: Recipe | None = None
        self.painted: Handle | None = None
        self.opened_at: dict[str, float] | None = None
        self.is_wanted = False
        self.is_answer = False
        self.fitting: str | None = None
        self.titles: dict[str, str] = {}
        self.few_missed: dict[str, FewMissed | None] = {}
        self.results = KeptResults()
        self._precision = first_precision()
        self._run: Run | None = None
        self._asked = self._asked_to_measure = 0
        self._turn = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "InView":
        """Gradio copies what a `gr.State` begins with: a session has its own lock and results."""
        return InView(self.picture, self.model)

    def choose(self, path: str | None, place: Place = FIRST) -> None:
        """Another picture is wanted: results of the one before are late from now on."""
        if self.picture != (path, place):
            self.stop()
            self.painted = None
        self.picture, self.counted_as = (path, place), None

    def note_place(self, key: str) -> None:
        """The picture is shown, and found by its `Payload.picture` after others came into view."""
        self.places[key] = self.picture

    def choose_model(self, name: str) -> None:
        """A result of another checkpoint is wanted."""
        self.stop()
        self.model, self.is_wanted, self.counted_as = name, True, None
        self.is_answer = False

    def compute_exactly(self) -> None:
        """An exact result is wanted, of this picture and of all that follow."""
        self.stop()
        self._precision, self.is_wanted = EXACT, True

    @property
    def precision(self) -> str:
        """What the picture in view is computed in. One that is opened from a batch has been
        computed there, by default, and is the same here."""
        return self._precision if self.counted_as is None else "auto"

    @property
    def wanted(self) -> tuple[str | None, Place, str]:
        """What was chosen last: file, place in it, checkpoint."""
        path, place = self.picture or (None, FIRST)
        return path, place, self.model or ""

    @property
    def key(self) -> Key:
        """What a result of what was chosen last is kept by: fast and exact ones are two."""
        return (*self.wanted, self.precision)

    @property
    def title(self) -> str:
        """What people call the checkpoint that was chosen last."""
        return self.title_of(self.model or "")

    def title_of(self, name: str) -> str:
        """What people call a checkpoint."""
        return self.titles.get(name) or title_of(name)

    def note_model(self, name: str, model: UNet) -> None:
        """Keeps what is said of a checkpoint beside its results; may ask the Hub."""
        self.titles[name] = model.title
        if name not in self.few_missed:
            self.few_missed[name] = few_missed_of(model)

    def few_missed_of(self, name: str) -> FewMissed | None:
        """What is offered of a checkpoint that was used, or ships."""
        return self.few_missed[name] if name in self.few_missed else shipped_few_missed(name)

    def still_wants(self, key: Key) -> bool:
        """Whether a result of this is still to come."""
        return self.is_wanted and self.key == key

    def is_at(self, path: str | None, place: Place = FIRST) -> bool:
        return self.picture == (path, place)

    def change(self) -> int:
        """The viewer is given something else; returns the new version."""
        self.version += 1
        return self.version

    def check(self, version: int) -> None:
        """Raises `ConfigError` if something else has come into view since `version`."""
        if version != self.version:
            raise ConfigError(MOVED_ON)

    def ask_for_objects(self, measured: bool) -> int:
        """The number of a question. An answer to an earlier one is late from now on, unless only
        that one measures its objects: a page has to have their table in the end."""
        self._asked += 1
        if measured:
            self._asked_to_measure = self._asked
        return self._asked

    def is_late(self, asked: int, version: int) -> bool:
        """Whether other objects were asked for meanwhile, or another result has come into view."""
        newest = (self._asked, self._asked_to_measure)
        return asked not in newest or version != self.version

    def is_elsewhere(self, path: str | None, place: Place) -> bool:
        """Whether an answer about this picture is late, as another one was chosen."""
        return self.picture not in (None, (path, place))

    @contextmanager
    def computing(self, run: Run) -> Iterator[None]:
        """A session computes one result at a time; `stop` ends it."""
        with self._turn:
            self._run = run
            try:
                yield
            finally:
                self._run = None

    def stop(self) -> None:
        """What is computed now is not wanted any more."""
        self.is_wanted = False
        if self._run is not None:
            self._run.stop()
