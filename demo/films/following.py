"""`Following`: a film segmented and linked as everything on the server is: each frame in its turn,
with the page's limits, stopped at any time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unet_hf import UNet
from unet_hf.errors import ConfigError, UNetError
from unet_hf.film import TrackedFilm
from unet_hf.film.frames import Frames
from unet_hf.film.kept_objects import KeptObjects, make_folder
from unet_hf.film.run import FilmEndError, FoundFrame, check_size, follow, of_frame
from unet_hf.images.pixel_size import PixelSize

from ..server import limits, predictions
from ..server.errors_in_words import plain_sentence
from ..server.recipe import Recipe
from ..server.work.queue import Urgency
from ..server.work.runs import Run, StoppedError

FEWEST = 2  # frames; with fewer there is nothing to link


@dataclass(frozen=True)
class Asked:
    """How a film is followed.

    model: The checkpoint's name. threshold: None for the checkpoint's own. axes, channel: As of
    `unet_hf.film.frames.open_film`. divisions: As of `unet_hf.tracking.link`;
    None: as the checkpoint says. seed, min_size, pixel_size: As of `Recipe`.
    interval: Seconds between two frames; None: as the file says.
    """

    model: str
    threshold: float | None = None
    axes: str | None = None
    channel: int | None = None
    divisions: float | None = None
    seed: float | None = None
    min_size: int | None = None
    pixel_size: str = ""
    interval: float | None = None

    @property
    def finding(self) -> tuple[object, ...]:
        """What the objects depend on; the rest is of the links between them, and of units."""
        return self.model, self.threshold, self.axes, self.channel, self.seed, self.min_size

    @property
    def recipe(self) -> Recipe:
        """How the objects of each frame are found."""
        return Recipe(
            self.model,
            self.threshold,
            seed=self.seed,
            min_size=self.min_size,
            pixel_size=self.pixel_size,
        )

    def pixel_size_of(self, film: Frames) -> PixelSize | None:
        """The size that was given, else that of the file. Raises `ConfigError`."""
        return PixelSize.of(self.pixel_size or None) or film.first.pixel_size


class Following:
    """One way through a film."""

    def __init__(
        self,
        film: Frames,
        network: UNet,
        asked: Asked,
        run: Run,
        folder: Path,
        tell: Callable[[int, int], None] = lambda done, total: None,
        show: Callable[[int, FoundFrame], int] = lambda index, frame: 0,
    ) -> None:
        """folder: Where the objects of each frame are kept; those that are there are not found
        again. tell: Given how many frames are done, and of how many, again and again. show: Given
        each frame with its objects; returns how many bytes it has written of it.
        """
        make_folder(folder)
        self.kept = KeptObjects(folder, film.count, {})
        self.film, self.network, self.asked, self.run = film, network, asked, run
        self.tell, self.show = tell, show
        self.fault: UNetError | None = None  # why the film ends early, if nobody has stopped it
        self._objects = self._bytes = 0

    def follow(self) -> TrackedFilm:
        """Segments and links the film. If the run is stopped, or a frame is not usable, the frames
        before are linked, and a note says why.

        Raises:
            UNetError: There are no two frames that could be linked; why not.
        """
        divisions = self.asked.divisions
        followed = follow(
            self.film,
            self._find,
            kept=self.kept,
            pixel_size=self.asked.pixel_size_of(self.film),
            frame_interval=self.asked.interval,
            tracking=self.network.config.get("tracking"),
            linking={} if divisions is None else {"divisions": divisions},
            done=lambda done: self.tell(done, self.film.count),
        )
        reasons = [] if self.fault is None else [plain_sentence(self.fault)]
        return replace(followed, notes=(*followed.notes, *reasons))

    def _find(self, index: int) -> FoundFrame:
        try:
            self.run.check()
            with of_frame(index):
                frame = self._found(index)
            self._check_limits(frame)
        except StoppedError:
            raise FilmEndError from None
        except UNetError as error:
            if index < FEWEST:
                raise
            self.fault = error
            raise FilmEndError from error
        return frame

    def _found(self, index: int) -> FoundFrame:
        image = self.film.read(index)
        check_size(image, index, self.film)
        if self.kept.has(index):
            labels = self.kept[index]
        else:
            result = predictions.predict_in_turn(
                self.network,
                image,
                self.asked.threshold,
                lambda done, total: self.tell(index, self.film.count),
                self.run,
                Urgency.BATCH,
            )
            labels = result.object_labels(
                seed=self.asked.seed,
                min_size=self.asked.min_size,
                max_objects=limits.MAX_OBJECTS,
            )
        self._bytes += self.show(index, (image, labels))
        return image, labels

    def _check_limits(self, frame: FoundFrame) -> None:
        _, labels = frame
        self._objects += len(np.unique(labels)) - 1
        if self._objects > limits.FILM_OBJECTS:
            raise ConfigError(
                f"There are more than {limits.FILM_OBJECTS:,} objects in all frames, the limit of "
                "this page. Send a part of the film, or use `python -m unet_hf track`."
            )
        if self._bytes > limits.FILM_BYTES:
            raise ConfigError(
                f"The pictures of the frames have reached {limits.FILM_BYTES // 2**30} GB, the "
                "limit of this page. Send the other frames as another film."
            )
