"""Films whose cells are followed in their truth, in the layout of the Cell Tracking Challenge."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from .film_folders import FRAME, MASK, SLICE, film_names, split_of
from .film_truth import TRACK_LINES
from .paired_folders import pictures_in

LAYOUT = (
    "Expected are films as the Cell Tracking Challenge distributes them: frames 01/t000.tif ..., "
    "their tracks 01_GT/TRA/man_track.txt with man_track000.tif ..., and masks of some frames, "
    "01_GT/SEG/man_seg000.tif ..."
)


@dataclass(frozen=True)
class TrueFilm:
    """A film with its truth.

    name: e.g. "01". frames: Its files, in their order. truth: The folder "01_GT". segmented:
    Frames whose objects have true masks. split: In which a training has them; None without any.
    """

    name: str
    frames: tuple[Path, ...]
    truth: Path
    segmented: int
    split: str | None


def find_true_films(root: Path) -> list[TrueFilm]:
    """Finds all films whose truth has tracks, in the order of their names.

    Raises:
        DatasetError: There is none, or the truth of one does not fit its frames.
    """
    if not root.is_dir():
        raise DatasetError(f"There is no folder {root}. {LAYOUT}")
    names = film_names(root)
    trained = [name for name in names if pictures_in(root / f"{name}_GT" / "SEG", "*")]
    films = [
        _film(root, name, split_of(name, trained) if name in trained else None)
        for name in names
        if (root / f"{name}_GT" / TRACK_LINES).is_file()
    ]
    if not films:
        raise DatasetError(f"{root} has no films with tracks. {LAYOUT}")
    return films


def _film(root: Path, name: str, split: str | None) -> TrueFilm:
    truth = root / f"{name}_GT"
    frames = {
        int(found[1]): path
        for path in pictures_in(root / name, "*")
        if (found := FRAME.fullmatch(path.stem))
    }
    # The scores take the masks of a frame by its place in the film.
    if not frames or sorted(frames) != list(range(len(frames))):
        missing = sorted(set(range(max(frames, default=0))) - set(frames))
        raise DatasetError(
            f"{root / name} has {len(frames)} frames, and of its film are missing: "
            f"{', '.join(f't{number:03d}' for number in missing[:5]) or 'all'}. {LAYOUT}"
        )
    markers = len(list((truth / "TRA").glob("man_track*.tif")))
    if markers != len(frames):
        raise DatasetError(
            f"{truth / 'TRA'} has {markers} files man_track000.tif ..., and {root / name} has "
            f"{len(frames)} frames: each frame needs one. {LAYOUT}"
        )
    masks = [path.stem for path in pictures_in(truth / "SEG", "*")]
    for mask in masks:
        found = MASK.fullmatch(mask)
        if SLICE.fullmatch(mask) or not found or int(found[1]) not in frames:
            raise DatasetError(
                f"{truth / 'SEG'} has {mask}, which is the mask of no frame of {root / name} in "
                f"two dimensions. {LAYOUT}"
            )
    return TrueFilm(name, tuple(frames[n] for n in sorted(frames)), truth, len(masks), split)
