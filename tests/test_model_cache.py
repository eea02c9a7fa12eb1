"""Loaded models stay within a budget, and each is loaded once."""

import threading

import pytest

from demo.server.model_cache import ModelCache, weights
from unet_hf import UNet


def network() -> UNet:
    return UNet(base_channels=2, depth=1)


ONE = weights(network())


def test_the_least_recently_used_model_leaves():
    cache = ModelCache(budget=2 * ONE)
    first, _ = cache.get("a", network), cache.get("b", network)
    assert cache.get("a", network) is first  # used again, so that b is the oldest
    cache.get("c", network)
    assert len(cache) == 2
    assert cache.size == 2 * ONE
    assert cache.get("a", network) is first
    loads = []
    cache.get("b", lambda: loads.append(1) or network())
    assert loads


def test_a_model_larger_than_the_budget_is_kept_alone():
    cache = ModelCache(budget=ONE // 2)
    cache.get("a", network)
    kept = cache.get("b", network)
    assert len(cache) == 1
    assert cache.get("b", network) is kept


def test_a_failed_load_leaves_nothing_and_is_tried_again():
    cache = ModelCache(budget=ONE)

    def fail() -> UNet:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        cache.get("a", fail)
    assert len(cache) == 0
    assert cache.get("a", network)


def test_visitors_who_ask_at_once_share_one_load():
    cache, loads, start = ModelCache(budget=9 * ONE), [], threading.Barrier(8)
    found = []

    def ask() -> None:
        start.wait()
        found.append(cache.get("a", lambda: loads.append(1) or network()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(set(map(id, found))) == 1
