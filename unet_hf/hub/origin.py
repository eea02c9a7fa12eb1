"""Where a model's weights came from, so that what is known of them is not lost on the way."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """source: as given to `from_pretrained`; folder: the files it was loaded from."""

    source: str
    folder: Path

    @property
    def hub_id(self) -> str | None:
        """ "org/name" if it came from the Hub."""
        return self.source if self.commit else None

    @property
    def commit(self) -> str | None:
        """The Hub's commit: the cache keeps each in snapshots/<commit>/."""
        for folder in (self.folder, *self.folder.parents):
            if folder.parent.name == "snapshots":
                return folder.name
        return None

    @property
    def subfolder(self) -> str | None:
        """Where in the repository it lay, if not at its root."""
        for folder in self.folder.parents:
            if folder.parent.name == "snapshots":
                return self.folder.relative_to(folder).as_posix()
        return None
