"""What is exported predicts what the checkpoint predicts, alone, at every size; or nothing is
exported."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from unet_hf import UNet
from unet_hf.cli.export import run
from unet_hf.errors import ConfigError, ExportError
from unet_hf.export import Exported, export, formats, onnx_file, onnx_graph
from unet_hf.export.onnx_graph import OPSET
from unet_hf.export.parity import MAP_TOLERANCE, TOLERANCE, check_parity, inputs_for
from unet_hf.images.reading import read_image

from ..loopback.hub import client_environment, running_hub
from ..support.networks import network
from ..support.processes import forked_python

FIXED = {"normalization": "fixed", "mean": [0.3, 0.5, 0.6], "std": [0.2, 0.1, 0.3]}
SMALL = {"base_channels": 2, "depth": 2}
NETWORKS: dict[str, dict[str, Any]] = {
    "two classes": SMALL | {"id2label": {"0": "ground", "1": "cell"}, "threshold": 0.3},
    "five classes, colour": SMALL | {"in_channels": 3, "num_classes": 5, "preprocessing": FIXED},
    "paper": {"base_channels": 2, "padding": "valid", "norm": "none", "dropout": 0.5},
    "bilinear": SMALL | {"upsampling": "bilinear", "max_channels": 4},
}
SIZES = [(1, 1), (64, 48), (77, 130)]
TOKEN = "hf_secretofalice"


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request, tmp_path_factory) -> tuple[UNet, Exported]:
    """A network, and what it was exported as."""
    model = network(**NETWORKS[request.param])
    return model, export(model, tmp_path_factory.mktemp("onnx"))


def picture(model: UNet, height: int, width: int, seed: int = 0) -> np.ndarray:
    shape = (height, width, model.config["in_channels"])
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def expected(model: UNet, pixels: np.ndarray) -> np.ndarray:
    return model.segment(pixels, axes="YXC", precision="float32").probabilities


def inputs(model: UNet, pixels: np.ndarray) -> dict[str, np.ndarray]:
    return inputs_for(model, read_image(pixels, axes="YXC"))


def session(exported: Exported) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])


# -------------------------------------------------------------------------------------- ONNX


def test_one_session_takes_every_size(pair):
    model, exported = pair
    runtime = session(exported)
    for size in SIZES:
        pixels = picture(model, *size)
        seen = runtime.run(None, inputs(model, pixels))[0]
        assert seen.shape == (1, model.config["num_classes"], *size)
        assert np.abs(seen[0] - expected(model, pixels)).max() <= TOLERANCE


def test_images_of_a_batch_are_normalised_one_by_one(pair):
    model, exported = pair
    pictures = [picture(model, 40, 50), picture(model, 40, 50, seed=1) // 3]
    given = [inputs(model, pixels) for pixels in pictures]
    batch = {name: np.concatenate([one[name] for one in given]) for name in given[0]}
    for seen, pixels in zip(session(exported).run(None, batch)[0], pictures, strict=True):
        assert np.abs(seen - expected(model, pixels)).max() <= TOLERANCE


def test_blocks_with_a_halo_give_the_whole_image(pair):
    """By the rule of the text beside the file, with the whole image's mean and std."""
    model, exported = pair
    halo, block = exported.description["halo"], 2 * exported.description["multiple"]
    pixels = picture(model, 5 * block + 3, 300)
    whole = inputs(model, pixels)
    runtime = session(exported)
    seen = np.empty_like(expected(model, pixels))
    for top in range(0, len(pixels), block):
        first = max(top - halo, 0)
        window = whole | {"image": whole["image"][:, :, first : top + block + halo]}
        rows = runtime.run(None, window)[0][0][:, top - first :][:, :block]
        seen[:, top : top + block] = rows
    assert np.abs(seen - expected(model, pixels)).max() <= TOLERANCE


def test_the_graph_is_valid_folded_and_named_like_the_figure(pair):
    model, exported = pair
    graph = onnx.load(exported.path)
    onnx.checker.check_model(graph, full_check=True)
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", OPSET)]
    operators = [node.op_type for node in graph.graph.node]
    assert "BatchNormalization" not in operators
    assert "Dropout" not in operators
    names = {node.name for node in graph.graph.node}
    assert {"contracting.0.first", "bottleneck.second", "expansive.1.up", "head"} <= names
    weights = {weight.name: weight for weight in graph.graph.initializer}
    head = onnx.numpy_helper.to_array(weights["head.weight"])
    assert np.array_equal(head, model.head.weight.detach().numpy())


def test_the_metadata_is_all_that_one_has_to_know(pair):
    model, exported = pair
    stored = session(exported).get_modelmeta().custom_metadata_map
    assert stored.keys() == exported.description.keys()
    assert json.loads(stored["classes"]) == model.config["id2label"]
    assert json.loads(stored["colors"]) == model.config["colors"]
    assert json.loads(stored["threshold"]) == model.threshold
    assert json.loads(stored["channels"]) == list(model.preprocessing.channels)
    assert json.loads(stored["mean"]) == list(model.preprocessing.mean)
    assert stored["normalization"] == model.preprocessing.normalization
    assert stored["license"] == "not stated"
    assert re.fullmatch("[0-9a-f]{64}", stored["model.safetensors"])


def test_a_shipped_checkpoint_gives_its_name_and_licence_until_its_weights_are_changed(tmp_path):
    model = UNet.from_pretrained("unet-nuclei")
    exported = export(model, tmp_path, name="nuclei")
    assert {path.name for path in tmp_path.iterdir()} == {"nuclei.onnx", "nuclei.md"}
    assert exported.difference <= TOLERANCE
    assert exported.description["source"] == "unet-nuclei"
    assert (licence := exported.description["license"]) != "not stated"
    assert licence in exported.path.with_suffix(".md").read_text()

    model.head.bias.data += 0.1
    changed = export(model, tmp_path, name="nuclei").description
    assert (changed["source"], changed["license"]) == (None, "not stated")


# --------------------------------------------------------------------------- the other formats


def segmented_as_told(exported: Exported, pixels: np.ndarray) -> np.ndarray:
    """Runs the program in the text beside the file."""
    text = exported.path.with_suffix(".md").read_text()
    program = re.search("```python\n(.*?)```", text, re.DOTALL)[1]
    program = program.replace(f'"{exported.path.name}"', repr(str(exported.path)))
    names = {"pixels": pixels}
    exec(program, names)
    return names["mask"][0]


@pytest.mark.parametrize("format", ["onnx", "openvino"])
@pytest.mark.parametrize("name", ["two classes", "five classes, colour"])
def test_the_text_beside_the_file_tells_how_to_use_it(name, format, tmp_path):
    model = network(**NETWORKS[name])
    exported = export(model, tmp_path, format)
    assert exported.difference <= TOLERANCE
    for size in [(64, 48), (77, 130)]:
        pixels = picture(model, *size)
        pixels[0, 0] = 255
        pixels[1:] //= 8  # a hot pixel in a dark image
        mask = model.segment(pixels, axes="YXC", precision="float32").mask
        assert (segmented_as_told(exported, pixels) != mask).mean() < 0.001


def test_openvinos_file_describes_itself(tmp_path):
    import openvino

    exported = export(network(**SMALL), tmp_path, "openvino")
    assert {path.name for path in tmp_path.iterdir()} == {"model.xml", "model.bin", "model.md"}
    stored = openvino.Core().read_model(exported.path).get_rt_info("unet_hf")
    assert json.loads(stored.astype(str))["classes"] == {"0": "class 0", "1": "class 1"}


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_maps_of_objects_are_a_second_output_that_describes_itself(format, tmp_path):
    asked = {"version": 1, "channels": ["distance", "border"]}
    objects = {"method": "learned", "seed": 0.4, "min_size": 20}
    model = network(**SMALL, object_outputs=asked, objects=objects)
    exported = export(model, tmp_path, format)
    run = formats.FORMATS[format].loads[0](exported.path)
    for size in [(1, 1), (77, 130)]:
        pixels = picture(model, *size)
        seen = run(inputs(model, pixels))
        assert list(seen) == ["probabilities", "object_maps"]
        wanted = model.segment(pixels, axes="YXC", precision="float32")
        assert seen["object_maps"].shape == (1, 2, *size)
        assert np.abs(seen["object_maps"][0] - wanted.object_maps).max() <= MAP_TOLERANCE
        assert np.abs(seen["probabilities"][0] - wanted.probabilities).max() <= TOLERANCE
    assert list(exported.description["object_maps"]) == asked["channels"]
    assert exported.description["objects"] == model.config["objects"]
    text = exported.path.with_suffix(".md").read_text()
    for words in ("distance - 0.", " / (1 + exp(-border))", "below 0.4 or", "fewer than 20 pixels"):
        assert words in text


def test_other_maps_than_the_checkpoints_are_refused(tmp_path):
    model = network(**SMALL, object_outputs={"version": 1, "channels": ["distance"]})
    model.save_pretrained(tmp_path / "net")

    def run(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            right = model.segment(given["image"][0], axes="CYX", precision="float32")
        return {"probabilities": right.probabilities[None], "object_maps": right.object_maps + 1}

    with pytest.raises(ExportError, match=r"object maps differ .* by up to 1\.0e"):
        check_parity(model, run, tmp_path / "net")


def test_without_maps_of_objects_there_is_one_output_and_no_word_of_them(pair):
    _, exported = pair
    assert [output.name for output in session(exported).get_outputs()] == ["probabilities"]
    assert not [key for key in exported.description if "object" in key]
    assert "object" not in exported.path.with_suffix(".md").read_text()


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("fault", [1.5, float("nan")])
def test_what_predicts_something_else_is_refused_and_leaves_nothing(fault, monkeypatch, tmp_path):
    true = onnx_graph.fold_batch_norm
    wrong = lambda *modules: (true(*modules)[0] * fault, true(*modules)[1])  # noqa: E731
    monkeypatch.setattr(onnx_graph, "fold_batch_norm", wrong)
    folder = tmp_path / "out"
    with pytest.raises(ExportError, match=r"differ .* by up to (\d|nan).*1e-04 is allowed"):
        export(network(**SMALL), folder)
    assert not folder.exists()


def test_an_older_export_is_replaced_by_a_good_one_only(monkeypatch, tmp_path):
    model = network(**SMALL)
    before = export(model, tmp_path).path.read_bytes()
    model.head.bias.data += 1
    assert (after := export(model, tmp_path).path.read_bytes()) != before
    # A graph that the runtime does not even take.
    monkeypatch.setattr(
        onnx_graph, "fold_batch_norm", lambda *_: (model.head.weight, model.head.bias)
    )
    with pytest.raises(ExportError, match="The export to onnx failed"):
        export(model, tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == after
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.md"}


@pytest.mark.parametrize(
    ("format", "package", "extra"),
    [("onnx", "onnxruntime", "export"), ("openvino", "openvino", "openvino")],
)
def test_a_missing_package_is_a_sentence_with_the_cure(format, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf'needs {package}, .*pip install "\.\[{extra}\]"'):
        export(network(**SMALL), "never made", format)
    assert not Path("never made").exists()


def test_weights_beyond_what_a_file_holds_are_refused_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(onnx_file, "LARGEST", 1000)
    with pytest.raises(ExportError, match="ONNX file holds less than 2"):
        export(network(**SMALL), "never made")
    assert not Path("never made").exists()


def test_names_of_strangers_stay_words_in_the_text(tmp_path):
    labels = {"0": "ground", "1": "cell\n```python\nraise SystemExit\n```<script>"}
    model = network(**SMALL | {"id2label": labels})
    exported = export(model, tmp_path)
    text = exported.path.with_suffix(".md").read_text()
    assert "<script>" not in text
    assert len(re.findall("^```", text, re.MULTILINE)) == 2
    assert exported.description["classes"] == labels


def test_an_unknown_format_and_an_impossible_folder_are_sentences(tmp_path):
    with pytest.raises(ConfigError, match="there are onnx, openvino"):
        export(network(**SMALL), tmp_path, "tflite")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ExportError, match="could not be written to"):
        export(network(**SMALL), tmp_path / "taken")


def test_the_removed_torch_format_says_why_and_names_another(tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"'torch' .* was removed.*may run code.*'onnx'"):
        export(network(**SMALL), tmp_path, "torch")
    with pytest.raises(SystemExit):
        run(["net", "--format", "torch"])
    assert "may run code" in capsys.readouterr().err


# ------------------------------------------------------------------------------ the command


def test_the_command_names_what_it_wrote(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network(**SMALL).save_pretrained("net")
    assert run(["net"]) == 0
    assert Path("net-onnx/model.onnx").is_file()
    assert "probabilities within" in capsys.readouterr().out
    assert run(["net", "--output", "here/cells.onnx"]) == 0
    assert {path.name for path in Path("here").iterdir()} == {"cells.onnx", "cells.md"}
    with pytest.raises(ConfigError, match=r"--format onnx writes \.onnx"):
        run(["net", "--output", "cells.xml"])


# Pushes a checkpoint, exports it to its repository, and tries the same with others.
CLIENT = """
import sys, torch
from unet_hf import UNet
from unet_hf.cli.main import main

UNet(base_channels=2, depth=1).push_to_hub("alice/net")
torch.manual_seed(7)
UNet(base_channels=2, depth=1).save_pretrained("other")
for model, repo in (("alice/net", "alice/net"), ("other", "alice/net"), ("other", "alice/none")):
    print(main(["export", model, "--output", "out", "--push", repo]), flush=True)

from huggingface_hub import HfApi
for model in ("alice/net", "other"):
    UNet.from_pretrained(model).push_to_hub("alice/net")
    print("exports:", [file for file in HfApi().list_repo_files("alice/net") if "onnx" in file])
"""


def test_a_push_is_one_commit_beside_the_same_weights_or_none(tmp_path):
    with running_hub({TOKEN: "alice"}) as hub:
        done = subprocess.run(
            [*forked_python(), "-c", CLIENT],
            cwd=tmp_path,
            env=client_environment(hub, tmp_path, TOKEN),
            capture_output=True,
            text=True,
        )
        repo = hub.repos["models", "alice/net"]
        assert [line for line in done.stdout.splitlines() if line in "01"] == ["0", "1", "1"]
        assert len(repo.commits) == 5  # made empty, the checkpoint, the export, two more pushes
        files = list(repo.commits.values())[2]
        assert {"onnx/model.onnx", "onnx/model.md", "model.safetensors"} <= files.keys()
        stored = onnx.load_from_string(files["onnx/model.onnx"]).metadata_props
        stored = {entry.key: entry.value for entry in stored}
        assert stored["source"] == "alice/net"
        assert stored["commit"] in repo.commits
        assert "[onnx/model.onnx](onnx/model.onnx)" in files["README.md"].decode()
        assert "alice/net holds other weights" in done.stderr
        # They stay with these weights, and go with them.
        assert "exports: ['onnx/model.md', 'onnx/model.onnx']" in done.stdout
        assert "exports: []" in done.stdout
        assert "no alice/none" in done.stderr
        assert ("models", "alice/none") not in hub.repos
        assert TOKEN not in done.stdout + done.stderr
