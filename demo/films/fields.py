"""What a visitor says of how a film is followed: the fields of the tab."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np

from unet_hf.film.frames import Frames
from unet_hf.film.interval import interval_in_words, read_interval
from unet_hf.images.image_data import ImageData

from ..parts.job_tab import model_box
from ..parts.option_boxes import (
    as_typed,
    interval_box,
    min_size_box,
    pixel_size_box,
    read_least,
    read_seed,
    read_threshold,
    seed_box,
    threshold_box,
)
from .following import Asked

ALL_CHANNELS = -1
AS_STORED = -1.0
# How often cells divide, as a share of the cells of a frame.
LIVES = [
    ("Checkpoint's, or once in 50 frames", AS_STORED),
    ("Never", 0.0),
    ("Seldom: once in 200 frames", 0.005),
    ("Now and then: once in 50 frames", 0.02),
    ("Often: once in 20 frames", 0.05),
]
Updates = dict[Any, Any]


class FilmFields:
    """Adds the fields where it is made."""

    def __init__(self, models: Sequence[str], chosen: str) -> None:
        with gr.Row():
            self.model = model_box(models, chosen, "film_model")
            self.threshold = threshold_box("Threshold", "film_threshold")
        with gr.Row():
            self.divisions = gr.Dropdown(
                LIVES,
                value=AS_STORED,
                label="Cells divide",
                min_width=220,
                scale=2,
                elem_id="film_divisions",
            )
            self.channel = gr.Dropdown(
                [("All", ALL_CHANNELS)],
                value=ALL_CHANNELS,
                label="Channel",
                visible="hidden",
                min_width=130,
                elem_id="film_channel",
            )
            self.axes = gr.Textbox(
                "",
                label="Frames' axes",
                info="a letter for each, T is time",
                placeholder="such as TYX",
                max_lines=1,
                visible="hidden",
                min_width=130,
                elem_id="film_axes",
            )
        with gr.Row():
            self.pixel_size = pixel_size_box("Pixel size", "film_pixel_size")
            self.min_size = min_size_box("Smallest object", "film_min_size")
            self.interval = interval_box("Time between frames", "film_interval")
            self.seed = seed_box("Seed height", "film_seed")

    @property
    def all(self) -> list[gr.components.Component]:
        """Inputs: what `asked_of` reads."""
        return [
            self.model, self.threshold, self.divisions, self.channel, self.axes, self.seed,
            self.min_size, self.pixel_size, self.interval,
        ]  # fmt: skip

    def emptied(self) -> Updates:
        """What is of one film only."""
        return {
            self.channel: gr.update(value=ALL_CHANNELS, visible="hidden"),
            self.axes: gr.update(value="", visible="hidden"),
            self.pixel_size: "",
            self.interval: "",
        }

    def opened(self, film: Frames, axes: str | None) -> Updates:
        """What the file says of itself. axes: As they were given."""
        channels = channels_of(film.first)
        choices = [("All", ALL_CHANNELS), *((str(n), n) for n in range(channels))]
        return {
            self.channel: gr.update(
                choices=choices, value=ALL_CHANNELS, visible=True if channels > 1 else "hidden"
            ),
            self.axes: gr.update(value=axes or "", visible=True if axes else "hidden"),
            self.pixel_size: size_said(film),
            self.interval: interval_said(film),
        }

    def ask_axes(self) -> Updates:
        return {self.axes: gr.update(value="", visible=True)}


def channels_of(first: ImageData) -> int:
    """Channels that can be looked at one by one. A gray animation is stored in colours, which are
    all the same."""
    if first.is_rgb and np.all(first.pixels == first.pixels[..., :1]):
        return 1
    return first.channels


def size_said(film: Frames | None) -> str:
    """The pixel size that a file says, as it is typed; "" if it says none."""
    size = film.first.pixel_size if film else None
    return as_typed(size) if size else ""


def interval_said(film: Frames | None) -> str:
    """The time between frames that a file says, as it is typed; "" if it says none."""
    return interval_in_words(film.interval) if film and film.interval else ""


def asked_of(
    film: Frames | None,
    model: str,
    threshold: str,
    divisions: float,
    channel: int,
    axes: str,
    seed: str = "",
    min_size: str = "",
    pixel_size: str = "",
    interval: str = "",
) -> Asked:
    """What the fields say. film: As it was opened. Raises `ConfigError`."""
    size, interval = (pixel_size or "").strip(), (interval or "").strip()
    return Asked(
        model,
        read_threshold(threshold),
        (axes or "").strip().upper() or None,
        None if channel in (None, ALL_CHANNELS) else int(channel),
        None if divisions == AS_STORED else float(divisions),
        read_seed(seed),
        read_least(min_size),
        # The file's own has all its digits.
        "" if size == size_said(film) else size,
        None if interval in ("", interval_said(film)) else read_interval(interval),
    )
