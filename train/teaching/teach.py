"""`teach`: a checkpoint learns from strokes, within a minute, and forgets nothing on the way.

What is painted is learned by partial cross-entropy, and everywhere else the network is held to what
it said before (self-distillation). A teaching always begins with the base and learns from all
strokes there are, so that nothing drifts from one to the next.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from unet_hf import Segmentation, UNet
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.engine.precision import cpu_has
from unet_hf.errors import ConfigError
from unet_hf.images.reading import ImageSource
from unet_hf.network.network import center_crop

from ..crops.augmentation import Augmentation
from ..kernels.forward import use_fast_kernels
from ..model import crop_size
from ..optimization import moving_average
from .first_head import fit_head
from .frequency import shift_by_frequency
from .judging import Judgement, choose_threshold, judge
from .lesson import Lesson
from .losses import anchor_loss, maps_anchor_loss, painted_loss, share_right
from .pictures import Part, StrokeCrops, prepare_parts
from .pieces import find_pieces, keep_aside, without
from .strokes import Stroke, raster, read_strokes
from .student import known_classes, new_student
from .tutor import Held, Tutor

MEASURED = 4  # steps, after a first one, from which it is foreseen how many the time suffices for
FORESEEN = 8  # steps, after each of which it is foreseen anew, until three quarters are made
# Of two classes, the threshold after a guess, which is learned as probabilities. One that is chosen
# by the few painted pixels, which are learned by heart, changed mean IoU on other images by -0.031,
# -0.005, +0.003 and +0.004 in four teachings.
GUESSED_AT = 0.5

# report(steps done, steps in all, loss of the last one); what it raises ends the teaching
Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Taught:
    """What a teaching gave.

    model: The taught network, also if `judgement.is_worse`.
    before, after: What the two networks say of each image.
    steps: Steps that were made. seconds: All that it took. losses: Of each step.
    """

    model: UNet
    judgement: Judgement
    before: list[Segmentation] = field(repr=False)
    after: list[Segmentation] = field(repr=False)
    steps: int
    seconds: float
    losses: list[float] = field(repr=False)


def teach(
    model: UNet,
    painted: Sequence[tuple[ImageSource, Any]],
    *,
    seconds: float = 60.0,
    classes: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    lesson: Lesson | None = None,
    seed: int = 0,
    progress: Report | None = None,
) -> Taught:
    """Fine-tunes a copy of a checkpoint on what is painted on some images.

    Args:
        model: The base. It is not changed.
        painted: An image, as `UNet.segment` takes it, and its strokes: a list of `Stroke` or of
            what `read_strokes` reads, or (H, W) uint8 with a class id where something is painted
            and 255 elsewhere.
        seconds: The teaching takes about so long at most.
        classes: Names of the classes. None: the base's. See `new_student`.
        colors: "#rrggbb" of each class.
        lesson: How it learns. None: gently, if that leads to what is painted; see `Tutor`.
        seed: Of the crops, and of what is kept aside.
        progress: Called after each step.

    Raises:
        ConfigError: Nothing is painted, or not at least two classes (one, if the base tells the
            others), or something cannot be read; the message says what.
        ImageError: An image cannot be read or does not fit.
    """
    began = time.monotonic()
    student = new_student(model, classes, colors)
    before = [model.segment(image) for image, _ in painted]
    predicting = time.monotonic() - began
    labels = [
        as_label(strokes, result.mask.shape, student.config["num_classes"])
        for (_, strokes), result in zip(painted, before, strict=True)
    ]
    known = known_classes(model, list(student.id2label.values()))
    _check_painted(labels, student, known)
    pieces = [piece for number, label in enumerate(labels) for piece in find_pieces(label, number)]
    aside = keep_aside(pieces, seed)
    learned = [
        without(label, [piece for piece in aside if piece.image == number])
        for number, label in enumerate(labels)
    ]
    parts = [
        part
        for result, label in zip(before, learned, strict=True)
        for part in prepare_parts(student, result, label)
    ]
    can_guess = student.geometry.padding == "same"
    tutor = Tutor(lesson, known, student.config["num_classes"], can_guess)
    if tutor.is_far(parts):
        parts = tutor.hold_to_both(model, parts, student.config["num_classes"])
    if not known and can_guess:
        fit_head(student, parts)
        parts = tutor.hold_to_guess(model, parts, student.config["num_classes"])
    left = seconds - 3 * predicting  # before, after, and after `shift_by_frequency`
    begun = {name: value.clone() for name, value in student.state_dict().items()}
    taught, losses = _learn(model, student, parts, tutor, seed, began + left, progress)
    if known:
        _go_back(taught, begun, tutor.lesson.share)
    after = [taught.segment(result.image) for result in before]
    if tutor.is_guessed:
        shift_by_frequency(taught, after)
        after = [taught.segment(result.image) for result in before]
    if taught.config["num_classes"] == 2:
        if tutor.is_guessed:
            taught.config["threshold"] = GUESSED_AT
        elif known and tutor.lesson.keeps_threshold:
            taught.config["threshold"] = model.threshold
        else:
            start = model.threshold if known else None
            taught.config["threshold"] = choose_threshold(after, learned, start)
        after = [result.with_threshold(taught.threshold) for result in after]
    judgement = judge(before if known else None, after, labels, aside)
    return Taught(taught, judgement, before, after, len(losses), time.monotonic() - began, losses)


def as_label(strokes: Any, size: tuple[int, int], classes: int) -> np.ndarray:
    """What is painted, (H, W) uint8. Raises `ConfigError`."""
    if isinstance(strokes, np.ndarray):
        if strokes.shape != size or strokes.dtype != np.uint8:
            raise ConfigError(
                f"The strokes are {strokes.shape} {strokes.dtype}, the image is {size}. Expected: "
                "uint8 of the image's height and width, 255 where nothing is painted."
            )
        most = int(strokes[strokes != IGNORE].max(initial=0))
        if most >= classes:
            raise ConfigError(f"Class {most} is painted; there are the classes 0 to {classes - 1}.")
        return strokes
    if strokes and isinstance(strokes[0], Stroke):
        return raster(strokes, size)
    return raster(read_strokes(strokes, classes), size)


def _check_painted(labels: Sequence[np.ndarray], student: UNet, known: int) -> None:
    shown = sorted(set().union(*(np.unique(label).tolist() for label in labels)) - {IGNORE})
    names = student.id2label
    if not shown:
        raise ConfigError("Nothing is painted yet. Paint a few strokes first.")
    missing = [name for number, name in names.items() if number >= known and number not in shown]
    if missing:
        raise ConfigError(
            f"Nothing is painted of {', '.join(missing)}. Paint a stroke of each new class, or "
            "take the class away."
        )


def _learn(
    model: UNet,
    student: UNet,
    parts: Sequence[Part],
    tutor: Tutor,
    seed: int,
    until: float,
    progress: Report | None,
) -> tuple[UNet, list[float]]:
    """Makes the steps; returns the averaged network and the losses."""
    lesson = tutor.lesson
    crops = StrokeCrops(parts, augmentation_of(lesson, student), seed)
    # Batch norms keep the averages of the base: those of a few crops of one image would ruin them.
    student.eval().requires_grad_(True)
    network = use_fast_kernels(student)
    averaged = AveragedModel(student, multi_avg_fn=moving_average(lesson.decay), use_buffers=True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0, weight_decay=0, fused=True)
    losses: list[float] = []
    steps, step = lesson.steps, 0
    measured, pace = time.monotonic(), 1.0
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = lesson.learning_rate * schedule(step, steps)
        loss, right = _step(network, student, crops.batch(step, lesson.crops), tutor.held)
        losses.append(loss)
        is_far = tutor.hears(right, step, steps)
        optimizer.step()
        optimizer.zero_grad()
        averaged.update_parameters(student)
        step += 1
        if progress is not None:
            progress(step, steps, losses[-1])
        now = time.monotonic()
        if step == 1:
            measured = now
        elif now > until and step < steps - 1:
            steps = step + 1  # a last one, with the smallest rate
        elif step == 1 + MEASURED or (step % FORESEEN == 0 and 4 * step < 3 * steps):
            pace = (now - measured) / (step - 1)
            steps = min(lesson.steps, max(step + 1, step + int((until - now) / pace)))
        if is_far:
            lesson, steps = tutor.lesson, tutor.lesson.steps
            parts = tutor.hold_to_both(model, parts, student.config["num_classes"])
        elif tutor.asks(step, steps):
            parts = tutor.hold_to_learned(averaged.module, parts)
        else:
            continue
        crops = StrokeCrops(parts, augmentation_of(lesson, student), seed)
        steps = min(steps, step + max(1, int((until - time.monotonic()) / pace)))
    taught = averaged.module
    return taught.eval().requires_grad_(False), losses


def augmentation_of(lesson: Lesson, student: UNet) -> Augmentation:
    side = crop_size(student, lesson.side)
    return Augmentation(side, scale_range=lesson.scale_range, gray_std=lesson.gray_std)


@torch.no_grad()
def _go_back(taught: UNet, begun: dict[str, Tensor], share: float) -> None:
    """Puts the weights between those at the beginning and those now; share: Of those now."""
    for name, value in taught.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.lerp(begun[name].to(value), value, share))


def schedule(step: int, steps: int) -> float:
    """The learning rate's share of its highest: rises over a tenth of the steps, then a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _step(
    network: nn.Module, student: UNet, batch: list[Tensor], held: Held
) -> tuple[float, float]:
    """Computes the gradients of a step; returns its loss, and `share_right` of its crops."""
    device = student.device
    image, label, old = (tensor.to(device) for tensor in batch)
    image = image.contiguous(memory_format=torch.channels_last)
    fast = device.type == "cpu" and cpu_has("avx512_bf16")
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        outputs = network(image, objects=True)
    outputs = outputs.float()
    classes = student.config["num_classes"]
    logits, maps = outputs[:, :classes], outputs[:, classes:]
    size = logits.shape[-2:]
    label, old = center_crop(label, size), center_crop(old, size)
    loss = painted_loss(logits, label)
    if held.classes:
        told = logits[:, : held.classes]
        loss = loss + held.weight * anchor_loss(told, label, old[:, : held.classes])
    if held.maps and maps.shape[1]:
        loss = loss + held.maps * maps_anchor_loss(maps, old[:, held.classes :])
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    return loss.item(), share_right(logits.detach(), label)
