"""One contestant in a process of its own, told what to do by `run.py` in lines of JSON.

A process each, because threads, BLAS and allocators are settled when a library is imported, and so that none slows another's
imports. Between its turns a worker waits for the next line and uses no time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_AT_ONCE = 1000  # rows of a batch to predict


class Trainer:
    """A contestant on a task."""

    def __init__(self, name: str) -> None:
        import contestants

        started = time.perf_counter()
        self.kind = contestants.find(name)
        self.import_seconds = time.perf_counter() - started

    def load(self, task: str, X: str, y: str, first: list[str]) -> bool:
        """Take a task, if the library can do it; its arrays come in files, so that all have the same bytes."""
        import tasks

        self.task = {**tasks.TASKS, **tasks.FIRST}[task]
        if not self.kind.takes(self.task):
            return False
        self.data = np.load(X), np.load(y), [np.load(path) for path in first]
        self.__dict__.pop("contestant", None)
        return True

    def first(self) -> dict[str, float]:
        """Seconds from nothing to the end of the first epoch, and those of another epoch after it."""
        started = time.perf_counter()
        self.contestant = self.kind(self.task, *self.data, self.kind.variants[0])
        self.contestant.train(1)
        between = time.perf_counter()
        self.contestant.train(1)
        return {"first": between - started, "second": time.perf_counter() - between}

    def choose(self) -> str:
        """Take the fastest of the ways to do it, and warm it up."""
        found = []
        for variant in self.kind.variants:
            contestant = self.kind(self.task, *self.data, variant)
            contestant.train(1)
            seconds = min(self._training(contestant) for _ in range(3))
            found.append((seconds, variant, contestant))
        self.contestant = min(found, key=lambda f: f[0])[2]
        return min(found, key=lambda f: f[0])[1]

    def follow(self, orders: str, path: str) -> bool:
        """Write the parameters after each epoch in given orders; False where the contestant cannot be given any."""
        import tasks

        if self.kind.follow is tasks.Contestant.follow:
            return False
        self.contestant.reset()
        steps = []
        for order in np.load(orders):
            self.contestant.follow(order)
            steps.append(np.concatenate([np.array(p).reshape(-1) for p in self.contestant.parameters()]))
        np.save(path, np.array(steps))
        return True

    def turn(self, seconds: float, path: str) -> dict[str, float]:
        """Whole trainings for about so long; write the last one's parameters."""
        wall = cpu = 0.0
        trainings = 0
        while wall < seconds:
            before = time.process_time()
            wall += self._training(self.contestant)
            cpu += time.process_time() - before
            trainings += 1
        np.save(path, np.concatenate([np.array(p).reshape(-1) for p in self.contestant.parameters()]))
        steps = trainings * self.task.epochs * self.task.steps
        return {"wall": wall / steps, "cpu": cpu / steps}

    def alone(self, part: str, X: str, delta: str, path: str) -> bool:
        """Be ready for `predicting` or `going_back`, and write what it gives; False where the library has no such thing."""
        if not hasattr(self, "contestant"):
            self.contestant = self.kind(self.task, *self.data, self.kind.variants[0])
        given = (np.load(X),) if part == "predicting" else (np.load(X), np.load(delta))
        call = getattr(self.contestant, part)(*given)
        if call is None:
            return False
        found, self.calls = call(), [call]
        if part == "predicting" and len(given[0]) > _AT_ONCE:  # in batches some are several times as fast
            batches = [self.contestant.predicting(given[0][at : at + _AT_ONCE]) for at in range(0, len(given[0]), _AT_ONCE)]
            self.calls.append(lambda: [batch() for batch in batches])
        arrays = [found] if part == "predicting" else self.contestant.in_our_form(found)
        np.save(path, np.concatenate([np.asarray(array).reshape(-1) for array in arrays]))
        return True

    def time_alone(self, seconds: float) -> float:
        """Seconds a call, in the faster of its forms."""
        return min(_mean_time(call, seconds / len(self.calls)) for call in self.calls)

    def _training(self, contestant: Any) -> float:
        contestant.reset()
        started = time.perf_counter()
        contestant.train(self.task.epochs)
        return time.perf_counter() - started


class Modules:
    """The modules of one library alone: see `modules_alone`."""

    def __init__(self, library: str) -> None:
        import modules_alone

        self.sides: dict[str, Callable[[str, int], Any]] = {"modnet": modules_alone.Ours, "torch": modules_alone.Theirs}
        self.side = self.sides[library]
        self.made: dict[tuple[str, int], Any] = {}

    def names(self) -> list[tuple[str, int, str, str]]:
        import modules_alone

        return modules_alone.names()

    def turn(self, name: str, size: int, seconds: float) -> dict[str, float] | None:
        """Seconds of forward and of backward, in the mean over so long each; None where the library has no such module."""
        if (name, size) not in self.made:
            self.made[name, size] = self.side(name, size)
        side = self.made[name, size]
        if side.missing:
            return None
        return {"forward": _mean_time(side.forward, seconds), "backward": _mean_time(side.backward, seconds)}


def _mean_time(call: Callable[[], Any], seconds: float) -> float:
    call()
    times, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(5):
            call()
        times += 5
    return (time.perf_counter() - started) / times


def machine() -> dict[str, Any]:
    """What the libraries imported here say of themselves."""
    from threadpoolctl import threadpool_info

    names = ("numpy", "scipy", "numba", "modnet", "torch", "jax", "optax", "sklearn")
    pools = [
        {"library": p["internal_api"], "version": p["version"], "core": p.get("architecture"), "threads": p["num_threads"]}
        for p in threadpool_info()
    ]
    return {
        "versions": {name: sys.modules[name].__version__ for name in names if name in sys.modules},
        "pools": [pool for i, pool in enumerate(pools) if pool not in pools[:i]],
    }


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints does not come between the lines
    subject: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        action, arguments = request.pop("do"), request
        if action == "trainer":
            subject = Trainer(**arguments)
            answer: Any = subject.import_seconds
        elif action == "modules":
            subject = Modules(**arguments)
            answer = None
        elif action == "inside":
            from inside import Inside

            subject, answer = Inside(**arguments), None
        elif action == "gains":
            from gains import Gains

            subject, answer = Gains(**arguments), None
        elif action == "machine":
            answer = machine()
        else:
            answer = getattr(subject, action)(**arguments)
        replies.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
