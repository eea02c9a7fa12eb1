"""Lets torchvision be imported where its compiled part does not fit PyTorch."""

import importlib.util


def declare_torchvision_operators() -> None:
    """Declares the two operators that torchvision describes when it is imported.

    The wheel on PyPI is built for CUDA. Beside a PyTorch for CPUs its compiled part is not loaded,
    and the import fails. Nothing here calls these operators.
    """
    import torch

    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        declare_torchvision_operators.kept = library  # they are forgotten together with it
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
