"""`Learner`: what a training changes step by step, and how one step does it."""

from collections.abc import Iterator
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from unet_hf import UNet

from . import checkpoints
from .config import TrainingConfig
from .distributed import share_batch_norm
from .kernels.forward import use_fast_kernels
from .object_losses import ObjectLoss
from .optimization import (
    build_optimizer,
    learning_rate,
    moving_average,
    norms_are_settled,
    seed_step,
)
from .recipe import USUAL_RECIPE, Recipe
from .step import compute_gradients, update_weights

MicroBatches = list[list[Tensor]]


class Learner:
    """A network with its averaged weights, its optimizer and its loss.

    Averaged weights are evaluated and kept. Without averaging they are a copy of the trained ones,
    so that no evaluation can change the batch norms of these.
    """

    def __init__(
        self,
        model: UNet,
        config: TrainingConfig,
        accelerator: Accelerator,
        size: int,
        recipe: Recipe = USUAL_RECIPE,
    ) -> None:
        """size: Side of the crops, px. Call `prepare` before the first step."""
        self.config, self.accelerator = config, accelerator
        self.output_side = size - 2 * model.geometry.halo * (model.geometry.padding == "valid")
        self.loss_of = recipe.build_loss(config, model)
        self.object_loss_of = ObjectLoss(
            model.object_channels, config.object_distance_weight, config.object_border_weight
        )
        if accelerator.num_processes > 1:
            model = share_batch_norm(model, accelerator.device)
        self.model = model
        # Averaged weights are evaluated and kept. With decay 0 they are a copy of the trained ones,
        # so that no evaluation can change the batch norms of these.
        decay = config.ema_decay if config.use_ema else 0.0
        self.averaged = AveragedModel(model, multi_avg_fn=moving_average(decay), use_buffers=True)
        pairs = zip(self.model.modules(), self.evaluated.modules(), strict=True)
        self.norms = [pair for pair in pairs if _learns_averages(pair[0])]
        self.optimizer = build_optimizer([p for p in model.parameters() if p.requires_grad], config)

    @property
    def evaluated(self) -> UNet:
        """The averaged network."""
        return self.averaged.module

    def restore(self, checkpoint: Path, step: int) -> None:
        """Goes back to a checkpoint of this step. Raises `CheckpointError`."""
        checkpoints.restore(checkpoint, self.model, self.evaluated, self.optimizer)
        self.averaged.n_averaged.fill_(step)

    def prepare(self) -> None:
        """Connects the network, with its fast kernels, to those of the other processes."""
        self.network = self.accelerator.prepare(use_fast_kernels(self.model))

    def begin(self, step: int) -> float:
        """Sets random state, batch norms and learning rate of a step, counted from 1.

        Returns the rate.
        """
        seed_step(self.config.seed, step, self.accelerator.process_index)
        self._settle_norms(norms_are_settled(step, self.config))
        rate = learning_rate(step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _settle_norms(self, settled: bool) -> None:
        """Lets batch norms keep the averages of the averaged network, or gather their own.

        Once settled, both have the same averages, and nothing changes if they are settled again:
        so a resumed training needs to know nothing of it.
        """
        for norm, averaged in self.norms:
            norm.train(not settled)
            if settled:
                norm.running_mean.copy_(averaged.running_mean)
                norm.running_var.copy_(averaged.running_var)

    def fetch(self, batches: Iterator[list[Tensor]]) -> MicroBatches:
        """Takes the crops of a step."""
        device = self.accelerator.device
        return [
            [tensor.to(device, non_blocking=True) for tensor in next(batches)]
            for _ in range(self.config.gradient_accumulation_steps)
        ]

    def gradients(self, micro_batches: MicroBatches) -> tuple[Tensor, Tensor]:
        """Computes the gradients; returns this process' part of the loss, and their norm."""
        return compute_gradients(
            self.accelerator,
            self.network,
            self.loss_of,
            self.object_loss_of,
            micro_batches,
            self.output_side,
            self.config.max_grad_norm,
        )

    def update(self) -> None:
        """Changes the weights by the gradients, then the averaged ones."""
        update_weights(self.optimizer, self.averaged, self.model)


def _learns_averages(layer: nn.Module) -> bool:
    """Whether it is a batch norm, and not one of a frozen encoder."""
    return isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training
