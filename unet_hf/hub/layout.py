"""What a checkpoint consists of, and which ones ship with the package.

    config.json, model.safetensors  the checkpoint itself
    README.md, thumbnail.png        the card, and a picture for it
    sample/                         an input, the probabilities expected for it, the tolerance
    evaluation.json                 scores on a split
    training.json, metrics.jsonl    every option of the training, and its course
    speed.json                      time and memory on a named machine
    int8.json                       what integers stand for in int8, and what that costs
    onnx/, openvino/, torch/        exports of these weights

Pictures of the training data are not among it.
"""

import re
from pathlib import Path, PureWindowsPath

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "README.md"
THUMBNAIL_NAME = "thumbnail.png"
EVALUATION_NAME = "evaluation.json"
TRAINING_NAME = "training.json"
CURVE_NAME = "metrics.jsonl"
SPEED_NAME = "speed.json"
INT8_NAME = "int8.json"
SAMPLE_FOLDER = "sample"
EXPECTED_NAME = f"{SAMPLE_FOLDER}/expected.json"
# What was measured and recorded; each names the bytes it speaks of, see `evidence`.
RECORDS = (EVALUATION_NAME, TRAINING_NAME, CURVE_NAME, SPEED_NAME, INT8_NAME)
# The same network for other programs; torch/ is what older versions wrote.
EXPORT_FOLDERS = ("onnx/", "openvino/", "torch/")
MAX_CONFIG_BYTES = 2**20
MAX_INT8_BYTES = 16 * 2**20  # the paper's network needs 160 kB
MAX_EVIDENCE_BYTES = 64 * 2**20  # of one file; no card, record or sample comes near
SHIPPED = Path(__file__).parents[1] / "checkpoints"


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that come with the package, e.g. ["unet-isbi", ...]."""
    if not SHIPPED.is_dir():
        return []
    return sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{CONFIG_NAME}"))


def is_evidence(path: str) -> bool:
    """Is this, seen from the checkpoint's folder, its card, a record or part of its sample?"""
    folder, _, name = path.rpartition("/")
    if folder:
        return folder == SAMPLE_FOLDER
    return name in (CARD_NAME, THUMBNAIL_NAME, *RECORDS)


def is_ours(path: str) -> bool:
    """Does a file of this name, seen from the checkpoint's folder, belong to the checkpoint?"""
    return path in (CONFIG_NAME, WEIGHTS_NAME) or is_evidence(path)


def is_inside(path: str) -> bool:
    """Does this name stay below the folder that it is joined to, on any system?"""
    return not (
        {"", ".", ".."} & set(path.split("/"))
        or re.search(r"[\\\x00-\x1f]", path)
        or PureWindowsPath(path).drive
    )
