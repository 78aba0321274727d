"""A network as a table, and the compiled loops that walk it.

A row stands for a module at its place in a network: the addresses of its kernels, its slices of the network's flat vectors,
and where in the workspace its input and output lie. The functions below know nothing of layers. They are compiled once for
each element type; an architecture is data to them, so a new network compiles nothing.

    walk_forward    rows in order:      values of every row from the network's input
    walk_backward   rows in reverse:    gradients and deltas, from the delta of the last row
    walk_epoch      for every batch:    gather, forward, loss, backward, one step of the optimizer
    walk_costs      for every batch:    forward and loss only

The workspace has a *slot* for each value: a block of ``features`` columns, for as many rows as the largest batch. Slot 0 is
the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from modnet.arrays import aligned, aligned_copy
from modnet.kernels import (
    JIT_DISABLED,
    Compiled,
    address_of,
    array_at,
    borrowed,
    call_backward,
    call_cost,
    call_forward,
    call_gradient,
    call_hits,
    call_slope,
    call_step,
    inline,
    matrix_at,
    vector_at,
    vector_like,
)

#: One row of the table. Places are where a piece of a flat vector begins; those of slots are counted in columns.
ROW = np.dtype(
    [
        ("forward", np.int64), ("gradient", np.int64), ("backward", np.int64),
        ("params", np.int64), ("params_size", np.int64),
        ("state", np.int64), ("state_size", np.int64),
        ("sizes", np.int64), ("sizes_size", np.int64),
        ("hyper", np.int64), ("hyper_size", np.int64),  # address of the module's own array
        ("input", np.int64), ("input_features", np.int64),
        ("output", np.int64), ("output_features", np.int64),
        ("trains", np.int64),  # 1 where parameters stand before this row, so that its input's delta is needed
        ("adds", np.int64),  # 1 where another row has written the input's delta already
        ("draws", np.int64),  # 1 where hyper[0] is the mode of a module that draws
    ]
)  # fmt: skip


Kernels = tuple[Compiled, Compiled | None, Compiled | None]


class Program:
    """A network written down as rows, in the making.

    A module's ``add_rows`` calls `row` for each operation and says in which slot its output is.

    Parameters
    ----------
    features : of the network's input. root : the network's name in errors.
    """

    def __init__(self, features: int, root: str = "Sequential") -> None:
        self.root = root
        self.features = [features]  # of each slot
        self.trains = [False]  # whether parameters stand before it
        self.rows: list[tuple[Any, Kernels, int, int, tuple[int, ...]]] = []
        self.path: list[int] = []  # the place in the network of the module that is being written down
        self.checks: list[tuple[str, Any, tuple[int, ...]]] = []  # modules that may object: place, module, input shape

    @property
    def place(self) -> str:
        """Where the module that is being written down stands, for errors."""
        return self.root + "".join(f"[{i}]" for i in self.path)

    def slot(self, features: int) -> int:
        """A new slot of so many columns."""
        self.features.append(features)
        self.trains.append(False)
        return len(self.features) - 1

    def row(
        self, module: Any, input: int, output: int, sizes: tuple[int, ...], kernels: Kernels | None = None
    ) -> None:
        """An operation on the parameters of `module`, from a slot to a slot: by the module's own kernels or by others.

        Kernels are forward, gradient and backward. Several rows may write to one slot, each to columns of its own or adding
        to what is there.
        """
        kernels = kernels or (module.forward_kernel, module.gradient_kernel, module.backward_kernel)
        self.rows.append((module, kernels, input, output, sizes))
        self.trains[output] = self.trains[output] or self.trains[input] or module.parameter_count > 0


class Table:
    """The rows of a network for one shape of input, with a workspace.

    Parameters
    ----------
    program : the rows.
    result : the slot of the network's output.
    storage : the flat vectors that the modules' slices belong to.
    dtype : float32 or float64.
    """

    def __init__(self, program: Program, result: int, storage: Any, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.input_features = program.features[0]
        self.features = program.features[result]
        places = np.concatenate([[0], np.cumsum(program.features)])
        self.columns = int(places[-1])
        self.result = int(places[result])
        self.params, self.grad, self.state = storage.params, storage.grad, storage.state
        self.source = storage.params  # `astype` replaces it: the table is then out of date
        if self.params.dtype != dtype:  # a network without parameters takes the type of its input
            self.params, self.grad, self.state = (
                aligned_copy(v, dtype) for v in (self.params, self.grad, self.state)
            )
        self.rows = np.zeros(len(program.rows), ROW)
        self.modules = [module for module, *_ in program.rows]  # keeps alive what the rows point to
        self.checks = program.checks
        all_sizes: list[int] = []
        for r, (module, kernels, source, target, sizes) in enumerate(program.rows):
            row = self.rows[r]
            for name, kernel in zip(("forward", "gradient", "backward"), kernels):
                row[name] = 0 if kernel is None else kernel.address(dtype)
            for part in ("params", "state"):
                start, end = module.place(part)
                row[part], row[part + "_size"] = start, end - start
            row["sizes"], row["sizes_size"] = len(all_sizes), len(sizes)
            all_sizes.extend(sizes)
            row["hyper"], row["hyper_size"] = address_of(module._hyper), module._hyper.size
            row["draws"] = module.draws
            row["input"], row["input_features"] = places[source], program.features[source]
            row["output"], row["output_features"] = places[target], program.features[target]
            row["trains"] = program.trains[source]
        written: set[int] = set()
        for r in reversed(range(len(program.rows))):
            source = program.rows[r][2]
            self.rows[r]["adds"] = source in written
            written.add(source)
        self.sizes = np.array(all_sizes, np.int64)
        self.widest = max((program.features[source] for _, _, source, _, _ in program.rows), default=0)
        self.seen = aligned(self.params.size + self.state.size, dtype)
        self.seen_hyper = np.zeros(int(self.rows["hyper_size"].sum()), np.float64)
        self.seen_batch = 0
        self.capacity = 0
        self.values = self.deltas = self.scratch = aligned(0, dtype)
        self.nothing = np.empty((0, 0), dtype)
        self.memory = self._memory()

    def _memory(self) -> Any:
        """Where the arrays lie that `walk_forward` and `walk_backward` work on, as `_arrays` reads it.

        Python pays 0.1 us or more for each array that it hands to compiled code, so these two, which a loop written by hand
        calls at each step, are handed one that tells of the others.
        """
        arrays = (
            self.rows, self.sizes, self.seen_hyper, self.values, self.deltas, self.scratch,
            self.params, self.grad, self.state, self.seen,
        )  # fmt: skip
        if JIT_DISABLED:
            return *arrays, self.capacity, self.result
        places = [word for array in arrays for word in (array.ctypes.data, array.size)]
        return np.array([*places, self.capacity, self.result], np.int64)

    def reserve(self, batch: int) -> None:
        """Make the workspace large enough for a batch."""
        if batch > self.capacity:
            self.values = aligned(batch * self.columns, self.dtype)
            self.deltas = aligned(batch * self.columns, self.dtype)
            self.scratch = aligned(batch * self.widest if self.rows["adds"].any() else 0, self.dtype)
            self.capacity = batch
            self.seen_batch = 0
            self.memory = self._memory()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (batch, features) -> a new array (batch, features of the result)."""
        batch = len(x)
        if batch > self.capacity:
            self.reserve(batch)
        out = np.empty((batch, self.features), self.dtype)
        walk_forward.call(self.memory, x, out)
        self.seen_batch = batch
        return out

    def backward(self, x: np.ndarray, delta: np.ndarray, gradient: bool, wants_dx: bool) -> np.ndarray:
        """From delta = dL/dresult add to the gradient, if asked, and return dL/dx, if asked, else an empty array."""
        batch = len(x)
        if batch > self.capacity:
            self.reserve(batch)
        dx = np.empty(x.shape, self.dtype) if wants_dx else self.nothing
        walk_backward.call(self.memory, x, delta, dx, int(wants_dx), int(gradient), int(self.seen_batch == batch))
        self.seen_batch = batch
        return dx


_ROWS = numba.from_dtype(ROW)[::1]


def _signatures(element: types.Float) -> dict[str, Any]:
    rows, integer = _ROWS, types.int64
    vector, matrix = element[::1], element[:, ::1]
    integers, floats = types.int64[::1], types.float64[::1]
    loss = (integers, integers, floats, vector)  # addresses, sizes, hyper, cost
    return {
        "walk_forward": types.void(integers, matrix, matrix),
        "walk_backward": types.void(integers, matrix, matrix, matrix, integer, integer, integer),
        "walk_epoch": integer(
            rows, matrix, matrix, floats, integers, integer, integer, integer, matrix,
            vector, vector, vector, integer, integer, integer, vector, vector, vector, integers,
            *loss, integer, vector, floats, integers, floats, floats, vector, floats,
        ),
        "walk_costs": types.void(
            rows, matrix, matrix, floats, integer, vector, integer, integer, integer, vector, vector, integers,
            *loss, floats,
        ),
        "scale": types.void(matrix, floats, integers),
        "clip": types.void(vector, integers, types.float64),
        "shuffle": types.void(integers, types.uint64[::1]),
    }  # fmt: skip


def _compiled(function: Callable[..., Any]) -> Compiled:
    """Decorator: a function of this file, with its signature of `_signatures`."""
    return Compiled(function, lambda element: _signatures(element)[function.__name__])


# --- the walks -------------------------------------------------------------------------------------------------------


@intrinsic
def _rows_at(typingctx, address, size):
    """The rows of a table at an address."""

    def codegen(context, builder, _, values):
        data = builder.inttoptr(values[0], context.get_data_type(_ROWS.dtype).as_pointer())
        return borrowed(context, builder, _ROWS, data, [values[1]])

    return _ROWS(types.int64, types.int64), codegen


@inline
def _arrays(memory, like):
    """What `Table._memory` tells of, with the element type of the array `like` for that of the network."""
    return (
        _rows_at(memory[0], memory[1]),
        vector_like(memory[2], memory[3], memory),  # sizes
        array_at(memory[4], memory[5]),  # seen_hyper
        vector_like(memory[6], memory[7], like),  # values
        vector_like(memory[8], memory[9], like),  # deltas
        vector_like(memory[10], memory[11], like),  # scratch
        vector_like(memory[12], memory[13], like),  # params
        vector_like(memory[14], memory[15], like),  # grad
        vector_like(memory[16], memory[17], like),  # state
        vector_like(memory[18], memory[19], like),  # seen
        memory[20],  # capacity
        memory[21],  # result
    )


def _python_arrays(memory, like):
    return memory


if JIT_DISABLED:
    _arrays = _python_arrays


@inline
def _slot(memory, place, capacity, batch, features):
    """A slot as a matrix (batch, features)."""
    return matrix_at(memory, place * capacity, batch, features)


@inline
def _forward(rows, batch, values, capacity, params, state, sizes):
    for r in range(len(rows)):
        row = rows[r]
        call_forward(
            row["forward"],
            _slot(values, row["input"], capacity, batch, row["input_features"]),
            _slot(values, row["output"], capacity, batch, row["output_features"]),
            vector_at(params, row["params"], row["params_size"]),
            vector_at(state, row["state"], row["state_size"]),
            vector_at(sizes, row["sizes"], row["sizes_size"]),
            array_at(row["hyper"], row["hyper_size"]),
        )


@inline
def _backward(rows, batch, wants_dx, wants_gradient, values, deltas, scratch, capacity, params, grad, state, sizes):
    for r in range(len(rows) - 1, -1, -1):
        row = rows[r]
        features = row["input_features"]
        inputs = _slot(values, row["input"], capacity, batch, features)
        out = _slot(values, row["output"], capacity, batch, row["output_features"])
        delta = _slot(deltas, row["output"], capacity, batch, row["output_features"])
        row_params = vector_at(params, row["params"], row["params_size"])
        row_state = vector_at(state, row["state"], row["state_size"])
        row_sizes = vector_at(sizes, row["sizes"], row["sizes_size"])
        hyper = array_at(row["hyper"], row["hyper_size"])
        if row["params_size"] > 0 and wants_gradient:
            row_grad = vector_at(grad, row["params"], row["params_size"])
            call_gradient(row["gradient"], inputs, out, delta, row_grad, row_params, row_state, row_sizes, hyper)
        if row["trains"] or wants_dx:
            dx = _slot(deltas, row["input"], capacity, batch, features)
            target = matrix_at(scratch, 0, batch, features) if row["adds"] else dx
            call_backward(row["backward"], inputs, out, delta, target, row_params, row_state, row_sizes, hyper)
            if row["adds"]:
                for i in range(batch):
                    for j in range(features):
                        dx[i, j] += target[i, j]


@inline
def _copy(source, target):
    for i in range(source.size):
        target[i] = source[i]


@inline
def _copy_rows(source, start, batch, target):
    for i in range(batch):
        for j in range(source.shape[1]):
            target[i, j] = source[start + i, j]


@inline
def _remember(rows, params, state, seen, seen_hyper):
    """Keep a copy of all that the values in the workspace came from, apart from the input, which is there."""
    _copy(params, seen)
    _copy(state, vector_at(seen, params.size, state.size))
    at = 0
    for r in range(len(rows)):
        size = rows[r]["hyper_size"]
        _copy(array_at(rows[r]["hyper"], size), vector_at(seen_hyper, at, size))
        at += size


@inline
def _equal(a, b):
    different = 0
    for i in range(a.size):
        different += a[i] != b[i]
    return different == 0


@inline
def _remembered(rows, params, state, seen, seen_hyper):
    if not (_equal(params, seen) and _equal(state, vector_at(seen, params.size, state.size))):
        return False
    at = 0
    for r in range(len(rows)):
        size = rows[r]["hyper_size"]
        if not _equal(array_at(rows[r]["hyper"], size), vector_at(seen_hyper, at, size)):
            return False
        at += size
    return True


@inline
def _set_mode(rows, old, new):
    """Change the mode of modules that draw or use batch statistics, where it is the old one: see `KernelModule.draws`."""
    for r in range(len(rows)):
        if rows[r]["draws"] and array_at(rows[r]["hyper"], 1)[0] == old:
            array_at(rows[r]["hyper"], 1)[0] = new


@_compiled
def walk_forward(memory, x, out):
    """Fill the workspace from x and copy the slot at column `result` to out. memory is a `Table.memory`."""
    rows, sizes, seen_hyper, values, _, _, params, _, state, seen, capacity, result = _arrays(memory, x)
    batch = x.shape[0]
    _copy_rows(x, 0, batch, _slot(values, 0, capacity, batch, x.shape[1]))
    _forward(rows, batch, values, capacity, params, state, sizes)
    _copy_rows(_slot(values, result, capacity, batch, out.shape[1]), 0, batch, out)
    _remember(rows, params, state, seen, seen_hyper)


@_compiled
def walk_backward(memory, x, delta, dx, wants_dx, wants_gradient, filled):
    """Walk up from delta, the derivative by the slot at column `result`. memory is a `Table.memory`, flags are 0 or 1.

    Where the workspace is not that of a forward on an equal x with these parameters, forward comes first. Modules that draw
    then draw what they drew last.
    """
    rows, sizes, seen_hyper, values, deltas, scratch, params, grad, state, seen, capacity, result = _arrays(memory, x)
    batch = x.shape[0]
    flat_x = matrix_at(x, 0, 1, x.size)[0]
    if not (filled and _equal(flat_x, values) and _remembered(rows, params, state, seen, seen_hyper)):
        _copy(flat_x, values)
        _set_mode(rows, 1.0, 2.0)
        _forward(rows, batch, values, capacity, params, state, sizes)
        _set_mode(rows, 2.0, 1.0)
        _remember(rows, params, state, seen, seen_hyper)
    _copy_rows(delta, 0, batch, _slot(deltas, result, capacity, batch, delta.shape[1]))
    _backward(
        rows, batch, wants_dx, wants_gradient, values, deltas, scratch, capacity, params, grad, state, sizes
    )
    if wants_dx:
        _copy_rows(_slot(deltas, 0, capacity, batch, x.shape[1]), 0, batch, dx)


@_compiled
def walk_epoch(
    rows, data, targets, weights, order, first, last, batch_size, y,
    values, deltas, scratch, capacity, result, features, params, grad, state, sizes,
    loss, loss_sizes, loss_hyper, cost, step, moments, settings, pieces, factors, rates, previous, totals,
):  # fmt: skip
    """Train on batches `first` to `last` of an epoch; return the number of batches done.

    order (n,) says which examples of data (n, features) and targets (n, columns) come when; weights is (n,), or empty for
    weights of one. loss holds the addresses of cost, slope and hits (0 for none). The optimizer moves the parameters piece by
    piece: pieces (2 k,) has where each begins and its size, factors (k,) what its learning rate is multiplied by, settings
    (k * width,) its own settings; rates (batches,) is the learning rate of each step. totals gathers the sum of weighted costs
    and the sum of hits. A batch whose cost is not finite ends the walk before its step, and so does nothing to the
    parameters; previous holds them as they were one step earlier.
    """
    n = order.shape[0]
    moment_count, width = moments.size // max(1, params.size), settings.size // max(1, factors.size)
    for b in range(first, last):
        at = b * batch_size
        batch = min(batch_size, n - at)
        examples = vector_at(order, at, batch)
        x = _slot(values, 0, capacity, batch, data.shape[1])
        for i in range(batch):
            for j in range(data.shape[1]):
                x[i, j] = data[examples[i], j]
            for j in range(targets.shape[1]):
                y[i, j] = targets[examples[i], j]
        _forward(rows, batch, values, capacity, params, state, sizes)
        out = _slot(values, result, capacity, batch, features)
        batch_y, batch_cost = matrix_at(y, 0, batch, targets.shape[1]), vector_at(cost, 0, batch)
        call_cost(loss[0], batch_y, out, batch_cost, loss_sizes, loss_hyper)
        total = 0.0
        for i in range(batch):
            total += np.float64(batch_cost[i]) * (weights[examples[i]] if weights.size > 0 else 1.0)
        if not np.isfinite(total):
            return b - first
        totals[0] += total
        if loss[2] != 0:
            call_hits(loss[2], batch_y, out, batch_cost, loss_sizes, loss_hyper)
            for i in range(batch):
                totals[1] += batch_cost[i]
        delta = _slot(deltas, result, capacity, batch, features)
        call_slope(loss[1], batch_y, out, delta, loss_sizes, loss_hyper)
        _scale(delta, weights, examples)
        for i in range(grad.size):
            grad[i] = 0
        _backward(rows, batch, False, True, values, deltas, scratch, capacity, params, grad, state, sizes)
        _copy(params, previous)
        _clip(grad, pieces, settings[2])
        if factors.size == 0:
            settings[1] += 1
        for k in range(factors.size):
            start, size, own = pieces[2 * k], pieces[2 * k + 1], vector_at(settings, k * width, width)
            own[0] = rates[b] * factors[k]
            call_step(
                step, vector_at(params, start, size), vector_at(grad, start, size),
                vector_at(moments, moment_count * start, moment_count * size), own,
            )  # fmt: skip
    return last - first


@_compiled
def walk_costs(
    rows, data, targets, weights, batch_size, values, capacity, result, features, params, state, sizes,
    loss, loss_sizes, loss_hyper, cost, totals,
):  # fmt: skip
    """Add to totals the sum of weighted costs and the sum of hits over data, in batches, training nothing."""
    n = data.shape[0]
    for at in range(0, n, batch_size):
        batch = min(batch_size, n - at)
        _copy_rows(data, at, batch, _slot(values, 0, capacity, batch, data.shape[1]))
        _forward(rows, batch, values, capacity, params, state, sizes)
        out = _slot(values, result, capacity, batch, features)
        y = matrix_at(targets, at * targets.shape[1], batch, targets.shape[1])
        batch_cost = vector_at(cost, 0, batch)
        call_cost(loss[0], y, out, batch_cost, loss_sizes, loss_hyper)
        for i in range(batch):
            totals[0] += np.float64(batch_cost[i]) * (weights[at + i] if weights.size > 0 else 1.0)
        if loss[2] != 0:
            call_hits(loss[2], y, out, batch_cost, loss_sizes, loss_hyper)
            for i in range(batch):
                totals[1] += batch_cost[i]


@inline
def _scale(delta, weights, examples):
    batch = delta.shape[0]
    for i in range(batch):
        share = delta.dtype.type((weights[examples[i]] if weights.size > 0 else 1.0) / batch)
        for j in range(delta.shape[1]):
            delta[i, j] *= share


@_compiled
def scale(delta, weights, examples):
    """From the derivative of each cost to that of the batch's mean of weight * cost; weights may be empty."""
    _scale(delta, weights, examples)


@inline
def _clip(grad, pieces, limit):
    if limit <= 0:
        return
    squares = 0.0
    for k in range(0, pieces.size, 2):
        part = vector_at(grad, pieces[k], pieces[k + 1])
        for i in range(part.size):
            squares += np.float64(part[i]) * np.float64(part[i])
    norm = np.sqrt(squares)
    if norm > limit:
        factor = grad.dtype.type(limit / norm)
        for k in range(0, pieces.size, 2):
            part = vector_at(grad, pieces[k], pieces[k + 1])
            for i in range(part.size):
                part[i] *= factor


@_compiled
def clip(grad, pieces, limit):
    """Scale the gradient, in pieces (2 k,) of starts and sizes, down to norm `limit` where it is longer; 0 for no limit."""
    _clip(grad, pieces, limit)


@inline
def _random(seed):
    """The next 64 bits of the SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014); seed (1,) moves on."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_compiled
def shuffle(order, seed):
    """Put order (n,) into a random order (Fisher and Yates); seed, one uint64, moves on."""
    for i in range(order.size - 1, 0, -1):
        # The high half of a 32 by 32 bit product falls evenly on 0 ... i, but for a bias below i / 2**32.
        j = np.int64(((_random(seed) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
