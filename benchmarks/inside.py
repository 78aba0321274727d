"""What a training step of modnet is made of: its kernels one by one, called alone by compiled loops, and its calls by hand.

What a kernel works on is in the nearest cache here, as it is in a small step and not in a large one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import contestants
import numba
import numpy as np
import tasks

from modnet.engine.program import Binding
from modnet.kernels import ahead, blas
from modnet.kernels.compiled import (
    JIT_OPTIONS,
    call_backward,
    call_forward,
    call_gradient,
    call_loss_at_once,
    call_step,
)

PARTS = ("products", "activations, pooling", "optimizer", "loss")
#: A part of a step, what it computes, and what does it so many times.
Kernel = tuple[str, str, Callable[[int], Any]]


def _often(call: Any) -> Any:
    @numba.njit(**JIT_OPTIONS)
    def often(times, *arguments):
        for _ in range(times):
            call(*arguments)

    return often


_forward, _gradient, _delta, _loss, _step = map(
    _often, (call_forward, call_gradient, call_backward, call_loss_at_once, call_step)
)


class Inside:
    """A task as modnet does it, by choice with all products by BLAS. Its arrays come in files, as for the other workers."""

    def __init__(self, by_blas: bool = False) -> None:
        if by_blas:  # before any kernel is compiled, all of them here, and with a folder of their own
            blas._BY_TILES, ahead._FEW = False, sys.maxsize

    def load(self, task: str, X: str, y: str, first: list[str]) -> None:
        self.task = tasks.TASKS[task]
        arrays = np.load(X), np.load(y), [np.load(path) for path in first]
        self.trained = contestants.find("modnet fit")(self.task, *arrays, "")
        self.x, self.y = (array[: self.task.batch] for array in arrays[:2])

    def step(self, seconds: float) -> float:
        """Seconds of a step in `fit`."""
        trained, task = self.trained, self.task

        def train(times: int) -> None:
            for _ in range(times):
                trained.reset()
                trained.train(task.epochs)

        return _seconds(train, seconds) / (task.epochs * task.steps)

    def parts(self, seconds: float) -> dict[str, float]:
        """Seconds of a step in `fit`, and of its kernels, by part."""
        found = {"step": self.step(seconds), **dict.fromkeys(PARTS, 0.0)}
        for part, result, call in self._kernels():
            if result != "dL/dinput":
                found[part] += _seconds(call, seconds / 10)
        return found

    def calls(self, seconds: float) -> dict[str, list[float | None]]:
        """Seconds of each call of a loop by hand, and of those that of its kernels."""
        net, loss, optimizer, x, y = self.trained.net, self.trained.loss, self.trained.optimizer, self.x, self.y
        yhat = net.forward(x)
        delta = loss.backward(y, yhat) / len(x)
        of = dict.fromkeys(("forward", "gradient", "delta", "dL/dinput", "loss", "step"), 0.0)
        for _, result, call in self._kernels():
            of[result] += _seconds(call, seconds / 10)
        calls: dict[str, tuple[Callable[[], Any], float | None]] = {
            "net.zero_grad()": (net.zero_grad, None),
            "net.forward(x)": (lambda: net.forward(x), of["forward"]),
            "loss.backward(y, yhat)": (lambda: loss.backward(y, yhat), None),
            "its division by the batch, in NumPy": (lambda: delta / len(x), None),
            "net.backward_update_gradient(x, delta)": (
                lambda: net.backward_update_gradient(x, delta), of["gradient"] + of["delta"]
            ),
            "net.backward(x, delta)": (lambda: net.backward(x, delta), of["gradient"] + of["delta"] + of["dL/dinput"]),
            "optimizer.step()": (optimizer.step, of["step"]),
            "loss.forward(y, yhat)": (lambda: loss.forward(y, yhat), None),
            "loss(y, yhat)": (lambda: loss(y, yhat), None),
        }  # fmt: skip
        return {name: [_seconds(_repeated(call), seconds), inner] for name, (call, inner) in calls.items()}

    def _kernels(self) -> Iterator[Kernel]:
        """Of every module in order, then of the loss and the optimizer, each on what the one before it gave."""
        rng, x, trains = np.random.default_rng(5), self.x, False
        for module in self.trained.net:
            shape = module.output_shape(x.shape[1:])
            if module.same_numbers:
                x = x.reshape(-1, *shape)
                continue
            bound = Binding(module, x.shape[1:], x.dtype)
            code = [bound.address(operation) for operation in type(module).operations]
            part = "products" if module.counts.parameters else "activations, pooling"
            rows = x.reshape(-1, bound.columns)
            out = np.empty((len(x) * bound.output_rows, bound.output_columns), x.dtype)
            delta, dx = rng.normal(size=out.shape).astype(x.dtype) / len(x), np.empty_like(rows)
            last = bound.parameters, bound.state
            yield part, "forward", _bound(_forward, bound, code[0], rows, out, *last, bound.z, bound.s, 0)
            if code[1]:
                given = rows, out, delta, bound.gradient, *last, bound.z_gradient, bound.s, 0, 1
                yield part, "gradient", _bound(_gradient, bound, code[1], *given)
            result = "delta" if trains else "dL/dinput"
            yield part, result, _bound(_delta, bound, code[2], rows, out, delta, dx, *last, bound.z, bound.s, 0)
            x, trains = out.reshape(-1, *shape), trains or module.counts.parameters > 0
        yield from self._after(x)

    def _after(self, yhat: np.ndarray) -> Iterator[Kernel]:
        loss, optimizer = self.trained.loss, self.trained.optimizer
        y, z = loss.targets(self.y, yhat.shape, yhat.dtype)
        out, right, delta = np.empty(len(y), y.dtype), np.empty(len(y), y.dtype), np.empty_like(yhat)
        code = type(loss).in_one_pass.address(type(loss), y.dtype)
        yield "loss", "loss", _bound(_loss, loss, code, y, yhat, out, right, delta, z.address, loss.setting_words().ctypes.data)
        group = optimizer.flat_group()
        code = type(optimizer).step.address(type(optimizer), y.dtype)
        for p, g, z_at, s, _ in group.parts:
            g[:] = np.random.default_rng(6).normal(size=g.shape) * 1e-3
            yield "optimizer", "step", _bound(_step, optimizer, code, p, g, group.moments, z_at, s)


def _bound(often: Any, keep: Any, *arguments: Any) -> Callable[[int], Any]:
    """Call a kernel so many times; `keep` owns what its addresses point to."""
    return lambda times, _=keep: often(times, *arguments)


def _repeated(call: Callable[[], Any]) -> Callable[[int], Any]:
    def often(times: int) -> None:
        for _ in range(times):
            call()

    return often


def _seconds(often: Callable[[int], Any], seconds: float) -> float:
    """Of one call, the median of eleven turns that together take about so long."""
    often(1)
    times, taken = 1, 0.0
    while taken < seconds / 22:
        times *= 2
        taken = _timed(often, times)
    return float(np.median([_timed(often, times) / times for _ in range(11)]))


def _timed(often: Callable[[int], Any], times: int) -> float:
    started = time.perf_counter()
    often(times)
    return time.perf_counter() - started
