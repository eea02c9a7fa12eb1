"""`python -m unet_hf`: its commands, and how it ends."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import unet_hf
from unet_hf import UNet
from unet_hf.cli.main import COMMANDS, main

from ..conftest import ROOT
from ..support.processes import forked_python


@pytest.fixture
def model(tmp_path) -> Path:
    torch.manual_seed(0)
    UNet(base_channels=2, depth=1).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def image(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "cells.png")
    return tmp_path / "cells.png"


def start(*arguments: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen(
        [*forked_python(), "-m", "unet_hf", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def status_of(*arguments: object) -> int:
    """The exit status, as a shell would see it."""
    try:
        return main(list(map(str, arguments)))
    except SystemExit as end:  # argparse
        return int(end.code or 0)


def test_alone_it_lists_every_command_and_that_is_wrong_usage():
    done = start()
    printed, said = done.communicate()
    assert done.returncode == 2
    assert said == ""
    for name, line in COMMANDS.items():
        assert any(row.split() == [name, *line.split()] for row in printed.splitlines())


def test_a_closed_pipe_is_no_traceback():
    done = start("--help")
    done.stdout.close()
    done.wait()
    assert done.stderr.read() == ""


def test_help_and_version(capsys):
    assert status_of("--help") == 0
    assert "usage: python -m unet_hf COMMAND" in capsys.readouterr().out
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"unet_hf {unet_hf.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name, capsys):
    assert status_of(name, "--help") == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segmnt"], "there is no command 'segmnt'"),
        (["segment", "a.png", "--output", "o"], "--model"),
        (["segment", "a.png", "--model", "m"], "--output"),
        (["segment", "--model", "m", "--output", "o"], "name files and folders"),
        (["segment", "a.png", "--dataset_name", "d", "--model", "m"], "name files and folders"),
        (["segment", "--dataset_name", "d", "--model", "m"], "--push_to_hub"),
        (
            ["segment", "a.png", "--model", "m", "--output", "o", "--split", "test"],
            "--split is for",
        ),
        (["segment", "--dataset-name", "d", "--model", "m", "--jobs", "2"], "--jobs is for files"),
        (["segment", "a.png", "--model", "m", "--output", "o", "--only", "maks"], "'maks'"),
        (["segment", "a.png", "--model", "m", "--output", "o", "--jobs", "0"], "'0'"),
        (["segment", "a.png", "--model", "m", "--output", "o", "--page", "-1"], "-1"),
    ],
)
def test_wrong_usage_ends_with_status_2(arguments, words, capsys):
    assert status_of(*arguments) == 2
    assert words in capsys.readouterr().err


def test_an_error_is_one_line_and_status_1(image, model, tmp_path, capsys):
    for options, words in (
        (("--model", "unet-none"), "There is no checkpoint 'unet-none'"),
        (("--model", model, "--threshold", "3"), "threshold"),
        (("--model", model, "--tile-size", "2"), "tile_size"),
        (("--model", model, "--alpha", "3"), "alpha"),
    ):
        assert status_of("segment", image, *options, "--output", tmp_path / "out") == 1
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert words in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_both_spellings_of_an_option_and_the_chosen_outputs(image, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert status_of(
        "segment", image, "--model", model, "--output", out, "--tile-size", 64, "--only",
        "summary,mask", "--device", "cpu",
    ) == 0  # fmt: skip
    assert status_of(
        "segment", image, "--model", model, "--output", out, "--tile_size", 64, "--only", "mask"
    ) == 0  # fmt: skip
    assert {path.name for path in out.iterdir()} == {
        "cells_mask.png", "cells_summary.json", "results.csv", "segmented.jsonl",
    }  # fmt: skip
    assert "1 of 1 segmented (1 of them before)" in capsys.readouterr().out


def test_status_1_where_an_image_fails(image, model, tmp_path, capsys):
    image.write_bytes(b"")
    assert status_of("segment", image, "--model", model, "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "0 of 1 segmented, 1 failed" in captured.out
    assert f"failed: {image} is empty (0 bytes)" in captured.err


def test_ctrl_c_ends_with_status_130_and_a_sentence(monkeypatch, capsys):
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("unet_hf.cli.segment.run", interrupted)
    assert status_of("segment") == 130
    assert "The same command begins again" in capsys.readouterr().err


def test_commands_that_need_the_training_part_say_so_without_it(monkeypatch, capsys):
    for name in ("datasets", "accelerate"):
        monkeypatch.setitem(sys.modules, name, None)
    for arguments in (
        ["evaluate", "--model", "unet-isbi", "--dataset_name", "d/d"],
        ["segment", "--dataset_name", "d/d", "--model", "unet-isbi", "--output", "o"],
    ):
        assert status_of(*arguments) == 1
        assert 'pip install ".[train]"' in capsys.readouterr().err


def test_segmenting_files_imports_nothing_of_the_training_or_the_demo(image, model, tmp_path):
    script = (
        "import sys, warnings; warnings.simplefilter('error', DeprecationWarning); "
        "from unet_hf.cli.main import main; "
        "status = main(sys.argv[1:]); "
        "print(status, [m for m in ('train', 'demo', 'gradio', 'datasets', 'accelerate') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [*forked_python(), "-c", script, "segment", image, "--model", model, "--output",
         tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
