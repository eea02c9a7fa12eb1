"""The network without what comes before and after it: normalised pixels in, one tensor out.

A description of the zoo says itself how pixels are normalised, and many programs read models with
one input and one output only. So the maps of objects follow the classes as further channels.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ...network.network import Network
from ...predict.segmentation import Segmentation
from .wording import identifiers

BORDER = "border"  # the map that holds a logit; here it is a probability, as the classes are


class Bare(nn.Module):
    """(batch, channels, height, width) float32, normalised -> (batch, classes and maps, ...).

    Height and width are on the grid of the poolings.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.classes = network.config["num_classes"]
        self.maps = network.object_channels

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network.forward(image, objects=True)
        parts = [logits[:, : self.classes].softmax(dim=1)]
        for index, name in enumerate(self.maps, start=self.classes):
            plane = logits[:, index : index + 1]
            parts.append(plane.sigmoid() if name == BORDER else plane)
        return torch.cat(parts, dim=1)


def channel_names(network: Network) -> list[str]:
    """The channels of the output: the classes, then "object_distance" and the like."""
    maps = [f"object_{name}" for name in network.object_channels]
    return identifiers([*network.id2label.values(), *maps])


def expected_outputs(result: Segmentation) -> dict[str, np.ndarray]:
    """What `Bare` has to give for the image of a result: each (n, H, W) float32."""
    if result.object_maps is None:
        return {"probabilities": result.probabilities}
    maps = result.object_maps.copy()
    for name, plane in zip(result.object_channels, maps, strict=True):
        if name == BORDER:
            plane[:] = torch.from_numpy(plane).sigmoid()
    return {"probabilities": result.probabilities, "object_maps": maps}
