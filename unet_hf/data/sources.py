"""Opens data sets as rows; pictures stay encoded until `row_bytes` reads them.

A data set is a Hub id, an imagefolder, a folder of images and one of masks, parquet files, or a
folder of `save_to_disk`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..addresses import missing_here, read_dataset_name
from ..errors import DatasetError, harmless_cause
from ..files import parse_json
from .film_folders import find_films
from .object_folders import find_object_folders
from .paired_folders import IMAGE_FOLDERS, MASK_FOLDERS, METADATA, find_pairs, looks_paired

if TYPE_CHECKING:
    import datasets  # slow to import, so only where it is used


HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
TOKEN = re.compile(r"hf_\w{8,}")
SHARDS = 64  # shards of a streamed local data set: at most so many worker processes can read it
ACCEPTED = (
    "a Hub data set 'org/name', a folder with metadata.jsonl (file_name, mask_file_name), a folder "
    "with images/ and masks/, films of the Cell Tracking Challenge, .parquet files, or a folder "
    "written by save_to_disk"
)
METADATA_CURE = (
    "Add a metadata.jsonl beside the two folders, a line an image: "
    '{"file_name": "images/1.png", "mask_file_name": "masks/1.png"}'
)


@dataclass(frozen=True)
class Source:
    """The splits of a data set; a cell that is a picture is {"bytes": ..., "path": ...}."""

    splits: dict[str, "datasets.Dataset | datasets.IterableDataset"]
    features: dict[str, Any]  # column -> feature, the same for all splits
    findings: list[str]  # what was inferred, in words
    id2label: dict[str, str] | None  # class names that came with the data
    id2label_origin: str
    mask_encoding: str | None = None  # what the layout says of the masks; None: nothing
    from_hub: bool = False  # its rows may name no file of this machine, see `downloaded`
    divisions: dict[str, float] = field(default_factory=dict)  # of cells, by split, see `link`


def open_source(
    name: str,
    config_name: str | None = None,
    revision: str | None = None,
    *,
    streaming: bool = False,
    token: str | None = None,
) -> Source:
    """Opens all splits of a data set, local or on the Hub.

    Args:
        name: A folder, a .parquet file, or "org/name".
        config_name, revision: Configuration; branch, tag or commit on the Hub.
        streaming: Rows are read as they are needed (`IterableDataset`).
        token: For private data sets; by default that of `hf auth login`.

    Raises:
        DatasetError: It cannot be found, reached or read; the message names the cure.
    """
    name, revision = read_dataset_name(name, revision)
    path, from_hub, divisions = Path(name).expanduser(), False, {}
    if path.exists():
        splits, findings, meaning, divisions = _open_local(path, config_name, streaming)
        id2label, origin = _local_labels(path)
    elif HUB_ID.fullmatch(name) and not name.endswith(".parquet"):
        splits = _load(name, config_name, revision=revision, streaming=streaming, token=token)
        findings, meaning, from_hub = [], None, True
        id2label, origin = _hub_labels(name, revision, token)
    else:
        raise DatasetError(
            f"There is no file or folder {name}. Check the path; accepted are {ACCEPTED}."
        )
    splits = {split: _undecoded(rows, name, token) for split, rows in splits.items()}
    features = _common_features(splits)
    _refuse_folders_as_classes(features, name)
    return Source(splits, features, findings, id2label, origin, meaning, from_hub, divisions)


def hub_commit(name: str, revision: str | None, token: str | None) -> str | None:
    """Asks for the current commit of a Hub data set's revision; None if the Hub does not say.

    None for a converted copy (refs/convert/...), too: its class names are on the main branch,
    which could not be found from the copy's commit.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    if (revision or "").startswith("refs/convert"):
        return None
    try:
        return HfApi(token=token).dataset_info(name, revision=revision).sha
    except (HTTPError, OSError, ValueError):
        return None  # `open_source` reports what is wrong


def row_bytes(value: Any, *, token: str | None = None) -> tuple[bytes | None, str]:
    """Reads the encoded file in a cell; returns it and its name without folder and suffix.

    value: {"bytes", "path"}, bytes, or a path, local or remote (hf://, https://, zip://...::...).
    An empty cell gives (None, ""). Raises `DatasetError` if the file cannot be opened.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), ""
    content, path = (
        (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, value)
    )
    if path is not None and not isinstance(path, (str, Path)):
        raise DatasetError(f"A cell holds a {type(path).__name__}; an image file is expected.")
    # zip://inner.png::hf://datasets/... : the file is the part before "::".
    name = "" if not path else PurePosixPath(str(path).split("::")[0].replace("\\", "/")).stem
    if content is not None or not path:
        return content, name
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for, for ever
        raise DatasetError(f"{path} is no regular file. Save the image as a file.")
    from datasets import DownloadConfig
    from datasets.utils.file_utils import xopen

    try:
        with xopen(str(path), "rb", download_config=DownloadConfig(token=token)) as file:
            return file.read(), name
    except Exception as error:  # errors of any file system
        reason = _without_tokens(error, token) or type(error).__name__
        raise DatasetError(
            f"The file {_without_tokens(path, token)} of the data set cannot be opened ({reason}). "
            "Check that it exists and that the network is there."
        ) from _cause(error, token)


def _open_local(
    path: Path, config_name: str | None, streaming: bool
) -> tuple[dict[str, Any], list[str], str | None, dict[str, float]]:
    """Splits, what was inferred, `Source.mask_encoding` and `Source.divisions`."""
    meaning, divisions = None, {}
    if path.is_file():
        if path.suffix != ".parquet":
            raise DatasetError(f"{path} is no data set that can be read. Accepted are {ACCEPTED}.")
        files = {"train": str(path)}
        splits = _load("parquet", data_files=files, streaming=streaming, shown=str(path))
        return splits, [f"{path.name} is the split train"], meaning, divisions
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        splits, findings = _from_disk(path), ["a folder written by save_to_disk"]
    elif not _holds(path, "*.parquet", *METADATA) and (by_image := find_object_folders(path)):
        splits, findings = by_image
    elif not _holds(path, "*.parquet", *METADATA) and (films := find_films(path)):
        splits, findings, divisions = films
        meaning = "instances"
    elif not _holds(path, "*.parquet", *METADATA) and (
        looks_paired(path) or not _holds(path, "*.zip", "*.tar", "*.tar.gz", "*.arrow")
    ):
        splits, findings = find_pairs(path)
    else:
        # Parquet files are streamed directly; other files are listed first, which is quick.
        parquet = streaming and not _holds(path, *METADATA)
        splits = _load(str(path), config_name, streaming=parquet)
        findings = []
        if parquet:
            return splits, findings, meaning, divisions
    if streaming:
        splits = {
            split: rows.to_iterable_dataset(num_shards=max(1, min(SHARDS, len(rows))))
            for split, rows in splits.items()
        }
    return splits, findings, meaning, divisions


def _holds(folder: Path, *patterns: str) -> bool:
    return any(True for pattern in patterns for _ in folder.rglob(pattern))


def _from_disk(path: Path) -> dict[str, Any]:
    import datasets

    found = _guarded(lambda: datasets.load_from_disk(str(path)), str(path), None)
    return dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}


def _load(
    name: str, config_name: str | None = None, *, shown: str | None = None, **kwargs: Any
) -> dict[str, Any]:
    import datasets

    load = datasets.load_dataset
    return dict(
        _guarded(lambda: load(name, config_name, **kwargs), shown or name, kwargs.get("token"))
    )


def _guarded(load: Callable[[], Any], name: str, token: str | None) -> Any:
    """Calls a loader; any error becomes a `DatasetError` with a cure."""
    try:
        return load()
    except Exception as error:
        reason = _without_tokens(error, token).strip() or type(error).__name__
        cure = _cure(error, reason)
        # Some messages are pages long; after a failed conversion the cause says more.
        inner = _without_tokens(error.__cause__, token).strip() if error.__cause__ else ""
        if inner and type(error).__name__.startswith("DatasetGeneration"):
            reason = f"{reason.splitlines()[0]}: {inner}"
        reason = re.sub(r"\s+", " ", reason)[:600].rstrip(" .")
        cause = _cause(error, token)
    hint = missing_here(name)
    cure = f"{cure} {hint}" if hint else cure
    raise DatasetError(f"The data set {name!r} cannot be loaded: {reason}. {cure}") from cause


def _cure(error: Exception, reason: str) -> str:
    known = (
        (
            "scripts are no longer supported",
            "It is a program that has to be run. The Hub keeps a converted copy of most: "
            "--dataset_revision refs/convert/parquet.",
        ),
        (
            "gated dataset",
            "Ask for access on its page on the Hub, then log in with `hf auth login`.",
        ),
        (
            "Config name is missing",
            "Name one of these configurations with --dataset_config_name.",
        ),
        ("BuilderConfig", "Name one of these configurations with --dataset_config_name."),
        (
            "Revision",
            "Check --dataset_revision: a branch, a tag or a commit of the data set.",
        ),
        (
            "OfflineMode",
            "The offline mode is on (HF_HUB_OFFLINE), and the data is not in the cache: switch it "
            "off, or give a local folder.",
        ),
        ("Unknown split", "Name a split that exists with --train_split."),
    )
    for sign, cure in known:
        if sign.lower() in reason.lower():
            return cure
    if "DatasetNotFound" in type(error).__name__:
        return (
            "Check the spelling; if it is private, log in with `hf auth login`. There is no local "
            "folder of this name, either."
        )
    if isinstance(error, (ConnectionError, TimeoutError)):
        return "Check the network and try again, or give a local folder."
    if "DataFilesNotFound" in type(error).__name__:
        return f"Accepted are {ACCEPTED}."
    return f"Repair the data set, or give another; accepted are {ACCEPTED}."


def _without_tokens(text: object, token: str | None) -> str:
    text = str(text).replace(token, "***") if token else str(text)
    return TOKEN.sub("hf_***", text)


def _cause(error: Exception, token: str | None) -> Exception | None:
    """Returns the error as a cause, None if its message or request would show a token."""
    return harmless_cause(error) if _without_tokens(error, token) == str(error) else None


def _undecoded(rows: Any, name: str, token: str | None) -> Any:
    """Keeps image columns, also in lists and structs, as encoded files."""
    import datasets

    if isinstance(rows, datasets.IterableDataset):
        if rows.features is None:  # inferred from the first rows
            rows = _guarded(rows._resolve_features, name, token)
        # Not a cast: threads decode a stream from the Hub ahead of the cast.
        return rows.decode(False)
    wanted = {name: _undecoded_feature(feature) for name, feature in rows.features.items()}
    changed = {name: new for name, new in wanted.items() if new != rows.features[name]}
    if any(not isinstance(feature, datasets.Image) for feature in changed.values()):
        return rows.cast(datasets.Features(wanted))
    for column, feature in changed.items():
        rows = rows.cast_column(column, feature)  # changes only the schema, no data
    return rows


def _undecoded_feature(feature: Any) -> Any:
    import datasets

    if isinstance(feature, datasets.Image):
        return datasets.Image(decode=False)
    if isinstance(feature, datasets.List):
        return datasets.List(_undecoded_feature(feature.feature), length=feature.length)
    if isinstance(feature, datasets.LargeList):
        return datasets.LargeList(_undecoded_feature(feature.feature))
    if isinstance(feature, dict):
        return {name: _undecoded_feature(inner) for name, inner in feature.items()}
    return feature


def _common_features(splits: dict[str, Any]) -> dict[str, Any]:
    (first, rows), *others = splits.items()
    for split, other in others:
        if dict(other.features) != dict(rows.features):
            differ = [
                name
                for name in {**rows.features, **other.features}
                if rows.features.get(name) != other.features.get(name)
            ]
            raise DatasetError(
                f"The splits {first} and {split} differ in the columns {', '.join(differ)}. Give "
                "all splits the same columns."
            )
    return dict(rows.features)


def _refuse_folders_as_classes(features: dict[str, Any], name: str) -> None:
    """Refuses images/ and masks/ that were loaded as pictures of two classes "images", "masks"."""
    names = getattr(features.get("label"), "names", None)
    folders = {folder.lower() for folder in names or ()}
    if folders & MASK_FOLDERS and folders <= MASK_FOLDERS | IMAGE_FOLDERS:
        raise DatasetError(
            f"{name} has the folders {', '.join(names)} and no metadata: images and masks would "
            f"be read as two classes of pictures. {METADATA_CURE}, or download it and give the "
            "folder, where they are paired by name."
        )


def _local_labels(path: Path) -> tuple[dict[str, str] | None, str]:
    file = (path if path.is_dir() else path.parent) / "id2label.json"
    if not file.is_file():
        return None, ""
    return parse_labels(file.read_bytes(), f"{file}"), "from its id2label.json"


def _hub_labels(
    name: str, revision: str | None, token: str | None
) -> tuple[dict[str, str] | None, str]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    # A converted copy of the data holds only parquet files.
    branches = [revision, None] if (revision or "").startswith("refs/convert") else [revision]
    for branch in branches:
        try:
            file = hf_hub_download(
                name, "id2label.json", repo_type="dataset", revision=branch, token=token
            )
        except (EntryNotFoundError, HfHubHTTPError, OSError):
            continue  # class names are optional
        labels = parse_labels(Path(file).read_bytes(), f"id2label.json of {name}")
        return labels, "from its id2label.json"
    return None, ""


def parse_labels(text: str | bytes, where: str) -> dict[str, str]:
    """Class names by id, or a list of them, as JSON. Raises `DatasetError`."""
    try:
        labels = parse_json(text)
        if isinstance(labels, list):
            labels = dict(enumerate(labels))
        return {str(int(key)): str(name) for key, name in labels.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f'{where} is not a mapping like {{"0": "background", "1": "cell"}}: {error}.'
        ) from error
