"""`choose_lesson`: how far what is painted lies from what a checkpoint can do already.

Near it, a teaching corrects: it has to be gentle, or what was right on other images is forgotten,
of which nothing is here to hold it by. Far from it there is little to keep, and gentle steps would
lead nowhere. The quick learner tells the two apart before anything is trained: far away, strokes
turn most of the picture over; near by, they change places. (Strokes alone cannot tell: whoever
paints only what is wrong makes any network look bad.)
"""

from collections.abc import Sequence

import numpy as np

from unet_hf import UNet
from unet_hf.predict.decision import decide

from .features import Features
from .lesson import GENTLE_LESSON, USUAL_LESSON, Lesson
from .pictures import Part
from .quick import learn

NEAR = 0.6  # agreement from which the gentle lesson is taken; see docs/measured.md
MOST_PARTS = 4  # that are looked at


def choose_lesson(model: UNet, parts: Sequence[Part], known: int, classes: int) -> Lesson:
    """known, classes: How many classes the model tells apart, and how many there are."""
    if not known or model.geometry.padding == "valid":
        return USUAL_LESSON
    near = agreement(model, parts[:MOST_PARTS], known, classes) >= NEAR
    return GENTLE_LESSON if near else USUAL_LESSON


def agreement(model: UNet, parts: Sequence[Part], known: int, classes: int) -> float:
    """Mean IoU of what the model says with what the quick learner makes of it; 0 to 1.

    Pixels of classes that are new are left out.
    """
    threshold = model.threshold if classes == 2 else None
    both = np.zeros((known, known), np.int64)
    for part in parts:
        features = Features(model, part.image)
        learned = learn([(features, part.label.numpy())], known, classes)
        now = decide(learned.probabilities(features), threshold)
        old = decide(part.old[:known].numpy(), model.threshold if known == 2 else None)
        pairs = (known * old.astype(np.int64) + now)[now < known]
        both += np.bincount(pairs, minlength=known * known).reshape(known, known)
    inside = np.diag(both)
    either = both.sum(0) + both.sum(1) - inside
    return float(np.mean(inside[either > 0] / either[either > 0]))
