"""The files of a checkpoint, and the checkpoints that ship with the package.

    config.json, model.safetensors  the checkpoint itself
    README.md, thumbnail.png        the card, and a picture for it
    reliability.png                 a picture of the calibration in evaluation.json, for the card
    sample/                         an input, what is expected to be predicted, the tolerance
    evaluation.json                 scores on a split
    training.json, metrics.jsonl    every option of the training, and its evaluations
    across.json                     scores on other data sets
    speed.json                      time and memory on a named machine
    int8.json                       the ranges of values for int8, and what int8 costs
    scope.json                      how the training images look to the network
    onnx/, openvino/, torch/        exports of these weights

Pictures of the training data are not part of a checkpoint.
"""

import re
from pathlib import Path, PureWindowsPath

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "README.md"
THUMBNAIL_NAME = "thumbnail.png"
RELIABILITY_NAME = "reliability.png"
EVALUATION_NAME = "evaluation.json"
ACROSS_NAME = "across.json"
TRAINING_NAME = "training.json"
CURVE_NAME = "metrics.jsonl"
SPEED_NAME = "speed.json"
INT8_NAME = "int8.json"
SCOPE_NAME = "scope.json"
SAMPLE_FOLDER = "sample"
EXPECTED_NAME = f"{SAMPLE_FOLDER}/expected.json"
# Files with measurements; each holds the hashes of what was measured, see `records`.
RECORDS = (
    EVALUATION_NAME, ACROSS_NAME, TRAINING_NAME, CURVE_NAME, SPEED_NAME, INT8_NAME, SCOPE_NAME,
)  # fmt: skip
# The same network for other programs; torch/ is what older versions wrote.
EXPORT_FOLDERS = ("onnx/", "openvino/", "torch/")
MAX_CONFIG_BYTES = 2**20
MAX_INT8_BYTES = 16 * 2**20  # the paper's network needs 160 kB
MAX_EVIDENCE_BYTES = 64 * 2**20  # per file; cards, records and samples are far smaller
SHIPPED = Path(__file__).parents[1] / "checkpoints"


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that ship with the package, e.g. ["unet-isbi", ...]."""
    if not SHIPPED.is_dir():
        return []
    return sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{CONFIG_NAME}"))


def is_evidence(path: str) -> bool:
    """Whether a path in the checkpoint's folder is its card, a record or part of its sample."""
    folder, _, name = path.rpartition("/")
    if folder:
        return folder == SAMPLE_FOLDER
    return name in (CARD_NAME, THUMBNAIL_NAME, RELIABILITY_NAME, *RECORDS)


def belongs_to_checkpoint(path: str) -> bool:
    """Whether a path in the checkpoint's folder is a file that this package writes."""
    return path in (CONFIG_NAME, WEIGHTS_NAME) or is_evidence(path)


def is_safe_relative_path(path: str) -> bool:
    """Whether a path stays below the folder that it is joined to, on any system."""
    return not (
        {"", ".", ".."} & set(path.split("/"))
        or re.search(r"[\\\x00-\x1f]", path)
        or PureWindowsPath(path).drive
    )
