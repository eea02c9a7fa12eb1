"""Every error this package raises on purpose.

Each message says what was seen, what was expected and what to do next, in words fit for
a person who has never seen the code. The demo shows these messages as they stand.
"""


class UNetError(Exception):
    """Base class: catching it catches every error below and nothing else."""


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
    """The image holds NaN or infinite values."""


class TooManyObjectsError(UNetError, ValueError):
    """There are more objects in a result than were asked to be measured."""


class CheckpointError(UNetError):
    """Base class of everything that can be wrong with a checkpoint."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint of that name, in that folder or at that repository."""


class CheckpointUnreachableError(CheckpointError, ConnectionError):
    """The Hub could not be reached and the checkpoint is not in the local cache."""


class CheckpointAccessError(CheckpointError, PermissionError):
    """The repository is private or gated for the token in use."""


class WeightsError(CheckpointError):
    """The weights are missing, damaged, or do not fit the configuration."""


class PrecisionError(UNetError, ArithmeticError):
    """The values inside a network exceed what the chosen precision can hold."""


class NestedPredictionError(UNetError, RuntimeError):
    """A prediction was asked for by the `progress` of another one, which is within a layer."""


class CalibrationError(UNetError):
    """int8 was asked of a network whose values are not known beforehand."""


class DatasetError(UNetError, ValueError):
    """A data set cannot be trained on as it stands."""


class PushError(UNetError):
    """The Hub did not take an upload: there is no commit, or only the one that it names."""


class ExportError(UNetError):
    """A network cannot be exported, or what was exported does not predict what it does."""


class HubBusyError(CheckpointUnreachableError):
    """The Hub answered that it cannot serve now: overloaded, in repair, or asked too often."""


class DownloadError(CheckpointUnreachableError):
    """A file broke off or came damaged on its way here; nothing of it is used."""


class UnsafeRepositoryError(CheckpointError):
    """A repository names files outside itself."""


def harmless_cause(error: BaseException) -> BaseException | None:
    """The error, to raise another from; None if a request hangs on it or on one before it.

    The client's errors carry their requests, and those the token: a debugger or a crash report
    that follows the chain of errors would show it. The error that is raised in place of one must
    be raised after its `except` block, which else puts it back as the context.
    """
    from huggingface_hub.errors import HTTPError

    link: BaseException | None = error
    while link is not None:
        if isinstance(link, HTTPError):  # also `HfHubHTTPError`
            return None
        link = link.__cause__ or link.__context__
    return error
