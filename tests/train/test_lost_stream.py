"""A training whose data are a stream from the Hub goes on after a lost connection."""

import io
import json
import re
import subprocess
from collections.abc import Iterator

import datasets
import pytest

from ..loopback.hub import Hub, client_environment, running_hub
from ..support.processes import forked_python
from ..support.survival import LATEST, assert_checkpoints_load, assert_same

CLIENT = """
import json, os, sys, time
import datasets, train.loop, torch._dynamo
from train.cli.main import main

# The client's patience is of many minutes.
time.sleep = lambda seconds: None
datasets.config.STREAMING_READ_MAX_RETRIES = 1
for line in sys.stdin:
    arguments, log = json.loads(line)
    if (child := os.fork()) == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1), os.dup2(descriptor, 2)
        os._exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def hub(nuclei) -> Iterator[Hub]:
    """With alice/nuclei in three shards of a stream."""
    rows: dict[str, datasets.Dataset] = {
        split: datasets.Dataset.from_dict(
            {
                column: [
                    {"bytes": path.read_bytes(), "path": path.name}
                    for path in sorted((nuclei / split / folder).glob("*.png"))
                ]
                for column, folder in (("image", "images"), ("mask", "masks"))
            },
            features=datasets.Features({"image": datasets.Image(), "mask": datasets.Image()}),
        )
        for split in ("train", "validation")
    }
    files = {}
    for split, count in (("train", 3), ("validation", 1)):
        for index in range(count):
            buffer = io.BytesIO()
            rows[split].shard(count, index).to_parquet(buffer)
            files[f"data/{split}-{index:05d}-of-{count:05d}.parquet"] = buffer.getvalue()
    with running_hub({}) as hub:
        hub.plant("alice/nuclei", files, kind="datasets")
        yield hub


@pytest.mark.deep("test_hub_datasets.py loses connections, test_survival.py goes on with streams")
def test_a_stream_whose_connection_is_lost_can_go_on(hub, command, tmp_path):
    client = subprocess.Popen(
        [*forked_python(), "-c", CLIENT],
        env=client_environment(hub, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(name: str) -> tuple[int, str]:
        arguments = [
            *command(tmp_path / name, *LATEST), "--dataset_name", "alice/nuclei", "--streaming",
            "--shuffle_buffer_size", 2, "--dataloader_num_workers", 1, "--max_train_steps", 30,
            "--validation_steps", 10, "--checkpointing_steps", 2,
        ]  # fmt: skip
        log = tmp_path / f"{name}.txt"
        client.stdin.write(json.dumps([[*map(str, arguments)], str(log)]) + "\n")
        client.stdin.flush()
        return int(client.stdout.readline()), log.read_text()

    with client:
        status, said = run("whole")
        assert status == 0, said
        requests = len(hub.requests)
        hub.requests.clear()
        noticed = hub.drop_after(n_requests=requests * 4 // 5)
        status, said = run("lost")
        assert (status, noticed.is_set()) == (1, True), said
        assert "Traceback" not in said
        assert re.search(r"error: Step \d+: the connection to the Hub was lost \(\w", said)
        steps = assert_checkpoints_load(tmp_path / "lost")
        assert f"The checkpoint of step {max(steps)} is intact" in said
        hub.restore()
        status, said = run("lost")
        assert status == 0, said
        client.stdin.close()
    assert_same(tmp_path / "lost", tmp_path / "whole")
