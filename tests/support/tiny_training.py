"""A data set that is drawn, and a training of seconds with it."""

import json
from pathlib import Path

import PIL.Image

from demo.synthetic import electron_micrograph
from train.config import TrainingConfig


def write_dataset(
    folder: Path, splits: dict[str, int], *, rows=None, labels=None, draw=electron_micrograph
) -> Path:
    """A data set in the Hub's imagefolder layout, drawn by our own code."""
    for split, count in splits.items():
        lines = []
        for index in range(count):
            drawing = draw(96, 14, seed=100 * len(lines) + len(split))
            mask = drawing.label if rows is None else rows(drawing.label)
            for kind, pixels in (("images", drawing.image), ("masks", mask)):
                path = folder / split / kind / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(pixels).save(path)
            lines.append(
                {"file_name": f"images/{index}.png", "mask_file_name": f"masks/{index}.png"}
            )
        text = "\n".join(map(json.dumps, lines))
        (folder / split / "metadata.jsonl").write_text(text)
    if labels is not None:
        (folder / "id2label.json").write_text(json.dumps(labels))
    return folder


def tiny(folder: Path, output: Path, **options) -> TrainingConfig:
    """A training of seconds."""
    small = {"base_channels": 4, "depth": 2, "resolution": 48, "dataloader_num_workers": 0}
    small["measure_speed"] = False  # a process of its own, for seconds
    return TrainingConfig(dataset_name=str(folder), output_dir=str(output), **(small | options))
