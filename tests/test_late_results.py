"""An answer that comes after the visitor has chosen something else is not shown: the picture, its
result, the list of files and what can be taken home always belong together."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import expect

from demo.compare.tab import compare_tab
from demo.interface import build
from demo.objects import tab as objects_tab
from demo.segment.file_list import Files
from demo.segment.tab import SegmentTab, facts_of
from demo.server import predictions
from demo.server.folders import ResultFolders
from demo.server.in_view import InView
from demo.server.predictions import FIRST
from demo.server.result_store import GONE, result_store
from demo.truth import tab as truth_tab
from unet_hf.objects.objects import Objects

from .page_events import Events
from .serving import Gate, until

SEEN = {"threshold": 0.5}


@pytest.fixture
def segment_page(tiny: str) -> tuple[SegmentTab, Events]:
    folders = ResultFolders()
    with gr.Blocks(analytics_enabled=False) as page:
        tab = SegmentTab([tiny, "unet-nuclei"], True, tiny, folders)
        no_objects = objects_tab.objects_view(
            tab.current, tab.in_view, tab.picture, "viewer", folders
        )
        tab.connect(page, no_objects)
    return tab, Events(page)


@pytest.fixture
def meanwhile(monkeypatch) -> Iterator[Callable]:
    """meanwhile(action): the action happens while the network is at work."""
    real, actions = predictions.predict, []

    def predict(*arguments, **options):
        result = real(*arguments, **options)
        for action in actions:
            action()
        return result

    monkeypatch.setattr(predictions, "predict", predict)
    yield actions.append


@pytest.fixture
def two(picture: Path, tmp_path: Path) -> Files:
    other = np.random.default_rng(1).integers(0, 256, (30, 40), dtype=np.uint8)
    PIL.Image.fromarray(other).save(tmp_path / "other.png")
    return Files((str(picture), str(tmp_path / "other.png")))


def choose(index: int) -> Any:
    return SimpleNamespace(index=index)


def segmented(tab: SegmentTab, path: str | None, model: str, in_view: InView) -> list[dict]:
    return list(tab.on_segment(path, None, model, in_view, progress=lambda _: None))


def test_a_result_of_the_picture_in_view_is_shown(segment_page, tiny: str, two: Files):
    tab, events = segment_page
    in_view = InView()
    events.on_upload(list(two.paths), in_view)
    (shown,) = segmented(tab, two.path, tiny, in_view)
    assert result_store().get(shown[tab.current]).image.source == "nuclei.png"
    assert shown[tab.version] == in_view.version


@pytest.mark.parametrize("what", ["file", "example", "upload", "nothing", "checkpoint"])
def test_a_result_is_dropped_when_something_else_was_chosen(
    what, segment_page, tiny: str, two: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = InView()
    events.on_upload(list(two.paths), in_view)
    choices = {
        "file": lambda: events.on_select(two, in_view, choose(1)),
        "example": lambda: tab.on_example(in_view, choose(1)),
        "upload": lambda: events.on_upload([two.paths[1]], in_view),
        "nothing": lambda: events.on_delete(Files((two.path,)), in_view, choose(0)),
        "checkpoint": lambda: tab.on_model_input("unet-nuclei", in_view),
    }
    meanwhile(choices[what])
    assert segmented(tab, two.path, tiny, in_view) == [gr.skip()]


def test_a_failure_about_another_picture_is_not_told(segment_page, two, tiny, monkeypatch):
    tab, events = segment_page
    in_view = InView()
    events.on_upload(list(two.paths), in_view)

    def fail(*_: Any, **__: Any) -> None:
        events.on_select(two, in_view, choose(1))
        raise ValueError

    monkeypatch.setattr(predictions, "predict", fail)
    assert segmented(tab, two.path, tiny, in_view) == [gr.skip()]


def test_a_page_that_was_left_is_not_shown_and_one_that_stayed_is(
    segment_page, tiny: str, tmp_path: Path, meanwhile: Callable
):
    import tifffile

    tab, events = segment_page
    stack = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)
    path = str(tmp_path / "stack.tif")
    tifffile.imwrite(path, stack, photometric="minisblack")
    in_view = InView()
    shown = events.on_upload([path], in_view)
    first = shown[tab.images.place]["value"]
    second, beyond = first | {"page": 1}, first | {"page": 9}

    leave = [lambda: events.on_place(path, beyond, first, SEEN, in_view)]
    meanwhile(lambda: leave[0]())
    assert len(segmented(tab, path, tiny, in_view)) == 1  # there is no such page: this one stays
    leave[0] = lambda: events.on_place(path, second, first, SEEN, in_view)
    assert segmented(tab, path, tiny, in_view) == [gr.skip()]
    leave[0] = lambda: None
    (shown,) = tab.on_segment(path, second, tiny, in_view, progress=lambda _: None)
    assert result_store().get(shown[tab.current]).image.page == 1


def test_a_file_that_cannot_be_read_leaves_the_result_of_the_one_before(
    segment_page, tiny: str, two: Files, tmp_path: Path, meanwhile: Callable
):
    tab, events = segment_page
    (tmp_path / "broken.png").write_bytes(b"no picture")
    files = Files((two.path, str(tmp_path / "broken.png")))
    in_view = InView()
    events.on_upload(list(files.paths), in_view)
    meanwhile(lambda: events.on_select(files, in_view, choose(1)))
    assert len(segmented(tab, two.path, tiny, in_view)) == 1


def test_the_checkpoint_that_was_chosen_before_is_no_other(segment_page, tiny: str, two: Files):
    """Whoever chooses a checkpoint clicks at once: which event comes first does not matter."""
    tab, events = segment_page
    in_view = InView(model="unet-nuclei")
    events.on_upload(list(two.paths), in_view)
    assert len(segmented(tab, two.path, tiny, in_view)) == 1


def test_the_first_picture_does_not_replace_what_a_visitor_has_sent(
    segment_page, two: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = InView()
    meanwhile(lambda: events.on_upload(list(two.paths), in_view))
    request = SimpleNamespace(query_params={})
    before, late = tab.on_load(in_view, request, progress=lambda _: None)
    assert tab.images.source in before  # the example was chosen,
    assert late == gr.skip()  # and its result came too late
    assert list(tab.on_load(in_view, request, progress=lambda _: None)) == [gr.skip()]


def test_what_every_visitor_sees_first_is_computed_once(segment_page, monkeypatch):
    tab, _ = segment_page
    asked = []
    real = predictions.predict
    monkeypatch.setattr(
        predictions, "predict", lambda *given, **more: asked.append(1) or real(*given, **more)
    )
    example = tab.examples[2]
    handles = []
    for _ in range(2):
        in_view = InView()
        tab.on_example(in_view, choose(2))
        (shown,) = segmented(tab, example.path, example.model, in_view)
        handles.append(shown[tab.current])
    assert len(asked) == 1
    assert len(set(map(id, handles))) == 2  # each visitor's own, which ends with them
    in_view = InView()
    in_view.choose(example.path)
    assert len(segmented(tab, example.path, "unet-isbi", in_view)) == 1
    assert len(asked) == 2  # another checkpoint's is another result


def test_files_to_take_home_are_those_of_the_result_that_was_seen(
    segment_page, tiny: str, two: Files
):
    tab, events = segment_page
    in_view = InView()
    events.on_upload(list(two.paths), in_view)
    (shown,) = segmented(tab, two.path, tiny, in_view)
    handle, version = shown[tab.current], shown[tab.version]
    assert Path(tab.write("mask", handle, SEEN, in_view, version)).name == "nuclei_mask.png"
    (newer,) = segmented(tab, two.path, tiny, in_view)
    with pytest.raises(Exception, match="has come into view meanwhile"):
        tab.write("mask", newer[tab.current], SEEN, in_view, version)


def test_objects_of_another_result_are_not_listed(segment_page, tiny: str, two: Files, monkeypatch):
    tab, events = segment_page
    in_view = InView()
    events.on_upload(list(two.paths), in_view)
    (shown,) = segmented(tab, two.path, tiny, in_view)

    def count() -> dict:
        return events.on_run(
            shown[tab.current], SEEN, "components", "0", False, in_view, shown[tab.version]
        )

    assert tab.no_objects().keys() < count().keys(), count()
    real = type(result_store().get(shown[tab.current])).objects

    def objects(*arguments: Any, **options: Any) -> Objects:
        events.on_select(two, in_view, choose(1))
        return real(*arguments, **options)

    monkeypatch.setattr("unet_hf.Segmentation.objects", objects)
    assert count() == gr.skip()  # no newer table is replaced: the newer result is counted, too


def test_scores_of_another_result_are_not_shown(tiny, picture, drawing, tmp_path, monkeypatch):
    with gr.Blocks(analytics_enabled=False) as page:
        truth_tab.truth_tab(gr.State(None))
    events, in_view = Events(page), InView()
    result = predictions.segment_file(str(picture), tiny)
    PIL.Image.fromarray(drawing.label).save(tmp_path / "truth.png")

    def sentences() -> str:
        found = events.on_truth(result, str(tmp_path / "truth.png"), None, in_view, 0)
        return "".join(value for value in found.values() if isinstance(value, str))

    assert "Pixel accuracy" in sentences()
    real = truth_tab.score_mask
    monkeypatch.setattr(truth_tab, "score_mask", lambda *given: in_view.change() and real(*given))
    assert "Another result has come into view meanwhile." in sentences()


def test_a_comparison_on_another_image_is_not_shown(tiny: str, two: Files, meanwhile: Callable):
    with gr.Blocks(analytics_enabled=False) as page:
        image = [gr.State(None), gr.State(None)]
        compare_tab(image, gr.State(InView()), [tiny], True, tiny)
    in_view = InView((two.path, FIRST))

    def compared() -> list[dict]:
        return list(
            Events(page).on_compare(
                two.path, None, tiny, "0.4", tiny, "0.6", in_view, progress=lambda *_, **__: None
            )
        )

    assert len(compared()) == 3  # A, B, and the difference
    meanwhile(lambda: in_view.choose(two.paths[1]))
    (told,) = compared()
    assert "Another image has come into view meanwhile." in "".join(filter(None, told.values()))


def test_a_slow_result_does_not_replace_the_picture_that_was_chosen_since(
    served: Callable, gate: Gate, two: Files
):
    gate.let(1)  # the first picture
    page = served(build())
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=60_000)
    page.locator("#upload input[type=file]").set_input_files(two.paths)
    expect(page.locator("#facts")).to_contain_text("96 × 96 px")
    page.get_by_role("button", name="Segment", exact=True).click()
    until(lambda: len(gate.asked) == 2)
    page.locator("#files").get_by_role("button", name="other.png").first.click()
    expect(page.locator("#facts")).to_contain_text("40 × 30 px")
    canvas = page.locator("#viewer canvas")
    shown = "other.png, not segmented yet"
    expect(canvas).to_have_attribute("aria-label", shown)  # the picture comes after its facts
    drawn = canvas.get_attribute("data-serial")
    page.get_by_role("button", name="Segment", exact=True).click()  # waits for the late one
    gate.let(1)
    until(lambda: len(gate.asked) == 3)  # the late one is over
    expect(page.locator("#files [aria-current]")).to_have_text("other.png")
    expect(canvas).to_have_attribute("aria-label", shown)
    expect(canvas).to_have_attribute("data-serial", drawn)
    gate.let(1)
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled()
    expect(page.locator("#facts")).to_contain_text("40 × 30 px")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Mask (PNG)").click()
    assert waiting.value.suggested_filename == "other_mask.png"


def test_a_result_whose_hour_is_over_is_told_apart_from_none(segment_page, tiny, two: Files):
    tab, events = segment_page
    in_view = InView()

    def sentence() -> str:
        found = events.on_run(None, SEEN, "components", "0", False, in_view, in_view.version)
        return "".join(str(value) for value in found.values())

    events.on_upload(list(two.paths), in_view)
    assert "There is no result yet" in sentence()
    segmented(tab, two.path, tiny, in_view)
    assert GONE in sentence()
    events.on_select(two, in_view, choose(1))
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
