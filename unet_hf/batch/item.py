"""One image of many: what is to be done with it, and what all of them have in common."""

from dataclasses import dataclass
from pathlib import Path

from ..large.outputs import LARGE_OUTPUTS
from ..predict.outputs import OUTPUTS
from .inputs import InputFile
from .options import BatchOptions
from .records import Record


@dataclass(frozen=True)
class Item:
    """One page of one file."""

    file: InputFile
    page: int = 0
    pages: int = 1
    large: bool = False  # segmented by windows, see `segment_large`

    @property
    def name(self) -> str:
        """Of the outputs; it says the page where there are several."""
        return self.file.name if self.pages == 1 else f"{self.file.name}_page{self.page:04d}"

    def __str__(self) -> str:
        return str(self.file.path) + (f", page {self.page}" if self.pages > 1 else "")

    @property
    def file_name(self) -> str:
        """The file's, with its folders beneath the one that was named."""
        return self.file.name + self.file.path.suffix

    def outputs(self, options: BatchOptions) -> list[str]:
        """The files that are written, relative to the output folder."""
        files = LARGE_OUTPUTS if self.large else OUTPUTS
        return [f"{self.name}_{files[output]}" for output in files if output in options.outputs]


@dataclass(frozen=True)
class Job:
    """What all images of a run have in common, settled; fit to be sent to another process."""

    options: BatchOptions
    output: Path
    identity: str  # of the model, see `identify`

    def wanted(self, item: Item) -> Record:
        """What has to agree for outputs to count as those of this run. Raises `OSError`."""
        status = item.file.path.stat()
        return {
            "page": item.page,
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "model": self.identity,
            "options": self.shared(),
        }

    def shared(self) -> Record:
        options = self.options
        return {
            "threshold": options.threshold,
            "tile_size": options.tile_size,
            "axes": options.axes,
            "alpha": options.look.alpha,
            "precision": options.precision,
            **({"tta": True} if options.tta else {}),
            **({"channel": options.channel} if options.channel is not None else {}),
            **({"level": options.level} if options.level else {}),
            **options.look.extras(),
            **({"objects": options.objects} if options.objects else {}),
        }


@dataclass(frozen=True)
class Failure:
    """An image that could not be segmented."""

    item: Item
    reason: str  # a sentence that names the file
