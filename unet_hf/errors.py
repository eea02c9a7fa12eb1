"""Every error this package raises on purpose.

Each message says what was seen, what was expected and what to do next, for a reader who has
never seen the code. The demo shows these messages unchanged.
"""


class UNetError(Exception):
    """Base class of all errors of this package."""


class ConfigError(UNetError, ValueError):
    """An option of a network, or a `config.json`, is not usable."""


class ShapeError(UNetError, ValueError):
    """A tensor has a shape that the network cannot take."""


class ImageError(UNetError, ValueError):
    """Base class of everything that can be wrong with an image."""


class ImageNotFoundError(ImageError, FileNotFoundError):
    """There is no file at the given path."""


class UnreadableImageError(ImageError):
    """The file is empty, corrupt, truncated, or no image at all."""


class ImageTooLargeError(ImageError):
    """The image holds more pixels than the limit allows."""


class UnsupportedLayoutError(ImageError):
    """The pixels can be read, but their axes or data type have no clear meaning here."""


class ChannelMismatchError(ImageError):
    """The image's channels do not fit the channels the checkpoint was trained on."""


class NonFiniteImageError(ImageError):
    """The image holds infinite values, or no pixel with data."""


class TooManyObjectsError(UNetError, ValueError):
    """A result has more objects than the caller wants to have measured."""


class CheckpointError(UNetError):
    """Base class of everything that can be wrong with a checkpoint."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint of that name, in that folder or in that repository."""


class CheckpointUnreachableError(CheckpointError, ConnectionError):
    """The Hub could not be reached and the checkpoint is not in the local cache."""


class CheckpointAccessError(CheckpointError, PermissionError):
    """The repository is private or gated for the token in use."""


class WeightsError(CheckpointError):
    """The weights are missing, damaged, or do not fit the configuration."""


class PrecisionError(UNetError, ArithmeticError):
    """The values inside a network exceed what the chosen precision can hold."""


class NestedPredictionError(UNetError, RuntimeError):
    """The `progress` callback of a prediction started another prediction."""


class CalibrationError(UNetError):
    """The network is not calibrated for int8, or the calibration cannot be used."""


class DatasetError(UNetError, ValueError):
    """A data set cannot be used for training as it is."""


class PushError(UNetError):
    """The Hub did not accept an upload: there is no commit, or only the one in the message."""


class ExportError(UNetError):
    """A network cannot be exported, or the exported file predicts differently."""


class HubBusyError(CheckpointUnreachableError):
    """The Hub cannot answer now: it is overloaded, under maintenance, or limits requests."""


class DownloadError(CheckpointUnreachableError):
    """A download was cut off or damaged; the file is not used."""


class UnsafeRepositoryError(CheckpointError):
    """A repository contains paths that lead outside of it."""


def how_to_install(extra: str) -> str:
    """Returns the sentence that says how to install an optional part of this package."""
    return f'Install it in a clone of the repository: pip install ".[{extra}]"'


def harmless_cause(error: BaseException) -> BaseException | None:
    """Returns the error as a cause for another one, or None if its chain contains a request.

    The Hub client's errors hold their requests, and these the token: a debugger or a crash report
    that follows the chain of errors would show it. With None as the cause, the new error must be
    raised after the `except` block: within it, Python would set the old error as the context.
    """
    from huggingface_hub.errors import HTTPError

    link: BaseException | None = error
    while link is not None:
        if isinstance(link, HTTPError):  # also `HfHubHTTPError`
            return None
        link = link.__cause__ or link.__context__
    return error
