"""Test-time augmentation: eight views of one image, averaged."""

import numpy as np
import pytest
import torch

from unet_hf import UNet
from unet_hf.engine.backend import logits_function
from unet_hf.predict.tta import predict_dihedral_mean, window_predictor

from ..support.networks import NETWORKS, network


def image(height: int = 70, width: int = 100) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_mean_is_that_of_eight_predictions(padding: str):
    model = network(depth=2, padding=padding)
    picture = image(64, 96)  # of whole pooling steps: nothing is mirrored, whichever way it lies
    seen = []
    for turns in range(4):
        for flipped in (False, True):
            turned = np.rot90(picture, turns)
            turned = turned[:, ::-1] if flipped else turned
            one = model.segment(np.ascontiguousarray(turned), precision="float32").probabilities
            one = one[..., ::-1] if flipped else one
            seen.append(np.rot90(one, -turns, (1, 2)))
    result = model.segment(picture, tta=True, precision="float32")
    assert np.allclose(result.probabilities, np.mean(seen, axis=0), atol=1e-6)
    assert np.allclose(result.uncertainty, np.std(seen, axis=0).max(axis=0), atol=1e-3)
    assert np.array_equal(result.mask, (result.probabilities[1] > 0.5).astype(np.uint8))


def test_a_turned_image_gives_the_turned_result():
    model = network(depth=2)
    picture = image(64, 96)
    upright = model.segment(picture, tta=True, precision="float32").probabilities
    turned = model.segment(np.rot90(picture).copy(), tta=True, precision="float32").probabilities
    assert np.allclose(np.rot90(upright, 1, (1, 2)), turned, atol=1e-6)


def test_tiles_give_the_whole_image_to_the_bit():
    model = network(depth=2)
    whole = model.segment(image(150, 210), tta=True)
    tiled = model.segment(image(150, 210), tta=True, tile_size=96)
    assert tiled.tiles > 1
    assert np.array_equal(whole.probabilities, tiled.probabilities)
    assert np.array_equal(whole.uncertainty, tiled.uncertainty)


@pytest.mark.parametrize("difference", np.linspace(-20, 20, 13))
def test_views_that_agree_leave_no_doubt(difference: float):
    def constant(window: torch.Tensor) -> torch.Tensor:
        logits = torch.tensor([difference, 0.0])[None, :, None, None]
        return logits.expand(len(window), 2, *window.shape[-2:])

    probabilities, _, uncertainty = predict_dihedral_mean(constant, torch.zeros(1, 6, 10), 2)
    assert probabilities.shape == (2, 6, 10)
    assert np.allclose(probabilities[0], 1 / (1 + np.exp(-difference)))
    assert (uncertainty == 0).all()


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1, 100])
def test_the_doubt_is_the_standard_deviation_however_small(scale: float):
    generator = torch.Generator().manual_seed(0)
    seen = []

    def random(views: torch.Tensor) -> torch.Tensor:
        logits = torch.tensor([1.0, 0.0, -2.0]).view(1, 3, 1, 1)
        noise = torch.randn(len(views), 3, *views.shape[-2:], generator=generator)
        logits = logits + scale * noise
        seen.append(logits.double().softmax(1).numpy())
        return logits

    uncertainty = predict_dihedral_mean(random, torch.zeros(1, 16, 16), 3).uncertainty
    undone = []
    views = iter(np.concatenate(seen))
    for turns in (0, 2, 1, 3):
        for flipped in (False, True):
            view = next(views)
            view = view[..., ::-1] if flipped else view
            undone.append(np.rot90(view, -turns, (1, 2)))
    expected = np.std(undone, axis=0).max(axis=0)
    assert np.allclose(uncertainty, expected, rtol=1e-3, atol=3e-7)  # softmax rounds, too


def test_without_it_there_is_no_uncertainty():
    assert UNet(base_channels=4, depth=1).segment(image()).uncertainty is None


@pytest.mark.parametrize("height", (64, 128))  # one batch of eight, two of four
@pytest.mark.parametrize("name", ("usual", "colour", "bilinear", "valid"))
def test_batches_give_what_single_views_give_to_the_bit(name: str, height: int):
    model = network(**NETWORKS[name])
    sides = [model.geometry.input_size(side) for side in (height, 64)]
    window = torch.randn(model.config["in_channels"], *sides)
    run, classes = logits_function(model, "float32"), model.config["num_classes"]
    shapes = []

    def recorded(batch: torch.Tensor) -> torch.Tensor:
        shapes.append(len(batch))
        return run(batch)

    alone = predict_dihedral_mean(run, window, classes, pixels=1)
    together = predict_dihedral_mean(recorded, window, classes, pixels=window.numel() * 8)
    assert shapes == ([8] if sides[0] == sides[1] else [4, 4])
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("device", "tile_size", "side", "expected"),
    [
        ("cpu", 1024, 128, [8]),
        ("cpu", 1024, 256, [2] * 4),
        ("cpu", 1024, 512, [1] * 8),  # a batch of these would be slower
        ("cpu", 256, 256, [1] * 8),  # somebody has little memory
        ("cuda", 1024, 512, [4, 4]),
        ("cuda", 1024, 1024, [1] * 8),
    ],
)
def test_no_more_at_once_than_the_device_and_its_memory_like(device, tile_size, side, expected):
    seen = []

    def flat(batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return torch.zeros(len(batch), 2, *batch.shape[-2:])

    show = window_predictor(True, torch.device(device), tile_size, 2)
    show(flat, torch.zeros(1, side, side))
    assert seen == expected
