"""What a training leaves behind: a folder that `UNet.from_pretrained` loads, and its evidence;
on request the same as one commit on the Hub."""

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, EvalResult, HfApi, ModelCard, ModelCardData
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from unet_hf import UNet
from unet_hf.errors import ConfigError, UNetError
from unet_hf.files import write_text

from .checkpoints import BEST, Progress
from .config import TrainingConfig
from .data import LabelledData
from .evaluation import Evaluation
from .inspection import Inspection

# How far the stored sample may differ on another machine: another CPU rounds in other places.
SAMPLE_TOLERANCE = 1e-3
CURVE_ROWS = 12  # evaluations on the card; all are in metrics.jsonl
# Options that change nothing but the card, or where things go.
CARD_TEXTS = (
    "dataset_note", "license", "license_name", "license_note", "citation", "sample_image",
    "resume_from_checkpoint", "report_to", "push_to_hub", "hub_model_id", "hub_private_repo",
)  # fmt: skip
# What of the output folder is the checkpoint; pictures of the data stay at home.
PUSHED = (
    "config.json", "model.safetensors", "README.md", "evaluation.json", "training.json",
    "metrics.jsonl", "sample/*",
)  # fmt: skip


class PushError(UNetError):
    """The Hub does not take the checkpoint."""


@dataclass(frozen=True)
class HubTarget:
    """A repository one may write to; made before a training, so that hours of it are not lost
    to a misspelt token."""

    api: HfApi
    repo_id: str

    @classmethod
    def verified(cls, config: TrainingConfig) -> "HubTarget":
        """Checks the token and creates the repository. Raises `ConfigError`."""
        api = HfApi(token=config.hub_token)
        name = config.hub_model_id or Path(config.output_dir).resolve().name
        try:
            account = api.whoami()
            repo_id = name if "/" in name else f"{account['name']}/{name}"
            _check_may_write(account, repo_id)
            private = config.hub_private_repo or None
            repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        except (HfHubHTTPError, LocalTokenNotFoundError, OSError, ValueError) as error:
            raise ConfigError(
                f"--push_to_hub: {name} cannot be written to ({_plain(error)}). Log in with "
                "`hf auth login`, or set HF_TOKEN to a token with write access; --hub_model_id "
                "names another repository."
            ) from error
        return cls(api, repo_id)

    def push(self, folder: Path) -> str:
        """Uploads the finished checkpoint in one commit; returns the commit's address.

        Raises:
            PushError: The checkpoint is still in `folder`; the message says how to try again.
        """
        files = sorted({path for pattern in PUSHED for path in folder.glob(pattern)})
        operations = [
            CommitOperationAdd(path.relative_to(folder).as_posix(), str(path)) for path in files
        ]
        try:
            commit = self.api.create_commit(
                self.repo_id, operations, commit_message="Trained checkpoint with its evidence"
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise PushError(
                f"The checkpoint is finished in {folder}, but {self.repo_id} did not take it "
                f"({_plain(error)}). Push it again with `python -m train --output_dir {folder} "
                "--resume_from_checkpoint latest --push_to_hub`."
            ) from error
        return str(commit)


def _check_may_write(account: dict[str, Any], repo_id: str) -> None:
    """Creating a repository that exists succeeds for everyone; whose it is does not."""
    namespace, _, _ = repo_id.partition("/")
    owned = {account["name"], *(org["name"] for org in account.get("orgs", []))}
    if namespace not in owned:
        raise ValueError(f"{account['name']} may write to {', '.join(sorted(owned))}")
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise ValueError("the token in use can read but not write")


def _plain(error: Exception) -> str:
    """The first line of a client's message; the rest repeats the request."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def write_finished(
    output: Path,
    config: TrainingConfig,
    data: LabelledData,
    inspection: Inspection,
    progress: Progress,
) -> None:
    """The best checkpoint with its evidence, at the root of `output`.

    `config.json` goes first and comes last: a folder without it loads nowhere, so a process
    killed in between leaves no mixture of two models that would load.
    """
    evaluation = Evaluation(**progress.best)
    model = UNet.from_pretrained(output / BEST)
    with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as name:
        new = Path(name)
        card = model_card(
            output.resolve().name, model, config, data, inspection, evaluation, progress
        )
        write_text(new / "README.md", card)
        model.save_pretrained(new)  # keeps a README.md that is there
        write_text(
            new / "evaluation.json",
            json.dumps({"step": progress.best_step, **asdict(evaluation)}, indent=2) + "\n",
        )
        if config.sample_image:
            write_sample(new / "sample", model, Path(config.sample_image))
        (output / "config.json").unlink(missing_ok=True)
        paths = [path.relative_to(new) for path in new.rglob("*") if path.is_file()]
        for path in sorted(paths, key=lambda path: path.name == "config.json"):
            (output / path).parent.mkdir(exist_ok=True)
            os.replace(new / path, output / path)


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
    inspection: Inspection,
    evaluation: Evaluation,
    progress: Progress,
) -> str:
    """README.md: only numbers that were measured, each with the command that repeats it."""
    local = Path(config.dataset_name).exists()
    dataset = Path(config.dataset_name).name if local else config.dataset_name
    metadata = ModelCardData(
        license=config.license,
        license_name=config.license_name,
        library_name="unet_hf",
        pipeline_tag="image-segmentation",
        tags=["unet", "microscopy"],
        datasets=None if local else [dataset],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="image-segmentation",
                dataset_type=dataset,
                dataset_name=dataset,
                dataset_split=data.validation.split,
                dataset_revision=config.dataset_revision,
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
    commands = replace(config, output_dir=name)
    evaluate = (
        f"python -m train evaluate --model {name} --dataset_name {config.dataset_name} "
        f"--split {data.validation.split}"
    )
    card = ModelCard.from_template(
        metadata,
        template_path=str(Path(__file__).parent / "card.md"),
        name=name,
        classes=", ".join(model.id2label.values()),
        channels="/".join(model.preprocessing.channels),
        labels=labels,
        license_note=config.license_note,
        citation=config.citation,
        config=config,
        data=data,
        train_images=inspection.train_total,
        evaluation=evaluation,
        spread=_spread(evaluation),
        worst=sorted(evaluation.images, key=lambda row: row["mean_iou"])[:3],
        step=progress.best_step,
        curve=_curve(progress),
        extended=progress.extended,
        crops=config.crops_per_process * progress.processes,
        minutes=round(progress.seconds / 60),
        parameters=f"{sum(weight.numel() for weight in model.parameters()):,}",
        command=commands.command(without=CARD_TEXTS),
        # What was held back by us is no split that one could name.
        evaluate_command=evaluate if data.validation.split != data.train.split else None,
        sample=bool(config.sample_image),
    )
    return str(card)


def _curve(progress: Progress) -> list[dict[str, Any]]:
    """Up to CURVE_ROWS evaluations, evenly spread, the kept and the last one among them."""
    rows = progress.rows
    step = -(-len(rows) // CURVE_ROWS)
    return [
        row
        for index, row in enumerate(rows)
        if index % step == step - 1 or row["step"] == progress.best_step or row is rows[-1]
    ]


def _spread(evaluation: Evaluation) -> list[tuple[str, float, float, float]]:
    """Lowest, median and highest of each score over the images."""
    import statistics

    titles = {"mean_iou": "mean IoU", "v_rand": "V_rand", "v_info": "V_info"}
    rows = []
    for key, title in titles.items():
        if values := [row[key] for row in evaluation.images if key in row]:
            rows.append((title, min(values), statistics.median(values), max(values)))
    return rows


def _headline(evaluation: Evaluation) -> list[tuple[str, str, float]]:
    """(Hub metric id, name, value) of the numbers that go into the card's metadata."""
    rows = [("mean_iou", "mean IoU", evaluation.mean_iou)]
    if evaluation.membrane:
        rows.append(("v_rand", "V_rand (thinned)", evaluation.membrane["v_rand"]))
        rows.append(("v_info", "V_info (thinned)", evaluation.membrane["v_info"]))
    return rows
