"""An engine is kept while its network stays as it is, and no longer."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from unet_hf.engine import backend as runtime
from unet_hf.engine.backend import logits_function

from ..support.networks import gray, network
from ..support.weight_changes import CHANGES, negated


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
