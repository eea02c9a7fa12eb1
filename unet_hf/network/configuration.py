"""Checks of a network's options, before any memory is allocated for it.

All options are plain JSON, as `config.json` is all that a checkpoint has besides its weights.
"""

import math
from numbers import Real
from typing import Any

from ..classes import numbered_names
from ..errors import ConfigError
from ..images.preprocessing import Preprocessing
from .tiling import TileGeometry

# Far above any real network: a hostile config.json is refused before memory is allocated.
MAX_CHANNELS = 4096
MAX_DEPTH = 8
MAX_CLASSES = 256  # class ids are stored as uint8
MAX_NAME_LENGTH = 200
MAX_TITLE_LENGTH = 80

# How the pixels of a class become objects, see `Segmentation.objects`.
OBJECT_METHODS = ("components", "watershed", "learned")

# What a network can be asked per pixel to tell objects apart, see `object_outputs`.
OBJECT_CHANNELS = ("distance", "border", "centre")
OBJECT_OUTPUTS_VERSION = 1
DEFAULT_SEED = 0.5  # of the method "learned"

PRECISIONS = ("auto", "fast", "float32", "bfloat16", "float16", "int8")

# Okabe and Ito's palette, distinct for all kinds of colour vision. The first class is usually the
# background, hence the gray.
PALETTE = (
    "#9a9a9a",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is not a whole number from {low} to {high}.")
    return value


def _choice(name: str, value: Any, choices: tuple[str, ...], hint: str = "") -> str:
    if not isinstance(value, str) or value not in choices:
        options = ", ".join(map(repr, choices))
        raise ConfigError(f"{name}={value!r} is not known. Choose one of {options}.{hint}")
    return value


def _fraction(name: str, value: Any, *, below_one: bool = False) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)  # NumPy's are Real, too
    if not number or not math.isfinite(value) or not 0 <= value <= 1 or (below_one and value == 1):
        end = "below 1" if below_one else "to 1"
        raise ConfigError(f"{name}={value!r} is not a number from 0 {end}.")
    return float(value)


def default_colors(num_classes: int) -> list[str]:
    """Returns distinct colours as "#rrggbb": the palette, then steps around the hue circle."""
    import colorsys

    colors = list(PALETTE[:num_classes])
    for index in range(len(colors), num_classes):
        hue = index * 0.618034 % 1  # steps of the golden ratio never repeat a hue
        rgb = colorsys.hls_to_rgb(hue, 0.35 + 0.1 * (index % 4), 0.75)
        colors.append("#" + "".join(f"{round(255 * part):02x}" for part in rgb))
    return colors


def check_labels(id2label: Any, num_classes: int) -> dict[str, str]:
    """Returns one name for each class, `{"0": "membrane", ...}`; keys are strings, as in JSON.

    Names that occur more than once are numbered: "tree 1", "tree 2".

    Raises:
        ConfigError: A name is missing or not usable.
    """
    if id2label is None:
        return {str(index): f"class {index}" for index in range(num_classes)}
    if not isinstance(id2label, dict):
        raise ConfigError(
            f"id2label is a {type(id2label).__name__}, not a mapping. "
            'Give one name a class, e.g. {"0": "background", "1": "cell"}.'
        )
    if len(id2label) > MAX_CLASSES:
        raise ConfigError(
            f"id2label names {len(id2label)} classes; a mask of bytes holds at most {MAX_CLASSES}."
        )
    labels = {str(key): name for key, name in id2label.items()}
    expected = [str(index) for index in range(num_classes)]
    if sorted(labels) != sorted(expected):
        seen = ", ".join(sorted(labels)[:10])
        raise ConfigError(
            f"id2label has the ids {seen}, but num_classes={num_classes} asks for "
            f"0 to {num_classes - 1}. Name each class once."
        )
    for key, name in labels.items():
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
            raise ConfigError(
                f"The name of class {key} is {str(name)[:40]!r}. "
                f"Use a text of 1 to {MAX_NAME_LENGTH} characters."
            )
    # Tables of areas and counts go by the name.
    names = numbered_names([labels[key] for key in expected])
    return dict(zip(expected, names, strict=True))


def check_colors(colors: Any, num_classes: int) -> list[str]:
    """Returns one "#rrggbb" for each class; raises `ConfigError`."""
    if colors is None:
        return default_colors(num_classes)
    if not isinstance(colors, (list, tuple)) or len(colors) != num_classes:
        seen = f"{len(colors)} entries" if isinstance(colors, (list, tuple)) else repr(colors)
        raise ConfigError(
            f"colors has {seen}; give one '#rrggbb' for each of {num_classes} classes."
        )
    for color in colors:
        digits = color[1:] if isinstance(color, str) and color.startswith("#") else ""
        if len(digits) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise ConfigError(f"The colour {color!r} is not of the form '#rrggbb', e.g. '#e69f00'.")
    return [color.lower() for color in colors]


def check_title(title: Any) -> str:
    """Returns the name of a checkpoint for people, on one line; raises `ConfigError`."""
    one_line = isinstance(title, str) and title.strip() and title.isprintable()
    if not one_line or len(title) > MAX_TITLE_LENGTH:
        raise ConfigError(
            f"title={str(title)[:100]!r} is not a text of 1 to {MAX_TITLE_LENGTH} characters on "
            'one line, e.g. "Cell nuclei".'
        )
    return title.strip()


def check_object_outputs(outputs: Any) -> dict[str, Any]:
    """Returns what the network is asked beside the classes: {"version": 1, "channels": [...]}.

    There is also "walled": true where walls keep the objects apart, see `Network.walled`.

    Raises:
        ConfigError: It is something else, or of a version that this program does not know.
    """
    names = set(outputs) if isinstance(outputs, dict) else set()
    if names - {"walled"} != {"version", "channels"}:
        raise ConfigError(
            f"object_outputs={str(outputs)[:100]!r} is not a mapping of version, channels and "
            f'perhaps walled, e.g. {{"version": {OBJECT_OUTPUTS_VERSION}, "channels": '
            '["distance"]}.'
        )
    if type(outputs["version"]) is not int or outputs["version"] != OBJECT_OUTPUTS_VERSION:
        raise ConfigError(
            f"object_outputs.version={str(outputs['version'])[:20]} is not known; this program "
            f"knows version {OBJECT_OUTPUTS_VERSION}. Update unet_hf."
        )
    channels = outputs["channels"]
    if not isinstance(channels, (list, tuple)) or not channels or channels[0] != "distance":
        raise ConfigError(
            f"object_outputs.channels={str(channels)[:100]!r} does not begin with 'distance', "
            "which every way of parting needs."
        )
    for name in channels:
        _choice("object_outputs.channels", name, OBJECT_CHANNELS)
    if len(set(channels)) < len(channels):
        raise ConfigError(f"object_outputs.channels={list(channels)} names one twice.")
    walled = outputs.get("walled", False)
    if not isinstance(walled, bool):
        raise ConfigError(f"object_outputs.walled={str(walled)[:20]!r} is neither true nor false.")
    checked = {"version": OBJECT_OUTPUTS_VERSION, "channels": list(channels)}
    return checked | ({"walled": True} if walled else {})


def checked_seed(seed: Any) -> float:
    """Returns the height from which a summit begins an object; raises `ConfigError`."""
    return _fraction("seed", seed)


def check_objects(recipe: Any) -> dict[str, Any]:
    """Returns how objects are counted by default: {"method": ..., "min_size": pixels}.

    With the method "learned", there is also "seed", 0 to 1.

    Raises:
        ConfigError: Something else is in it.
    """
    if not isinstance(recipe, dict) or not set(recipe) <= {"method", "min_size", "seed"}:
        raise ConfigError(
            f"objects={str(recipe)[:100]!r} is not a mapping of method, min_size and seed, e.g. "
            '{"method": "watershed", "min_size": 20}.'
        )
    method = _choice("objects.method", recipe.get("method", OBJECT_METHODS[0]), OBJECT_METHODS)
    checked = {
        "method": method,
        "min_size": _integer("objects.min_size", recipe.get("min_size", 0), 0, 2**31 - 1),
    }
    if method == "learned":
        checked["seed"] = checked_seed(recipe.get("seed", DEFAULT_SEED))
    elif "seed" in recipe:
        raise ConfigError(f"objects.seed is only for the method 'learned', not {method!r}.")
    return checked


def settled_objects(
    recipe: Any, method: str = "auto", seed: float | None = None, min_size: int | None = None
) -> dict[str, Any]:
    """Returns "method", "seed" and "min_size": a checkpoint's own where none were chosen.

    recipe: The configuration's `objects`; None: it has none.
    seed: None in the result unless the method is "learned", or it was chosen.

    Raises:
        ConfigError: The recipe is not usable. What was chosen is not checked.
    """
    own = check_objects(recipe or {})
    method = own["method"] if method == "auto" else method
    if method == "learned" and seed is None:
        seed = own.get("seed", DEFAULT_SEED)
    min_size = own["min_size"] if min_size is None else min_size
    return {"method": method, "seed": seed, "min_size": min_size}


def checked_threshold(threshold: Any, num_classes: int) -> float:
    """Returns a decision threshold on the probability of class 1; raises `ConfigError`."""
    threshold = _fraction("threshold", threshold)
    if num_classes != 2:
        raise ConfigError(
            f"threshold={threshold} needs exactly two classes, but this network has "
            f"{num_classes}. Leave it out: the most probable class wins."
        )
    return threshold


def checked_tile_size(tile_size: Any, geometry: TileGeometry) -> int:
    """Returns a tile size, in pixels, that leaves pixels of each tile; raises `ConfigError`."""
    _integer("tile_size", tile_size, 16, 65536)
    geometry.core_size(tile_size)
    return tile_size


def check_max_channels(number: Any) -> int:
    """Returns the most channels of a feature map; raises `ConfigError`."""
    return _integer("max_channels", number, 1, MAX_CHANNELS)


def check_tracking(options: Any) -> dict[str, Any]:
    """Returns how objects are followed by default: {"divisions": share of the cells of a frame}.

    Raises:
        ConfigError: Something else is in it.
    """
    if not isinstance(options, dict) or set(options) != {"divisions"}:
        raise ConfigError(
            f"tracking={str(options)[:100]!r} is not a mapping of divisions, how often cells "
            'divide as a share of the cells of a frame, e.g. {"divisions": 0.02}.'
        )
    return {"divisions": _fraction("tracking.divisions", options["divisions"])}


OPTIONAL = {
    "max_channels": check_max_channels,
    "title": check_title,
    "objects": check_objects,
    "object_outputs": check_object_outputs,
    "tracking": check_tracking,
}


def checked_config(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the complete configuration as JSON: options checked, defaults filled in.

    What is in `OPTIONAL` is left out where there is none, as in older checkpoints.

    Raises:
        ConfigError: An option is not usable; the first one is named.
    """
    config = dict(options)
    in_channels = _integer("in_channels", config["in_channels"], 1, MAX_CHANNELS)
    num_classes = _integer("num_classes", config["num_classes"], 2, MAX_CLASSES)
    _integer("base_channels", config["base_channels"], 1, MAX_CHANNELS)
    depth = _integer("depth", config["depth"], 1, MAX_DEPTH)
    padding = _choice("padding", config["padding"], ("same", "valid"))
    upsampling = _choice("upsampling", config["upsampling"], ("transposed", "bilinear"))
    _choice(
        "norm",
        config["norm"],
        ("batch", "none"),
        " Group, layer and instance norms look at the whole image at once, so that a tiled "
        "prediction would differ from an untiled one.",
    )
    if padding == "valid" and upsampling == "bilinear":
        raise ConfigError(
            "padding='valid' with upsampling='bilinear' is not possible: interpolation needs "
            "pixels beyond the window's edge, which valid convolutions never have. Use "
            "upsampling='transposed' or padding='same'."
        )
    config["dropout"] = _fraction("dropout", config["dropout"], below_one=True)
    config["id2label"] = check_labels(config["id2label"], num_classes)
    config["colors"] = check_colors(config["colors"], num_classes)
    if config["preprocessing"] is None:  # a new network; one of a file has at least {}
        config["preprocessing"] = {"outliers": "clip"}
    config["preprocessing"] = Preprocessing.from_config(
        config["preprocessing"], in_channels
    ).to_config()
    if config["threshold"] is not None:
        config["threshold"] = checked_threshold(config["threshold"], num_classes)
    checked_tile_size(config["tile_size"], TileGeometry(depth, padding, upsampling))
    for name, check in OPTIONAL.items():
        value = config.pop(name, None)
        if value is not None:
            config[name] = check(value)
    if config.get("max_channels", MAX_CHANNELS) < config["base_channels"]:
        raise ConfigError(
            f"max_channels={config['max_channels']} is below base_channels="
            f"{config['base_channels']}: the first feature maps have these already. Raise one, or "
            "lower the other."
        )
    if config.get("objects", {}).get("method") == "learned" and "object_outputs" not in config:
        raise ConfigError(
            "objects.method='learned' needs object_outputs: a network that was trained to tell "
            "objects apart. Choose 'watershed' or 'components'."
        )
    return config
