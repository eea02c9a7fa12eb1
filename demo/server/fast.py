"""In what the picture in view is computed: fast at first, where that is safe, and exactly if asked.

Only the tab *Segment* is fast. Many images, films, comparisons, teaching and the endpoints compute
as `UNet.segment` does by default.
"""

import os
from collections.abc import Mapping

import torch

from unet_hf import UNet
from unet_hf.engine.fast import why_not_int8
from unet_hf.engine.precision import best_precision
from unet_hf.errors import ConfigError

from .work.device import best_device

VARIABLE = "UNET_HF_PRECISION"
EXACT = "float32"


def first_precision(environment: Mapping[str, str] = os.environ) -> str:
    """ "fast" on a machine that is fast in nothing coarser than float32; else "auto".

    Raises:
        ConfigError: The variable says something else.
    """
    said = environment.get(VARIABLE, "")
    if said not in ("", "fast", "auto", EXACT):
        raise ConfigError(f"{VARIABLE}={said!r} is not known; there are fast, auto and {EXACT}.")
    return said or ("fast" if best_precision(torch.device(best_device())) == EXACT else "auto")


def offered(model: UNet, precision: str) -> str:
    """The same, but "auto" for "fast" where the checkpoint is not known to be safe in int8: a
    visitor has not asked for it, and need not be told why not."""
    return "auto" if precision == "fast" and why_not_int8(model) else precision
