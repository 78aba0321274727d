"""How a program is run: workspaces, one for each call, and the walk where a module has no kernels.

A call takes a workspace from its program's pool, uses it alone, and gives it back; so forward, backward_delta and predict of
one network may run in many threads. What a network keeps of its last forward in training is the workspace it was computed
in. Backward uses it if input, parameters, state and settings are what they were, and computes forward again otherwise.

A class that somebody else wrote is a row, too: the rows between two of these run compiled, the row itself runs in Python on
views of the same workspace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.modes import in_evaluation, inside
from modnet.engine.program import Program, Row, is_ours, is_wired
from modnet.engine.storage import ANOTHER_USE, Storage, busy, last_draw_of
from modnet.engine.walk import (
    WALK,
    is_remembered,
    remember,
    rows_backward,
    rows_forward,
    walk_backward,
    walk_forward,
    walk_forward_into,
)
from modnet.inputs import as_batch
from modnet.kernels.declare import ShapeError
from modnet.kernels.memory import aligned
from modnet.kernels.threads import FEW, has_choice, threads_for


class Workspace:
    """Values and deltas of one walk through a program.

    Parameters
    ----------
    program : what it is for. capacity : the largest batch.

    Attributes
    ----------
    batch, draw : of the forward that it holds; a batch of 0 for none.
    own_draws : whether each module repeats its own last draw: `on` then has their numbers.
    """

    def __init__(self, program: Program, capacity: int) -> None:
        self.program, self.capacity = program, capacity
        size, dtype = capacity * program.columns, program.dtype
        self.values, self.deltas = aligned(size, dtype), aligned(size, dtype)
        self.scratch = aligned(capacity * program.widest if program.has_sums else 0, dtype)
        self.seen = aligned(program.parameters.size + program.state.size, dtype)
        settings = program.storage.settings
        self.seen_settings = aligned(settings.size, np.float64)
        self.on = np.ones(len(program.table) + len(program.mode_rows), np.int64)
        self.batch, self.draw, self.own_draws = 0, 0, False
        self.foreign_numbers: list[list[np.ndarray]] | None = []  # that the values came from; None if that is not known
        self.record = np.zeros(1, WALK)
        fields = {
            "rows": program.table, "on": self.on, "values": self.values, "deltas": self.deltas, "scratch": self.scratch,
            "parameters": program.parameters, "gradient": program.gradient, "state": program.state, "settings": settings,
            "seen": self.seen, "seen_settings": self.seen_settings,
        }  # fmt: skip
        for name, array in fields.items():
            self.record[name] = array.ctypes.data
        self._keep = fields  # what the addresses point to
        for name, value in {
            "row_count": len(program.table), "capacity": capacity, "columns": program.columns, "result": program.result,
            "features": program.features, "input_features": program.slots[0], "writes": program.writes_gradient,
            "parameter_count": program.parameters.size, "state_count": program.state.size, "setting_count": settings.size,
        }.items():  # fmt: skip
            self.record[name] = value
        self.address = self.record.ctypes.data
        #: Whether no walk in it has to ask how many threads a product gets.
        self.is_small = program.operations * capacity <= FEW

    def set_modes(self) -> bool:
        """Note which modules are in training, and say whether any is."""
        found = False
        for r, module in self.program.mode_rows:
            training = bool(module.training) and not module._frozen
            self.on[r] = training
            found = found or training
        self.own_draws = False
        return found

    def value(self, slot: int, shape: tuple[int, ...], batch: int) -> np.ndarray:
        """A value as an array (batch, ...): a view."""
        return self._part(self.values, slot, shape, batch)

    def delta(self, slot: int, shape: tuple[int, ...], batch: int) -> np.ndarray:
        """dL/d(a value) as an array (batch, ...): a view."""
        return self._part(self.deltas, slot, shape, batch)

    def _part(self, block: np.ndarray, slot: int, shape: tuple[int, ...], batch: int) -> np.ndarray:
        start, features = int(self.program.places[slot]) * self.capacity, self.program.slots[slot]
        return block[start : start + batch * features].reshape(batch, *shape)


def take(program: Program, batch: int) -> Workspace:
    """A workspace for so many examples, for this call alone. `give` it back."""
    pool = program.pool
    try:
        workspace = pool.pop()
    except IndexError:
        return Workspace(program, batch)
    return workspace if workspace.capacity >= batch else Workspace(program, batch)


def give(workspace: Workspace) -> None:
    """Put a workspace back for the next call."""
    pool = workspace.program.pool
    if len(pool) < _POOLED:
        pool.append(workspace)


_POOLED = 8  # workspaces kept for each program


# --- forward ---------------------------------------------------------------------------------------------------------


def forward(
    program: Program, workspace: Workspace, x: np.ndarray, draw: int, keep: bool, out: np.ndarray | None = None
) -> np.ndarray:
    """The result for x (batch, features), in `out` or a new array (batch, features); the workspace has all values."""
    batch = x.shape[0]
    workspace.batch = 0
    if program.is_compiled:
        if program.operations * batch > FEW and has_choice():
            with threads_for(program.operations * batch):
                out = _walk_forward(program, workspace, x, draw, keep, out)
        else:
            out = _walk_forward(program, workspace, x, draw, keep, out)
        if program.is_plain and program.attempt_forward is None:
            program.attempt_forward = walk_forward.attempt(program.dtype)
    else:
        out = np.empty((batch, program.features), program.dtype) if out is None else out
        _rows_forward(program, workspace, x, draw, keep)
        out[:] = workspace.value(program.output.slot, out.shape[1:], batch)
    if keep:
        workspace.batch, workspace.draw = batch, abs(draw)
    return out


def _walk_forward(
    program: Program, workspace: Workspace, x: np.ndarray, draw: int, keep: bool, out: np.ndarray | None
) -> np.ndarray:
    if out is None:
        made: np.ndarray = walk_forward.call(workspace.address, x, program.features, draw, 1 if keep else 0)
        return made
    walk_forward_into.call(workspace.address, x, out, draw, 1 if keep else 0)
    return out


def _rows_forward(program: Program, workspace: Workspace, x: np.ndarray, draw: int, keep: bool, repeats: bool = False) -> None:
    """Values of all rows, for x (batch, features), and what they came from, if it is to be remembered."""
    changes = in_evaluation.changes
    workspace.values[: x.size] = x.reshape(-1)
    if keep:
        remember.call(workspace.address, 0, workspace.values)
    for segment in program.segments:
        _run_forward(program, workspace, segment, len(x), draw, repeats)
    if keep:
        if draw > 0:  # what the forward itself has moved
            remember.call(workspace.address, 1, workspace.values)
        numbers = _foreign_numbers(program)
        # In another thread, a `predict` may have begun and ended meanwhile: some rows then were in training, and some not.
        workspace.foreign_numbers = numbers if in_evaluation.stayed(changes) else None


def _run_forward(
    program: Program, workspace: Workspace, segment: tuple[bool, int, int], batch: int, draw: int, repeats: bool
) -> None:
    compiled, first, last = segment
    if compiled:
        rows_forward.call(workspace.address, first, last, batch, draw, workspace.values)
        return
    row = program.table_rows[first]
    foreign = Foreign(row.module)
    x = workspace.value(row.input.slot, row.input.shape, batch).copy()
    with _noting(program, row, "forward", x), _inside(program, workspace, row, draw, repeats) as calls:
        out = row.module.forward(x)
        _require_draws_apart(row.module, calls)
    result = _result(program, row, foreign, out, batch, "forward", (batch, *row.output.shape))
    workspace.value(row.output.slot, row.output.shape, batch)[...] = result


def _require_draws_apart(container: Any, calls: Mapping[int, int]) -> None:
    """Refuse a container whose own forward has called a module twice that draws, if its backward is the library's.

    Both calls drew the same, since nobody told the module its place, and backward has another draw for each place.
    """
    if not (hasattr(container, "wire") and type(container).backward_delta.__module__.startswith("modnet.")):
        return
    # What keeps statistics has a mode, too, and draws nothing.
    for module in (m for m in container.leaves() if calls.get(id(m), 0) > 1 and not m.counts.state):
        raise RuntimeError(
            f"{type(container).__name__}: its forward calls {module} twice in a pass, and backward could not tell the two "
            f"draws apart; put a {type(module).__name__} of its own at each place, or let super().forward(X) call them"
        )


def _inside(program: Program, workspace: Workspace, row: Row, draw: int, repeats: bool) -> Any:
    """Context of a call of somebody else's class: what it holds of the network draws as the network does."""
    uses = program.uses_inside[row.output.slot]
    return inside.call(program.storage, None if workspace.own_draws else draw, uses, repeats or draw < 0)


def _foreign_numbers(program: Program) -> list[list[np.ndarray]]:
    return [Foreign(program.table_rows[r].module).numbers() for r in program.foreign]


def _is_remembered(program: Program, workspace: Workspace, x: np.ndarray) -> bool:
    if workspace.foreign_numbers is None or not is_remembered.call(workspace.address, x):
        return False
    for then, now in zip(workspace.foreign_numbers, _foreign_numbers(program)):
        if len(then) != len(now) or not all(map(np.array_equal, then, now)):
            return False
    return True


# --- backward --------------------------------------------------------------------------------------------------------


def backward(
    program: Program, workspace: Workspace, x: np.ndarray, delta: np.ndarray, draw: int, gradient: bool, wants_dx: bool,
    trusted: bool = False,
) -> np.ndarray | None:  # fmt: skip
    """From delta = dL/dresult (batch, features) add to the gradient, if asked, and return dL/dx, if asked.

    trusted says that the workspace holds the forward on x for certain: `fit` has just computed it.
    """
    batch = x.shape[0]
    filled = workspace.batch == batch and workspace.draw == abs(draw) and not program.has_guests
    workspace.batch = 0
    program.prepare_backward()
    if program.is_compiled:
        up, add, full = x.shape[1] if wants_dx else 0, 1 if gradient else 0, batch if filled else 0
        if program.operations * batch > FEW and has_choice():
            with threads_for(program.operations * batch):
                dx = walk_backward.call(workspace.address, x, delta, up, draw, add, full)
        else:
            dx = walk_backward.call(workspace.address, x, delta, up, draw, add, full)
        if program.is_plain and program.attempt_backward is None:
            program.attempt_backward = walk_backward.attempt(program.dtype)
    else:
        dx = np.empty(x.shape if wants_dx else (0, 0), program.dtype)
        if not trusted and not (filled and _is_remembered(program, workspace, x)):
            _rows_forward(program, workspace, x, -abs(draw), keep=True, repeats=True)
        workspace.delta(program.output.slot, delta.shape[1:], batch)[...] = delta
        for segment in reversed(program.segments):
            _run_backward(program, workspace, segment, batch, draw, gradient, wants_dx)
        if wants_dx:
            dx[:] = workspace.delta(0, dx.shape[1:], batch)
    workspace.batch, workspace.draw = batch, abs(draw)
    return dx if wants_dx else None


def _run_backward(
    program: Program, workspace: Workspace, segment: tuple[bool, int, int], batch: int, draw: int, gradient: bool,
    wants_dx: bool,
) -> None:  # fmt: skip
    compiled, first, last = segment
    if compiled:
        program.prepare_backward()
        rows_backward.call(workspace.address, first, last, batch, draw, int(wants_dx), int(gradient), workspace.values)
        return
    row, entry = program.table_rows[first], program.table[first]
    foreign = Foreign(row.module)
    x = workspace.value(row.input.slot, row.input.shape, batch).copy()
    delta = workspace.delta(row.output.slot, row.output.shape, batch).copy()
    dx, needed = None, bool(wants_dx or entry["trains"])
    with _noting(program, row, "backward", x), _inside(program, workspace, row, -abs(draw), False):
        if gradient and needed and hasattr(row.module, "wire"):
            dx = row.module.backward(x, delta)
        else:
            if gradient:
                foreign.call("backward_update_gradient", x, delta)
            if needed:
                dx = row.module.backward_delta(x, delta)
    if needed:
        dx = _result(program, row, foreign, dx, batch, "backward_delta", x.shape)
        target = workspace.delta(row.input.slot, row.input.shape, batch)
        target[...] = target + dx if entry["adds"] else dx


def _result(program: Program, row: Any, foreign: Foreign, value: Any, batch: int, method: str, expected: Any) -> np.ndarray:
    try:
        return foreign.result(value, batch, method, expected)
    except ValueError as error:
        raise ValueError(f"{program.root}{row.place} {error}") from None


@contextmanager
def _noting(program: Program, row: Any, method: str, x: np.ndarray) -> Iterator[None]:
    """Context: an error that leaves a stranger's code says at which place in the network, and with what input, it arose."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in {program.root}{row.place} {Foreign.name_of(row.module)}, {method} with an input of shape {x.shape}")
        raise


# --- a network, called --------------------------------------------------------------------------------------------------

_KEPT_PROGRAMS = 8


def program_of(net: Any, input_shape: tuple[int, ...], dtype: Any, batch: int = 2) -> Program:
    """The program of a network, or of a leaf alone, for one example's shape: kept, and made anew when the numbers have moved.

    A module that is not the library's is asked with `batch` examples what shape it gives.
    """
    storage = net.storage
    programs, key = net._programs, (tuple(input_shape), storage.element or dtype)
    found = programs.get(key)
    if found is None or not found.is_for(storage):
        with Storage.laying_out:
            storage, programs = net.storage, net._programs  # the numbers may just have been moved
            key = key[0], storage.element or dtype
            found = Program(net, key[0], key[1], storage, batch)
            while len(programs) >= _KEPT_PROGRAMS:
                del programs[next(iter(programs))]
            programs[key] = found
    made: Program = found
    return made


class Converted(RuntimeError):
    """Another thread has converted the network since its input was converted to the network's type."""


def program_for(net: Any, x: np.ndarray, size: int | None = None) -> Program:
    """The program for an input (batch, ...), which may come in batches of this size. A `ShapeError` tells the whole shape."""
    try:
        found = program_of(net, x.shape[1:], x.dtype, min(size or len(x), len(x)))
    except ShapeError as error:
        error.batch = len(x)
        raise error from None
    if found.dtype != x.dtype:
        raise Converted(str(busy(type(net).__name__)))
    return found


def last_draw(program: Program, workspace: Workspace) -> int:
    """The draw that repeats the last forward of the network, or 0 in evaluation.

    If its modules were called one by one since, each repeats its own last draw: the result is -1, and `on` has their numbers.
    """
    if not (program.mode_rows and workspace.set_modes()):
        return 0
    if inside.draws_for(program.storage):
        return _draw_of_pass(program, workspace)
    last = program.storage.draws[program.draw_places].tolist()
    if program.draws_repeatedly or last.count(last[0]) < len(last) or not 0 <= last[0] < ANOTHER_USE:
        last = _numbers_of_uses(program, workspace)
    if last.count(last[0]) == len(last):
        return -max(1, last[0])
    for r, module in program.mode_rows:
        workspace.on[r] *= max(1, last_draw_of(module)[0])
    workspace.own_draws = True
    return -1


def _numbers_of_uses(program: Program, workspace: Workspace) -> list[int]:
    """The last draw of each module. RuntimeError if one drew for fewer or more uses than it has here: no draw fits each use."""
    in_training = {id(module) for r, module in program.mode_rows if workspace.on[r]}
    found = []
    for module, here in program.draw_uses:
        number, uses = last_draw_of(module)
        found.append(number)
        if id(module) in in_training and uses not in (0, here):
            raise RuntimeError(
                f"{program.root}: it uses {module} {here} times, but the last forward of {module} was for {uses}, and backward "
                f"could not tell the draws apart; put a {type(module).__name__} of its own at each place, or call the "
                "network's forward before backward (a forward of its own has to let super().forward(X) call the modules)"
            )
    return found


def _draw_of_pass(program: Program, workspace: Workspace) -> int:
    """The draw of a network that a class of somebody else's holds and calls, in a pass through the network around it."""
    for r, module in program.mode_rows:
        workspace.on[r] *= inside.number(module)
    return 1 if (inside.draw or -1) > 0 else -1


def new_draw(program: Program, workspace: Workspace) -> int:
    """The draw of a new forward: 0 in evaluation."""
    if inside.repeats:  # a class that repeats its forward holds this network
        return last_draw(program, workspace)
    if not (program.mode_rows and workspace.set_modes()):
        return 0
    if inside.draws_for(program.storage):
        inside.calls.update({id(module): 1 for _, module in program.mode_rows})
        return _draw_of_pass(program, workspace)
    draw: int = program.storage.next_draw()
    program.storage.draws[program.draw_places] = abs(draw) + program.draw_marks
    return draw


def call_forward(net: Any, program: Program, x: np.ndarray) -> np.ndarray:
    """forward of a network: x (batch, features)."""
    # The workspace of the last forward, if this one takes its place: memory that the processor has at hand.
    workspace = _own_workspace(net, program, x.shape[0]) if net._training else take(program, x.shape[0])
    draw = new_draw(program, workspace) if program.mode_rows else 0
    keep = net._training or draw != 0
    if draw > 0 and program.moves_state:
        with program.storage.moving_statistics:
            out = forward(program, workspace, x, draw, keep)
    else:
        out = forward(program, workspace, x, draw, keep)
    if keep:
        net._last = workspace
    else:
        give(workspace)
    return out


def _own_workspace(net: Any, program: Program, batch: int) -> Workspace:
    """The workspace of a network's last forward, for this call alone: another thread finds none. Else one from the pool."""
    workspace: Workspace | None = net.__dict__.pop("_last", None)
    if workspace is not None and workspace.program is program and workspace.capacity >= batch:
        return workspace
    if workspace is not None:
        give(workspace)
    found = take(program, batch)
    found.batch = 0
    return found


# In a small step, what a call from Python takes is more than its kernels take. Here the machine looks whether the arrays are
# as kernels take them, and nothing is done twice; whatever is not so goes the way of all others, which also knows the errors.
# A network's attributes are read from its dict: since it has a `__getattr__`, Python takes three times as long for others.


def attempt_forward(own: dict[str, Any], X: Any, training: bool) -> np.ndarray | None:
    """forward of a network, by its attributes, if that is the walk alone and nothing has to be changed of X; else None."""
    program = own.get("_recent")
    if program is None or program.attempt_forward is None:
        return None
    storage = program.storage
    if storage.version != program.version or own["_storage"] is not storage:
        return None
    try:
        workspace: Workspace = own.pop("_last") if training else program.pool.pop()
    except (KeyError, IndexError):
        return None
    out: np.ndarray | None = None
    if workspace.program is program:
        workspace.batch = 0
        if workspace.is_small:
            out = program.attempt_forward(workspace.address, X, program.features, 0, training)
        else:
            with threads_for(program.operations * workspace.capacity):
                out = program.attempt_forward(workspace.address, X, program.features, 0, training)
        if training and out is not None:
            workspace.batch, workspace.draw = len(out), 0
    if training:
        own["_last"] = workspace
    else:
        program.pool.append(workspace)
    return out


def attempt_backward(own: dict[str, Any], x: Any, delta: Any, gradient: bool, wants_dx: bool | None) -> np.ndarray | None:
    """The same for backward of a network in training: dx, without columns if it is not wanted; None if nothing was done."""
    program = own.get("_recent")
    if program is None or program.attempt_backward is None or not own["_training"]:
        return None
    storage = program.storage
    if own["_storage"] is not storage or (gradient and not storage.lock.acquire(False)):
        return None
    dx: np.ndarray | None = None
    try:
        workspace: Workspace | None = own.pop("_last", None)
        if workspace is not None:
            if storage.version == program.version and workspace.program is program and workspace.is_small:
                held, workspace.batch = workspace.batch, 0
                columns = 0 if wants_dx is False else program.slots[0]
                dx = program.attempt_backward(workspace.address, x, delta, columns, 0, gradient, held)
                workspace.batch, workspace.draw = held if dx is None else len(dx), 0
            own["_last"] = workspace
    finally:
        if gradient:
            storage.lock.release()
    return dx


def call_backward(net: Any, program: Program, x: np.ndarray, delta: np.ndarray, gradient: bool, wants_dx: bool) -> Any:
    """backward of a network: x (batch, features), delta (batch, features of the result)."""
    workspace = _own_workspace(net, program, x.shape[0])
    draw = 0
    if program.mode_rows:
        modes = workspace.on.copy()
        draw = last_draw(program, workspace)
        if not np.array_equal(modes, workspace.on):
            workspace.batch = 0
    if gradient:
        storage = program.storage
        storage.take(program.root, program.version)
        try:
            dx = backward(program, workspace, x, delta, draw, gradient, wants_dx)
        finally:
            storage.lock.release()
    else:
        dx = backward(program, workspace, x, delta, draw, gradient, wants_dx)
    if net._training:
        net._last = workspace
    else:
        give(workspace)
    return dx


def predict(program: Program, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The result in evaluation for x (batch, features). Touches no module of the library and remembers nothing."""
    workspace = take(program, len(x))
    if program.is_compiled:  # without the lists below, 0.7 us less
        out = forward(program, workspace, x, 0, False, out)
        give(workspace)
        return out
    try:
        with in_evaluation.of([program.table_rows[r].module for r in program.foreign]):
            return forward(program, workspace, x, 0, False, out)
    finally:
        give(workspace)


class Passes:
    """Forwards and backwards of a network for whoever trains it: by its contract, if it is a class that somebody else wrote.

    One that says by its wiring how it is connected runs in a workspace of this object's, with draws that are numbered by the
    caller: so a forward beside it, in a callback or in another thread, changes nothing.

    Parameters
    ----------
    net : the network. shape, dtype : of one example's input. size : how many examples a batch has.
    """

    def __init__(self, net: Any, shape: tuple[int, ...], dtype: Any, size: int) -> None:
        self.net: Any = net
        self.program: Any = None
        self.workspace: Any = None
        if is_wired(net) or is_ours(net):
            self.program = program_of(net, shape, dtype, size)
            self.workspace = take(self.program, size)

    def forward(self, x: np.ndarray, draw: int = 0) -> Any:
        """The network's output for x (batch, ...)."""
        program = self.program
        if program is None:
            return self.net.forward(x)
        if len(x) > self.workspace.capacity:
            self.workspace = take(program, len(x))
            self.workspace.set_modes()
        out = forward(program, self.workspace, x.reshape(len(x), -1), draw, keep=program.is_compiled)
        return out.reshape(len(x), *program.output.shape)

    def backward(self, x: np.ndarray, delta: np.ndarray, draw: int = 0) -> None:
        """Make the gradient that of delta = dL/d(output), of the forward on x that has just been made."""
        self.net.zero_grad()
        if self.program is None:
            self.net.backward_update_gradient(x, delta)
            return
        d = as_batch(delta.reshape(len(x), -1), self.program.dtype, self.program.root, "delta")
        backward(self.program, self.workspace, x.reshape(len(x), -1), d, draw, gradient=True, wants_dx=False, trusted=True)

    def close(self) -> None:
        """Give the workspace back."""
        if self.workspace is not None:
            give(self.workspace)


# --- one row at a time, for whoever looks into a network -------------------------------------------------------------


def each_forward(program: Program, workspace: Workspace, x: np.ndarray) -> Iterator[int]:
    """Forward of x (batch, features), one row at a time: yields the number of each row when its output is in the workspace.

    In training mode modules draw what the next forward will draw, and no statistics move.
    """
    draws = program.mode_rows and workspace.set_modes()
    workspace.draw = -1 - int(program.storage.draws[0]) if draws else 0
    workspace.values[: x.size] = x.reshape(-1)

    def rows() -> Iterator[int]:
        for r, bound in enumerate(program.bindings):
            with threads_for(program.operations * len(x)):
                _run_forward(program, workspace, (bound is not None, r, r + 1), len(x), workspace.draw, repeats=True)
            yield r

    return rows()


def each_backward(
    program: Program, workspace: Workspace, delta: np.ndarray, gradient: bool = False, wants_dx: bool = False
) -> Iterator[int]:
    """Backward from delta = dL/dresult (batch, features) after `each_forward`, from the last row to the first.

    Yields the number of each row when dL/d(its input) is in the workspace, where all deltas stay, and its part has been added
    to the gradient, if asked. dL/d(the network's input) is computed only if it is wanted.
    """
    batch = len(delta)
    workspace.delta(program.output.slot, delta.shape[1:], batch)[...] = delta
    for r in reversed(range(len(program.bindings))):
        segment = program.bindings[r] is not None, r, r + 1
        needed = wants_dx or program.table_rows[r].input.slot != program.input.slot
        with threads_for(program.operations * batch):
            _run_backward(program, workspace, segment, batch, workspace.draw, gradient, needed)
        yield r


def refuse(
    program: Program, x: np.ndarray, batch: int, training: bool | None = None, who: str = "", frozen: bool = True
) -> None:
    """ValueError if a module will not take an input though its shape is right, before anything is computed.

    Parameters
    ----------
    x : (n, features), all inputs. batch : the least number of them that will come at once.
    training : whether that is in training mode; None for each module's own mode.
    frozen : whether modules that an optimizer has frozen will stay so.
    """
    for row in program.checks:
        module = row.module
        mode = module.training if training is None else training and not module._put_into_evaluation
        why = module.why_refused(x, batch, row.input.shape, mode and not (frozen and module._frozen))
        if why:
            raise ValueError(f"{who}{program.root}{row.place} {module}: {why}")
