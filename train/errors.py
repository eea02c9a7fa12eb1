"""Errors that end a training early; the module needs neither torch nor datasets."""

from unet_hf.errors import UNetError


class TrainingError(UNetError):
    """A training ended early; its last checkpoint is intact."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


class StoppedError(TrainingError):
    """Somebody pressed Ctrl-C, or the system asked the process to end (SIGTERM)."""
