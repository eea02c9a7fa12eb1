"""What each part of the paper's recipe brings, or of what a network learns of objects, at equal
budget.

    python -m benchmarks.ablation --dataset_name data/isbi2012 --output_dir ablation
    python -m benchmarks.ablation --of objects --dataset_name data/phase --output_dir ablation

Trains every variant from each seed, one after the other, and prints a Markdown table. A variant
that is finished in `--output_dir` is not trained again, so the command can be repeated.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

# Valid convolutions lose 92 px on each side. One tile of 508 px costs the network as many input
# pixels as four crops of 256 px, which is what "equal budget" means here.
RECIPE: dict[str, list[str]] = {
    "full recipe": [],
    "no border weights": ["--border_weight", "0"],
    "no elastic deformation": ["--elastic_std", "0"],
    "no dropout": ["--dropout", "0"],
    "no averaged weights": ["--use_ema", "false"],
    "valid convolutions": [
        "--padding", "valid", "--resolution", "508", "--train_batch_size", "1",
    ],
}  # fmt: skip
OBJECTS: dict[str, list[str]] = {
    "classes alone": ["--objects", "none"],
    "distance": ["--object_channels", "distance"],
    "distance and border": ["--object_channels", "distance,border"],
    "distance and centre": ["--object_channels", "distance,centre"],
}


def train(output: Path, dataset: str, steps: int, seed: int, options: list[str]) -> None:
    command = [
        sys.executable, "-m", "train", "--dataset_name", dataset, "--output_dir", str(output),
        "--max_train_steps", str(steps), "--validation_steps", str(steps),
        "--checkpointing_steps", str(steps), "--checkpoints_total_limit", "1",
        "--seed", str(seed), *options,
    ]  # fmt: skip
    if (output / "metrics.jsonl").exists():
        command += ["--resume_from_checkpoint", "latest"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def recipe_scores(output: Path) -> dict[str, float]:
    evaluation = json.loads((output / "evaluation.json").read_text())
    last = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
    membrane = evaluation["membrane"] or {}
    return {
        "V_rand": membrane.get("best_v_rand", float("nan")),
        "V_info": membrane.get("best_v_info", float("nan")),
        "mean IoU": evaluation["mean_iou"],
        "minutes": last["seconds"] / 60,
    }


def object_scores(output: Path) -> dict[str, float]:
    """Reads the scores with the way of making objects that was best on the validation split."""
    evaluation = json.loads((output / "evaluation.json").read_text())
    last = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
    scores = evaluation["objects"]["all"]["scores"]
    return {
        "AP@0.5": scores["ap50"],
        "mean AP": scores["mean_ap"],
        "mean IoU": evaluation["mean_iou"],
        "minutes": last["seconds"] / 60,
    }


QUESTIONS = {"recipe": (RECIPE, recipe_scores), "objects": (OBJECTS, object_scores)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--of", choices=QUESTIONS, default="recipe")
    parser.add_argument("--dataset_name", required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    variants, scores_of = QUESTIONS[given.of]

    results: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for seed in range(given.seeds):  # seed by seed: a run cut short still compares like with like
        for name, options in variants.items():
            output = given.output_dir / f"{name.replace(' ', '-')}-{seed}"
            if not (output / "config.json").exists():
                train(output, given.dataset_name, given.steps, seed, options)
            results[name].append(scores_of(output))
            print(f"{name}, seed {seed}: {results[name][-1]}", file=sys.stderr, flush=True)
    (given.output_dir / "ablation.json").write_text(json.dumps(results, indent=2) + "\n")

    titles = list(next(iter(results.values()))[0])
    print(f"| {given.steps} steps, {given.seeds} seeds | {' | '.join(titles)} |")
    print("| --- |" + " --- |" * len(titles))
    for name, rows in results.items():
        cells = []
        for title in titles:
            values = [row[title] for row in rows]
            digits = 1 if title == "minutes" else 4
            span = f" [{min(values):.{digits}f} .. {max(values):.{digits}f}]"
            cells.append(f"{statistics.mean(values):.{digits}f}{span}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
