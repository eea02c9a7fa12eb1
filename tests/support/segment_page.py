"""The tab *Segment* without a browser, and two files for it.

The fixtures `segment_page` and `two_files` are for every file of tests.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest

from demo.objects import tab as objects_tab
from demo.objects.counting import show_counting
from demo.segment.file_list import Files
from demo.segment.tab import SegmentTab
from demo.server.folders import ResultFolders
from demo.server.in_view import InView

from .page_events import Events

SEEN = {"threshold": 0.5}
COMPONENTS = show_counting({"method": "components", "min_size": 0})


@pytest.fixture
def segment_page(tiny: str) -> tuple[SegmentTab, Events]:
    folders = ResultFolders()
    with gr.Blocks(analytics_enabled=False) as page:
        tab = SegmentTab([tiny, "unet-nuclei"], True, tiny, folders)
        objects = objects_tab.objects_view(
            tab.current, tab.in_view, tab.picture, "viewer", folders, tab.downloads
        )
        tab.connect(page, [objects], objects=objects)
    return tab, Events(page)


@pytest.fixture
def two_files(picture: Path, tmp_path: Path) -> Files:
    other = np.random.default_rng(1).integers(0, 256, (30, 40), dtype=np.uint8)
    PIL.Image.fromarray(other).save(tmp_path / "other.png")
    return Files((str(picture), str(tmp_path / "other.png")))


def choose(index: int) -> Any:
    return SimpleNamespace(index=index)


def upload(events: Events, in_view: InView, *paths: str) -> dict:
    """What the page is told at last."""
    *_, shown = events.on_upload(list(paths), in_view)
    return shown


def select(events: Events, files: Files, in_view: InView, index: int) -> dict:
    *_, shown = events.on_select(files, in_view, choose(index))
    return shown


def segmented(tab: SegmentTab, in_view: InView) -> dict:
    """What the page is told at last; `gr.skip()` for nothing."""
    *_, shown = tab.on_segment(in_view)
    return shown


def opened(events: Events, model: str, *paths: str) -> InView:
    in_view = InView(model=model)
    upload(events, in_view, *paths)
    return in_view
