"""`precision="fast"` is int8 where a record says that this is safe, and the result says so."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unet_hf import UNet
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.run import segment_files
from unet_hf.engine import fast, precision
from unet_hf.errors import CalibrationError
from unet_hf.large import segment_large

from ..support.calibrated import calibrated_checkpoint
from ..support.networks import gray


@pytest.fixture(autouse=True)
def a_cpu_where_int8_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "why_not_here", lambda: "")


@pytest.fixture
def losing(tmp_path: Path) -> Callable[[float | None], Path]:
    """losing(0.002) is a checkpoint whose record says that int8 loses this of its score."""
    return lambda lost: calibrated_checkpoint(tmp_path / f"net{lost}", lost)


def notes(model: UNet) -> str:
    return "; ".join(model.segment(gray(), precision="fast").notes)


def test_the_help_says_the_whole_rule():
    (precisions,) = [one for one in dataclasses.fields(BatchOptions) if one.name == "precision"]
    for text in (precisions.metadata["help"], " ".join(UNet.segment.__doc__.split())):
        assert f"loses more than {fast.MOST_LOST}" in text
        assert f"objects no more than {fast.MOST_OBJECTS_LOST}" in text
        assert "known to be the fastest on this CPU" in text


def test_it_is_int8_where_the_record_says_that_little_is_lost(losing):
    model = UNet.from_pretrained(losing(0.00033))
    result = model.segment(gray(), precision="fast")
    assert result.precision == "int8"
    assert np.array_equal(
        result.probabilities, model.segment(gray(), precision="int8").probabilities
    )
    words = "computed in int8, which lost at most 0.0004 of mean IoU on the validation images"
    assert words in "; ".join(result.notes)
    assert model.segment(gray(), precision="int8").notes == result.notes
    assert model.segment(gray()).precision != "int8"  # nobody who did not ask has it


def test_a_checkpoint_that_loses_more_is_computed_as_by_default_and_says_why(losing):
    model = UNet.from_pretrained(losing(0.002))
    result, usual = model.segment(gray(), precision="fast"), model.segment(gray())
    assert result.precision == usual.precision
    assert np.array_equal(result.probabilities, usual.probabilities)
    assert "not computed in int8: it lost 0.0020 of mean IoU" in "; ".join(result.notes)


def test_without_a_measured_loss_it_is_never_int8(losing, tmp_path: Path):
    assert "was not measured" in notes(UNet.from_pretrained(losing(None)))
    assert "not calibrated" in notes(UNet(base_channels=2, depth=1))
    assert not fast.worth_it({})
    assert not fast.worth_it({"mean IoU": float("nan")})
    assert fast.worth_it({"V_rand": -0.01, "V_info": 0.001})


def test_each_score_that_is_lower_is_told_with_its_amount():
    assert "at most 0.0002 of mean IoU and 0.0018 of object AP" in fast.cost_in_words(
        {"mean IoU": 0.00016, fast.OBJECT_AP: 0.0018}
    )
    assert "at most 0.0001 of V_info on" in fast.cost_in_words({"V_rand": -0.1, "V_info": 1e-6})
    assert "lost nothing of V_rand and V_info on" in fast.cost_in_words({"V_rand": 0, "V_info": -1})


def test_a_score_of_objects_may_lose_an_object_or_two():
    assert fast.worth_it({"mean IoU": 0.001, fast.OBJECT_AP: 0.005})
    assert not fast.worth_it({"mean IoU": 0.0011, fast.OBJECT_AP: 0.0})
    assert fast.too_much_lost({"mean IoU": 0.001, fast.OBJECT_AP: 0.0051}) == (
        "it lost 0.0051 of object AP on the validation images, and 0.005 are allowed"
    )


def test_a_record_of_other_weights_or_a_damaged_one_does_not_count(losing):
    model = UNet.from_pretrained(losing(0.0))
    assert "lost nothing of mean IoU" in notes(model)
    model.head.weight.data += 0.01
    assert "the weights have changed" in notes(model)
    folder = losing(0.0001)
    record = json.loads((folder / "int8.json").read_text())
    picture = "![](https://example.com/seen.png)"  # a name is shown to people, on the page, too
    for name, value in (("mean IoU", "high"), ("mean IoU", 10**400), (picture, 0.9), ("", 0.9)):
        record["scores"] = {"float32": {name: 0.9}, "int8": {name: value}}
        (folder / "int8.json").write_text(json.dumps(record))
        assert "int8.json does not hold" in notes(UNet.from_pretrained(folder))
        with pytest.raises(CalibrationError):
            UNet.from_pretrained(folder).segment(gray(), precision="int8")


def test_a_record_that_cannot_be_read_is_a_reason_and_no_error(losing):
    folder = losing(0.0001)
    model = UNet.from_pretrained(folder)
    (folder / "model.safetensors").unlink()  # it says whether the record is of these weights
    assert "cannot be read (No such file or directory)" in notes(model)


@pytest.mark.parametrize(
    ("able", "words"),
    [
        ({"avx2"}, ""),
        ({"avx2", "avx512", "vnni", "avx512_bf16"}, ""),
        ({"avx2", "avx512", "vnni", "avx512_bf16", "amx_tile"}, "matrix unit"),
        (set(), "without AVX2"),
    ],
    ids=["AVX2", "AVX512-BF16", "AMX", "no x86"],
)
def test_it_is_int8_on_the_cpus_where_int8_was_measured_to_be_fastest(able, words, monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    for module in (fast, precision):
        monkeypatch.setattr(module, "cpu_has", lambda name: name in able)
    monkeypatch.setattr(fast, "cpu_precisions", lambda: ["float32", "int8"])
    assert (words in fast.why_not_here()) if words else fast.why_not_here() == ""


def test_files_say_why_they_were_not_computed_in_int8(losing, tmp_path: Path):
    np.save(tmp_path / "image.npy", gray())
    options = BatchOptions(str(losing(0.002)), precision="fast", outputs=("summary",))
    for computed in (1, 0):  # the second run knows what the first one has done
        batch = segment_files([str(tmp_path / "image.npy")], tmp_path / "out", options)
        assert len(batch.todo) == computed
    summary = json.loads(next((tmp_path / "out").glob("*_summary.json")).read_text())
    assert summary["precision"] != "int8"
    assert "not computed in int8: it lost 0.0020 of mean IoU" in "; ".join(summary["notes"])


def test_files_and_windows_get_what_python_gives(losing, tmp_path: Path):
    folder = losing(0.0002)
    np.save(tmp_path / "image.npy", gray())
    expected = UNet.from_pretrained(folder).segment(tmp_path / "image.npy", precision="fast")
    options = BatchOptions(str(folder), precision="fast", outputs=("mask", "summary"))
    segment_files([str(tmp_path / "image.npy")], tmp_path / "out", options)
    written = next((tmp_path / "out").glob("*_mask.png")).read_bytes()
    assert written == expected.save(tmp_path / "python")["mask"].read_bytes()
    summary = json.loads(next((tmp_path / "out").glob("*_summary.json")).read_text())
    assert (summary["precision"], summary["notes"]) == ("int8", list(expected.notes))
    model = UNet.from_pretrained(folder)
    large = segment_large(model, tmp_path / "image.npy", tmp_path / "large", precision="fast")
    assert (large.precision, large.notes) == ("int8", expected.notes)
