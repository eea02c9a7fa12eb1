"""Loaded models stay within a budget, and each is loaded once."""

import threading

import pytest

from demo.server.checkpoints import models
from demo.server.checkpoints.key_locks import KeyLocks
from demo.server.checkpoints.model_cache import ModelCache, weights
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


def test_a_load_that_hangs_keeps_only_those_who_want_the_same_model():
    cache, hanging, go_on = ModelCache(budget=9 * ONE), threading.Event(), threading.Event()
    there = cache.get("a", network)

    def hang() -> UNet:
        hanging.set()
        assert go_on.wait(60)
        return network()

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.get("slow", hang))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert hanging.wait(60)
    assert cache.get("a", network) is there
    assert cache.get("b", network)
    assert not found
    go_on.set()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]


def test_a_download_that_hangs_keeps_nobody_from_another_checkpoint(monkeypatch):
    hanging, go_on = threading.Event(), threading.Event()
    real = UNet.from_pretrained

    def load(name: str, **options: object) -> UNet:
        if name == "org/slow":
            hanging.set()
            assert go_on.wait(60)
            return network()
        return real(name, **options)

    monkeypatch.setattr(UNet, "from_pretrained", load)
    monkeypatch.delenv("SPACE_ID", raising=False)
    slow = threading.Thread(target=lambda: models.load_model("org/slow"))
    slow.start()
    assert hanging.wait(60)
    other = threading.Thread(target=lambda: models.load_model("unet-isbi"))
    other.start()
    other.join(60)
    assert not other.is_alive()
    assert slow.is_alive()
    go_on.set()
    slow.join()


def test_locks_of_keys_that_nobody_wants_any_more_are_given_up():
    locks, counted = KeyLocks(), []

    def count(key: int) -> None:
        with locks.hold(key):
            before = len(counted)
            counted.append(key)
            assert len(counted) > before

    threads = [threading.Thread(target=count, args=(number % 3,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 30
    assert len(locks) == 0
