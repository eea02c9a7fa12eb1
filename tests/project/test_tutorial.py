"""The tutorial's commands, each in turn, on a few small images and the loopback Hub."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import tifffile

import train.cli.main
import unet_hf.cli.main
from demo.synthetic import write_set
from unet_hf import read_image

from ..loopback.hub import client_environment, running_hub
from ..support.processes import forked_python
from .test_docs import ROOT, blocks, commands_in

PAGE = ROOT / "docs" / "tutorial.md"
TOKEN = "hf_the_secret_of_alice"
MAIN = {
    "demo.synthetic": write_set.main,
    "train": train.cli.main.main,
    "unet_hf": unet_hf.cli.main.main,
}
# The same with less to do: option -> what stands in its place.
INSTEAD = {
    "--images": [],
    "--time_budget": ["--max_train_steps", "2", "--base_channels", "2", "--depth", "2"],
}
SMALL_SET = ["--images", "4", "--size", "64"]
TO_THE_HUB = "YOUR_NAME"
SERVES = "app.py"  # until it is stopped: the fixture `demo_url` starts it


def smaller(module: str, arguments: list[str]) -> list[str]:
    """The same command for a test, without the options that make it long."""
    kept = list(arguments)
    for option, instead in INSTEAD.items():
        if option in kept:
            at = kept.index(option)
            kept[at : at + 2] = instead
    return kept + SMALL_SET if module == "demo.synthetic" else kept


def test_the_tutorial_leads_from_images_to_a_checkpoint_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [one for text in blocks(PAGE, "bash") for one in commands_in(text)]
    here = [one for one in commands if TO_THE_HUB not in str(one) and one[0] != SERVES]
    assert {module for module, _ in here} == set(MAIN)
    for module, arguments in here:
        assert MAIN[module](smaller(module, arguments)) == 0, (module, arguments)
    with Path("masks", "objects.csv").open() as table:
        assert {"file", "area_px"} <= set(next(csv.reader(table)))

    (push,) = blocks(PAGE, "python")
    (check,) = [arguments for _, arguments in commands if TO_THE_HUB in str(arguments)]
    then = f"import sys\nfrom unet_hf.cli.main import main\nsys.exit(main({check!r}))"
    with running_hub({TOKEN: "alice"}) as hub:
        done = subprocess.run(
            [*forked_python(), "-c", f"{push}\n{then}".replace(TO_THE_HUB, "alice")],
            env=client_environment(hub, tmp_path / "home", TOKEN),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        (commit,) = [path for method, path in hub.requests if "/commit/" in path]
    assert commit.startswith("/api/models/alice/unet-cells/")


def test_a_set_is_drawn_again_to_the_pixel_and_never_mixed_with_another(tmp_path, capsys):
    for name in ("one", "two"):
        assert write_set.main([str(tmp_path / name), "--kind", "fluorescence", *SMALL_SET]) == 0
    files = [sorted((tmp_path / name).rglob("*.tif")) for name in ("one", "two")]
    for first, second in zip(*files, strict=True):
        np.testing.assert_array_equal(read_image(first).pixels, read_image(second).pixels)
    assert tifffile.imread(files[0][-1]).dtype == np.uint16  # a mask
    (tmp_path / "one" / "images" / "mine.tif").touch()
    assert write_set.main([str(tmp_path / "one"), *SMALL_SET]) == 1
    assert "mine.tif. Name a new folder." in capsys.readouterr().err
