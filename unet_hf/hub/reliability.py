"""Draws reliability.png: how often pixels were right, by how sure the network was.

It is PNG because the Hub shows every PNG of a card, while it serves SVG as text to some browsers.
The numbers that were drawn are in the file's text, so that `verify` can compare them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.PngImagePlugin

WIDTH, HEIGHT = 640, 460  # px
LEFT, TOP, RIGHT, BOTTOM = 64, 16, 624, 404  # px, the frame of the axes
TEXT_KEY = "unet_hf: bins"  # of the drawn numbers in the file
INK, BAR, GRID, IDEAL = "#222222", "#a9d6f2", "#e4e4e4", "#d55e00"

Bin = Mapping[str, Any]  # pixels, confidence, accuracy: see `uncertainty.bin_rows`


def bins_of(evaluation: Mapping[str, Any] | None) -> list[Bin]:
    """The bins that hold pixels in a record evaluation.json; [] if it has none to draw.

    A record may be anyone's: bins with impossible numbers are left out.
    """
    return [row for row in _all_bins(evaluation) if row["pixels"] > 0 and _is_possible(row)]


def drawn_text(bins: Sequence[Bin]) -> str:
    """What reliability.png holds as text of the bins that it shows."""
    return json.dumps([[row["pixels"], row["confidence"], row["accuracy"]] for row in bins])


def text_in(path: Path) -> str | None:
    """Reads that text from a picture; None where there is none, or no PNG."""
    try:
        with PIL.Image.open(path, formats=("PNG",)) as picture:
            picture.load()
            return picture.text.get(TEXT_KEY)
    except (OSError, ValueError, SyntaxError):
        return None


def write_reliability(path: Path, evaluation: Mapping[str, Any] | None) -> None:
    """Draws the bins of a record into `path`; removes an older picture where there are none."""
    bins = bins_of(evaluation)
    if not bins:
        path.unlink(missing_ok=True)
        return
    text = PIL.PngImagePlugin.PngInfo()
    text.add_text(TEXT_KEY, drawn_text(bins))
    few_colors = draw_reliability(bins, len(_all_bins(evaluation))).quantize(32)
    few_colors.save(path, optimize=True, pnginfo=text)


def draw_reliability(bins: Sequence[Bin], count: int) -> PIL.Image.Image:
    """Draws accuracy over confidence, with the diagonal of an honest network.

    bins: Those that hold pixels. count: Number of bins from 0 to 1, the empty ones included.
    """
    picture = PIL.Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = PIL.ImageDraw.Draw(picture)
    places = [min(math.ceil(row["confidence"] * count) - 1, count - 1) for row in bins]
    lowest = min(min(places) / count, *(row["accuracy"] for row in bins))
    start = math.floor(lowest * 10) / 10

    def x(value: float) -> float:
        return LEFT + (value - start) / (1 - start) * (RIGHT - LEFT)

    def y(value: float) -> float:
        return BOTTOM - (value - start) / (1 - start) * (BOTTOM - TOP)

    small, usual = PIL.ImageFont.load_default(11), PIL.ImageFont.load_default(14)
    for step in range(round(start * 10), 11):
        value = step / 10
        draw.line([x(value), TOP, x(value), BOTTOM], GRID)
        draw.line([LEFT, y(value), RIGHT, y(value)], GRID)
        draw.text((x(value), BOTTOM + 6), f"{value:.1f}", INK, usual, anchor="ma")
        draw.text((LEFT - 8, y(value)), f"{value:.1f}", INK, usual, anchor="rm")
    for place, row in zip(places, bins, strict=True):
        left, right = x(max(place / count, start)), x((place + 1) / count)
        draw.rectangle([left + 1, y(row["accuracy"]), right - 1, BOTTOM], BAR)
    draw.line([x(start), y(start), x(1), y(1)], IDEAL, width=2)
    for row in bins:
        across, up = x(row["confidence"]), y(row["accuracy"])
        draw.ellipse([across - 4, up - 4, across + 4, up + 4], INK)
    draw.rectangle([LEFT, TOP, RIGHT, BOTTOM], outline=INK)
    total = sum(row["pixels"] for row in bins)
    halo = {"stroke_width": 2, "stroke_fill": BAR}  # so that the line does not cross it out
    for place, row in zip(places, bins, strict=True):
        share, middle = _percent(row["pixels"] / total), x((place + 0.5) / count)
        draw.text((middle, BOTTOM - 4), share, INK, small, anchor="md", **halo)
    words = "probability of the class that a pixel is given (below: share of all pixels)"
    draw.text(((LEFT + RIGHT) / 2, HEIGHT - 8), words, INK, usual, anchor="md")
    _upright(picture, "share that has it", usual)
    return picture


def _all_bins(evaluation: Mapping[str, Any] | None) -> list[Bin]:
    return ((evaluation or {}).get("calibration") or {}).get("per_bin") or []


def _is_possible(row: Bin) -> bool:
    values = row["confidence"], row["accuracy"]
    return None not in values and 0 < values[0] <= 1 and 0 <= values[1] <= 1


def _percent(share: float) -> str:
    return "<0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _upright(picture: PIL.Image.Image, words: str, font: Any) -> None:
    """Writes along the left edge, from below to above."""
    strip = PIL.Image.new("RGB", (BOTTOM - TOP, 20), "white")
    middle = (strip.width / 2, strip.height / 2)
    PIL.ImageDraw.Draw(strip).text(middle, words, INK, font, anchor="mm")
    picture.paste(strip.rotate(90, expand=True), (4, TOP))
