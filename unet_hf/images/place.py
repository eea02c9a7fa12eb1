"""`Place`: where the pixels of an image lie in the file that they were read from."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .georeference import Georeference


@dataclass(frozen=True)
class Place:
    """Resolution, plane and georeference of an image.

    axes, shape: Of the stack that the image is a plane of, as in `ImageData.axes`; "" if unknown.
    number: The plane's index in the stack: in all its axes but Y, X, S and C.
    channel: The index in axis C, if one channel was picked; None: all of them.
    level: The resolution of a pyramid, counted from 0, the finest.
    scale: How many pixels of the finest level are the width (x) and the height (y) of a pixel.
    """

    axes: str = ""
    shape: tuple[int, ...] = ()
    number: int = 0
    channel: int | None = None
    level: int = 0
    scale: tuple[float, float] = (1.0, 1.0)
    georeference: Georeference | None = None

    @cached_property
    def _lengths(self) -> dict[str, int]:
        return dict(zip(self.axes, self.shape, strict=True))

    @cached_property
    def _indices(self) -> dict[str, int]:
        """The plane's index in each axis but Y, X and S; the first channel if all were read."""
        axes = [axis for axis in self.axes if axis not in "YXSC"]
        found = np.unravel_index(self.number, [self._lengths[axis] for axis in axes] or [1])
        indices = dict(zip(axes, map(int, found), strict=False))
        return indices | ({"C": self.channel or 0} if "C" in self.axes else {})

    def _is_stack_of(self, axis: str) -> bool:
        return self._lengths.get(axis, 1) > 1

    @property
    def position(self) -> int | None:
        """The plane's number in ImageJ's stack, from 1; None if the file has only one plane.

        ImageJ counts channels first, then slices, then frames. The planes of other axes are
        counted as they are stored. If all channels were read, it is the number of the first.
        """
        stacked = [axis for axis in self.axes if axis not in "YXS" and self._is_stack_of(axis)]
        if stacked == ["C"] and self.channel is None:
            return None
        if set(stacked) <= set("CZT"):
            stacked.sort(key="TZC".index)
        lengths, number = self._lengths, 0
        for axis in stacked:
            number = number * lengths[axis] + self._indices[axis]
        return number + 1 if stacked else None

    @property
    def hyperstack_position(self) -> tuple[int, int, int] | None:
        """Channel, slice and frame in ImageJ's hyperstack, from 1; channel 0 means all of them.

        None if the file is no hyperstack: then ImageJ goes by `position`.
        """
        stacked = [axis for axis in self.axes if axis not in "YXS" and self._is_stack_of(axis)]
        if len(stacked) < 2 or not set(stacked) <= set("CZT"):
            return None
        c, z, t = (self._indices.get(axis, 0) + 1 for axis in "CZT")
        return 0 if self._is_stack_of("C") and self.channel is None else c, z, t

    @property
    def qupath_plane(self) -> dict[str, int] | None:
        """Indices of channel, slice and frame from 0, as in QuPath; channel -1 means all of them.

        None if there is only one plane, or if the file does not say what its planes are.
        """
        picked = self.channel is not None and self._is_stack_of("C")
        if not picked and not any(self._is_stack_of(axis) for axis in "ZT"):
            return None
        z, t = (self._indices.get(axis, 0) for axis in "ZT")
        return {"c": self.channel if picked else -1, "z": z, "t": t}

    def scaled(self, values: np.ndarray, factor: float) -> np.ndarray:
        """Returns values times a factor; whole numbers stay whole if the factor is."""
        if factor == 1:
            return values
        whole = values.dtype.kind in "iu" and float(factor).is_integer()
        return values * int(factor) if whole else values * factor

    @property
    def area_factor(self) -> float:
        """The area of a pixel in pixels of the finest level."""
        return self.scale[0] * self.scale[1]

    @property
    def length_factor(self) -> float:
        """The side of a pixel in pixels of the finest level, the mean of width and height."""
        return self.scale[0] if self.scale[0] == self.scale[1] else math.sqrt(self.area_factor)
