"""Watching a network at work: what each module computes, how long it takes, where a NaN first appears, where gradients vanish.

All of it reads the rows of the network's program, one at a time, so it is right for every way in which modules can be
connected, and sees plain numpy classes as well as the library's own modules. Nothing here changes a network: gradients,
running statistics, draws and what other people's modules keep are put back as they were.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from modnet.engine import run
from modnet.engine.foreign import Foreign
from modnet.engine.program import Value, is_ours, is_wired
from modnet.engine.snapshot import NUMBERS, Kept
from modnet.engine.storage import leaves, unique, writing
from modnet.inputs import as_batch, whole
from modnet.module import require_net
from modnet.modules.container import require_shared
from modnet.training import Callback, Training
from modnet.training.data import element_type


class Step(NamedTuple):
    """One module in a walk through a network."""

    place: str  #: its place, such as "[2]" or "[1][0]"; empty for the network itself
    module: Any
    input: Any  #: what it was given, (batch, ...)
    output: Any  #: what it returned, (batch, ...)

    @property
    def name(self) -> str:
        """Place and module, as in error messages."""
        return _name(self.place, self.module)


class Steps(list[Step]):
    """The steps of a walk, in order. `deltas` walks back through them."""

    walk: _Walk

    @property
    def output(self) -> np.ndarray:
        """What the network returned."""
        return self.walk.output


def activations(net: Any, X: Any) -> Steps:
    """The input and output of every module for a batch, in order; modules of nested networks one by one.

    A `Residual`, a `Concat` or another container that connects the outputs of its modules has a step of its own after theirs,
    so the last step's output is always the network's. In training mode modules draw what they will draw in the next forward,
    and running statistics do not move.

    Parameters
    ----------
    net : a network. If it is a class that somebody else wrote, it is one step. X : (batch, ...).

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> steps = activations(Sequential(Linear(2, 3, rng=0), Tanh()), [[1.0, 2.0]])
    >>> [(step.place, step.output.shape) for step in steps]
    [('[0]', (1, 3)), ('[1]', (1, 3))]
    """
    walk = _Walk(net, X, "activations")
    with walk.leaving_no_trace():
        steps = Steps(walk.forward(i) for i in range(len(walk.stops)))
    steps.walk = walk
    return steps


def deltas(steps: Steps, delta: Any) -> list[Any]:
    """dL/doutput of every step of a walk, in the walk's order.

    Parameters
    ----------
    steps : what `activations` returned. delta : dL/d(output of the network), of its shape.
    """
    if not isinstance(steps, Steps):
        raise TypeError(f"deltas: steps is of type {type(steps).__name__}, expected what activations returned")
    walk = steps.walk
    d = walk.as_delta(delta, "deltas")
    walk.require_unchanged()
    with walk.leaving_no_trace():
        if walk.calls_others:  # what their forward keeps for the way back was put back as it was
            walk = walk.again()
        for _ in walk.backward(d):
            pass
    return [walk.delta(i).copy() for i in range(len(walk.stops))]


class Profile:
    """How long forward, backward_update_gradient and backward_delta of every module take.

    Each is called alone, so the times are those of calls from Python, a few microseconds of overhead each included; a compiled
    walk has less. Compilation is not counted, and neither is what a `Residual` or a `Concat` does beside its modules.

    Parameters
    ----------
    net : a network. X : (batch, ...), a batch as in training.
    repeats : how often each is called; the median is kept.

    Attributes
    ----------
    rows : (place and module, forward, gradient, delta), times in seconds. delta is 0 if the module reads the network's input,
        whose delta is not needed.

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> profile = Profile(Sequential(Linear(2, 3, rng=0), Tanh()), [[1.0, 2.0]], repeats=3)
    >>> [name for name, *_ in profile.rows]
    ['[0] Linear(2 -> 3)', '[1] Tanh()']
    """

    def __init__(self, net: Any, X: Any, repeats: int = 20) -> None:
        whole(repeats, "Profile", "repeats")
        require_shared(net, "Profile")
        self.rows: list[tuple[str, float, float, float]] = []
        steps = activations(net, X)
        with _untouched(net):
            for step, stop in zip(steps, steps.walk.stops, strict=True):
                if is_wired(step.module):
                    continue
                module, delta = step.module, np.ones_like(step.output)
                getattr(module, "zero_grad", _nothing)()
                self.rows.append(
                    (
                        step.name,
                        _median_time(repeats, module.forward, step.input),
                        _median_time(repeats, getattr(module, "backward_update_gradient", _nothing), step.input, delta),
                        0.0 if stop.is_first else _median_time(repeats, module.backward_delta, step.input, delta),
                    )
                )

    @property
    def total(self) -> float:
        """Seconds of one walk forward and back."""
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
    """Where the first NaN or infinity of a training step appears, in words; None if all numbers are finite.

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
    if loss is not None:
        require_shared(net, "locate_nan")
    walk = _Walk(net, X, "locate_nan")
    with _untouched(net), np.errstate(all="ignore"):
        return _bad_forward(walk) or (None if loss is None else _bad_backward(walk, y, loss))


def _bad_forward(walk: _Walk) -> str | None:
    if _bad(walk.x):
        return f"the input holds {_bad(walk.x)}"
    for i, stop in enumerate(walk.stops):
        for what, array in _parameters(stop.module):
            if _bad(array):
                return f"{stop.name}: its {what} hold {_bad(array)}"
        step = walk.forward(i)
        if _bad(step.output):
            finite = f"its parameters are finite, and its input, from {_range(step.input)}"
            if is_wired(stop.module):
                finite = "the outputs of its modules are finite"
            return f"{stop.name}: its output holds {_bad(step.output)}; {finite}"
    return None


def _bad_backward(walk: _Walk, y: Any, loss: Any) -> str | None:
    yhat = walk.output
    value, delta = loss.forward(y, yhat), loss.backward(y, yhat)
    for what, numbers in (("forward", value), ("backward", delta)):
        if _bad(numbers):
            return f"{type(loss).__name__}: its {what} holds {_bad(numbers)}; the prediction is finite, from {_range(yhat)}"
    for back in walk.backward(walk.as_delta(delta, "locate_nan"), gradient=True):
        finite = f"delta is finite, from {_range(back.delta)}"
        if _bad(back.gradient):
            return f"{back.name}: its gradient holds {_bad(back.gradient)}; {finite}"
        if back.dx is not None and _bad(back.dx):
            return f"{back.name}: its backward_delta holds {_bad(back.dx)}; {finite}"
    return None


class NaNLocator(Callback):
    """Callback: if a training diverges, find out which module it was, and print it.

    Parameters
    ----------
    X, y : a batch to look at.

    Attributes
    ----------
    found : what `locate_nan` answered; None as long as nothing has happened.
    """

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = X, y
        self.found: str | None = None

    def on_fit_end(self, training: Training) -> None:
        """Look for the cause if the training diverged."""
        if training.history.stopped_because.startswith("diverged"):
            self.found = locate_nan(training.net, self.X, self.y, training.loss) or (
                "no module: this batch is finite with the parameters that were kept; the step after them was too long"
            )
            print(f"NaN locator: {self.found}")


class Norms(Callback):
    """Callback: norms and sizes of activation, delta, gradient and update of every module, epoch by epoch.

    A delta that shrinks from layer to layer on its way to the input is a vanishing gradient: `plot` shows it.

    Parameters
    ----------
    X, y : the batch that is looked at after each epoch.

    Attributes
    ----------
    names : of the modules, by place.
    activation : (epochs, modules), the norm of the output of each for the batch.
    delta : (epochs, modules), the norm of dL/doutput of each, of the mean loss of the batch.
    gradient : (epochs, modules), the norm of dL/dparameters; 0 for a module without parameters.
    update : (epochs, modules), the norm of how far the parameters moved in the epoch.
    edges : (bins,), powers of ten: the histograms of `magnitudes` have bins from one to the next.
    """

    edges = np.arange(-16, 6.5, 0.5)

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = X, y
        self.names: list[str] = []
        self._before: list[np.ndarray] = []
        self._begin()

    def _begin(self) -> None:
        self.activation, self.delta, self.gradient, self.update = (np.empty((0, len(self.names))) for _ in range(4))
        self._sizes: dict[str, list[np.ndarray]] = {kind: [] for kind in ("activation", "delta", "gradient", "update")}

    def magnitudes(self, kind: str) -> np.ndarray:
        """How many values there are of each size: (epochs, modules, bins), for "activation", "delta", "gradient" or "update".

        The first bin counts zeros and what is smaller than the first of `edges`, bin i values from 10 to the power of
        ``edges[i - 1]`` up to ``edges[i]``. Values that are not finite are not counted.
        """
        if kind not in self._sizes:
            raise ValueError(f"Norms.magnitudes: kind is {kind!r}, expected one of {', '.join(self._sizes)}")
        return np.array(self._sizes[kind])

    def on_fit_begin(self, training: Training) -> None:
        """Remember the parameters at the start."""
        stops = _Walk(training.net, self.X, "Norms").stops
        self.names = [f"{stop.place} {type(stop.module).__name__}".strip() for stop in stops]
        self._begin()
        self._before = [_flat(stop.module) for stop in stops]

    def on_epoch_end(self, training: Training) -> None:
        """Walk once over the batch and keep the norms."""
        net, loss = training.net, training.loss
        walk = _Walk(net, self.X, "Norms")
        found: dict[str, list[np.ndarray]] = {"gradient": [np.empty(0)] * len(walk.stops)}
        with _untouched(net):
            found["activation"] = [np.array(walk.forward(i).output) for i in range(len(walk.stops))]
            delta = np.asarray(loss.backward(self.y, walk.output)) / len(walk.x)
            for back in walk.backward(walk.as_delta(delta, "Norms"), gradient=True):
                if back.stop is not None:
                    found["gradient"][back.stop] = _own(back.gradient, walk.stops[back.stop].module)
        found["delta"] = [walk.delta(i) for i in range(len(walk.stops))]
        after = [_flat(stop.module) for stop in walk.stops]
        found["update"] = [a - b for a, b in zip(after, self._before, strict=True)]
        self._before = after
        for kind, arrays in found.items():
            setattr(self, kind, np.vstack([getattr(self, kind), [float(np.linalg.norm(np.ravel(a))) for a in arrays]]))
            self._sizes[kind].append(np.stack([self._count(array) for array in arrays]))

    def _count(self, values: np.ndarray) -> np.ndarray:
        size = np.abs(np.ravel(values))
        size = size[np.isfinite(size)]
        with np.errstate(divide="ignore"):
            power = np.clip(np.log10(size), self.edges[0] - 1, self.edges[-1] - 1e-9)
        return np.bincount(np.searchsorted(self.edges, power, side="right"), minlength=len(self.edges))

    def plot(self, path: Any = None, *, ax: Any = None, title: str | None = None, **options: Any) -> Any:
        """Draw the norms over the epochs and how large the values are by module: see `modnet.plotting.layers`."""
        from modnet.plotting import layers

        return layers(self, path, ax=ax, title=title, **options)


# --- a walk, one row at a time ---------------------------------------------------------------------------------------


class _Stop(NamedTuple):
    """A step before it is taken."""

    place: str
    module: Any
    input: Value
    output: Value
    row: int  # of the table, -1 if it needs none
    rows: int  # how many rows must have run before it can be looked at
    is_first: bool  # whether its input is the network's

    @property
    def name(self) -> str:
        return _name(self.place, self.module)


class _Back(NamedTuple):
    """A row on the way back."""

    name: str
    stop: int | None  # the number of its step, if it has one
    delta: np.ndarray
    gradient: np.ndarray  # flat
    dx: np.ndarray | None


class _Walk:
    """One batch on its way through a network, a module at a time, in memory of its own.

    A class that somebody else wrote, and that holds the network together in its own way, is one stop.
    """

    def __init__(self, net: Any, X: Any, who: str) -> None:
        require_net(net, who)
        self.net, self.who = net, who
        self.has_program = is_wired(net) or is_ours(net)
        self.x = as_batch(X, element_type(net), who, "X")
        if not self.has_program:
            value = Value(0, self.x.shape[1:])
            self.stops = [_Stop("[0]", net, value, value, -1, 0, True)]
            return
        program = run.program_for(net, self.x)
        self.matrix = self.x.reshape(len(self.x), -1)
        run.refuse(program, self.matrix, len(self.x))
        self.program, self.workspace = program, run.Workspace(program, len(self.x))
        self.stops = _stops(net, program)
        self.done, self._rows = 0, run.each_forward(program, self.workspace, self.matrix)

    def forward(self, i: int) -> Step:
        """Walk on until the step with this number can be looked at."""
        stop = self.stops[i]
        if not self.has_program:
            self._output, self._delta = np.asarray(self.net.forward(self.x)), np.empty(0)
            return Step(stop.place, stop.module, self.x, self._output)
        while self.done < stop.rows:
            next(self._rows)
            self.done += 1
        return Step(stop.place, stop.module, self._value(stop.input), self._value(stop.output))

    @property
    def output(self) -> np.ndarray:
        """What the network returns."""
        return self._value(self.program.output) if self.has_program else self._output

    def as_delta(self, delta: Any, who: str) -> np.ndarray:
        """dL/d(output of the network), checked."""
        d = as_batch(delta, self.output.dtype if self.has_program else None, who, "delta")
        if d.shape != self.output.shape:
            raise ValueError(f"{who}: delta has shape {d.shape}, expected {self.output.shape}, the output's")
        return d

    def backward(self, delta: np.ndarray, gradient: bool = False) -> Iterator[_Back]:
        """Walk back. With `gradient` each row's own part of it is looked at, and the network's is overwritten."""
        if not self.has_program:
            self._delta = delta
            if gradient:
                Foreign(self.net).zero_grad()
                Foreign(self.net).call("backward_update_gradient", self.x, delta)
            yield _Back(self.stops[0].name, 0, delta, _gradient(self.net) if gradient else np.empty(0), None)
            return
        program = self.program
        wants_dx = program.takes_numbers and any(stop.output.slot == program.input.slot for stop in self.stops)
        numbers = {stop.row: i for i, stop in enumerate(self.stops) if stop.row >= 0 and not is_wired(stop.module)}
        rows = run.each_backward(program, self.workspace, delta.reshape(len(delta), -1), gradient, wants_dx)
        while True:
            if gradient:
                program.gradient[:] = 0
                for r in program.foreign:
                    Foreign(program.table_rows[r].module).zero_grad()
            r = next(rows, -1)
            if r < 0:
                return
            row, i = program.table_rows[r], numbers.get(r)
            name = _name(row.place, _at(self.net, row.place)) if i is None else self.stops[i].name
            found = np.empty(0)
            if gradient:
                found = _gradient(row.module) if r in program.foreign else program.gradient
            dx = None if row.input.slot == program.input.slot else self._delta_of(row.input)
            yield _Back(name, i, self._delta_of(row.output), found, dx)

    def delta(self, i: int) -> np.ndarray:
        """dL/d(output of a step), after `backward`."""
        return self._delta_of(self.stops[i].output) if self.has_program else self._delta

    def require_unchanged(self) -> None:
        """ValueError if the network's numbers no longer lie where they did."""
        if self.has_program and not self.program.is_current():
            raise ValueError(f"{self.who}: the network has changed since its forward; call activations again")

    @property
    def calls_others(self) -> bool:
        """Whether there are modules that are not the library's."""
        return not self.has_program or bool(self.program.foreign)

    def leaving_no_trace(self) -> Any:
        """Context for a forward, or a backward without gradients: what other people's modules keep is put back."""
        return _untouched(self.net) if self.calls_others else nullcontext()

    def again(self) -> _Walk:
        """The same forward once more, in other memory."""
        twin = _Walk(self.net, self.x, self.who)
        if self.has_program:
            twin.workspace.draw, twin.workspace.on[:] = self.workspace.draw, self.workspace.on
        twin.forward(len(twin.stops) - 1)
        return twin

    def _value(self, value: Value) -> np.ndarray:
        return self.workspace.value(value.slot, value.shape, len(self.x))

    def _delta_of(self, value: Value) -> np.ndarray:
        return self.workspace.delta(value.slot, value.shape, len(self.x))


def _stops(net: Any, program: Any) -> list[_Stop]:
    """The steps of a program: its modules, and the containers that connect the outputs of their modules."""
    last = {(row.place, row.output.slot): r for r, row in enumerate(program.rows) if row.joint not in ("", "same")}
    found, done = [], 0
    for r, row in enumerate(program.rows):
        done += row.joint != "same"
        module, x, at = row.module, row.input, -1 if row.joint == "same" else done - 1
        place = "[0]" if module is net else row.place
        if row.joint not in ("", "same"):
            whole = program.outputs.get(row.place)
            if whole is None or whole.slot != row.output.slot or last[row.place, row.output.slot] != r:
                continue
            module, x = _at(net, place), program.inputs[place]
        found.append(_Stop(place, module, x, row.output, at, done, x.slot == program.input.slot))
    return found


def _at(net: Any, place: str) -> Any:
    """The module at a place of a network."""
    for i in map(int, re.findall(r"\d+", place)):
        net = list(net)[i]
    return net


def _name(place: str, module: Any) -> str:
    return f"{place} {module if is_ours(module) else type(module).__name__}".strip()


def _parameters(module: Any) -> list[tuple[str, np.ndarray]]:
    """The parameters of a module by what they are called; those of a container are its modules'."""
    if is_wired(module):
        return []
    if is_ours(module):
        return [("parameters", module.parameters)]
    named = Foreign(module).named()
    return [("parameters" if name == "parameters" else f"parameters {name!r}", array) for name, array in named.items()]


def _flat(module: Any) -> np.ndarray:
    """A copy of the parameters in one vector."""
    return np.concatenate([np.empty(0), *(np.ravel(array) for _, array in _parameters(module))])


def _gradient(module: Any) -> np.ndarray:
    """The gradient of a class that somebody else wrote in one vector."""
    parts = unique(leaves(module))  # a network may have its numbers in several pieces
    return np.concatenate([np.empty(0), *(np.ravel(array) for part in parts for array in Foreign(part).gradients())])


def _own(gradient: np.ndarray, module: Any) -> np.ndarray:
    """What a row added to the network's gradient, without the zeros of other modules."""
    if not is_ours(module):
        return gradient.copy()
    added = gradient[gradient != 0]
    return np.concatenate([added, np.zeros(max(0, module.parameters.size - added.size), gradient.dtype)])


def _bad(values: Any) -> str:
    """Such as "nan (3 of 10 values)"; empty if all are finite."""
    array = np.asarray(values, dtype=float)
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    return f"{array[wrong].flat[0]} ({count} of {array.size} values)" if count else ""


def _range(values: Any) -> str:
    array = np.asarray(values, dtype=float)
    return f"{array.min():.3g} to {array.max():.3g}"


@contextmanager
def _untouched(net: Any) -> Iterator[None]:
    """Within it, gradients, statistics, draws and attributes of others' modules may change; after it they are as before."""
    with writing(net, type(net).__name__):
        kept, drawn = Kept(net, (*NUMBERS, "gradient")), np.random.get_state()  # noqa: NPY002  (a student's module may draw from it)
        try:
            yield
        finally:
            kept.restore()
            np.random.set_state(drawn)  # noqa: NPY002


def _nothing(*arguments: Any) -> None: ...


def _median_time(repeats: int, function: Any, *arguments: Any) -> float:
    function(*arguments)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


__all__ = ["NaNLocator", "Norms", "Profile", "Step", "Steps", "activations", "deltas", "locate_nan"]
