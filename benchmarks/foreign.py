"""Images that no checkpoint was trained for: `python -m benchmarks.foreign --data DIR`.

Each shipped checkpoint looks at the images of every data set below the folder, and at photographs
that scikit-image brings along. Of each set it prints the share that is told to be unlike the
checkpoint's training images, and at last how much of an image's time that takes.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unet_hf import UNet, read_image, shipped_checkpoints
from unet_hf.engine.scope import unlike_training
from unet_hf.images.image_data import ImageData

from .measuring import in_turns, ratios

# The validation images of each checkpoint's own training, and what others were trained on.
OWN = {
    "unet-isbi": "isbi2012",
    "unet-nuclei": "nuclei",
    "unet-phase": "phase",
    "unet-superalloy": "superalloy",
}
PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png",
    "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png",
    "motorcycle_left.png", "motorcycle_right.png", "page.png", "rocket.jpg", "text.png",
)  # fmt: skip
ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    models = {name: UNet.from_pretrained(name) for name in shipped_checkpoints()}
    missed = dict.fromkeys(models, (0, 0))
    alarms = dict(missed)
    print("set (images) | " + " | ".join(models))
    for split, files in sets_in(options.data).items():
        images = [read_image(path) for path in files]
        cells = []
        for name, model in models.items():
            unlike = [unlikeness(model, image) > 1 for image in images]
            cells.append(f"{100 * np.mean(unlike):.0f} %")
            seen, wrong = len(unlike), sum(unlike)
            if not split.startswith(f"{OWN[name]}/"):
                missed[name] = missed[name][0] + seen - wrong, missed[name][1] + seen
            elif split.endswith("/validation"):
                alarms[name] = alarms[name][0] + wrong, alarms[name][1] + seen
        print(f"{split} ({len(images)}) | " + " | ".join(cells), flush=True)
    for name in models:
        print(
            f"{name}: {missed[name][0]} of {missed[name][1]} images of other kinds missed, "
            f"{alarms[name][0]} of {alarms[name][1]} validation images told to be unlike"
        )
    print_cost(models)


def sets_in(data: Path) -> dict[str, list[Path]]:
    """The images of each split of each checkpoint's set, and the photographs."""
    found = {}
    for name in OWN.values():
        for split in ("train", "validation"):
            if files := sorted((data / name / split / "images").glob("*")):
                found[f"{name}/{split}"] = files
    return found | {"photographs": [*photographs()]}


def photographs() -> Iterator[Path]:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return (folder / name for name in PHOTOGRAPHS)


def unlikeness(model: UNet, image: ImageData) -> float:
    return unlike_training(model, model.preprocessing.prepare(image))


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
