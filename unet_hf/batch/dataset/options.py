"""Options of segmenting a whole data set."""

from dataclasses import MISSING, dataclass, field
from pathlib import Path

from ...addresses import read_dataset_name, read_repository
from ...options import option

FAILED = "failed.csv"


@dataclass(frozen=True)
class DatasetOptions:
    """What is segmented, by which model, and where the result goes."""

    dataset_name: str = option(MISSING, "Hub id, folder or .parquet file")
    model: str
    dataset_config_name: str | None = option(None, "its configuration")
    dataset_revision: str | None = option(None, "its branch, tag or commit")
    split: str | None = option(None, "one split (default: all)")
    image_column: str | None = option(None, "the column of images, if its name does not tell")
    revision: str | None = None  # of the model, as the next two
    threshold: float | str | None = None
    tile_size: int | None = None
    # None: a folder here, of the pushed data set's name.
    output: Path | None = field(default=None, metadata={"help": "where the results go"})
    overwrite: bool = False
    push_to_hub: str | None = option(None, "push images and masks to this data set")
    private: bool = option(False, "create it as a private one")
    hub_token: str | None = field(
        default=None, repr=False, metadata={"help": "by default that of `hf auth login`"}
    )

    def __post_init__(self) -> None:
        name, revision = read_dataset_name(self.dataset_name, self.dataset_revision)
        object.__setattr__(self, "dataset_name", name)
        object.__setattr__(self, "dataset_revision", revision)
        if self.push_to_hub:
            object.__setattr__(self, "push_to_hub", read_repository(self.push_to_hub, "dataset"))

    @property
    def folder(self) -> Path:
        return self.output or Path(str(self.push_to_hub).rpartition("/")[2])
