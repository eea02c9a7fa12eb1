"""What `--preset` says of the options that were not given, what is planned, and every choice."""

from typing import Any

from unet_hf.data.options import DATA_CHOICES, DATA_OPTIONS

NEW = "none"  # --pretrained_model_name_or_path of a network from random weights
# Options that `train.plan` decides with the preset "modern", and what it takes where nothing is
# known of the data: they suit microscopy of some 512 px with objects of 20 to 40 px.
USUAL: dict[str, Any] = {
    "depth": 4,
    "base_channels": 16,
    "max_channels": None,  # without a limit
    "resolution": 256,
    "train_batch_size": 2,
    "pretrained_model_name_or_path": NEW,
    "new_head": None,
    "class_sampling": 0.0,
    "rotation": 180.0,
    "scale_range": 1.25,
    "elastic_std": 10.0,
    "channel_mixing": 0.0,
    "inversion": 0.0,
    "loss": "cross_entropy_dice",
    "class_balance": "none",
    "border_weight": 10.0,
    "border_sigma": 5.0,
    "norms_settle_after": 1.0,
}
# Options of `python -m train check`.
CHECKED = (
    *DATA_OPTIONS, "train_split", "validation_split", "train_val_split", "balance_column", "seed",
    "max_inspected", "preset", "max_train_steps", "time_budget", *USUAL,
)  # fmt: skip
TILE_SIZES = {"modern": 1024, "paper": 572}  # px; of a new network, by preset
NETWORK_SIZE = ("depth", "base_channels", "max_channels")
NETWORK_OPTIONS = (*NETWORK_SIZE, "padding", "norm", "dropout")  # that a checkpoint decides
# Values that `--preset` gives to the options that were not given.
PRESETS: dict[str, dict[str, Any]] = {
    # Same padding and batch norm, so that images of any size fit; many small crops, AdamW.
    # What is not here is planned.
    "modern": {
        "padding": "same",
        "norm": "batch",
        "dropout": 0.1,
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "weight_decay": 1e-2,
        "lr_scheduler": "cosine",
        "noise_std": 0.1,
        "use_ema": True,
    },
    # Section 3 of the paper: valid convolutions, one large tile a batch, SGD with momentum
    # 0.99. It names no learning rate; 1e-4 is our choice.
    "paper": {
        **USUAL,
        "padding": "valid",
        "norm": "none",
        "base_channels": 64,
        "depth": 4,
        "dropout": 0.5,
        "resolution": 572,
        "train_batch_size": 1,
        "optimizer": "sgd",
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "lr_scheduler": "constant",
        "loss": "cross_entropy",
        "class_balance": "inverse",
        "scale_range": 1.0,
        "noise_std": 0.0,
        "use_ema": False,
    },
}
# What the help says of an option that was not given.
DEFAULTS_SHOWN = {
    "modern": PRESETS["modern"] | dict.fromkeys(USUAL, "planned"),
    "paper": {name: value for name, value in PRESETS["paper"].items() if value is not None},
}
CHOICES = {
    "preset": tuple(PRESETS),
    **DATA_CHOICES,
    "padding": ("same", "valid"),
    "norm": ("batch", "none"),
    "loss": ("cross_entropy", "dice", "cross_entropy_dice", "focal"),
    "class_balance": ("none", "sqrt", "inverse", "effective"),
    "optimizer": ("adamw", "sgd"),
    "lr_scheduler": ("cosine", "polynomial", "constant"),
    "mixed_precision": ("auto", "no", "bf16"),
    "report_to": ("trackio", "tensorboard"),
    "fold_order": ("random", "contiguous"),
}
