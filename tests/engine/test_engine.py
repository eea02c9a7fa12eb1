"""The engine computes what the network computes, whatever its size and history."""

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
from unet_hf.engine import packing
from unet_hf.engine.engine import Engine
from unet_hf.engine.layers import pool
from unet_hf.engine.memory import MEMORY
from unet_hf.engine.precision import has_matrix_unit
from unet_hf.errors import NestedPredictionError
from unet_hf.predict import progress as reporting

from ..conftest import ROOT
from ..support.networks import HERE, NETWORKS, SAMPLE, gray, images, network


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
def test_tiles_give_the_whole_image(name: str, precision: str):
    """To the bit, or as near as float32 where a matrix unit's sums depend on the size."""
    model = network(**NETWORKS[name])
    shape = (333, 420, model.config["in_channels"])
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    options = {"axes": "YXC", "precision": precision}
    whole = model.segment(image, tile_size=2048, **options)
    tiled = model.segment(image, tile_size=320, **options)
    assert (whole.tiles, tiled.tiles > 1) == (1, True)
    if precision not in ("bfloat16", "float16") or not has_matrix_unit():
        assert np.array_equal(whole.probabilities, tiled.probabilities)
        assert np.array_equal(whole.object_maps, tiled.object_maps)
        return
    exact = model.segment(image, tile_size=2048, axes="YXC", precision="float32")
    for maps in ("probabilities", "object_maps")[: 2 if model.object_channels else 1]:
        seen, other, true = (getattr(one, maps) for one in (tiled, whole, exact))
        assert np.abs(seen - other).mean() <= np.abs(other - true).mean()


@torch.inference_mode()
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"num_classes": 5, "base_channels": 16}])
def test_a_pixel_has_the_same_logits_wherever_it_lies(options: dict, threads: int):
    usual = torch.get_num_threads()
    engine = Engine(network(**options), "float32")
    pixel = torch.randn(options.get("base_channels", 8))
    torch.set_num_threads(threads)
    try:
        seen = [
            engine._logits(pixel.expand(1, height, width, -1).contiguous())
            for height, width in ((1, 1), (150, 230), (256, 256))
        ]
    finally:
        torch.set_num_threads(usual)
    for logits in seen:
        assert (logits == seen[0]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_pooling_is_that_of_pytorch_for_what_comes_out_of_a_relu(dtype: torch.dtype):
    image = (torch.randn(2, 6, 8, 3, generator=torch.manual_seed(0)) * 100).relu().to(dtype)
    expected = torch.nn.functional.max_pool2d(image.float().permute(0, 3, 1, 2), 2)
    out, scratch = image.new_empty(2, 3, 4, 3), image.new_empty(2, 3, 8, 3)
    pooled = pool(out, image, scratch)
    assert pooled.dtype is dtype and pooled.data_ptr() == out.data_ptr()
    assert torch.equal(pooled.float(), expected.permute(0, 2, 3, 1))


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
from tests.support.networks import network
from unet_hf.engine.engine import Engine
from unet_hf.engine.layers import pool

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
