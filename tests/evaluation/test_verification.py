"""`verify`: whatever does not fit the record is found, and what fits passes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unet_hf import UNet
from unet_hf.cli.verify import run
from unet_hf.errors import CheckpointError
from unet_hf.evaluation.verification import verify
from unet_hf.hub.card import CardOptions
from unet_hf.hub.describe import describe_checkpoint
from unet_hf.hub.layout import EVALUATION_NAME, EXPECTED_NAME
from unet_hf.hub.save import save_weights, write_card

from .test_model_card import scores_for


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    """A checkpoint with scores on its card."""
    folder = tmp_path_factory.mktemp("verify") / "net"
    labels = {"0": "ground", "1": "cell | <b>nucleus</b>"}
    UNet(base_channels=2, depth=1, id2label=labels).save_pretrained(folder)
    (folder / EVALUATION_NAME).write_text(json.dumps(scores_for(folder)))
    write_card(folder, CardOptions("net"))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "net"))


def wrong(folder: Path) -> str:
    """What `verify` does not accept, as one text."""
    return "\n".join(finding.text for finding in verify(folder) if not finding.ok)


def change(path: Path, edit: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_an_untouched_checkpoint_passes(folder, capsys):
    assert wrong(folder) == ""
    assert run([str(folder)]) == 0
    assert capsys.readouterr().out.endswith("verified\n")


def test_the_lowest_bit_of_one_weight_is_noticed(folder, capsys):
    """Far below the sample's tolerance: only the hash can tell."""
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    assert "model.safetensors has the SHA-256" in wrong(folder)
    assert "Download it again" in wrong(folder)
    assert run([str(folder)]) == 1
    assert "checks failed" in capsys.readouterr().out


def test_a_changed_normalisation_is_noticed_twice(folder):
    def fixed(config: dict) -> None:
        config["preprocessing"] |= {"normalization": "fixed", "mean": [0.3], "std": [0.1]}

    change(folder / "config.json", fixed)
    assert "config.json has the SHA-256" in wrong(folder)
    assert "probabilities differ" in wrong(folder)


def test_what_is_learned_of_objects_is_stored_and_verified(tmp_path):
    folder = tmp_path / "net"
    asked = {"version": 1, "channels": ["distance", "border"]}
    objects = {"method": "learned", "seed": 0.4, "min_size": 20}
    model = UNet(base_channels=2, depth=1, object_outputs=asked, objects=objects)
    model.save_pretrained(folder)
    assert wrong(folder) == ""
    assert "object maps differ by up to" in "\n".join(one.text for one in verify(folder))
    card = (folder / "README.md").read_text()
    assert "parting them as the network has learned to" in card
    assert "at least the height 0.4" in card
    assert "fewer than 20 pixels" in card
    facts = describe_checkpoint(model, folder)
    assert (facts["objects"], facts["object maps"]) == (objects, asked["channels"])

    model.object_head.bias.data[1] += 0.01  # a hundredth is ten times the tolerance
    save_weights(model, folder)
    assert "object maps differ by up to 1.0e-02" in wrong(folder)
    assert "probabilities differ" not in wrong(folder)
    change(folder / EXPECTED_NAME, lambda expected: expected.pop("object_maps"))
    assert "names no file of expected object maps" in wrong(folder)


def test_a_card_that_claims_other_classes_is_noticed(folder):
    card = folder / "README.md"
    card.write_text(card.read_text().replace("| ground | 0 |", "| tumour | 0 |"))
    assert "claims the classes 0 tumour" in wrong(folder)
    card.write_text("# No card of ours\n")
    assert "claims the classes of nobody" in wrong(folder)


def test_a_card_that_claims_better_scores_is_noticed(folder):
    card = folder / "README.md"
    card.write_text(card.read_text().replace("value: 0.75", "value: 0.95"))
    assert "the card claims mean_iou 0.95 (measured: 0.7500)" in wrong(folder)


def test_scores_of_other_weights_are_noticed(folder):
    change(folder / EVALUATION_NAME, lambda scores: scores["checkpoint"].clear())
    assert "evaluation.json was recorded for another" in wrong(folder)


def test_another_sample_is_noticed(folder):
    (folder / "sample" / "input.png").unlink()
    assert "brings no sample along" in wrong(folder)


def test_a_damaged_sample_is_a_finding_not_a_crash(folder):
    (folder / "sample" / "probabilities.tif").write_bytes(b"no TIFF at all")
    assert "probabilities.tif cannot be read" in wrong(folder)


def test_a_sample_of_another_size_is_not_even_unpacked(folder):
    """A file of kilobytes may claim to hold gigabytes."""
    import tifffile

    path = folder / "sample" / "probabilities.tif"
    tifffile.imwrite(path, shape=(2, 40000, 40000), dtype="uint8", compression=None)
    assert "stored are (2, 40000, 40000)" in wrong(folder)


@pytest.mark.parametrize("tolerance", [1.0, "much", None])
def test_a_tolerance_that_tests_nothing_is_no_test(folder, tolerance):
    change(folder / EXPECTED_NAME, lambda expected: expected.update(max_difference=tolerance))
    assert "no test" in wrong(folder)


def test_a_tolerance_that_is_no_number_is_no_record(folder):
    change(folder / EXPECTED_NAME, lambda expected: expected.update(max_difference=float("nan")))
    assert "expected.json is not JSON (it holds nan" in wrong(folder)


def test_a_sample_cannot_name_files_elsewhere(folder):
    (folder / "secret.png").write_bytes((folder / "sample" / "input.png").read_bytes())
    change(folder / EXPECTED_NAME, lambda expected: expected.update(input="../secret.png"))
    assert "brings no sample along" in wrong(folder)


def test_without_a_record_nothing_is_verified(folder):
    shutil.rmtree(folder / "sample")
    assert "nothing tells what the weights should be" in wrong(folder)


def test_records_that_are_no_records_are_named(folder):
    (folder / EXPECTED_NAME).write_text("[]")
    assert wrong(folder).count("expected.json holds a list") == 1  # though three checks read it


def test_what_does_not_load_is_an_error(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="not a readable"):
        verify(folder)


def test_ranges_for_int8_are_of_these_weights_or_are_told_of(folder):
    model = UNet.from_pretrained(folder)
    model.calibrate([np.zeros((16, 16), np.uint8)])
    model.save_pretrained(folder)
    findings = [finding.text for finding in verify(folder) if "int8.json" in finding.text]
    assert findings == ["int8.json has the ranges of these weights for int8"]
    change(folder / "int8.json", lambda record: record["checkpoint"].update({"config.json": "0"}))
    assert "int8.json was made for another configuration or other weights" in wrong(folder)
    (folder / "int8.json").unlink()
    assert not any("int8" in finding.text for finding in verify(folder))
