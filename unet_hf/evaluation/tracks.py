"""Scores of tracks on films whose truth is known: those of the Cell Tracking Challenge."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..data.film_truth import TRACK_LINES, divisions_of, read_track_lines
from ..data.true_films import TrueFilm
from ..errors import ConfigError, DatasetError
from ..unet import UNet

SCORES = ("SEG", "DET", "TRA", "LNK")
INSTALL = "pip install py-ctcmetrics==1.3.3"


def check_ctcmetrics() -> None:
    """Raises `ConfigError` if the package that scores tracks is missing."""
    try:
        import ctc_metrics  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Tracks are scored by the package py-ctcmetrics, which is not installed ({error}). "
            f"Install it: {INSTALL}"
        ) from error


def track_scores(result: Path, truth: Path) -> dict[str, Any]:
    """Scores tracks beside the truth, from 0 to 1, by py-ctcmetrics.

    Args:
        result: A folder as `Tracks.save` writes it.
        truth: A folder as 01_GT, with TRA, and SEG with the masks of all or of some frames.

    Returns:
        "SEG" (of the frames that have true masks; None without any), "DET", "TRA" and "LNK";
        "division_f1", in which a division is right if mother, daughters and frame are (BC(0);
        None if there is none, neither true nor found); and counts of divisions, "right",
        "invented" and "missed".

    Raises:
        ConfigError: py-ctcmetrics is not installed.
        DatasetError: It says that the result is not valid.
    """
    check_ctcmetrics()
    from ctc_metrics import evaluate_sequence

    segmented = any((truth / "SEG").glob("*.tif"))
    if not len(read_track_lines(result / "res_track.txt")):
        return _of_nothing(truth, segmented)  # py-ctcmetrics 1.3.3 fails at this
    wanted = ["Valid", "DET", "TRA", "LNK", "BC", *(["SEG"] if segmented else [])]
    with contextlib.redirect_stdout(io.StringIO()):
        found = evaluate_sequence(str(result), str(truth), metrics=wanted, threads=1)
    if not found["Valid"]:
        raise DatasetError(
            f"py-ctcmetrics says that {result} is not valid beside {truth}. Check that the tracks "
            "of man_track.txt are in its masks."
        )
    scores = {name: found.get(name) for name in SCORES} | {"division_f1": found["BC(0)"]}
    names = {"right": "tp", "invented": "fp", "missed": "fn"}
    divisions = {name: int(found[f"{key}_div(0)"]) for name, key in names.items()}
    return {
        **{name: None if value is None else float(value) for name, value in scores.items()},
        "divisions": divisions,
    }


def _of_nothing(truth: Path, segmented: bool) -> dict[str, Any]:
    """Scores of a result without any track: all is missed."""
    missed = divisions_of(read_track_lines(truth / TRACK_LINES)).count
    return {
        **dict.fromkeys(SCORES, 0.0),
        "SEG": 0.0 if segmented else None,
        "division_f1": 0.0 if missed else None,
        "divisions": {"right": 0, "invented": 0, "missed": missed},
    }


def evaluate_tracks(
    model: UNet,
    films: list[TrueFilm],
    *,
    precision: str = "float32",
    linking: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Follows the objects of films, and scores their tracks.

    Args:
        films: From `find_true_films`.
        precision: See `UNet.segment`.
        linking: Options of `unet_hf.tracking.link`; None: as `UNet.track` has them.
        progress: Called as `progress(done, frames)` after each frame of all films.

    Returns:
        "films", for each its name, counts and `track_scores`; "notes", what was inferred;
        "precision", "linking" as given, and "scored_by".

    Raises:
        ConfigError: py-ctcmetrics is not installed, or an option is not usable.
        DatasetError, ImageError: A film or its truth cannot be read.
    """
    check_ctcmetrics()
    total, before = sum(len(film.frames) for film in films), 0
    rows, notes = [], {}

    def tell(done: int, _: int) -> None:
        if progress:
            progress(before + done, total)

    for film in films:
        tracked = model.track(
            list(film.frames), precision=precision, linking=linking, progress=tell
        )
        notes |= dict.fromkeys(tracked.notes)
        with tempfile.TemporaryDirectory() as folder:
            scores = track_scores(tracked.tracks.save(Path(folder) / "result"), film.truth)
        rows.append(
            {
                "film": film.name,
                "frames": len(film.frames),
                "frames_with_masks": film.segmented,
                "objects": sum(len(frame.ids) for frame in tracked.tracks.frames),
                "tracks": len(tracked.tracks),
                **scores,
            }
        )
        before += len(film.frames)
    return {
        "films": rows,
        "notes": list(notes),
        "precision": precision,
        "linking": dict(linking or {}),
        "scored_by": f"py-ctcmetrics {version('py-ctcmetrics')}",
    }
