"""How an exported network takes an image of any size: mirrored at its borders to a size that
passes every pooling, just as a prediction in one window is.

That makes one rule for large images, whatever the network: predict blocks that begin on multiples
of `multiple` pixels, show each with `halo` pixels more on every side, as far as the image goes,
and throw those away again. The result is that of the whole image.
"""

from dataclasses import dataclass

from ..network.tiling import TileGeometry, round_up


@dataclass(frozen=True)
class Mirroring:
    """margin: what is mirrored before the first pixel, and at least after the last.

    A side of n px becomes round_up(n + offset, multiple) - offset + 2 * margin.
    """

    multiple: int
    margin: int
    offset: int
    halo: int  # what a block needs around it to be predicted as in the whole image

    @classmethod
    def of(cls, geometry: TileGeometry) -> "Mirroring":
        margin = geometry.halo if geometry.padding == "valid" else 0
        offset = (2 * margin - geometry.input_size(1)) % geometry.multiple
        return cls(geometry.multiple, margin, offset, round_up(geometry.halo, geometry.multiple))
