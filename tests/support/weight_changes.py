"""Ways to change the weights of a network, also those that PyTorch does not notice."""

import numpy as np
import torch

from unet_hf import UNet


def in_place(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.mul_(-1).add_(0.5)


def behind(model: UNet) -> None:
    model.contracting[0][0].weight.data.mul_(1.5)


def statistics(model: UNet) -> None:
    model.bottleneck[1].running_mean.add_(1.0)


def loaded(model: UNet) -> None:
    torch.manual_seed(7)
    model.load_state_dict(UNet(base_channels=8).state_dict())


def negated(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.neg_()
        model.head.bias.neg_()


def negated_behind(model: UNet) -> None:
    model.head.weight.data.neg_()
    model.head.bias.data.neg_()


def smallest(weight: torch.Tensor) -> torch.Tensor:
    """A view of the weight on which the norm depends least."""
    index = np.unravel_index(int(weight.abs().argmin()), weight.shape)
    return weight[tuple(map(int, index))]


def one_a_little(model: UNet) -> None:
    with torch.no_grad():
        smallest(model.expansive[3][0].weight).add_(1e-5)


def one_a_little_behind(model: UNet) -> None:
    smallest(model.expansive[3][0].weight.data).add_(1e-5)


def reordered(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.copy_(model.head.weight.flip(1))


def reordered_behind(model: UNet) -> None:
    weight = model.bottleneck[0].weight.data  # large enough for sums in the place of all values
    weight.copy_(weight[[2, 1, 0, *range(3, len(weight))]])


def transposed_kernels_behind(model: UNet) -> None:
    weight = model.bottleneck[3].weight.data
    weight.copy_(weight.transpose(2, 3).clone())


def numpys_view(model: UNet) -> None:
    model.head.weight.detach().numpy()[:] *= -1


def statistics_behind(model: UNet) -> None:
    variance = model.contracting[1][1].running_var.data
    variance.copy_(variance.flip(0))


def another_eps(model: UNet) -> None:
    model.bottleneck[1].eps = 0.5


def another_head(model: UNet) -> None:
    model.head = UNet(base_channels=8).head


CHANGES = [
    in_place, behind, statistics, loaded, negated, negated_behind, one_a_little,
    one_a_little_behind, reordered, reordered_behind, transposed_kernels_behind, numpys_view,
    statistics_behind, another_eps, another_head,
]  # fmt: skip
