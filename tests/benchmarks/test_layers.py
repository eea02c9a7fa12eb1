"""The ceiling of `benchmarks.engine` counts the fastest of all kernels for each layer; nothing here
asserts a time."""

import re

import pytest

from benchmarks import engine, layers

LAYERS = 18  # 3x3 convolutions of the default network


@pytest.fixture(scope="module")
def measured() -> dict[str, layers.Seconds]:
    return layers.measure(4, 32, 1)


def test_every_layer_is_measured_with_every_kernel_that_is_there(measured):
    assert len(measured) == LAYERS
    kernels = layers.kernels_of(measured)
    assert kernels[:2] == ["engine", "blocked"]
    for name, seconds in measured.items():
        assert re.fullmatch(r"(down|up) \d\.[12]: \d+ to \d+, \d+ px", name)
        assert [*seconds] == kernels
        assert all(value > 0 for value in seconds.values())


def test_the_sum_of_the_fastest_is_below_that_of_any_kernel(measured):
    for kernel in layers.kernels_of(measured):
        assert layers.fastest(measured) <= sum(seconds[kernel] for seconds in measured.values())
    assert layers.report(measured).count("\n") == LAYERS + 2  # head, line, sums


def test_the_ceiling_is_of_the_fastest_kernels_and_cannot_flatter():
    kernels = {"a": {"engine": 0.5, "blocked": 0.3}, "b": {"engine": 0.1, "blocked": 0.2}}
    row = {"milliseconds": (900, 1000, 1100), "alone": {"Convolution": 0.6, "UpConvolution": 0.1}}
    engine.add_ceiling(row, kernels)
    assert row["ceiling"] == pytest.approx(0.3 + 0.1 + 0.1)
