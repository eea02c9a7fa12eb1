"""What simulated visitors teach a checkpoint with five strokes a class and image.

    python -m benchmarks.teaching --data FOLDER_OF_SETS --rows teaching.jsonl
    python -m benchmarks.teaching --rows teaching.jsonl --table
    python -m benchmarks.teaching --data FOLDER_OF_SETS --forgetting

Each visitor paints images of the training split (`visitors.paint`), anywhere or, as in the page,
where what they see is wrong; they teach after the first, the third and the fifth image. What was
learned is scored on images of the validation split that nobody painted: mean IoU over all their
pixels. Beside it, from the same strokes: the base as it was, the quick learner, and a random forest
on plain filters, as ilastik has it. A row that is in the file is not computed again.
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

from train.teaching.features import features_of
from train.teaching.quick import learn
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
    # --fluorescence: a checkpoint that has seen no stained tissue
    "stained tissue from fluorescence": Case("nuclei", "", None, "stained"),
}
# The shipped checkpoint of each set: full supervision.
FULL = {
    "superalloy": "unet-superalloy",
    "phase": "unet-phase",
    "isbi2012": "unet-isbi",
    "nuclei": "unet-nuclei",
}
TEACHES_AFTER = (1, 3, 5)  # images
MANNERS = ("anywhere", "what is wrong")  # that visitors paint


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


def masks_of(model: UNet) -> Callable[[Path], np.ndarray]:
    return lambda path: model.segment(path).mask


def forest(painted: Sequence[tuple[Path, np.ndarray]]) -> Callable[[Path], np.ndarray]:
    """A random forest on scikit-image's filters of several scales, (H, W) class ids of an image."""
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


def quick(
    base: UNet, painted: Sequence[tuple[Path, np.ndarray]], known: int, classes: int
) -> Callable[[Path], np.ndarray]:
    """The learner that answers strokes at once, here on images without any."""
    seen = [(features_of(base, read_image(path)), label) for path, label in painted]
    learned = learn(seen, known, classes)
    threshold = base.threshold if known and base.threshold is not None else 0.5

    def predict(path: Path) -> np.ndarray:
        found = learned.probabilities(features_of(base, read_image(path)))
        return (found[1] > threshold).astype(np.uint8) if classes == 2 else found.argmax(0)

    return predict


def visit(
    case: Case, base: UNet, root: Path, manner: str, seed: int, tests: int, seconds: float
) -> list[dict]:
    """One visitor: a row of the table for each teaching."""
    train, test = read_pairs(root, case, "train"), read_pairs(root, case, "validation")[:tests]
    rng = np.random.default_rng(seed)
    chosen = [train[number] for number in rng.permutation(len(train))[: TEACHES_AFTER[-1]]]
    names = list(case.classes or base.id2label.values())
    known = known_classes(base, names)
    before = {"before": mean_iou(masks_of(base), test)} if known else {}
    now = base if known else None
    painted, rows = [], []
    for number, (path, truth) in enumerate(chosen, 1):
        shown = None
        if manner == "what is wrong" and now is not None:
            shown = now.segment(path).mask
        painted.append((path, raster(paint(truth, rng, shown=shown), truth.shape)))
        if number not in TEACHES_AFTER:
            continue
        began = time.process_time()
        taught = teach(base, painted, seconds=seconds, classes=names, seed=seed)
        now = taught.model
        row = {
            "images": number,
            "cpu_seconds": time.process_time() - began,
            "seconds": taught.seconds,
            "steps": taught.steps,
            "taught": mean_iou(masks_of(now), test),
            "words": taught.judgement.words,
        }
        rows.append(row | before)
        # As many strokes for all; only what is shown for the next image differs.
        rows[-1]["forest"] = mean_iou(forest(painted), test)
        rows[-1]["quick"] = mean_iou(quick(base, painted, known, len(names)), test)
    return rows


def forgetting(root: Path, seed: int, seconds: float) -> dict:
    """`unet-nuclei`, taught on one stained image: its scores on all kinds of validation images."""
    base, rng = UNet.from_pretrained("unet-nuclei"), np.random.default_rng(seed)
    every = Case("nuclei", "unet-nuclei", None)
    stained = CASES["stained tissue from fluorescence"]
    train, test = read_pairs(root, stained, "train"), read_pairs(root, every, "validation")
    path, truth = train[rng.integers(len(train))]
    shown = base.segment(path).mask
    strokes = raster(paint(truth, rng, shown=shown), truth.shape)
    taught = teach(base, [(path, strokes)], seconds=seconds, seed=seed).model
    return {
        "seed": seed,
        "before": mean_iou(masks_of(base), test),
        "after": mean_iou(masks_of(taught), test),
        "this image, before": mean_iou(masks_of(base), [(path, truth)]),
        "after, this image": mean_iou(masks_of(taught), [(path, truth)]),
    }


def full_supervision(case: Case, root: Path, tests: int) -> float:
    """The shipped checkpoint that was trained on all masks of the training split."""
    model = UNet.from_pretrained(FULL[case.data])
    test = read_pairs(root, case, "validation")[:tests]
    return mean_iou(masks_of(model), test)


def table(rows: Sequence[dict]) -> str:
    """Means over the seeds, and the lowest and highest of what was taught."""
    columns = ["before", "forest", "quick", "taught"]
    heads = ["visitor", "paints", "images", "seeds", *columns, "of the way", "steps", "CPU s"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for key in dict.fromkeys((row["case"], row["manner"], row["images"]) for row in rows):
        of = [row for row in rows if (row["case"], row["manner"], row["images"]) == key]
        means = {
            name: mean(row[name] for row in of)
            for name in (*columns, "full", "steps", "cpu_seconds")
            if name in of[0]
        }
        cells = [f"{means[name]:.3f}" if name in means else "–" for name in columns]
        taught = [row["taught"] for row in of]
        cells[-1] += f" ({min(taught):.3f}–{max(taught):.3f})"
        start = means.get("before", 0)
        cells.append(f"{(means['taught'] - start) / (means['full'] - start):.0%}")
        cells += [f"{means[name]:.0f}" for name in ("steps", "cpu_seconds")]
        lines.append(f"| {' | '.join(map(str, key))} | {len(of)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with superalloy, phase, isbi2012, nuclei")
    parser.add_argument(
        "--rows",
        type=Path,
        default=Path("teaching.jsonl"),
        help="file that keeps what was measured",
    )
    parser.add_argument("--fluorescence", help="checkpoint that has seen no stained tissue")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--manners", nargs="+", choices=MANNERS, default=list(MANNERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tests", type=int, default=8, help="validation images, at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a teaching")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--forgetting", action="store_true", help="only what unet-nuclei loses by one stained image"
    )
    parser.add_argument("--table", action="store_true", help="only print what is in the file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.forgetting:
        for seed in options.seeds:
            print(forgetting(options.data, seed, options.seconds), flush=True)
        return
    rows = []
    if options.rows.exists():
        rows = [json.loads(line) for line in options.rows.read_text("utf-8").splitlines()]
    todo = [
        {"case": case, "manner": manner, "seed": seed}
        for seed in options.seeds
        for case in options.cases
        for manner in options.manners
    ]
    for key in [] if options.table else todo:
        if any(all(row[name] == value for name, value in key.items()) for row in rows):
            continue
        case = CASES[key["case"]]
        if not (case.base or options.fluorescence):
            parser.error(f'"{key["case"]}" needs --fluorescence CHECKPOINT')
        found = visit(
            case, UNet.from_pretrained(case.base or options.fluorescence), options.data,
            key["manner"], key["seed"], options.tests, options.seconds,
        )  # fmt: skip
        full = full_supervision(case, options.data, options.tests)
        with options.rows.open("a", encoding="utf-8") as file:
            for row in found:
                rows.append(key | row | {"full": full})
                file.write(json.dumps(rows[-1]) + "\n")
                print(rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
