"""Freed memory is kept for the next step instead of being returned to the system."""

import ctypes
import sys

# <malloc.h> of glibc
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_memory() -> bool:
    """Tells the C library to hold on to the memory that tensors free, until the process ends.

    glibc maps every large tensor anew and unmaps it when it is freed, so that each step of a
    training page-faults through gigabytes of zeroed pages: on a CPU, filling a fresh tensor of
    64 MiB took eleven times as long as filling a held one. The price is that the process stays
    as large as it has ever been. The setting holds for the whole process: a command-line program
    may choose it, a library may not, and nothing in `unet_hf` does.

    Returns:
        Whether it was done: True with glibc (most of Linux), False elsewhere, where nothing
        changes.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):  # musl has no such switch
        return False
    # Nothing is mapped on its own, and the heap's end is never given back (-1: no threshold).
    # Both: with mmap alone switched off, freeing the last tensor would still trim the heap.
    done = [library.mallopt(M_MMAP_MAX, 0), library.mallopt(M_TRIM_THRESHOLD, -1)]
    return all(done)
