"""`segment` over many files, run again: what is kept, computed again, and goes on after a kill."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from unet_hf import UNet

from ..conftest import ROOT
from ..support.batches import draw, files, segment, times
from ..support.processes import forked_python

MANY, CORRUPT = 200, 77

pytestmark = pytest.mark.usefixtures("one_thread")


def test_what_is_finished_is_not_computed_again(three_images, batch_model, tmp_path):
    segment(three_images, tmp_path / "out", batch_model)
    before, finished = files(tmp_path / "out"), times(tmp_path / "out")
    batch = segment(three_images, tmp_path / "out", batch_model)
    assert batch.summary() == "3 of 3 segmented (3 of them before)"
    assert (times(tmp_path / "out"), files(tmp_path / "out")) == (finished, before)
    assert segment(three_images, tmp_path / "out", batch_model, outputs=("mask",)).todo == []


@pytest.mark.parametrize("what", ["input", "model", "threshold", "lost", "cut", "record"])
def test_what_changed_is_computed_again_and_nothing_else(what, three_images, batch_model, tmp_path):
    out = tmp_path / "out"
    segment(three_images, out, batch_model)
    options, changed = {}, 1
    if what == "input":
        draw(three_images / "a.png", seed=9)
    elif what == "model":
        network = UNet.from_pretrained(batch_model)
        torch.nn.init.constant_(network.head.bias, 3)
        network.save_pretrained(batch_model := tmp_path / "other")
        changed = 3
    elif what == "threshold":
        options, changed = {"threshold": 0.9}, 3
    elif what == "lost":
        (out / "a_overlay.png").unlink()
    elif what == "cut":
        (out / "a_overlay.png").write_bytes((out / "a_overlay.png").read_bytes()[:50])
    else:  # killed while it wrote the last line
        *lines, last = (out / "segmented.jsonl").read_text().splitlines(keepends=True)
        record = json.loads(last)
        planned = json.dumps({"name": record["name"], "planned": list(record["files"])}) + "\n"
        (out / "segmented.jsonl").write_text("".join(lines) + planned + last[:40])
    batch = segment(three_images, out, batch_model, **options)
    assert len(batch.todo) == changed
    segment(three_images, tmp_path / "fresh", batch_model, **options)
    assert files(out) == files(tmp_path / "fresh")


def test_outputs_that_no_longer_fit_are_removed(three_images, batch_model, tmp_path):
    segment(three_images, tmp_path / "out", batch_model)
    segment(three_images, tmp_path / "out", batch_model, threshold=0.9, outputs=("mask",))
    assert not list((tmp_path / "out").rglob("*_overlay.png"))
    (three_images / "a.png").write_bytes(b"no image any more")
    segment(three_images, tmp_path / "out", batch_model, threshold=0.9, outputs=("mask",))
    assert not (tmp_path / "out" / "a_mask.png").exists()


@pytest.mark.parametrize("outside", ["../mine.png", "below/../../mine.png", "{absolute}"])
def test_records_cannot_have_files_outside_of_their_folder_deleted(
    outside, three_images, batch_model, tmp_path
):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    segment(three_images, tmp_path / "out", batch_model)
    records = tmp_path / "out" / "segmented.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        line["files"][outside.format(absolute=mine)] = 4
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Outputs that the same images no longer have would be removed.
    segment(three_images, tmp_path / "out", batch_model, outputs=("mask",), overwrite=True)
    assert mine.read_bytes() == b"mine"


def test_outputs_are_on_the_disk_before_their_record_and_that_before_the_next(
    three_images, batch_model, tmp_path, monkeypatch
):
    """What a power cut leaves: no record of an output that was lost with it."""
    flushed: list[str] = []
    original = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve().suffix)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    segment(three_images, tmp_path / "out", batch_model, outputs=("mask", "overlay"))
    finished = "".join("r" if suffix == ".jsonl" else "o" for suffix in flushed)
    # The plan; two outputs and a record an image; the records in order, and the table.
    assert finished == "r" + "oor" * 3 + "r" + "o"


# Runs the command and sends itself a signal at a chosen moment: before the n-th file gets its
# final name, or after the n-th record is written.
STRUCK = """
import os, signal, sys
moment, count, number = sys.argv[1], int(sys.argv[2]), getattr(signal, sys.argv[3])
from unet_hf.batch import records
from unet_hf.cli.main import main

def struck(function):
    left = count
    def wrapped(*arguments):
        nonlocal left
        left -= 1
        if moment == "before" and left == 0:
            os.killpg(0, number)
        done = function(*arguments)
        if moment == "after" and left == 0:
            os.killpg(0, number)
        return done
    return wrapped

if __name__ == "__main__":
    os.setsid()  # the group that is struck is its own
    # A shell that starts its commands in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if moment == "before":
        os.replace = struck(os.replace)
    else:
        records.Records.add = struck(records.Records.add)
    sys.exit(main(sys.argv[4:]))
"""


def struck(script: Path, moment: str, count: int, signal: str, *arguments: object) -> tuple:
    """(exit status, standard error)"""
    script.write_text(STRUCK)
    done = subprocess.run(
        [*forked_python(), script, moment, str(count), signal, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr, done.stdout


def test_200_files_one_corrupt_stopped_and_killed_half_way_end_as_if_nothing_had_been(
    batch_model, tmp_path
):
    images, out, fresh = tmp_path / "images", tmp_path / "out", tmp_path / "fresh"
    for number in range(MANY):
        draw(images / f"{number:03d}.png", number)
    corrupt = images / f"{CORRUPT:03d}.png"
    corrupt.write_bytes(corrupt.read_bytes()[:400])
    command = ("segment", images, "--model", batch_model, "--output", out)

    status, said, _ = struck(tmp_path / "run.py", "after", 40, "SIGINT", *command, "--jobs", "2")
    assert status == 130
    assert re.search(f"stopped: (39|40) of {MANY} segmented", said)  # the last one just then
    assert "The same command goes on from here" in said

    # Every image has four outputs: killed while it wrote the second one of about the hundredth.
    status, _, _ = struck(tmp_path / "run.py", "before", 4 * 60 + 3, "SIGKILL", *command)
    assert status == -9
    assert [path for path in out.iterdir() if path.name.startswith(".")]  # half-written
    finished = len(list(out.glob("*_summary.json")))
    assert 90 < finished < 110

    status, said, printed = struck(tmp_path / "run.py", "never", 0, "SIGINT", *command)
    assert status == 1
    assert [line for line in said.splitlines() if line.startswith("failed: ")] == [
        line for line in said.splitlines() if str(corrupt) in line
    ]
    assert said.count(str(corrupt)) == 1
    assert f"{MANY - 1} of {MANY} segmented" in printed
    assert "1 failed" in printed
    assert len(list(out.glob("*_mask.png"))) == MANY - 1

    segment(images, fresh, batch_model)
    found, expected = files(out), files(fresh)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    shutil.rmtree(fresh)
