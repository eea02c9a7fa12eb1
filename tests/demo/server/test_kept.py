"""Results stay within a budget, and leave with whoever had them in view."""

import gc
import threading
from copy import deepcopy

import numpy as np
import pytest

from demo.server.results.result_store import GONE, ResultStore, array_bytes
from unet_hf.errors import ConfigError

from ...support.drawn import drawn

RESULT = drawn(np.zeros((10, 10)))
ONE = array_bytes([RESULT])


def another():
    return drawn(np.zeros((10, 10)))


def test_the_bytes_of_a_result_are_those_of_its_arrays_each_counted_once():
    assert ONE == 100 * (1 + 2 * 4 + 4 + 1)  # mask, probabilities of two classes, distance, image
    cut = RESULT.with_threshold(0.7)  # a mask of its own, all else is shared
    assert array_bytes([RESULT, cut, (RESULT, {"again": [cut]})]) == ONE + 100
    assert array_bytes([RESULT.mask[:1]]) == 100  # a view keeps the whole


def test_the_least_recently_used_result_leaves_and_that_is_told():
    kept = ResultStore(2 * ONE)
    first, second = kept.keep(RESULT), kept.keep(another())
    assert kept.get(first) is RESULT  # used again, so that the second is the oldest
    third = kept.keep(another())
    assert (len(kept), kept.size) == (2, 2 * ONE)
    with pytest.raises(ConfigError, match=GONE):
        kept.get(second)
    with pytest.raises(ConfigError, match="Count them again"):
        kept.get(second, "Count them again.")
    assert kept.get(first) is RESULT
    assert kept.get(third)
    assert kept.get(None) is None


def test_a_result_larger_than_the_budget_is_kept_until_the_next():
    kept = ResultStore(ONE // 2)
    first = kept.keep(RESULT)
    assert kept.get(first) is RESULT
    second = kept.keep(another())
    assert kept.get(second)
    with pytest.raises(ConfigError, match=GONE):
        kept.get(first)


def test_a_result_leaves_with_its_handle_and_a_copy_is_the_same_handle():
    kept = ResultStore(9 * ONE)
    handle = kept.keep(RESULT)
    copied = deepcopy({"state": handle})
    del handle
    assert kept.get(copied["state"]) is RESULT
    copied.clear()
    gc.collect()
    assert (len(kept), kept.size) == (0, 0)


def test_many_threads_keep_and_find_their_own():
    kept, wrong = ResultStore(8 * ONE), []

    def visit() -> None:
        for _ in range(50):
            own = another()
            handle = kept.keep(own)
            try:
                found = kept.get(handle)
            except ConfigError:  # seven others needed the place
                continue
            if found is not own:
                wrong.append(found)

    threads = [threading.Thread(target=visit) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(kept) == 0
