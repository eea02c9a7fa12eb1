"""The engine computes what the network computes, whatever its precision, size and history."""

import contextlib
import copy
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from unet_hf import UNet
from unet_hf.engine import backend as runtime
from unet_hf.engine import engine, packing, precision
from unet_hf.engine.backend import logits_function
from unet_hf.engine.engine import Engine
from unet_hf.engine.memory import MEMORY
from unet_hf.engine.precision import best_precision, checked_precision, cpu_precisions
from unet_hf.errors import ConfigError, NestedPredictionError, PrecisionError
from unet_hf.hub.find import SHIPPED
from unet_hf.predict import progress as reporting
from unet_hf.predict import tiles

from .conftest import ROOT
from .processes import forked_python

NETWORKS: dict[str, dict[str, Any]] = {
    "usual": {},
    "colour": {"in_channels": 3, "num_classes": 5, "base_channels": 8, "depth": 3}
    | {"object_outputs": {"version": 1, "channels": ["distance", "border"]}},
    "narrow": {"base_channels": 1, "depth": 1},
    "odd": {"base_channels": 3, "depth": 2},
    "deep": {"base_channels": 2, "depth": 6, "max_channels": 8},
    "bilinear": {"base_channels": 8, "max_channels": 16, "upsampling": "bilinear", "depth": 2},
    "no norm": {"base_channels": 8, "norm": "none", "depth": 3},
    "valid": {"base_channels": 8, "padding": "valid", "depth": 3},
    "paper": {"base_channels": 8, "padding": "valid", "norm": "none", "dropout": 0.5}
    | {"object_outputs": {"version": 1, "channels": ["distance"]}},
}
CPU = torch.device("cpu")
HERE = [name for name in cpu_precisions() if name != "int8"]
SAMPLE = SHIPPED / "unet-isbi" / "sample" / "input.png"


def network(**options: Any) -> UNet:
    """With batch norms and biases that do something."""
    torch.manual_seed(0)
    model = UNet(**({"base_channels": 8} | options)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, std=0.1)
    return model


def images(model: UNet, count: int = 2, height: int = 70, width: int = 100) -> torch.Tensor:
    sides = (model.geometry.input_size(side) for side in (height, width))
    return torch.randn(count, model.config["in_channels"], *sides)


def gray(height: int = 120, width: int = 150) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_is_what_the_network_says(name: str):
    model = network(**NETWORKS[name])
    image = images(model)
    with torch.inference_mode():
        expected = model(image, objects=True)
    seen = Engine(model, "float32")(image)
    assert seen.shape == expected.shape
    assert seen.shape[1] == model.config["num_classes"] + len(model.object_channels)
    assert seen.dtype == torch.float32
    assert (seen - expected).abs().max() <= 3e-5 * expected.abs().max()


@pytest.mark.parametrize("precision", HERE)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_precision_is_nearly_that(name: str, precision: str):
    model = network(**NETWORKS[name])
    image = images(model)
    seen, expected = (Engine(model, one)(image) for one in (precision, "float32"))
    assert (seen - expected).square().mean().sqrt() <= 0.05 * expected.std()


@pytest.mark.parametrize("precision", HERE)
def test_it_moves_few_pixels_of_a_trained_network(precision: str):
    model = UNet.from_pretrained("unet-isbi")
    exact, seen = (model.segment(SAMPLE, precision=one) for one in ("float32", precision))
    assert seen.precision == precision
    assert (exact.mask != seen.mask).mean() < 1e-3
    assert np.abs(exact.probabilities - seen.probabilities).max() < 0.1


@pytest.mark.parametrize("precision", HERE)
@pytest.mark.parametrize("name", ["usual", "bilinear", "paper", "colour"])
def test_tiles_give_the_whole_image_to_the_bit(name: str, precision: str):
    model = network(**NETWORKS[name])
    shape = (333, 420, model.config["in_channels"])
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    options = {"axes": "YXC", "precision": precision}
    whole = model.segment(image, tile_size=2048, **options)
    tiled = model.segment(image, tile_size=320, **options)
    assert (whole.tiles, tiled.tiles > 1) == (1, True)
    assert np.array_equal(whole.probabilities, tiled.probabilities)
    assert np.array_equal(whole.object_maps, tiled.object_maps)


def test_memory_is_kept_and_what_was_in_it_does_not_matter():
    model = network()
    kept = Engine(model, "float32")
    sizes = [(96, 128), (32, 48), (160, 64), (96, 128)]
    torch.manual_seed(1)
    inputs = [images(model, 1, *size) for size in sizes]
    seen = [kept(image) for image in inputs]
    for image, logits in zip(inputs, seen, strict=True):
        assert torch.equal(logits, Engine(model, "float32")(image))
    held = len(MEMORY)
    Engine(network(depth=3), "float32")(inputs[0])  # another network, no larger
    assert torch.equal(kept(inputs[0]), seen[0])
    assert len(MEMORY) == held > 0
    MEMORY.release()
    assert len(MEMORY) == 0
    assert torch.equal(kept(inputs[0]), seen[0])


def test_packed_weights_are_not_kept_for_every_size_there_ever_was():
    model = network(depth=1)
    kept = Engine(model, "float32")
    for height in range(2, 2 + 2 * (packing.MAX_PACKED_SIZES + 3), 2):
        kept(torch.zeros(1, 1, height, 8))
    first, _ = kept.contracting[0]
    assert 0 < len(first.weights.copies) <= packing.MAX_PACKED_SIZES


PACKING = """
import torch
from tests.test_engine import network
from unet_hf.engine.engine import Engine

torch.set_num_threads(2)
engine = Engine(network(base_channels=32), "float32")
for size in ((64, 96), (96, 128)):
    image = torch.zeros(1, 1, *size)
    engine(image)
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        engine(image)
"""


def test_weights_are_not_packed_again_in_each_call():
    """With AVX2, which is where there is more than one way to pack them."""
    done = subprocess.run(
        [sys.executable, "-c", PACKING],
        cwd=ROOT,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    calls = [line.split(",") for line in done.stdout.splitlines() if "primitive,exec" in line]
    kinds = [call[5] for call in calls if "3x3" in call[-2] or "kh3" in call[-2]]
    assert kinds == 2 * 22 * ["convolution"]


def test_several_threads_do_not_meet_in_that_memory():
    model = network()
    pictures = [gray(64 + 16 * index, 80) for index in range(6)]
    expected = [model.segment(picture).probabilities for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        seen = pool.map(lambda picture: model.segment(picture).probabilities, pictures * 3)
    for one, other in zip(seen, expected * 3, strict=True):
        assert np.array_equal(one, other)


def test_a_progress_that_predicts_is_refused_instead_of_waiting_for_itself(monkeypatch):
    monkeypatch.setattr(reporting, "PROGRESS_SECONDS", 0.0)  # as if each layer took long
    model, picture = network(), gray()
    expected = model.segment(picture).probabilities
    for within in (lambda: model.segment(gray(20, 20)), lambda: network(depth=1).segment(picture)):
        with pytest.raises(NestedPredictionError, match="when the first prediction has returned"):
            in_time(lambda within=within: model.segment(picture, progress=lambda *_: within()))
    with pytest.raises(NestedPredictionError):
        in_time(lambda: model.segment(picture, progress=lambda *_: MEMORY.release()))
    # Nothing is left over from it; and another thread waits for its turn, as ever.
    with ThreadPoolExecutor(1) as pool:
        others = []

        def ask(done: int, total: int) -> None:
            others.append(pool.submit(model.segment, picture))

        seen = [in_time(lambda: model.segment(picture, progress=ask))]
        seen += [other.result(60) for other in others]
    assert len(seen) > 2
    for one in seen:
        assert np.array_equal(one.probabilities, expected)


def in_time(run: Any) -> Any:
    """What it returns or raises; fails where it hangs."""
    outcome: Future = Future()

    def attempt() -> None:
        try:
            outcome.set_result(run())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=attempt, daemon=True).start()
    return outcome.result(60)


def in_place(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.mul_(-1).add_(0.5)


def behind(model: UNet) -> None:
    model.contracting[0][0].weight.data.mul_(1.5)


def statistics(model: UNet) -> None:
    model.bottleneck[1].running_mean.add_(1.0)


def loaded(model: UNet) -> None:
    torch.manual_seed(7)
    model.load_state_dict(UNet(base_channels=8).state_dict())


def negated(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.neg_()
        model.head.bias.neg_()


def negated_behind(model: UNet) -> None:
    model.head.weight.data.neg_()
    model.head.bias.data.neg_()


def smallest(weight: torch.Tensor) -> torch.Tensor:
    """A view of the weight on which the norm depends least."""
    index = np.unravel_index(int(weight.abs().argmin()), weight.shape)
    return weight[tuple(map(int, index))]


def one_a_little(model: UNet) -> None:
    with torch.no_grad():
        smallest(model.expansive[3][0].weight).add_(1e-5)


def one_a_little_behind(model: UNet) -> None:
    smallest(model.expansive[3][0].weight.data).add_(1e-5)


def reordered(model: UNet) -> None:
    with torch.no_grad():
        model.head.weight.copy_(model.head.weight.flip(1))


def reordered_behind(model: UNet) -> None:
    weight = model.bottleneck[0].weight.data  # large enough for sums in the place of all values
    weight.copy_(weight[[2, 1, 0, *range(3, len(weight))]])


def transposed_kernels_behind(model: UNet) -> None:
    weight = model.bottleneck[3].weight.data
    weight.copy_(weight.transpose(2, 3).clone())


def numpys_view(model: UNet) -> None:
    model.head.weight.detach().numpy()[:] *= -1


def statistics_behind(model: UNet) -> None:
    variance = model.contracting[1][1].running_var.data
    variance.copy_(variance.flip(0))


def another_eps(model: UNet) -> None:
    model.bottleneck[1].eps = 0.5


def another_head(model: UNet) -> None:
    model.head = UNet(base_channels=8).head


CHANGES = [
    in_place, behind, statistics, loaded, negated, negated_behind, one_a_little,
    one_a_little_behind, reordered, reordered_behind, transposed_kernels_behind, numpys_view,
    statistics_behind, another_eps, another_head,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_noticed(change: Any):
    model, image = network(), gray()
    before = model.segment(image, precision="float32").probabilities
    change(model)
    after = model.segment(image, precision="float32").probabilities
    assert not np.array_equal(before, after)
    fresh = copy.deepcopy(model)  # has never predicted anything
    assert np.array_equal(after, fresh.segment(image, precision="float32").probabilities)


def test_changed_weights_are_noticed_where_pytorch_does_not_count_changes():
    with torch.inference_mode():
        model, image = network(), gray()
        before = model.segment(image, precision="float32").probabilities
        negated(model)
        after = model.segment(image, precision="float32").probabilities
    assert model.head.weight.is_inference()
    assert np.allclose(after, before[::-1], atol=1e-6)  # two classes change places


def test_an_engine_is_kept_while_nothing_changes():
    model = network()
    first = logits_function(model, "float32")
    model.segment(gray())
    model.train().eval()
    assert logits_function(model, "float32") is first


def test_an_engine_goes_with_its_network():
    model = network()
    model.segment(gray())
    assert model in runtime._engines
    count = len(runtime._engines)
    del model
    assert len(runtime._engines) == count - 1


# -------------------------------------------------------------------------------- precision


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


def rounding() -> dict[str, Any]:
    """Whether GPUs may round float32 numbers to TF32, as PyTorch's settings say."""
    backends = torch.backends
    seen: dict[str, Any] = {
        "convolution": backends.cudnn.conv.fp32_precision,
        "rnn": backends.cudnn.rnn.fp32_precision,
        "product": backends.cuda.matmul.fp32_precision,
        "product on CPUs": backends.mkldnn.matmul.fp32_precision,
        "older": None,  # there is none where newer settings contradict it
        "product, older": None,
    }
    with contextlib.suppress(RuntimeError):
        seen["older"] = backends.cudnn.allow_tf32
    with contextlib.suppress(RuntimeError):
        seen["product, older"] = torch.get_float32_matmul_precision()
    return seen


def usual() -> None:
    pass


def high() -> None:
    torch.set_float32_matmul_precision("high")


def older() -> None:
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = True


def newer() -> None:
    torch.backends.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "tf32"


# One process imports, and each of its forks has settings of its own.
TF32 = """
import os
from tests import test_engine as t
from unet_hf.engine import backend as runtime

def check(settings):
    settings()
    before, model, seen = t.rounding(), t.network(depth=1), []
    model.head.register_forward_hook(lambda *_: seen.append(t.rounding()))
    image = t.images(model)
    for name in ("float32", "bfloat16"):
        runtime.run_with_pytorch(model, name, image)
    exact, half = seen
    assert exact["convolution"] == exact["product"] == "ieee", exact
    assert not exact["older"] and exact["product, older"] in ("highest", None), exact
    assert exact["older"] is False or before["product, older"] is None, exact
    assert half == before == t.rounding(), (before, half, t.rounding())
    print(settings.__name__, flush=True)

for settings in (t.usual, t.high, t.older, t.newer):
    if (child := os.fork()) == 0:
        check(settings)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_float32_is_not_rounded_to_tf32_on_a_gpu():
    """As far as it can be seen without one: in the settings under which it is computed."""
    done = subprocess.run([*forked_python(), "-c", TF32], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["usual", "high", "older", "newer"], done.stderr


def test_settings_for_float32_are_restored_when_the_last_thread_leaves():
    before = rounding()
    first, second = threading.Event(), threading.Event()

    def early() -> None:
        with runtime.EXACT_FLOAT32:
            first.set()
            second.wait(60)

    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(early)
        first.wait(60)
        with runtime.EXACT_FLOAT32:
            second.set()
            leaving.result(60)
            assert rounding()["convolution"] == "ieee"
        assert rounding() == before
    with pytest.raises(ZeroDivisionError), runtime.EXACT_FLOAT32:
        raise ZeroDivisionError
    assert rounding() == before


def test_pytorchs_own_half_precision_as_on_a_gpu():
    model = network()
    image = images(model)
    half, exact = (runtime.run_with_pytorch(model, one, image) for one in ("bfloat16", "float32"))
    assert half.dtype == torch.float32
    assert 0 < (half - exact).square().mean().sqrt() < 0.1 * exact.std()
