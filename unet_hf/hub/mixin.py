"""`CheckpointMixin`: what `UNet` inherits to be loaded, saved and published."""

import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, ModelCard, PyTorchModelHubMixin
from typing_extensions import Self

from ..addresses import read_repository
from ..engine.calibration import Calibration
from .load import load_checkpoint
from .origin import Origin
from .push import push_folder
from .save import save_checkpoint, save_weights


class CheckpointMixin(PyTorchModelHubMixin):
    """The Hub's mixin, made strict: whole checkpoints, one commit, no stale records."""

    origin: Origin | None = None  # set by `from_pretrained`
    _calibration: Calibration | None = None  # ranges for int8, if calibrated in this process

    @classmethod
    def from_pretrained(cls, source: str | Path, **options: Any) -> Self:
        """Loads a checkpoint, strictly; see `load_checkpoint` for all options.

        Args:
            source: "unet-isbi" (no slash: ships with the package, no network), "org/name"
                (Hub), or a folder with `config.json` and `model.safetensors` ("./unet-isbi" if
                its name is a shipped one).

        Returns:
            The model on the CPU, float32, in evaluation mode.

        Raises:
            CheckpointError: One of its subclasses, named after what is wrong.
        """
        return load_checkpoint(cls, source, **options)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        license: str | None = None,
        sample_image: str | Path | None = None,
        **push_options: Any,
    ) -> CommitInfo | None:
        """Writes a checkpoint that can be loaded, checked and passed on.

        config.json, model.safetensors, a card (README.md), a sample with the probabilities
        expected for it, and thumbnail.png. A checkpoint saved as it was loaded keeps its scores
        and the record of its training. In an existing card, only our section is replaced.

        Args:
            save_directory: Created if missing.
            repo_id, push_to_hub, push_options: Also `push_to_hub`; "org/name" is `repo_id`, or
                your own name and the folder's.
            license: The weights' license, a Hub identifier; not stated on the card if None.
            sample_image: A picture that may be passed on, for the sample; drawn if None.

        Returns:
            The commit, if it was pushed.

        Raises:
            CheckpointError: The folder cannot be written to; see also `push_to_hub`.
            ImageError: `sample_image` does not fit.
        """
        folder = Path(save_directory)
        self._save(folder, license=license, sample_image=sample_image)
        if not push_to_hub:
            return None
        return self.push_to_hub(
            repo_id or folder.resolve().name,
            license=license,
            sample_image=sample_image,
            **push_options,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | None = None,
        private: bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        tag: str | None = None,
        commit_message: str = "Checkpoint with its evidence",
        license: str | None = None,
        sample_image: str | Path | None = None,
    ) -> CommitInfo:
        """Publishes what `save_pretrained` writes as one commit; all of it or nothing.

        Args:
            repo_id: "org/name", or only a name for one of your own. Created if missing.
            token: One with write access; that of `hf auth login` or HF_TOKEN if None.
            private: Make a new repository private.
            branch: Created if missing; the main branch if None.
            create_pr: Propose the commit as a pull request, also to a repository of others.
            tag: Name of the new commit, e.g. "v1.0".
            license, sample_image: As for `save_pretrained`.

        Returns:
            The commit; as a string, its address.

        Raises:
            PushError: The Hub did not take it. A repository or branch created for it stays,
                and the message names it.
        """
        repo_id = read_repository(repo_id)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "checkpoint"
            self._save(folder, name=repo_id, license=license, sample_image=sample_image)
            return push_folder(
                folder,
                repo_id,
                token=token,
                private=private,
                branch=branch,
                create_pr=create_pr,
                tag=tag,
                commit_message=commit_message,
            )

    def generate_model_card(self, *_: Any, **options: Any) -> ModelCard:
        """Renders the card that `save_pretrained` would write into a new folder."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "checkpoint"
            self._save(folder, **options)
            return ModelCard.load(folder / "README.md")

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory)

    def _save(self, folder: Path, **options: Any) -> None:
        save_checkpoint(self, folder, origin=self.origin, calibration=self._calibration, **options)
