"""`Linked`: the tracks of a film, as they were found and as a visitor has corrected them."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unet_hf.errors import ConfigError
from unet_hf.film import TrackedFilm

from ..parts.gradio_internals import served_address
from ..server import limits
from .tracks_file import write_tracks

KEPT = 2  # files of tracks: a browser may still be reading the last but one

Edits = list[Mapping[str, Any]]


class Linked:
    """A film that is linked.

    film: With the corrections `edits`, see `Tracks.corrected`. refused: Why those that were sent
    last were not taken; empty if they were.
    """

    def __init__(self, found: TrackedFilm, shown: Path) -> None:
        """shown: A folder that Gradio serves."""
        self._found, self._shown = found, shown
        self._files: list[Path] = []
        self.film, self.edits, self.refused = found, Edits(), ""
        self._write()

    def correct(self, edits: Sequence[Mapping[str, Any]]) -> None:
        """Takes these corrections in place of those before, or says in `refused` why not."""
        try:
            if isinstance(edits, list) and len(edits) > limits.FILM_EDITS:
                raise ConfigError(
                    f"There are more than {limits.FILM_EDITS} corrections, the limit of this page."
                )
            tracks = self._found.tracks.corrected(edits)
        except ConfigError as error:
            self.refused = re.sub(r"^Edit \d+: ", "", str(error))
            return
        self.film = replace(self._found, tracks=tracks)
        self.edits, self.refused = list(edits), ""
        self._write()

    @property
    def address(self) -> str:
        """Of the tracks as the player reads them, from the root of the app."""
        return served_address(self._files[-1])

    def _write(self) -> None:
        path = self._shown / f"tracks_{uuid.uuid4().hex}.json"
        write_tracks(self.film, path)
        self._files.append(path)
        for old in self._files[:-KEPT]:
            old.unlink(missing_ok=True)
        del self._files[:-KEPT]
