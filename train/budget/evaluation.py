"""Measures how long an evaluation takes, before the network has learned anything.

What such a network finds are many small pieces, which take two or three times as long to score as
the objects that it finds later. So two answers are scored for each image: its own, and the truth.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import STREAMED_VALIDATION, LabelledData, ValidationPairs
from unet_hf.data.pairs import Pair
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.predict.decision import decide
from unet_hf.predict.segmentation import Segmentation

from ..checks.inspection import Inspection
from ..config import TrainingConfig
from ..crops.object_targets import object_targets
from ..report import PICTURED
from .pace import TRIED_IMAGES, clock

LONGEST = 0.02  # share of the budget after which no other image is tried
# Networks that were trained on the development sets take up to 1.1 times as long to score as the
# truth does.
LEARNED = 1.1
BLUR = 1.5  # px; how unsure the edges of a learned answer are


@dataclass(frozen=True)
class EvaluationCost:
    """Seconds that the parts of an evaluation take."""

    usual: float = 0.0  # an evaluation on all images, by a network that has learned something
    unlearned: float = 0.0  # what one takes more if the network has learned nothing
    pixel: float = 0.0  # to segment a pixel


@dataclass(frozen=True)
class Answer:
    """A network whose answer is there already, for `evaluate`."""

    model: UNet
    answer: Segmentation

    @property
    def id2label(self) -> dict[int, str]:
        return self.model.id2label

    @property
    def config(self) -> dict[str, Any]:
        return self.model.config

    @property
    def walled(self) -> bool:
        return self.model.walled

    def segment(self, image: Any, **manner: Any) -> Segmentation:
        return self.answer


def learned_answer(answer: Segmentation, pair: Pair) -> Segmentation:
    """Returns what a network answers that has learned the truth, with edges that are not sharp."""
    label = np.where(pair.label == IGNORE, 0, pair.label)
    classes = [(label == index).astype(np.float32) for index in answer.id2label]
    probabilities = np.stack([gaussian_filter(pixels, BLUR) for pixels in classes])
    maps = answer.object_maps
    if maps is not None and pair.instances is not None:
        maps = object_targets(pair.instances, answer.object_channels)
        if "border" in answer.object_channels:  # a logit
            border = maps[answer.object_channels.index("border")]
            border[:] = np.where(border > 0, 4, -4)
    mask = decide(probabilities, answer.threshold)
    return replace(answer, mask=mask, probabilities=probabilities, object_maps=maps)


def measure_evaluation(
    model: UNet, budget: float, data: LabelledData, inspection: Inspection, config: TrainingConfig
) -> EvaluationCost:
    """Evaluates on a few images. budget: Seconds of the whole training."""
    began = clock()
    rows: list[tuple[int, float, float, float]] = []  # pixels; seconds to segment and to score
    for pair in ValidationPairs(data, config, TRIED_IMAGES):
        if (pair.label == IGNORE).all():
            continue
        begin = clock()
        answer = model.segment(pair.image, precision="float32")
        segmented = clock() - begin
        scored = [
            seconds_to_score(Answer(model, one), pair)
            for one in (answer, learned_answer(answer, pair))
        ]
        rows.append((pair.label.size, segmented, *scored))
        if clock() - began > LONGEST * budget:
            break
    if not rows:
        return EvaluationCost()
    pixels, segmenting, crumbs, learned = np.sum(rows[1:] or rows, axis=0)  # the first allocates
    images, area = evaluated_images(inspection, config)
    every = images * area / pixels
    learned = min(LEARNED * learned, crumbs)
    pictures = PICTURED * area * segmenting / pixels
    return EvaluationCost(
        usual=float(every * (segmenting + learned) + pictures),
        unlearned=float(every * (crumbs - learned)),
        pixel=float(segmenting / pixels),
    )


def seconds_to_score(answer: Answer, pair: Pair) -> float:
    begin = clock()
    evaluate(answer, [pair], choose_objects=True)
    return clock() - begin


def evaluated_images(inspection: Inspection, config: TrainingConfig) -> tuple[int, float]:
    """Number of images that an evaluation looks at, and their mean area in pixels."""
    areas = [facts.area for facts in inspection.validation if not facts.error]
    images = inspection.validation_total
    if images is None:
        images = config.max_validation_images or STREAMED_VALIDATION
        if (seen := len(inspection.validation)) < config.max_inspected // 10:
            images = min(images, seen)  # the stream ended
    return images, float(np.mean(areas))
