"""Watching a network at work: what each module computes, how long it takes, where a NaN is born, where gradients vanish.

All of it is a walk over the modules in Python, one call of the contract at a time, so it sees plain numpy classes as well as
the library's own modules. Nothing here changes a network: gradients, running statistics and draws are put back as they were.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from modnet.arrays import as_batch, whole
from modnet.module import KernelModule
from modnet.modules.sequential import Sequential
from modnet.training import Callback, Training


class Step(NamedTuple):
    """One module in a walk through a network."""

    place: str  #: where it stands, such as "[2]" or "[1][0]"
    module: Any
    input: Any  #: what it was given, (batch, ...)
    output: Any  #: what it returned, (batch, ...)

    @property
    def name(self) -> str:
        """Place and module, as in error messages."""
        return f"{self.place} {self.module if isinstance(self.module, KernelModule) else _kind(self.module)}"


def activations(net: Any, X: Any) -> list[Step]:
    """The input and output of every module for a batch, in order; modules of nested networks one by one.

    Parameters
    ----------
    net : a network. X : (batch, ...).

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> steps = activations(Sequential(Linear(2, 3, rng=0), Tanh()), [[1.0, 2.0]])
    >>> [(step.place, step.output.shape) for step in steps]
    [('[0]', (1, 3)), ('[1]', (1, 3))]
    """
    with _untouched(net):
        return _walk(net, as_batch(X, net.dtype if isinstance(net, Sequential) else None, "activations", "X"))


def _walk(net: Any, x: Any) -> list[Step]:
    steps = []
    for place, module in _places(net):
        out = module.forward(x)
        steps.append(Step(place, module, x, out))
        x = out
    return steps


def deltas(steps: list[Step], delta: Any) -> list[Any]:
    """dL/doutput of every step of a walk, in the walk's order, from delta = dL/d(output of the last)."""
    found = [delta]
    for step in reversed(steps[1:]):
        found.append(step.module.backward_delta(step.input, found[-1]))
    return found[::-1]


class Profile:
    """How long forward, backward_update_gradient and backward_delta of every module take.

    Each is called alone, so the times are those of a walk in Python, a few microseconds of overhead a call included; a compiled
    walk has less. Compilation is not counted.

    Parameters
    ----------
    net : a network. X : (batch, ...), a batch as in training.
    repeats : how often each is called; the median is kept.

    Attributes
    ----------
    rows : (place and module, forward, gradient, delta), times in seconds.

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> profile = Profile(Sequential(Linear(2, 3, rng=0), Tanh()), [[1.0, 2.0]], repeats=3)
    >>> [name for name, *_ in profile.rows]
    ['[0] Linear(2 -> 3)', '[1] Tanh()']
    """

    def __init__(self, net: Any, X: Any, repeats: int = 20) -> None:
        whole(repeats, "Profile", "repeats")
        self.rows: list[tuple[str, float, float, float]] = []
        steps = activations(net, X)
        with _untouched(net):
            for i, (_, module, x, output) in enumerate(steps):
                delta = np.ones_like(output)
                getattr(module, "zero_grad", _nothing)()
                self.rows.append(
                    (
                        steps[i].name,
                        _median_time(repeats, module.forward, x),
                        _median_time(repeats, getattr(module, "backward_update_gradient", _nothing), x, delta),
                        _median_time(repeats, module.backward_delta, x, delta) if i else 0.0,
                    )
                )

    @property
    def total(self) -> float:
        """Seconds of one walk down and up."""
        return sum(sum(times) for _, *times in self.rows)

    def __str__(self) -> str:
        head = ("module", "forward", "gradient", "delta", "share")
        total = self.total or 1.0
        body = [
            (name, *(f"{1e6 * t:.1f} us" for t in times), f"{100 * sum(times) / total:.0f} %") for name, *times in self.rows
        ]
        wide = [max(len(row[c]) for row in (head, *body)) for c in range(5)]
        return "\n".join(
            "  ".join(cell.ljust(w) if c == 0 else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, wide, strict=True)))
            for row in (head, *body)
        )

    __repr__ = __str__


def locate_nan(net: Any, X: Any, y: Any = None, loss: Any = None) -> str | None:
    """Where the first NaN or infinity of a step arises, in words; None where there is none.

    The step is followed in its order: the input, then for each module its parameters and its output, then the loss, then the
    deltas from the last module to the first, each with the gradient.

    Parameters
    ----------
    net : a network. X : (batch, ...). y, loss : for the way back; without them only forward is looked at.

    Example
    -------
    >>> from modnet import Linear, Sequential
    >>> net = Sequential(Linear(2, 3, rng=0), Linear(3, 1, rng=1))
    >>> net[1].weight[0, 0] = np.nan
    >>> locate_nan(net, [[1.0, 2.0]])
    '[1] Linear(3 -> 1): its parameters hold nan (1 of 4 values)'
    """
    x = as_batch(X, net.dtype if isinstance(net, Sequential) else None, "locate_nan", "X")
    with _untouched(net), np.errstate(all="ignore"):
        return _first_bad(net, x, y, loss)


def _first_bad(net: Any, x: Any, y: Any, loss: Any) -> str | None:
    if _bad(x):
        return f"the input holds {_bad(x)}"
    steps: list[Step] = []
    for place, module in _places(net):
        name = Step(place, module, x, None).name
        for what, array in _parameters(module):
            if _bad(array):
                return f"{name}: its {what} hold {_bad(array)}"
        out = module.forward(x)
        if _bad(out):
            return f"{name}: its output holds {_bad(out)}; its parameters are finite, and its input, from {_range(x)}"
        steps.append(Step(place, module, x, out))
        x = out
    if loss is None:
        return None
    cost, delta = loss.forward(y, x), loss.backward(y, x)
    for what, value in (("the cost", cost), ("its backward", delta)):
        if _bad(value):
            return f"{_kind(loss)}: {what} holds {_bad(value)}; the prediction is finite, from {_range(x)}"
    for step in reversed(steps):
        getattr(step.module, "zero_grad", _nothing)()
        getattr(step.module, "backward_update_gradient", _nothing)(step.input, delta)
        gradient = getattr(step.module, "_gradient", None)
        for array in gradient.values() if isinstance(gradient, dict) else [gradient]:
            if array is not None and _bad(array):
                return f"{step.name}: its gradient holds {_bad(array)}; delta is finite, from {_range(delta)}"
        if step is steps[0]:
            break
        before = step.module.backward_delta(step.input, delta)
        if _bad(before):
            return f"{step.name}: its backward_delta holds {_bad(before)}; delta is finite, from {_range(delta)}"
        delta = before
    return None


class NaNLocator(Callback):
    """Callback: when a training diverges, say which module it was, and print it.

    Parameters
    ----------
    X, y : a batch to look at.

    Attributes
    ----------
    found : what `locate_nan` answered; None while nothing happened.
    """

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = X, y
        self.found: str | None = None

    def on_fit_end(self, training: Training) -> None:
        """Look for the cause where the training diverged."""
        if training.history.stopped_because.startswith("diverged"):
            self.found = locate_nan(training.net, self.X, self.y, training.loss) or (
                "no module: this batch is finite with the parameters that were kept; the step after them was too long"
            )
            print(f"NaN locator: {self.found}")


class Norms(Callback):
    """Callback: the norms of delta, gradient and update of every module, epoch by epoch.

    A delta that shrinks from layer to layer on its way down is a vanishing gradient: `plot` shows it.

    Parameters
    ----------
    X, y : the batch that is looked at after each epoch.

    Attributes
    ----------
    names : of the modules, by place.
    delta : (epochs, modules), the norm of dL/doutput of each, of the mean cost of the batch.
    gradient : (epochs, modules), the norm of dL/dparameters; 0 where a module has none.
    update : (epochs, modules), the norm of how far the parameters moved in the epoch.
    """

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = X, y
        self.names: list[str] = []
        self._rows: dict[str, list[list[float]]] = {"delta": [], "gradient": [], "update": []}
        self._before: list[np.ndarray] = []

    @property
    def delta(self) -> np.ndarray:
        """(epochs, modules)."""
        return np.array(self._rows["delta"])

    @property
    def gradient(self) -> np.ndarray:
        """(epochs, modules)."""
        return np.array(self._rows["gradient"])

    @property
    def update(self) -> np.ndarray:
        """(epochs, modules)."""
        return np.array(self._rows["update"])

    def on_fit_begin(self, training: Training) -> None:
        """Remember where the parameters start."""
        self.names = [f"{place} {_kind(module)}" for place, module in _places(training.net)]
        self._rows = {"delta": [], "gradient": [], "update": []}
        self._before = [_flat(module) for _, module in _places(training.net)]

    def on_epoch_end(self, training: Training) -> None:
        """Walk once over the batch and keep the norms."""
        net, loss = training.net, training.loss
        steps = activations(net, self.X)
        last = steps[-1].output
        found = deltas(steps, np.asarray(loss.backward(self.y, last)) / len(last))
        gradients = []
        with _untouched(net):
            for step, delta in zip(steps, found, strict=True):
                getattr(step.module, "zero_grad", _nothing)()
                getattr(step.module, "backward_update_gradient", _nothing)(step.input, delta)
                gradients.append(_norm(_flat(step.module, "_gradient")))
        after = [_flat(step.module) for step in steps]
        self._rows["delta"].append([_norm(delta) for delta in found])
        self._rows["gradient"].append(gradients)
        self._rows["update"].append([_norm(a - b) for a, b in zip(after, self._before, strict=True)])
        self._before = after

    def plot(self, path: Any = None) -> Any:
        """Three panels, a line for each module over the epochs, on a logarithmic axis. Returns the figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12, 3.6), layout="constrained")
        panels = figure.subplots(1, 3)
        kinds = (("delta", self.delta), ("gradient", self.gradient), ("update", self.update))
        for axis, (title, values) in zip(panels, kinds, strict=True):
            for m, name in enumerate(self.names):
                line = values[:, m]
                if (line > 0).any():
                    axis.plot(np.arange(1, len(line) + 1), np.where(line > 0, line, np.nan), label=name, color=f"C{m % 10}")
            axis.set(title=f"norm of {title}", xlabel="epoch", yscale="log")
        panels[0].legend(fontsize="small")
        if path is not None:
            figure.savefig(path)
        return figure


def _places(net: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(net, Sequential):
        yield place or "[0]", net
        return
    for i, module in enumerate(net):
        yield from _places(module, f"{place}[{i}]")


def _kind(value: Any) -> str:
    return type(value).__name__


def _parameters(module: Any) -> list[tuple[str, Any]]:
    held = getattr(module, "_parameters", None)
    if held is None:
        return []
    if isinstance(held, dict):
        return [(f"parameters {name!r}", array) for name, array in held.items()]
    return [("parameters", held)]


def _flat(module: Any, attribute: str = "_parameters") -> np.ndarray:
    held = getattr(module, attribute, None)
    arrays = [] if held is None else list(held.values()) if isinstance(held, dict) else [held]
    return np.concatenate([np.ravel(a) for a in arrays if a is not None] or [np.empty(0)]).copy()


def _norm(values: Any) -> float:
    return float(np.linalg.norm(np.ravel(values)))


def _bad(values: Any) -> str:
    """Such as "nan (3 of 10 values)"; nothing where all are finite."""
    array = np.asarray(values, dtype=float)
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    return f"{array[wrong].flat[0]} ({count} of {array.size} values)" if count else ""


def _range(values: Any) -> str:
    array = np.asarray(values, dtype=float)
    return f"{array.min():.3g} to {array.max():.3g}"


@contextmanager
def _untouched(net: Any) -> Iterator[None]:
    """Within it, gradients, running statistics and draws may change; after it they are as before."""
    leaves = list(net.leaves()) if hasattr(net, "leaves") else [net]
    arrays = [module._hyper for module in leaves if isinstance(module, KernelModule)]
    for owner in {id(m._storage): m._storage for m in (net, *leaves) if hasattr(m, "_storage")}.values():
        arrays += [owner.grad, owner.state]
    kept = [(array, array.copy()) for array in arrays]
    plain = [(module, copy.deepcopy(vars(module))) for module in leaves if not isinstance(module, KernelModule)]
    try:
        yield
    finally:
        for array, numbers in kept:
            array[...] = numbers
        for module, attributes in plain:
            vars(module).clear()
            vars(module).update(attributes)


def _nothing(*arguments: Any) -> None: ...


def _median_time(repeats: int, function: Any, *arguments: Any) -> float:
    function(*arguments)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return float(np.median(times))
