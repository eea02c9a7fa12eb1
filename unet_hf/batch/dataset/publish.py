"""Predicted masks as a data set that says so: its card, and the commit that pushes it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    DatasetCard,
    DatasetCardData,
    HfApi,
)

from ...errors import ConfigError
from ...files import write_text
from ...hub.push import WAITS, CreatedOnHub, push_with_retries, writable_repository
from .options import FAILED, DatasetOptions

JOB = "segmentation.json"  # what the masks were made of; by it a folder or repository is ours
LABELS = "id2label.json"
CARD = "README.md"
PUSHED = ("data/*.parquet", JOB, LABELS, CARD, FAILED)


def write_card(
    folder: Path, job: dict[str, Any], failures: list[dict[str, Any]], repo: str | None
) -> None:
    """README.md and the names of the classes, beside the shards.

    repo: where it will be on the Hub.
    """
    write_text(folder / LABELS, json.dumps(job["id2label"], indent=2, ensure_ascii=False) + "\n")
    metadata = DatasetCardData(
        task_categories=["image-segmentation"],
        tags=["unet_hf", "predicted-masks"],
        source_datasets=[job["dataset"]] if "/" in job["dataset"] else None,
        configs=[
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*"} for split in job["splits"]
                ],
            }
        ],
    )
    card = DatasetCard.from_template(
        metadata,
        template_path=str(Path(__file__).parent / "predicted_masks.md"),
        name=(repo or folder.resolve().name).rpartition("/")[2],
        repo=repo,
        job=job,
        failures=len(failures),
        data=_link(job["dataset"], "datasets/"),
        model=_link(job["model"], ""),
    )
    write_text(folder / CARD, str(card))


def _link(name: str, kind: str) -> str:
    return f"[{name}](https://huggingface.co/{kind}{name})" if "/" in name else f"`{name}`"


@dataclass(frozen=True)
class MaskTarget:
    """A data set repository that may be written to; made before hours of work, not after."""

    api: HfApi
    repo_id: str

    @classmethod
    def verified(cls, options: "DatasetOptions") -> "MaskTarget":
        """Checks the token, and what is there; makes the repository if it is missing.

        Raises:
            PushError: The Hub says no.
            ConfigError: Something else is in the repository.
        """
        api, name = HfApi(token=options.hub_token), str(options.push_to_hub)
        if name == options.dataset_name:
            raise ConfigError(
                f"--push_to_hub {name} is the data set itself, and would be written over. Name "
                f"another, e.g. {name}-masks."
            )

        made = CreatedOnHub()

        def prepare() -> str:
            return writable_repository(api, name, options.private or None, "dataset", made)

        full = push_with_retries(prepare, name, WAITS, made=made)
        there = push_with_retries(lambda: _files(api, full)[1], full, WAITS, made=made)
        if there - {CARD, ".gitattributes"} and JOB not in there and not options.overwrite:
            raise ConfigError(
                f"--push_to_hub {full} holds another data set. Name a new one, or add --overwrite "
                "to replace what is there."
            )
        return cls(api, full)

    def push(self, folder: Path) -> str:
        """Uploads everything in one commit; returns the commit's address.

        One commit, where `Dataset.push_to_hub` makes several: nobody finds masks without the card
        that says what they are. Raises `PushError`; the repository is then as it was.
        """
        paths = sorted({path for pattern in PUSHED for path in folder.glob(pattern)})
        files = {path.relative_to(folder).as_posix(): str(path) for path in paths}

        def commit() -> str:
            head, there = _files(self.api, self.repo_id)
            stale = {name for name in there if name.startswith("data/") or name == FAILED}
            operations = [CommitOperationAdd(name, path) for name, path in files.items()]
            operations += [CommitOperationDelete(name) for name in sorted(stale - set(files))]
            return str(
                self.api.create_commit(
                    self.repo_id,
                    operations,
                    repo_type="dataset",
                    commit_message="Images with predicted masks",
                    parent_commit=head,
                )
            )

        return push_with_retries(
            commit, self.repo_id, WAITS, f"The masks are finished in {folder}. "
        )


def _files(api: HfApi, repo_id: str) -> tuple[str | None, set[str]]:
    """The newest commit of a data set, and its files."""
    info = api.dataset_info(repo_id)
    return info.sha, {sibling.rfilename for sibling in info.siblings or ()}
