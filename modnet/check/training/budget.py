"""The budget of a search: work, in examples times parameters, and the clock as a cap on top."""

from __future__ import annotations

import time

_WAITING = 12  # times the limit, by the clock on the wall
_LONGEST = 2.5e9  # of one training


class OutOfTime(Exception):
    """The clock was met, between two trainings or inside one."""


class Budget:
    """Work that may still be done, and the clock.

    The clock counts the time of the processor, so that other work on the machine does not change the answer; what only waits is
    ended after twelve times as long.
    """

    def __init__(self, work: float, seconds: float) -> None:
        self.began, self._began_work = time.perf_counter(), time.thread_time()
        self.left, self.seconds = work, seconds
        self.spent = False  # all work is done
        self.late = False  # the clock was met
        self.runs = 0

    def look_at_clock(self, *_: object) -> None:
        """Raise `OutOfTime` if the clock is met; a callback of `fit`, too."""
        if time.thread_time() - self._began_work > self.seconds or self.taken > _WAITING * self.seconds:
            self.late = True
            raise OutOfTime

    def allows(self, work: float, keep: float = 0.0) -> bool:
        """Whether a training of this much work may be tried, with some work kept for what comes later."""
        self.look_at_clock()
        if work > min(self.left - keep, _LONGEST):
            self.spent = True
            return False
        self.left -= work
        self.runs += 1
        return True

    @property
    def taken(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self.began

    def __str__(self) -> str:
        return f"{self.runs} runs, {self.taken:.1f} s"
