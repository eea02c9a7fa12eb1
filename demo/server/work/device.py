"""Where a prediction runs: on this machine's best device, or on a GPU that is lent for one call.

Hugging Face's ZeroGPU lends one through its package `spaces`, which only a Space has. The call
then runs in a process of its own: what goes in and comes out is pickled.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch

from unet_hf import UNetError

try:
    from spaces import GPU
except ImportError:
    GPU = None

Result = TypeVar("Result")


def best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def on_gpu(function: Callable[..., Result]) -> Callable[..., Result]:
    """`function(*arguments, progress=None)` on a lent GPU; elsewhere as it is.

    Nothing is reported to `progress` from a lent GPU: a callback cannot leave this process.
    """
    if GPU is None:
        return function

    def answer(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UNetError as error:
            return error  # of an exception that is raised, `spaces` would pass on only the name

    lent = GPU(answer)
    if lent is answer:  # `spaces` is installed, but this is no ZeroGPU
        return function

    @wraps(function)
    def call(*arguments: Any, progress: Any = None) -> Result:
        result = lent(*arguments)
        if isinstance(result, UNetError):
            raise result
        return result

    return call
