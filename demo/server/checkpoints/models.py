"""Which checkpoints a visitor may ask for, and the few that stay loaded.

Whoever runs `python app.py` on their own machine may ask for any. A Space is open to everyone,
so it has the checkpoints that ship, and what its owner names in its variables:

    UNET_HF_MODELS=org/a,org/b    these, too, read with the Space's own HF_TOKEN; "*": any other
    UNET_HF_AUTHORS=org,alice     every public checkpoint of these accounts

Who has signed in may use their own, too. UNET_HF_MODEL_MEGABYTES (1000) bounds the weights that
stay in memory, UNET_HF_RESULT_MEGABYTES (3000) the results, see `result_store`.
"""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from unet_hf import UNet, shipped_checkpoints
from unet_hf.addresses import read_hub_name
from unet_hf.errors import CheckpointAccessError, CheckpointNotFoundError, ConfigError

from .model_cache import ModelCache
from .taught import is_taught, taught_folders

LOCAL = "UNET_HF_LOCAL"  # set by `app.py`
LIBRARY = "unet_hf"  # `library_name` of every checkpoint; the Hub makes a tag of it
LISTED = 50  # checkpoints of an author in the list, the most downloaded ones; any can be typed

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Visitor:
    """Somebody who has signed in with Hugging Face."""

    name: str
    token: str = field(repr=False)  # lets us read what they may read, and nothing else


@dataclass(frozen=True)
class Offer:
    """What may be asked for."""

    models: tuple[str, ...] = ()  # "org/name"
    authors: tuple[str, ...] = ()
    anything: bool = False
    public: bool = False  # this is a Space: strangers ask
    local: str = ""  # a folder that whoever started the demo has named

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Offer":
        public = bool(environment.get("SPACE_ID"))
        models = _words(environment.get("UNET_HF_MODELS", "" if public else "*"))
        return cls(
            models=tuple(name for name in models if name != "*"),
            authors=_words(environment.get("UNET_HF_AUTHORS", "")),
            anything="*" in models,
            public=public,
            local=environment.get(LOCAL, ""),
        )

    def check(self, name: str, visitor: Visitor | None = None) -> None:
        """Raises `CheckpointAccessError` if `name` is not to be had by this visitor."""
        name = _repository(name)
        author, slash, _ = name.partition("/")
        if self.anything or not slash or name == self.local:
            return
        if name in self.models or author in self.authors:
            return
        if visitor is not None and author == visitor.name:
            return
        offered = [*shipped_checkpoints(), *self.models, *(f"{who}/..." for who in self.authors)]
        raise CheckpointAccessError(
            f"{name} is not offered here. Offered: {', '.join(offered)}. Duplicate this Space, or "
            "run the demo on your own machine, to use any checkpoint."
        )

    def token(self, name: str) -> bool | None:
        """What to ask the Hub with: with this machine's own token (None) or without one (False).

        A stranger must not read with the Space's token what its owner has not named.
        """
        return False if self.public and _repository(name) not in self.models else None

    def names(self) -> list[str]:
        """The list to choose from; whatever `check` lets pass can be typed, too."""
        names = [*shipped_checkpoints(), *self.models, *find_by_authors(self.authors)]
        names += [self.local] if self.local else []
        return list(dict.fromkeys(names))


def find_by_authors(authors: Sequence[str]) -> list[str]:
    """Public unet_hf checkpoints of these accounts; none while the Hub does not tell."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    api = HfApi(token=False)
    try:
        return [
            model.id
            for author in authors
            for model in api.list_models(
                author=author, filter=LIBRARY, sort="downloads", limit=LISTED
            )
        ]
    except (HTTPError, OSError, ValueError) as error:
        logger.warning("The checkpoints of %s could not be listed: %s", ", ".join(authors), error)
        return []


def load_model(name: str, visitor: Visitor | None = None) -> UNet:
    """A checkpoint by shipped name or Hub id; the last few stay loaded.

    Raises:
        CheckpointError: Also for what is not offered to this visitor.
        ConfigError: Also for local folders: a visitor has no business with the server's.
    """
    name = checked_name(name)
    if is_taught(name):
        folder = taught_folders().folder(name)
        return _loaded().get(name, lambda: UNet.from_pretrained(folder))
    return _reach(name, visitor, partial(_load, name), partial(_load_own, name))


def copy_sample(name: str, folder: Path, visitor: Visitor | None = None) -> Path:
    """The picture a checkpoint brings along, copied to `folder`.

    Raises:
        CheckpointError: It brings none, or as for `load_model`.
    """
    from unet_hf.hub.sample import sample_input

    name = checked_name(name)

    def copy(**hub: object) -> Path:
        return Path(shutil.copy(sample_input(name, **hub), folder))

    def copy_own(visitor: Visitor) -> Path:
        with tempfile.TemporaryDirectory(prefix="unet_hf_visitor_") as cache:
            return copy(token=visitor.token, cache_dir=cache)

    return _reach(name, visitor, lambda token: copy(token=token), copy_own)


def checked_name(name: str) -> str:
    """A shipped name, the name of a taught checkpoint, or a Hub id, "org/name@revision" with a
    revision; of paths only the one that `python app.py --model` was given.

    Raises `ConfigError`.
    """
    name = (name or "").strip()
    if name and name == os.environ.get(LOCAL):
        return name
    found = read_hub_name(name)
    name, folder = str(found), found.folder
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", found.repo_id) or name.startswith("."):
        raise ConfigError(
            f"{name[:200]!r} is not a checkpoint. Pick one from the list or type a Hub id, "
            "'org/name'."
        )
    if folder:
        raise ConfigError(
            f"The address names the folder {folder!r} of {found.repo_id}. Only checkpoints at the "
            f"root of a repository can be opened here: type {found.repo_id!r}."
        )
    if Path(name).is_dir() and name not in shipped_checkpoints():
        raise ConfigError(f"{name!r} is a folder of the server, not a Hub id.")
    return name


def _repository(name: str) -> str:
    """The part of "org/name@revision" that says whose checkpoint it is; a path stays."""
    return read_hub_name(name).repo_id


def _reach(
    name: str,
    visitor: Visitor | None,
    shared: Callable[[bool | None], Result],
    own: Callable[[Visitor], Result],
) -> Result:
    """`shared` is for everybody. What is refused to everybody is asked for with the visitor's own
    token, and `own` must keep it for them alone: in no list and no folder that others are served
    from."""
    offer = Offer.of(os.environ)
    offer.check(name, visitor)
    try:
        return shared(offer.token(name))
    except (CheckpointAccessError, CheckpointNotFoundError):
        if visitor is None:
            raise
    return own(visitor)


def _load(name: str, token: bool | None) -> UNet:
    return _loaded().get((name, token), lambda: UNet.from_pretrained(name, token=token))


def _load_own(name: str, visitor: Visitor) -> UNet:
    def load() -> UNet:
        # The cache of downloads is served to anyone while the Hub is out of reach; hence a
        # folder of its own, which is gone once the model is loaded.
        with tempfile.TemporaryDirectory(prefix="unet_hf_visitor_") as cache:
            return UNet.from_pretrained(name, token=visitor.token, cache_dir=cache)

    return _loaded().get((name, visitor), load)


@cache
def _loaded() -> ModelCache:
    """One for the whole process, whoever asks."""
    return ModelCache(int(float(os.environ.get("UNET_HF_MODEL_MEGABYTES", "1000")) * 2**20))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)
