"""Options of segmenting a whole data set."""

from dataclasses import dataclass, field
from pathlib import Path

FAILED = "failed.csv"


@dataclass(frozen=True)
class DatasetOptions:
    """What is segmented, by which model, and where the result goes."""

    dataset_name: str
    model: str
    dataset_config_name: str | None = None
    dataset_revision: str | None = None
    split: str | None = None  # None: all
    image_column: str | None = None
    revision: str | None = None  # of the model
    threshold: float | None = None
    tile_size: int | None = None
    output: Path | None = None  # None: a folder here, of the pushed data set's name
    overwrite: bool = False
    push_to_hub: str | None = None
    private: bool = False
    hub_token: str | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        return self.output or Path(str(self.push_to_hub).rpartition("/")[2])
