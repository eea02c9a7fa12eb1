"""Reports a training: its plan, the remaining time, pictures of its predictions."""

import importlib.util
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import LabelledData
from unet_hf.data.pairs import Pair
from unet_hf.errors import ConfigError
from unet_hf.files import write_atomically
from unet_hf.images.reading import read_image
from unet_hf.predict.overlay import draw_overlay, to_display
from unet_hf.words import number_of

from .checks.inspection import Inspection, looked_at_words
from .checks.objects import describe_objects
from .config import TrainingConfig
from .optimization import warmup_steps
from .plan.planner import TrainingPlan

PICTURED = 3  # validation images whose predictions are drawn


def plan(
    config: TrainingConfig,
    data: LabelledData,
    inspection: Inspection,
    model: UNet,
    size: int,
    planned: TrainingPlan,
    device: object,
    precision: str,
    processes: int,
    start: int,
) -> str:
    """Describes, before anything is computed, what was inferred and what will be done."""
    counts = inspection.counts(data.num_classes)
    shares = ", ".join(
        f"{name} {share:.1%}"
        for name, share in zip(data.id2label.values(), counts / max(counts.sum(), 1), strict=True)
    )
    parameters = sum(weight.numel() for weight in model.parameters())
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    frozen = "" if trained == parameters else f", {parameters - trained:,} of them frozen"
    origin = config.start or f"new, {config.preset}"
    crops = config.crops_per_process * processes
    sides = sorted({(facts.height, facts.width) for facts in inspection.train if not facts.error})
    kinds = ", ".join(sorted({facts.dtype for facts in inspection.train if not facts.error}))
    small, large = sides[0], sides[-1]
    span = f"{small[0]} x {small[1]}" + (f" to {large[0]} x {large[1]}" if len(sides) > 1 else "")
    epochs = ""
    if inspection.train_total is not None:
        count = round(config.max_train_steps * crops / crops_an_epoch(inspection, size))
        epochs = f" ({number_of(count, 'epoch')})"
    rows = [
        ("data", config.dataset_name),
        *(("", finding) for finding in data.findings),
        ("train", f"{data.train_name}: "
                  f"{looked_at_words(len(inspection.train), inspection.train_total)}, "
                  f"{span} px, {inspection.channels} x {kinds}"),
        *(("", f"read: {note}") for note in inspection.notes()),
        ("", f"shares: {shares}"),
        *(("objects" * (not number), line)
          for number, line in enumerate(describe_objects(data, inspection, config.objects))),
        ("evaluate", f"{data.validation_name}: " + (
            looked_at_words(len(inspection.validation), inspection.validation_total)
            if inspection.validation_total != 0 else "no image is left; the folds were scored")),
        *(("plan" * (not number), line) for number, line in enumerate(planned.lines())),
        ("network", f"{origin}: {parameters:,} parameters ({4 * parameters / 1e6:.1f} MB){frozen}"),
        ("training", f"{number_of(config.max_train_steps, 'step')} of {number_of(crops, 'crop')} "
                     f"of {size} x {size} px{epochs}, "
                     f"{processes} process{'es' * (processes > 1)} on {device}, "
                     f"precision {precision}"),
        ("", f"{config.optimizer}, learning rate {config.learning_rate:g}, {config.lr_scheduler} "
             f"after {number_of(warmup_steps(config), 'step')} of warm-up; {config.loss}, border "
             f"weight {config.border_weight:g}, class balance {config.class_balance}"),
    ]  # fmt: skip
    if start:
        rows.append(("", f"goes on after step {start}"))
    return "\n".join(f"{head:<10}{text}" for head, text in rows)


def crops_an_epoch(inspection: Inspection, size: int) -> float:
    """Number of crops that cover the area of every image once; a stream counts as what was seen."""
    areas = [max(facts.area / size**2, 1.0) for facts in inspection.train if not facts.error]
    return float(np.mean(areas)) * (inspection.train_total or len(areas))


class DataWait:
    """Measures how long the network waits for its data; used as a context of the waiting."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Starts again from zero."""
        self.waited = 0.0
        self.since = self.start = time.perf_counter()

    def __enter__(self) -> None:
        self.entered = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.waited += time.perf_counter() - self.entered

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return max(time.perf_counter() - self.start, 1e-9)

    def restart(self) -> None:
        """Starts a new share, without the time of evaluations and checkpoints."""
        self.waited, self.since = 0.0, time.perf_counter()

    def share(self) -> float:
        """Share of the time since the last `restart` that was spent waiting, 0 to 1."""
        return round(self.waited / max(time.perf_counter() - self.since, 1e-9), 4)


def time_left(pace: float, steps: int) -> str:
    """Estimates in words the time for the remaining steps. pace: steps a second."""
    minutes = steps / pace / 60
    amount = f"{minutes / 60:.1f} hours" if minutes > 90 else f"{max(minutes, 0.1):.1f} minutes"
    return f"about {amount} for what remains, {number_of(steps, 'step')}, evaluations not counted"


def write_samples(path: Path, model: UNet, pairs: Iterable[Pair]) -> None:
    """Draws a row for each pair: image, label, prediction. Pixels without a label stay gray."""
    rows, colors = [], model.config["colors"]
    for pair in pairs:
        image = to_display(pair.image)
        unknown = pair.label == IGNORE
        truth = np.asarray(draw_overlay(image, np.where(unknown, 0, pair.label), colors, 0.5))
        truth = np.where(unknown[..., None], image, truth)
        predicted = np.asarray(model.segment(pair.image).overlay(0.5).convert("RGB"))
        rows.append(np.hstack([image, truth, predicted]))
    path.parent.mkdir(parents=True, exist_ok=True)
    width = max(row.shape[1] for row in rows)
    margins = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in rows]
    padded = [
        np.pad(row, margin, constant_values=255) for row, margin in zip(rows, margins, strict=True)
    ]
    picture = PIL.Image.fromarray(np.vstack(padded))
    write_atomically(path, picture.save)


def check_tracker(name: str | None) -> None:
    """Checks that the package for `--report_to` is installed. Raises `ConfigError`."""
    if name is not None and importlib.util.find_spec(name) is None:
        raise ConfigError(f"--report_to {name} needs a package: `pip install {name}`.")


def check_sample_image(image: str | None) -> None:
    """Checks that the sample image can be read, before hours of training. Raises `ImageError`."""
    if image is not None:
        read_image(image)


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """Flattens the numbers of a row of metrics for trackers, without the step."""
    flat: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}/{name}": number for name, number in scalars(value).items()}
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and key != "step":
            flat[key] = value
    return flat
