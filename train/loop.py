"""The training, flat and read top to bottom: data, network, optimiser, loop, evidence."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from unet_hf import UNet
from unet_hf.configuration import check_colors
from unet_hf.errors import ConfigError, UNetError
from unet_hf.files import write_text

from .augmentation import Augmentation
from .config import TrainingConfig
from .data import LabelledData, RandomCrops, load_data
from .evaluation import Evaluation, describe, evaluate
from .losses import weighted_cross_entropy
from .publish import write_checkpoint

METRICS = "metrics.jsonl"  # one line an evaluation

logger = logging.getLogger(__name__)


class DivergedError(UNetError):
    """The loss became NaN or infinite."""


def train(config: TrainingConfig) -> Evaluation:
    """Runs a training and leaves a checkpoint in `config.output_dir`.

    Returns:
        The evaluation of that checkpoint on the validation split.

    Raises:
        DatasetError, ConfigError, DivergedError: With what to do about it.
    """
    output = Path(config.output_dir)
    if (output / METRICS).exists():
        raise ConfigError(
            f"--output_dir {output} already holds a training. Choose another folder, or move "
            "that one away."
        )
    accelerator = Accelerator(mixed_precision=choose_precision(config.mixed_precision))
    set_seed(config.seed)

    # Data
    data = load_data(config)
    model = build_model(config, data)
    size = crop_size(model, config.resolution)
    augmentation = Augmentation(
        size,
        config.elastic_std,
        config.rotation,
        config.scale_range,
        config.flip,
        config.gray_std,
        config.noise_std,
    )
    crops = RandomCrops(data, model.preprocessing, augmentation, config)
    loader = DataLoader(
        crops,
        batch_size=config.train_batch_size,
        num_workers=config.dataloader_num_workers,
        worker_init_fn=use_one_thread,
    )
    report_plan(config, data, model, size, accelerator)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "training.json", config.to_json())

    # Network and optimiser
    model.train().to(accelerator.device, memory_format=torch.channels_last)
    # Validation must not touch batch norm's running averages of the trained weights, hence a
    # copy whose parameters and buffers follow them.
    averaged = AveragedModel(model, multi_avg_fn=moving_average(config.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.max_train_steps + 1
    )
    wrapped, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    # Loop
    best: Evaluation | None = None
    progress = tqdm(total=config.max_train_steps, unit="step", disable=None)
    started = time.perf_counter()
    for step, (image, label, weights) in enumerate(loader, start=1):
        image = image.contiguous(memory_format=torch.channels_last)  # (B, C, size, size)
        with accelerator.autocast():
            logits = wrapped(image)  # (B, classes, h, w)
        loss = weighted_cross_entropy(logits, label, weights, config.ignore_index)
        if not torch.isfinite(loss):
            raise DivergedError(
                f"The loss became {loss.item()} at step {step}. Lower --learning_rate (now "
                f"{config.learning_rate}); what {output} "
                "held before this step is still there."
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(wrapped.parameters(), config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        averaged.update_parameters(accelerator.unwrap_model(wrapped))

        progress.update()
        progress.set_postfix(loss=f"{loss.item():.3f}", lr=f"{schedule.get_last_lr()[0]:.1e}")
        if step % config.validation_steps == 0 or step == config.max_train_steps:
            evaluation = evaluate(averaged.module, data.validation, config.ignore_index)
            row = {
                "step": step,
                "seconds": round(time.perf_counter() - started, 1),
                "loss": round(loss.item(), 5),
                "learning_rate": schedule.get_last_lr()[0],
                **asdict(evaluation),
            }
            with (output / METRICS).open("a") as log:
                log.write(json.dumps(row) + "\n")
            progress.write(f"step {step}: {describe(evaluation)}")
            if best is None or evaluation.score >= best.score:
                best = evaluation
                write_checkpoint(output, averaged.module, config, data, best, step)
    progress.close()
    assert best is not None  # the last step always evaluates
    return best


def use_one_thread(worker: int) -> None:
    """For a process that prepares crops: the cores belong to the network."""
    torch.set_num_threads(1)


def moving_average(decay: float) -> Callable[..., None]:
    """Exponential moving average that forgets faster at first: after 300 steps of decay 0.998,
    half of a plain one would still be the random weights of the start."""

    def update(averaged: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
        now = min(decay, (1 + int(steps)) / (10 + int(steps)))
        get_ema_multi_avg_fn(now)(averaged, current, steps)

    return update


def choose_precision(asked: str) -> str:
    """bf16 where the device has units for it; the CPU is asked through oneDNN, not by its name."""
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    if torch.backends.mps.is_available():
        return "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"


def build_model(config: TrainingConfig, data: LabelledData) -> UNet:
    """A new network for this data, or the pretrained one with a last layer that fits it."""
    classes = len(data.id2label)
    colors = config.colors.split(",") if config.colors else None
    if config.pretrained_model_name_or_path:
        model = UNet.from_pretrained(
            config.pretrained_model_name_or_path, num_classes=classes, id2label=data.id2label
        )
        if model.config["in_channels"] != data.channels:
            raise ConfigError(
                f"{config.pretrained_model_name_or_path} takes {model.config['in_channels']} "
                f"channels, the images have {data.channels}. Convert the images."
            )
        if colors:
            model.config["colors"] = check_colors(colors, classes)
        return model
    if config.preset == "paper":
        return UNet.paper(data.channels, classes, id2label=data.id2label, colors=colors)
    return UNet(
        data.channels,
        classes,
        base_channels=config.base_channels,
        depth=config.depth,
        dropout=config.dropout,
        id2label=data.id2label,
        colors=colors,
    )


def crop_size(model: UNet, resolution: int) -> int:
    """Side of the training crops: the first from `resolution` on that the network takes."""
    geometry = model.geometry
    return geometry.input_size(
        max(1, resolution - 2 * geometry.halo * (geometry.padding == "valid"))
    )


def report_plan(
    config: TrainingConfig, data: LabelledData, model: UNet, size: int, accelerator: Accelerator
) -> None:
    parameters = sum(weight.numel() for weight in model.parameters())
    shares = ", ".join(
        f"{name} {100 * share:.1f} %"
        for name, share in zip(data.id2label.values(), data.frequencies, strict=True)
    )
    lines = [
        f"data      {config.dataset_name}: {len(data.train)} images to train on, "
        f"{len(data.validation)} to evaluate on, {data.channels} channels",
        *(f"          {finding}" for finding in data.findings),
        f"          shares in {config.train_split}: {shares}",
        f"network   {parameters:,} parameters ({4 * parameters / 1e6:.1f} MB), {config.preset}",
        f"training  {config.max_train_steps} steps of {config.train_batch_size} crops of {size} x "
        f"{size} px, {accelerator.device}, precision {accelerator.mixed_precision}",
    ]
    logger.info("\n".join(lines))
