"""The tab of films without a browser, and a film for it."""

import csv
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import gradio as gr

from demo.films import tab as film_tab
from demo.films.job import FilmJob
from demo.films.tab import FilmTab
from demo.server.folders import ResultFolders

from .page_events import ShownPage


class FilmPage(ShownPage):
    """The tab, and what a browser would show of it."""

    def __init__(self, model: str) -> None:
        self.model = model
        with gr.Blocks(analytics_enabled=False) as page:
            self.tab = FilmTab([model, "unet-nuclei"], model, ResultFolders())
        super().__init__(page)

    @property
    def job(self) -> FilmJob | None:
        return self.shown["State None"]

    @property
    def value(self) -> dict[str, Any]:
        return self.shown["film_player"]

    @property
    def told(self) -> str:
        return self.shown["film_told"]["value"]

    def usable(self) -> tuple[bool, bool, bool]:
        """Whether it can be started, stopped, and taken home."""
        downloads = self.shown["film_downloads"]["value"]["usable"]["linked"]
        buttons = (self.shown[f"film_{name}"]["interactive"] for name in ("run", "stop"))
        return *buttons, downloads

    def send(self, *paths: Path) -> None:
        current = self.shown.get("State None")
        self.show(self.events.on_upload([str(path) for path in paths], self.model, current))

    def start(
        self, divisions: float = 0.2, axes: str = "", threshold: str = "", **options: str
    ) -> None:
        fields = (self.model, threshold, divisions, -1, axes)
        self.show(self.events.on_start(self.job, 0, *fields, **options))

    def run(self) -> None:
        for updates in self.events.on_run(self.job):
            self.show(updates)

    def edit(self, *edits: dict[str, Any]) -> None:
        self.show(self.events.on_edits(self.job, SimpleNamespace(edits=list(edits))))

    def zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(film_tab.write("everything", self.job))


def file_of(address: str) -> Path:
    return Path(unquote(address.partition("file=")[2]))


def table_of(packed: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed.read(name).decode())))
