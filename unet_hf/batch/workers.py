"""Many images, several processes, each with a model of its own. One that dies loses one image."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

from ..errors import UNetError
from ..hashes import model_sha256
from .attempt import BatchStoppedError, attempt
from .item import Failure, Item, Job
from .records import Record

GRACE = 2  # seconds for a process that was told to end


class Worker:
    """The parent's side of a process: it is handed one image at a time."""

    def __init__(self, job: Job, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, job, threads), daemon=True)
        with _deaf_to_interrupts():
            self.process.start()
        theirs.close()  # so that the process' end is the end of what can be received
        self.item: Item | None = None
        self.loaded = False

    def hand(self, item: Item | None) -> None:
        """None: there is nothing left to do."""
        self.item = item
        with suppress(OSError):  # it is dead, which is noticed at the next reception
            self.connection.send(item)

    def lost(self) -> Failure:
        """What to say of the image in the hands of a process that died."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"killed by signal {-code}" if code < 0 else f"ended with status {code}"
        if self.item is None or not self.loaded:
            raise BatchStoppedError(
                f"A process was {how} before it could begin, most often for lack of memory. Use "
                "fewer --jobs; the same command then goes on where it stopped."
            )
        return Failure(
            self.item,
            f"{self.item}: the process at work on it was {how}, most often for lack of memory. Use "
            "a smaller --tile_size or fewer --jobs.",
        )

    def end(self) -> None:
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
        self.connection.close()


def in_processes(
    items: Sequence[Item], job: Job, jobs: int
) -> Iterator[tuple[Item, Record | Failure]]:
    """Each image with what became of it, in the order they are finished.

    Raises:
        BatchStoppedError: No process can go on. All processes end with this iterator.
    """
    threads = max(1, _cores() // jobs)
    waiting = deque(items)
    workers = [Worker(job, threads) for _ in range(min(jobs, len(items)))]
    try:
        for worker in workers:
            worker.hand(waiting.popleft())
        while busy := [worker for worker in workers if worker.item is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                item = worker.item
                try:
                    outcome = worker.connection.recv()
                except (EOFError, OSError):
                    outcome = worker.lost()
                    worker.end()
                    workers.remove(worker)
                    if waiting:
                        workers.append(worker := Worker(job, threads))
                if isinstance(outcome, str):
                    raise BatchStoppedError(outcome)
                if outcome is None:  # the model is loaded
                    worker.loaded = True
                    continue
                yield item, outcome
                worker.hand(waiting.popleft() if waiting else None)
    finally:
        for worker in workers:
            worker.end()


def _work(connection: Connection, job: Job, threads: int) -> None:
    """A process: says None when it is ready, then an outcome an image, or a sentence and ends."""
    import torch

    torch.set_num_threads(threads)
    try:
        model = job.options.load()
        if model_sha256(model) != job.identity:
            connection.send(
                f"The model {job.options.model} changed while it was in use. Start again; "
                "--revision names a commit that cannot change."
            )
            return
        connection.send(None)
        while (item := connection.recv()) is not None:
            connection.send(attempt(model, item, job))
    except UNetError as error:
        connection.send(str(error))
    except (EOFError, OSError):
        pass  # the parent is gone


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C reaches the whole group of processes; those started in here leave it to us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
