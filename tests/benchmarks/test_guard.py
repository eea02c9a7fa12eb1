"""The guard against slowness judges made-up measurements; nothing here takes a time."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import guard
from benchmarks.guarded import Figure
from benchmarks.measuring import CPU_SECONDS

KIND = "abacus, 2 threads"


class MadeUp:
    """A measurement that gives one set of figures after the other, and counts rounds."""

    def __init__(self, *figures: dict[str, Figure]) -> None:
        self.figures = list(figures)
        self.rounds: list[int] = []

    def __call__(self, rounds: int) -> dict[str, Figure]:
        self.rounds.append(rounds)
        return self.figures.pop(0)


def test_a_ratio_may_lose_its_tolerance_and_no_more():
    assert guard.fault(Figure(8.5, 0.15), 10.0) is None
    assert guard.fault(Figure(99, 0.15), 10.0) is None
    assert guard.fault(Figure(8.4, 0.15), 10.0) == "8.4, 16% less than 10; 15% are allowed"


def test_a_count_has_its_limit_whatever_is_kept():
    assert guard.fault(Figure(640, at_most=640), None) is None
    assert guard.fault(Figure(1641, at_most=640), None) == "1,641, where 640 are allowed"


def test_a_new_ratio_is_no_alarm():
    assert guard.check([MadeUp({"new": Figure(0.1)})], {}, 5)[1] == {}


def test_what_was_slow_once_is_measured_longer_and_no_alarm_if_it_is_not_slow_again():
    engine = MadeUp({"engine": Figure(1.0)}, {"engine": Figure(3.9)})
    memory = MadeUp({"memory": Figure(2.0)})
    figures, misses = guard.check([engine, memory], {"engine": 4.0, "memory": 2.0}, 5)
    assert misses == {}
    assert figures["engine"].value == 3.9
    assert (engine.rounds, memory.rounds) == ([5, 15], [5])


def test_only_what_was_slow_twice_is_an_alarm():
    first = {"engine": Figure(2.0), "ceiling": Figure(0.9)}
    second = {"engine": Figure(2.5), "ceiling": Figure(0.1)}
    _, misses = guard.check([MadeUp(first, second)], {"engine": 4.0, "ceiling": 0.9}, 5)
    assert misses == {"engine": "2.5, 38% less than 4; 15% are allowed"}


def test_a_kept_ratio_that_is_no_longer_measured_is_an_alarm():
    _, misses = guard.check([MadeUp({"engine": Figure(4.0)})], {"engine": 4.0, "gone": 1.0}, 5)
    assert list(misses) == ["gone"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ratios.json"
    other = {"processor": "other", "torch": "2", "threads": 8, "ratios": {"engine": 7.0}}
    path.write_text(json.dumps({"other, 8 threads": other}))
    monkeypatch.setattr(guard, "KEPT", path)
    monkeypatch.setattr(guard, "machine_kind", lambda: KIND)
    return path


def measuring(monkeypatch: pytest.MonkeyPatch, ratio: float, pages: int = 0) -> None:
    figures = {"engine": Figure(ratio), "pages": Figure(pages, at_most=640)}
    monkeypatch.setattr(guard, "MEASURES", [lambda rounds: figures])


def test_an_unknown_machine_is_compared_with_nothing_and_told_how_to_record(kept, capsys):
    before = kept.read_text()
    assert guard.main([]) == 0
    said = capsys.readouterr().out
    assert KIND in said
    assert "--record" in said
    assert kept.read_text() == before


def test_what_is_recorded_is_what_later_runs_are_held_against(kept, monkeypatch, capsys):
    measuring(monkeypatch, 4.0)
    assert guard.main(["--record"]) == 0
    machines = json.loads(kept.read_text())
    assert machines["other, 8 threads"]["ratios"] == {"engine": 7.0}
    assert machines[KIND]["ratios"] == {"engine": 4.0}
    assert guard.main([]) == 0
    assert "Nothing got slower." in capsys.readouterr().out

    measuring(monkeypatch, 3.0, pages=1000)
    assert guard.main([]) == 1
    said = capsys.readouterr().out
    assert "MISSED engine: 3, 25% less than 4; 15% are allowed." in said
    assert "MISSED pages: 1,000, where 640 are allowed." in said


def test_cpu_seconds_are_held_against_cpu_seconds(kept, monkeypatch, capsys):
    monkeypatch.setenv(CPU_SECONDS, "")  # what the guard sets is taken back
    measuring(monkeypatch, 4.0)
    assert guard.main(["--record", "--cpu_seconds"]) == 0
    assert f"{KIND}, CPU seconds" in json.loads(kept.read_text())
    assert guard.main(["--cpu_seconds"]) == 0
    assert f"Held against the ratios of: {KIND}, CPU seconds." in capsys.readouterr().out
    assert guard.main([]) == 0  # by the clock nothing is kept
    assert f"Kept are: {KIND}, CPU seconds; other, 8 threads." in capsys.readouterr().out


def test_what_is_kept_in_this_repository_can_be_read():
    for kind, machine in json.loads(guard.KEPT.read_text("utf-8")).items():
        assert re.fullmatch(r"\w+( capped to \w+)?, \d+ threads(, CPU seconds)?", kind)
        assert all(ratio > 0 for ratio in machine["ratios"].values())
