"""What strokes are answered from is ready before the first one, and nobody else waits for it."""

import threading
from pathlib import Path

import pytest

from demo.server.checkpoints.models import load_model
from demo.server.in_view import InView
from demo.server.predictions import FIRST
from demo.server.work.queue import Turns
from demo.server.work.runs import Run, StoppedError
from demo.teach import prepared as prepared_module
from demo.teach.prepared import prepare, prepare_if_idle, prepared
from demo.teach.sitting import Sitting
from train.teaching.features import features_of


@pytest.fixture
def view(tiny, picture: Path) -> InView:
    return InView((str(picture), FIRST), tiny)


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """The number of levels of each computation of features, as far as it came."""
    levels: list[int] = []

    def counted(model, image, progress):
        levels.append(0)

        def told(done: int, total: int) -> None:
            levels[-1] = done
            progress(done, total)

        return features_of(model, image, told)

    monkeypatch.setattr(prepared_module, "features_of", counted)
    return levels


def test_a_stroke_that_comes_while_its_picture_is_prepared_waits_for_that(tiny, view, computed):
    sitting, found = Sitting(), []
    ahead = threading.Thread(target=prepare, args=(sitting, view, None))
    with sitting.preparing:
        ahead.start()
        stroke = threading.Thread(
            target=lambda: found.append(prepared(sitting, load_model(tiny), view.wanted))
        )
        stroke.start()
    ahead.join()
    stroke.join()
    assert len(computed) == 1
    assert found == [sitting.features.get(view.wanted)]


def test_it_ends_between_two_layers_when_the_visitor_goes_on(tiny, view, computed, monkeypatch):
    take = InView.wanted.fget
    at_first = take(view)
    monkeypatch.setattr(
        InView, "wanted", property(lambda self: at_first if sum(computed) < 2 else ("other",))
    )
    sitting = Sitting()
    prepare(sitting, view, None)
    assert computed == [2] and len(sitting.features) == 0


def test_others_have_the_network_between_two_of_its_layers(tiny, view, computed, monkeypatch):
    turns, order = Turns(), []
    monkeypatch.setattr(prepared_module, "turns", lambda: turns)

    def other() -> None:
        with turns.take(Run()):
            order.append(sum(computed))

    person = threading.Thread(target=other)
    with turns.take(Run()):
        ahead = threading.Thread(target=prepare, args=(Sitting(), view, None))
        ahead.start()
        while not turns._waiting:
            pass
        person.start()
        while len(turns._waiting) < 2:
            pass
    ahead.join()
    person.join()
    assert order == [1] and computed[0] > 2


def test_nothing_is_prepared_while_somebody_else_is_served_or_of_a_large_picture(
    tiny, view, computed, monkeypatch
):
    turns, sitting = Turns(), Sitting()
    monkeypatch.setattr(prepared_module, "turns", lambda: turns)
    with turns.take(Run()):
        prepare_if_idle(sitting, view, None)
    monkeypatch.setattr(prepared_module, "AHEAD_PIXELS", 96 * 96 - 1)
    prepare_if_idle(sitting, view, None)
    assert not computed
    with pytest.raises(StoppedError, match="large"):
        prepared(sitting, load_model(tiny), view.wanted, 10)
    monkeypatch.undo()
    prepare_if_idle(sitting, view, None)
    assert len(sitting.features) == 1
