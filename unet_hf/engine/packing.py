"""`PackedWeights`: the weights of one convolution, packed as oneDNN wants them for a size.

oneDNN packs weights in one of several ways, depending on the size of the image and on the number of
threads. Weights that are packed in another way cost much: some layers are then up to three times
slower, and others pack their weights again in each call, which can take as long as the arithmetic.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .precision import has_matrix_unit, has_only_avx2

# Layers with fewer channels than this are narrow: a packed copy for each size takes little memory.
NARROW_CHANNELS = 64
MAX_PACKED_SIZES = 16  # image sizes for which a narrow layer keeps packed weights

Pack = Callable[[Tensor, torch.Size | None], Tensor]  # called with (weight, shape of the image)


class PackedWeights:
    """Packed copies of a (out, in, h, w) weight, one for each size or one in all.

    A narrow layer keeps the weight as it is, and a copy for each of the last sizes. A wide layer
    keeps a single copy, since its weights fill megabytes; that copy is packed again when the size
    changes and oneDNN wants another layout for it. With AVX-512 there is one layout only for wide
    layers, except in half precision where the CPU has a matrix unit. Other CPUs than these and
    those with AVX2 were not measured, and get one layout, too.
    """

    def __init__(self, weight: Tensor, pack: Pack, *, one_layout: bool | None = None) -> None:
        """one_layout: Whether the size does not matter. None: as for float layers."""
        wide = min(weight.shape[:2]) >= NARROW_CHANNELS
        self._pack = pack
        half = weight.dtype in (torch.bfloat16, torch.float16)
        several = has_matrix_unit() if half else has_only_avx2()
        self._one_layout = wide and not several if one_layout is None else one_layout
        self._keeps_weight = not wide or one_layout is False
        # With the layout it is in; None: not packed yet. Both change at once, as several threads
        # may segment with one network.
        self._held: tuple[Tensor, bytes | None] = (
            pack(weight, None) if self._one_layout else weight, None,
        )  # fmt: skip
        self.copies: dict[tuple, Tensor] = {}  # of a narrow layer, by size
        self._layouts: dict[tuple, bytes] = {}  # that a wide layer needs, by size

    def packed_for(self, shape: torch.Size) -> Tensor:
        """Returns the weight, packed for an image of this (B, in, h, w)."""
        if self._one_layout:
            return self._held[0]
        size = (*shape, torch.get_num_threads())
        return self._own_copy(shape, size) if self._keeps_weight else self._only_copy(shape, size)

    def _own_copy(self, shape: torch.Size, size: tuple) -> Tensor:
        if size not in self.copies:
            if len(self.copies) == MAX_PACKED_SIZES:
                self.copies.clear()
            self.copies[size] = self._pack(self._held[0], shape)
        return self.copies[size]

    def _only_copy(self, shape: torch.Size, size: tuple) -> Tensor:
        weight, layout = self._held
        if layout is None or self._layouts.get(size) != layout:
            dense = weight if layout is None else weight.to_dense()
            # Its layout says in which layout the image will be.
            packed = self._pack(dense.contiguous(memory_format=torch.channels_last), shape)
            wanted = bytes(torch.ops.mkldnn._get_mkldnn_serialized_md(packed).numpy())
            if wanted != layout:
                weight = packed
                self._held = packed, wanted
            if len(self._layouts) == MAX_PACKED_SIZES:
                self._layouts.clear()
            self._layouts[size] = wanted
        return weight
