"""Several processes that share a training are as one that has as large a batch."""

import itertools
import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from train.config import TrainingConfig
from train.crops.crops import CropSampler

from ..conftest import ROOT
from ..support.ports import own_port
from ..support.processes import forked_python
from ..support.survival import LATEST, contents

# Dropout is each process' own; everything else is shared.
SHARED = (
    "--dropout", 0, "--max_train_steps", 6, "--validation_steps", 1, "--checkpointing_steps", 2,
)  # fmt: skip


# What `python -m train` does. One that hangs says where, in all its threads, and ends.
TOGETHER = """
import faulthandler, sys
faulthandler.dump_traceback_later({patience}, exit=True)
{before}
from train.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
TOGETHER_PATIENCE = 200  # seconds; a few are enough unless the machine is very busy


def run_together(arguments: list, status: int, before: str = "") -> list[str]:
    """Output of two processes that share a training, as a launcher starts them.

    status: The exit status that both must have. before: Python that the first one runs before its
    training.
    """
    shared = {
        **os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(own_port()),
    }  # fmt: skip
    with TemporaryFile("w+") as first, TemporaryFile("w+") as second:  # no pipe that may be full
        logs = (first, second)
        processes = [
            subprocess.Popen(
                [
                    *forked_python(), "-c",
                    TOGETHER.format(patience=TOGETHER_PATIENCE, before="" if rank else before),
                    *map(str, arguments),
                ],
                env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            )
            for rank, log in enumerate(logs)
        ]  # fmt: skip
        psutil.wait_procs(processes, timeout=TOGETHER_PATIENCE + 30)
        found = [process.poll() for process in processes]
        for process in processes:
            process.kill()
        outputs = [(log.seek(0), log.read())[1] for log in logs]
    assert found == [status] * 2, "\n\n".join(
        f"---- process {rank}, exit status {found[rank]}\n{outputs[rank]}" for rank in (0, 1)
    )
    return outputs


def losses(output: Path) -> list[float]:
    rows = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows]


# A network that is still wrapped for several processes when their connection ends may end them in
# a deadlock, now and then.
ENDS_UNWRAPPED = """
import gc, torch
from torch.nn.parallel import DistributedDataParallel
destroy = torch.distributed.destroy_process_group
def checked(*arguments):
    assert not any(type(one) is DistributedDataParallel for one in gc.get_objects())
    destroy(*arguments)
    print("the connection has ended")
torch.distributed.destroy_process_group = checked
"""


# One import for all of them: each is forked from a process that has done nothing yet.
ALONE = """
import json, os, sys
import datasets, train.loop
from train.cli.main import main

for arguments in json.load(sys.stdin):
    if (child := os.fork()) == 0:
        os._exit(main(arguments))
    if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(status)
"""


def train_alone(*trainings: list) -> None:
    """One training after the other, each in one process."""
    done = subprocess.run(
        [*forked_python(), "-c", ALONE],
        input=json.dumps([[*map(str, arguments)] for arguments in trainings]),
        env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def alone(command, tmp_path_factory) -> dict[str, Path]:
    """What single processes left: of batch 4, and the same without an adaptive optimiser, whole or
    as two batches of 2 whose gradients are accumulated."""
    folder = tmp_path_factory.mktemp("alone")
    plain = (*SHARED, "--norm", "none", "--optimizer", "sgd", "--learning_rate", 1e-2)
    options = {
        "batch of 4": (*SHARED, "--train_batch_size", 4),
        "whole": (*plain, "--train_batch_size", 4),
        "accumulated": (*plain, "--gradient_accumulation_steps", 2),
    }
    train_alone(*(command(folder / name, *given) for name, given in options.items()))
    return {name: folder / name for name in options}


@pytest.fixture(scope="module")
def together(command, tmp_path_factory) -> Path:
    """What two processes of batch 2 left."""
    output = tmp_path_factory.mktemp("together") / "out"
    said, _ = run_together(command(output, *SHARED), 0, ENDS_UNWRAPPED)
    assert "the connection has ended" in said
    return output


def test_two_processes_train_as_one_with_twice_the_batch(together, alone):
    one = alone["batch of 4"]
    assert len(losses(one)) == 6
    assert losses(together) == pytest.approx(losses(one), rel=1e-4)
    assert [*contents(together)] == [*contents(one)]  # one set of files


@pytest.mark.deep("test_survival.py has one process that goes on, and two train as one")
def test_two_processes_that_were_stopped_go_on_to_the_bit(command, together, tmp_path):
    """One of them is told to stop: both do, and both say where to go on."""
    output = tmp_path / "out"
    stop = "import signal, tests.support.mishaps\ntests.mishaps.signal_itself(3, signal.SIGTERM)"
    for said in run_together(command(output, *SHARED), 130, stop):
        assert "Stopped after step 3. The checkpoint of step 3 is intact" in said
    run_together(command(output, *SHARED, *LATEST), 0)
    files, expected = contents(output), contents(together)
    # Where it was stopped decides which older checkpoints are kept.
    assert {name for name in files if not name.startswith("checkpoint-")} == {
        name for name in expected if not name.startswith("checkpoint-")
    }
    shared = files.keys() & expected.keys()
    assert "checkpoint-6/training.safetensors" in shared
    assert not {name for name in shared if files[name] != expected[name]}


@pytest.mark.deep("two are started as it does: above")
def test_accelerates_launcher_starts_two_processes_that_are_one_training(command, tmp_path):
    output = tmp_path / "out"
    launch = [
        *forked_python(), "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", str(own_port()), "--no_python", *forked_python(), "-m", "train",
        *map(str, command(output, *SHARED)),
    ]  # fmt: skip
    done = subprocess.run(
        launch, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes on cpu" in done.stdout
    assert json.loads((output / "checkpoint-6/training_state.json").read_text())["processes"] == 2


def test_accumulated_gradients_are_those_of_the_whole_batch(alone):
    whole, parts = alone["whole"], alone["accumulated"]
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)
    assert len(set(losses(whole))) > 1
    expected = load_file(whole / "model.safetensors")
    for name, weights in load_file(parts / "model.safetensors").items():
        np.testing.assert_allclose(weights, expected[name], rtol=1e-3, atol=1e-5)


few = st.integers(1, 4)


@given(batch=few, micro_batches=few, processes=few, steps=few, data=st.data())
def test_processes_share_the_crop_numbers_wherever_they_go_on(
    batch, micro_batches, processes, steps, data
):
    config = TrainingConfig(
        dataset_name="d", output_dir="o", train_batch_size=batch, max_train_steps=steps,
        gradient_accumulation_steps=micro_batches,
    )  # fmt: skip
    first = data.draw(st.integers(0, steps))
    drawn = []
    for process in range(processes):
        numbers = CropSampler(config, first, process, processes)
        whole = [*CropSampler(config, 0, process, processes)]
        assert len(numbers) == len([*numbers])
        assert [*numbers] == whole[first * batch * micro_batches :]
        drawn.append([*numbers])
    a_step = batch * micro_batches * processes
    assert sorted(itertools.chain(*drawn)) == [*range(first * a_step, steps * a_step)]
    for step in range(steps - first):  # whatever a step is shared among, its crops are the same
        part = slice(step * batch * micro_batches, (step + 1) * batch * micro_batches)
        start = (first + step) * a_step
        shares = itertools.chain(*(numbers[part] for numbers in drawn))
        assert sorted(shares) == [*range(start, start + a_step)]
