"""One way of predicting: what holds for it holds in memory and on the disk alike."""

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import unet_hf
from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.large import segment_large
from unet_hf.predict import tiles

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 100), dtype=np.uint8)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=2, depth=2).train()


WAYS = {
    "memory": lambda model, folder, **options: model.segment(IMAGE, **options),
    "disk": lambda model, folder, **options: segment_large(model, IMAGE, folder, **options),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_frozen_batch_norms_stay_frozen(way: Callable, model: UNet, tmp_path):
    """Whoever fine-tunes with a frozen encoder looks at a prediction now and then."""
    model.contracting.eval()
    modes = [module.training for module in model.modules()]
    way(model, tmp_path / "out")
    assert [module.training for module in model.modules()] == modes
    means = [norm.running_mean.clone() for norm in norms(model.contracting)]
    model(torch.rand(1, 1, 32, 32))
    assert all(map(torch.equal, means, (norm.running_mean for norm in norms(model.contracting))))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_prediction_that_fails_leaves_the_mode_as_it_was(way: Callable, model: UNet, tmp_path):
    model.contracting.eval()
    modes = [module.training for module in model.modules()]

    def fail(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        way(model, tmp_path / "out", progress=fail)
    assert [module.training for module in model.modules()] == modes


def test_blank_windows_are_computed_once_in_memory_too(model: UNet, monkeypatch):
    computed = []
    original = tiles.logits_function

    def counting(*arguments: object) -> object:
        network = original(*arguments)
        return lambda window, *_, **__: computed.append(1) or network(window)

    monkeypatch.setattr(tiles, "logits_function", counting)
    result = model.segment(np.full((300, 300), 7, np.uint8), tile_size=64)
    assert len(computed) < result.tiles / 4


def test_only_one_place_asks_the_network_for_tiles():
    """Whoever predicts goes through `predict_tiles`; a calibration looks at feature maps."""
    asking = set()
    for path in Path(unet_hf.__file__).parent.rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8")))
                 if isinstance(node, ast.Name)}  # fmt: skip
        if "read_window" in names:
            asking.add(path.stem)
    assert asking == {"tiles", "calibration"}


def norms(module: torch.nn.Module) -> list[torch.nn.BatchNorm2d]:
    return [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]


def test_a_network_without_weights_is_refused_in_words(tmp_path):
    """As `torch.device("meta")` makes it, for one who only wants to know its size."""
    network, image = UNet(base_channels=1, depth=1).to("meta"), np.zeros((8, 8), np.uint8)
    with pytest.raises(ConfigError, match="meta device, which holds shapes and no weights"):
        network.segment(image)
    with pytest.raises(ConfigError, match="meta device"):
        segment_large(network, image, tmp_path)
