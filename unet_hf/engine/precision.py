"""Which precisions a device can compute in, and which one "auto" chooses."""

import functools
import logging
import os
from operator import attrgetter

import torch

from ..errors import ConfigError

logger = logging.getLogger(__name__)

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.uint8,
}
# Values of ONEDNN_MAX_CPU_ISA with which oneDNN emulates bfloat16 in float32.
WITHOUT_BFLOAT16 = {
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI",
}  # fmt: skip
# Values with which it multiplies int8 without VNNI, see `largest_int8_weight`.
WITHOUT_VNNI = {"SSE41", "AVX", "AVX2", "AVX512_CORE"}
# Values with which it computes float32 eight numbers at a time.
WITHOUT_AVX512 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"}
# Values with which it may use the matrix unit of a CPU that has one.
WITH_MATRIX_UNIT = {"", "ALL", "DEFAULT", "AVX512_CORE_AMX", "AVX512_CORE_AMX_FP16"}
# Operators that the engine calls and that are not part of PyTorch's public interface.
OPERATORS = (
    "mkldnn._convolution_pointwise_.binary",
    "mkldnn._reorder_convolution_weight",
    "mkldnn._get_mkldnn_serialized_md",
)
INT8_OPERATORS = ("onednn.qconv2d_pointwise", "onednn.qconv_prepack")


def checked_precision(precision: str, device: torch.device) -> str:
    """Returns the name of `DTYPES` that is meant, with "auto" resolved.

    "fast" depends on the checkpoint, and is resolved before, by `fast.settled_precision`.

    Raises:
        ConfigError: There is no such precision, or this device cannot compute in it.
    """
    if precision == "auto":
        return best_precision(device)
    if precision not in DTYPES:
        raise ConfigError(
            f"precision={precision!r} is not known; there are auto, {', '.join(DTYPES)} and fast."
        )
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(
            f"int8 is for CPUs, and the model is on {device.type}. Choose 'auto', or move it with "
            "`model.cpu()`."
        )
    if device.type == "cpu" and precision not in cpu_precisions():
        raise ConfigError(
            f"This CPU has no instructions for {precision}. Choose 'auto' or "
            f"{' or '.join(map(repr, cpu_precisions()))}."
        )
    return precision


def best_precision(device: torch.device) -> str:
    """Returns the name of the dtype that this device multiplies fastest at a small loss.

    A CPU gets half precision only if it has instructions for it, and float16, which rounds eight
    times finer than bfloat16, only if it has a matrix unit for it. The choice depends on nothing
    but the machine, so that the same image gives the same bytes each time.
    """
    if device.type != "cpu":
        return "float16"
    able = cpu_precisions()
    if "float16" in able and cpu_has("amx_fp16"):
        return "float16"
    native = cpu_has("avx512_bf16") or cpu_has("amx_tile")
    fast = native and isa_cap() not in WITHOUT_BFLOAT16
    return "bfloat16" if "bfloat16" in able and fast else "float32"


def cpu_has(instructions: str) -> bool:
    """Whether the CPU has "avx2", "avx512", "vnni", "avx512_bf16", "amx_tile" or "amx_fp16".

    False if PyTorch cannot tell.
    """
    supported = getattr(torch.cpu, f"_is_{instructions}_supported", None)
    return supported is not None and supported()


def has_only_avx2() -> bool:
    """Whether oneDNN computes float32 eight numbers at a time, and may not use AVX-512."""
    wider = cpu_has("avx512") and isa_cap() not in WITHOUT_AVX512
    return cpu_has("avx2") and not wider


def has_matrix_unit() -> bool:
    """Whether oneDNN multiplies half precision and int8 in a matrix unit here (AMX)."""
    return cpu_has("amx_tile") and isa_cap() in WITH_MATRIX_UNIT


def largest_int8_weight() -> int:
    """Returns the largest integer that stands for a weight in int8: 127, or 64 without VNNI.

    Without these instructions, two products are added in 16 bits before they reach the sum in 32.
    2 * 255 * 127 does not fit there and would be cut off in silence; 2 * 255 * 64 does.
    """
    return 127 if cpu_has("vnni") and isa_cap() not in WITHOUT_VNNI else 64


def int8_weight_bits() -> int:
    """Returns how many bits a weight has in int8 here: 8, or 7 without VNNI."""
    return 8 if largest_int8_weight() == 127 else 7


def has_onednn() -> bool:
    """Whether the engine can run here: PyTorch has oneDNN and the operators that it needs."""
    return torch.backends.mkldnn.is_available() and not _missing(OPERATORS)


def _missing(operators: tuple[str, ...]) -> list[str]:
    """Returns the operators that this version of PyTorch lacks, and logs them once.

    They are private, so another version may have renamed or removed them.
    """
    missing = [name for name in operators if not _has_operator(name)]
    if missing:
        _note_missing(", ".join(missing))
    return missing


def _has_operator(name: str) -> bool:
    operator = torch.ops
    for part in name.split("."):
        operator = getattr(operator, part, None)
    return operator is not None


@functools.cache
def _note_missing(names: str) -> None:
    logger.warning(
        "PyTorch %s has no %s, so that %s. unet_hf was tested with PyTorch 2.13.",
        torch.__version__,
        names,
        "there is no int8" if "onednn.q" in names else "plain PyTorch computes, which is slower",
    )


def _supported(name: str) -> bool:
    return _has_operator(name) and attrgetter(name)(torch.ops)()


def cpu_precisions() -> list[str]:
    """Returns the names of `DTYPES` that oneDNN can compute in here, fast or slow."""
    if not has_onednn():
        return ["float32"]
    supported = {
        "float32": True,
        "bfloat16": _supported("mkldnn._is_mkldnn_bf16_supported"),
        "float16": _supported("mkldnn._is_mkldnn_fp16_supported"),
        "int8": not _missing(INT8_OPERATORS),
    }
    return [name for name, able in supported.items() if able]


def isa_cap() -> str:
    """Returns the instruction set that the environment limits oneDNN to, "" for no limit."""
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return cap.upper()
