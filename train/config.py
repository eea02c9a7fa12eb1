"""Defines every option of a training once, for the command line, training.json and the loop."""

import dataclasses
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_hf.addresses import read_repository
from unet_hf.data.options import DataOptions, public_name
from unet_hf.errors import ConfigError
from unet_hf.hub.find import read_address
from unet_hf.hub.goals import read_goals
from unet_hf.network.configuration import MAX_DEPTH
from unet_hf.network.tiling import TileGeometry
from unet_hf.options import option

from .duration import read_duration
from .presets import CHECKED, CHOICES, NETWORK_SIZE, NEW, PRESETS, TILE_SIZES, USUAL

DEFAULT_STEPS = 10_000
DEFAULT_INTERVAL = 1000  # steps between evaluations, and between checkpoints


@dataclass
class TrainingConfig(DataOptions):
    """Options of `python -m train`; each is a flag of the same name.

    A field that the preset decides is None until `__post_init__` fills it in. One that is planned
    stays None until `train.plan` fills it in from the data.
    """

    # ------------------------------------------------------------ data, beside `DataOptions`
    title: str | None = option(None, 'what people call the checkpoint, e.g. "Cell nuclei"')
    colors: str | None = option(None, "class colours, '#rrggbb,#rrggbb' in the order of the ids")
    shuffle_buffer_size: int = option(256, "streaming: images among which the next is drawn")
    max_inspected: int = option(
        2000, "images a split that are looked at before training (streaming: a tenth of it)"
    )

    # ------------------------------------------------------------ cross-validation
    folds: int | None = option(
        None,
        "divide the training and validation images into so many folds, train without each in "
        "turn, then train the final network on all of them",
    )
    fold: int | None = option(None, "train only without this fold, counted from 0")
    fold_column: str | None = option(
        None, "images with the same value in this column stay in one fold, e.g. films or slides"
    )
    fold_order: str | None = option(
        None,
        "random, or contiguous: blocks of rows, for consecutive slices, which resemble each other; "
        "contiguous for pages of stacks and random for all else unless given",
    )

    # ------------------------------------------------------------ network
    pretrained_model_name_or_path: str | None = option(
        None,
        "start from this checkpoint: a shipped name, a folder or a Hub id; none: a new network",
    )
    new_head: bool | None = option(
        None, "draw the checkpoint's last layer afresh, for other classes"
    )
    freeze_encoder: bool = option(False, "leave the contracting path and the bottleneck as loaded")
    preset: str = option("modern", "modern (same padding, batch norm) or paper (the 2015 recipe)")
    padding: str | None = option(None, "same, or the paper's valid")
    norm: str | None = option(None, "batch or none, after each 3x3 convolution")
    base_channels: int | None = option(None, "channels at full resolution; 16 gives 7.8 MB")
    max_channels: int | None = option(
        None, "channels double at each pooling up to this number; at each one unless given"
    )
    depth: int | None = option(None, "number of poolings")
    dropout: float | None = option(None, "at the end of the contracting path")

    # ------------------------------------------------------------ augmentation (paper, 3.1)
    elastic_std: float | None = option(None, "px; displacement of the 3 x 3 coarse grid; 0: none")
    rotation: float | None = option(None, "degrees; rotated by a uniform angle up to this")
    scale_range: float | None = option(None, "zoomed by a factor from 1/x to x; 1: none")
    flip: bool = option(True, "mirrored half of the time")
    gray_std: float = option(0.2, "std of random contrast and brightness, in image std; 0: none")
    noise_std: float | None = option(None, "highest std of Gaussian noise, in image std; 0: none")

    channel_mixing: float | None = option(
        None, "probability that the channels of RGB are permuted, and that they are mixed"
    )
    inversion: float | None = option(None, "probability that light and dark are swapped")
    class_sampling: float | None = option(
        None, "share of the crops around a pixel of a class drawn evenly, for rare ones; 0: none"
    )

    # ------------------------------------------------------------ loss (paper, eq. 1 and 2)
    loss: str | None = option(None, "what is minimised; all are weighted by eq. 2's map")
    label_smoothing: float = option(0.0, "cross-entropy: share of the target given to all classes")
    focal_gamma: float = option(2.0, "focal loss: how much easy pixels are discounted")
    border_weight: float | None = option(None, "w0: weight of the gaps between objects; 0: none")
    border_sigma: float | None = option(None, "px; how fast that weight falls with distance")
    object_channels: str = option(
        "distance,border", "objects: what the network learns of each pixel beside its class"
    )
    object_distance_weight: float = option(1.0, "objects: weight of the error of the distance")
    object_border_weight: float = option(1.0, "objects: weight of the error of the border")
    class_balance: str | None = option(None, "w_c: by which rule rare classes weigh more")

    # ------------------------------------------------------------ optimization
    resolution: int | None = option(None, "side of the training crops, px")
    train_batch_size: int | None = option(None, "crops a process and step")
    gradient_accumulation_steps: int = option(1, "batches whose gradients make one step")
    num_train_epochs: float | None = option(
        None,
        "instead of steps: an epoch is as many crops as cover every image's area once",
        volatile=True,
    )
    time_budget: str | None = option(
        None,
        "instead of steps: the time of the whole command, 15m, 90s or 1h30m; as many steps as fit "
        "are measured before the first one",
        volatile=True,
    )
    fitted_to: str | None = option(
        None,
        "written by a training: the time budget that its steps were fitted to",
        volatile=True,
    )
    max_train_steps: int | None = option(
        None, f"optimizer steps; {DEFAULT_STEPS} unless given", volatile=True
    )
    optimizer: str | None = option(None, "adamw, or sgd with momentum")
    learning_rate: float | None = option(None, "its peak, after the warm-up")
    momentum: float = option(0.99, "of sgd (the paper's)")
    weight_decay: float | None = option(None, "of the optimizer")
    lr_scheduler: str | None = option(None, "how the learning rate falls after the warm-up")
    lr_warmup_steps: int | None = option(None, "linear rise from 0; a tenth of the steps if None")
    max_grad_norm: float = option(1.0, "gradients are clipped to this norm")
    norms_settle_after: float | None = option(
        None,
        "share of the steps after which batch norms keep their averages, as in a prediction; "
        "1: never, and never at a constant learning rate",
    )
    use_ema: bool | None = option(None, "evaluate and keep averaged weights")
    ema_decay: float = option(0.998, "of the averaged weights")
    mixed_precision: str = option("auto", "auto, no or bf16; auto: bf16 where the device has it")
    dataloader_num_workers: int | None = option(
        None,
        "processes that prepare crops; 0: in this one. 1 if None, or 0 on a CPU of two cores",
        volatile=True,
    )

    # ------------------------------------------------------------ evaluation and output
    validation_steps: int | None = option(
        None, f"steps between evaluations; {DEFAULT_INTERVAL} unless given or fitted", volatile=True
    )
    early_stopping_patience: int | None = option(
        None, "stop after so many evaluations without a better score", volatile=True
    )
    checkpointing_steps: int | None = option(
        None,
        f"steps between checkpoints one can resume from; {DEFAULT_INTERVAL} unless given or fitted",
        volatile=True,
    )
    checkpoints_total_limit: int = option(2, "how many of them are kept", volatile=True)
    resume_from_checkpoint: str | None = option(
        None, "'latest' or the path of a checkpoint-<step> folder: go on from there", volatile=True
    )
    report_to: str | None = option(None, "also log to trackio or tensorboard", volatile=True)
    goals: str | None = option(
        None, "scores to reach, for the card: 'mean_iou >= 0.9; iou[crack] >= 0.8'"
    )
    goals_note: str | None = option(
        None, "when these goals were set, if not before the training", volatile=True
    )
    dataset_note: str | None = option(None, "what the data is, for the card", volatile=True)
    license: str | None = option(
        None,
        "license of the weights, a Hub identifier; the card says it is not stated if left out",
        volatile=True,
    )
    license_name: str | None = option(None, "its name, if it is 'other'", volatile=True)
    license_note: str | None = option(
        None, "terms that the data puts on the weights, for the card", volatile=True
    )
    citation: str | None = option(None, "sources of the data, for the card", volatile=True)
    sample_image: str | None = option(
        None,
        "a picture that may be passed on, for the checkpoint's sample; one is drawn if left out",
        volatile=True,
    )
    measure_speed: bool = option(True, "time the finished checkpoint, for the card", volatile=True)
    output_dir: str = option("", "folder of the checkpoint", volatile=True)
    push_to_hub: bool = option(False, "upload the finished checkpoint", volatile=True)
    hub_model_id: str | None = option(
        None, "repository to push to; your name and the output folder's if None", volatile=True
    )
    hub_private_repo: bool = option(False, "create that repository as a private one", volatile=True)
    hub_branch: str | None = option(
        None, "push to this branch of it, made if missing", volatile=True
    )
    hub_create_pr: bool = option(False, "push as a pull request, also to others", volatile=True)
    hub_tag: str | None = option(None, "name of the pushed commit, e.g. v1.0", volatile=True)
    demo_space: str | None = option(
        None, "a Space with the demo (org/name), for the card's link", volatile=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._read_names()
        self.check_choice("preset", PRESETS)
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        for name, choices in CHOICES.items():
            self.check_choice(name, choices)
        self._check_all_numbers()
        if self.new_head and not self.start:
            raise ConfigError(
                "--new_head needs --pretrained_model_name_or_path: a new network's last layer is "
                "new anyway."
            )
        if self.freeze_encoder and not self.start:
            raise ConfigError(
                "--freeze_encoder needs --pretrained_model_name_or_path: random layers would stay "
                "random."
            )
        read_goals(self.goals or "")
        self._check_depth()
        self._check_time_budget()
        self._check_folds()
        for name in ("hub_model_id", "hub_branch", "hub_create_pr", "hub_tag"):
            if getattr(self, name) and not self.push_to_hub:
                raise ConfigError(f"--{name} without --push_to_hub does nothing. Add the flag.")
        if self.hub_create_pr and (self.hub_branch or self.hub_tag):
            raise ConfigError(
                "--hub_create_pr proposes the commit to the main branch, and there is no commit to "
                "tag yet. Leave out --hub_branch and --hub_tag."
            )

    def _read_names(self) -> None:
        """Reads names on the Hub in the spellings that people paste. Raises `ConfigError`."""
        if name := self.start:
            self.new_head = bool(self.new_head)  # it is planned with the start alone
            source, revision, folder = read_address(name)
            if folder is None:
                name = f"{source}@{revision}" if revision else str(source)
            self.pretrained_model_name_or_path = name
        if self.hub_model_id:
            self.hub_model_id = read_repository(self.hub_model_id)
        if self.demo_space:
            self.demo_space = read_repository(self.demo_space, "space")

    def _check_depth(self) -> None:
        """Checks that a tile has room for the context of so many poolings."""
        if self.depth is None or self.start:
            return
        side, depths = TILE_SIZES[self.preset], range(1, MAX_DEPTH + 1)
        shapes = [TileGeometry(depth, self.padding, "transposed") for depth in depths]
        deepest = max(one.depth for one in shapes if 2 * one.halo + one.multiple <= side)
        if self.depth > deepest:
            raise ConfigError(
                f"--depth {self.depth}: a pixel would depend on more around it than a tile of "
                f"{side} px holds. Take --depth {deepest} or less."
            )

    def _check_time_budget(self) -> None:
        """Checks the time budget; one that the steps were fitted to is done with."""
        if self.time_budget is None:
            return
        seconds = read_duration(self.time_budget)
        if self.fitted_to and seconds == read_duration(self.fitted_to):
            self.time_budget = None
            return
        if self.fitted_to:
            raise ConfigError(
                f"--time_budget {self.time_budget}: the steps were fitted to {self.fitted_to} "
                "already. --max_train_steps makes that training longer; another --output_dir, "
                "without its training.json, is a new one."
            )
        for name in ("max_train_steps", "num_train_epochs"):
            if getattr(self, name) is not None:
                raise ConfigError(f"--time_budget decides the steps. Leave out --{name}, or it.")

    def _check_folds(self) -> None:
        """Checks the options of cross-validation. Raises `ConfigError`."""
        self.check_numbers("folds", lambda value: value >= 2, "at least 2")
        if self.folds is None:
            for name in ("fold", "fold_column", "fold_order"):
                if getattr(self, name) is not None:
                    raise ConfigError(f"--{name} without --folds does nothing. Add --folds 5.")
            return
        self.check_numbers(
            "fold", lambda value: 0 <= value < self.folds, f"from 0 to {self.folds - 1}"
        )
        if self.streaming:
            raise ConfigError(
                "--folds reads every image in several trainings, and divides images that it can "
                "count; a stream has no end. Leave out one of --folds and --streaming."
            )
        if self.max_validation_images:
            raise ConfigError(
                "--folds scores every image once. Leave out one of --folds and "
                "--max_validation_images."
            )

    def _check_all_numbers(self) -> None:
        check = self.check_numbers
        check(
            "base_channels max_channels depth resolution train_batch_size "
            "gradient_accumulation_steps max_train_steps validation_steps checkpointing_steps "
            "checkpoints_total_limit shuffle_buffer_size max_inspected early_stopping_patience",
            lambda value: value >= 1,
            "at least 1",
        )
        check(
            "elastic_std rotation gray_std noise_std border_weight object_distance_weight "
            "object_border_weight focal_gamma weight_decay "
            "lr_warmup_steps dataloader_num_workers",
            lambda value: value >= 0,
            "0 or more",
        )
        check(
            "border_sigma learning_rate max_grad_norm num_train_epochs",
            lambda value: value > 0,
            "above 0",
        )
        check(
            "dropout label_smoothing momentum ema_decay",
            lambda value: 0 <= value < 1,
            "from 0 to below 1",
        )
        check("scale_range", lambda value: value >= 1, "1 or more")
        check(
            "channel_mixing inversion class_sampling norms_settle_after",
            lambda value: 0 <= value <= 1,
            "from 0 to 1",
        )

    def check_output(self) -> None:
        """Checks that an output folder was given. Raises `ConfigError`."""
        if not self.output_dir:
            raise ConfigError("--output_dir is missing: the folder the checkpoint goes to.")

    @property
    def learns_cells(self) -> bool:
        """Whether cells between membranes are objects; the paper's network tells classes only."""
        return super().learns_cells and self.preset != "paper"

    @property
    def crops_per_process(self) -> int:
        """Number of crops that a process needs for one optimizer step."""
        return self.train_batch_size * self.gradient_accumulation_steps

    def to_dict(self) -> dict[str, Any]:
        """Every option except secrets, as plain values for JSON."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if not item.metadata.get("secret")
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def command(self, without: tuple[str, ...] = (), only: tuple[str, ...] | None = None) -> str:
        """The command that repeats this training, with every option that is not its default."""
        return shlex.join(["python", "-m", "train", *self.flags(only, without)])

    def check_command(self) -> str:
        """The command that checks the data of this training, with the same options."""
        return shlex.join(["python", "-m", "train", "check", *self.flags(CHECKED)])

    def default_of(self, item: dataclasses.Field) -> Any:
        if item.name in ("validation_steps", "checkpointing_steps"):
            return DEFAULT_INTERVAL
        # None for what is planned: a command says it, so that it repeats the training to the bit.
        return PRESETS[self.preset].get(item.name, item.default)

    @property
    def start(self) -> str | None:
        """The checkpoint whose weights a training begins with; None: a new network."""
        name = self.pretrained_model_name_or_path
        return None if name == NEW else name or None

    def left_to_plan(self) -> list[str]:
        """Names of the options that are left to the plan, in its order."""
        loaded = NETWORK_SIZE if self.start else ()  # the checkpoint's own
        return [name for name in USUAL if getattr(self, name) is None and name not in loaded]

    def usual(self) -> "TrainingConfig":
        """The same options, with `USUAL` values for those that are left to the plan."""
        return dataclasses.replace(self, **{name: USUAL[name] for name in self.left_to_plan()})

    def published(self) -> "TrainingConfig":
        """The same options with names that may be published, see `public_name`."""
        return dataclasses.replace(
            self,
            dataset_name=public_name(self.dataset_name),
            output_dir=Path(self.output_dir).resolve().name,
            pretrained_model_name_or_path=self.pretrained_model_name_or_path
            and public_name(self.pretrained_model_name_or_path),
        )

    def changes(self, earlier: dict[str, Any]) -> list[str]:
        """Lists options that differ from those of an earlier run and would change its results."""
        name = "dataloader_num_workers"  # of a stream, 1 unless given
        now, before = (1 if n is None else n for n in (getattr(self, name), earlier.get(name)))
        # A worker process shuffles a stream in another order than this process.
        moved = self.streaming and bool(now) != bool(before)
        workers = [f"--dataloader_num_workers {before} -> {now}"] if moved else []
        return workers + [
            f"--{item.name} {earlier[item.name]!r} -> {getattr(self, item.name)!r}"
            for item in dataclasses.fields(self)
            if not item.metadata.get("volatile")
            and item.name in earlier
            and earlier[item.name] != getattr(self, item.name)
        ]
