"""The networks that benchmarks compare with are the ones they are named after."""

import pytest
import torch
from torch import nn

from benchmarks.peer_networks import MilesialUNet, NNUNet, ResNet34UNet
from benchmarks.peers import cost
from unet_hf import UNet

# With 1 and with 3 channels, 2 classes: what the originals have; nnU-Net's of the package
# dynamic-network-architectures 0.4.4 in the plan of nnunetv2, ResNet34UNet's of
# segmentation-models-pytorch 0.6.0.
PARAMETERS = {
    MilesialUNet: (31_036_546, 31_037_698),
    NNUNet: (46_324_558, 46_325_134),
    ResNet34UNet: (24_430_242, 24_436_514),
}


@pytest.mark.parametrize("network", PARAMETERS)
def test_a_peer_has_the_parameters_of_the_original(network: type[nn.Module]) -> None:
    with torch.device("meta"):
        seen = tuple(count(network(channels, 2)) for channels in (1, 3))

    assert seen == PARAMETERS[network]


# Billions for 512 x 512 px; a multiplication and its addition are two.
@pytest.mark.parametrize(
    ("network", "operations"), [(MilesialUNet, 384.8), (NNUNet, 119.2), (ResNet34UNet, 61.8)]
)
def test_a_peer_takes_the_operations_of_the_original(
    network: type[nn.Module], operations: float
) -> None:
    assert cost(network, 512)[1] / 1e9 == pytest.approx(operations, abs=0.05)


@pytest.mark.parametrize("network", PARAMETERS)
def test_a_peer_answers_in_the_size_of_the_image(network: type[nn.Module]) -> None:
    with torch.device("meta"):
        logits = network(3, 5)(torch.empty(2, 3, 256, 384))

    assert logits.shape == (2, 5, 256, 384)


def test_our_network_of_the_papers_width_costs_what_the_usual_one_does() -> None:
    assert cost(lambda: UNet(base_channels=64), 512) == cost(MilesialUNet, 512)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
