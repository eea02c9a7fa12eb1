"""A zip of everything a result can be saved as, with the commands that reproduce it."""

import shlex
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..classes import chosen_classes, join_names, unambiguous_name
from ..files import write_atomically
from ..objects.objects import Objects
from .overlay import Look
from .segmentation import Segmentation

REPRODUCTION_NAME = "reproduce.txt"
COMPRESSED = (".png", ".tif", ".zip")  # stored as they are: compressing again only costs time
FLAGS = ("outline", "exclude_border", "tta")  # options of the command line that take no value


@dataclass(frozen=True)
class Reproduction:
    """The options of a prediction that its result does not hold, to reproduce it.

    model: As for `UNet.from_pretrained`. revision: The commit of a model from the Hub.
    axes: As given to `UNet.segment`; None: those of the image, if they were given.
    look: Options of the overlay.
    note: Lines of comments about the model, such as where it is to be had.
    """

    model: str
    revision: str | None = None
    axes: str | None = None
    look: Look = field(default_factory=Look)
    note: str = ""

    def text(self, result: "Segmentation", objects: "Objects") -> str:
        """Returns the text of `reproduce.txt`: lines for Python and for a shell."""
        return (
            "# Either of these gives the files of this folder again (summary.json tells other\n"
            "# seconds). They need the image beside them, and, in a clone of the\n"
            f'# repository: pip install ".[objects]"\n{self.note}\n'
            f"# Python\n{self.python(result, objects)}\n"
            f"# Command line\n{self.command(result, objects)}\n"
        )

    def python(self, result: "Segmentation", objects: "Objects") -> str:
        """Returns the lines of Python that reproduce the result."""
        load_options = _arguments({"revision": self.revision})
        segment_options = _arguments(self._segment_options(result))
        object_options = _arguments(_object_options(result, objects))
        save_options = _arguments({"alpha": self.look.alpha} | self.look.extras())
        return (
            "from unet_hf import UNet\n\n"
            f"model = UNet.from_pretrained({self.model!r}{_after_comma(load_options)})\n"
            f"result = model.segment({result.image.source!r}{_after_comma(segment_options)})\n"
            f"objects = result.objects({object_options})\n"
            f"result.save('out', {save_options}, only={result.all_outputs()!r}, objects=objects)\n"
        )

    def command(self, result: "Segmentation", objects: "Objects") -> str:
        """Returns the shell command that reproduces the result."""
        object_options = _object_options(result, objects)
        overlay_options, segment_options = self.look.extras(), self._segment_options(result)
        parts = (segment_options, overlay_options, object_options)
        flags = [name for part in parts for name in FLAGS if part.pop(name, False)]
        if "classes" in object_options:
            named = [
                unambiguous_name(index, objects.id2label) for index in object_options["classes"]
            ]
            object_options["classes"] = join_names(named)
        if "hidden" in overlay_options:
            ids = chosen_classes(overlay_options["hidden"], result.id2label)
            overlay_options["hidden"] = [unambiguous_name(index, result.id2label) for index in ids]
        if "pixel_size" in object_options:
            object_options["pixel_size"] = " ".join(map(str, object_options["pixel_size"]))
        options = {
            "model": self.model,
            "revision": self.revision,
            **segment_options,
            "only": ",".join(result.all_outputs()),
            "alpha": self.look.alpha,
            **{name: join_names(value) for name, value in overlay_options.items()},
            **object_options,
            "output": "out",
        }
        words = ["python", "-m", "unet_hf", "segment", result.image.source]
        for name, value in options.items():
            if value is not None:  # as one word if the value would look like an option
                text = str(value)
                words += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
        return shlex.join(words + [f"--{name}" for name in flags]) + "\n"

    def _segment_options(self, result: "Segmentation") -> dict[str, Any]:
        image = result.image
        return {
            "page": image.page if image.pages > 1 else None,
            "axes": self.axes or (image.axes if image.axes_given else None),
            "channel": image.channel,
            "level": image.place.level or None,
            "threshold": result.threshold,
            "precision": result.precision,
            **({"tta": True} if result.uncertainty is not None else {}),
        }


def write_bundle(
    result: "Segmentation", path: Path, recipe: Reproduction, objects: "Objects | None" = None
) -> None:
    """Writes all outputs of a result and `reproduce.txt` into one zip, completely or not at all.

    objects: By default `result.objects()`.

    Raises:
        ConfigError: As for `Segmentation.save`.
    """
    objects = result.objects() if objects is None else objects
    with tempfile.TemporaryDirectory(prefix="unet_hf_bundle_") as name:
        folder = Path(name)
        only = result.all_outputs()
        result.save(folder, **vars(recipe.look), only=only, objects=objects)
        (folder / REPRODUCTION_NAME).write_text(recipe.text(result, objects), encoding="utf-8")
        write_atomically(path, lambda temporary: _pack(folder, temporary))


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            compressed = file.suffix in COMPRESSED
            method = zipfile.ZIP_STORED if compressed else zipfile.ZIP_DEFLATED
            archive.write(file, file.name, method)


def _object_options(result: "Segmentation", objects: "Objects") -> dict[str, Any]:
    """Returns the arguments of `result.objects` that differ from its defaults."""
    size = objects.pixel_size
    if size and size.source == "given":
        sides = [size.x] if size.x == size.y else [size.x, size.y]
        pixel_size = (*sides, size.unit)
    else:
        pixel_size = None
    given = {
        "classes": list(objects.classes),
        "method": objects.method,
        "seed": objects.seed,
        "min_size": objects.min_size,
        "exclude_border": objects.exclude_border,
        "pixel_size": pixel_size,
    }
    defaults = {
        "classes": [index for index in sorted(objects.id2label) if index],
        "seed": None,
        **result.object_recipe,
        "exclude_border": False,
        "pixel_size": None,
    }
    return {name: value for name, value in given.items() if value != defaults[name]}


def _arguments(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)


def _after_comma(arguments: str) -> str:
    return f", {arguments}" if arguments else ""
