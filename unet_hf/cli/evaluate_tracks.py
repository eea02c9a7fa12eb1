"""`python -m unet_hf evaluate --tracks`: scores on films, as a table and as JSON."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..batch.progress import Progress
from ..data.options import public_name
from ..data.true_films import TrueFilm, find_true_films
from ..errors import ConfigError
from ..evaluation.relation import relation_to_training
from ..evaluation.tracks import SCORES, check_ctcmetrics, evaluate_tracks
from ..files import write_text
from ..hub.records import HASHES_KEY, CheckpointRecords, checkpoint_hashes
from .options import open_checkpoint

HEAD = ("film", "frames", "objects", *SCORES, "division F1", "divisions right, invented, missed")
NOT_FOR_FILMS = ("tta", "update_card", "create_pr", "streaming")


def evaluate_films(given: argparse.Namespace) -> int:
    """given: The options of `evaluate`."""
    if wrong := [name for name in NOT_FOR_FILMS if getattr(given, name)]:
        raise ConfigError(f"--{wrong[0]} is not for films: leave it out, or leave out --tracks.")
    if not given.dataset_name:
        raise ConfigError("Name the folder of the films: --dataset_name, which has 01 and 01_GT.")
    check_ctcmetrics()  # before a checkpoint is downloaded
    films = find_true_films(Path(given.dataset_name).expanduser())
    model, folder = open_checkpoint(given)
    linking = {} if given.divisions is None else {"divisions": given.divisions}
    with Progress(sum(len(film.frames) for film in films), "frame") as bar:

        def progress(done: int, _: int) -> None:
            while bar.done < done:
                bar.step()

        record = evaluate_tracks(
            model, films, precision=given.precision, linking=linking, progress=progress
        )
    name, known = public_name(given.dataset_name), CheckpointRecords.read(folder)
    for row, film in zip(record["films"], films, strict=True):
        row |= relation_to_training({"name": name, "split": film.split}, known)
    record = {"dataset": {"name": name}, **record, HASHES_KEY: checkpoint_hashes(folder)}
    print(film_table(record, films))
    if given.output:
        write_text(Path(given.output), json.dumps(record, indent=2) + "\n")
    return 0


def film_table(record: dict[str, Any], films: list[TrueFilm]) -> str:
    """The scores for a terminal, a row a film."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    rows = [
        [
            row["film"],
            str(row["frames"]),
            f"{row['objects']:,}",
            *(number(row[name]) for name in SCORES),
            number(row["division_f1"]),
            ", ".join(str(count) for count in row["divisions"].values()),
        ]
        for row in record["films"]
    ]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (HEAD, *rows)]
    for film in films:
        if film.segmented < len(film.frames):
            masks = (
                f"of {film.segmented} of its {len(film.frames)} frames"
                if film.segmented
                else ("of none: no frame has true masks")
            )
            lines.append(f"SEG of film {film.name} is {masks}")
    for row in record["films"]:
        if row["trained_on"]:
            lines.append(f"film {row['film']}: the checkpoint was trained on frames of it")
        elif row["chosen_on_this_split"]:
            lines.append(f"film {row['film']}: frames of it have chosen the checkpoint")
    lines += [f"note: {note}" for note in record["notes"]]
    lines.append(
        f"{len(films)} films of {record['dataset']['name']}; {record['precision']}; scored by "
        f"{record['scored_by']}"
    )
    return "\n".join(lines)
