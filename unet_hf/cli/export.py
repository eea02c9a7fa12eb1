"""`python -m unet_hf export`: a checkpoint as one file for other runtimes."""

import argparse
from pathlib import Path

from ..errors import ConfigError
from ..export import Exported, export
from ..export.formats import FORMATS, format_named
from ..export.parity import TOLERANCE
from ..unet import UNet
from .options import add_checkpoint, command_parser

DESCRIPTION = f"""Writes a checkpoint, with its pre- and post-processing, as one file for images of
any size, and beside it a text that says how to use it; or as a package for the BioImage Model Zoo,
which ilastik, deepImageJ, QuPath and napari read. It is checked first: on the checkpoint's sample
and on two more images its probabilities are within {TOLERANCE:.0e} of the checkpoint's, or nothing
is written."""
FORMAT = (
    "onnx (the default): for ONNX Runtime, also in browsers. openvino: .xml and .bin. bioimageio: "
    "one .zip for the BioImage Model Zoo, with ONNX and TorchScript"
)


def run(arguments: list[str]) -> int:
    parser = command_parser("export", DESCRIPTION)
    add_checkpoint(parser)
    parser.add_argument(
        "--format", type=_format, default="onnx", metavar="|".join(FORMATS), help=FORMAT
    )
    parser.add_argument(
        "--output", metavar="FILE_OR_FOLDER", help="by default the folder MODEL-FORMAT"
    )
    parser.add_argument(
        "--push",
        metavar="ORG/NAME",
        help="also put it beside these weights on the Hub, e.g. as onnx/model.onnx",
    )
    parser.add_argument(
        "--author",
        action="append",
        default=[],
        metavar='"NAME; AFFILIATION"',
        help="for bioimageio: who made the weights, once for each (default: those that the card "
        "names); the affiliation may be left out",
    )
    given = parser.parse_args(arguments)
    if given.push and not format_named(given.format).beside:
        raise ConfigError(
            "--push puts ONNX or OpenVINO files beside the weights on the Hub. A package for the "
            "zoo is uploaded on bioimage.io: leave --push out."
        )
    folder, name = destination(given.output, given.model, given.format)
    format_named(given.format).check_packages()
    model = UNet.from_pretrained(given.model, revision=given.revision, subfolder=given.subfolder)
    exported = export(model, folder, given.format, name=name, authors=given.author)
    print(summary(exported, authors_given=bool(given.author)))
    if given.push:
        from ..export.pushing import push_export

        print(f"pushed as {push_export(exported, given.push)}")
    return 0


def destination(output: str | None, model: str, format: str) -> tuple[Path, str]:
    """Folder and name without suffix. Raises `ConfigError`."""
    if output is None:
        return Path(f"{Path(model).resolve().name}-{format}"), "model"
    path, suffix = Path(output), FORMATS[format].suffix
    if path.suffix == suffix:
        return path.parent, path.stem
    if path.suffix in {kind.suffix for kind in FORMATS.values()}:
        raise ConfigError(
            f"--output {output} ends in {path.suffix}, but --format {format} writes {suffix}. "
            "Name a folder, or change one of them."
        )
    return path, "model"


def _format(name: str) -> str:
    try:
        format_named(name)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def summary(exported: Exported, authors_given: bool = False) -> str:
    megabytes = sum(path.stat().st_size for path in exported.files) / 1e6
    beside = format_named(exported.description["format"]).beside
    text = exported.path.with_suffix(".md") if beside else "README.md in it"
    told = (
        f"{exported.path}: {megabytes:.1f} MB; probabilities within {exported.difference:.1e} of "
        f"the checkpoint's. How to use it: {text}"
    )
    if authors := exported.description.get("authors"):
        told += f"\nauthors in it: {', '.join(authors)}"
        if not authors_given:
            told += " (those of the card; --author, once for each, names others)"
    return told
