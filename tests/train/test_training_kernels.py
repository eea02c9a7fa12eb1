"""The kernels of a training step compute what autograd computes."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from train.kernels import blocks, channels_last, convolution
from train.kernels.forward import memory_format, use_fast_kernels
from train.kernels.relu import ReLU
from unet_hf import UNet

OBJECTS = {"version": 1, "channels": ["distance"]}
VALID = {"padding": "valid", "norm": "none"}
CASES = {
    "the default": {},
    "a bias, no norm": {"norm": "none"},
    "valid padding": VALID,
    "valid padding, batch norm": VALID | {"norm": "batch"},
    "bilinear": {"upsampling": "bilinear"},
    "objects": {"object_outputs": OBJECTS},
    "channels that stay": {"max_channels": 6, "depth": 3},
    "dropout": {"dropout": 0.5},
}


def network(**options: object) -> UNet:
    torch.manual_seed(0)
    return UNet(3, 3, **({"base_channels": 4, "depth": 2} | options)).train()


def drawn(model: UNet) -> Tensor:
    """A batch of two images, 45 x 39 px where the network takes them."""
    sides = [45, 39] if model.config["padding"] == "same" else [60, 52]
    return torch.randn(2, 3, *sides).contiguous(memory_format=torch.channels_last)


def step(model: nn.Module, image: Tensor) -> list[Tensor]:
    """Logits, and gradients of the image and of all weights that learn."""
    image = image.clone().requires_grad_()
    torch.manual_seed(1)  # of dropout
    logits = model(image, objects=True)
    (logits.double() * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    return [logits.detach(), image.grad, *(p.grad for p in learning)]


def assert_equal(model: UNet, precision: float = 1e-10) -> None:
    """Compares a step of the network, and its batch norms after it, with that of autograd."""
    other = copy.deepcopy(model)
    image = drawn(model).to(model.head.weight.dtype)
    expected, found = step(model, image), step(use_fast_kernels(other), image)
    pairs = zip([*expected, *model.buffers()], [*found, *other.buffers()], strict=True)
    for theirs, ours in pairs:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert (ours - theirs).double().norm() <= precision * theirs.double().norm().clamp(min=1)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_logits_and_gradients_are_those_of_autograd(options):
    assert_equal(network(**options).double())


@pytest.mark.parametrize("options", [{}, VALID], ids=["same", "valid"])
def test_so_they_are_in_the_layout_that_is_fast_with_avx2(options, monkeypatch):
    monkeypatch.setattr(convolution, "pays_to_copy", lambda weight: True)
    monkeypatch.setattr(blocks, "fit", lambda model, image: False)
    assert_equal(network(**options).double())
    assert_equal(network(**options), 1e-2)  # oneDNN has no kernels for float64


def test_float32_differs_by_rounding():
    assert_equal(network(), 1e-2)


def frozen(model: UNet) -> UNet:
    model.contracting.eval().requires_grad_(False)
    model.up_convolutions.requires_grad_(False)
    model.expansive[0][0].requires_grad_(False)
    return model


def settled(model: UNet) -> UNet:
    """As a teaching has it: batch norms keep their averages, here those of other images."""
    with torch.no_grad():
        model(3 * drawn(model) + 1)
    return model.eval()


@pytest.mark.parametrize("prepared", [frozen, settled])
def test_a_settled_norm_becomes_part_of_its_convolution_and_frozen_layers_stay(prepared):
    assert_equal(prepared(network()).double())


IN_BLOCKS = ("the default", "objects", "channels that stay", "dropout")


@pytest.mark.parametrize("name", [*IN_BLOCKS, "frozen", "settled"])
def test_in_blocks_a_step_is_as_exact_as_that_of_autograd(name, monkeypatch):
    monkeypatch.setattr(blocks, "cpu_has", lambda instructions: True)
    model = {"frozen": frozen, "settled": settled}.get(name, lambda model: model)(
        network(**CASES.get(name, {}))
    )
    # A dropout of another memory layout drops others: only its scale can be compared.
    if name == "dropout":
        monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x / (1 - self.p))
    image = drawn(model)
    assert blocks.fit(model, image)
    exact = step(copy.deepcopy(model).double(), image.double())
    usual, other = copy.deepcopy(model), copy.deepcopy(model)
    pairs = zip(exact, step(usual, image), step(use_fast_kernels(other), image), strict=True)
    for truth, theirs, ours in pairs:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        unit = truth.norm().clamp(min=1)
        assert (ours - truth).norm() / unit < 2 * (theirs - truth).norm() / unit + 1e-5
    for theirs, ours in zip(usual.buffers(), other.buffers(), strict=True):
        assert torch.allclose(ours.double(), theirs.double(), atol=1e-5)


def test_in_blocks_the_gradients_tell_that_numbers_have_grown_beyond_all_bounds(monkeypatch):
    monkeypatch.setattr(blocks, "cpu_has", lambda instructions: True)
    model = network()
    model.contracting[1][0].weight.data *= 1e38
    _, *gradients = step(use_fast_kernels(model), 100 * drawn(model))  # the logits may be finite
    assert not nn.utils.get_total_norm(gradients).isfinite()


def test_weights_lie_as_the_kernels_read_them(monkeypatch):
    monkeypatch.setattr(blocks, "cpu_has", lambda instructions: True)
    assert memory_format(network(), "no") is torch.contiguous_format
    assert memory_format(network(), "bf16") is torch.channels_last
    assert memory_format(network(**VALID), "no") is torch.channels_last
    assert memory_format(Inverted(3, 3, base_channels=4, depth=2), "no") is torch.channels_last
    assert memory_format(network().to("meta"), "no") is torch.channels_last  # as on a GPU


def test_in_bf16_the_gradients_tell_it_too():
    model = network()
    model.contracting[1][0].weight.data *= 3e38  # times two numbers above 1: infinite
    with torch.autocast("cpu", torch.bfloat16):
        _, *gradients = step(use_fast_kernels(model), 100 * drawn(model))
    assert not nn.utils.get_total_norm(gradients).isfinite()


def test_the_relu_of_bf16_is_that_of_whole_numbers_with_the_same_bits():
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    numbers = every[~every.isnan()].requires_grad_()  # among them -0, the smallest, the infinite
    found = ReLU.apply(numbers.clone())
    expected = torch.relu(numbers)
    assert torch.equal(found, expected)
    gradient = torch.linspace(-3, 5, len(numbers)).bfloat16()
    pairs = (torch.autograd.grad(result, numbers, gradient)[0] for result in (found, expected))
    assert torch.equal(*pairs)


def test_blocks_are_left_to_what_they_can_compute(monkeypatch):
    monkeypatch.setattr(blocks, "cpu_has", lambda instructions: True)
    for name in CASES:
        model = network(**CASES[name])
        assert blocks.fit(model, drawn(model)) == (name in IN_BLOCKS), name
    model = network()
    image = drawn(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert not blocks.fit(model, image)
    assert not blocks.fit(model.double(), image.double())
    model.bottleneck[1] = nn.InstanceNorm2d(16, affine=True)
    assert not blocks.fit(model.float(), image)
    monkeypatch.setattr(blocks, "cpu_has", lambda instructions: False)
    assert not blocks.fit(network(), image)


@pytest.mark.parametrize("matrix_unit", [False, True])
def test_bf16_is_as_near_to_float32_as_that_of_autograd(matrix_unit, monkeypatch):
    monkeypatch.setattr(channels_last, "has_matrix_unit", lambda: matrix_unit)
    model = network(object_outputs=OBJECTS)
    image = drawn(model)
    exact = step(copy.deepcopy(model).double(), image.double())
    with torch.autocast("cpu", torch.bfloat16):
        usual = step(copy.deepcopy(model), image)
        fast = step(use_fast_kernels(copy.deepcopy(model)), image)
    for truth, theirs, ours in zip(exact, usual, fast, strict=True):
        assert ours.dtype == theirs.dtype
        unit = truth.norm().clamp(min=1)
        assert (ours - truth).norm() / unit < 1.5 * (theirs - truth).norm() / unit + 0.01


class Around(nn.Module):
    """A step of an experiment."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.step(x)


class Inverted(UNet):
    """A network of an experiment."""

    def forward(self, image: Tensor, *, objects: bool = False) -> Tensor:
        return -super().forward(image, objects=objects)


def test_an_experiments_steps_and_norms_are_used():
    model = network()
    for steps in (model.contracting, model.expansive):
        steps[1] = Around(steps[1])
    model.bottleneck[1] = nn.InstanceNorm2d(16, affine=True)
    assert_equal(model.double())


def test_a_forward_pass_of_its_own_is_kept():
    model = Inverted(3, 3, base_channels=4, depth=2)
    assert use_fast_kernels(model) is model


def test_the_network_itself_stays_as_it_is():
    model = network().double()
    names, before = list(model.state_dict()), model.forward
    fast = use_fast_kernels(model)
    assert list(model.state_dict()) == names and model.forward == before
    assert [id(p) for p in fast.parameters()] == [id(p) for p in model.parameters()]
    image = drawn(model).double()
    for copied in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert torch.allclose(copied.eval().model(image), copied(image))
        assert fast.training and copied.model is not model
