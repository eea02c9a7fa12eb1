"""Makes sets of few training images out of a set, to learn what helps where few are labelled.

    python -m benchmarks.few_images data/phase --images 3 10 --output_dir few
    python -m benchmarks.recipe --sets few/phase-3 few/phase-10 --steps 120 --seeds 3 \\
        --variants "new network" --output_dir starts

The training images are drawn by a seed, those of `--images 3` among those of `--images 10`. The
validation split stays whole.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

LISTED = "metadata.jsonl"  # of imagefolder; each line names the files of one image


def draw(source: Path, images: int, seed: int, output: Path) -> Path:
    """Writes a data set with so many training images of `source`; returns its folder.

    Raises `SystemExit` if there are fewer images, or if the folder is there already.
    """
    lines = (source / "train" / LISTED).read_text("utf-8").splitlines()
    if len(lines) < images:
        raise SystemExit(f"{source} has {len(lines)} training images, not {images}.")
    chosen = [lines[number] for number in np.random.default_rng(seed).permutation(len(lines))]
    folder = output / f"{source.name}-{images}"
    if folder.exists():
        raise SystemExit(f"{folder} is there already. Remove it, or choose another --output_dir.")
    others = shutil.ignore_patterns("train", "validation")
    shutil.copytree(source, folder, ignore=others)
    shutil.copytree(source / "validation", folder / "validation")
    for line in chosen[:images]:
        for column, name in json.loads(line).items():
            if column.endswith("file_name"):
                target = folder / "train" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / "train" / name, target)
    (folder / "train" / LISTED).write_text("\n".join(chosen[:images]) + "\n", "utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a folder with train and validation")
    parser.add_argument("--images", type=int, nargs="+", required=True, help="of each new set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output_dir", type=Path, required=True)
    given = parser.parse_args()
    for images in given.images:
        print(draw(given.source, images, given.seed, given.output_dir))


if __name__ == "__main__":
    main()
