"""Linking beside linking by overlap alone: `python -m benchmarks.tracking`.

Both get the same objects of each frame and are scored by py-ctcmetrics, which has the measures of
the Cell Tracking Challenge (`pip install py-ctcmetrics==1.3.3`). Without `--data`, the films are
drawn: true masks, and masks with faults as a network makes them. With it, the folder has the
layout of the challenge, `01` and `01_GT/TRA`, and the objects are those of the truth, or the masks
of `--masks`. With `--model`, a checkpoint finds the objects of a drawn film.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo.synthetic import Film, film
from unet_hf import UNet
from unet_hf.evaluation.tracks import SCORES, track_scores
from unet_hf.tracking import FrameObjects, Tracks, link
from unet_hf.tracking.cells import cells_of, overlaps

from .measuring import clock, on_this_machine, table

LOOKS = ("fluorescence", "phase", "dic")
FAULTS = 0.03  # share of the objects that are missing, and of those that swallow a neighbour
HEAD = ("film", "objects", "linked by", *SCORES, "division F1",
        "divisions right, invented, missed", "s per frame")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """A film to link. labels: (T, H, W) objects; truth: its folder `.._GT`."""

    name: str
    labels: np.ndarray
    truth: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder with 01, 01_GT and perhaps 02, 02_GT")
    parser.add_argument(
        "--masks", type=Path, help="a folder of TIFFs to link in place of the truth"
    )
    parser.add_argument(
        "--model", help="link what this checkpoint finds in a drawn fluorescence film"
    )
    parser.add_argument("--divisions", type=float, default=0.02, help="as `link` has it")
    parser.add_argument("--frames", type=int, default=40, help="of each drawn film")
    options = parser.parse_args()
    ways: dict[str, Callable[[np.ndarray], Tracks]] = {
        "link": lambda labels: link(labels, divisions=options.divisions),
        "overlap alone": link_by_overlap,
    }
    with tempfile.TemporaryDirectory() as folder:
        if options.model:
            cases = found_case(options.model, Path(folder), options.frames)
        elif options.data:
            cases = real_cases(options.data, options.masks)
        else:
            cases = drawn_cases(Path(folder), options.frames)
        rows = [row for case in cases for row in rows_of(case, ways, Path(folder))]
    print(table(HEAD, rows))
    print(f"\n{on_this_machine()}")


def rows_of(
    case: Case, ways: dict[str, Callable[[np.ndarray], Tracks]], folder: Path
) -> Iterator[list[str]]:
    """Yields a row of the table for each way."""
    for name, way in ways.items():
        found: list[Tracks] = []
        seconds = clock(lambda way=way, found=found: found.append(way(case.labels)))
        result = track_scores(found[0].save(folder / "result"), case.truth)
        objects = sum(len(frame.ids) for frame in found[0].frames)
        yield [
            case.name,
            f"{objects:,}",
            name,
            *("-" if result[one] is None else f"{result[one]:.4f}" for one in SCORES),
            "-" if result["division_f1"] is None else f"{result['division_f1']:.3f}",
            ", ".join(str(count) for count in result["divisions"].values()),
            f"{seconds / len(case.labels):.3f}",
        ]


# ------------------------------------------------------------------------------------- films


def drawn_cases(folder: Path, frames: int) -> Iterator[Case]:
    kinds: dict[str, dict[str, Any]] = {
        "": {},
        ", no divisions": {"life": None, "cells": 24},
        ", twice as fast": {"speed": 2},
        ", shaken by 8 px": {"shake": 8},
    }
    for look in LOOKS:
        for name, options in kinds.items():
            drawn = film(look, frames=frames, seed=100, **options)
            truth = folder / f"{look}{name}_GT"
            save_truth(drawn, truth)
            yield Case(f"{look}{name}", drawn.labels, truth)
            if not name:
                yield Case(f"{look}, masks with faults", with_faults(drawn.labels), truth)


def found_case(model: str, folder: Path, frames: int) -> Iterator[Case]:
    drawn = film("fluorescence", frames=frames, seed=100)
    save_truth(drawn, folder / "fluorescence_GT")
    network = UNet.from_pretrained(model)
    found = [network.segment(frame).objects().labels for frame in drawn.frames]
    yield Case(f"fluorescence, found by {model}", np.stack(found), folder / "fluorescence_GT")


def save_truth(drawn: Film, folder: Path) -> None:
    """Writes the truth of a film as the challenge does: `TRA`, and `SEG` with the same masks."""
    import tifffile

    for part, prefix in (("TRA", "man_track"), ("SEG", "man_seg")):
        (folder / part).mkdir(parents=True)
        for index, frame in enumerate(drawn.labels):
            path = folder / part / f"{prefix}{index:03d}.tif"
            tifffile.imwrite(path, frame.astype(np.uint16), compression="zlib")
    np.savetxt(folder / "TRA" / "man_track.txt", drawn.tracks, "%d")


def with_faults(labels: np.ndarray) -> np.ndarray:
    """Leaves out objects, and merges others with a neighbour that they touch."""
    from scipy.ndimage import grey_dilation

    random, spoiled = np.random.default_rng(0), labels.copy()
    for frame in spoiled:
        for index in np.unique(frame[frame > 0]).tolist():
            fate = random.random()
            if fate < FAULTS:
                frame[frame == index] = 0
            elif fate < 2 * FAULTS:
                beside = frame[grey_dilation(frame == index, 5) & (frame != index) & (frame > 0)]
                if len(beside):
                    frame[frame == beside[0]] = index
    return spoiled


def real_cases(data: Path, masks: Path | None) -> Iterator[Case]:
    import tifffile

    truths = sorted(path for path in data.glob("*_GT") if (path / "TRA").is_dir())
    if not truths:
        raise SystemExit(f"{data} has no folder like 01_GT/TRA. Give the challenge's layout.")
    for truth in truths:
        files = sorted((masks or truth / "TRA").glob("*.tif"))
        labels = np.stack([tifffile.imread(file) for file in files])
        name = f"{truth.name.removesuffix('_GT')}, {'masks given' if masks else 'true masks'}"
        yield Case(name, labels, truth)


# --------------------------------------------------------------------------------- the rival


def link_by_overlap(labels: np.ndarray) -> Tracks:
    """Gives each object the track of the object before that it shares most pixels with.

    Where two or more share most with the same one, that one has divided.
    """
    rows: list[list[int]] = []  # parent, first, last
    frames: list[FrameObjects] = []
    before, tracks_before = cells_of(labels[0][:0]), np.zeros(0, np.int64)
    for index, frame in enumerate(labels):
        cells = cells_of(frame)
        best = np.full(len(cells), -1)
        source, target, shared = overlaps(cells, before, frame.shape)
        order = np.argsort(shared, kind="stable")
        best[source[order]] = target[order]  # the largest is the last
        heirs = np.bincount(best[best >= 0], minlength=len(before))
        tracks = np.zeros(len(cells), np.int64)
        for cell, old in enumerate(best.tolist()):
            if old >= 0 and heirs[old] == 1:
                tracks[cell] = tracks_before[old]
                rows[tracks[cell] - 1][2] = index
            else:
                rows.append([int(tracks_before[old]) if old >= 0 else 0, index, index])
                tracks[cell] = len(rows)
        frames.append(FrameObjects(cells.ids, tracks, cells.areas, cells.centers))
        before, tracks_before = cells, tracks
    parent, first, last = np.array(rows, np.int64).reshape(-1, 3).T
    ids = np.arange(1, len(rows) + 1)
    return Tracks(ids, parent, first, last, tuple(frames), labels.shape[1:], labels)


if __name__ == "__main__":
    main()
