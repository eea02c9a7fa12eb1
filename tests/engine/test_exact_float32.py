"""PyTorch's own float32 is exact, as on a GPU, and its settings are restored afterwards."""

import contextlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from unet_hf.engine import backend as runtime

from ..conftest import ROOT
from ..support.networks import images, network
from ..support.processes import forked_python


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
from tests.engine import test_exact_float32 as t
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
