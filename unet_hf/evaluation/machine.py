"""Names this machine and its software, for records of measurements."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

# Packages that a result may depend on.
PACKAGES = (
    "unet_hf", "torch", "numpy", "scipy", "scikit-image", "pillow", "tifffile", "imagecodecs",
    "safetensors", "huggingface_hub", "datasets", "accelerate",
)  # fmt: skip


def processor() -> str:
    """Name of the CPU, e.g. "AMD EPYC 9B14"."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that a result may depend on, Python's first."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "unet_hf" not in versions:  # a checkout that was never installed
        from ..version import __version__

        versions["unet_hf"] = __version__
    return versions


def git_commit() -> str | None:
    """The git commit of this code, with "-changed" if files differ from it.

    None if the code is no checkout, or git is not installed.
    """
    folder = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):
            return None  # in somebody else's repository, e.g. a project with its environment
        changed = "-changed" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("rev-parse", "HEAD") + changed
    except (OSError, subprocess.SubprocessError):
        return None
