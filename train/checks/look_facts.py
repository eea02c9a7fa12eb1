"""Notes about the colours and the contrast of one image."""

from dataclasses import dataclass

import numpy as np

from unet_hf.data.detect_encoding import IGNORE

SIDE = 256  # px; of larger images every n-th pixel is looked at


@dataclass(frozen=True)
class LookFacts:
    """Notes about the colours and the contrast of one image."""

    contrast: float  # gray of all classes but 0, less that of class 0, in std of the image
    tint: tuple[float, ...]  # channels' share of the brightness of what is not background, sum 1
    gray: bool  # all channels are equal


def look_facts(pixels: np.ndarray, label: np.ndarray) -> LookFacts:
    """Measures an image. pixels: (H, W, C). label: (H, W) uint8 class ids."""
    step = max(1, min(label.shape) // SIDE)
    coarse, label = pixels[::step, ::step].astype(np.float32), label[::step, ::step]
    mean = coarse.mean(2)
    objects, ground = (label != 0) & (label != IGNORE), label == 0
    contrast = 0.0
    if objects.any() and ground.any() and (spread := float(mean.std())) > 0:
        contrast = float(mean[objects].mean() - mean[ground].mean()) / spread
    shown = coarse[objects] if objects.any() else coarse.reshape(-1, coarse.shape[2])
    total = float(shown.sum())
    tint = shown.sum(0) / total if total > 0 else np.full(coarse.shape[2], 1 / coarse.shape[2])
    gray = bool((coarse == coarse[..., :1]).all())
    return LookFacts(contrast, tuple(tint.round(4).tolist()), gray)
