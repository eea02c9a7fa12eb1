"""The training loop of the sides that are a network, an optimizer and a loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .task import Task


def train_network(
    task: Task,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    draw: Callable[[], tuple[Tensor, Tensor]],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    rate: Callable[[float], float],
    **notes: Any,
) -> None:
    """Trains until the budget is spent, and leaves the network ready to predict.

    Args:
        draw: Makes a batch: inputs, and what the loss compares the outputs with.
        loss_of: Computes the loss from outputs and truth.
        rate: The learning rate at the spent share of the budget, 0 to 1.
        notes: What the table says of the training.
    """
    steps = 0
    for spent in task.steps():
        optimizer.param_groups[0]["lr"] = rate(spent)
        inputs, truth = draw()
        optimizer.zero_grad()
        loss_of(network(inputs), truth).backward()
        optimizer.step()
        steps += 1
    weights = task.output / "weights.pt"
    torch.save(network.state_dict(), weights)
    network.eval()
    task.trained(steps, weights, **notes)
