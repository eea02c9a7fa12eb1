"""A package for the BioImage Model Zoo holds what its description says, predicts what the
checkpoint predicts, and is the same each time; or there is none.

`python -m benchmarks.model_zoo` has packages run by the zoo's own reader.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import PIL.Image
import pytest
import tifffile
import torch
import yaml

from unet_hf import UNet
from unet_hf.cli.export import run, summary
from unet_hf.cli.main import main
from unet_hf.errors import ConfigError, ExportError
from unet_hf.export import Exported, export
from unet_hf.export.bioimageio.authors import find_authors, read_author
from unet_hf.export.bioimageio.bare import Bare
from unet_hf.export.bioimageio.licence import spdx_license
from unet_hf.export.bioimageio.torchscript import load_torchscript, run_torchscript
from unet_hf.export.bioimageio.training import training_data
from unet_hf.export.bioimageio.wording import allowed_name, identifiers
from unet_hf.export.parity import TOLERANCE
from unet_hf.hub.card import split_card
from unet_hf.hub.layout import SHIPPED
from unet_hf.hub.records import CheckpointRecords
from unet_hf.network.tiling import receptive_reach

from ..support.networks import network

SMALL = {"base_channels": 2, "depth": 2}
MAPS = {"version": 1, "channels": ["distance", "border"]}
FIXED = {"normalization": "fixed", "mean": [0.3, 0.5, 0.6], "std": [0.2, 0.1, 0.3]}
NETWORKS: dict[str, dict[str, Any]] = {
    "maps of objects": SMALL | {"object_outputs": MAPS, "id2label": {"0": "ground", "1": "a cell"}},
    "fixed, colour": SMALL | {"in_channels": 3, "num_classes": 3, "preprocessing": FIXED},
    "valid": SMALL | {"padding": "valid", "norm": "none"},
}
AUTHORS = ("Ada Lovelace; University of London", "Grace Hopper")
FILES = {
    "rdf.yaml", "model.onnx", "model.pt", "test_input.npy", "test_output.npy", "sample_input.tif",
    "sample_output.tif", "cover.png", "README.md",
}  # fmt: skip


def saved(folder: Path, license: str | None = "mit", **options: Any) -> UNet:
    network(**options).save_pretrained(folder, license=license)
    return UNet.from_pretrained(folder)


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request, tmp_path_factory) -> tuple[UNet, Exported]:
    """A network, and its package."""
    folder = tmp_path_factory.mktemp("zoo")
    model = saved(folder / "net", **NETWORKS[request.param])
    return model, export(model, folder / "out", "bioimageio", authors=AUTHORS)


def content(exported: Exported) -> dict[str, bytes]:
    with zipfile.ZipFile(exported.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(exported: Exported) -> dict[str, Any]:
    return yaml.safe_load(content(exported)["rdf.yaml"])


def tensor(parts: dict[str, bytes], name: str) -> np.ndarray:
    return np.load(io.BytesIO(parts[name]))


def normalised(rdf: dict[str, Any], pixels: np.ndarray) -> np.ndarray:
    """By hand, as the specification defines the steps."""
    if rdf["config"]["unet_hf"]["normalization"] == "image":
        (step,) = rdf["inputs"][0]["preprocessing"]
        assert step["id"] == "zero_mean_unit_variance"
        assert step["kwargs"]["axes"] == ["channel", "y", "x"]
        return (pixels - pixels.mean()) / (pixels.std() + step["kwargs"]["eps"])
    scale, fixed = rdf["inputs"][0]["preprocessing"]
    assert (scale["id"], fixed["id"]) == ("scale_linear", "fixed_zero_mean_unit_variance")
    mean, std = (np.reshape(fixed["kwargs"][key], (-1, 1, 1)) for key in ("mean", "std"))
    return ((pixels * scale["kwargs"]["gain"] - mean) / std).astype(np.float32)


# ---------------------------------------------------------------------------- what is inside


def test_every_file_is_there_with_its_hash(pair):
    _, exported = pair
    parts = content(exported)
    assert parts.keys() == FILES
    assert exported.files == (exported.path,)
    rdf = described(exported)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    assert rdf["config"]["unet_hf"]["files"] == {
        name: value for name, value in hashes.items() if name != "rdf.yaml"
    }
    tensors = [
        one[kind]
        for one in (*rdf["inputs"], *rdf["outputs"])
        for kind in ("test_tensor", "sample_tensor")
    ]
    for entry in [*tensors, *rdf["weights"].values()]:
        assert hashes[entry["source"]] == entry["sha256"]
    assert {rdf["documentation"], *rdf["covers"]} < FILES


def test_who_made_it_and_under_what_licence_is_in_the_description(pair):
    rdf = described(pair[1])
    assert (rdf["type"], rdf["format_version"], rdf["license"]) == ("model", "0.5.4", "MIT")
    assert rdf["authors"] == [
        {"name": "Ada Lovelace", "affiliation": "University of London"},
        {"name": "Grace Hopper"},
    ]
    assert rdf["cite"][0]["doi"] == "10.1007/978-3-319-24574-4_28"
    assert 5 <= len(rdf["name"]) <= 64


def test_axes_follow_the_geometry_of_the_network(pair):
    model, exported = pair
    rdf, parts = described(exported), content(exported)
    (given,), (told) = rdf["inputs"], rdf["outputs"][0]
    assert [axis["type"] for axis in given["axes"]] == ["batch", "channel", "space", "space"]
    assert len(given["axes"][1]["channel_names"]) == model.config["in_channels"]
    halo, grid = model.geometry.halo, model.geometry.multiple
    trimmed = 2 * halo if model.config["padding"] == "valid" else 0
    for axis, reference in zip(given["axes"][2:], told["axes"][2:], strict=True):
        smallest, step = axis["size"]["min"], axis["size"]["step"]
        assert step == grid
        assert model.geometry.accepts(smallest)
        assert smallest - 2 * halo >= grid
        assert reference["size"].get("offset", 0) == -trimmed
        assert reference.get("halo") == (None if trimmed else halo)
    pixels, expected = tensor(parts, "test_input.npy"), tensor(parts, "test_output.npy")
    assert pixels.dtype == expected.dtype == np.float32
    assert [side - trimmed for side in pixels.shape[2:]] == list(expected.shape[2:])
    assert len(told["axes"][1]["channel_names"]) == expected.shape[1]


def test_the_halo_of_the_shipped_networks_is_beyond_what_a_pixel_sees():
    geometry = UNet(base_channels=2).geometry
    assert receptive_reach(geometry.depth, geometry.upsampling) <= geometry.halo == 96


def test_both_weights_predict_the_test_output_from_the_test_input(pair):
    model, exported = pair
    parts, rdf = content(exported), described(exported)
    pixels, expected = tensor(parts, "test_input.npy"), tensor(parts, "test_output.npy")
    image = normalised(rdf, pixels)
    session = onnxruntime.InferenceSession(parts["model.onnx"])
    assert [one.name for one in session.get_inputs()] == [rdf["inputs"][0]["id"]]
    assert [one.name for one in session.get_outputs()] == [rdf["outputs"][0]["id"]]
    assert np.abs(session.run(None, {"image": image})[0] - expected).max() <= TOLERANCE
    traced = load_torchscript(parts["model.pt"])
    assert np.abs(run_torchscript(traced, image) - expected).max() <= TOLERANCE
    assert exported.difference <= TOLERANCE
    # It is the checkpoint's own prediction.
    result = model.segment(pixels[0].astype(np.uint8), axes="CYX", precision="float32")
    inside = slice(None)
    if model.config["padding"] == "valid":
        inside = slice(model.geometry.halo, -model.geometry.halo)
    wanted = result.probabilities[:, inside, inside]
    assert np.abs(expected[0, : len(wanted)] - wanted).max() == 0


def test_blocks_with_the_halo_show_what_the_whole_image_does_if_it_is_normalised_first(pair):
    """Cut as bioimageio.core cuts them: mirrored beyond the border, each begins on the grid."""
    model, exported = pair
    parts, rdf = content(exported), described(exported)
    halo = rdf["outputs"][0]["axes"][2].get("halo")
    if halo is None:  # the network trims by itself
        return
    traced, step = load_torchscript(parts["model.pt"]), rdf["inputs"][0]["axes"][2]["size"]["step"]
    side, kept = 2 * halo + 12 * step, 4 * step
    pixels = np.random.default_rng(0).integers(0, 99, (1, model.config["in_channels"], side, side))
    pixels = pixels * np.linspace(1, 2.5, side)  # no block has the mean of the whole
    whole = run_torchscript(traced, normalised(rdf, pixels).astype(np.float32))

    def mirrored(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, 0), (0, 0), (halo, halo), (halo, halo)], "symmetric")

    def difference(image: np.ndarray) -> float:
        """Of all blocks from the whole, off the border; the image has its halo."""
        found = np.full_like(whole, np.nan)
        starts = [min(start, side - kept) for start in range(0, side, kept)]
        for top in starts:
            for left in starts:
                rows, columns = (slice(at, at + kept + 2 * halo) for at in (top, left))
                block = run_torchscript(traced, image[:, :, rows, columns].astype(np.float32))
                found[:, :, top : top + kept, left : left + kept] = block[
                    :, :, halo : halo + kept, halo : halo + kept
                ]
        inner = (..., slice(halo, -halo), slice(halo, -halo))
        return np.abs(found[inner] - whole[inner]).max()

    assert difference(mirrored(normalised(rdf, pixels))) <= TOLERANCE
    if rdf["config"]["unet_hf"]["normalization"] == "image":
        assert difference(normalised(rdf, mirrored(pixels))) > TOLERANCE


def test_traced_weights_take_other_sizes_and_batches(pair):
    model, exported = pair
    traced = load_torchscript(content(exported)["model.pt"])
    grid = model.geometry.multiple
    image = torch.randn(
        2, model.config["in_channels"], *(model.geometry.input_size(n * grid) for n in (5, 9))
    )
    with torch.inference_mode():
        expected = Bare(model)(image).numpy()
    assert np.abs(run_torchscript(traced, image.numpy()) - expected).max() <= TOLERANCE


def test_maps_of_objects_are_further_channels_and_the_border_is_a_probability(pair):
    model, exported = pair
    parts, rdf = content(exported), described(exported)
    names = rdf["outputs"][0]["axes"][1]["channel_names"]
    text = parts["README.md"].decode()
    if not model.object_channels:
        assert names == identifiers(list(model.id2label.values()))
        assert "objects of the same class" not in text
        return
    assert names == ["ground", "a_cell", "object_distance", "object_border"]
    pixels = tensor(parts, "test_input.npy")[0].astype(np.uint8)
    result = model.segment(pixels, axes="CYX", precision="float32")
    distance, border = tensor(parts, "test_output.npy")[0, 2:]
    assert np.abs(distance - result.object_maps[0]).max() == 0
    assert np.abs(border - 1 / (1 + np.exp(-result.object_maps[1]))).max() < 1e-6
    assert "`object_border`: the probability that two objects" in text
    assert "distance - 0.2 border." in text


def test_pictures_open_elsewhere(pair):
    parts = content(pair[1])
    with PIL.Image.open(io.BytesIO(parts["cover.png"])) as cover:
        assert cover.width == 2 * cover.height
    assert len(parts["cover.png"]) < 500_000
    for name in ("input", "output"):
        with tifffile.TiffFile(io.BytesIO(parts[f"sample_{name}.tif"])) as file:
            assert file.is_imagej
            assert np.array_equal(file.asarray(), tensor(parts, f"test_{name}.npy").squeeze())


def test_the_documentation_says_what_was_measured_and_what_a_reader_does_not_do(pair):
    text = content(pair[1])["README.md"].decode()
    for heading in ("## Validation", "## Limits", "## Licence", "## Citation"):
        assert heading in text
    assert "Missing pixels" in text
    assert "{" not in text


def test_training_data_are_named(tmp_path):
    named = training_data(CheckpointRecords.read(SHIPPED / "unet-phase"))["training_data"]
    assert named["license"] == "MIT"
    assert named["name"] == "Training data data phase"
    assert "Usiigaci" in named["description"]
    network(**SMALL).save_pretrained(tmp_path)
    assert training_data(CheckpointRecords.read(tmp_path)) == {}


@pytest.mark.parametrize("name", ["unet-nuclei", "unet-phase", "unet-superalloy"])
def test_cards_that_ship_name_authors_and_a_licence_of_spdx(name):
    metadata, _ = split_card((SHIPPED / name / "README.md").read_text())
    assert [read_author(one) for one in metadata["authors"]]
    assert spdx_license(metadata["license"]) in ("MIT", "CC0-1.0")


# ------------------------------------------------------------------- the same bytes, no paths


def test_two_packages_of_one_checkpoint_are_equal(tmp_path):
    saved(tmp_path / "net", **SMALL)
    first, second = (
        export(UNet.from_pretrained(tmp_path / "net"), tmp_path / name, "bioimageio",
               authors=AUTHORS).path.read_bytes()
        for name in ("first", "second")
    )  # fmt: skip
    assert first == second


def test_no_path_of_this_machine_is_inside(pair):
    model, exported = pair
    parts = content(exported)
    with zipfile.ZipFile(io.BytesIO(parts["model.pt"])) as archive:
        parts |= {name: archive.read(name) for name in archive.namelist()}
    here = [Path(__file__).parents[2], Path(torch.__file__).parents[2], model.origin.folder.parent]
    for name, data in parts.items():
        for path in here:
            assert str(path).encode() not in data, name


def test_a_sample_with_hot_pixels_is_no_test_of_a_reader(tmp_path):
    """What is clipped before cannot be described, so the drawn image takes its place."""
    pixels = np.random.default_rng(0).integers(100, 120, (64, 64), dtype=np.uint16)
    pixels[5, 5] = 60_000
    tifffile.imwrite(tmp_path / "hot.tif", pixels)
    clipping = {"normalization": "image", "outliers": "clip"}
    model = network(**SMALL, preprocessing=clipping)
    model.save_pretrained(tmp_path / "net", license="mit", sample_image=tmp_path / "hot.tif")
    model = UNet.from_pretrained(tmp_path / "net")
    exported = export(model, tmp_path / "out", "bioimageio", authors=AUTHORS)
    parts = content(exported)
    assert tensor(parts, "test_input.npy").max() <= 255
    assert "Hot pixels" in parts["README.md"].decode()


# --------------------------------------------------------------------------------- refusals


def test_weights_for_non_commercial_use_are_refused(tmp_path, capsys):
    assert main(["export", "unet-isbi", "--format", "bioimageio", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "isbi-2012-em-non-commercial, allows non-commercial use only" in said
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportError, match="non-commercial use only"):
        spdx_license("cc-by-nc-4.0")


def test_a_licence_or_author_that_nobody_stated_is_asked_for(tmp_path):
    model = network(**SMALL)
    with pytest.raises(ExportError, match=r"card says 'not stated'.*`license:`.*cc-by-4\.0"):
        export(model, tmp_path / "out", "bioimageio", authors=AUTHORS)
    with pytest.raises(ExportError, match=r'Add --author "Ada.*`authors:`'):
        export(saved(tmp_path / "net", **SMALL), tmp_path / "out", "bioimageio")
    with pytest.raises(ExportError, match="no author"):
        read_author("; London")
    assert not (tmp_path / "out").exists()


def test_a_package_that_predicts_something_else_is_not_written(tmp_path, monkeypatch):
    right = Bare.forward
    monkeypatch.setattr(Bare, "forward", lambda self, image: right(self, image) * 0.9)
    model = saved(tmp_path / "net", **SMALL)
    with pytest.raises(ExportError, match=r"probabilities differ .*1e-04 is allowed"):
        export(model, tmp_path / "out", "bioimageio", authors=AUTHORS)
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together_are_sentences(tmp_path):
    with pytest.raises(ConfigError, match=r"uploaded on bioimage\.io: leave --push out"):
        run(["net", "--format", "bioimageio", "--push", "org/name"])
    with pytest.raises(ConfigError, match=r"'onnx' names no authors"):
        export(network(**SMALL), tmp_path / "out", authors=AUTHORS)
    with pytest.raises(ConfigError, match=r"--format bioimageio writes \.zip"):
        run(["net", "--format", "bioimageio", "--output", "cells.onnx"])


def test_the_command_writes_one_zip(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(Path("net"), **SMALL)
    asked = ["--author", AUTHORS[0], "--author", AUTHORS[1]]
    assert run(["net", "--format", "bioimageio", "--output", "here/cells.zip", *asked]) == 0
    assert [path.name for path in Path("here").iterdir()] == ["cells.zip"]
    said = capsys.readouterr().out
    assert "How to use it: README.md in it" in said
    assert said.endswith(f"authors in it: {AUTHORS[0]}, {AUTHORS[1]}\n")


def test_authors_that_nobody_gave_are_told_with_the_way_to_change_them(tmp_path):
    network(**SMALL).save_pretrained(tmp_path, license="mit")
    card = tmp_path / "README.md"
    card.write_text(card.read_text().replace("---\n", "---\nauthors:\n- Cells Lab\n", 1))
    assert find_authors([], tmp_path) == [{"name": "Cells Lab"}]
    assert find_authors(AUTHORS, tmp_path) == [
        {"name": "Ada Lovelace", "affiliation": "University of London"},
        {"name": "Grace Hopper"},
    ]
    told = {"format": "bioimageio", "authors": ["Cells Lab"]}
    exported = Exported(card, (card,), 0.0, told)
    assert summary(exported).splitlines()[1] == (
        "authors in it: Cells Lab (those of the card; --author, once for each, names others)"
    )
    assert summary(exported, authors_given=True).splitlines()[1] == "authors in it: Cells Lab"


def test_names_are_as_the_zoo_allows_them():
    assert allowed_name("Cells, phase/contrast", " (U-Net)") == "Cells phase contrast (U-Net)"
    assert len(allowed_name("x" * 200, " (U-Net)")) == 64
    names = ["a cell", "a-cell", "class", "2 cells", "<>"]
    assert identifiers(names) == ["a_cell", "a_cell_2", "class_class", "class_2_cells", "class"]
