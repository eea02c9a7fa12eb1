"""Reads and says how long something may take: "15m", "15 minutes"."""

import math
import re

from unet_hf.errors import ConfigError

UNITS = {"h": 3600, "m": 60, "s": 1}


def read_duration(text: str) -> float:
    """Reads "90s", "15m", "1h30m" or plain seconds ("900"): seconds. Raises `ConfigError`."""
    words = text.strip().lower()
    number = r"(\d+(?:\.\d+)?)"
    if re.fullmatch(number, words):
        seconds = float(words)
    elif words and (found := re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s)?", words)):
        parts = zip(found.groups(), UNITS.values(), strict=True)
        seconds = sum(float(part) * unit for part, unit in parts if part)
    else:
        seconds = 0.0
    if seconds <= 0 or not math.isfinite(seconds):
        raise ConfigError(
            f"--time_budget {text!r} is not a time. Write 90s, 15m, 1h30m, or seconds alone: 900."
        )
    return seconds


def say_duration(seconds: float) -> str:
    """Says a time in words: "0.37 s", "12 s", "15 minutes", "1.5 hours"."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} minutes"
    return f"{seconds / 3600:.3g} hours"
