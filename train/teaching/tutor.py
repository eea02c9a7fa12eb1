"""`Tutor`: decides how a network learns from strokes, and what holds it where there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE

from .guess import guess_unpainted
from .lesson import FAR_LESSON, GENTLE_LESSON, USUAL_LESSON, Lesson
from .losses import share_right
from .pictures import Part

PROMISING = 0.65  # share of the painted pixels that a base has right that may be taught gently
TRIAL = 8  # one in so many steps, after which a gentle lesson has to have led somewhere
LEARNED = 0.88  # share of the last crops' painted pixels that are right then


@dataclass(frozen=True)
class Held:
    """What the network is held to where nothing is painted: the old probabilities of the parts.

    classes: How many, the first ones, they tell apart; 0: nothing. weight: Of them in the loss.
    maps: The weight of the old maps of objects.
    """

    classes: int
    weight: float
    maps: float


class Tutor:
    """Decides how a network learns.

    Near what a checkpoint can do already, a teaching corrects, and has to be gentle. Far from it
    there is little to keep, and gentle steps lead nowhere. Strokes alone cannot tell the two apart:
    whoever paints only what is wrong makes any network look bad. So it begins gently unless most is
    wrong, and goes on otherwise if by then the network has not learned what is painted; the old
    network's word then counts little, see `hold_to_both`. A class that is added has to be learned
    from nothing, and on the way back to the old weights it would be lost: that is never gentle.

    known: How many of the classes, the first ones, the base tells apart.
    can_guess: Whether forests can stand in for what it does not know, see `guess_unpainted`.
    lesson: The one that is followed now. held: See `Held`.
    is_guessed: Whether that comes from a guess. has_asked: Whether the network had a say in it.
    """

    def __init__(
        self, lesson: Lesson | None, known: int, classes: int, can_guess: bool = True
    ) -> None:
        self.is_trial = lesson is None and known == classes
        self.known, self.can_guess = known, can_guess
        self.is_guessed = False
        self.has_asked = False
        self.right: list[float] = []
        self.far = FAR_LESSON if can_guess else USUAL_LESSON
        first = GENTLE_LESSON if self.is_trial else USUAL_LESSON if known else self.far
        self.follow(lesson or first)

    def is_far(self, parts: Sequence[Part]) -> bool:
        """Whether it is so from the beginning; another lesson is then followed."""
        if not self.is_trial or right_before(parts, self.known) >= PROMISING:
            return False
        self.is_trial = False
        self.follow(self.far)
        return True

    def follow(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.held = Held(self.known, lesson.anchor, lesson.maps_anchor)

    def hold_to_guess(self, model: UNet, parts: Sequence[Part], classes: int) -> list[Part]:
        """Parts with what forests guess as their old probabilities."""
        self.held, self.is_guessed = Held(classes, self.lesson.guess, 0.0), True
        return guess_unpainted(model, parts, classes)

    def hold_to_both(self, model: UNet, parts: Sequence[Part], classes: int) -> list[Part]:
        """Parts with a mean of the old probabilities and of what forests guess.

        The former count the more, the better than chance they are where something is painted; by
        the root of it, as people rather paint where they are wrong.
        """
        if not self.can_guess:
            return list(parts)
        self.held, self.is_guessed = Held(classes, self.lesson.guess, self.lesson.maps_anchor), True
        chance = 1 / self.known
        share = max(0.0, (right_before(parts, self.known) - chance) / (1 - chance)) ** 0.5
        both = []
        for part, guess in zip(parts, guess_unpainted(model, parts, classes), strict=True):
            mean = (1 - share) * guess.old
            mean[: self.known] += share * part.old[: self.known]
            both.append(replace(part, old=torch.cat([mean, part.old[self.known :]])))
        return both

    def asks(self, step: int, steps: int) -> bool:
        """Whether the network has a say now, after so many steps of so many: halfway, once."""
        return self.is_guessed and not self.has_asked and step >= steps // 2

    @torch.no_grad()
    def hold_to_learned(self, network: UNet, parts: Sequence[Part]) -> list[Part]:
        """Parts with a mean of the guess and of what the network has made of it by now.

        A network smooths what forests guess pixel by pixel, and soon knows better than they.
        """
        network.eval()
        self.has_asked = True
        both = []
        for part in parts:
            logits = network(part.image[None].to(network.device))[0].float().cpu()
            old = part.old.clone()
            old[: len(logits)] = (old[: len(logits)] + logits.softmax(0)) / 2
            both.append(replace(part, old=old))
        return both

    def hears(self, right: float, step: int, steps: int) -> bool:
        """Whether another lesson is followed from now on.

        right: The share of the painted pixels that were right in this step of so many.
        """
        self.right.append(right)
        if not self.is_trial or step + 1 < steps // TRIAL:
            return False
        self.is_trial = False
        late = self.right[len(self.right) // 2 :]
        if sum(late) / len(late) >= LEARNED:
            return False
        self.follow(self.far)
        return True


def right_before(parts: Sequence[Part], known: int) -> float:
    """The share of the painted pixels that the old network has right, each class alike.

    known: How many of the classes it tells apart.
    """
    old = torch.cat([part.old[:known].flatten(1) for part in parts], 1)
    label = torch.cat([part.label.flatten() for part in parts]).long()
    label = torch.where(label < known, label, IGNORE)
    return share_right(old[None], label[None])
