"""Memory of feature maps in huge pages: it is like other memory, and goes back when it is left."""

import mmap
import platform
from pathlib import Path

import pytest
import torch

from unet_hf.engine.pages import HUGE_PAGE, empty_bytes

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")  # of kernels that have them
KNOWS_HUGE_PAGES = HUGE_PAGES.is_dir() and platform.system() == "Linux"


@pytest.mark.parametrize("size", [1, HUGE_PAGE - 1, HUGE_PAGE, 3 * HUGE_PAGE + 5])
def test_it_has_the_size_that_was_asked_for_and_holds_what_is_written(size):
    memory = empty_bytes(size)
    assert (memory.shape, memory.dtype) == ((size,), torch.uint8)
    memory.fill_(7)
    assert memory.sum() == 7 * size


def flags_at(address: int) -> list[str]:
    """Returns the flags of the mapping at an address, see proc(5); none where nothing is mapped."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head, *words = line.split()
        if not head.endswith(":"):
            first, last = (int(end, 16) for end in head.split("-"))
            inside = first <= address < last
        elif inside and head == "VmFlags:":
            return words
    return []


@pytest.mark.skipif(not KNOWS_HUGE_PAGES, reason="a Linux with huge pages has them")
def test_it_begins_on_a_huge_page_and_is_unmapped_with_its_last_view():
    memory = empty_bytes(2**26)
    address = memory.data_ptr()
    assert address % HUGE_PAGE == 0
    assert "hg" in flags_at(address)
    view = memory.view(torch.float32)[2**20 :]
    del memory
    view.zero_()
    assert "hg" in flags_at(address)
    del view
    assert "hg" not in flags_at(address)


def test_without_huge_pages_it_is_usual_memory(monkeypatch):
    class Kernel(mmap.mmap):
        def madvise(self, *_):
            raise OSError(22, "Invalid argument")

    with monkeypatch.context() as patch:
        patch.setattr("unet_hf.engine.pages.mmap.mmap", Kernel)
        assert len(empty_bytes(2 * HUGE_PAGE).fill_(1)) == 2 * HUGE_PAGE
    monkeypatch.delattr("unet_hf.engine.pages.mmap.MADV_HUGEPAGE", raising=False)
    assert len(empty_bytes(2 * HUGE_PAGE).fill_(1)) == 2 * HUGE_PAGE


def test_without_memory_it_fails_as_pytorch_does():
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        empty_bytes(2**60)
