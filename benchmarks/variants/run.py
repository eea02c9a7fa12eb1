"""Trains one variant on one set from one seed, in a process of its own."""

import json
import resource
import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

NEVER = 10**9  # steps: nothing is evaluated or written before the end
OF_EVERY_RUN = {
    "validation_steps": NEVER,
    "checkpointing_steps": NEVER,
    "dataloader_num_workers": 0,
    "measure_speed": False,
}


def run(
    options: dict[str, Any], folder: str, threads: int, code: str | None, plain: bool
) -> dict[str, Any]:
    """Trains, and returns the scores of the last step and what they took.

    The training is evaluated once, at its end, so that no evaluation is chosen among others.

    Args:
        options: Options of `TrainingConfig`, with all that is planned and the budget.
        folder: Of the training; what an earlier run left there is replaced.
        threads: For the arithmetic; crops are prepared in the same process.
        code, plain: See `registry.Variant`.
    """
    began = time.perf_counter()
    import torch

    from train.config import TrainingConfig
    from train.loop import train
    from train.malloc import keep_memory

    torch.set_num_threads(threads)
    keep_memory()
    shutil.rmtree(folder, ignore_errors=True)
    config = TrainingConfig(**options | OF_EVERY_RUN, output_dir=folder)
    with run_by_pytorch() if plain else nullcontext():
        train(config, began, recipe=recipe_of(code))
    row = json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])
    shutil.rmtree(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"scores": scores(row), "steps": row["step"]} | {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def scores(row: dict[str, Any]) -> dict[str, float]:
    """The scores of an evaluation that exist for its data set."""
    found = {"mean_iou": row["mean_iou"], "score": row["score"]}
    if membrane := row.get("membrane"):
        found |= {"v_rand": membrane["best_v_rand"], "v_info": membrane["best_v_info"]}
    if objects := row.get("objects"):
        found |= {"ap50": objects["ap50"], "mean_ap": objects["mean_ap"]}
    return found


def recipe_of(code: str | None) -> Any:
    """The recipe of a variant, which writes no finished checkpoint: only scores are wanted."""
    from dataclasses import replace

    from train.recipe import USUAL_RECIPE

    recipe = import_module(f"{__package__}.{code}").RECIPE if code else USUAL_RECIPE
    return replace(recipe, finish=lambda *anything: None)


def run_by_pytorch() -> AbstractContextManager:
    """Lets PyTorch compute all predictions: the engine knows one kind of network."""
    from unet_hf.engine.backend import run_with_pytorch

    def logits_function(model: Any, precision: str) -> Any:
        return lambda image, *_, **__: run_with_pytorch(model, precision, image)

    return mock.patch("unet_hf.predict.tiles.logits_function", logits_function)
