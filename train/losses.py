"""Computes the losses of a training. Pixels labelled IGNORE do not count.

They are cross-entropy weighted by a map (paper, equation 1), soft Dice, their sum, and focal loss.

Each loss is a sum over pixels or crops, divided by how many there are. A step that is split over
micro-batches or processes passes the totals of the whole step (`pixels`, `crops`): the parts
then add up to the loss, and the gradient, that the undivided batch would have had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from unet_hf.data.detect_encoding import IGNORE
from unet_hf.errors import ConfigError
from unet_hf.network.network import center_crop

# (B, classes, h, w) float32 logits and (B, h, w) int64 label -> (B, h, w) or (B,), 0 if ignored
Term = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss with a term per pixel, a term per crop, or both; made by `build_loss`."""

    pixel_term: Term | None
    crop_term: Term | None

    def __call__(
        self,
        logits: Tensor,
        label: Tensor,
        weights: Tensor,
        *,
        pixels: int | Tensor | None = None,
        crops: int | Tensor | None = None,
    ) -> Tensor:
        """Computes the loss of a batch, or this batch's share in the loss of a larger step.

        Args:
            logits: (B, classes, h, w), any float dtype; computed in float32.
            label: (B, H, W) int64, IGNORE where nothing is known. H >= h, W >= w: a valid
                network's output is the middle of its input.
            weights: (B, H, W) float32, w(x) of the paper's equation 2; multiplies the pixel term.
            pixels: Counted pixels of the whole step, see `counted_pixels`. None: those of this
                batch.
            crops: Crops of the whole step. None: B.

        Returns:
            A float32 scalar; 0, with a gradient of 0, if every pixel is ignored.
        """
        size = logits.shape[-2:]
        label, weights = center_crop(label, size), center_crop(weights, size)
        logits = logits.float()
        loss = logits.new_zeros(())
        if self.pixel_term:
            if pixels is None:
                pixels = counted_pixels(label, size)
            loss = loss + _sum_over(self.pixel_term(logits, label) * weights, pixels)
        if self.crop_term:
            if crops is None:
                crops = len(logits)
            loss = loss + _sum_over(self.crop_term(logits, label), crops)
        return loss


def build_loss(name: str, *, label_smoothing: float = 0.0, focal_gamma: float = 2.0) -> Loss:
    """Builds a loss by its name.

    Args:
        name: "cross_entropy", "dice", "cross_entropy_dice" (their sum, the recipe of nnU-Net,
            Isensee et al. 2021) or "focal".
        label_smoothing: 0 to below 1; the share of the target that is divided evenly among all
            classes (Szegedy et al. 2016). Only for the pixel terms.
        focal_gamma: 0 or more; how strongly focal loss prefers pixels that are still wrong.

    Raises:
        ConfigError: An unknown name, or an option out of its range or without effect.
    """
    if not 0 <= label_smoothing < 1:
        raise ConfigError(f"label_smoothing {label_smoothing} must be from 0 to below 1.")
    if not 0 <= focal_gamma < float("inf"):
        raise ConfigError(f"focal_gamma {focal_gamma} must be 0 or more.")
    cross_entropy = partial(cross_entropy_map, label_smoothing=label_smoothing)
    focal = partial(focal_map, label_smoothing=label_smoothing, gamma=focal_gamma)
    losses = {
        "cross_entropy": Loss(cross_entropy, None),
        "dice": Loss(None, dice_losses),
        "cross_entropy_dice": Loss(cross_entropy, dice_losses),
        "focal": Loss(focal, None),
    }
    if name not in losses:
        raise ConfigError(f"There is no loss {name!r}; choose one of {', '.join(losses)}.")
    if label_smoothing and not losses[name].pixel_term:
        raise ConfigError(
            f"label_smoothing {label_smoothing} has no effect on the loss {name!r}. Set it to 0, "
            "or choose a loss with cross-entropy."
        )
    return losses[name]


def counted_pixels(label: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Counts the pixels of the output that are not IGNORE: an int64 scalar.

    Args:
        label: (B, H, W) int64.
        output_size: Height and width of the network's output; at most (H, W).
    """
    return (center_crop(label, output_size) != IGNORE).sum()


def cross_entropy_map(logits: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
    """Computes the cross-entropy of each pixel: (B, h, w) float32, 0 where ignored."""
    return functional.cross_entropy(
        logits, label, ignore_index=IGNORE, reduction="none", label_smoothing=label_smoothing
    )


def focal_map(logits: Tensor, label: Tensor, label_smoothing: float, gamma: float) -> Tensor:
    """Computes the focal loss of each pixel (Lin et al. 2017): (1 - p)**gamma * cross-entropy.

    p is the probability of the pixel's true class, also with label smoothing.
    """
    miss = -torch.expm1(-cross_entropy_map(logits, label, 0.0))  # 1 - p, exact near p = 1
    # For gamma below 1 the slope of the power at 0 is infinite; a clamped value has slope 0.
    return miss.clamp(min=1e-12) ** gamma * cross_entropy_map(logits, label, label_smoothing)


def dice_losses(logits: Tensor, label: Tensor) -> Tensor:
    """Computes 1 - soft Dice of each crop: (B,) float32, 0 to 1; 0 if all of it is ignored.

    2 sum(p * t) / (sum(p) + sum(t)) over counted pixels, p the probability and t the truth of a
    class (the soft Dice of Milletari et al. 2016, without its squares), averaged over the
    classes that the crop shows. The Dice of an absent class is 0 for any p > 0, so it would only
    add a constant without a gradient.
    """
    counted = (label != IGNORE)[:, None]  # (B, 1, h, w)
    classes = torch.arange(logits.shape[1], device=label.device)[:, None, None]
    truth = (label[:, None] == classes) & counted  # (B, classes, h, w)
    probability = logits.softmax(dim=1)
    overlap = (probability * truth).sum(dim=(2, 3))  # (B, classes)
    area = truth.sum(dim=(2, 3))
    # The clamp changes only classes of area 0, which are left out below.
    dice = 2 * overlap / ((probability * counted).sum(dim=(2, 3)) + area).clamp(min=1)
    shown = area > 0
    return ((1 - dice) * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1)


def _sum_over(terms: Tensor, count: int | Tensor) -> Tensor:
    return terms.sum() / torch.as_tensor(count).clamp(min=1)
