"""What the tests share: small networks, one running demo, a browser, and no network."""

import collections
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from . import OFFLINE
from .support.processes import forked_python, share_server

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# Fixtures for every file; these import PyTorch and Gradio.
FIXTURES = (
    "tests.support.browsing",
    "tests.support.serving",
    "tests.support.batches",
    "tests.support.segment_page",
    "tests.support.survival",
)

# The same examples in every run, and none that fails because the machine was busy.
settings.register_profile("all", deadline=None, derandomize=True)
settings.register_profile("sample", settings.get_profile("all"), max_examples=25)


# Those that take longest, longest first: no process begins one when the others are done.
LONG = (
    "test_survival.py", "test_page.py", "test_viewer.py", "test_images_in.py", "test_whole_page.py",
    "test_browser.py", "test_batch_page.py", "test_space.py", "test_walk.py", "test_in_browser.py",
    "test_teach_page.py", "test_tiles.py", "test_tiling.py", "test_film_player.py",
    "test_segment_dataset.py", "test_brush.py", "test_load.py", "test_train_hub.py",
    "test_teach_open.py", "test_one_path.py", "test_objects_page.py", "test_film_tab.py",
    "test_fuzz.py", "test_between_tabs.py", "test_publishing_faults.py", "test_teach_many.py",
    "test_batch_again.py", "test_export.py", "test_train.py", "test_loading.py",
    "test_hub_datasets.py", "test_hub.py", "test_several_processes.py", "test_share_link.py",
    "test_publishing.py", "test_late_results.py", "test_objects_table.py", "test_tabs.py",
    "test_large.py", "test_docs.py", "test_hub_faults.py", "test_teach_faults.py", "test_deploy.py",
    "test_bad_inputs.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--deep", action="store_true",
        help="all tests, and all cases of those that draw them at random or from a long list",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("all" if config.getoption("--deep") else "sample")
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        share_server()  # of forked processes, by all processes of the tests
        return  # this one only hands out tests: the others begin without waiting for its imports
    for name in FIXTURES:
        config.pluginmanager.import_plugin(name)


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--deep"):
        return "deep: all tests, and all random and listed cases"
    return "without the long tests, a sample of the random and listed cases; all with --deep"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core, but this very one for what is in a single file."""
    alone = len(config.args) == 1 and ".py" in config.args[0]
    return 0 if alone else min(len(os.sched_getaffinity(0)), 4)


LEFT = pytest.StashKey[dict[str, int]]()  # how many tests of each file are left to --deep


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))
    if config.getoption("--deep") or any("::" in argument for argument in config.args):
        return  # whoever names a test wants it
    left = [item for item in items if item.get_closest_marker("deep")]
    if left:
        items[:] = [item for item in items if not item.get_closest_marker("deep")]
        config.hook.pytest_deselected(items=left)
    config.stash[LEFT] = dict(collections.Counter(item.path.name for item in left))
    if hasattr(config, "workeroutput"):
        config.workeroutput["left"] = config.stash[LEFT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every process of the tests collects the same; what one of them left out, all did."""
    node.config.stash[LEFT] = getattr(node, "workeroutput", {}).get("left", {})


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if left := config.stash.get(LEFT, {}):
        files = ", ".join(f"{name} ({count})" for name, count in sorted(left.items()))
        terminalreporter.write_line(f"Left to --deep: {sum(left.values())} tests of {files}")


@pytest.fixture(scope="session")
def sample(pytestconfig: pytest.Config) -> Callable[[Any, Any], Any]:
    """sample(some, all) is which cases a test takes, or how many: all of them with --deep."""
    deep = pytestconfig.getoption("--deep")
    return lambda some, every: every if deep else some


@pytest.fixture
def gray_image() -> np.ndarray:
    """(90, 130) uint8 with structure on several scales."""
    y, x = np.mgrid[:90, :130]
    waves = np.sin(x / 5) + np.cos(y / 9) + np.sin((x + y) / 23)
    noise = np.random.default_rng(0).normal(0, 0.2, waves.shape)
    return np.clip(128 + 40 * (waves + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's chromium; installed where this process may do so, as on a clean CI machine. Without
    the windows that nobody sees, chromium-headless-shell needs a third less time for a page."""

    def find() -> str | None:
        return shutil.which("chromium-headless-shell") or shutil.which("chromium")

    with Path(tempfile.gettempdir(), "unet_hf_tests_chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of the tests installs it, the others wait
        if find() is None and shutil.which("apt-get") and os.geteuid() == 0:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            for package in ("chromium-headless-shell", "chromium"):
                if subprocess.run(["apt-get", "install", "-y", "-qq", package]).returncode == 0:
                    break
        found = find()
    if found is None:
        pytest.fail("The browser tests need chromium: `apt-get install chromium` (as root).")
    return found


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo as people start it, `python app.py`; it takes the first port that it can have."""
    log = tmp_path_factory.mktemp("demo") / "log.txt"
    command = [*forked_python(), "app.py", "--no-browser"]
    environment = {
        **os.environ,
        **OFFLINE,
        "GRADIO_TEMP_DIR": str(log.parent / "uploads"),
        "PYTHONUNBUFFERED": "1",  # the address is read from the log, which is a file
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_for_url(process, log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for_url(process: subprocess.Popen, log: Path) -> str:
    import re
    import time

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return match.group()
        time.sleep(0.2)
    raise RuntimeError(f"The demo did not start:\n{log.read_text()}")
