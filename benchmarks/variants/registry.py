"""`VARIANTS`: what each variant changes of the default command, by its name."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from train.presets import NEW, PRESETS

BASE = "default"
RATE = PRESETS["modern"]["learning_rate"]
NOISE = PRESETS["modern"]["noise_std"]


@dataclass(frozen=True)
class Variant:
    """One change of the training.

    options: Options of `TrainingConfig`, instead of what the plan says for a set.
    times: Factors of what the plan says.
    cost: Time of a pixel in those of the default command; with `--steps`, so many fewer are made.
    code: Module of this package whose `RECIPE` replaces code of the training.
    plain: The network is not one that the engine knows, so PyTorch runs it.
    """

    options: dict[str, Any] = field(default_factory=dict)
    cost: float = 1.0
    code: str | None = None
    plain: bool = False
    times: dict[str, float] = field(default_factory=dict)

    def options_on(self, base: dict[str, Any], steps: int | None) -> dict[str, Any]:
        """Returns the options of its training on a set.

        Args:
            base: The options that the default command has there.
            steps: Of the default command; the steps of the variant compute as much. None: the
                number of steps is left open.
        """
        scaled = {name: factor * base[name] for name, factor in self.times.items()}
        options = base | scaled | self.options
        if steps is None:
            return options
        costs = self.cost * pixels_a_step(options) / pixels_a_step(base)
        return options | {"max_train_steps": max(1, round(steps / costs))}


def pixels_a_step(options: dict[str, Any]) -> int:
    """Number of pixels of all crops of a step."""
    crops = options["train_batch_size"] * options["gradient_accumulation_steps"]
    return crops * options["resolution"] ** 2


# Valid convolutions lose 92 px on each side. One tile of 508 px has about as many input pixels as
# four crops of 256 px, so half the steps are made.
VALID = {"padding": "valid", "resolution": 508, "train_batch_size": 1}

VARIANTS = {
    BASE: Variant(),
    # What is minimised
    "cross-entropy": Variant({"loss": "cross_entropy"}),
    "focal loss": Variant({"loss": "focal"}),
    "label smoothing 0.1": Variant({"label_smoothing": 0.1}),
    "root class balance": Variant({"class_balance": "sqrt"}),
    "inverse class balance": Variant({"class_balance": "inverse"}),
    "no border weights": Variant({"border_weight": 0.0}),
    "deep supervision": Variant(code="deep_supervision", plain=True),
    "boundary term": Variant(code="boundary"),
    "skeleton recall": Variant(code="skeleton_recall"),
    "clDice": Variant(code="cldice"),
    # How
    "learning rate x2": Variant({"learning_rate": 2 * RATE}),
    "learning rate x0.5": Variant({"learning_rate": RATE / 2}),
    "polynomial schedule": Variant({"lr_scheduler": "polynomial"}),
    "constant rate": Variant({"lr_scheduler": "constant"}),
    "no averaged weights": Variant({"use_ema": False}),
    "longer average": Variant({"ema_decay": 0.9995}),
    "norms never settle": Variant({"norms_settle_after": 1.0}),
    "norms settle": Variant({"norms_settle_after": 0.6}),
    # On what
    # Displacements lie closer together in small crops, so they have to be smaller.
    "crops of 128": Variant({"resolution": 128, "train_batch_size": 8, "elastic_std": 5.0}),
    "crops of 512": Variant({"resolution": 512, "train_batch_size": 1}),
    "batch of 4": Variant({"train_batch_size": 4}),
    "batch of 8": Variant({"train_batch_size": 8}),
    "no elastic deformation": Variant({"elastic_std": 0.0}),
    "elastic deformation x2": Variant(times={"elastic_std": 2.0}),
    "no noise": Variant({"noise_std": 0.0}),
    "noise x2": Variant({"noise_std": 2 * NOISE}),
    # With which network. The costs count multiplications, beside 16 channels.
    "no norm": Variant({"norm": "none"}),
    "instance norm": Variant(code="instance_norm", plain=True),
    "residual blocks": Variant(code="residual", plain=True, cost=1.06),
    "no dropout": Variant({"dropout": 0.0}),
    "dropout 0.3": Variant({"dropout": 0.3}),
    "width 12": Variant({"base_channels": 12}, cost=0.57),
    "width 24": Variant({"base_channels": 24}, cost=2.24),
    "valid convolutions": Variant(VALID),
    # What it is asked of objects, beside the classes
    "no objects": Variant({"objects": "none"}),
    "distance alone": Variant({"object_channels": "distance"}),
    "distance and centre": Variant({"object_channels": "distance,centre"}),
}


# From where it begins: anew, which sets of few images do not by default, or with the weights of
# shipped checkpoints of other kinds of images and new last layers
VARIANTS["new network"] = Variant({"pretrained_model_name_or_path": NEW, "new_head": False})
VARIANTS |= {
    f"from {name}": Variant({"pretrained_model_name_or_path": name, "new_head": True})
    for name in ("unet-isbi", "unet-nuclei", "unet-phase", "unet-superalloy")
}


def chosen(names: Iterable[str]) -> dict[str, Variant]:
    """The base and the named variants, in the order of the names; all of them if none is named.

    Raises `SystemExit` for a name that does not exist.
    """
    names = list(names) or list(VARIANTS)
    if unknown := sorted(set(names) - set(VARIANTS)):
        raise SystemExit(f"There is no variant {', '.join(unknown)}; there are {known()}.")
    return {name: VARIANTS[name] for name in dict.fromkeys([BASE, *names])}


def known() -> str:
    """The names of all variants, as a list in a sentence."""
    return ", ".join(VARIANTS)
