"""Which precision "fast" is for a network: int8 where that is known to be safe and to be faster.

Safe: the record of the checkpoint's calibration says what int8 costs on its validation images, and
no score loses more than `most_lost` allows. On a CPU without VNNI, weights have 7 bits, and the
record may be of 8: a note says so. (The shipped checkpoints lose less than that there, too.)

Faster: docs/measured.md has int8 as faster than float32 on a CPU with AVX2 alone, and as faster
than bfloat16 on one with AVX512-BF16. CPUs with a matrix unit (AMX), and those that are no x86,
were not measured.
"""

import math
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from ..errors import UNetError
from ..hashes import weights_sha256
from ..network.network import Network
from .backend import fingerprint
from .calibration import Calibration
from .precision import cpu_has, cpu_precisions, has_matrix_unit, int8_weight_bits

OBJECT_AP = "object AP"  # a score of a record: the average precision of objects at an IoU of 0.5
MOST_LOST = 0.001  # of a score, on the validation images
MOST_OBJECTS_LOST = 0.005  # of the object AP: one object of 400 is 0.0025 of it, found or not

_reasons: WeakKeyDictionary[Network, tuple[tuple, str]] = WeakKeyDictionary()


def settled_precision(model: Network, precision: str) -> tuple[str, list[str]]:
    """Returns "int8" or "auto" for "fast", and a note on why not int8; others stay as they are."""
    if precision != "fast":
        return precision, []
    if reason := why_not_int8(model):
        return "auto", [f"not computed in int8: {reason}"]
    return "int8", []


def notes_on_precision(model: Network, precision: str) -> list[str]:
    """Returns what int8 costs, for a result that was computed in it; nothing if nobody knows."""
    calibration = model.calibration if precision == "int8" else None
    if calibration is None or not calibration.lost:
        return []
    words = f"computed in int8, {cost_in_words(calibration.lost)}"
    if int8_weight_bits() < (calibration.weight_bits or 8):
        words += " (on a CPU whose int8 is finer than here, where it may lose more)"
    return [words]


def why_not_int8(model: Network) -> str:
    """Returns why "fast" is not int8 for a network where it is now; "" where it is.

    Anything that is wrong with the record of the calibration is such a reason, and no error.
    """
    if model.device.type != "cpu":
        return f"that is for CPUs, and the model is on {model.device}"
    if reason := why_not_here():
        return reason
    try:
        calibration = model.calibration
    except UNetError as error:
        return str(error)
    except OSError as error:  # such as files that were deleted after they were loaded
        return f"its record cannot be read ({error.strerror})"
    state = (calibration, *fingerprint(model))
    if model not in _reasons or _reasons[model][0] != state:
        _reasons[model] = state, _why_not_by_record(model, calibration)
    return _reasons[model][1]


def why_not_here() -> str:
    """Returns why int8 is not known to be fastest on this machine's CPU; "" where it is."""
    if "int8" not in cpu_precisions():
        return "this version of PyTorch has no operators for it"
    if not cpu_has("avx2"):
        return "its speed was not measured on CPUs without AVX2"
    if has_matrix_unit():
        return "its speed was not measured on CPUs with a matrix unit for half precision"
    return ""


def worth_it(lost: Mapping[str, float]) -> bool:
    """Whether no score loses too much. False for numbers that are none, and where none are."""
    return bool(lost) and all(value <= most_lost(score) for score, value in lost.items())


def most_lost(score: str) -> float:
    """Returns how much of a score int8 may lose on the validation images."""
    return MOST_OBJECTS_LOST if score == OBJECT_AP else MOST_LOST


def too_much_lost(lost: Mapping[str, float]) -> str:
    """ "it lost 0.0020 of mean IoU on the validation images, and 0.001 are allowed"; "" if not."""
    if not lost or worth_it(lost):
        return ""
    worst = max(lost, key=lambda score: lost[score] / most_lost(score))
    return (
        f"it lost {lost[worst]:.4f} of {worst} on the validation images, "
        f"and {most_lost(worst)} are allowed"
    )


def cost_in_words(lost: Mapping[str, float]) -> str:
    """ "which lost at most 0.0002 of mean IoU and 0.0018 of object AP on the validation images"."""
    some = [
        f"{math.ceil(1e4 * value) / 1e4:.4f} of {score}"
        for score, value in lost.items()
        if value > 0
    ]
    words = f"at most {' and '.join(some)}" if some else f"nothing of {' and '.join(lost)}"
    return f"which lost {words} on the validation images"


def _why_not_by_record(model: Network, calibration: Calibration | None) -> str:
    if calibration is None:
        return "the checkpoint is not calibrated for it"
    if calibration.weights != weights_sha256(model.state_dict()):
        return "the weights have changed since the checkpoint was calibrated for it"
    if not calibration.lost:
        return "what it costs this checkpoint was not measured (`python -m unet_hf calibrate` does)"
    return too_much_lost(calibration.lost)
