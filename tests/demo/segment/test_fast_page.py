"""The tab *Segment* is fast where that is safe and says so; exact results are one click away, and
never mixed up with fast ones."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import PIL.Image
import pytest

from demo.segment.model_panel import panel
from demo.segment.share_link import Asked
from demo.segment.tab import SegmentTab
from demo.server import fast as page_fast
from demo.server import predictions
from demo.server.checkpoints.models import LOCAL
from demo.server.fast import VARIABLE, first_precision
from demo.server.folders import ResultFolders
from demo.server.in_view import InView
from demo.server.recipe import Recipe
from demo.server.results.result_store import result_store
from demo.teach import changes
from unet_hf import UNet
from unet_hf.engine import fast
from unet_hf.errors import ConfigError

from ...support.calibrated import calibrated_checkpoint
from ...support.page_events import Events

SEEN = {"threshold": None}


@pytest.fixture(autouse=True)
def a_cpu_where_int8_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fast")
    monkeypatch.setattr(fast, "why_not_here", lambda: "")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        noise = np.random.default_rng(seed).integers(0, 256, (96, 96), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(path)
    return list(map(str, paths))


@pytest.fixture(scope="module")
def built() -> tuple[SegmentTab, Events]:
    with gr.Blocks(analytics_enabled=False) as page:
        tab = SegmentTab(["unet-nuclei"], True, None, ResultFolders())
        tab.connect(page)
        changes.Changes().follow(gr.Button().click(lambda: None), tab, gr.State())
    return tab, Events(page)


@pytest.fixture
def opened(built, tmp_path: Path, pictures, monkeypatch) -> Callable[[float], SimpleNamespace]:
    """opened(0.0002): the tab with a checkpoint that loses this in int8, and its first picture."""

    def open_page(lost: float) -> SimpleNamespace:
        model = str(calibrated_checkpoint(tmp_path / "net", lost))
        monkeypatch.setenv(LOCAL, model)
        tab, events = built
        here = SimpleNamespace(tab=tab, events=events, view=InView(model=model), model=model)
        here.shown = upload(here, pictures[0])
        return here

    return open_page


def upload(here: SimpleNamespace, path: str) -> dict:
    """What the page is told at last."""
    list(here.events.on_upload([path], here.view))
    return segmented(here)


def segmented(here: SimpleNamespace) -> dict:
    *_, here.shown = here.tab.on_segment(here.view)
    return here.shown


def mask(here: SimpleNamespace) -> bytes:
    """The mask that the visitor downloads."""
    handle, view = here.shown[here.tab.current], here.view
    return Path(here.tab.write("mask", handle, None, SEEN, view, view.version)).read_bytes()


def by_python(here: SimpleNamespace, path: str, folder: Path, precision: str) -> bytes:
    result = UNet.from_pretrained(here.model).segment(path, precision=precision)
    return result.save(folder, only=["mask"])["mask"].read_bytes()


def offers_exact(here: SimpleNamespace) -> bool:
    return here.shown[here.tab.exact]["visible"] is True


def test_a_fast_result_says_so_and_is_what_python_gives(opened, pictures, tmp_path):
    here = opened(0.0002)
    assert "computed in int8, which lost at most 0.0002" in here.shown[here.tab.facts]
    assert offers_exact(here)
    assert mask(here) == by_python(here, pictures[0], tmp_path / "a", "fast")
    model = UNet.from_pretrained(here.model)
    assert 'precision="fast"' in here.tab.on_model(here.model, here.view).replace("&quot;", '"')
    assert "precision=" not in panel(here.model, model)  # where the page does what Python does


def test_what_was_measured_in_float32_says_so_beside_a_fast_result(opened, pictures):
    here = opened(0.0002)
    here.view.few_missed[here.model] = {"threshold": 0.3, "words": "Few are missed."}
    fast_one = upload(here, pictures[1])[here.tab.picture]["value"]
    assert fast_one["few_missed"] == {
        "threshold": 0.3,
        "words": "Few are missed. It was measured in float32, and this result is int8.",
    }
    here.events.on_exact(here.view)
    exact = segmented(here)[here.tab.picture]["value"]
    assert exact["few_missed"] == {"threshold": 0.3, "words": "Few are missed."}


def test_one_click_computes_exactly_and_so_it_stays_for_this_visitor(opened, pictures, tmp_path):
    here = opened(0.0002)
    here.events.on_exact(here.view)
    assert "in int8" not in segmented(here)[here.tab.facts]
    assert not offers_exact(here)
    assert mask(here) == by_python(here, pictures[0], tmp_path / "a", "float32")
    assert "float32" in upload(here, pictures[1])[here.tab.facts]
    assert mask(here) == by_python(here, pictures[1], tmp_path / "b", "float32")
    assert "float32" in here.tab.on_model(here.model, here.view)
    here.view = InView(model=here.model)  # of somebody else
    assert "in int8" in upload(here, pictures[0])[here.tab.facts]


def test_a_checkpoint_that_loses_too_much_is_not_offered(opened, pictures, tmp_path):
    here = opened(0.002)
    assert "in int8" not in here.shown[here.tab.facts]
    assert not offers_exact(here)
    assert mask(here) == by_python(here, pictures[0], tmp_path / "a", "auto")
    assert "precision=" not in here.tab.on_model(here.model, here.view)


def test_a_fast_result_that_comes_after_the_click_is_not_shown(opened, pictures, monkeypatch):
    here = opened(0.0002)
    list(here.events.on_upload([pictures[1]], here.view))
    real = predictions.predict

    def predict(*arguments, **options):
        result = real(*arguments, **options)
        if here.view.precision != "float32":
            here.events.on_exact(here.view)
        return result

    monkeypatch.setattr(predictions, "predict", predict)
    assert segmented(here) == gr.skip()
    assert "float32" in segmented(here)[here.tab.facts]


def test_fast_and_exact_results_of_one_picture_are_kept_apart(opened):
    here = opened(0.0002)
    exact = here.tab.computed(here.view, here.model, "float32", None)
    assert exact.precision == "float32"
    assert here.tab.computed(here.view, here.model, "float32", None) is exact
    assert here.tab.kept(here.view).precision == "int8"  # what a visitor goes back to
    example = here.tab.examples[0]
    keys = [(example.path, predictions.FIRST, example.model, one) for one in ("fast", "float32")]
    here.tab.note_example(keys[0], here.tab.kept(here.view))
    here.view.choose(example.path)
    here.view.choose_model(example.model)
    assert here.tab.kept(here.view).precision == "int8"
    here.view.compute_exactly()
    assert here.tab.kept(here.view) is None


def test_what_a_teaching_has_changed_is_told_from_exact_results(opened, monkeypatch):
    monkeypatch.setattr(changes, "LEAST", 1)
    here = opened(0.0002)
    path, place, model, asked = here.view.key
    after = UNet.from_pretrained(model).segment(path, precision="float32")
    here.view.results.keep((path, place, "taught", asked), after)
    assert (here.tab.kept(here.view).mask != after.mask).any()  # int8 has changed something
    lesson = SimpleNamespace(name="taught", base=model, goes_on=True)
    html, _ = here.events.on_view(SimpleNamespace(lessons=[lesson]), here.view)
    assert "There are none" in html
    assert here.tab.kept(here.view, model, "float32").precision == "float32"


def test_it_is_not_told_of_a_picture_that_has_left_meanwhile(opened, pictures, monkeypatch):
    here = opened(0.0002)
    path, place, model, asked = here.view.key
    after = UNet.from_pretrained(model).segment(path, precision="float32")
    here.view.results.keep((path, place, "taught", asked), after)
    real = here.tab.computed

    def computed(*arguments):
        result = real(*arguments)
        upload(here, pictures[1])
        return result

    monkeypatch.setattr(here.tab, "computed", computed)
    lesson = SimpleNamespace(name="taught", base=model, goes_on=True)
    told = here.events.on_view(SimpleNamespace(lessons=[lesson]), here.view)
    assert told == (gr.skip(), gr.skip())


def test_a_picture_of_a_batch_is_computed_as_the_batch_was(opened, pictures):
    here = opened(0.0002)
    here.view.choose(pictures[1])
    here.view.choose_model(here.model)
    here.view.counted_as = Recipe(here.model)
    *_, shown = here.tab.on_segment(here.view, view=Asked())
    assert result_store().get(shown[here.tab.current]).precision != "int8"
    assert "precision=" not in here.tab.on_model(here.model, here.view)
    told = [event for event in here.events.page.fns.values() if event.name == "on_model"]
    # Also where the checkpoint stays the same.
    assert any((here.tab.current._id, "change") in event.targets for event in told)


def test_other_parts_of_the_page_compute_as_python_does_by_default(opened, pictures):
    here = opened(0.0002)
    usual = UNet.from_pretrained(here.model).segment(pictures[0])
    result = predictions.segment_file(pictures[0], here.model)
    assert result.precision == usual.precision != "int8"
    assert np.array_equal(result.mask, usual.mask)


@pytest.mark.parametrize(
    ("best", "expected"), [("float32", "fast"), ("bfloat16", "auto"), ("float16", "auto")]
)
def test_it_is_fast_at_first_where_nothing_but_float32_is_fast(best, expected, monkeypatch):
    monkeypatch.setattr(page_fast, "best_precision", lambda device: best)
    assert first_precision({}) == expected
    assert first_precision({VARIABLE: "float32"}) == "float32"
    with pytest.raises(ConfigError, match="UNET_HF_PRECISION='quick' is not known"):
        first_precision({VARIABLE: "quick"})
