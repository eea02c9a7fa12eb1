"""Images that no checkpoint was trained for: `python -m benchmarks.foreign --data DIR`.

Each shipped checkpoint looks at the images of every checkpoint's data set below the folder, and at
pictures that scikit-image brings along. Of each set it prints the share that is told to be unlike
the checkpoint's training images, and how far the nearest one is from them, in units of the limit.
Where the checkpoint's own training images are there, it counts the validation images that would be
beyond a limit from these alone, which has seen no validation image. At last it prints how much of
an image's time all that takes.
"""

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import skimage

from unet_hf import UNet, read_image, shipped_checkpoints
from unet_hf.engine.scope import describe_image, fit_scope, unlike_training
from unet_hf.hub.find import SHIPPED
from unet_hf.hub.layout import SCOPE_NAME

from .measuring import in_turns, ratios

PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png",
    "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png",
    "motorcycle_left.png", "motorcycle_right.png", "page.png", "rocket.jpg", "text.png",
)  # fmt: skip
# Of `photographs` these were left aside when the description was chosen.
LEFT_ASIDE = (
    "cell.png", "chessboard_GRAY.png", "chessboard_RGB.png", "color.png", "horse.png", "ihc.png",
    "logo.png", "microaneurysms.png", "multipage.tif", "multipage_rgb.tif", "phantom.png",
    "retina.jpg",
)  # fmt: skip
ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    models = {name: UNet.from_pretrained(name) for name in shipped_checkpoints()}
    own = {name: set_of(name) for name in models}
    sets = sets_in(options.data, own.values())
    for name, model in models.items():
        print(f"{name}\n set | images | unlike | nearest")
        seen = {split: descriptions(model, files) for split, files in sets.items()}
        missed = others = 0
        for split, found in seen.items():
            distances = model.scope.distances(found) / model.scope.limit
            beyond = int((distances > 1).sum())
            print(f" {split} | {len(found)} | {beyond} | {distances.min():.2f}", flush=True)
            if not split.startswith(f"{own[name]}/"):
                missed, others = missed + len(found) - beyond, others + len(found)
        print(f"{name}: {missed} of {others} images of other kinds missed")
        training, validation = (seen.get(f"{own[name]}/{one}") for one in ("train", "validation"))
        if training is not None and validation is not None:
            alone = fit_scope(training, validation[:0])
            beyond = int((alone.distances(validation) > alone.limit).sum())
            print(
                f"{name}: {beyond} of {len(validation)} validation images beyond a limit from the "
                "training images alone"
            )
    print_cost(models)


def set_of(name: str) -> str:
    """The name of the folder with a shipped checkpoint's own data set."""
    record = json.loads((SHIPPED / name / SCOPE_NAME).read_text(encoding="utf-8"))
    return Path(record["dataset"]["name"]).name


def sets_in(data: Path, names: Iterable[str]) -> dict[str, list[Path]]:
    """The images of each split of each checkpoint's set, and those of scikit-image."""
    found = {}
    for name in names:
        for split in ("train", "validation"):
            if files := sorted((data / name / split / "images").glob("*")):
                found[f"{name}/{split}"] = files
            else:
                print(f"{data / name / split / 'images'} has no images: left out")
    folder = Path(skimage.__file__).parent / "data"
    pictures = {"photographs": PHOTOGRAPHS, "other pictures": LEFT_ASIDE}
    return found | {
        title: [path for one in files if (path := folder / one).is_file()]
        for title, files in pictures.items()
    }


def descriptions(model: UNet, files: Iterable[Path]) -> np.ndarray:
    prepared = (model.preprocessing.prepare(read_image(path)) for path in files)
    return np.stack([describe_image(model, one) for one in prepared])


def print_cost(models: dict[str, UNet]) -> None:
    """Of a whole `segment`, 512 x 512; the description alone against all of it."""
    for name, model in models.items():
        channels = model.config["in_channels"]
        pixels = np.random.default_rng(0).integers(0, 256, (512, 512, channels), dtype=np.uint8)
        image = read_image(pixels)
        prepared = model.preprocessing.prepare(image)
        ways = {
            "scope": lambda model=model, prepared=prepared: unlike_training(model, prepared),
            "segment": lambda model=model, image=image: model.segment(image),
        }
        times = in_turns(ways, ROUNDS)
        share = statistics.median(ratios(times["scope"], times["segment"]))
        print(f"{name}: {100 * share:.1f} % of the time of `segment`, 512 x 512")


if __name__ == "__main__":
    main()
