"""How a training ends early. (Apart from `failures`, for neither torch nor datasets is needed.)"""

from unet_hf.errors import UNetError


class TrainingError(UNetError):
    """A training ended early; its last checkpoint is intact."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


class StoppedError(TrainingError):
    """Somebody pressed Ctrl-C, or the machine asked the process to end."""
