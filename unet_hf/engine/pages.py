"""`empty_bytes`: memory of which the processor finds any place quickly.

To find a place, a processor looks up where the page is that the place is on. Feature maps fill
thousands of pages of 4 KiB, more than it keeps at hand, and in a virtual machine each further one
costs two walks through tables. One page of 2 MiB stands for 512 of them.
"""

import mmap

import torch
from torch import Tensor

HUGE_PAGE = 2**21  # bytes, with pages of 4 KiB


def empty_bytes(size: int) -> Tensor:
    """Returns (size,) uint8 of any content, in pages of 2 MiB where the system has them.

    Linux has them for who asks, unless an administrator has switched them off
    (`/sys/kernel/mm/transparent_hugepage/enabled`: `never`). Elsewhere, and for less than one of
    them, these are usual pages.
    """
    if size < HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(size, dtype=torch.uint8)
    try:
        # One more than is needed, as the first place on a huge page may lie that far inside.
        pages = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without them, or too little memory, which PyTorch says its own way
        return torch.empty(size, dtype=torch.uint8)
    memory = torch.frombuffer(pages, dtype=torch.uint8)  # it keeps `pages` alive
    first = -memory.data_ptr() % HUGE_PAGE
    return memory[first : first + size]
