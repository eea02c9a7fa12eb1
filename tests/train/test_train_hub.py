"""From a data set on the Hub to a checkpoint on the Hub, by the command line alone."""

import hashlib
import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pytest

from ..conftest import ROOT
from ..loopback.hub import Files, Hub, client_environment, running_hub
from ..support.processes import forked_python
from ..support.tiny_training import write_dataset

TOKEN = "hf_the_secret_of_alice"
READER = "hf_the_secret_of_bob"
SMALL = ("--max_train_steps", "4", "--base_channels", "4", "--depth", "2", "--resolution", "32")


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub({TOKEN: "alice", READER: "bob"}) as hub:
        yield hub


@pytest.fixture(scope="module")
def cells(hub, tmp_path_factory) -> str:
    folder = write_dataset(
        tmp_path_factory.mktemp("cells"),
        {"train": 3, "validation": 1},
        labels={"0": "membrane", "1": "cell"},
    )
    files: Files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    hub.plant("alice/cells", files, kind="datasets", private=True)
    return "alice/cells"


def run(
    hub: Hub,
    home: Path,
    *arguments: object,
    token: str | None = TOKEN,
    module: str = "train",
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*forked_python(), "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=client_environment(hub, home, token),
        capture_output=True,
        text=True,
    )


def test_a_private_data_set_becomes_a_pushed_checkpoint_that_loads_to_the_evaluated_bytes(
    hub, cells, tmp_path
):
    done = run(
        hub, tmp_path, "--dataset_name", cells, "--output_dir", tmp_path / "unet-cells", *SMALL,
        "--push_to_hub", "--hub_private_repo", "--report_to", "tensorboard",
    )  # fmt: skip
    if "pip install tensorboard" in done.stderr:  # refused before anything was done, and said
        assert not (tmp_path / "unet-cells").exists()
        done = run(
            hub, tmp_path, "--dataset_name", cells, "--output_dir", tmp_path / "unet-cells",
            *SMALL, "--push_to_hub", "--hub_private_repo",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "membrane, cell (from" in done.stdout

    repo = hub.repos["models", "alice/unet-cells"]
    assert repo.private
    assert len(repo.commits) == 2  # the empty one, and all files at once
    _, files = repo.at("main")
    assert set(files) == {
        "config.json", "model.safetensors", "README.md", "thumbnail.png", "evaluation.json",
        "reliability.png", "training.json", "metrics.jsonl", "speed.json", "sample/expected.json",
        "sample/input.png", "sample/object_maps.tif", "sample/probabilities.tif",
    }  # fmt: skip
    local = (tmp_path / "unet-cells" / "model.safetensors").read_bytes()
    assert hashlib.sha256(files["model.safetensors"]).digest() == hashlib.sha256(local).digest()
    assert "datasets:\n- alice/cells" in files["README.md"].decode()

    # Everything that was written or said, but never the token.
    written = [*files.values(), done.stdout.encode(), done.stderr.encode()]
    written += [p.read_bytes() for p in (tmp_path / "unet-cells").rglob("*") if p.is_file()]
    assert not any(TOKEN.encode() in content for content in written)

    made_with = json.loads(files["training.json"])["made_with"]
    data = hub.repos["datasets", "alice/cells"]
    assert made_with["data"]["revision"] == data.branches["main"]
    assert made_with["packages"]["torch"]
    assert json.loads(files["evaluation.json"])["dataset"]["revision"] == data.branches["main"]
    assert f"--dataset_revision {data.branches['main']}" in files["README.md"].decode()

    elsewhere = tmp_path / "another"
    for command, words in (
        (("verify", "alice/unet-cells"), "alice/unet-cells: verified"),
        (("info", "alice/unet-cells"), "0 membrane, 1 cell"),
        (("evaluate", "--model", "alice/unet-cells"), "1 image of alice/cells (validation)"),
    ):
        done = run(hub, elsewhere, *command, module="unet_hf")
        assert done.returncode == 0, done.stdout + done.stderr
        assert words in done.stdout
        assert TOKEN not in done.stdout + done.stderr


@pytest.mark.deep("test_evaluate_command.py updates a card")
def test_scores_measured_anew_are_pushed_beside_the_weights(hub, cells, tmp_path):
    training = ("--dataset_name", cells, *SMALL, "--measure_speed", "no", "--push_to_hub")
    done = run(hub, tmp_path, "--output_dir", tmp_path / "unet-again", *training)
    assert done.returncode == 0, done.stderr
    before = hub.repos["models", "alice/unet-again"].at("main")[1]
    done = run(
        hub, tmp_path / "another", "evaluate", "--model", "alice/unet-again",
        "--dataset_name", cells, "--split", "train", "--update_card", module="unet_hf",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = hub.repos["models", "alice/unet-again"].at("main")[1]
    assert "**The checkpoint was trained on these images**" in after["README.md"].decode()
    assert "## Speed and memory" in after["README.md"].decode()
    assert {name for name in after if after[name] != before.get(name)} == {
        "README.md", "evaluation.json", "reliability.png", "speed.json",
    }  # fmt: skip


def test_a_fine_tuned_checkpoint_names_its_base_on_a_branch_of_its_own(hub, cells, tmp_path):
    base = ("--dataset_name", cells, *SMALL, "--measure_speed", "no", "--push_to_hub")
    done = run(hub, tmp_path, "--output_dir", tmp_path / "unet-base", *base, "--license", "mit")
    assert done.returncode == 0, done.stderr
    done = run(
        hub, tmp_path, "--output_dir", tmp_path / "unet-tuned", *base, "--hub_branch", "tuned",
        "--hub_tag", "v1", "--pretrained_model_name_or_path", "alice/unet-base",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    repo = hub.repos["models", "alice/unet-tuned"]
    assert not repo.at("main")[1]
    card = repo.at("tuned")[1]["README.md"].decode()
    assert "base_model: alice/unet-base" in card
    assert "whose licence is mit" in card
    assert repo.tags == {"v1": repo.branches["tuned"]}
    verified = run(
        hub, tmp_path, "verify", "alice/unet-tuned", "--revision", "v1", module="unet_hf"
    )
    assert verified.returncode == 0, verified.stdout


def test_streaming_trains_on_the_same_labels(hub, cells, tmp_path):
    done = run(
        hub, tmp_path, "--dataset_name", cells, "--output_dir", tmp_path / "out", *SMALL,
        "--train_batch_size", 1, "--streaming", "--measure_speed", "no", "--hub_token", TOKEN,
        token=None,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train: a stream, its first 3 images looked at" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4
    assert TOKEN not in done.stdout + done.stderr
    assert TOKEN not in (tmp_path / "out/training.json").read_text()


PUSH_DATASET = """
import sys
import PIL.Image
from datasets import Dataset, DatasetDict, Features, Image
import numpy
from demo.synthetic import fluorescence_nuclei

def rows(count, seed):
    drawings = [fluorescence_nuclei(96, 9 + 4 * n, seed=seed + n) for n in range(count)]
    return Dataset.from_dict(
        {"image": [PIL.Image.fromarray(drawing.image) for drawing in drawings],
         "label": [PIL.Image.fromarray(d.instances.astype(numpy.uint16)) for d in drawings]},
        features=Features({"image": Image(), "label": Image()}),
    )

data = DatasetDict({"train": rows(3, 0), "validation": rows(1, 9)})
data.push_to_hub("alice/pushed", num_shards={"train": 2, "validation": 1})
"""


@pytest.fixture(scope="module")
def pushed(hub, tmp_path_factory) -> str:
    """A data set that `Dataset.push_to_hub` made; its masks of 16 bits number objects."""
    environment = client_environment(hub, tmp_path_factory.mktemp("pusher"), TOKEN)
    done = subprocess.run(
        [*forked_python(), "-c", PUSH_DATASET], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return "alice/pushed"


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(
            ("--folds", 2), id="folds", marks=pytest.mark.deep("test_folds.py; a push is above")
        ),
        pytest.param(
            ("--streaming",), id="streaming", marks=pytest.mark.deep("a stream trains: above")
        ),
    ],
)
def test_what_dataset_push_to_hub_made_trains_a_checkpoint_that_verifies(
    hub, pushed, way, tmp_path
):
    name = "unet-" + way[0].strip("-")
    done = run(
        hub, tmp_path, "--dataset_name", pushed, "--output_dir", tmp_path / name, *SMALL, *way,
        "--train_batch_size", 1, "--push_to_hub", "--measure_speed", "no",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"objects +ids of the masks, \d\d in (the )?[234] images", done.stdout)
    pushed_to = [key for key in hub.repos if key[1].startswith(f"alice/{name}")]
    assert pushed_to == [("models", f"alice/{name}")]  # of a cross-validation the last network
    commits = hub.repos["models", f"alice/{name}"].commits
    assert len(commits) == 2  # the empty one, and all files at once
    files = hub.repos["models", f"alice/{name}"].at("main")[1]
    assert not any(file.startswith("folds/") for file in files)
    scores = json.loads(files["evaluation.json"])
    assert scores.get("folds", {}).get("count") == (2 if "--folds" in way else None)
    assert len(scores["images"]) == (4 if "--folds" in way else 1)
    recorded = json.loads(files["training.json"])["made_with"]["data"]
    assert recorded["name"] == pushed
    assert recorded["revision"] == hub.repos["datasets", pushed].branches["main"]
    verified = run(hub, tmp_path / "other", "verify", f"alice/{name}", module="unet_hf")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("token", "options", "words"),
    [
        (None, (), "hf auth login"),
        pytest.param("hf_wrong", (), "hf auth login", marks=pytest.mark.deep("as without a token")),
        (READER, ("--hub_model_id", "alice/mine"), "bob may write to bob"),
    ],
)
def test_who_may_not_push_learns_it_before_the_training(hub, tmp_path, token, options, words):
    folder = write_dataset(tmp_path / "data", {"train": 2})
    done = run(
        hub, tmp_path, "--dataset_name", folder, "--output_dir", tmp_path / "out", *SMALL,
        "--push_to_hub", *options, token=token,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: --push_to_hub")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert "mine" not in str(hub.repos.keys())


def test_rows_of_the_hub_open_no_file_of_this_machine(hub, tmp_path):
    private, file, table = tmp_path / "private.png", io.BytesIO(), io.BytesIO()
    PIL.Image.new("L", (96, 96)).save(private)
    PIL.Image.fromarray(np.eye(96, dtype=np.uint8)).save(file, "PNG")
    stored, named = (
        {"bytes": file.getvalue(), "path": None},
        {"bytes": None, "path": str(private)},
    )
    columns = {"image": [stored, named, stored], "mask": [stored, stored, named]}
    features = datasets.Features({name: datasets.Image() for name in columns})
    datasets.Dataset.from_dict(columns, features=features).to_parquet(table)
    hub.plant("bob/hostile", {"train.parquet": table.getvalue()}, kind="datasets")
    done = run(hub, tmp_path, "check", "--dataset_name", "bob/hostile")
    assert done.returncode == 1
    assert "no part of the data set of the Hub: 2 of 3 rows" in done.stdout + done.stderr


def test_a_missing_data_set_ends_with_a_sentence(hub, tmp_path):
    done = run(hub, tmp_path, "--dataset_name", "alice/nothing", "--output_dir", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "alice/nothing" in done.stderr
    assert "Traceback" not in done.stderr
