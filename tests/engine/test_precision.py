"""The precision is one that this CPU is fast in; PyTorch computes where the engine cannot."""

import os
import subprocess
from typing import Any

import numpy as np
import pytest
import torch

from unet_hf import UNet
from unet_hf.engine import backend as runtime
from unet_hf.engine import engine, precision
from unet_hf.engine.backend import logits_function
from unet_hf.engine.engine import Engine
from unet_hf.engine.precision import best_precision, checked_precision, cpu_precisions
from unet_hf.errors import ConfigError, PrecisionError
from unet_hf.predict import tiles

from ..support.networks import SAMPLE, gray, network
from ..support.processes import forked_python

CPU = torch.device("cpu")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="there are auto, float32, bfloat16, float16, int8"):
        network().segment(gray(), precision="int4")


def test_a_precision_without_instructions_is_refused(monkeypatch):
    monkeypatch.setattr(precision, "cpu_precisions", lambda: ["float32", "bfloat16"])
    with pytest.raises(ConfigError, match="no instructions for float16"):
        checked_precision("float16", CPU)


@pytest.mark.parametrize(
    ("amx", "fp16", "bf16", "cap", "chosen"),
    [
        (True, True, True, "", "float16"),
        (False, True, True, "", "bfloat16"),  # float16, but no matrix unit for it
        (False, False, True, "", "bfloat16"),
        (False, False, True, "avx512_core", "float32"),
        (False, False, True, "AVX2", "float32"),
        (False, False, False, "", "float32"),
    ],
)
def test_the_precision_is_what_the_cpu_has_instructions_for(
    monkeypatch, amx: bool, fp16: bool, bf16: bool, cap: str, chosen: str
):
    able = ["float32", *(["bfloat16"] if bf16 else []), *(["float16"] if fp16 else [])]
    monkeypatch.setattr(precision, "cpu_precisions", lambda: able)
    monkeypatch.setattr(torch.cpu, "_is_amx_fp16_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert best_precision(CPU) == chosen


def test_an_old_cpu_computes_in_float32_and_gives_the_same():
    code = (
        "import numpy as np; from unet_hf import UNet; from unet_hf.hub.find import SHIPPED;"
        "r = UNet.from_pretrained('unet-isbi').segment(SHIPPED / 'unet-isbi/sample/input.png');"
        "print(r.precision, int(r.mask.sum()))"
    )
    old = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [*forked_python(), "-c", code], env=old, capture_output=True, text=True, check=True
    )
    precision, count = done.stdout.split()
    here = UNet.from_pretrained("unet-isbi").segment(SAMPLE, precision="float32")
    assert precision == "float32"
    assert abs(int(count) - int(here.mask.sum())) <= 3  # other instructions round otherwise


def overflowing(model: UNet, precision: str) -> Any:
    exact = logits_function(model, "float32")

    def run(image: torch.Tensor, *_: Any, **options: Any) -> torch.Tensor:
        logits = exact(image, **options)
        return engine.checked_logits(logits / 0 if precision == "float16" else logits, precision)

    return run


def test_values_beyond_float16_are_told_or_computed_otherwise(monkeypatch):
    model, image = network(), gray()
    expected = model.segment(image, precision="float32")
    monkeypatch.setattr(tiles, "logits_function", overflowing)
    monkeypatch.setattr(precision, "cpu_precisions", lambda: ["float32", "float16"])
    with pytest.raises(PrecisionError, match="65,504"):
        model.segment(image, precision="float16")
    monkeypatch.setattr(precision, "best_precision", lambda device: "float16")
    seen = model.segment(image)
    assert seen.precision == "float32"
    assert any("float32 was taken" in note for note in seen.notes)
    assert np.array_equal(seen.probabilities, expected.probabilities)


def test_without_onednn_pytorch_computes_it(monkeypatch):
    model, image = network(), gray()
    expected = model.segment(image, precision="float32").probabilities
    for module in (precision, runtime):
        monkeypatch.setattr(module, "has_onednn", lambda: False)
    seen = model.segment(image)
    assert seen.precision == "float32"
    assert np.abs(seen.probabilities - expected).max() < 1e-4


class Without:
    """A namespace that lacks one of its names."""

    def __init__(self, namespace: Any, missing: str) -> None:
        self._namespace, self._missing = namespace, missing

    def __getattr__(self, name: str) -> Any:
        if name == self._missing:
            raise AttributeError(name)
        return getattr(self._namespace, name)


@pytest.mark.parametrize(
    ("namespace", "operator"),
    [
        ("mkldnn", "_convolution_pointwise_"),
        ("mkldnn", "_reorder_convolution_weight"),
        ("mkldnn", "_get_mkldnn_serialized_md"),
        ("mkldnn", "_is_mkldnn_bf16_supported"),
        ("mkldnn", "_is_mkldnn_fp16_supported"),
        ("onednn", "qconv2d_pointwise"),
        ("onednn", "qconv_prepack"),
    ],
)
def test_without_an_operator_pytorch_computes_it_and_it_is_noted_once(
    namespace: str, operator: str, monkeypatch, caplog
):
    model, image = network(), gray()
    expected = model.segment(image, precision="float32").probabilities
    precision._note_missing.cache_clear()
    monkeypatch.setattr(torch.ops, namespace, Without(getattr(torch.ops, namespace), operator))
    for _ in range(2):
        assert (model.segment(image).mask == (expected[1] > 0.5)).mean() > 0.9
        seen = model.segment(image, precision="float32").probabilities
    assert np.abs(seen - expected).max() < 1e-4
    if namespace == "onednn":
        with pytest.raises(ConfigError, match="int8"):
            model.segment(image, precision="int8")
    noted = [record for record in caplog.records if operator in record.getMessage()]
    assert len(noted) == (0 if "supported" in operator else 1)


@pytest.mark.parametrize(
    ("avx2", "avx512", "cap", "expected"),
    [
        (True, False, "", True),
        (True, True, "", False),
        (True, True, "AVX2", True),
        (True, True, "avx512_core", False),
        (False, False, "", False),
    ],
)
def test_wide_weights_are_packed_by_size_only_where_that_was_measured(
    monkeypatch, avx2: bool, avx512: bool, cap: str, expected: bool
):
    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: avx2)
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: avx512)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert precision.has_only_avx2() == expected
    layer = Engine(network(base_channels=64, depth=1), "float32").contracting[1][0]
    assert layer.weights.packed_for((1, 64, 8, 8)).is_mkldnn
    assert (len(layer.weights._layouts) == 1) == expected


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_tile", "amx_fp16"])
def test_what_pytorch_cannot_tell_of_a_cpu_it_does_not_have(name: str, monkeypatch):
    monkeypatch.delattr(torch.cpu, f"_is_{name}_supported")
    assert not precision.cpu_has(name)
    assert best_precision(CPU) in cpu_precisions()
