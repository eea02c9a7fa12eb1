"""Taking turns, each side in a process of its own: for what belongs to a process, such as a pool
of threads or the way memory is kept."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from .measuring import clock

Name = TypeVar("Name")
Prepare = Callable[[], Callable[[], object]]  # in the process that runs what it returns


def in_turns_apart(ways: dict[Name, Prepare], rounds: int) -> dict[Name, list[float]]:
    """Seconds of each way, round by round. Ways are pickled."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[Name, Connection] = {}
    processes = []
    for name, prepare in ways.items():
        pipes[name], far_end = context.Pipe()
        processes.append(context.Process(target=answer, args=(prepare, far_end), daemon=True))
        processes[-1].start()
        far_end.close()  # so that a process that fails is noticed instead of waited for
        pipes[name].recv()  # one after the other: preparing takes memory, too
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(True)
            seconds[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    return seconds


def answer(prepare: Prepare, pipe: Connection) -> None:
    """A process: works, and tells its seconds, whenever it is asked."""
    work = prepare()
    for _ in range(2):  # the first calls also take memory
        work()
    pipe.send(None)
    while pipe.recv():
        pipe.send(clock(work))
