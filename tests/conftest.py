"""What the tests share: small networks, one running demo, a browser, and no network."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from . import OFFLINE
from .browsing import browser, page  # noqa: F401  fixtures for every file
from .serving import drawing, gate, images, picture, served, tiny  # noqa: F401

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# The same examples in every run, and none that fails because the machine was busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture
def gray_image() -> np.ndarray:
    """(90, 130) uint8 with structure on several scales."""
    y, x = np.mgrid[:90, :130]
    waves = np.sin(x / 5) + np.cos(y / 9) + np.sin((x + y) / 23)
    noise = np.random.default_rng(0).normal(0, 0.2, waves.shape)
    return np.clip(128 + 40 * (waves + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's chromium; installed where this process may do so, as on a clean CI machine."""
    found = shutil.which("chromium")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=True)
        found = shutil.which("chromium")
    if found is None:
        pytest.fail("The browser tests need chromium: `apt-get install chromium` (as root).")
    return found


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo as people start it, `python app.py`; it takes the first port that it can have."""
    log = tmp_path_factory.mktemp("demo") / "log.txt"
    command = [sys.executable, "app.py", "--no-browser"]
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
