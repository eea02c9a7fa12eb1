"""A training survives: whatever ends it, what is resumed becomes what would have become of it."""

import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import datasets
import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from train.checkpoints import find_checkpoints, read_progress
from train.config import TrainingConfig
from train.crops.crops import CropSampler
from unet_hf import UNet
from unet_hf.errors import CheckpointError

from .conftest import ROOT
from .hub import Hub, client_environment, running_hub
from .ports import own_port
from .processes import forked_python
from .survival import (
    END,
    START,
    Run,
    Trainings,
    assert_checkpoints_load,
    assert_same,
    contents,
    file_size_limit,
    kill_workers,
    killed_when,
    loss_goes_wrong,
    network_raises,
    nine_steps_fit,
    signal_itself,
    signal_to_all,
    survivors,
    workers_from_a_server,
    write_nuclei,
)

SMALL = (
    "--base_channels", 4, "--depth", 2, "--resolution", 32, "--train_batch_size", 2,
    "--max_validation_images", 1, "--dataloader_num_workers", 0, "--mixed_precision", "no",
    "--measure_speed", "no",
)  # fmt: skip
LATEST = ("--resume_from_checkpoint", "latest")
DEEP = pytest.mark.deep("the same at another moment, in another order or place")

Options = tuple[object, ...]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory) -> Iterator[Trainings]:
    with Trainings(tmp_path_factory.mktemp("trainings")) as trainings:
        yield trainings


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory) -> Path:
    return write_nuclei(tmp_path_factory.mktemp("nuclei"))


@pytest.fixture(scope="module")
def command(nuclei) -> Callable[..., list]:
    return lambda output, *options: [
        "--dataset_name", nuclei, "--output_dir", output, *SMALL, *options
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(trainings, command, tmp_path_factory) -> Callable[..., tuple[Path, Run]]:
    """Options -> output folder and run of a training that nothing befell; each once."""
    done: dict[Options, tuple[Path, Run]] = {}

    def get(*options: object) -> tuple[Path, Run]:
        if options not in done:
            output = tmp_path_factory.mktemp("uninterrupted") / "out"
            run = trainings.run(command(output, *options))
            assert run.status == 0, run.output
            done[options] = output, run
        return done[options]

    return get


# ------------------------------------------------------------------ killed at random

TRAJECTORIES = {
    "adamw": ("--dataloader_num_workers", 1),
    "bf16": ("--mixed_precision", "bf16", "--dropout", 0.3, "--dataloader_num_workers", 1),
    "sgd": ("--optimizer", "sgd", "--use_ema", False, "--learning_rate", 1e-2),
    "streaming": ("--streaming", "--shuffle_buffer_size", 3, "--dataloader_num_workers", 1),
}


def test_a_training_killed_again_and_again_ends_as_if_nothing_had_been(
    trainings, command, uninterrupted, tmp_path, sample
):
    """Four trainings and twenty kills, or one and two. Their moments are random in the time that
    is left, from the first import to the last file, and given as so long after the beginning of a
    step: a busy machine moves both."""

    kills, trajectories = sample(2, 5), sample(["bf16"], [*TRAJECTORIES])

    def kill_and_resume(name: str) -> list[int]:
        options = (
            "--max_train_steps", 40, "--validation_steps", 10, "--checkpointing_steps", 3,
            *TRAJECTORIES[name],
        )  # fmt: skip
        expected, run = uninterrupted(*options)
        lengths = run.lengths()  # of the start and the steps: the shortest so far
        random = np.random.default_rng([*TRAJECTORIES].index(name))
        output, groups, last = tmp_path / name, [], START
        for _ in range(kills * 5):
            if len(groups) == kills:
                break
            left = [START, *(mark for mark in lengths if mark > last)]
            share = np.array([lengths[mark] for mark in left])
            mark = random.choice(left, p=share / share.sum())
            training = trainings.start(command(output, *options, *LATEST))
            killed = training.killed_after(mark, random.uniform(0, lengths[mark]))
            lengths |= {m: min(lengths[m], new) for m, new in killed.lengths().items()}
            if steps := assert_checkpoints_load(output):
                last = max(steps)
            if killed.status != 0:  # or it was faster than ever
                assert killed.status == -signal.SIGKILL, killed.output
                groups.append(killed.group)
        assert len(groups) == kills
        resumed = trainings.run(command(output, *options, *LATEST))
        assert resumed.status == 0, resumed.output
        assert_same(output, expected)
        return groups

    with ThreadPoolExecutor(len(trajectories)) as pool:
        groups = [*itertools.chain(*pool.map(kill_and_resume, trajectories))]
    assert survivors(groups) == []


def test_workers_end_with_a_killed_training_whoever_started_them(trainings, command, tmp_path):
    """Python 3.14 starts them from a server process, which outlives the training."""
    options = ("--max_train_steps", 10**6, "--dataloader_num_workers", 1)
    killed = trainings.start(
        command(tmp_path / "out", *options), workers_from_a_server
    ).killed_after(1, 0)
    assert killed.status == -signal.SIGKILL, killed.output
    assert survivors([killed.group]) == []


# ------------------------------------------------------------------ killed while writing

NINE_STEPS = ("--max_train_steps", 9, "--validation_steps", 3, "--checkpointing_steps", 3)
MOMENTS = {
    "half of the optimiser's state is written": ("write", "training.safetensors", 2),
    "half of the best weights are written": ("write", "*.safetensors", 2),
    "a checkpoint is written and not yet named": ("replace", "* -> out/checkpoint-6"),
    "an old checkpoint is to be deleted": ("replace", "out/checkpoint-3 -> *"),
    "an old checkpoint is half deleted": ("rmtree", "training_state.json"),
    "the best one is to be replaced": ("replace", "out/best -> *"),
    "the best one is between the old and the new": ("replace", "* -> out/best", 2),
    "metrics are to be replaced": ("replace", "* -> out/metrics.jsonl", 3),
    "the first result is to be moved": ("replace", ".unfinished-*/* -> out/*"),
    "the configuration is to be moved": ("replace", ".unfinished-*/* -> out/config.json"),
}


# The others are moments of the same three kinds: in a file, between two files, between two names.
USUAL = (
    "half of the optimiser's state is written",
    "an old checkpoint is half deleted",
    "the best one is between the old and the new",
    "the first result is to be moved",
)


@pytest.mark.parametrize(
    "moment", [one if one in USUAL else pytest.param(one, marks=DEEP) for one in MOMENTS]
)
def test_killed_while_it_writes(moment, trainings, command, uninterrupted, tmp_path):
    expected, _ = uninterrupted(*NINE_STEPS)
    output = tmp_path / "out"
    killed = trainings.run(command(output, *NINE_STEPS), partial(killed_when, *MOMENTS[moment]))
    assert killed.status == -signal.SIGKILL, killed.output
    assert_checkpoints_load(output)
    with pytest.raises(CheckpointError):
        UNet.from_pretrained(output)  # no mixture of two models loads

    resumed = trainings.run(command(output, *NINE_STEPS, *LATEST))
    assert resumed.status == 0, resumed.output
    assert_same(output, expected)


def test_killed_while_it_resumes(trainings, command, uninterrupted, tmp_path):
    """The best checkpoint so far is put back first: it must not be lost on the way."""
    expected, _ = uninterrupted(*NINE_STEPS)
    output = tmp_path / "out"
    arguments = command(output, *NINE_STEPS)
    for moment in (("write", "training.safetensors", 3), ("replace", "* -> out/best")):
        killed = trainings.run([*arguments, *LATEST], partial(killed_when, *moment))
        assert killed.status == -signal.SIGKILL, killed.output
    assert trainings.run([*arguments, *LATEST]).status == 0
    assert_same(output, expected)


def test_a_training_fitted_to_a_time_budget_is_the_one_of_these_steps_however_often_killed(
    trainings, command, uninterrupted, tmp_path
):
    """The trial steps leave no trace, and what is resumed measures nothing again."""
    expected, _ = uninterrupted(*NINE_STEPS)
    output = tmp_path / "out"
    arguments = command(output, "--time_budget", "15m", "--dataloader_num_workers", 1, *LATEST)
    for step in (4, 7):  # one before a checkpoint could be written would be the first
        kill = partial(signal_itself, step, signal.SIGKILL)
        killed = trainings.run(arguments, partial(nine_steps_fit, kill))
        assert killed.status == -signal.SIGKILL, killed.output
    done = trainings.run(arguments)
    assert done.status == 0, done.output
    assert_same(output, expected)
    written = json.loads((output / "training.json").read_text())
    assert (written["fitted_to"], written["max_train_steps"]) == ("15m", 9)
    card = (output / "README.md").read_text()
    assert "9 steps, fitted to a time budget of 15m, of 2 crops" in card
    again = written["made_with"]["command"]
    assert "--max_train_steps 9" in again
    assert "15m" not in again
    other = trainings.run(command(output, "--time_budget", "20m", *LATEST))
    assert other.status == 2
    assert "were fitted to 15m already. --max_train_steps makes" in other.output


# ------------------------------------------------------------------ asked to stop


@pytest.mark.parametrize(
    ("number", "how"),
    [
        pytest.param(signal.SIGINT, signal_itself, id="SIGINT-signal_itself", marks=DEEP),
        pytest.param(signal.SIGINT, signal_to_all, id="SIGINT-signal_to_all"),
        pytest.param(signal.SIGTERM, signal_itself, id="SIGTERM-signal_itself"),
        pytest.param(signal.SIGTERM, signal_to_all, id="SIGTERM-signal_to_all", marks=DEEP),
    ],
)
def test_a_stopped_training_leaves_the_step_it_is_at(
    number, how, trainings, command, uninterrupted, tmp_path
):
    options = (*NINE_STEPS, "--dataloader_num_workers", 1)
    expected, _ = uninterrupted(*options)
    output = tmp_path / "out"
    stopped = trainings.run(command(output, *options), partial(how, 5, number))
    assert stopped.status == 130
    assert "Stopped after step 5. The checkpoint of step 5 is intact" in stopped.error
    assert assert_checkpoints_load(output) == [3, 5]
    assert trainings.run(command(output, *options, *LATEST)).status == 0
    assert_same(output, expected)


def test_a_second_ctrl_c_ends_a_training_at_once(trainings, command, uninterrupted, tmp_path):
    expected, _ = uninterrupted(*NINE_STEPS)
    output = tmp_path / "out"
    twice = partial(signal_itself, 5, signal.SIGINT, signal.SIGINT)
    stopped = trainings.run(command(output, *NINE_STEPS), twice)
    assert stopped.status == 130
    assert "Stopped during step 5. The checkpoint of step 3 is intact" in stopped.error
    assert trainings.run(command(output, *NINE_STEPS, *LATEST)).status == 0
    assert_same(output, expected)


def test_a_stream_is_not_gone_on_with_in_another_order(trainings, command, uninterrupted, tmp_path):
    """`datasets` shuffles a stream otherwise in a worker than in the training itself."""
    options = (*NINE_STEPS, "--streaming", "--shuffle_buffer_size", 3)
    finished, _ = uninterrupted(*options)
    output = shutil.copytree(finished, tmp_path / "out")
    refused = trainings.run(command(output, *options, *LATEST, "--dataloader_num_workers", 1))
    assert refused.status == 1
    assert "--dataloader_num_workers 0 -> 1" in refused.error


@pytest.mark.parametrize("workers", [pytest.param(0, marks=DEEP), 1])
def test_a_stream_goes_on_in_the_middle_of_its_second_epoch(
    workers, trainings, command, uninterrupted, tmp_path
):
    """Seven images, of which the next is drawn among three; crops 8 and 9 are step 5's."""
    options = (
        *NINE_STEPS, "--streaming", "--shuffle_buffer_size", 3, "--checkpoints_total_limit", 1,
        "--dataloader_num_workers", workers,
    )  # fmt: skip
    expected, _ = uninterrupted(*options)
    output = tmp_path / "out"
    for step, place in ((5, [1, 3]), (8, [2, 2])):  # epoch and row of the next crop
        before = partial(signal_itself, step, signal.SIGTERM)
        stopped = trainings.run(command(output, *options, *LATEST), before)
        assert f"Stopped after step {step}." in stopped.error
        assert read_progress(output / f"checkpoint-{step}").place == place
    assert trainings.run(command(output, *options, *LATEST)).status == 0
    assert_same(output, expected)


# For trainings that are stopped at a step nobody knows before: they may end anywhere.
ENDLESS = (
    "--lr_scheduler", "constant", "--lr_warmup_steps", 2, "--validation_steps", 10**6,
    "--checkpointing_steps", 4, "--checkpoints_total_limit", 1, "--max_train_steps",
)  # fmt: skip


def interrupt(arguments: list, output: Path, log: Path) -> int:
    """Ctrl-C in the terminal in which a program trains, after some steps; returns the last."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=ROOT, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            while not find_checkpoints(output):
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(timeout=100)
        finally:
            process.kill()
    assert survivors([process.pid]) == []
    said = log.read_text()
    assert status == (1 if "accelerate" in str(arguments) else 130), said
    (step,) = assert_checkpoints_load(output)
    words = f"error: Stopped after step {step}. The checkpoint of step {step} is intact"
    assert len(re.findall(re.escape(words), said)) == said.count("error: ") > 0, said
    return step


@pytest.mark.deep("Ctrl-C to a training and to all of its group: above")
def test_ctrl_c_in_a_terminal(trainings, command, uninterrupted, tmp_path):
    """`python -m train` as a process of its own, with a worker."""
    options = (*ENDLESS[:-1], "--dataloader_num_workers", 1, ENDLESS[-1])
    output = tmp_path / "out"
    arguments = ["-m", "train", *command(output, *options, 10**6)]
    end = interrupt(arguments, output, tmp_path / "log.txt") + 3
    assert trainings.run(command(output, *options, end, *LATEST)).status == 0
    expected, _ = uninterrupted(*options, end)
    assert_same(output, expected)


# ------------------------------------------------------------------ resumed otherwise

CONSTANT = (
    "--lr_scheduler", "constant", "--lr_warmup_steps", 2, "--validation_steps", 2,
    "--checkpointing_steps", 2,
)  # fmt: skip


def test_a_finished_training_can_be_made_longer(trainings, command, uninterrupted, tmp_path):
    expected, _ = uninterrupted(*CONSTANT, "--max_train_steps", 10)
    shorter, _ = uninterrupted(*CONSTANT, "--max_train_steps", 6)
    output = shutil.copytree(shorter, tmp_path / "out")
    arguments = command(output, *CONSTANT, *LATEST, "--max_train_steps", 10)
    assert trainings.run(arguments).status == 0
    assert_same(output, expected)


def test_a_resumed_training_must_be_the_one_that_was_begun(
    trainings, command, uninterrupted, tmp_path
):
    finished, _ = uninterrupted(*CONSTANT, "--max_train_steps", 6)
    output = shutil.copytree(finished, tmp_path / "out")
    longer = command(output, *CONSTANT, *LATEST, "--max_train_steps", 10)
    refused = trainings.run([*longer, "--learning_rate", 1e-3])
    assert refused.status == 1
    assert "--learning_rate 0.002 -> 0.001" in refused.error
    assert contents(output) == contents(finished)

    (file,) = output.glob("checkpoint-6/training_state.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"processes": 2}))
    refused = trainings.run(longer)
    assert refused.status == 1
    assert "accelerate launch --num_processes 2" in refused.error


def test_an_older_checkpoint_can_be_gone_on_from(trainings, command, uninterrupted, tmp_path):
    """The later ones, of a run that was given up, are not taken for the newest."""
    options = (*CONSTANT, "--max_train_steps", 6)
    given_up, _ = uninterrupted(*options)
    output = shutil.copytree(given_up, tmp_path / "out")
    assert assert_checkpoints_load(output) == [4, 6]
    older = command(output, *options, "--resume_from_checkpoint", "checkpoint-4")
    stopped = trainings.run(older, partial(signal_itself, 5, signal.SIGTERM))
    assert "The checkpoint of step 5 is intact" in stopped.error
    assert assert_checkpoints_load(output) == [4, 5]


def test_a_training_that_stopped_early_is_over(trainings, command, uninterrupted, tmp_path):
    """Resumed because it was killed at the very end, or for a push, it trains no further."""
    options = (
        "--max_train_steps", 40, "--validation_steps", 1, "--early_stopping_patience", 1,
        "--learning_rate", 0.1,
    )  # fmt: skip
    expected, _ = uninterrupted(*options)
    steps = read_progress(max(find_checkpoints(expected).values())).step
    assert steps < 40
    output = tmp_path / "out"
    arguments = command(output, *options, *LATEST)
    moment = ("replace", ".unfinished-*/* -> out/config.json")
    assert trainings.run(arguments, partial(killed_when, *moment)).status == -signal.SIGKILL
    resumed = trainings.run(arguments)
    assert resumed.status == 0
    assert [*resumed.marks] == [START, END]
    assert_same(output, expected)


# ------------------------------------------------------------------ no room


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own; yields how to make it larger. Needs root."""
    size = f"size={kilobytes}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder])
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk; the limit of file sizes is tested instead")
    try:
        yield lambda size: subprocess.run(
            ["mount", "-o", f"remount,size={size}k", folder], check=True
        )
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    "kilobytes",
    [
        pytest.param(260, marks=DEEP),
        330,
        pytest.param(515, marks=DEEP),
        pytest.param(675, marks=DEEP),
    ],
)
def test_a_full_disk_is_told_and_can_be_freed(
    kilobytes, trainings, command, uninterrupted, tmp_path
):
    """A checkpoint has about 205 kB: the disk is full in the second one, where the best weights
    are copied into it, in the third one, and in the result."""
    options = (*NINE_STEPS, "--checkpoints_total_limit", 3)
    expected, _ = uninterrupted(*options)
    output = tmp_path / "disk" / "out"
    output.parent.mkdir()
    with small_disk(output.parent, kilobytes) as grow:
        for _ in range(2):  # and again where nobody has freed anything
            full = trainings.run(command(output, *options, *LATEST))
            assert full.status == 1
            steps = assert_checkpoints_load(output)
            (step,) = re.findall(
                r"error: Step (\d): the disk is full\. Free some space", full.error
            )
            assert int(step) in (max(steps), max(steps) + 3)
            assert f"The checkpoint of step {max(steps)} is intact" in full.error
        grow(10_000)
        assert trainings.run(command(output, *options, *LATEST)).status == 0
        assert_same(output, expected)


def test_a_file_that_may_not_grow_is_told(trainings, command, uninterrupted, tmp_path):
    """`ulimit -f`, or a memory stick's 4 GB: the disk is not full, the file is too large."""
    expected, _ = uninterrupted(*NINE_STEPS)
    output = tmp_path / "out"
    limited = trainings.run(command(output, *NINE_STEPS), partial(file_size_limit, 5, 60_000))
    assert limited.status == 1
    assert "Step 6: " in limited.error
    assert "a file may not become as large as it has to (`ulimit -f`" in limited.error
    assert "The checkpoint of step 3 is intact" in limited.error
    assert assert_checkpoints_load(output) == [3]
    assert trainings.run(command(output, *NINE_STEPS, *LATEST)).status == 0
    assert_same(output, expected)


# ------------------------------------------------------------------ what goes wrong inside

NO_MEMORY = "Step 5: out of memory. Lower --train_batch_size"
ALLOCATION = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
RESUME = "The checkpoint of step 3 is intact: go on with `python -m train --output_dir"
ANEW = "lower --learning_rate (now 0.002) or more --lr_warmup_steps"
START_FROM = "checkpoint-3 starts from the weights of step 3"
FAILURES = {
    "the loss becomes NaN": (
        partial(loss_goes_wrong, 5, "nan"),
        ["The loss became nan at step 5", ANEW, START_FROM],
    ),
    # In step 6 a checkpoint would be written, of weights that are no longer numbers.
    "the gradient becomes NaN": (
        partial(loss_goes_wrong, 6, "nan gradient"),
        ["The gradient became nan at step 6", ANEW, START_FROM],
    ),
    "a device has no memory": (
        partial(network_raises, 5, torch.OutOfMemoryError("CUDA out of memory.")),
        [NO_MEMORY, RESUME],
    ),
    "the machine has no memory": (
        partial(network_raises, 5, RuntimeError(ALLOCATION)),
        [NO_MEMORY, RESUME],
    ),
    "Python has no memory": (partial(network_raises, 5, MemoryError()), [NO_MEMORY, RESUME]),
    "the system kills a worker": (
        partial(kill_workers, 5),
        ["a process that prepares crops was killed", "Lower --dataloader_num_workers", RESUME],
    ),
}


# That memory has run out is read from three kinds of exception, and answered in one way.
ANSWERED_ALIKE = ("a device has no memory", "Python has no memory")


@pytest.mark.parametrize(
    "failure",
    [pytest.param(one, marks=DEEP) if one in ANSWERED_ALIKE else one for one in FAILURES],
)
def test_a_failure_is_told_with_step_and_cure(failure, trainings, command, uninterrupted, tmp_path):
    before, words = FAILURES[failure]
    options = (*NINE_STEPS, "--dataloader_num_workers", 1)
    expected, _ = uninterrupted(*options)
    output = tmp_path / "out"
    failed = trainings.run(command(output, *options), before)
    assert failed.status == 1
    for part in words:
        assert part in failed.error
    assert assert_checkpoints_load(output) == [3]
    assert trainings.run(command(output, *options, *LATEST)).status == 0
    assert_same(output, expected)


def test_a_learning_rate_that_is_far_too_high(trainings, command, tmp_path):
    options = (*NINE_STEPS, "--learning_rate", 1e30, "--checkpointing_steps", 1)
    failed = trainings.run(command(tmp_path / "out", *options))
    assert failed.status == 1
    assert "lower --learning_rate (now 1e+30)" in failed.error
    assert_checkpoints_load(tmp_path / "out")


@pytest.mark.parametrize(
    ("workers", "streaming"),
    [
        pytest.param(0, (), id="0-loaded", marks=DEEP),
        pytest.param(0, ("--streaming",), id="0-streamed"),
        pytest.param(1, (), id="1-loaded"),
        pytest.param(1, ("--streaming",), id="1-streamed", marks=DEEP),
    ],
)
def test_an_unreadable_image_that_is_met_on_the_way_is_named(
    workers, streaming, trainings, command, nuclei, tmp_path
):
    """By a worker process, too. The inspection looked at the first images only."""
    data = shutil.copytree(nuclei, tmp_path / "nuclei")
    image = data / "train" / "images" / "2.png"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    failed = trainings.run([
        *command(tmp_path / "out", *NINE_STEPS, "--checkpointing_steps", 1, *streaming),
        "--dataset_name", data, "--max_inspected", 1, "--dataloader_num_workers", workers,
    ])  # fmt: skip
    assert failed.status == 1
    step, rest = re.fullmatch(r"error: Step (\d): (.*)", failed.error).groups()
    assert rest.startswith("2 (train, row ")
    assert "2.png cannot be decoded" in rest
    assert f"The checkpoint of step {int(step) - 1} is intact" in rest


# ------------------------------------------------------------------ a lost connection

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


@pytest.mark.deep("test_hub_datasets.py loses connections; streams go on, above")
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


# ------------------------------------------------------------------ several processes

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


@pytest.fixture(scope="module")
def together(command, tmp_path_factory) -> Path:
    """What two processes of batch 2 left."""
    output = tmp_path_factory.mktemp("together") / "out"
    said, _ = run_together(command(output, *SHARED), 0, ENDS_UNWRAPPED)
    assert "the connection has ended" in said
    return output


def test_two_processes_train_as_one_with_twice_the_batch(together, uninterrupted):
    one, _ = uninterrupted(*SHARED, "--train_batch_size", 4)
    assert len(losses(one)) == 6
    assert losses(together) == pytest.approx(losses(one), rel=1e-4)
    assert [*contents(together)] == [*contents(one)]  # one set of files


@pytest.mark.deep("one process goes on, and two train as one")
def test_two_processes_that_were_stopped_go_on_to_the_bit(command, together, tmp_path):
    """One of them is told to stop: both do, and both say where to go on."""
    output = tmp_path / "out"
    stop = "import tests.survival, signal\ntests.survival.signal_itself(3, signal.SIGTERM)"
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


def test_accumulated_gradients_are_those_of_the_whole_batch(uninterrupted):
    plain = (*SHARED, "--norm", "none", "--optimizer", "sgd", "--learning_rate", 1e-2)
    whole, _ = uninterrupted(*plain, "--train_batch_size", 4)
    parts, _ = uninterrupted(*plain, "--gradient_accumulation_steps", 2)
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
