"""`lineage_svg`: who came from whom, as a picture: time to the right, a line a track."""

from html import escape

import numpy as np

from ..words import number_of
from .colors import as_hex, track_colors
from .families import Family, families
from .tracks import Tracks

MOST = 300  # tracks; of more, only families with divisions are drawn, which are what one looks for
ROW = 14  # pixels; a line and its number
WIDTH = (
    900  # pixels for all frames, unless each would get less than the least or more than the most
)
LEAST, MOST_A_FRAME = 1.0, 40.0  # pixels
LEFT, TOP, RIGHT, BOTTOM = 16, 64, 56, 16  # margins; on the right, numbers of tracks
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)  # frames between lines of the ruler
TICK = 60  # pixels, about, between two of them
STYLE = (
    "text{font:10px sans-serif;fill:#333}.t{font-size:13px}"
    ".a{stroke:#e4e4e4}.l{fill:none;stroke-width:3;stroke-linecap:round;stroke-linejoin:round}"
)


def lineage_svg(tracks: Tracks, title: str) -> str:
    """Draws all tracks as SVG, families below one another and daughters beside their mother.

    A line begins where the track begins, or at its mother's end, and ends with its last frame; its
    number stands at its end, or above it if it divides. Frames in which a track is missing are not
    shown. They are counted from 1, as on the page: only files for programs count them from 0. Of
    more than `MOST` tracks, only families with divisions are drawn, and the picture says so.

    Args:
        tracks: What `link` returns.
        title: The name of the film.
    """
    shown = families(tracks.id, tracks.parent)
    divided = [family for family in shown if family.divides]
    words = [
        f"{title}: {number_of(len(tracks), 'track')}, {number_of(tracks.divisions, 'division')}"
    ]
    if len(tracks) > MOST:
        shown = divided
        words.append(
            f"Only families with divisions are drawn, {sum(len(one.tracks) for one in shown):,} of "
            f"{len(tracks):,} tracks, as there are more than {MOST}."
        )
    frames = len(tracks.frames)
    step = min(MOST_A_FRAME, max(LEAST, WIDTH / max(1, frames - 1)))
    width = max(LEFT + step * (frames - 1) + RIGHT, 560)  # of the words
    height = TOP + ROW * sum(family.height for family in shown) + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">',
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(
            f'<text class="t" x="{LEFT}" y="{18 + 16 * number}">{escape(text)}</text>'
            for number, text in enumerate(words)
        ),
        *_ruler(frames, step, height),
    ]
    top, colors = TOP + ROW / 2, track_colors(tracks, on_white=True)
    for family in shown:
        lines += _drawn(family, tracks, colors, step, top)
        top += ROW * family.height
    return "\n".join([*lines, "</svg>"]) + "\n"


def _ruler(frames: int, step: float, height: float) -> list[str]:
    """Lines at some frames, with their numbers."""
    every = next((ticks for ticks in TICKS if ticks * step >= TICK), TICKS[-1])
    lines = []
    later = (number for number in range(every, frames + 1, every) if number - 1 > every / 2)
    for number in (1, *later):
        x, word = LEFT + (number - 1) * step, "frame " if number == 1 else ""
        lines.append(f'<path class="a" d="M{x:g} {TOP - 6}V{height - BOTTOM:g}"/>')
        lines.append(f'<text x="{x:g}" y="{TOP - 10}">{word}{number}</text>')
    return lines


def _drawn(
    family: Family, tracks: Tracks, colors: np.ndarray, step: float, top: float
) -> list[str]:
    """A path, a number and a text for the mouse of each track.

    colors: (n, 3), of all tracks. top: Of the family's first row.
    """
    ends: dict[int, tuple[float, float]] = {}
    indices = np.searchsorted(tracks.id, family.tracks)
    mothers = set(tracks.parent[indices].tolist())
    lines = []
    for track, row, index in zip(family.tracks, family.rows, indices.tolist(), strict=True):
        first, last, mother = (
            int(values[index]) for values in (tracks.first, tracks.last, tracks.parent)
        )
        x, end, y = LEFT + first * step, LEFT + last * step, top + ROW * row
        ends[track] = (end, y)
        came = f", from {mother}" if mother else ""
        if mother:
            begin = "M{:g} {:g}V{:g}".format(*ends[mother], y)
            left = ends[mother][0]
        else:
            begin, left = f"M{x:g} {y:g}", x
        label = (left + 4, y - 3) if track in mothers else (end + 6, y + 3.5)
        lines.append(
            f'<path class="l" stroke="{as_hex(colors[index])}" d="{begin}H{end:g}">'
            f"<title>track {track}, frames {first + 1} to {last + 1}{came}</title></path>"
            f'<text x="{label[0]:g}" y="{label[1]:g}">{track}</text>'
        )
    return lines
