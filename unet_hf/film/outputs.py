"""The files that a followed film can be saved as: their names, and which are removed."""

from collections.abc import Collection
from pathlib import Path

from ..errors import ConfigError
from ..objects.instances import check_skimage
from .overlay import WEBP, ZIP

TRACKS, TABLE, SUMMARY, LINEAGE = "tracks", "objects.csv", "tracks.csv", "lineage.svg"
OUTLINES = "outlines"
# The files and folders, by the names that the option `only` takes.
FILM_OUTPUTS = {
    "tables": (SUMMARY, TABLE),
    "masks": (TRACKS,),
    "lineage": (LINEAGE,),
    "outlines": (OUTLINES,),
    "overlay": (WEBP, ZIP),  # one of them
}
DEFAULT_FILM_OUTPUTS = ("tables", "masks", "lineage")
# What we write into a folder of results, as patterns: nothing else is removed from it.
OWN_FILES = {TRACKS: ("mask*.tif", "res_track.txt"), OUTLINES: ("frame*.geojson",)}


def checked_film_outputs(only: Collection[str]) -> list[str]:
    """Returns these names in the order of `FILM_OUTPUTS`.

    Raises:
        ConfigError: There is no such output, or the package that writes it is missing.
    """
    names = [only] if isinstance(only, str) else only
    if not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"only={only!r:.60} names no outputs of a film. Expected: some of "
            f"{', '.join(FILM_OUTPUTS)}, e.g. only=['tables', 'masks']."
        )
    if unknown := sorted(set(names) - set(FILM_OUTPUTS)):
        raise ConfigError(
            f"There is no output {', '.join(unknown)} of a film; there are "
            f"{', '.join(FILM_OUTPUTS)}."
        )
    if "outlines" in names:
        check_skimage()
    return [name for name in FILM_OUTPUTS if name in names]


def remove_others(folder: Path, only: Collection[str]) -> None:
    """Removes what an earlier run has written into its folder, and is not asked for now.

    It may be of another linking: a number would mean another cell than in the new files.
    """
    kept = {path for name in checked_film_outputs(only) for path in FILM_OUTPUTS[name]}
    for name in (path for paths in FILM_OUTPUTS.values() for path in paths if path not in kept):
        if name not in OWN_FILES:
            (folder / name).unlink(missing_ok=True)
        elif (folder / name).is_dir():
            for pattern in OWN_FILES[name]:
                for file in (folder / name).glob(pattern):
                    file.unlink()
            if not any((folder / name).iterdir()):
                (folder / name).rmdir()
