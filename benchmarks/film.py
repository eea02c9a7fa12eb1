"""What following a film costs beside segmenting it: `python -m benchmarks.film`.

`model.track` of a drawn film that lies on the disk as a stack, into a folder. Now and then it
pauses, and segments a frame and finds its objects alone: so both are measured in the same minutes.
That is done in two ways: objects are found, which is all that `track` needs of a frame; and they
are found and measured, as `segment(...).objects()` does. What `track` does at its end, tables and
masks in track ids, is shared out among all frames. The film is drawn for forty frames at most, and
then begins again; there, all cells jump.

With `--kill`, the film is followed in two more processes: one is killed half-way by a signal that
cannot be handled, the other one goes on in its folder. All files have to be those of the first run.

Seconds are those of the CPU, of all threads: on a machine that does other things, too, they tell
more. The last ratio is that of a clock on the wall.
"""

import argparse
import filecmp
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from demo.synthetic import film

from .measuring import (
    answer_of,
    forget_peak,
    in_own_process,
    megabytes,
    on_this_machine,
    ratios,
    table,
    written,
)  # fmt: skip
from .sessions import session

DRAWN = 40  # frames; drawing more takes longer than segmenting them
LIFE = 100  # frames from division to division, so that the picture does not fill up
CELLS_PER_AREA = 1 / 40**2  # 150 cells or so in the middle of a film of 512 px
TURN = 10  # frames of `track` between two frames that are segmented alone
MEMORY_AT = (10, 100, 1000)  # frames
KILLED = "from benchmarks.film import track; track({stack!r}, {output!r}, {model!r})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, default=512, help="side of a frame, pixels")
    parser.add_argument("--model", default="unet-nuclei", help="shipped name or folder")
    parser.add_argument(
        "--turn", type=int, default=TURN, help="frames between two that are segmented alone"
    )
    parser.add_argument("--kill", action="store_true", help="also kill a run, and go on with it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = write_film(Path(folder) / "film.tif", options.frames, options.size)
        whole = Path(folder) / "whole"
        settings = {"stack": str(stack), "model": options.model}
        found = in_own_process("benchmarks.film", output=str(whole), turn=options.turn, **settings)
        print(described(found, options))
        if options.kill:
            kill_and_go_on(whole, Path(folder) / "killed", settings, options.frames // 2)
    print(f"\n{on_this_machine()}, load {os.getloadavg()[1]:.1f}")


def described(found: dict[str, Any], options: argparse.Namespace) -> str:
    """A table of what `run` found."""
    frames, size = options.frames, options.size
    alone, measured = (np.array(found[name])[:, 0] for name in ("alone", "measured"))
    on_wall_alone = np.array(found["alone"])[:, 1]
    ending = np.array(found["ending"]) / frames
    tracking, on_wall = (np.array(found["tracking"]) + ending).T
    head = ("", f"{frames} frames of {size} x {size}, {found['objects']:.0f} objects each")
    rows = [
        ("segment and find objects alone, s a frame", written(alone, 3)),
        ("segment, find and measure objects, s a frame", written(measured, 3)),
        ("track, s a frame", written(tracking, 3)),
        ("of which the files at the end", f"{ending[0]:.3f}"),
        (f"track by alone, over turns of {options.turn} frames", written(ratios(tracking, alone))),
        ("all of track by all of alone", f"{tracking.mean() / alone.mean():.3f}"),
        ("the same by the clock", f"{on_wall.mean() / on_wall_alone.mean():.3f}"),
        ("all of track by segmenting and measuring", f"{tracking.mean() / measured.mean():.3f}"),
        *(
            (f"peak memory after {frame} frames, MB", f"{peak:.0f}")
            for frame, peak in found["memory"]
        ),
        ("peak memory at the end, MB", f"{found['peak']:.0f}"),
    ]
    return table(head, rows)


def write_film(path: Path, frames: int, size: int) -> Path:
    """Draws a film, and writes it as a stack (frames, size, size) of uint8."""
    import tifffile

    cells = int(size**2 * CELLS_PER_AREA)
    drawn = film("fluorescence", min(frames, DRAWN), size, cells, seed=100, life=LIFE).frames
    stack = (drawn[index % len(drawn)] for index in range(frames))
    shape = (frames, size, size)
    tifffile.imwrite(path, stack, shape=shape, dtype=np.uint8, metadata={"axes": "TYX"})
    return path


def run(stack: str, output: str, model: str, turn: int) -> dict[str, Any]:
    """Tracks a stack in this process.

    Returns seconds a frame, of the CPU and of the clock, of each turn; megabytes; objects a frame.
    """
    from unet_hf import UNet, read_image

    network = UNet.from_pretrained(model)
    turns: dict[str, list[list[float]]] = {"alone": [], "measured": [], "tracking": []}
    memory: list[tuple[int, float]] = []
    done_before, resumed = 0, now()

    def progress(done: int, frames: int) -> None:
        """Takes the time of a turn, and then that of a frame alone; the clocks of `track` stop."""
        nonlocal done_before, resumed
        if done == done_before:
            return
        if done in MEMORY_AT and len(memory) < 1 + MEMORY_AT.index(done):
            memory.append((done, megabytes("VmHWM")))
        if done % turn:
            return
        turns["tracking"].append(list((now() - resumed) / (done - done_before)))
        pixels = read_image(stack, page=done - 1).pixels
        started = now()
        result = network.segment(pixels)
        segmenting = now() - started
        for name, find in (("alone", "object_labels"), ("measured", "objects")):
            fresh = replace(result)  # remembers nothing of the other way
            started = now()
            getattr(fresh, find)()
            turns[name].append(list(segmenting + now() - started))
        done_before, resumed = done, now()

    network.segment(read_image(stack).pixels).objects()  # packs weights
    forget_peak()
    resumed = now()
    tracked = network.track(stack, output=output, progress=progress)
    ending = list(now() - resumed)
    counts = [len(frame.ids) for frame in tracked.tracks.frames]
    found = {"ending": ending, "memory": memory, "objects": statistics.mean(counts)}
    return {**turns, **found, "peak": megabytes("VmHWM")}


def now() -> np.ndarray:
    """Seconds of the CPU, of all threads, and of the clock."""
    return np.array([time.process_time(), time.perf_counter()])


def track(stack: str, output: str, model: str) -> None:
    """Tracks a stack in this process; prints a line that is JSON at the end."""
    from unet_hf import UNet

    UNet.from_pretrained(model).track(stack, output=output)
    print("true")


def kill_and_go_on(whole: Path, output: Path, settings: dict[str, str], after: int) -> None:
    """Kills a run once it has found the objects of `after` frames, goes on, compares all files."""
    program = KILLED.format(output=str(output), **settings)
    with session([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(output.glob("objects/frame*.tif"))) < after:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    there = len(list(output.glob("objects/frame*.tif")))
    answer_of(program)
    names = [
        {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
        for one in (whole, output)
    ]
    _, differ, missing = filecmp.cmpfiles(whole, output, names[0] | names[1], shallow=False)
    print(
        f"\nKilled after {there} frames, and gone on: {len(names[0])} files, of which "
        f"{len(differ)} differ and {len(missing)} are in one folder only."
    )
    if differ or missing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
