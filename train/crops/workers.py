"""How many processes prepare crops while the network computes."""

import os

import torch

FEW_CORES = 2  # of a CPU, on which a process beside the network slows it


def choose_workers(given: int | None, device: torch.device, streaming: bool) -> int:
    """Returns how many processes prepare crops: as given, or one.

    None where the network computes on a CPU of one or two cores: it needs all of them, and a step
    takes longer beside such a process than after the crops are made. A stream is always read
    meanwhile, and by no more than one: each would read the whole of it.
    """
    if streaming:
        return 1 if given is None else min(given, 1)
    if given is None:
        return 0 if device.type == "cpu" and cores() <= FEW_CORES else 1
    return given


def cores() -> int:
    """Returns the number of cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
