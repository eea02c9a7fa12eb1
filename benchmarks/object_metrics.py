"""Our scores of objects beside published implementations: `python -m benchmarks.object_metrics`.

Draws pairs of label images with objects that are shifted, split, merged, missed and invented, and
scores them with this package and with StarDist (AP, F1, panoptic quality), with the code of the
MoNuSeg challenge as hover-net ships it (aggregated Jaccard index), and with py-ctcmetrics (SEG).
None of them needs weights. They go into a folder of their own (650 MB):

    pip install --target peers stardist==0.9.2 py-ctcmetrics==1.3.3
    pip install --target peers --no-deps hover-net==0.0.10
    PYTHONPATH=peers python -m benchmarks.object_metrics --json theirs.json

tests/objects/test_object_scores.py has the figures of the others as numbers, so that it needs no
package.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np

from unet_hf.evaluation.object_scores import IOU_THRESHOLDS, score_objects
from unet_hf.evaluation.object_summary import object_row

from .measuring import table, write_json

SEEDS = range(4)
SIDE = 160  # pixels
SCORES = ("ap50", "mean_ap", "f1", "pq", "aji", "seg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the others' figures to this file")
    options = parser.parse_args()
    theirs = {seed: their_scores(*drawn_objects(seed)) for seed in SEEDS}
    rows = []
    for seed in SEEDS:
        ours = our_scores(*drawn_objects(seed))
        rows.append([str(seed), *(f"{ours[name]:.4f}" for name in SCORES)])
        rows.append(["", *(f"{theirs[seed][name] - ours[name]:+.0e}" for name in SCORES)])
    print(table(["image, difference of the others", *SCORES], rows))
    if options.json:
        write_json(options.json, {str(seed): scores for seed, scores in theirs.items()})


def drawn_objects(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws true and proposed ids, (SIDE, SIDE) int32 each; the ids have gaps."""
    random = np.random.default_rng(seed)
    truth, proposed = np.zeros((2, SIDE, SIDE), np.int32)
    y, x = np.mgrid[:SIDE, :SIDE]
    for index, (top, left) in enumerate(random.integers(8, SIDE - 8, (40, 2)).tolist()):
        down, right, grown = random.integers(-2, 3, 3).tolist()
        radius, fate = int(random.integers(4, 10)), int(random.integers(0, 10))
        inside = (y - top) ** 2 + (x - left) ** 2 < radius**2
        found = (y - top - down) ** 2 + (x - left - right) ** 2 < (radius + grown / 2) ** 2
        if fate != 0:  # 0: invented
            truth[inside] = 7 * index + 3
        if fate == 1:  # missed
            continue
        proposed[found] = 5 * index + 2
        if fate == 2:  # split
            proposed[found & (x > left)] = 5 * index + 4
        if fate == 3:  # merged with the one before
            proposed[proposed == 5 * index - 3] = 5 * index + 2
    return truth, proposed


def our_scores(truth: np.ndarray, proposed: np.ndarray) -> dict[str, float]:
    row = object_row(score_objects(truth, proposed))
    return {name: row[name] for name in ("ap50", "mean_ap", "f1", "pq", "aji", "seg")}


def their_scores(truth: np.ndarray, proposed: np.ndarray) -> dict[str, float]:
    """The same from StarDist, hover-net and py-ctcmetrics."""
    from skimage.segmentation import relabel_sequential

    matching = module_of("stardist", "matching.py").matching
    bounds = np.nextafter(np.float32(IOU_THRESHOLDS), np.float32(1))  # "above", and not "at least"
    matched = matching(truth, proposed, thresh=bounds.astype(float))
    aggregated = module_of("hover_net", "metrics/stats_utils.py").get_fast_aji
    return {
        "ap50": float(matched[0].accuracy),
        "mean_ap": float(np.mean([one.accuracy for one in matched])),
        "f1": float(matched[0].f1),
        "pq": float(matched[0].panoptic_quality),
        "aji": float(aggregated(relabel_sequential(truth)[0], relabel_sequential(proposed)[0])),
        "seg": their_seg(truth, proposed),
    }


def their_seg(truth: np.ndarray, proposed: np.ndarray) -> float:
    """SEG of py-ctcmetrics, which reads files."""
    import tifffile
    from ctc_metrics.metrics.technical.seg import seg
    from ctc_metrics.utils.representations import match

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("truth.tif", "proposed.tif")]
        for path, ids in zip(paths, (truth, proposed), strict=True):
            tifffile.imwrite(path, ids)
        labels, _, _, _, ious = match(*paths)
    return seg([labels], [ious])


def module_of(package: str, file: str):
    """Loads one file of a package, without what the package's own start would import."""
    folder = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(f"{package}_one_file", folder / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
