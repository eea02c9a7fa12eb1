"""A U-Net as a program of `torch.export`: the same inputs and output as the ONNX graph's."""

import copy

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..unet import UNet
from .mirroring import Mirroring


class Program(nn.Module):
    """See `onnx_graph.build` for what goes in and comes out."""

    def __init__(self, model: "UNet") -> None:
        super().__init__()
        network = copy.deepcopy(model).cpu().eval()
        # PyTorch's writer takes weights in any other order for parts of something larger.
        self.network = network.to(memory_format=torch.contiguous_format)
        self.rule = Mirroring.of(model.geometry)
        if model.preprocessing.normalization == "fixed":
            self.register_buffer("mean", torch.tensor(model.preprocessing.mean).view(-1, 1, 1))
            self.register_buffer("std", torch.tensor(model.preprocessing.std).view(-1, 1, 1))

    def forward(
        self, image: Tensor, mean: Tensor | None = None, std: Tensor | None = None
    ) -> Tensor:
        height, width = image.shape[-2:]
        if mean is None:
            x = (image - self.mean) / self.std
        else:
            divisor = torch.where(std > 0, std, 1.0)
            x = (image - mean[:, None, None, None]) / divisor[:, None, None, None]
        x = x.index_select(2, self._mirrored(height)).index_select(3, self._mirrored(width))
        probabilities = self.network(x).softmax(dim=1)
        # Not a slice: whether that is contiguous would be settled once for all sizes.
        rows, columns = torch.arange(height), torch.arange(width)
        return probabilities.index_select(2, rows).index_select(3, columns)

    def _mirrored(self, size: int) -> Tensor:
        """As `tiling.mirrored`, in operations that a program can hold."""
        multiple, margin, offset = self.rule.multiple, self.rule.margin, self.rule.offset
        last = (size + offset + multiple - 1) // multiple * multiple + margin - offset
        period = 2 * size - 2
        folded = torch.arange(-margin, last) % period
        return torch.minimum(folded, period - folded)


def build(model: "UNet") -> ExportedProgram:
    """For any number of images of any height and width above the pooling grid's 2**depth px.

    (At that size the bottleneck is one pixel, which `torch.export` treats as a case of its own.)
    """
    grid = model.geometry.multiple
    # Sides unlike each other and off the grid: otherwise that would be taken for a rule.
    image = torch.zeros(2, model.config["in_channels"], 2 * grid + 1, 3 * grid + 1)
    sizes = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    if model.preprocessing.normalization == "fixed":
        arguments, shapes = (image,), (sizes,)
    else:
        arguments = (image, torch.zeros(2), torch.ones(2))
        shapes = (sizes, {0: Dim.DYNAMIC}, {0: Dim.DYNAMIC})
    program = Program(model).eval()
    with torch.no_grad():
        return torch.export.export(program, arguments, dynamic_shapes=shapes)
