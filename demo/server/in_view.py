"""What a visitor has chosen last, so that a slow answer about something else is not shown.

Gradio hands every event the values that its inputs had when it began. A `gr.State` holds one
`InView` for each session, and all events of that session are handed the same object: an event that
has been at work for a while looks into it to see what was chosen meanwhile.
"""

from dataclasses import dataclass

from unet_hf.errors import ConfigError

from .predictions import FIRST, Place

MOVED_ON = "Another result has come into view meanwhile. Ask again for this one."


@dataclass
class InView:
    """What one visitor looks at.

    picture: The path of a file (None: of no file) and where to look in it; None before anything
        was chosen.
    model: The checkpoint that was chosen last; None before any was.
    segmented_with: The checkpoint that the result in the viewer is from; empty without one.
    version: Rises whenever the picture in the viewer or its result becomes another one.
    """

    picture: tuple[str | None, Place] | None = None
    model: str | None = None
    segmented_with: str = ""
    version: int = 0

    def choose(self, path: str | None, place: Place = FIRST) -> None:
        """Another picture is wanted: results of the one before are late from now on."""
        self.picture = (path, place)

    def change(self) -> int:
        """The viewer is given something else; returns the new version."""
        self.version += 1
        return self.version

    def check(self, version: int) -> None:
        """Raises `ConfigError` if something else has come into view since `version`."""
        if version != self.version:
            raise ConfigError(MOVED_ON)

    def is_elsewhere(self, path: str | None, place: Place) -> bool:
        """Whether an answer about this picture is late, as another one was chosen."""
        return self.picture not in (None, (path, place))
