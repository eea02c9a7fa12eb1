"""What simulated visitors teach a checkpoint with five strokes a class and image.

    python -m benchmarks.teaching --data FOLDER_OF_SETS --rows teaching.jsonl
    python -m benchmarks.teaching --rows teaching.jsonl --table

Each visitor paints images of the training split (`visitors.paint`), and what was learned is scored
on images of the validation split that nobody painted: mean IoU over all their pixels. Beside it:
the base as it was, the quick learner, and a random forest on plain filters, as ilastik has it, on
the same strokes (needs scikit-learn). A row that is in the file is not computed again.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import PIL.Image
import torch

from train.teaching.features import Features
from train.teaching.quick import QuickLearner
from train.teaching.strokes import raster
from train.teaching.student import known_classes
from train.teaching.teach import teach
from unet_hf import UNet, read_image

from .visitors import paint

Pair = tuple[Path, np.ndarray]  # an image, and its (H, W) uint8 class ids


@dataclass(frozen=True)
class Case:
    """One kind of visitor.

    base: The checkpoint to begin with. classes: Their names for them; None: the base's. kind: Of
    the images, as the data set tells them apart.
    """

    data: str
    base: str
    classes: tuple[str, ...] | None
    kind: str = ""


CASES = {
    "superalloy from nothing": Case("superalloy", "unet-isbi", ("matrix", "secondary", "tertiary")),
    "phase from unet-nuclei": Case("phase", "unet-nuclei", None),
    "membranes from unet-superalloy": Case("isbi2012", "unet-superalloy", ("membrane", "cell")),
    "stained tissue from unet-nuclei": Case("nuclei", "unet-nuclei", None, "stained"),
}


def read_pairs(root: Path, case: Case, split: str) -> list[Pair]:
    folder, pairs = root / case.data / split, []
    for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if case.kind in row.get("kind", ""):
            with PIL.Image.open(folder / row["mask_file_name"]) as mask:
                pairs.append((folder / row["file_name"], np.array(mask).astype(np.uint8)))
    return pairs


def mean_iou(predict: Callable[[Path], np.ndarray], pairs: Sequence[Pair]) -> float:
    """Over all pixels of all images."""
    counts = np.zeros((256, 256), np.int64)
    for path, truth in pairs:
        both = truth.astype(np.int64) * 256 + predict(path)
        counts += np.bincount(both.ravel(), minlength=65536).reshape(256, 256)
    shown = np.flatnonzero(counts.sum(1)[:255])
    inside = counts[shown, shown]
    return float(np.mean(inside / (counts.sum(1) + counts.sum(0) - np.diag(counts))[shown]))


def forest(painted: Sequence[tuple[Path, np.ndarray]]) -> Callable[[Path], np.ndarray]:
    """A random forest on scikit-image's filters of several scales."""
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    def features(path: Path) -> np.ndarray:
        pixels = read_image(path).pixels.astype(np.float32)
        pixels = (pixels - pixels.mean()) / pixels.std()
        return multiscale_basic_features(pixels, sigma_min=0.7, sigma_max=10, channel_axis=-1)

    known, truth = [], []
    for path, label in painted:
        known.append(features(path)[label != 255])
        truth.append(label[label != 255])
    learner = RandomForestClassifier(100, random_state=0, n_jobs=1)
    learner.fit(np.concatenate(known), np.concatenate(truth))

    def predict(path: Path) -> np.ndarray:
        found = features(path)
        return learner.predict(found.reshape(-1, found.shape[-1])).reshape(found.shape[:2])

    return predict


def visit(case: Case, root: Path, images: int, seed: int, tests: int, seconds: float) -> dict:
    """One visitor: a row of the table."""
    base = UNet.from_pretrained(case.base)
    train, test = read_pairs(root, case, "train"), read_pairs(root, case, "validation")[:tests]
    rng = np.random.default_rng(seed)
    chosen = [train[number] for number in rng.permutation(len(train))[:images]]
    painted = [(path, raster(paint(truth, rng), truth.shape)) for path, truth in chosen]
    names = list(case.classes or base.id2label.values())
    known = known_classes(base, names)
    row = {}
    if known:
        row["before"] = mean_iou(lambda path: base.segment(path).mask, test)
    row["forest"] = mean_iou(forest(painted), test)
    first, label = painted[0]
    quick = QuickLearner(Features(base, read_image(first)), known).learn(label, len(names))
    threshold = base.threshold if known and base.threshold is not None else 0.5
    mask = (quick[1] > threshold) if len(names) == 2 else quick.argmax(0)
    row["quick, its own image"] = mean_iou(lambda _: mask.astype(np.uint8), chosen[:1])
    began = time.process_time()
    taught = teach(base, painted, seconds=seconds, classes=names, seed=seed)
    row |= {
        "cpu_seconds": time.process_time() - began,
        "seconds": taught.seconds,
        "steps": taught.steps,
        "taught": mean_iou(lambda path: taught.model.segment(path).mask, test),
        "taught, its own image": mean_iou(lambda path: taught.model.segment(path).mask, chosen[:1]),
        "words": taught.judgement.words,
    }
    return row


def table(rows: Sequence[dict]) -> str:
    """Means over the seeds."""
    columns = ["before", "forest", "quick, its own image", "taught, its own image", "taught"]
    lines = [f"| visitor | images | seeds | {' | '.join(columns)} | steps | CPU s |"]
    lines.append("| --- " * (len(columns) + 5) + "|")
    for key in dict.fromkeys((row["case"], row["images"]) for row in rows):
        of = [row for row in rows if (row["case"], row["images"]) == key]
        cells = [
            f"{mean(row[name] for row in of):.3f}" if name in of[0] else "–" for name in columns
        ]
        cells += [f"{mean(row[name] for row in of):.0f}" for name in ("steps", "cpu_seconds")]
        lines.append(f"| {key[0]} | {key[1]} | {len(of)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with superalloy, phase, isbi2012, nuclei")
    parser.add_argument(
        "--rows", type=Path, required=True, help="file that keeps what was measured"
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--images", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=4, help="validation images")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a teaching")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print what is in the file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    if options.rows.exists():
        rows = [json.loads(line) for line in options.rows.read_text("utf-8").splitlines()]
    todo = [
        {"case": case, "images": images, "seed": seed}
        for seed in range(options.seeds)
        for case in options.cases
        for images in options.images
    ]
    for key in [] if options.table else todo:
        if any(all(row[name] == value for name, value in key.items()) for row in rows):
            continue
        found = visit(
            CASES[key["case"]], options.data, key["images"], key["seed"], options.tests,
            options.seconds,
        )  # fmt: skip
        rows.append(key | found)
        with options.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
