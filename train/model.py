"""Builds the network that a training starts from."""

import logging
from typing import Any

import torch
from torch import nn

from unet_hf import UNet
from unet_hf.classes import is_membrane_data
from unet_hf.engine.precision import cpu_has
from unet_hf.errors import ConfigError
from unet_hf.images.preprocessing import CHANNEL_NAMES, LUMINANCE
from unet_hf.network.configuration import (
    OBJECT_OUTPUTS_VERSION,
    check_colors,
    check_labels,
    check_title,
)
from unet_hf.words import number_of

from .config import TrainingConfig
from .presets import TILE_SIZES

OBJECT_HEAD = ("object_head.weight", "object_head.bias")

logger = logging.getLogger(__name__)


def build_model(
    config: TrainingConfig, id2label: dict[str, str], channels: int, objects: bool = False
) -> UNet:
    """Builds a new network for this data, or adapts the pretrained one to it.

    objects: Whether the data tells objects apart, so that the network can learn it, too.

    Raises:
        ConfigError: The pretrained network does not fit, and no option says to change it.
        CheckpointError: It cannot be loaded.
    """
    colors = config.colors.split(",") if config.colors else None
    outputs = None
    if objects:
        asked = config.object_channels.split(",")
        outputs = {"version": OBJECT_OUTPUTS_VERSION, "channels": asked}
        if is_membrane_data(id2label):
            outputs["walled"] = True
    if config.start:
        model = set_object_outputs(_pretrained(config, id2label, channels), outputs)
        if colors:
            model.config["colors"] = check_colors(colors, len(id2label))
        model.config.pop("title", None)  # it is what the base is called
        if config.title is not None:
            model.config["title"] = check_title(config.title)
        return model
    return UNet(
        channels,
        len(id2label),
        base_channels=config.base_channels,
        max_channels=config.max_channels,
        depth=config.depth,
        padding=config.padding,
        norm=config.norm,
        dropout=config.dropout,
        id2label=id2label,
        colors=colors,
        title=config.title,
        object_outputs=outputs,
        tile_size=TILE_SIZES[config.preset],
    )


def _pretrained(config: TrainingConfig, id2label: dict[str, str], channels: int) -> UNet:
    source = config.start
    model = UNet.from_pretrained(source, token=config.hub_token)
    classes, known = len(id2label), model.config["num_classes"]
    seen = ", ".join(model.id2label.values())
    if config.new_head:
        model = UNet.from_pretrained(
            source, num_classes=classes, id2label=id2label, token=config.hub_token
        )
        if seen == ", ".join(id2label.values()):  # else `from_pretrained` has drawn it, and said so
            redraw_head(model)
            for name in ("objects", "tracking"):  # they were of the old classes
                model.config.pop(name, None)
            logger.info("the last layer of %s was drawn afresh", source)
    elif known != classes:
        raise ConfigError(
            f"{source} tells {known} classes apart ({seen}), the data set "
            f"has {classes} ({', '.join(id2label.values())}). Add --new_head to draw its last "
            "layer afresh for these."
        )
    elif list(model.id2label.values()) != list(id2label.values()):
        logger.info(
            "the classes of %s (%s) go on as %s", source, seen, ", ".join(id2label.values())
        )
    model.config["id2label"] = check_labels(id2label, classes)
    model.config["threshold"] = None  # chosen again on the validation split
    return adapt_channels(model, channels, source)


@torch.no_grad()
def redraw_head(model: UNet) -> None:
    """Gives the last layer new random weights."""
    nn.init.normal_(model.head.weight, std=(2 / model.head.in_channels) ** 0.5)
    nn.init.zeros_(model.head.bias)


@torch.no_grad()
def adapt_channels(model: UNet, channels: int, source: str) -> UNet:
    """Adapts the first layer from gray to RGB images, or from RGB to gray.

    A gray image stored as RGB then gives the same output as the gray image gave. Raises
    `ConfigError` for other numbers of channels.
    """
    known = model.config["in_channels"]
    if channels == known:
        return model
    if {channels, known} != {1, 3}:
        raise ConfigError(
            f"{source} takes {known} channels, the images have {channels}; only gray and RGB are "
            "turned into each other. Convert the images, or train a new network."
        )
    preprocessing = {**model.config["preprocessing"], "channels": list(CHANNEL_NAMES[channels])}
    for name in ("mean", "std"):  # fixed normalization only
        if name in preprocessing:
            preprocessing[name] = [sum(preprocessing[name]) / known] * channels
    options = {**model.config, "in_channels": channels, "preprocessing": preprocessing}
    adapted = UNet(**options)
    weights = model.state_dict()
    first = "contracting.0.0.weight"  # (base_channels, known, 3, 3)
    if channels == 3:
        # The weights of luminance: the network first sees what the gray network saw.
        weights[first] = weights[first] * torch.tensor(LUMINANCE)[:, None, None]
    else:
        weights[first] = weights[first].sum(1, keepdim=True)
    adapted.load_state_dict(weights)
    logger.info(
        "the first layer of %s was rewritten for %s", source, number_of(channels, "channel")
    )
    return adapted


def freeze_encoder(model: UNet) -> None:
    """Freezes contracting path and bottleneck, and the running averages of their batch norms.

    Call it on a model in training mode: `model.train()` would unfreeze the averages.
    """
    for part in (model.contracting, model.bottleneck):
        part.eval()
        for parameter in part.parameters():
            parameter.requires_grad_(False)


@torch.no_grad()
def set_object_outputs(model: UNet, outputs: dict[str, Any] | None) -> UNet:
    """Returns the network with these object outputs; weights of those it has already stay.

    Without any, those of the base are taken away: nothing would keep them right.
    """
    if model.config.get("object_outputs") == outputs:
        return model
    known = model.object_channels
    asked = tuple(outputs["channels"]) if outputs else ()
    config = {**model.config, "object_outputs": outputs}
    if not outputs and config.get("objects", {}).get("method") == "learned":
        del config["objects"]
    adapted = UNet(**config)
    weights, new = model.state_dict(), adapted.state_dict()
    for part in OBJECT_HEAD:
        old = weights.pop(part, None)
        for index, name in enumerate(asked):
            if name in known:
                new[part][index] = old[known.index(name)]
    adapted.load_state_dict({part: new[part] for part in OBJECT_HEAD if part in new} | weights)
    return adapted


def crop_size(model: UNet, resolution: int) -> int:
    """Side of the training crops, px: the smallest from `resolution` up that the network takes."""
    geometry = model.geometry
    valid = geometry.padding == "valid"
    return geometry.input_size(max(1, resolution - 2 * geometry.halo * valid))


def check_batch_norm(model: UNet, size: int, crops: int) -> None:
    """Raises `ConfigError` if batch norm would see a single pixel, whose variance nobody knows.

    model: In training mode. size: Side of the crops, px. crops: How many are normalized together.
    """
    layers = model.bottleneck.modules()
    trained = any(isinstance(layer, nn.BatchNorm2d) and layer.training for layer in layers)
    if not trained or crops > 1 or size > model.geometry.multiple:
        return
    raise ConfigError(
        f"After {model.config['depth']} poolings, a crop of {size} x {size} px is a single pixel, "
        f"and batch norm needs at least two. Take --train_batch_size 2 or --resolution {2 * size}; "
        "a new network may also have a smaller --depth."
    )


def choose_precision(asked: str) -> str:
    """Chooses bf16 where the device has units for it, if "auto" is asked for."""
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    if torch.backends.mps.is_available():
        return "no"
    return "bf16" if cpu_has("avx512_bf16") else "no"
