"""One recipe for one image and for many: which checkpoint, where it decides, what an object is."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.network.configuration import checked_threshold, settled_objects
from unet_hf.objects.learned import NOT_LEARNED
from unet_hf.objects.objects import check_options

from .checkpoints.taught import is_taught

TAKEN_HOME = "taught"  # the folder of a checkpoint that is on this server only
HOW_TAKEN_HOME = (  # for reproduce.txt
    "# The checkpoint was taught in the browser: take it home there, under Teach, and\n"
    f"# unpack it in a folder {TAKEN_HOME!r}.\n"
)


def at_home(model: str) -> str:
    """A checkpoint as a command of a visitor finds it; the name of a taught one is a key."""
    return TAKEN_HOME if is_taught(model) else model


@dataclass(frozen=True)
class Recipe:
    """How images are segmented and their objects counted.

    model: The checkpoint's name. threshold, method, seed, min_size: None or "auto": the
    checkpoint's own. seed: of the method "learned". min_size: pixels. pixel_size: such as
    "0.25 um"; empty: what a file says of itself.
    """

    model: str
    threshold: float | None = None
    method: str = "auto"
    min_size: int | None = None
    exclude_border: bool = False
    pixel_size: str = ""
    seed: float | None = None

    def settled(self, network: UNet) -> "Recipe":
        """The same with the checkpoint's own values where none were chosen.

        Raises:
            ConfigError: A value is not usable with this checkpoint.
        """
        threshold = network.threshold
        if self.threshold is not None:
            threshold = checked_threshold(self.threshold, network.config["num_classes"])
        objects = settled_objects(
            network.config.get("objects"), self.method, self.seed, self.min_size
        )
        if objects["method"] == "learned" and not network.object_channels:
            raise ConfigError(NOT_LEARNED)
        settled = replace(self, threshold=threshold, **objects)
        check_options(network.id2label, **settled.objects())
        return settled

    def objects(self) -> dict[str, Any]:
        """The arguments of `Segmentation.objects`."""
        return {
            "method": self.method,
            "seed": self.seed,
            "min_size": self.min_size,
            "exclude_border": self.exclude_border,
            "pixel_size": self.pixel_size.strip() or None,
        }

    def as_json(self) -> dict[str, Any]:
        """For a file that others may read."""
        return asdict(self) | {"model": at_home(self.model)}

    def command(self, files: str, outputs: Sequence[str]) -> str:
        """The command line that gives the same files, with a taught checkpoint in a folder."""
        options = {
            "model": at_home(self.model),
            "threshold": self.threshold,
            "only": ",".join(outputs),
            "method": self.method,
            "seed": self.seed,
            "min_size": self.min_size,
            "pixel_size": self.pixel_size.strip() or None,
            "output": "out",
        }
        words = ["python", "-m", "unet_hf", "segment", files]
        for name, value in options.items():
            words += [] if value is None else [f"--{name}", str(value)]
        return shlex.join(words + (["--exclude_border"] if self.exclude_border else []))
