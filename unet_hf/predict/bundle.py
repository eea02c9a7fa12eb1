"""One zip with everything a result can be saved as, and the lines that give it again."""

import shlex
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..classes import chosen_classes, join_names, unmistakable
from ..files import write_whole
from ..objects.objects import Objects
from .overlay import Look
from .segmentation import Segmentation

RECIPE = "reproduce.txt"
# Deflated already; a second time costs time alone.
PACKED = (".png", ".tif", ".zip")
FLAGS = ("outline", "exclude_border", "tta")  # options of the command line that take no value


@dataclass(frozen=True)
class Recipe:
    """What a result does not know of its own making.

    model: As for `UNet.from_pretrained`; revision: the commit, for a model from the Hub.
    axes: As it was given to `UNet.segment`; None: as the image knows, if it was.
    look: Of the overlay.
    """

    model: str
    revision: str | None = None
    axes: str | None = None
    look: Look = field(default_factory=Look)

    def text(self, result: "Segmentation", objects: "Objects") -> str:
        """The lines for Python and for a shell; each writes the files of the bundle."""
        return (
            "# Either of these gives the files of this folder again (summary.json tells other\n"
            "# seconds). They want the image beside them, and: pip install "
            '"unet_hf[objects]"\n\n'
            f"# Python\n{self.python(result, objects)}\n"
            f"# Command line\n{self.command(result, objects)}\n"
        )

    def python(self, result: "Segmentation", objects: "Objects") -> str:
        loading = _arguments({"revision": self.revision})
        segmenting = _arguments(self._segmenting(result))
        finding = _arguments(_finding(objects))
        saving = _arguments({"alpha": self.look.alpha} | self.look.extras())
        return (
            "from unet_hf import UNet\n\n"
            f"model = UNet.from_pretrained({self.model!r}{_more(loading)})\n"
            f"result = model.segment({result.image.source!r}{_more(segmenting)})\n"
            f"objects = result.objects({finding})\n"
            f"result.save('out', {saving}, only={result.all_outputs()!r}, objects=objects)\n"
        )

    def command(self, result: "Segmentation", objects: "Objects") -> str:
        finding = _finding(objects)
        painting, segmenting = self.look.extras(), self._segmenting(result)
        parts = (segmenting, painting, finding)
        flags = [name for part in parts for name in FLAGS if part.pop(name, False)]
        if "classes" in finding:
            named = [unmistakable(index, objects.id2label) for index in finding["classes"]]
            finding["classes"] = join_names(named)
        if "hidden" in painting:
            ids = chosen_classes(painting["hidden"], result.id2label)
            painting["hidden"] = [unmistakable(index, result.id2label) for index in ids]
        if "pixel_size" in finding:
            finding["pixel_size"] = " ".join(map(str, finding["pixel_size"]))
        options = {
            "model": self.model,
            "revision": self.revision,
            **segmenting,
            "only": ",".join(result.all_outputs()),
            "alpha": self.look.alpha,
            **{name: join_names(value) for name, value in painting.items()},
            **finding,
            "output": "out",
        }
        words = ["python", "-m", "unet_hf", "segment", result.image.source]
        for name, value in options.items():
            if value is not None:  # one word where a second one would look like an option
                text = str(value)
                words += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
        return shlex.join(words + [f"--{name}" for name in flags]) + "\n"

    def _segmenting(self, result: "Segmentation") -> dict[str, Any]:
        image = result.image
        return {
            "page": image.page if image.pages > 1 else None,
            "axes": self.axes or (image.axes if image.axes_given else None),
            "channel": image.channel,
            "threshold": result.threshold,
            "precision": result.precision,
            **({"tta": True} if result.uncertainty is not None else {}),
        }


def write_bundle(
    result: "Segmentation", path: Path, recipe: Recipe, objects: "Objects | None" = None
) -> None:
    """Writes all outputs of a result and `reproduce.txt` into one zip, at once or not at all.

    objects: By default `result.objects()`.

    Raises:
        ConfigError: As for `Segmentation.save`.
    """
    objects = result.objects() if objects is None else objects
    with tempfile.TemporaryDirectory(prefix="unet_hf_bundle_") as name:
        folder = Path(name)
        only = result.all_outputs()
        result.save(folder, **vars(recipe.look), only=only, objects=objects)
        (folder / RECIPE).write_text(recipe.text(result, objects), encoding="utf-8")
        write_whole(path, lambda temporary: _pack(folder, temporary))


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            packed = file.suffix in PACKED
            kind = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.write(file, file.name, kind)


def _finding(objects: "Objects") -> dict[str, Any]:
    """The arguments of `Segmentation.objects` that were not its defaults."""
    size = objects.pixel_size
    if size and size.source == "given":
        sides = [size.x] if size.x == size.y else [size.x, size.y]
        pixel_size = (*sides, size.unit)
    else:
        pixel_size = None
    given = {
        "classes": list(objects.classes),
        "method": objects.method,
        "min_size": objects.min_size,
        "exclude_border": objects.exclude_border,
        "pixel_size": pixel_size,
    }
    usual = {
        "classes": [index for index in sorted(objects.id2label) if index],
        "method": "components",
        "min_size": 0,
        "exclude_border": False,
        "pixel_size": None,
    }
    return {name: value for name, value in given.items() if value != usual[name]}


def _arguments(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)


def _more(arguments: str) -> str:
    return f", {arguments}" if arguments else ""
