"""Segments many files into one folder: what is finished is not computed again, what fails does
not stop the rest, and a run that was killed and started again ends as if it had never been."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError
from ..files import exclusive_writer
from ..hashes import model_sha256
from ..unet import UNet
from .attempt import attempt, explaining_write_errors
from .inputs import InputFile, find_inputs, pages_of
from .item import Failure, Item, Job
from .mask_stack import write_mask_stack
from .options import BatchOptions
from .progress import Progress
from .records import Records, clear_unfinished
from .tables import (
    OBJECTS,
    RESULTS,
    SUMMARY,
    write_csv,
    write_objects,
    write_results,
    write_summary,
)
from .workers import in_processes

FAILED = "failed.csv"


@dataclass
class Batch:
    """A run: its images, and what became of them so far."""

    items: list[Item]
    job: Job
    records: Records
    todo: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    finished: int = 0  # of those to do

    @property
    def done(self) -> int:
        """Images whose outputs are complete."""
        return len(self.items) - len(self.todo) + self.finished

    @property
    def unlike(self) -> int:
        """Images that are unlike those the checkpoint was trained on."""
        done = (self.records.by_name.get(item.name, {}) for item in self.items)
        return sum(record.get("unlike_training", 0) > 1 for record in done)

    def summary(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        before = len(self.items) - len(self.todo)
        known = f" ({before} of them before)" if before else ""
        return f"{self.done} of {len(self.items)} segmented{known}{failed}"


def segment_files(
    named: Sequence[str],
    output: Path,
    options: BatchOptions,
    watch: Callable[[Batch], Progress] | None = None,
) -> Batch:
    """Segments all images that are meant and writes their outputs into `output`.

    For `plates/a/1.tif` found in the folder plates these are `a/1_mask.png`, `a/1_overlay.png`,
    `a/1_probabilities.tif` and `a/1_summary.json`, the same bytes that `Segmentation.save` writes;
    of a file with several pages `a/1_page0000_mask.png` ... and all masks in `a/1_mask.tif`.
    Of images that are segmented by windows, see `BatchOptions.by_windows`, the mask is
    `a/1_mask.tif`, and there is no overlay.
    Beside them a table of all areas, `results.csv`, what went wrong, `failed.csv`, and the records
    by which a later run knows what is finished: the same input (size and time), the same weights
    and configuration, the same options. With objects of several images there are also all of them
    in one table, `objects.csv`, and a summary of each image, `summary.csv`.

    Args:
        named: Files, folders and patterns, see `find_inputs`.
        output: The output folder; made if missing.
        watch: Makes what is told of each step, of a run that is about to begin; None: the bar of
            a terminal. Whatever it raises ends the run, a KeyboardInterrupt as Ctrl-C does.

    Raises:
        ImageNotFoundError, ConfigError, CheckpointError: Before anything is computed.
        BatchStoppedError: The outputs cannot be written.
        KeyboardInterrupt: With a sentence that says how to go on.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output} is a file. Name a folder.")
    with explaining_write_errors(output):
        files = find_inputs(named, output, Records(output).files())
        model = options.load()
        items = _items(files, options, model)
        job = Job(options.settled(model), output, model_sha256(model))
        output.mkdir(parents=True, exist_ok=True)
        with exclusive_writer(output):
            clear_unfinished(output)
            batch = Batch(items, job, Records(output))
            _plan(batch)
            try:
                _run(batch, model, watch or _bar)
            except KeyboardInterrupt:
                with suppress(OSError):
                    clear_unfinished(output)  # of processes that were ended
                    _write_tables(batch)
                raise KeyboardInterrupt(
                    f"stopped: {batch.summary()}. The same command goes on from here."
                ) from None
            _write_stacks(batch, model)
            batch.records.rewrite()
            _write_tables(batch)
    return batch


def _items(files: Sequence[InputFile], options: BatchOptions, model: UNet) -> list[Item]:
    """The pages of all files, each with outputs of its own."""
    items: dict[str, Item] = {}
    for file in files:
        pages, large = pages_of(file.path, options.axes), options.by_windows(file.path, model)
        for page in range(pages) if options.page is None else [options.page]:
            item = Item(file, page, pages, large)
            if (other := items.setdefault(item.name, item)) is not item:
                raise ConfigError(
                    f"{other} and {item} would both be written as {item.name}_mask.png. Rename "
                    "one of the files."
                )
    return list(items.values())


def _plan(batch: Batch) -> None:
    """Finds out what is to do and notes whose files will be written.

    Raises:
        ConfigError: A file in the way is not ours, or is of another image.
    """
    records, job = batch.records, batch.job
    _forget_lost_pages(batch)
    planned: dict[str, list[str]] = {}
    for item in batch.items:
        files = item.outputs(job.options)
        if not job.options.overwrite:
            with suppress(OSError):  # told when it is its turn
                if records.is_complete(item.name, job.wanted(item), files):
                    continue
            _check_same_input(records, item)
        batch.todo.append(item)
        planned[item.name] = files
    again = set(planned)
    for name, pages in _stacks(batch).items():
        sizes = {"of": len(pages), "model": job.identity, "options": job.shared()}
        stack = f"{name}_mask.tif"
        if not again.isdisjoint(page.name for page in pages) or not records.is_complete(
            name, sizes, [stack]
        ):
            planned[name] = [stack]
    if not job.options.overwrite:
        _check_ours(batch, [file for files in planned.values() for file in files])
    ours = records.files()
    for name, files in planned.items():
        # Outputs of an earlier run that this one does not write would be of another prediction.
        for file in set(records.by_name.get(name, {}).get("files", ())) - set(files):
            _remove(job.output / file)
    if planned or not ours:
        records.plan(planned)


def _forget_lost_pages(batch: Batch) -> None:
    """Removes what is left of pages that a changed file no longer has."""
    records, names = batch.records, {item.name for item in batch.items}
    changed = {}
    for item in batch.items:
        with suppress(OSError):
            status = item.file.path.stat()
            changed[os.path.abspath(item.file.path)] = [status.st_size, status.st_mtime_ns]  # noqa: PTH100
    for name, record in list(records.by_name.items()):
        now = changed.get(record.get("input"))
        if name not in names and now and now != [record["bytes"], record["mtime_ns"]]:
            for file in record["files"]:
                _remove(batch.job.output / file)
            del records.by_name[name]


def _check_same_input(records: Records, item: Item) -> None:
    earlier = records.by_name.get(item.name, {}).get("input")
    if earlier and Path(earlier).exists() and not Path(earlier).samefile(item.file.path):
        raise ConfigError(
            f"{item.name} in {records.folder} is the result of {earlier}, and {item.file.path} "
            "would be written over it. Name another --output, or add --overwrite."
        )


def _check_ours(batch: Batch, files: list[str]) -> None:
    """Nobody's own file is written over, be it a mask drawn by hand of the same name."""
    ours, folder = batch.records.files(), batch.job.output
    if not batch.records.path.exists():
        files = [*files, RESULTS, FAILED]
        if batch.job.options.has_joint_tables(len(batch.items)):
            files += [OBJECTS, SUMMARY]
    for file in files:
        if file not in ours and os.path.lexists(folder / file):
            raise ConfigError(
                f"{folder / file} is there already and was not written by this command. Name "
                "another --output, or add --overwrite to replace it."
            )


def _bar(batch: Batch) -> Progress:
    return Progress(len(batch.todo), "image")


def _run(batch: Batch, model: "UNet", watch: Callable[[Batch], Progress]) -> None:
    """Segments what is to do; a line for each image that fails."""
    with watch(batch) as progress:
        if batch.items and not batch.todo:
            progress.say("everything is segmented already")
        elif before := len(batch.items) - len(batch.todo):
            progress.say(f"{before} of {len(batch.items)} images are segmented already")
        jobs = min(batch.job.options.jobs, len(batch.todo))
        if jobs > 1:
            outcomes = in_processes(batch.todo, batch.job, jobs)
        else:
            outcomes = (
                (item, attempt(model, item, batch.job, progress.part)) for item in batch.todo
            )
        with closing(outcomes):
            for item, outcome in outcomes:
                if isinstance(outcome, Failure):
                    batch.failures.append(outcome)
                    progress.say(f"failed: {outcome.reason}")
                    for file in item.outputs(batch.job.options):  # of what was there before
                        _remove(batch.job.output / file)
                else:
                    for file in outcome["left_out"]:  # of what was there before
                        _remove(batch.job.output / file)
                    batch.records.add(outcome)
                    batch.finished += 1
                progress.step()


def _stacks(batch: Batch) -> dict[str, list[Item]]:
    """Files whose pages were all asked for and are several: name -> pages."""
    options, stacks = batch.job.options, {}
    if options.page is None and "mask" in options.outputs:
        for item in batch.items:
            if item.pages > 1 and not item.large:
                stacks.setdefault(item.file.name, []).append(item)
    return stacks


def _write_stacks(batch: Batch, model: "UNet") -> None:
    records, job = batch.records, batch.job
    for name, pages in _stacks(batch).items():
        stack = job.output / f"{name}_mask.tif"
        if "planned" not in records.by_name[name]:
            continue
        finished = [records.by_name[page.name] for page in pages]
        if any("planned" in record for record in finished):  # a page failed
            _remove(stack)
            continue
        masks = [job.output / f"{page.name}_mask.png" for page in pages]
        axis = "".join(letter for letter in finished[0]["axes"] if letter not in "YXSC")
        write_mask_stack(stack, masks, model.config["colors"], axis if len(axis) == 1 else "Q")
        records.add(
            {
                "name": name,
                "of": len(pages),
                "model": job.identity,
                "options": job.shared(),
                "files": {stack.relative_to(job.output).as_posix(): stack.stat().st_size},
            }
        )


def _write_tables(batch: Batch) -> None:
    """The tables of everything in the folder that this model segmented, failed.csv of this run."""
    output, records = batch.job.output, batch.records
    rows = [
        record
        for _, record in sorted(records.by_name.items())
        if record.get("model") == batch.job.identity
        and "pixels" in record
        and records.is_complete(record["name"], {}, record["files"])
    ]
    write_results(output / RESULTS, rows)
    if batch.job.options.has_joint_tables(len(batch.items)):
        write_objects(output / OBJECTS, rows)
        write_summary(output / SUMMARY, rows)
    failed = sorted(
        (failure.item.file_name, failure.item.page, failure.reason) for failure in batch.failures
    )
    if failed:
        write_csv(output / FAILED, [["file", "page", "reason"], *failed])
    else:
        _remove(output / FAILED)


def _remove(path: Path) -> None:
    """Also of a path that cannot exist, as its name is too long."""
    if os.path.lexists(path):
        path.unlink()
