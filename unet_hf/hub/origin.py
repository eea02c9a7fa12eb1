"""Where a model's weights came from, so that what is known of them is not lost on the way."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The files a model was loaded from.

    source: As given to `from_pretrained`.
    folder: Where they are.
    commit: The Hub's, if they came from there.
    subfolder: Where in the repository they lay, if not at its root.
    """

    source: str
    folder: Path
    commit: str | None = None
    subfolder: str | None = None

    @property
    def hub_id(self) -> str | None:
        """ "org/name" if it came from the Hub."""
        return self.source if self.commit else None
