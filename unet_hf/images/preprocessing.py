"""Preprocessing: from pixels to network input, exactly as the checkpoint's config says.

The steps do not depend on a guess from the pixels:

1. The dtype sets the scale: uint8 / 255, uint16 / 65535, booleans and floats as they are.
   An image is never "probably 0 to 255".
2. "fixed" subtracts `mean` and divides by `std` of the config. "image" uses the mean and
   standard deviation of this very image, all channels together, so that the exposure, and
   12 bits stored in 16, make no difference.
3. If the config's `outliers` is "clip", hot pixels and other values far beyond nearly all others
   are clipped before that, see `statistics.measure`.

Pixels without data (the file's nodata value, NaN) are no part of the statistics, and 0 in the
input, which is the mean.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ChannelMismatchError, ConfigError, NonFiniteImageError
from .image_data import ImageData
from .nodata import valid_pixels
from .order_statistics import Limits
from .statistics import INNER, OUTER, Statistics, measure

CHANNEL_NAMES = {1: ("gray",), 3: ("red", "green", "blue")}
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, what "gray" means to Pillow and to JPEG
MAX_FLOAT = float(np.finfo(np.float32).max)  # means and standard deviations are float32
BAND_PIXELS = 2**20  # statistics are summed band by band, so that memory stays flat
MOST = 0.5  # share of the variance from which outliers that are not clipped are noted


@dataclass(frozen=True)
class Preprocessing:
    """How a checkpoint's images are prepared. Stored in `config.json`.

    channels: One name a channel, e.g. ("gray",) or ("red", "green", "blue").
    normalization: "image" or "fixed", see above.
    mean, std: For "fixed": one number a channel, in units of the scaled image (0 to 1).
    outliers: "clip", or "keep" as all checkpoints before this option do.
    """

    channels: tuple[str, ...]
    normalization: str = "image"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    outliers: str = "keep"

    @classmethod
    def from_config(cls, options: Any, in_channels: int) -> "Preprocessing":
        """Checks the options of `config.json` and fills in defaults; raises `ConfigError`."""
        if options is None:
            options = {}
        if not isinstance(options, dict):
            raise ConfigError(
                f"preprocessing is a {type(options).__name__}, not a mapping like "
                '{"normalization": "image"}.'
            )
        unknown = set(options) - {"channels", "normalization", "mean", "std", "outliers"}
        if unknown:
            raise ConfigError(
                f"preprocessing has unknown options: {', '.join(sorted(map(str, unknown)))}. "
                "Known are channels, normalization, mean, std, outliers."
            )
        default_names = CHANNEL_NAMES.get(
            in_channels, tuple(f"channel {index}" for index in range(in_channels))
        )
        channels = options.get("channels", default_names)
        if (
            not isinstance(channels, (list, tuple))
            or len(channels) != in_channels
            or not all(isinstance(name, str) for name in channels)
        ):
            raise ConfigError(
                f"preprocessing.channels is {channels!r}; give one name for each of "
                f"in_channels={in_channels} channels."
            )
        normalization = options.get("normalization", "image")
        if normalization not in ("image", "fixed"):
            raise ConfigError(
                f"preprocessing.normalization={normalization!r} is not known. "
                "Choose 'image' or 'fixed'."
            )
        fixed = normalization == "fixed"
        mean = _numbers("mean", options.get("mean", [0.5] * in_channels if fixed else []))
        std = _numbers("std", options.get("std", [0.5] * in_channels if fixed else []))
        if len(mean) != (in_channels if fixed else 0) or len(std) != len(mean):
            wanted = f"{in_channels} numbers each" if fixed else "no mean and std"
            raise ConfigError(
                f"preprocessing: normalization={normalization!r} with {in_channels} channels "
                f"wants {wanted}, not mean={list(mean)}, std={list(std)}."
            )
        if any(np.float32(value) <= 0 for value in std):
            raise ConfigError(f"preprocessing.std={list(std)} must be above 0.")
        outliers = options.get("outliers", "keep")
        if outliers not in ("keep", "clip"):
            raise ConfigError(
                f"preprocessing.outliers={outliers!r} is not known. Choose 'keep' or 'clip'."
            )
        return cls(tuple(channels), normalization, mean, std, outliers)

    def to_config(self) -> dict[str, Any]:
        """Returns the options as stored in `config.json`."""
        config: dict[str, Any] = {
            "channels": list(self.channels),
            "normalization": self.normalization,
        }
        if self.normalization == "fixed":
            config |= {"mean": list(self.mean), "std": list(self.std)}
        if self.outliers != "keep":  # so that older checkpoints are saved as they were
            config["outliers"] = self.outliers
        return config

    def prepare(self, image: ImageData) -> "PreparedImage":
        """Matches the image's channels to the network's and measures mean and standard deviation.

        Raises:
            ChannelMismatchError: e.g. 5 channels for an RGB network.
            NonFiniteImageError: Infinite pixels, or none that hold data.
        """
        alpha = getattr(image, "alpha", None)  # windows of large files have none
        if alpha is not None and len(self.channels) == image.channels + 1:
            image = image.with_alpha()
        mixing, note = self._mixing(image)
        return PreparedImage(self, image, mixing, (note,) if note else ())

    def _mixing(self, image: ImageData) -> tuple[str, str]:
        """Returns how the image's channels become the network's, and a note on it."""
        wanted, seen = len(self.channels), image.channels
        if seen == wanted:
            return "as is", ""
        if seen == 1 and self.channels == CHANNEL_NAMES[3]:
            return "repeat", "gray image shown to an RGB network as three equal channels"
        if seen == 3 and self.channels == CHANNEL_NAMES[1]:
            weights = "0.299 R + 0.587 G + 0.114 B"
            if image.is_rgb:
                return "luminance", f"RGB image turned into gray ({weights})"
            return "luminance", f"three channels mixed as if a colour image ({weights}); pick one"
        plural = "s" if seen > 1 else ""
        takes_gray = wanted == 1 or self.channels == CHANNEL_NAMES[3]
        if seen > wanted > 1:
            cure = f"Pick the channels first, e.g. pixels[..., :{wanted}], or use"
        elif seen > 1 and takes_gray:
            cure = "Pick one, e.g. channel=0, or use"
        else:
            cure = "Use"
        raise ChannelMismatchError(
            f"{image.source} has {seen} channel{plural}, but this checkpoint was trained on "
            f"{wanted} ({', '.join(self.channels[:8])}). {cure} "
            f"a checkpoint for {seen} channel{plural}."
        )


class PreparedImage:
    """An image with its normalisation; windows are computed on demand.

    A large image is thus never in memory as float32 as a whole.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        image: ImageData,
        mixing: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.image = image
        self._mixing = mixing
        found = self._measured(preprocessing.outliers == "clip")
        if not (math.isfinite(found.mean) and math.isfinite(found.std)):
            raise NonFiniteImageError(self._non_finite_message(found))
        self.has_nodata = found.pixels < image.height * image.width
        self.limits = found.clipped_to  # of the scaled values; None: nothing is clipped
        self.notes = (*notes, *self._notes_on_nodata(found))
        if self.limits or preprocessing.normalization == "image":
            self.notes += self._notes_on_outliers(found)
        self._fixed = preprocessing.normalization == "fixed"
        if self._fixed:
            self._mean = np.array(preprocessing.mean, np.float32)
            self._std = np.array(preprocessing.std, np.float32)
        else:
            self._mean = np.array([found.mean], np.float32)
            # A constant image has nothing to scale: it becomes zeros.
            self._std = np.array([found.std if np.float32(found.std) > 0 else 1.0], np.float32)

    def window(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        """Returns normalised pixels at the given row and column indices: (C, h, w) float32.

        Raises:
            NonFiniteImageError: They are beyond the range of 32-bit floats once they are divided by
                a fixed deviation.
        """
        stored = self._stored(rows, columns)
        with np.errstate(over="ignore", invalid="ignore"):  # nodata values may be huge
            pixels = self._scaled(stored)  # a copy, which the rest changes
        if self.limits:
            pixels = self.limits.clip(pixels)
        if self.has_nodata:
            valid = valid_pixels(stored, self.image.nodata)
            if valid is not None:
                pixels[~valid] = self._mean
        with np.errstate(over="ignore"):
            pixels -= self._mean
            pixels /= self._std
        if self._fixed and stored.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise NonFiniteImageError(self._too_large())
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def whole(self) -> Tensor:
        """Returns the whole image normalised, (C, H, W) float32."""
        return self.window(np.arange(self.image.height), np.arange(self.image.width))

    def valid(self, rows: slice, columns: slice) -> np.ndarray | None:
        """Returns which pixels of a window hold data, (h, w) bool; None if all do."""
        if not self.has_nodata:
            return None
        places = [np.arange(part.start, part.stop) for part in (rows, columns)]
        return valid_pixels(self.image.pixels[np.ix_(*places)], self.image.nodata)

    def _stored(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Returns the pixels at these row and column indices, (h, w, image channels)."""
        pixels = self.image.pixels
        if isinstance(pixels, np.ndarray) and is_consecutive(rows) and is_consecutive(columns):
            return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # no copy
        return pixels[np.ix_(rows, columns)]

    def _scaled(self, pixels: np.ndarray) -> np.ndarray:
        """Scales (h, w, image channels) of any dtype to (h, w, network channels) float32."""
        scaled = pixels.astype(np.float32)
        if pixels.dtype.kind in "ui":
            scaled *= np.float32(1 / np.iinfo(pixels.dtype).max)
        if self._mixing == "repeat":
            return np.repeat(scaled, 3, axis=2)
        if self._mixing == "luminance":
            red, green, blue = map(np.float32, LUMINANCE)
            gray = red * scaled[..., 0] + green * scaled[..., 1] + blue * scaled[..., 2]
            return gray[..., None]
        return scaled

    def _measured(self, clip: bool) -> Statistics:
        """Measures the image; one that is a single band is scaled once for all passes."""
        if self.image.height * self.image.width > BAND_PIXELS:
            return measure(self._bands, clip)
        with np.errstate(over="ignore", invalid="ignore"):
            only = [*self._bands()]
        return measure(lambda: only, clip)

    def _bands(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yields scaled pixels in bands of rows, and which of them hold data; see `Bands`."""
        for stored in self._stored_bands():
            yield self._scaled(stored), valid_pixels(stored, self.image.nodata)

    def _stored_bands(self) -> Iterator[np.ndarray]:
        """Yields the pixels in bands of rows, each read when it is needed."""
        rows = max(1, BAND_PIXELS // self.image.width)
        for top in range(0, self.image.height, rows):
            yield self.image.pixels[top : top + rows]

    def _count_infinite(self, stored: np.ndarray) -> int:
        valid = valid_pixels(stored, self.image.nodata)
        return int(np.isinf(stored if valid is None else stored[valid]).sum())

    def _notes_on_nodata(self, found: Statistics) -> tuple[str, ...]:
        if not self.has_nodata:
            return ()
        share = 100 * (1 - found.pixels / (self.image.height * self.image.width))
        return (
            f"{share:.3g} % of the pixels hold no data ({self._nodata_words()}): they are left "
            "out of normalisation, areas and objects",
        )

    def _nodata_words(self) -> str:
        value = self.image.nodata
        words = [] if value is None else [f"the file's nodata value {value:.7g}"]
        return " or ".join([*words, "NaN"] if self.image.dtype.kind == "f" else words)

    def _notes_on_outliers(self, found: Statistics) -> tuple[str, ...]:
        if not found.outliers:
            return ()
        percent, one = 100 * found.outliers / found.pixels, found.outliers == 1
        few = f"{found.outliers:,} pixel{'' if one else 's'} ({percent:.2g} %)"
        if found.clipped_to:
            beyond, kept = (self._range(found.typical.widened(by)) for by in (OUTER, INNER))
            was = "was" if one else "were"
            return (f"{few} beyond {beyond} {was} clipped before normalisation, to {kept}",)
        if found.outliers_share > MOST:
            share, hold = 100 * found.outliers_share, "holds" if one else "hold"
            return (f"{few} {hold} {share:.0f} % of the variance: hot pixels?",)
        return ()

    def _range(self, limits: Limits) -> str:
        """Returns limits in words, in the units of the file."""
        low, high = float(limits.low), float(limits.high)
        if self.image.dtype.kind in "ui":
            of = np.iinfo(self.image.dtype)
            low, high = max(low * of.max, of.min), min(high * of.max, of.max)
        return f"{low:.4g} .. {high:.4g}"

    def _non_finite_message(self, found: Statistics) -> str:
        source = self.image.source
        if not found.pixels:
            return (
                f"{source} holds no data: all its pixels are {self._nodata_words()}. Leave this "
                "image out."
            )
        bad = sum(map(self._count_infinite, self._stored_bands()))
        if bad:
            return (
                f"{source} holds infinite values, {bad} in all. Replace them, e.g. with NaN, "
                "which counts as no data: np.where(np.isinf(image), np.nan, image)."
            )
        return self._too_large()

    def _too_large(self) -> str:
        return (
            f"{self.image.source} holds values beyond the range of 32-bit floats. Scale it "
            "down first, e.g. image / image.max()."
        )


def is_consecutive(indices: np.ndarray) -> bool:
    """Whether each index is that before it plus 1."""
    return bool((np.diff(indices) == 1).all())


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_FLOAT
        for value in values
    ):
        raise ConfigError(f"preprocessing.{name}={values!r} is not a list of finite numbers.")
    return tuple(float(value) for value in values)
