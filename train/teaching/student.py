"""Prepares the network that is taught: a copy of the base, with a last layer for all classes."""

import copy
from collections.abc import Sequence
from itertools import zip_longest

import torch

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.network.configuration import PALETTE, check_colors, check_labels

from ..model import redraw_head, set_object_outputs


def known_classes(model: UNet, names: Sequence[str]) -> int:
    """How many of the classes the base tells apart already: all of its own, or 0.

    Its classes go on where they come first, in its order; more may follow.
    """
    own = list(model.id2label.values())
    return len(own) if list(names[: len(own)]) == own else 0


def names_known_by(
    model: UNet, names: Sequence[str], formerly: Sequence[Sequence[str]] = ()
) -> Sequence[str]:
    """Returns the names by which the base knows the classes, in the order of their ids.

    Args:
        names: What they are called now.
        formerly: All that each of them was called before it was renamed; empty: none was. A renamed
            class stays the same one: the base may have been taught under any of its names.
    """
    own = list(model.id2label.values())
    called = [{name, *was} for name, was in zip_longest(names, formerly, fillvalue=())]
    goes_on = len(own) <= len(names) and all(
        name in known for name, known in zip(own, called, strict=False)
    )
    return [*own, *names[len(own) :]] if goes_on else names


def rename_classes(
    model: UNet, names: Sequence[str], formerly: Sequence[Sequence[str]] = ()
) -> None:
    """Calls the base's classes as they are called now, see `names_known_by`."""
    known = known_classes(model, names_known_by(model, names, formerly))
    if known and known <= len(names):
        model.config["id2label"] = {str(number): names[number] for number in range(known)}


def new_student(
    base: UNet, names: Sequence[str] | None = None, colors: Sequence[str] | None = None
) -> UNet:
    """Returns a network of its own that begins with the weights of the base.

    Args:
        names: The classes. None: the base's. Those that follow the base's own get new rows in the
            last layer; with any others the whole last layer is drawn afresh, and what the base
            tells of objects, which are those of its classes, is taken away.
        colors: "#rrggbb" of each class. None: the base's, and a palette's for new ones.

    Raises:
        ConfigError: The names or colours are not usable.
    """
    if names is None:
        names = list(base.id2label.values())
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"The classes are {', '.join(names) or 'none'}. Give two or more, each with a name of "
            "its own."
        )
    labels = check_labels({str(number): name for number, name in enumerate(names)}, len(names))
    known = known_classes(base, names)
    if colors is None:
        own = list(base.config["colors"]) if known else []
        colors = (own + [color for color in PALETTE if color not in own])[: len(names)]
        colors += ["#000000"] * (len(names) - len(colors))
    colors = check_colors(list(colors), len(names))
    if known == len(names):
        student = copy.deepcopy(base)
        student.config["colors"] = colors
    else:
        student = _with_head(base, labels, colors, known)
    student.config.pop("title", None)  # it is what the base is called
    student.origin, student.calibration = None, None
    return student


@torch.no_grad()
def _with_head(base: UNet, labels: dict[str, str], colors: list[str], known: int) -> UNet:
    plain = base if known else set_object_outputs(base, None)
    config = {
        **plain.config,
        "num_classes": len(labels),
        "id2label": labels,
        "colors": colors,
        "threshold": None,
    }
    student = UNet(**config)
    weights = {name: value for name, value in plain.state_dict().items() if "head" not in name}
    object_head = {
        name: value for name, value in plain.state_dict().items() if name.startswith("object_head")
    }
    redraw_head(student)
    head = {name: value for name, value in student.state_dict().items() if name.startswith("head")}
    for name, value in head.items():
        if known:  # a class that is new is unlikely at first, and nowhere more than elsewhere
            value[known:] = 0 if name.endswith("weight") else base.head.bias.min() - 2
            value[:known] = base.state_dict()[name]
    student.load_state_dict(weights | object_head | head)
    return student.eval()
