"""What belongs on a Space: which files of this repository, and with which requirements."""

import fnmatch
import json
import re
import subprocess
from pathlib import Path

from unet_hf.errors import PushError

ROOT = Path(__file__).parent.parent.parent
# What a Space needs; * also stands for "/".
# docs/ is what the README shows and links to; of train/ the page uses what teaches.
WANTED = ("app.py", "LICENSE", "README.md", "docs/*", "demo/*", "train/*", "unet_hf/*")
UNWANTED = ("*__pycache__/*", "*.pyc", "demo/deploy.py", "demo/space/*")
MANIFEST = ".deployed.json"
REQUIREMENTS = "requirements.txt"
# Packages that only the training of whole data sets uses.
LEFT_OUT = ("accelerate", "datasets")
# PyPI's wheels of torch for Linux bring gigabytes of CUDA along; here are those for a CPU.
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"
# A Space with a GPU (ZeroGPU, too) has a torch of its own, one of several.
ANY_TORCH = "torch>=2.8"
# Lends a GPU on ZeroGPU; on any Space, Gradio complains in the log if it is not there.
SPACES = "spaces"

Contents = dict[str, bytes]  # path in the Space -> content


def space_contents(root: Path = ROOT, *, gpu: bool = False) -> Contents:
    """Everything that a deploy puts on the Space.

    gpu: The Space's torch is not to be replaced by the CPU build.
    Raises `PushError` if `root` is no complete source.
    """
    files = {path: (root / path).read_bytes() for path in source_files(root)}
    missing = {"app.py", "README.md", "LICENSE", REQUIREMENTS} - _there(root)
    if missing:
        raise PushError(
            f"{', '.join(sorted(missing))} is missing in {root}, so this is no complete source. "
            "Deploy from a clone of the repository."
        )
    pinned = (root / REQUIREMENTS).read_text(encoding="utf-8")
    files[REQUIREMENTS] = space_requirements(pinned, gpu=gpu).encode()
    files[MANIFEST] = (json.dumps(sorted(files), indent=1) + "\n").encode()
    return files


def source_files(root: Path) -> list[str]:
    """Files that go to the Space as they are: in a clone none that git ignores."""
    return _wanted(root, _of_git(root, "--cached") | new_files(root) or _there(root))


def new_files(root: Path = ROOT) -> set[str]:
    """Those that nobody has added to git yet."""
    return set(_wanted(root, _of_git(root, "--others", "--exclude-standard")))


def _wanted(root: Path, found: set[str]) -> list[str]:
    return sorted(
        path
        for path in found
        if any(fnmatch.fnmatch(path, pattern) for pattern in WANTED)
        and not any(fnmatch.fnmatch(path, pattern) for pattern in UNWANTED)
        and (root / path).is_file()
    )


def _there(root: Path) -> set[str]:
    folders = {pattern.split("/")[0] for pattern in (*WANTED, REQUIREMENTS)}
    return {
        path.relative_to(root).as_posix()
        for folder in folders
        for path in (root / folder, *(root / folder).rglob("*"))
        if path.is_file()
    }


def _of_git(root: Path, *which: str) -> set[str]:
    """Paths that `git ls-files` tells; none where there is no clone."""
    if not (root / ".git").exists():
        return set()
    command = ["git", "ls-files", "-z", *which]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip()
        raise PushError(
            f"git does not list the files of {root} ({reason}). Install git, or deploy from an "
            "unpacked archive of the repository, which needs none."
        ) from error
    return set(listed.stdout.split("\0")) - {""}


def space_requirements(pinned: str, *, gpu: bool = False) -> str:
    """The repository's requirements.txt as a Space needs it.

    Gradio without a version: `sdk_version` in README.md has it. torch as its CPU build.
    """
    lines = []
    for line in pinned.splitlines():
        name = re.split(r"[^\w-]", line, maxsplit=1)[0]
        if name == "gradio":
            line = line.partition("==")[0]
        elif name == "torch":
            line = ANY_TORCH if gpu else f"{CPU_WHEELS}\n{line}"
        if name and name not in LEFT_OUT:
            lines.append(line)
    return "\n".join([*lines, SPACES]) + "\n"
