"""Batch norm over all processes, so that they compute what one process would."""

import torch
import torch.distributed
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


class SumOverProcesses(torch.autograd.Function):
    """Sums a tensor over all processes, with gradients: each input has a share in every loss."""

    @staticmethod
    def forward(ctx: FunctionCtx, part: Tensor) -> Tensor:
        total = part.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Normalizes over the crops of all processes.

    PyTorch's SyncBatchNorm does this only on GPUs. On CPUs (gloo) each process would otherwise
    normalize by its own few crops, and two processes would train another network than one process
    with the doubled batch. All processes must have the same number of pixels.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Normalizes (B, C, H, W) of any float dtype; statistics in float32, as in PyTorch."""
        if not self.training:
            return super().forward(image)
        processes = torch.distributed.get_world_size()
        wide = image.float()
        mean = SumOverProcesses.apply(wide.mean((0, 2, 3))) / processes
        centred = wide - mean[:, None, None]
        variance = SumOverProcesses.apply(centred.square().mean((0, 2, 3))) / processes
        with torch.no_grad():
            pixels = image.numel() // image.shape[1] * processes
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (pixels / (pixels - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(image.dtype)


def share_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replaces each batch norm by one over the crops of all processes; weights stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm2d:
            shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum)
            shared.load_state_dict(child.state_dict())
            shared.train(child.training)
            setattr(model, name, shared)
        else:
            share_batch_norm(child, device)
    return model
