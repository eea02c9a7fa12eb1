"""Checkpoints: every option survives, every byte of a prediction, and nothing wrong is loaded."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unet_hf import UNet, shipped_checkpoints
from unet_hf.errors import (
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    ConfigError,
    WeightsError,
)

from ..support.processes import forked_python

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
unit = st.floats(0, 1, exclude_max=True)


@st.composite
def configurations(draw) -> dict:
    channels, classes = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    padding = draw(st.sampled_from(["same", "valid"]))
    normalization = draw(st.sampled_from(["image", "fixed"]))
    preprocessing = {
        "normalization": normalization,
        "channels": draw(st.lists(names, min_size=channels, max_size=channels)),
    }
    if normalization == "fixed":
        numbers = st.lists(st.floats(0.1, 2), min_size=channels, max_size=channels)
        preprocessing |= {"mean": draw(numbers), "std": draw(numbers)}
    color = st.integers(0, 2**24 - 1).map(lambda value: f"#{value:06x}")
    labels = draw(st.lists(names, min_size=classes, max_size=classes, unique=True))
    objects = {}
    if draw(st.booleans()):
        asked = draw(st.sampled_from([["distance"], ["distance", "border", "centre"]]))
        objects["object_outputs"] = {"version": 1, "channels": asked}
        objects["objects"] = {"method": "learned", "min_size": draw(st.integers(0, 99))}
        objects["objects"]["seed"] = draw(unit)
    if draw(st.booleans()):
        objects["max_channels"] = draw(st.integers(3, 9))
    return objects | {
        "in_channels": channels,
        "num_classes": classes,
        "base_channels": draw(st.integers(1, 3)),
        "depth": draw(st.integers(1, 3)),
        "padding": padding,
        "norm": draw(st.sampled_from(["batch", "none"])),
        "upsampling": "transposed"
        if padding == "valid"
        else draw(st.sampled_from(["transposed", "bilinear"])),
        "dropout": draw(unit),
        "id2label": dict(zip(map(str, range(classes)), labels, strict=True)),
        "colors": draw(st.lists(color, min_size=classes, max_size=classes)),
        "preprocessing": preprocessing,
        "threshold": draw(unit) if classes == 2 else None,
        "tile_size": draw(st.integers(128, 2048)),
    }


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(options=configurations())
def test_every_option_and_every_byte_survives_a_round_trip(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round-trip")
    model = UNet(**options)
    assert model.config == options  # nothing is changed on the way in
    model.save_pretrained(folder)
    loaded = UNet.from_pretrained(folder)
    assert loaded.config == options
    assert json.loads((folder / "config.json").read_text()) == options
    image = np.random.default_rng(0).random((20, 24, options["in_channels"]), np.float32)
    before, after = model.segment(image, axes="YXC"), loaded.segment(image, axes="YXC")
    assert before.probabilities.tobytes() == after.probabilities.tobytes()
    assert before.mask.tobytes() == after.mask.tobytes()
    if "objects" in options:
        assert before.object_maps.tobytes() == after.object_maps.tobytes()
        assert before.object_recipe == after.object_recipe == options["objects"]
    assert before.colors == after.colors


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    UNet(base_channels=2, depth=1).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def test_saving_writes_a_configuration_weights_and_a_card(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "sample",
        "thumbnail.png",
    }
    with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_loaded_model_is_float32_and_in_evaluation_mode(folder):
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    half = {
        key: value.half() if value.is_floating_point() else value for key, value in weights.items()
    }
    safetensors.torch.save_file(half, folder / "model.safetensors")
    model = UNet.from_pretrained(folder)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in model.parameters())


def change_weights(folder, change) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("head.bias"), "tensors are missing: head.bias"),
        (lambda w: w.update(extra=torch.zeros(2)), "unexpected tensors: extra"),
        (lambda w: w.update({"head.bias": torch.zeros(7)}), r"head.bias is \[7\], expected \[2\]"),
        (lambda w: w.update({"head.bias": torch.full((2,), torch.nan)}), "head.bias holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder, change, words):
    change_weights(folder, change)
    with pytest.raises(WeightsError, match=words):
        UNet.from_pretrained(folder)


def test_weights_and_configuration_have_to_agree_on_maps_of_objects(folder):
    """A configuration that asks for maps needs their weights, and the other way round."""
    path = folder / "config.json"
    plain, asked = json.loads(path.read_text()), {"version": 1, "channels": ["distance", "border"]}
    path.write_text(json.dumps(plain | {"object_outputs": asked}))
    with pytest.raises(WeightsError, match=r"missing: object_head\.bias, object_head\.weight"):
        UNet.from_pretrained(folder)
    UNet(base_channels=2, depth=1, object_outputs=asked).save_pretrained(folder)
    path.write_text(json.dumps(plain))
    with pytest.raises(WeightsError, match=r"unexpected tensors: object_head\.bias, object_head"):
        UNet.from_pretrained(folder)
    path.write_text(json.dumps(plain | {"object_outputs": asked | {"channels": ["distance"]}}))
    with pytest.raises(WeightsError, match=r"object_head.bias is \[2\], expected \[1\]"):
        UNet.from_pretrained(folder)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["distance"], "is not a mapping of version, channels"),
        ({"version": 1}, "is not a mapping of version, channels"),
        ({"version": 1, "channels": ["distance"], "walled": 1}, "walled='1' is neither"),
        ({"version": 2, "channels": ["distance"]}, r"version=2 is not known.*Update unet_hf"),
        ({"version": True, "channels": ["distance"]}, "version=True is not known"),
        ({"version": 1, "channels": []}, "does not begin with 'distance'"),
        ({"version": 1, "channels": "distance"}, "does not begin with 'distance'"),
        ({"version": 1, "channels": ["border", "distance"]}, "does not begin with 'distance'"),
        ({"version": 1, "channels": ["distance", "flow"]}, r"channels='flow'.*border"),
        ({"version": 1, "channels": ["distance", ["border"]]}, "object_outputs.channels"),
        ({"version": 1, "channels": ["distance", "distance"]}, "names one twice"),
    ],
)
def test_maps_of_objects_that_no_program_knows_are_refused(folder, outputs, words):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"object_outputs": outputs}))
    with pytest.raises(ConfigError, match=words):
        UNet.from_pretrained(folder)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"method": "learned"}, "needs object_outputs"),
        ({"method": "watershed", "seed": 0.5}, "only for the method 'learned', not 'watershed'"),
        ({"method": "components", "sed": 0.5}, "is not a mapping of method, min_size and seed"),
        ({"method": "learned", "seed": 2}, r"seed=2"),
        ({"method": "learned", "seed": True}, r"seed=True"),
        ({"method": "taught"}, r"objects\.method='taught'"),
    ],
)
def test_ways_of_counting_that_cannot_be_are_refused(recipe, words):
    with pytest.raises(ConfigError, match=words):
        UNet(objects=recipe)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable safetensors file"),
        (b"not tensors at all, but long enough", "not a readable safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
    ],
)
def test_files_that_are_no_weights_are_refused(folder, content, words):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        UNet.from_pretrained(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="Download it again"):
        UNet.from_pretrained(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[1, 2]", "holds a list"),
        ('{"in_channels": 1}', "lacks base_channels, depth, num_classes"),
        ('{"architectures": ["SegFormer"]}', "does not know: architectures"),
        ('{"in_channels": 1, "num_classes": 2, "base_channels": 9999999, "depth": 4}', "9999999"),
        ('{"in_channels": NaN, "num_classes": 2, "base_channels": 4, "depth": 8}', "nan"),
        ("[" * 100_000, "is not JSON"),
        ('{"id2label": "' + "x" * 2**21 + '"}', "2.1 MB"),
    ],
)
def test_configurations_that_make_no_network_are_refused(folder, text, words):
    (folder / "config.json").write_text(text)
    with pytest.raises((ConfigError, WeightsError), match=words):
        UNet.from_pretrained(folder)


def test_a_configuration_of_gigabytes_is_refused_before_any_is_allocated(folder):
    import resource

    huge = {"in_channels": 1, "num_classes": 2, "base_channels": 4096, "depth": 7}
    (folder / "config.json").write_text(json.dumps(huge | {"tile_size": 8192}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match="tensors are missing"):
        UNet.from_pretrained(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_pickled_weights_are_never_touched(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pickled'\ntR.")
    with pytest.raises(CheckpointNotFoundError, match=r"model\.safetensors"):
        UNet.from_pretrained(folder)
    assert not (folder / "pickled").exists()


def test_a_misspelt_shipped_name_lists_the_right_ones():
    with pytest.raises(CheckpointNotFoundError, match="unet-isbi, unet-nuclei"):
        UNet.from_pretrained("unet-isby")


def test_a_hub_name_without_a_network_says_so():
    with pytest.raises(CheckpointUnreachableError, match="was not reached"):
        UNet.from_pretrained("nobody/nothing")


def test_a_new_task_keeps_everything_but_the_head(folder, caplog):
    old = UNet.from_pretrained(folder)
    new = UNet.from_pretrained(
        folder, num_classes=5, id2label={str(i): f"kind {i}" for i in range(5)}
    )
    assert new.config["num_classes"] == 5
    assert new.id2label[4] == "kind 4"
    assert "drawn afresh for 5 classes" in caplog.text
    for name, tensor in old.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(tensor, new.state_dict()[name])
    asked = {"version": 1, "channels": ["distance"]}
    counted = {"method": "learned", "seed": 0.4, "min_size": 9}
    old = UNet(base_channels=2, depth=1, object_outputs=asked, objects=counted)
    old.save_pretrained(folder)
    new = UNet.from_pretrained(folder, num_classes=3)
    assert torch.equal(old.object_head.weight, new.object_head.weight)
    assert "objects" not in new.config  # how the old classes were counted
    with pytest.raises(ConfigError, match="Give num_classes too"):
        UNet.from_pretrained(folder, id2label={"0": "a", "1": "b"})


@pytest.mark.parametrize("name", ["unet-isbi", "unet-nuclei", "unet-phase", "unet-superalloy"])
def test_a_shipped_checkpoint_is_what_its_record_says(name):
    """Years later, on another machine: the same input still gives the stored output, and card,
    scores, configuration and weights are of one checkpoint."""
    from unet_hf.evaluation.verification import verify
    from unet_hf.hub.find import SHIPPED

    assert name in shipped_checkpoints()
    assert (SHIPPED / name / "model.safetensors").stat().st_size < 10_000_000
    assert [finding.text for finding in verify(name) if not finding.ok] == []


@pytest.mark.parametrize("name", ["unet-isbi", "unet-nuclei", "unet-phase", "unet-superalloy"])
def test_a_shipped_checkpoint_agrees_with_its_evidence_and_can_be_trained_again(name):
    from train.cli.arguments import parse_arguments
    from unet_hf.hub.find import SHIPPED
    from unet_hf.hub.records import CheckpointRecords

    evidence = CheckpointRecords.read(SHIPPED / name)
    assert UNet.from_pretrained(name).config["threshold"] == evidence.evaluation["threshold"]
    card = (SHIPPED / name / "README.md").read_text()
    assert f"{evidence.evaluation['mean_iou']:.4f}" in card
    assert f"in {evidence.speed['milliseconds']['median']:.0f} ms" in card
    config = parse_arguments(["--config", str(SHIPPED / name / "training.json")])
    assert f"--max_train_steps {config.max_train_steps}" in card
    assert not config.output_dir.startswith("/")


def test_importing_the_package_stays_light():
    """Where none of these can be imported, and none of them is tried."""
    script = (
        "import sys; tried = []; slow = {'gradio', 'datasets', 'accelerate', 'skimage', 'scipy'}\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] in slow]:\n"
        "    del sys.modules[name]\n"
        "class Refuses:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in slow: raise ImportError(tried.append(name))\n"
        "sys.meta_path.insert(0, Refuses())\n"
        "import unet_hf; print(tried)"
    )
    done = subprocess.run(
        [*forked_python(), "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_folder_called_snapshots_is_not_the_hubs_cache(tmp_path, monkeypatch):
    """Its name is no commit, and a changed model saved from it names no base on the Hub."""
    from train.config import TrainingConfig
    from train.provenance import describe_base
    from unet_hf.hub.card import split_card

    monkeypatch.chdir(tmp_path)
    UNet(base_channels=2, depth=1).save_pretrained("snapshots/run1")
    model = UNet.from_pretrained("snapshots/run1")
    origin = model.origin
    assert (origin.commit, origin.hub_id, origin.subfolder) == (None, None, None)
    with torch.no_grad():
        model.head.bias += 1
    model.save_pretrained("changed")
    assert "base_model" not in split_card((tmp_path / "changed/README.md").read_text())[0]
    options = {"dataset_name": "x", "output_dir": "y"}
    config = TrainingConfig(**options, pretrained_model_name_or_path="snapshots/run1")
    assert "commit" not in describe_base(config)


def test_a_folder_does_not_shadow_a_shipped_checkpoint_and_is_told_of(
    tmp_path, monkeypatch, caplog
):
    from unet_hf.hub.find import SHIPPED

    UNet(base_channels=2, depth=1).save_pretrained(tmp_path / "unet-isbi")
    UNet(base_channels=3, depth=1).save_pretrained(tmp_path / "unet-mine")
    monkeypatch.chdir(tmp_path)
    assert UNet.from_pretrained("unet-isbi").origin.folder == SHIPPED / "unet-isbi"
    assert "The folder of that name here is './unet-isbi'" in caplog.text
    caplog.clear()
    for folder in ("./unet-isbi", tmp_path / "unet-isbi", Path("unet-isbi")):
        assert UNet.from_pretrained(folder).config["base_channels"] == 2
    assert UNet.from_pretrained("unet-mine").config["base_channels"] == 3
    monkeypatch.chdir(tmp_path / "unet-mine")  # without such a folder
    for name in ("unet-isbi", Path("unet-isbi")):
        assert UNet.from_pretrained(name).origin.folder == SHIPPED / "unet-isbi"
    assert caplog.text == ""
