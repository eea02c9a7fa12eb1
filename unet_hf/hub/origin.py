"""`Origin`: where a model's weights came from, so that their records can be found again."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The files a model was loaded from.

    source: As given to `from_pretrained`.
    folder: The local folder that holds them.
    commit: The Hub's commit, if they came from there.
    subfolder: Their folder in the repository, if not its root.
    """

    source: str
    folder: Path
    commit: str | None = None
    subfolder: str | None = None

    @property
    def hub_id(self) -> str | None:
        """The repository "org/name" if the files came from the Hub, else None."""
        return self.source if self.commit else None
