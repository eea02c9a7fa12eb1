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

from demo.compare.sides import Asked
from demo.compare.tab import compare_tab
from demo.interface import build
from demo.objects import parting
from demo.objects import tab as objects_tab
from demo.objects.counting import show_counting
from demo.segment import unlike
from demo.segment.facts import facts_of
from demo.segment.file_list import Files
from demo.segment.tab import SegmentTab
from demo.server import limits, predictions
from demo.server.folders import ResultFolders
from demo.server.in_view import InView
from demo.server.kept_results import AllKeptResults, KeptResults
from demo.server.predictions import FIRST
from demo.server.result_store import GONE, result_store
from demo.truth import tab as truth_tab
from demo.viewer.component import idle
from unet_hf.errors import ConfigError
from unet_hf.objects.objects import Objects

from .page_events import Events
from .serving import Gate, until
from .viewing import slide, viewer_of

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


def test_a_result_of_the_picture_in_view_is_shown(segment_page, tiny: str, two: Files):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    shown = segmented(tab, in_view)
    assert result_store().get(shown[tab.current]).image.source == "nuclei.png"
    assert shown[tab.version] == in_view.version
    assert segmented(tab, in_view) == gr.skip()  # nothing else was asked for


def test_one_click_brings_the_offered_checkpoint_into_use(segment_page, tiny, two, monkeypatch):
    tab, events = segment_page
    monkeypatch.setattr(unlike, "best_fitting", lambda image, other_than: "unet-nuclei")
    real = predictions.predict

    def far(*arguments, **options):
        return replace(real(*arguments, **options), unlike_training=2.0)

    monkeypatch.setattr(predictions, "predict", far)
    in_view = opened(events, tiny, *two.paths)
    shown = segmented(tab, in_view)
    assert "Unlike the images this checkpoint was trained on" in shown[tab.unlike.words]
    assert in_view.fitting == "unet-nuclei"
    shown = events.on_fitting(in_view)
    assert shown[tab.model] == in_view.model == "unet-nuclei" and in_view.is_wanted


@pytest.mark.parametrize("what", ["file", "example", "upload", "nothing", "checkpoint", "stop"])
def test_a_result_is_dropped_when_something_else_was_chosen(
    what, segment_page, tiny: str, two: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    choices = {
        "file": lambda: select(events, two, in_view, 1),
        "example": lambda: tab.on_example(in_view, choose(1)),
        "upload": lambda: upload(events, in_view, two.paths[1]),
        "nothing": lambda: events.on_delete(Files((two.path,)), in_view, choose(0)),
        "checkpoint": lambda: tab.on_model_input("unet-nuclei", in_view),
        "stop": lambda: tab.on_stop(in_view),
    }
    meanwhile(choices[what])
    assert segmented(tab, in_view) == gr.skip()
    assert in_view.segmented_with == ""


def test_a_running_prediction_ends_when_it_is_not_wanted_any_more(
    segment_page, tiny: str, two: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
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


def test_a_failure_about_another_picture_is_not_told(segment_page, two, tiny, monkeypatch):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)

    def fail(*_: Any, **__: Any) -> None:
        if len(in_view.titles) == 0:
            select(events, two, in_view, 1)
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


def test_files_that_cannot_be_read_leave_what_was_in_view(
    segment_page, tiny: str, two: Files, tmp_path: Path, meanwhile: Callable
):
    tab, events = segment_page
    (tmp_path / "broken.png").write_bytes(b"no picture")
    files = Files((two.path, str(tmp_path / "broken.png")))
    in_view = opened(events, tiny, *files.paths)
    meanwhile(lambda: select(events, files, in_view, 1))
    meanwhile(lambda: upload(events, in_view, files.paths[1]))
    assert tab.current in segmented(tab, in_view)
    shown = upload(events, in_view, files.paths[1])
    assert {tab.images.source, tab.images.files, tab.current}.isdisjoint(shown)
    assert "broken.png" in shown[tab.alert]["value"]
    shown = upload(events, in_view, files.paths[1], two.paths[1])  # the next one can be read
    assert shown[tab.images.source] == two.paths[1]
    assert shown[tab.images.files].bad == {0}
    assert "broken.png" in shown[tab.alert]["value"]


def test_without_a_file_there_is_no_picture_and_nothing_to_take_home(
    segment_page, tiny: str, two: Files
):
    tab, events = segment_page
    in_view = opened(events, tiny, two.path)
    segmented(tab, in_view)
    shown = events.on_delete(Files((two.path,)), in_view, choose(0))
    assert shown[tab.current] is None
    assert shown[tab.picture]["value"] is None
    assert shown[tab.downloads]["value"]["usable"] == {"result": False, "objects": False}


def test_what_was_segmented_is_shown_again_without_computing(
    segment_page, tiny: str, two: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    first = segmented(tab, in_view)[tab.current]
    bare = select(events, two, in_view, 1)
    assert bare[tab.current] is None
    segmented(tab, in_view)
    monkeypatch.setattr(predictions, "predict", None)  # whoever calls it fails
    again = select(events, two, in_view, 0)
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


def test_the_first_picture_does_not_replace_what_a_visitor_has_sent(
    segment_page, two: Files, meanwhile: Callable
):
    tab, events = segment_page
    in_view = InView()
    meanwhile(lambda: upload(events, in_view, *two.paths))
    request = SimpleNamespace(query_params={}, session_hash=None)
    before, *_, late = tab.on_load(in_view, request)
    assert tab.images.source in before  # the example was chosen,
    assert late == gr.skip()  # and its result came too late
    assert list(tab.on_load(in_view, request)) == [gr.skip()]


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


def test_files_to_take_home_are_those_of_the_result_that_was_seen(
    segment_page, tiny: str, two: Files
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    shown = segmented(tab, in_view)
    handle, version = shown[tab.current], shown[tab.version]
    assert Path(tab.write("mask", handle, None, SEEN, in_view, version)).name == "nuclei_mask.png"
    *_, newer = tab.on_run(tiny, in_view)
    with pytest.raises(Exception, match="has come into view meanwhile"):
        tab.write("mask", newer[tab.current], None, SEEN, in_view, version)


def test_objects_of_another_result_are_not_listed(segment_page, tiny: str, two: Files, monkeypatch):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    shown = segmented(tab, in_view)

    def count() -> dict:
        return events.on_run(shown[tab.current], SEEN, COMPONENTS, in_view, shown[tab.version])

    assert result_store().get(count()[tab.objects.state])[1].labels.shape == (96, 96)
    real = type(result_store().get(shown[tab.current])).objects

    def objects(*arguments: Any, **options: Any) -> Objects:
        select(events, two, in_view, 1)
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


def test_objects_of_a_large_image_are_counted_for_who_asks_and_too_many_are_told(
    segment_page, tiny: str, two: Files, monkeypatch
):
    tab, events = segment_page
    in_view = opened(events, tiny, *two.paths)
    shown = segmented(tab, in_view)
    seen = {"threshold": result_store().get(shown[tab.current]).threshold}
    asked = (shown[tab.current], seen, COMPONENTS, in_view, shown[tab.version])
    monkeypatch.setattr(limits, "COUNTED_AT_ONCE", 100)
    assert objects_tab.LARGE in str(events.on_option(*asked))
    assert tab.objects.state in events.on_run(*asked)
    monkeypatch.setattr(limits, "MAX_OBJECTS", 0)
    assert objects_tab.TOO_MANY in str(events.on_run(*asked))


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


def test_a_comparison_on_another_image_is_not_shown(tiny: str, two: Files, meanwhile: Callable):
    with gr.Blocks(analytics_enabled=False) as page:
        image = [gr.State(None), gr.State(None)]
        with gr.Tab("Compare") as tab:
            compare_tab(tab, image, gr.State(InView()), [tiny], tiny)
    in_view = InView((two.path, FIRST))

    def compared() -> list[dict]:
        return list(
            Events(page).on_compare(
                two.path,
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
    meanwhile(lambda: in_view.choose(two.paths[1]))
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
    served: Callable, gate: Gate, two: Files
):
    gate.let(1)  # the first picture
    page = served(build())
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=60_000)
    page.locator("#upload input[type=file]").set_input_files(two.paths)
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


def test_a_result_whose_hour_is_over_is_told_apart_from_none(segment_page, tiny, two: Files):
    tab, events = segment_page
    in_view = InView(model=tiny)

    def sentence() -> str:
        found = events.on_run(None, SEEN, COMPONENTS, in_view, in_view.version)
        return "".join(str(value) for value in found.values())

    upload(events, in_view, *two.paths)
    assert "There is no result yet" in sentence()
    segmented(tab, in_view)
    assert GONE in sentence()
    select(events, two, in_view, 1)
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
