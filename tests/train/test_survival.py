"""A training survives: whatever ends it, what is resumed becomes what would have become of it."""

import itertools
import json
import re
import shlex
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from train.checkpoints import STATE, find_checkpoints, read_progress
from train.interruptions import how_to_resume
from unet_hf import UNet
from unet_hf.errors import CheckpointError

from ..support.mishaps import (
    MOMENTS,
    file_size_limit,
    kill_workers,
    killed_when,
    loss_goes_wrong,
    network_raises,
    nine_steps_fit,
    signal_itself,
    signal_to_all,
    small_disk,
)
from ..support.survival import (
    END,
    LATEST,
    NINE_STEPS,
    START,
    assert_checkpoints_load,
    assert_same,
    contents,
    interrupt,
    survivors,
    workers_from_a_server,
)

DEEP = pytest.mark.deep("the same at another moment, in another order or place")


# ------------------------------------------------------------------ killed at random

TRAJECTORIES = {
    "adamw": ("--dataloader_num_workers", 1),
    "bf16": (
        "--mixed_precision", "bf16", "--dropout", 0.3, "--dataloader_num_workers", 1,
        "--norms_settle_after", 0.3,
    ),
    "sgd": (
        "--optimizer", "sgd", "--use_ema", False, "--learning_rate", 1e-2,
        "--norms_settle_after", 0.5,
    ),
    "streaming": ("--streaming", "--shuffle_buffer_size", 3, "--dataloader_num_workers", 1),
}  # fmt: skip


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


def test_the_command_that_goes_on_can_be_pasted_from_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "my training"
    (folder / "checkpoint-3").mkdir(parents=True)
    (folder / "checkpoint-3" / STATE).touch()
    command = how_to_resume(folder).split("`")[1]
    assert shlex.split(command)[3:5] == ["--output_dir", str(folder)]


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
    "oneDNN has no memory": (
        partial(network_raises, 5, RuntimeError("could not create a primitive")),
        [NO_MEMORY, RESUME],
    ),
    "Python has no memory": (partial(network_raises, 5, MemoryError()), [NO_MEMORY, RESUME]),
    "the system kills a worker": (
        partial(kill_workers, 5),
        ["a process that prepares crops was killed", "Lower --dataloader_num_workers", RESUME],
    ),
}


# That memory has run out is read from exceptions of several kinds, and answered in one way.
ANSWERED_ALIKE = ("a device has no memory", "oneDNN has no memory", "Python has no memory")


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
