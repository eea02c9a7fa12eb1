"""Keeps freed memory for the next step instead of returning it to the system."""

import ctypes
import sys

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
    return all(done)
