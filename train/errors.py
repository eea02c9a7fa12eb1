"""Errors that end a training early; the module needs neither torch nor datasets."""

from unet_hf.errors import ConfigError, UNetError


class TrainingError(UNetError):
    """A training ended early; its last checkpoint is intact."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


class StoppedError(TrainingError):
    """Somebody pressed Ctrl-C, or the system asked the process to end (SIGTERM)."""


class TooShortError(ConfigError):
    """A time budget is too short.

    Attributes:
        enough: Seconds that are about the least that makes sense.
    """

    def __init__(self, message: str, enough: int) -> None:
        super().__init__(message)
        self.enough = enough
