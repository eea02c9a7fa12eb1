"""A forked process is to its starter what `sys.executable` would be."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from ..support.processes import forked_python


def test_streams_arguments_environment_and_folder_are_its_own(tmp_path: Path):
    code = (
        "import os, sys; print(sys.stdin.read(), sys.argv[1:], os.environ['HF_HOME'], os.getcwd())"
    )
    done = subprocess.run(
        [*forked_python(), "-c", code, "two words"],
        input="given", env=os.environ | {"HF_HOME": "elsewhere"}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"given ['two words'] elsewhere {tmp_path}\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('a sentence')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 15)", -15),
    ],
)
def test_it_ends_as_it_would_have(code: str, status: int):
    done = subprocess.run([*forked_python(), "-c", code], capture_output=True, text=True)
    assert done.returncode == status
    assert ("ZeroDivisionError" in done.stderr) == ("/" in code)
    assert ("a sentence" in done.stderr) == ("sentence" in code)


def test_nothing_that_reads_the_environment_was_imported_before():
    code = "import sys; print(*sys.modules)"
    command = [*forked_python(), "-c", code]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    roots = {name.partition(".")[0] for name in names}
    assert "torch" in roots
    assert not roots & {"huggingface_hub", "datasets", "accelerate", "gradio", "unet_hf", "train"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_what_was_sent_to_it(number: int):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with subprocess.Popen([*forked_python(), "-c", code], stdout=subprocess.PIPE) as process:
        forked = int(process.stdout.readline())
        process.send_signal(number)
        assert process.stdout.read() == b""  # the end of it: nobody holds it open any more
    assert process.returncode == -number
    assert not Path(f"/proc/{forked}/cwd").exists()


def test_whoever_is_killed_before_the_answer_takes_nobody_along():
    for seconds in (0.0, 0.02, 0.04, 0.06):
        with subprocess.Popen([*forked_python(), "-c", "pass"]) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
    address = forked_python()[-1]
    for message in (b"", b"\0\0", b"\0\0\0\x99{"):
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(address)
            asker.sendall(message)
    subprocess.run([*forked_python(), "-c", "pass"], check=True, timeout=60)
