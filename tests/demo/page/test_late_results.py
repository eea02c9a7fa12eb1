"""An answer that comes after the visitor has chosen something else is not shown: the picture, its
result, the list of files and what can be taken home always belong together."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import expect

from demo.compare.sides import Asked
from demo.compare.tab import compare_tab
from demo.interface import build
from demo.objects import parting
from demo.segment.file_list import Files
from demo.server import predictions
from demo.server.in_view import InView
from demo.server.predictions import FIRST
from demo.server.results.result_store import result_store
from demo.truth import tab as truth_tab
from demo.viewer.component import idle
from unet_hf.errors import ConfigError
from unet_hf.objects.objects import Objects

from ...support.page_events import Events
from ...support.segment_page import COMPONENTS, SEEN, choose, opened, segmented, select, upload
from ...support.serving import Gate, until
from ...support.viewing import slide, viewer_of


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


@pytest.mark.parametrize("what", ["file", "example", "upload", "nothing", "checkpoint", "stop"])
def test_a_result_is_dropped_when_something_else_was_chosen(
    what, segment_page, tiny: str, two_files: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    choices = {
        "file": lambda: select(events, two_files, in_view, 1),
        "example": lambda: tab.on_example(in_view, choose(1)),
        "upload": lambda: upload(events, in_view, two_files.paths[1]),
        "nothing": lambda: events.on_delete(Files((two_files.path,)), in_view, choose(0)),
        "checkpoint": lambda: tab.on_model_input("unet-nuclei", in_view),
        "stop": lambda: tab.on_stop(in_view),
    }
    meanwhile(choices[what])
    assert segmented(tab, in_view) == gr.skip()
    assert in_view.segmented_with == ""


def test_a_running_prediction_ends_when_it_is_not_wanted_any_more(
    segment_page, tiny: str, two_files: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    ended = []

    def predict(*_: Any, progress: Callable) -> None:
        for done in range(10_000):
            progress(done, 10_000)
            if done == 5:
                tab.on_stop(in_view)
        ended.append("it went on to its end")

    monkeypatch.setattr(predictions, "predict", predict)
    # The bare picture stays, and no words about what was at work, in whatever order they arrive.
    assert segmented(tab, in_view) == {tab.picture: idle()}
    assert not ended
    assert not in_view.is_wanted


def test_a_failure_about_another_picture_is_not_told(segment_page, two_files, tiny, monkeypatch):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)

    def fail(*_: Any, **__: Any) -> None:
        if len(in_view.titles) == 0:
            select(events, two_files, in_view, 1)
        raise ConfigError("no such")

    monkeypatch.setattr(predictions, "predict", fail)
    assert segmented(tab, in_view) == gr.skip()
    in_view.titles["seen"] = ""
    assert "no such" in segmented(tab, in_view)[tab.alert]["value"]  # that one is in view
    assert segmented(tab, in_view) == gr.skip()  # and is not tried again by itself


def test_a_page_that_was_left_is_not_shown_and_one_that_stayed_is(
    segment_page, tiny: str, tmp_path: Path, meanwhile: Callable
):
    import tifffile

    tab, events = segment_page
    stack = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)
    path = str(tmp_path / "stack.tif")
    tifffile.imwrite(path, stack, photometric="minisblack")
    in_view = InView(model=tiny)
    shown = upload(events, in_view, path)
    first = shown[tab.images.place]["value"]
    second, beyond = first | {"page": 1}, first | {"page": 9}

    leave = [lambda: events.on_place(path, beyond, first, SEEN, in_view)]
    meanwhile(lambda: leave[0]())
    assert tab.current in segmented(tab, in_view)  # there is no such page: this one stays
    leave[0] = lambda: None
    events.on_place(path, second, first, SEEN, in_view)
    leave[0] = lambda: events.on_place(path, first | {"page": 2}, second, SEEN, in_view)
    assert segmented(tab, in_view) == gr.skip()
    leave[0] = lambda: None
    shown = segmented(tab, in_view)
    assert result_store().get(shown[tab.current]).image.page == 2
    mask = tab.write("mask", shown[tab.current], None, SEEN, in_view, shown[tab.version])
    assert Path(mask).name == "stack_page2_mask.png"


def test_files_that_cannot_be_read_leave_what_was_in_view(
    segment_page, tiny: str, two_files: Files, tmp_path: Path, meanwhile: Callable
):
    tab, events = segment_page
    (tmp_path / "broken.png").write_bytes(b"no picture")
    files = Files((two_files.path, str(tmp_path / "broken.png")))
    in_view = opened(events, tiny, *files.paths)
    meanwhile(lambda: select(events, files, in_view, 1))
    meanwhile(lambda: upload(events, in_view, files.paths[1]))
    assert tab.current in segmented(tab, in_view)
    shown = upload(events, in_view, files.paths[1])
    assert {tab.images.source, tab.images.files, tab.current}.isdisjoint(shown)
    assert "broken.png" in shown[tab.alert]["value"]
    shown = upload(events, in_view, files.paths[1], two_files.paths[1])  # the next one can be read
    assert shown[tab.images.source] == two_files.paths[1]
    assert shown[tab.images.files].bad == {0}
    assert "broken.png" in shown[tab.alert]["value"]


def test_the_first_picture_does_not_replace_what_a_visitor_has_sent(
    segment_page, two_files: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = InView()
    meanwhile(lambda: upload(events, in_view, *two_files.paths))
    request = SimpleNamespace(query_params={}, session_hash=None)
    before, *_, late = tab.on_load(in_view, request)
    assert tab.images.source in before  # the example was chosen,
    assert late == gr.skip()  # and its result came too late
    assert list(tab.on_load(in_view, request)) == [gr.skip()]


def test_files_to_take_home_are_those_of_the_result_that_was_seen(
    segment_page, tiny: str, two_files: Files
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    shown = segmented(tab, in_view)
    handle, version = shown[tab.current], shown[tab.version]
    assert Path(tab.write("mask", handle, None, SEEN, in_view, version)).name == "nuclei_mask.png"
    *_, newer = tab.on_run(tiny, in_view)
    with pytest.raises(Exception, match="has come into view meanwhile"):
        tab.write("mask", newer[tab.current], None, SEEN, in_view, version)


def test_objects_of_another_result_are_not_listed(
    segment_page, tiny: str, two_files: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two_files.paths)
    shown = segmented(tab, in_view)

    def count() -> dict:
        return events.on_run(shown[tab.current], SEEN, COMPONENTS, in_view, shown[tab.version])

    assert result_store().get(count()[tab.objects.state])[1].labels.shape == (96, 96)
    real = type(result_store().get(shown[tab.current])).objects

    def objects(*arguments: Any, **options: Any) -> Objects:
        select(events, two_files, in_view, 1)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("unet_hf.Segmentation.objects", objects)
        assert count() == gr.skip()  # no newer table is replaced: the newer result is counted, too
    # Nor are those that a slider has left behind: the last place of it is asked for, too.
    shown = segmented(tab, in_view)
    arguments = (shown[tab.current], SEEN, COMPONENTS, in_view, shown[tab.version])
    assert events.on_slide(*arguments) != gr.skip()
    real_hues = parting.object_hues
    monkeypatch.setattr(
        parting,
        "object_hues",
        lambda *given: in_view.ask_for_objects(measured=True) and real_hues(*given),
    )
    assert events.on_slide(*arguments) == gr.skip()
    assert count() == gr.skip()


def test_scores_of_another_result_are_not_shown(tiny, picture, drawing, tmp_path, monkeypatch):
    with gr.Blocks(analytics_enabled=False) as page:
        truth_tab.truth_tab(gr.State(None))
    events, in_view = Events(page), InView()
    result = predictions.segment_file(str(picture), tiny)
    PIL.Image.fromarray(drawing.label).save(tmp_path / "truth.png")

    def sentences() -> str:
        path = str(tmp_path / "truth.png")
        found = events.on_mask(result, path, None, "auto", None, in_view, 0)
        return "".join(value for value in found.values() if isinstance(value, str))

    assert "Pixel accuracy" in sentences()
    real = truth_tab.score_mask
    monkeypatch.setattr(truth_tab, "score_mask", lambda *given: in_view.change() and real(*given))
    assert "Another result has come into view meanwhile." in sentences()


def test_a_comparison_on_another_image_is_not_shown(
    tiny: str, two_files: Files, meanwhile: Callable
):
    with gr.Blocks(analytics_enabled=False) as page:
        image = [gr.State(None), gr.State(None)]
        with gr.Tab("Compare") as tab:
            compare_tab(tab, image, gr.State(InView()), [tiny], tiny)
    in_view = InView((two_files.path, FIRST))

    def compared() -> list[dict]:
        return list(
            Events(page).on_compare(
                two_files.path,
                None,
                tiny,
                "0.4",
                tiny,
                "0.6",
                in_view,
                Asked(),
                1.0,
                progress=lambda *_, **__: None,
            )
        )

    assert len(compared()) == 3  # A, B, and the difference
    meanwhile(lambda: in_view.choose(two_files.paths[1]))
    (told,) = compared()
    assert "Another image has come into view meanwhile." in str(told)


def test_of_what_is_asked_to_be_compared_the_pages_clock_tells_what_came_last():
    asked = Asked()
    old, new = ("a", "0.4", "a", "0.3"), ("a", "0.4", "a", "0.30")
    asked.compare(new, 3.0)
    assert not asked.change(old, 2.0)  # a key that was typed before, and arrives late
    asked.check(new)
    assert asked.change(old, 4.0)
    with pytest.raises(ConfigError, match="has changed meanwhile"):
        asked.check(new)
    asked.compare(new, 3.5)  # it has waited for its turn
    with pytest.raises(ConfigError, match="has changed meanwhile"):
        asked.check(new)
    asked.compare(new, 5.0)
    assert asked.change(None, 6.0)  # another checkpoint, whose thresholds are on their way
    with pytest.raises(ConfigError, match="has changed meanwhile"):
        asked.check(new)


@pytest.mark.deep("in a browser what is said in Python, above")
def test_a_drop_is_segmented_and_a_slow_result_does_not_replace_what_was_chosen_since(
    served: Callable, gate: Gate, two_files: Files
):
    gate.let(1)  # the first picture
    page = served(build())
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=60_000)
    page.locator("#upload input[type=file]").set_input_files(two_files.paths)
    until(lambda: len(gate.asked) == 2)  # without another click
    status, canvas = page.locator("#viewer .status"), page.locator("#viewer canvas")
    expect(status).to_have_text("Segmenting with Cell nuclei …")
    page.locator("#files").get_by_role("button", name="other.png").first.click()
    expect(page.locator("#facts")).to_contain_text("40 × 30 px")
    shown = "other.png, not segmented yet"
    expect(canvas).to_have_attribute("aria-label", shown)  # the picture comes after its facts
    drawn = canvas.get_attribute("data-serial")
    gate.let(1)
    until(lambda: len(gate.asked) == 3)  # the late one is over
    expect(page.locator("#files [aria-current]")).to_have_text("other.png")
    expect(canvas).to_have_attribute("aria-label", shown)
    expect(canvas).to_have_attribute("data-serial", drawn)
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_disabled()
    expect(status).to_have_text("Segmenting with Cell nuclei …")  # it may come after what it says
    page.get_by_role("button", name="Stop").click()
    expect(status).to_be_empty()
    gate.let(1)
    expect(page.locator("#viewer .by")).to_have_text("not segmented")
    gate.let(1)
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled()
    expect(page.locator("#viewer .whose")).to_have_text("other.png Cell nuclei · threshold 0.40")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Mask (PNG)").click()
    assert waiting.value.suggested_filename == "other_mask.png"

    page.locator("#files").get_by_role("button", name="nuclei.png").first.click()
    gate.let(1)
    expect(page.locator("#viewer .whose")).to_have_text("nuclei.png Cell nuclei · threshold 0.40")
    viewer = viewer_of(page)
    slide(viewer, ".threshold", 0.6)
    page.locator("#files").get_by_role("button", name="other.png").first.click()
    asked = len(gate.asked)
    # It is not computed again, and is looked at as the file before.
    expect(page.locator("#viewer .whose")).to_have_text("other.png Cell nuclei · threshold 0.60")
    assert len(gate.asked) == asked
    page.locator("#files").get_by_role("button", name="Remove other.png").click()
    page.locator("#files").get_by_role("button", name="Remove nuclei.png").click()
    expect(page.locator("#viewer canvas.drawn")).to_have_count(0)
    expect(page.locator("#viewer .whose")).to_have_text("")
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_disabled()
