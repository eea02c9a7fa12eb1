"""Computes the gradients of one optimizer step, and updates the trained and averaged weights."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .losses import Loss, counted_pixels
from .object_losses import ObjectLoss


def compute_gradients(
    accelerator: Accelerator,
    network: nn.Module,
    loss_of: Loss,
    object_loss_of: ObjectLoss,
    micro_batches: Sequence[Sequence[Tensor]],
    output_side: int,
    max_grad_norm: float,
) -> tuple[Tensor, Tensor]:
    """Runs all micro-batches forward and backward, and clips the gradients.

    Args:
        network: As `accelerator.prepare` returned it.
        micro_batches: Image (B, C, s, s), label (B, s, s) int64, weights (B, s, s), targets of
            objects (B, n, s, s), and possibly more; every process has equally many crops.
        output_side: Side of the network's output for these crops, px.
        max_grad_norm: Gradients are clipped to this norm.

    Returns:
        This process' part of the loss, and the norm of the gradients before they were clipped.
    """
    processes = accelerator.num_processes
    crops = sum(len(batch[0]) for batch in micro_batches) * processes
    pixels = sum(counted_pixels(batch[1], (output_side, output_side)) for batch in micro_batches)
    pixels = accelerator.reduce(pixels, "sum").clamp(min=1)

    loss = torch.zeros((), device=accelerator.device)
    for image, label, weights, targets, *_ in micro_batches:
        last = image is micro_batches[-1][0]
        with nullcontext() if last else accelerator.no_sync(network):
            image = image.contiguous(memory_format=torch.channels_last)  # (B, C, s, s)
            outputs = network(image, objects=True)  # (B, classes + n, h, w)
            logits, maps = outputs.split([outputs.shape[1] - targets.shape[1], targets.shape[1]], 1)
            part = loss_of(logits, label, weights, pixels=pixels, crops=crops)
            part = part + object_loss_of(maps, targets, weights, pixels=pixels)
            # Accelerate averages gradients over the processes, but the parts must be summed.
            accelerator.backward(part * processes)
        loss += part.detach()
    return loss, accelerator.clip_grad_norm_(network.parameters(), max_grad_norm)


def update_weights(
    optimizer: torch.optim.Optimizer, averaged: AveragedModel, model: nn.Module
) -> None:
    """Lets the optimizer update `model` by its gradients, then updates the averaged weights."""
    optimizer.step()
    optimizer.zero_grad()
    averaged.update_parameters(model)
