"""What the tab *Segment* shows of files, checkpoints and results, and how long it keeps them."""

import math
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from demo.interface import build
from demo.objects import tab as objects_tab
from demo.segment import unlike
from demo.segment.facts import facts_of
from demo.segment.file_list import Files
from demo.server import limits, predictions
from demo.server.in_view import InView
from demo.server.results.kept_results import AllKeptResults, KeptResults
from demo.server.results.result_store import GONE, result_store

from ...support.segment_page import COMPONENTS, SEEN, choose, opened, segmented, select, upload


def test_a_result_of_the_picture_in_view_is_shown(segment_page, tiny: str, two_files: Files):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    shown = segmented(tab, in_view)
    assert result_store().get(shown[tab.current]).image.source == "nuclei.png"
    assert shown[tab.version] == in_view.version
    assert segmented(tab, in_view) == gr.skip()  # nothing else was asked for


def test_one_click_brings_the_offered_checkpoint_into_use(
    segment_page, tiny, two_files, monkeypatch
):
    tab, events = segment_page
    monkeypatch.setattr(unlike, "best_fitting", lambda image, other_than: "unet-nuclei")
    real = predictions.predict

    def far(*arguments, **options):
        return replace(real(*arguments, **options), unlike_training=2.0)

    monkeypatch.setattr(predictions, "predict", far)
    in_view = opened(events, tiny, *two_files.paths)
    shown = segmented(tab, in_view)
    assert "Unlike the images this checkpoint was trained on" in shown[tab.unlike.words]
    assert in_view.fitting == "unet-nuclei"
    shown = events.on_fitting(in_view)
    assert shown[tab.model] == in_view.model == "unet-nuclei" and in_view.is_wanted


def test_a_result_is_opened_where_its_picture_was(segment_page, tiny: str, tmp_path: Path):
    """The page may take the result first, if the picture came just before it."""
    import tifffile

    tab, events = segment_page
    stack = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)
    path = str(tmp_path / "stack.tif")
    tifffile.imwrite(path, stack, photometric="minisblack")
    in_view = InView(model=tiny)
    first = upload(events, in_view, path)[tab.images.place]["value"]
    assert segmented(tab, in_view)[tab.picture]["value"]["camera"] is None
    close = {"x": 9.0, "y": 8.0, "zoom": 4.0}
    events.on_place(path, first | {"page": 1}, first, {"camera": close, "fitted": False}, in_view)
    assert segmented(tab, in_view)[tab.picture]["value"]["camera"] == close
    # The same file anew is seen whole.
    assert upload(events, in_view, path)[tab.picture]["value"]["camera"] is None
    assert in_view.opened_at is None


def test_without_a_file_there_is_no_picture_and_nothing_to_take_home(
    segment_page, tiny: str, two_files: Files
):
    tab, events = segment_page
    in_view = opened(events, tiny, two_files.path)
    segmented(tab, in_view)
    shown = events.on_delete(Files((two_files.path,)), in_view, choose(0))
    assert shown[tab.current] is None
    assert shown[tab.picture]["value"] is None
    assert shown[tab.downloads]["value"]["usable"] == {"result": False, "objects": False}


def test_what_was_segmented_is_shown_again_without_computing(
    segment_page, tiny: str, two_files: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    first = segmented(tab, in_view)[tab.current]
    bare = select(events, two_files, in_view, 1)
    assert bare[tab.current] is None
    segmented(tab, in_view)
    monkeypatch.setattr(predictions, "predict", None)  # whoever calls it fails
    again = select(events, two_files, in_view, 0)
    assert result_store().get(again[tab.current]) is result_store().get(first)
    assert segmented(tab, in_view) == gr.skip()
    monkeypatch.setattr(limits, "KEEP_SECONDS", -1)
    AllKeptResults().sweep()
    assert len(in_view.results) == 0


def test_a_session_keeps_a_share_of_the_memory(monkeypatch):
    monkeypatch.setenv("UNET_HF_RESULT_MEGABYTES", "4")
    result_store.cache_clear()
    kept = KeptResults()
    for number in range(5):
        kept.keep(number, np.zeros(400_000, np.uint8))
    assert [number for number in range(5) if kept.get(number) is not None] == [3, 4]
    result_store.cache_clear()


def test_what_every_visitor_sees_first_is_computed_once(segment_page, monkeypatch):
    tab, _ = segment_page
    asked = []
    real = predictions.predict
    monkeypatch.setattr(
        predictions, "predict", lambda *given, **more: asked.append(1) or real(*given, **more)
    )
    first = InView()
    tab.on_example(first, choose(2))
    handles = [segmented(tab, first)[tab.current]]
    handles.append(tab.on_example(InView(), choose(2))[tab.current])  # of another visitor
    assert len(asked) == 1
    assert len(set(map(id, handles))) == 2  # each visitor's own, which ends with them
    tab.on_model_input("unet-isbi", first)
    assert tab.current in segmented(tab, first)
    assert len(asked) == 2  # another checkpoint's is another result


def test_objects_of_a_large_image_are_counted_for_who_asks_and_too_many_are_told(
    segment_page, tiny: str, two_files: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    shown = segmented(tab, in_view)
    seen = {"threshold": result_store().get(shown[tab.current]).threshold}
    asked = (shown[tab.current], seen, COMPONENTS, in_view, shown[tab.version])
    monkeypatch.setattr(limits, "COUNTED_AT_ONCE", 100)
    assert objects_tab.LARGE in str(events.on_option(*asked))
    assert tab.objects.state in events.on_run(*asked)
    monkeypatch.setattr(limits, "MAX_OBJECTS", 0)
    assert objects_tab.TOO_MANY in str(events.on_run(*asked))


def test_a_result_whose_hour_is_over_is_told_apart_from_none(segment_page, tiny, two_files: Files):
    tab, events = segment_page
    in_view = InView(model=tiny)

    def sentence() -> str:
        found = events.on_run(None, SEEN, COMPONENTS, in_view, in_view.version)
        return "".join(str(value) for value in found.values())

    upload(events, in_view, *two_files.paths)
    assert "There is no result yet" in sentence()
    segmented(tab, in_view)
    assert GONE in sentence()
    select(events, two_files, in_view, 1)
    assert "There is no result yet" in sentence()


def test_every_state_of_a_visitor_ends_after_an_hour_but_what_is_in_view():
    page = build()
    states = [block for block in page.blocks.values() if isinstance(block, gr.State)]
    unbounded = [state.value for state in states if state.time_to_live == math.inf]
    assert [type(value) for value in unbounded] == [InView]


@pytest.mark.parametrize(
    ("device", "word"),
    [("cpu", "CPU"), ("cuda", "GPU"), ("cuda:1", "GPU"), ("mps:0", "GPU"), ("xpu", "xpu")],
)
def test_the_facts_name_the_device(device, word, tiny: str, picture: Path):
    result = predictions.segment_file(str(picture), tiny)
    assert f"on {word}, " in facts_of(replace(result, device=device))
