"""A short training for each kind of drawn film: `python -m benchmarks.film_training`.

The default command learns from some films, in the layout of the Cell Tracking Challenge, as long as
`--time_budget` says. `track` then follows the cells of a film with another seed. It is scored by
py-ctcmetrics (`pip install py-ctcmetrics==1.3.3`), beside linking by overlap alone of the same
objects. Trainings are left in `--output`, and one that is there already is not done again.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from demo.synthetic import Film, film
from unet_hf import UNet

from .measuring import on_this_machine, table
from .tracking import HEAD, LOOKS, Case, link_by_overlap, rows_of, save_truth

TRAINING, HELD_OUT = range(1, 6), 100  # seeds; the last of the training's films validates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for films and trainings")
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--time_budget", default="10m", help="of each training")
    parser.add_argument("--frames", type=int, default=40, help="of each film")
    options = parser.parse_args()
    rows: list[list[str]] = []
    for look in options.looks:
        folder = options.output / look
        if not (folder / "trained" / "model.safetensors").is_file():
            train(look, folder, options.time_budget, options.frames)
        rows += follow(look, folder / "trained", options.frames)
    print(table(HEAD[:-1], [row[:-1] for row in rows]))  # nothing was timed
    print(f"\n{on_this_machine()}")


def train(look: str, folder: Path, time_budget: str, frames: int) -> None:
    films = folder / "films"
    shutil.rmtree(films, ignore_errors=True)
    for number, seed in enumerate(TRAINING, 1):
        drawn = film(look, frames=frames, seed=seed)
        save_film(drawn, films / f"{number:02d}")
    command = [sys.executable, "-m", "train", "--dataset_name", str(films)]
    command += ["--output_dir", str(folder / "trained"), "--time_budget", time_budget]
    subprocess.run(command, check=True)


def follow(look: str, trained: Path, frames: int) -> Iterator[list[str]]:
    """Yields a row of the table for each way of linking what the network finds."""
    drawn = film(look, frames=frames, seed=HELD_OUT)
    tracked = UNet.from_pretrained(trained).track(drawn.frames)
    labels = np.stack([np.asarray(frame) for frame in tracked.tracks.labels])
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "film_GT"
        save_truth(drawn, truth)
        case = Case(f"{look}, trained on others", labels, truth)
        ways = {"track": lambda _: tracked.tracks, "overlap alone": link_by_overlap}
        yield from rows_of(case, ways, Path(folder))


def save_film(drawn: Film, folder: Path) -> None:
    """Writes frames as 01/t000.tif ..., and their truth as 01_GT."""
    import tifffile

    folder.mkdir(parents=True)
    for index, frame in enumerate(drawn.frames):
        tifffile.imwrite(folder / f"t{index:03d}.tif", frame)
    save_truth(drawn, folder.with_name(f"{folder.name}_GT"))


if __name__ == "__main__":
    main()
