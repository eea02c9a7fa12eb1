"""The options of `link` that are numbers: their defaults, and which are usable."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError


@dataclass(frozen=True)
class Weights:
    """The options of `link` that decide between accounts, with its defaults; see there."""

    divisions: float = 0.02
    max_distance: float = 1.5
    position_spread: float = 0.4
    area_spread: float = 0.2
    overlap_weight: float = 3.0
    turnover: float = 0.003
    gap_cost: float = 1.0


def checked_weights(weights: dict[str, float]) -> Weights:
    """Checks the options that are numbers; raises `ConfigError` for one that is not usable."""
    for name, value in weights.items():
        usable = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not (usable and math.isfinite(value) and value >= 0):
            raise ConfigError(f"{name}={value!r} is not usable: it is a number of 0 or more.")
        if name in ("divisions", "turnover") and value > 1:
            raise ConfigError(f"{name}={value!r} is a share of the cells of a frame, from 0 to 1.")
        if name in ("max_distance", "position_spread", "area_spread", "turnover") and value == 0:
            raise ConfigError(f"{name}=0 links nothing. Give a number above 0.")
    return Weights(**weights)
