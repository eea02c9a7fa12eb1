"""How long a training step takes on the CPU: `python -m benchmarks.training`.

Forward, backward and optimiser of this project's recipe, against the float32 step of the popular
same-padding U-Net (milesial/Pytorch-UNet: batch norm after each convolution, transposed
convolutions, channels last, RMSprop, gradients clipped), restated here from its description. The
reference has the plainest loss, cross-entropy; ours also weighs pixels and averages weights.

Each side has a process of its own, since the way memory is kept belongs to a process. They take
steps in turn, round after round, so that a machine whose speed drifts slows both sides alike. Of
the two steps of a turn the second is measured: in a training, a step follows one of its own. Where
other programs run, `--threads 1 --cpu_time` counts only the seconds in which a side computes.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from train.config import TrainingConfig
from train.kernels.forward import memory_format, use_fast_kernels
from train.losses import build_loss
from train.malloc import keep_memory
from train.model import choose_precision
from train.object_losses import ObjectLoss
from train.optimization import build_optimizer, moving_average
from train.step import compute_gradients, update_weights
from unet_hf import UNet


@dataclass(frozen=True)
class Case:
    name: str
    base_channels: int
    batch: int
    side: int  # of the square crops, px
    weight: int  # rounds, as a multiple of --rounds: short steps are measured more often


CASES = (
    Case("the paper's size (64 ... 1024 channels)", 64, 1, 512, weight=1),
    Case("width 16, the default network", 16, 4, 256, weight=4),
)


@dataclass
class Outcome:
    """Of a case: seconds a step, round by round."""

    case: Case
    reference: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.reference, self.ours, strict=True)]


class ReferenceUNet(nn.Module):
    """The paper's layer list, with padding, and batch norm after each 3x3 convolution."""

    def __init__(self, in_channels: int, num_classes: int, base: int) -> None:
        super().__init__()

        def double(before: int, after: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for channels in (before, after):
                layers += [
                    nn.Conv2d(channels, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                ]
            return nn.Sequential(*layers)

        widths = [base * 2**level for level in range(5)]  # 64 128 256 512 1024
        self.down = nn.ModuleList(map(double, [in_channels, *widths[:-1]], widths))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1]
        )
        self.merge = nn.ModuleList(double(2 * width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(base, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, classes, H, W); H and W are multiples of 16."""
        skips = [self.down[0](image)]
        for down in self.down[1:]:
            skips.append(down(functional.max_pool2d(skips[-1], 2)))
        features = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            features = merge(torch.cat([skips.pop(), up(features)], dim=1))
        return self.head(features)


def random_batch(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image (B, 1, s, s) channels last, label (B, s, s) int64, weights (B, s, s), no targets."""
    shape = (case.batch, case.side, case.side)
    image = torch.randn(case.batch, 1, case.side, case.side)
    image = image.contiguous(memory_format=torch.channels_last)
    targets = torch.ones(case.batch, 0, case.side, case.side)
    return image, torch.randint(0, 2, shape), torch.ones(shape), targets


def reference_step(case: Case, _: str) -> Callable[[], float]:
    network = ReferenceUNet(1, 2, case.base_channels).to(memory_format=torch.channels_last)
    optimizer = torch.optim.RMSprop(
        network.parameters(), lr=1e-5, weight_decay=1e-8, momentum=0.999, foreach=True
    )
    image, label, *_ = random_batch(case)

    def step() -> float:
        loss = functional.cross_entropy(network(image), label)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def our_step(case: Case, precision: str) -> Callable[[], float]:
    """The step of `train.loop`, with the defaults of the command line."""
    keep_memory()
    config = TrainingConfig(dataset_name="-", output_dir="-").usual()
    accelerator = Accelerator(cpu=True, mixed_precision=precision)
    model = UNet(1, 2, base_channels=case.base_channels, dropout=config.dropout).train()
    model.to(memory_format=memory_format(model, precision))
    averaged = AveragedModel(model, multi_avg_fn=moving_average(config.ema_decay), use_buffers=True)
    optimizer = build_optimizer(model.parameters(), config)
    network = accelerator.prepare(use_fast_kernels(model))
    loss_of = build_loss(config.loss)
    batches = [random_batch(case)]

    def step() -> float:
        loss, _ = compute_gradients(
            accelerator, network, loss_of, ObjectLoss(()), batches, case.side, config.max_grad_norm
        )
        update_weights(optimizer, averaged, model)
        return loss.item()

    return step


SIDES = {"reference": reference_step, "ours": our_step}


def answer(
    side: str, case: Case, precision: str, threads: int, cpu_time: bool, pipe: Connection
) -> None:
    """A process: takes two steps, and tells the seconds of the second, whenever it is asked."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    clock = time.process_time if cpu_time else time.perf_counter
    step = SIDES[side](case, precision)
    step()  # the first one also allocates
    pipe.send(None)
    while pipe.recv():
        step()
        began = clock()
        step()
        pipe.send(clock() - began)


def compare(case: Case, rounds: int, precision: str, threads: int, cpu_time: bool) -> Outcome:
    context = multiprocessing.get_context("spawn")
    outcome = Outcome(case)
    pipes = {}
    for side in SIDES:
        pipes[side], far_end = context.Pipe()
        arguments = (side, case, precision, threads, cpu_time, far_end)
        context.Process(target=answer, args=arguments, daemon=True).start()
        far_end.close()  # so that a process that fails is noticed instead of waited for
        pipes[side].recv()
    for _ in range(rounds):
        for side, pipe in pipes.items():
            pipe.send(True)
            getattr(outcome, side).append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--width", type=int, help="measures only this case, by its channels: 16")
    parser.add_argument(
        "--mixed_precision", default="auto", choices=("auto", "no", "bf16"), help="of our side"
    )
    parser.add_argument("--cpu_time", action="store_true", help="instead of the time that passes")
    parser.add_argument("--json", type=Path, help="file for the times, in seconds")
    options = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # both sides, and the choice of precision: the CPU

    precision = choose_precision(options.mixed_precision)
    facts = {
        "torch": torch.__version__,
        "threads": options.threads,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "amx": torch.cpu._is_amx_tile_supported(),
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        "precision": "bf16" if precision == "bf16" else "float32",
    }
    print("CPU: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    outcomes = []
    for case in CASES:
        if options.width not in (None, case.base_channels):
            continue
        outcome = compare(
            case, case.weight * options.rounds, precision, options.threads, options.cpu_time
        )
        outcomes.append(outcome)
        print(
            f"{case.name}, batch {case.batch}, {case.side} x {case.side}, {len(outcome.ours)} "
            "rounds: milliseconds a step, median [min .. max]"
        )
        labels = {"reference": "float32, RMSprop", "ours": f"ours, {facts['precision']}"}
        for side, label in labels.items():
            times = getattr(outcome, side)
            low, middle, high = (1000 * f(times) for f in (min, statistics.median, max))
            print(f"  {label:26s} {middle:7.0f} [{low:.0f} .. {high:.0f}]")
        ratios = outcome.ratios()
        print(
            f"  ratio, round by round      {statistics.median(ratios):7.2f} "
            f"[{min(ratios):.2f} .. {max(ratios):.2f}]"
        )
    if options.json:
        options.json.write_text(
            json.dumps({**facts, "cases": [asdict(outcome) for outcome in outcomes]}, indent=2)
        )


if __name__ == "__main__":
    main()
