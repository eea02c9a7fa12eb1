"""What visitors leave behind is deleted after an hour, on a server that nobody uses, too."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

import app
from demo.batch.tab import served_folders
from demo.films.job import shown_folders
from demo.server import folders as kept_folders
from demo.server import limits
from demo.server.folders import Janitor, KeptFolders, ResultFolders
from demo.viewer.component import show_image
from demo.viewer.payload import viewer_folders
from unet_hf import read_image

from ...support.serving import until


@pytest.fixture(autouse=True)
def uploads(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr(kept_folders, "SWEEP_SECONDS", 0.05)
    return tmp_path / "uploads"


def aged(folder: Path) -> Path:
    """A folder that was last used long ago."""
    (folder / "file").write_bytes(b"pixels")
    os.utime(folder, (0, 0))
    return folder


def test_a_sweep_deletes_what_is_older_than_an_hour_and_nothing_else():
    folders = ResultFolders()
    old, fresh = aged(folders.new()), folders.new()
    folders.sweep()
    assert fresh.exists()
    assert not old.exists()


def test_folders_that_nobody_has_needed_so_far_are_no_fault(tmp_path: Path):
    KeptFolders(tmp_path / "nothing").sweep()
    assert KeptFolders(tmp_path / "nothing").new().is_dir()


def test_visitors_at_once_do_not_meet_over_old_folders():
    folders = ResultFolders()
    for _ in range(50):
        aged(folders.new())

    def visit(number: int) -> Path:
        folders.sweep()
        return folders.new()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(visit, range(30)))) == 30


def test_the_janitor_goes_on_after_a_folder_that_it_cannot_delete(caplog):
    class Stubborn(KeptFolders):
        def sweep(self) -> None:
            raise PermissionError("not yours")

    folders = ResultFolders()
    Janitor([Stubborn(Path("/nowhere")), folders]).start()
    old = aged(folders.new())
    until(lambda: not old.exists())
    assert "not yours" in caplog.text


def test_the_demo_deletes_what_is_an_hour_old_while_nobody_visits(
    uploads: Path, monkeypatch, gray_image: np.ndarray
):
    """Started as people start it; of the page, only that it waits for visitors."""
    made = []
    init = ResultFolders.__init__
    monkeypatch.setattr(ResultFolders, "__init__", lambda self: init(self) or made.append(self))

    def launch(page: gr.Blocks, **options: object) -> None:
        assert options["state_session_capacity"] == limits.MAX_SESSIONS
        # No visitor's event of any kind has to wait until one other visitor's is through.
        assert page._queue.max_size >= limits.MAX_SESSIONS
        assert page._queue.default_concurrency_limit > 1
        (results,) = made
        show_image(read_image(gray_image))
        (seen,) = viewer_folders().root.iterdir()
        kept = (results, served_folders(), shown_folders())
        old = [aged(seen), *(aged(folders.new()) for folders in kept)]
        fresh = [results.new(), viewer_folders().new()]
        until(lambda: not any(folder.exists() for folder in old))
        assert all(folder.exists() for folder in fresh)

    monkeypatch.setattr(gr.Blocks, "launch", launch)
    monkeypatch.setattr("sys.argv", ["app.py", "--no-browser"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        app.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "janitor"]


@pytest.mark.parametrize("handler", ["default_int_handler", "SIG_IGN"])
def test_ctrl_c_while_packages_are_imported_ends_in_silence(handler, tmp_path):
    package = tmp_path / "starlette.py"  # the first one that is imported
    package.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nos._exit(3)\n")
    # A shell that starts its commands in the background has them ignore Ctrl-C.
    program = (
        f"import runpy, signal; signal.signal(signal.SIGINT, signal.{handler}); "
        f"runpy.run_path({app.__file__!r}, run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == (app.INTERRUPTED if handler == "default_int_handler" else 3)
    assert not ended.stderr
    if ended.returncode == app.INTERRUPTED:
        assert list(tmp_path.iterdir()) == [package]  # no folder of uploads is left behind
