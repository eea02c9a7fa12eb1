"""What a training leaves behind: a folder that `UNet.from_pretrained` loads, and its evidence."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from unet_hf import UNet
from unet_hf.files import write_text

from .config import TrainingConfig
from .data import LabelledData
from .evaluation import Evaluation

# How far the stored sample may differ on another machine: another CPU rounds in other places.
SAMPLE_TOLERANCE = 1e-3
# Options that change nothing but the card itself.
CARD_TEXTS = ("dataset_note", "license", "license_name", "license_note", "citation", "sample_image")


def write_checkpoint(
    folder: Path,
    model: UNet,
    config: TrainingConfig,
    data: LabelledData,
    evaluation: Evaluation,
    step: int,
) -> None:
    """config.json with the threshold chosen on the validation split, weights, evidence, card."""
    model.config["threshold"] = evaluation.threshold
    write_text(folder / "README.md", model_card(folder.name, model, config, data, evaluation, step))
    model.save_pretrained(folder)  # keeps a README.md that is there
    write_text(
        folder / "evaluation.json",
        json.dumps({"step": step, **asdict(evaluation)}, indent=2) + "\n",
    )
    if config.sample_image:
        write_sample(folder / "sample", model, Path(config.sample_image))


def write_sample(folder: Path, model: UNet, image: Path) -> None:
    """An input and what this checkpoint makes of it, so that anyone can check it years later."""
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / f"input{image.suffix}"
    if not stored.exists() or not stored.samefile(image):
        shutil.copyfile(image, stored)
    tifffile.imwrite(
        folder / "probabilities.tif",
        model.segment(stored).probabilities,
        compression="zlib",
        predictor=True,
        photometric="minisblack",
        metadata={"axes": "CYX"},
    )
    write_text(
        folder / "tolerance.json", json.dumps({"max_difference": SAMPLE_TOLERANCE}, indent=2) + "\n"
    )


def model_card(
    name: str,
    model: UNet,
    config: TrainingConfig,
    data: LabelledData,
    evaluation: Evaluation,
    step: int,
) -> str:
    """README.md: only numbers that were measured, each with the command that repeats it."""
    dataset = Path(config.dataset_name).name
    metadata = ModelCardData(
        license=config.license,
        license_name=config.license_name,
        library_name="unet_hf",
        pipeline_tag="image-segmentation",
        tags=["unet", "microscopy"],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="image-segmentation",
                dataset_type=dataset,
                dataset_name=dataset,
                dataset_split=config.validation_split,
                metric_type=metric,
                metric_name=title,
                metric_value=round(value, 4),
            )
            for metric, title, value in _headline(evaluation)
        ],
    )
    labels = [
        {"id": index, "name": label, "color": model.config["colors"][index]}
        for index, label in model.id2label.items()
    ]
    card = ModelCard.from_template(
        metadata,
        template_path=str(Path(__file__).parent / "card.md"),
        name=name,
        title=name,
        classes=", ".join(model.id2label.values()),
        channels="/".join(model.preprocessing.channels),
        labels=labels,
        license_note=config.license_note,
        citation=config.citation,
        config=config,
        data=data,
        evaluation=evaluation,
        worst=sorted(evaluation.images, key=lambda row: row["mean_iou"])[:3],
        step=step,
        parameters=f"{sum(weight.numel() for weight in model.parameters()):,}",
        command=replace(config, output_dir=name).command(without=CARD_TEXTS),
        evaluate_command=(
            f"python -m train evaluate --model {name} --dataset_name {config.dataset_name} "
            f"--split {config.validation_split}"
        ),
        sample=bool(config.sample_image),
    )
    return str(card)


def _headline(evaluation: Evaluation) -> list[tuple[str, str, float]]:
    """(Hub metric id, name, value) of the numbers that go into the card's metadata."""
    rows = [("mean_iou", "mean IoU", evaluation.mean_iou)]
    if evaluation.membrane:
        rows.append(("v_rand", "V_rand (thinned)", evaluation.membrane["v_rand"]))
        rows.append(("v_info", "V_info (thinned)", evaluation.membrane["v_info"]))
    return rows
