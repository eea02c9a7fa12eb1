"""Memory of a training: it is kept from step to step, and lies in pages of 2 MiB."""

import ctypes
import mmap
import os
import sys
from pathlib import Path

from unet_hf.engine.pages import HUGE_PAGE

# <malloc.h> of glibc
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_memory() -> bool:
    """Tells the C library to keep the memory that tensors free, until the process ends.

    glibc maps memory for every large tensor and unmaps it when the tensor is freed, so each step
    of a training page-faults through gigabytes of zeroed pages: on a CPU, filling a new tensor of
    64 MiB took eleven times as long as filling one in kept memory. The price is that the process
    stays as large as it has ever been. The setting holds for the whole process: a command-line
    program may choose it, a library may not, and nothing in `unet_hf` does.

    What is kept lies in pages of 2 MiB, if the system has them: the processor needs to look up
    fewer of them (`unet_hf.engine.pages` says more).

    Returns:
        True with glibc (most of Linux); False elsewhere, where nothing changes.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):  # musl has no such switch
        return False
    # No separate mappings, and the end of the heap is never returned (-1: no threshold). Both are
    # needed: without mmap, freeing the last tensor would still trim the heap.
    done = [library.mallopt(M_MMAP_MAX, 0), library.mallopt(M_TRIM_THRESHOLD, -1)]
    if all(done):
        _ask_for_huge_pages(library)
    return all(done)


def _ask_for_huge_pages(library: ctypes.CDLL) -> None:
    """Lets the heap grow far in huge pages.

    This takes addresses and no memory, which comes with the first use of a page.
    """
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = _spare_addresses()
    place = library.malloc(size) if size else None
    if place is None:
        return
    first = -(-place // HUGE_PAGE) * HUGE_PAGE
    library.madvise(first, (place + size) // HUGE_PAGE * HUGE_PAGE - first, mmap.MADV_HUGEPAGE)
    library.free(place)


def _spare_addresses() -> int:
    """Returns the size of half of the machine's memory, in bytes.

    0 where addresses are counted as memory: where the system hands out no more of them than it has
    memory, and in a process with a bound, which would lack them elsewhere.
    """
    import resource

    bounds = (resource.getrlimit(limit)[0] for limit in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    if any(bound != resource.RLIM_INFINITY for bound in bounds):
        return 0
    try:
        if Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2":
            return 0
    except OSError:
        pass  # a container that shows no such file: nothing is known
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
