"""`Lesson`: how a teaching learns; `python -m benchmarks.teaching` says what comes of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """Options of a teaching.

    steps: At most so many; fewer if the time does not suffice.
    crops: In a step. side: Of a crop, px.
    scale_range, gray_std: Of the crops' augmentation, see `TrainingConfig`.
    learning_rate: At its highest; it rises over a tenth of the steps and then falls to 0.
    anchor: Weight of the old network's word where nothing is painted; see `losses.anchor_loss`.
    maps_anchor: Weight of its maps of objects, likewise.
    guess: Weight of what forests guess there, in the place of an old network that has other
        classes; see `guess_unpainted`.
    decay: Of the moving average of the weights, which is what is kept.
    share: How much of the way from the old weights to these is gone at last; 1: all of it. Weights
        in between keep most of what either network can do (Wortsman et al. 2022, WiSE-FT).
    keeps_threshold: Of the base. Else one is chosen by what is painted: if that is only what was
        wrong, it is a threshold for these places, and for no other image.
    """

    steps: int = 160
    crops: int = 4
    side: int = 96
    scale_range: float = 1.25
    gray_std: float = 0.2
    learning_rate: float = 2e-3
    anchor: float = 0.3
    maps_anchor: float = 0.1
    guess: float = 1.0
    decay: float = 0.95
    share: float = 1.0
    keeps_threshold: bool = False


USUAL_LESSON = Lesson()
# For classes that the network does not know, or tells badly: it goes on as long as there is time,
# on crops that vary more. On five images of the alloy and of stained tissue, 480 steps were better
# than 160 by 0.017 and 0.019 of mean IoU, and the crops by 0.007 and 0.005.
FAR_LESSON = Lesson(steps=640, scale_range=1.5, gray_std=0.3)
# For a checkpoint that is nearly right: it corrects, and leaves what was right on other images, of
# which there is none to hold it by.
GENTLE_LESSON = Lesson(learning_rate=1e-3, anchor=3.0, share=0.4, keeps_threshold=True)
