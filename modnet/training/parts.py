"""A batch shared between threads: each walks its part of every batch, and they meet to add up their gradients.

It is done from steps of about 200 us on. What it gains, and where it gains nothing, is measured in docs/speed.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from modnet.engine.program import Program
from modnet.engine.run import Workspace
from modnet.engine.walk import fill, walk_epoch
from modnet.kernels.jit import JIT_DISABLED
from modnet.kernels.memory import aligned
from modnet.kernels.threads import one_thread, thread_count, threads_for
from modnet.kernels.together import sleep_address

_SHARE = 10_000_000  # operations of a step that are worth a thread: 100 us or more
_EXAMPLES = 8  # of a batch that are worth a thread
_EXCHANGED = 200  # operations for each parameter, below which reading one another's gradients takes what threads save


def count_parts(program: Program, size: int, examples: int) -> int:
    """How many threads share a batch: one unless a step is long, and the examples of a batch have nothing in common.

    The number depends on the network, the batch and the number of threads of this process alone, so the same training gives
    the same bits again.
    """
    few = program.work * size < _EXCHANGED * program.parameters.size
    if few or JIT_DISABLED or program.mode_rows or program.has_guests:
        return 1
    last = examples % size or size  # of a batch that is short, every part gets at least one
    return max(1, min(thread_count(), min(size, examples) // _EXAMPLES, last, 3 * program.work * size // _SHARE))


class Parts:
    """The parts of the batches of one training.

    Parameters
    ----------
    program : of the network. record : of the first part's walk, an `EPOCH`.
    """

    def __init__(self, program: Program, record: np.ndarray) -> None:
        self.program, self.record, self.operations, self.count = program, record, 0, 1
        self.memory: _Memory | None = None
        self.crew: _Crew | None = None
        fill(record.view(np.int64), parts=1)

    def share(self, size: int, examples: int) -> None:
        """Be ready for batches of this size, of so many examples."""
        count = self.count = count_parts(self.program, size, examples)
        self.operations = self.program.operations * size
        if self.memory is not None and self.memory.serves(count, size):
            return
        self.close()
        fill(self.record.view(np.int64), parts=count)
        if count == 1:
            return
        found = self.program.spare.pop("parts", None)  # for this training alone
        self.memory = found if found is not None and found.serves(count, size) else _Memory(self.program, count, size)
        self.memory.describe(self.record, self.program)
        like = self.program.parameters
        self.crew = _Crew([partial(walk_epoch.call, own.ctypes.data, like) for own in self.memory.records])

    def walk(self, first_part: Callable[[], Any]) -> Any:
        """Call `first_part`, while the other threads walk theirs."""
        if self.memory is None or self.crew is None:
            with threads_for(self.operations):
                return first_part()
        self.memory.begin(self.record)
        with one_thread():
            return self.crew.run(first_part)

    def close(self) -> None:
        """End the threads, and leave the memory to the next training."""
        if self.crew is not None:
            self.crew.close()
            self.program.spare["parts"] = self.memory
            self.memory = self.crew = None


class _Memory:
    """For each part but the first a workspace, a gradient and the record of its walk; and what the parts tell each other."""

    def __init__(self, program: Program, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.stride = -(-program.parameters.size // 64) * 64
        self.gradients = aligned((count - 1) * self.stride, program.dtype)
        self.meeting = aligned(8, np.int64)[:1]  # a cache line of its own, since threads look at it all the time
        self.partial = aligned(-(-(2 * count + 1) // 8) * 8, np.float64)
        self.workspaces = [Workspace(program, -(-size // count)) for _ in range(1, count)]
        for k, workspace in enumerate(self.workspaces):
            workspace.record["gradient"] = self.gradients[k * self.stride :].ctypes.data
        self.records: list[np.ndarray] = []

    def serves(self, count: int, size: int) -> bool:
        return (self.count, self.size) == (count, size)

    def describe(self, record: np.ndarray, program: Program) -> None:
        """Say in a record where all this lies."""
        fill(
            record.view(np.int64), meeting=self.meeting.ctypes.data, partial=self.partial.ctypes.data,
            sum=program.gradient.ctypes.data, others=self.gradients.ctypes.data, other_count=self.stride, sleep=sleep_address(),
        )  # fmt: skip
        self.records = [record.copy() for _ in self.workspaces]

    def begin(self, record: np.ndarray) -> None:
        """Before a walk: the records of all parts are that of the first, but for their number and workspace."""
        self.meeting[0] = 0
        for part, (workspace, own) in enumerate(zip(self.workspaces, self.records), 1):
            own[:] = record
            fill(own.view(np.int64), part=part, walk=workspace.address)


class _Crew:
    """Threads that wait for work beside the one that trains.

    Parameters
    ----------
    jobs : one for each thread, done whenever `run` is called. None of them may fail: the others would wait for it.
    """

    def __init__(self, jobs: list[Callable[[], Any]]) -> None:
        self._begin, self._end = [threading.Semaphore(0) for _ in jobs], threading.Semaphore(0)
        self._is_over = False
        for job, begin in zip(jobs, self._begin):
            threading.Thread(target=self._work, args=(job, begin), name="modnet", daemon=True).start()

    def _work(self, job: Callable[[], Any], begin: threading.Semaphore) -> None:
        while begin.acquire() and not self._is_over:
            job()
            self._end.release()

    def run(self, mine: Callable[[], Any]) -> Any:
        """Do all jobs, and `mine` in the thread that calls; return what that gives when all are done."""
        for begin in self._begin:
            begin.release()
        try:
            return mine()
        finally:
            for _ in self._begin:
                self._end.acquire()

    def close(self) -> None:
        """Let the threads end."""
        self._is_over = True
        for begin in self._begin:
            begin.release()
