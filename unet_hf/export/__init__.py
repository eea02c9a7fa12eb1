"""A checkpoint as one file for other runtimes, checked against the checkpoint.

>>> from unet_hf import UNet
>>> from unet_hf.export import export
>>> export(UNet.from_pretrained("unet-isbi"), "out").path  # doctest: +SKIP
PosixPath('out/model.onnx')
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from ..errors import ConfigError, ExportError, UNetError
from ..files import write_atomically
from ..hub.save import save_checkpoint
from ..unet import UNet
from .description import describe_export, source_name, usage
from .formats import Format, format_named
from .job import Job
from .parity import check_parity

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    path: What a runtime is given. files: This; its description in Markdown, which a package for
    the zoo has inside; and for OpenVINO the weights. difference: The largest seen between a
    probability of its and the checkpoint's. description: Of `describe_export`; of a package for
    the zoo also "authors", as they stand in it.
    """

    path: Path
    files: tuple[Path, ...]
    difference: float
    description: dict[str, Any]


def export(
    model: "UNet",
    folder: str | Path,
    format: str = "onnx",
    *,
    name: str = "model",
    authors: Iterable[str] = (),
) -> Exported:
    """Writes the network, with its pre- and post-processing, for another runtime.

    Its inputs are `image`, (batch, channels, height, width) float32, pixels scaled to 0 ... 1, of
    any size, and, where the checkpoint normalises by the image, `mean` and `std`, (batch,)
    float32, of each whole image. Its output is `probabilities`, (batch, classes, height, width)
    float32; where the checkpoint has learned of objects, also `object_maps`, (batch, n, height,
    width) float32. What else one has to know is in its metadata and in the text beside it.

    Before anything is written, it predicts three images, the checkpoint's sample among them.

    Args:
        model: On any device; as `UNet.from_pretrained` gives it.
        folder: Made if missing.
        format: "onnx": NAME.onnx, needs `pip install ".[export]"`. "openvino": NAME.xml
            and NAME.bin, needs `pip install ".[openvino]"`. "bioimageio": NAME.zip for the
            BioImage Model Zoo, see `unet_hf.export.bioimageio`, needs `pip install ".[export]"`.
        name: NAME, without suffix.
        authors: "bioimageio" only: who made the weights, each "name" or "name; affiliation".
            Empty: those that the checkpoint's card names.

    Raises:
        ConfigError: There is no such format, or it names no authors.
        ExportError: A package is missing, the exported network predicts anything else than the
            checkpoint, the zoo cannot take the licence, nobody is named as author, or the folder
            cannot be written to. No file is left behind.
    """
    kind = format_named(format)
    if authors and kind.beside:
        raise ConfigError(
            f"A file of the format {format!r} names no authors; only a package for the zoo does. "
            "Leave them out, or choose 'bioimageio'."
        )
    kind.check_packages()
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint, new = Path(temporary, "checkpoint"), Path(temporary, "exported")
        save_checkpoint(model, checkpoint, origin=model.origin, name=source_name(model))
        new.mkdir()
        description = {"format": format} | describe_export(model, checkpoint)
        written = new / f"{name}{kind.suffix}"
        with _named(format):
            kind.write(Job(model, checkpoint, description, tuple(authors)), written)
            differences = _differences(model, kind, written, checkpoint)
        if kind.beside:
            text = usage(description, written.name, differences)
            written.with_suffix(".md").write_text(text, encoding="utf-8")
        files = _moved(new, folder, last=written.name)
    return Exported(folder / written.name, files, differences["probabilities"], description)


def _differences(model: "UNet", kind: Format, written: Path, checkpoint: Path) -> dict[str, float]:
    """The largest difference of each output, of all networks in the file."""
    seen = [check_parity(model, load(written), checkpoint, kind.outputs) for load in kind.loads]
    return {name: max(one[name] for one in seen) for name in seen[0]}


@contextlib.contextmanager
def _named(format: str) -> Iterator[None]:
    """Every runtime fails in ways of its own."""
    try:
        yield
    except UNetError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ExportError(
            f"The export to {format} failed: {reason}. Nothing was written. Check the versions of "
            "torch and of the format's runtime, or choose another format."
        ) from error


def _moved(new: Path, folder: Path, last: str) -> tuple[Path, ...]:
    """Copies the files over older ones; `last` goes first and comes last, so that it is never
    beside the parts of another."""
    names = sorted((path.name for path in new.iterdir()), key=lambda name: (name == last, name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / last).unlink(missing_ok=True)
        for name in names:
            write_atomically(folder / name, lambda path, name=name: copyfile(new / name, path))
    except OSError as error:
        raise ExportError(
            f"The export could not be written to {folder}: {error.strerror or error}. Free some "
            "space or choose another folder."
        ) from error
    return tuple(folder / name for name in names)
