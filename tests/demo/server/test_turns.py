"""Who gets the network when: people before batches, sessions in turn; and how a run is ended."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

from demo.api import add_endpoint
from demo.parts.sessions import stop_when_closed
from demo.server import predictions
from demo.server.folders import ResultFolders
from demo.server.work import queue
from demo.server.work.queue import Turns, Urgency
from demo.server.work.runs import MOST_RUNS, Run, Sessions, StoppedError, TooManyRunsError, sessions
from unet_hf import UNet, read_image

from ...support.page_events import Events
from ...support.serving import until


class Visits:
    """Threads that want the network, and the order in which they got it."""

    def __init__(self) -> None:
        self.turns, self.order, self.threads = Turns(), [], []

    def wait(self, name: str, run: Run | None = None, urgency: Urgency = Urgency.PERSON) -> None:
        """Somebody comes, and waits by the time this returns."""
        waiting = len(self.turns._waiting)

        def visit() -> None:
            with self.turns.take(run or Run(), urgency=urgency):
                self.order.append(name)

        self.threads.append(threading.Thread(target=visit, daemon=True))
        self.threads[-1].start()
        until(lambda: len(self.turns._waiting) > waiting)

    def end(self) -> list[str]:
        for thread in self.threads:
            thread.join(60)
        return self.order


def test_people_go_before_batches():
    visits = Visits()
    with visits.turns.take(Run()):
        visits.wait("batch", urgency=Urgency.BATCH)
        visits.wait("person")
    assert visits.end() == ["person", "batch"]


def test_a_session_that_asks_for_much_has_one_turn_at_a_time():
    visits, store = Visits(), Sessions()
    with ExitStack() as stack:
        greedy = [stack.enter_context(store.run("greedy")) for _ in range(3)]
        other = stack.enter_context(store.run("other"))
        with visits.turns.take(Run()):
            for number, run in enumerate(greedy):
                visits.wait(f"greedy {number}", run)
            visits.wait("other", other)
        assert visits.end() == ["greedy 0", "other", "greedy 1", "greedy 2"]


def test_a_large_image_gives_way_between_its_tiles_and_a_batch_only_to_people():
    visits, told = Visits(), []
    with visits.turns.take(Run()) as turn:
        report = turn.reporting(lambda *step: told.append(step))
        visits.wait("person")
        report(0, 3)  # within the first tile, where the engine's memory is in use
        assert not visits.order
        report(1, 3)
        assert visits.end() == ["person"]
        visits.wait("batch", urgency=Urgency.BATCH)
        report(2, 3)
        report(3, 3)
        assert visits.order == ["person"]
    assert visits.end() == ["person", "batch"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_of_large_images_only_so_many_are_begun(monkeypatch):
    """The probabilities of each that is begun are in memory; small ones have always room."""
    monkeypatch.setattr(queue, "BEGUN_PIXELS", 100)
    monkeypatch.setattr(queue, "SMALL_PIXELS", 10)
    turns = Turns()
    begun, large, small = (
        queue.Turn(turns, Run(), pixels, Urgency.PERSON) for pixels in (60, 60, 10)
    )
    turns._begun, turns._waiting = {begun}, [large, small]
    assert turns._next() is small
    turns._begun = set()
    assert turns._next() is large


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=2, depth=1, tile_size=32).eval()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)


def test_stop_ends_a_run_that_computes_and_one_that_waits(network, image, monkeypatch):
    monkeypatch.setattr(predictions, "turns", lambda turns=Turns(): turns)  # noqa: B008
    store, done, begun = Sessions(), [], threading.Event()

    def visit(stop_at: int | None) -> None:
        def progress(tiles: int, _: int) -> None:
            done.append(tiles)
            if tiles == stop_at:
                begun.set()
                run.stopping.wait(60)

        with store.run("visitor") as run, pytest.raises(StoppedError):
            predictions.predict_in_turn(network, read_image(image), None, progress, run)

    threads = [threading.Thread(target=visit, args=[stop_at]) for stop_at in (2, None)]
    with store.run("somebody else") as other:
        threads[0].start()
        begun.wait(60)
        threads[1].start()
        until(lambda: predictions.turns()._waiting)
        store.stop("visitor")
        for thread in threads:
            thread.join(60)
        assert not other.stopping.is_set()
    assert done == [1, 2]
    assert len(store) == 0
    with predictions.turns().take(Run()):  # the network is free
        pass


def test_a_prediction_in_turn_is_the_one_that_segment_makes(network, image):
    result = predictions.predict_in_turn(network, read_image(image), None, None, Run())
    assert np.array_equal(result.probabilities, network.segment(image).probabilities)


@pytest.fixture
def busy() -> Iterator[Callable]:
    """busy(session): the session has as many runs as it may."""
    with ExitStack() as stack:

        def begin(session: str) -> list[Run]:
            return [stack.enter_context(sessions().run(session)) for _ in range(MOST_RUNS)]

        yield begin


def test_one_session_cannot_take_all_places(busy):
    busy("greedy")
    with pytest.raises(TooManyRunsError, match="at work or wait already"):
        sessions().run("greedy").__enter__()
    with sessions().run("other"):
        pass


def test_an_endpoint_answers_who_asks_for_too_much_with_a_sentence(busy, tiny, picture):
    with gr.Blocks(analytics_enabled=False) as page:
        add_endpoint(ResultFolders())
        stop_when_closed(page)
    events, visitor = Events(page), SimpleNamespace(session_hash="program")
    runs = busy("program")
    with pytest.raises(gr.Error, match="4 segmentations of yours are at work or wait already"):
        events.segment(str(picture), tiny, request=visitor)
    _, _, summary = events.segment(str(picture), tiny, request=SimpleNamespace(session_hash="b"))
    assert summary["size"] == [96, 96]
    assert not any(run.stopping.is_set() for run in runs)
    events.on_unload(visitor)  # as Gradio does when the connection ends
    assert all(run.stopping.is_set() for run in runs)
