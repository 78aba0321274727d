"""An operation of a module, called as a method: the input is checked, the output allocated, the kernel called.

Each function here makes a method from an operation (`modnet.kernels.operation`). `Module` names them as its kinds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet import hints
from modnet.engine.modes import inside
from modnet.engine.program import Binding
from modnet.engine.storage import ANOTHER_USE, Storage, has_storage, last_draw_of
from modnet.inputs import as_batch
from modnet.kernels.compiled import enter_backward, enter_forward, enter_gradient
from modnet.kernels.declare import ShapeError
from modnet.kernels.operation import Operation

#: What a class made from one of the library's has forgotten.
NO_INIT = "call super().__init__() in its __init__ first"

#: What is wrong with asking for the derivative by an input of whole numbers.
NO_DERIVATIVE = (
    "backward_delta is asked for, but its input is whole numbers, which have no derivative; "
    "call backward_update_gradient alone"
)


def _take(module: Any, X: Any) -> tuple[np.ndarray, Any]:
    """An input, checked, and how kernels see the module for its shape."""
    bound = module.__dict__.get("_bound")
    # The common case in 0.4 us: nothing is to be converted, and the last input was like it.
    if (
        bound is not None and type(X) is np.ndarray and X.dtype is bound.dtype and X.flags.carray and X.size
        and bound.serves(X) and not bound.may_refuse
    ):  # fmt: skip
        return X, bound
    if not has_storage(module):
        raise RuntimeError(f"{type(module).__name__}: {NO_INIT}")
    x = as_batch(X, module._storage.dtype if module.counts.parameters or module.counts.state else None, module)
    if bound is None or not bound.serves(x):
        try:
            with Storage.laying_out:  # where its numbers lie is noted while nobody moves them
                bound = Binding(module, x.shape[1:], x.dtype)
        except ShapeError as error:
            error.batch = len(x)
            raise error from None
        if (module.counts.parameters or module.counts.state) and bound.parameters.dtype != x.dtype:
            return _take(module, X)  # another thread has just called astype
        module._bound = bound
    if bound.may_refuse:
        why = module.why_refused(x.reshape(len(x), -1), len(x), bound.input_shape, module.training and not module._frozen)
        if why:
            raise ValueError(f"{module}: {why}")
    return x, bound


def _take_back(module: Any, operation: Operation, input: Any, delta: Any) -> tuple[np.ndarray, Any, np.ndarray, int, Any]:
    """Input and delta, checked; how kernels see the module; the last draw; and what forward gave, if the operation reads it."""
    x, bound = _take(module, input)
    d = as_batch(delta, x.dtype, module, "delta")
    if d.shape[1:] != bound.output_shape or len(d) != len(x):
        expected = (len(x), *bound.output_shape)
        raise ValueError(f"{module}: delta has shape {d.shape}, expected the output's shape, {expected}")
    d = d if bound.gives_rows else d.reshape(len(x) * bound.output_rows, bound.output_columns)
    draw = _last_draw(module)
    if "out" not in operation.names:
        return x, bound, d, draw, d
    # The kernel of forward that a class inherits may be behind an override in Python.
    kernels = (op for base in type(module).__mro__ if isinstance(op := vars(base).get("forward"), Operation))
    forward = type(module).operations[0] or next(kernels)
    return x, bound, d, draw, _output(forward, x, bound, draw)


def _last_draw(module: Any) -> int:
    """The draw that repeats the last forward, or 0 in evaluation."""
    if not type(module).has_mode or not module.training or module._frozen:
        return 0
    if inside.draws_for(module._storage):
        return -inside.number(module)
    last = int(module._storage.draws[1 + module._at.draws])
    if 0 < last < ANOTHER_USE:
        return -last
    last, uses = last_draw_of(module)
    if uses > 1 and any("draw" in op.names for op in type(module).operations[1:] if op):
        raise RuntimeError(
            f"{module}: used {uses} times in its last forward, which was a network's, and backward of the module alone cannot "
            f"tell the draws apart; call the network's backward, or put a {type(module).__name__} of its own at each place"
        )
    return -max(1, last)


def _new_draw(module: Any) -> int:
    """The draw of a new forward of a module that has a mode: 0 in evaluation."""
    if inside.repeats:  # a class that repeats its forward holds this module
        return _last_draw(module)
    if inside.draws_for(module._storage):
        draw = -_last_draw(module)
        inside.calls[id(module)] += draw != 0
        return draw
    if not module.training or module._frozen:
        return 0
    draw = int(module._storage.next_draw())
    module._storage.draws[1 + module._at.draws] = abs(draw)
    return draw


def forward_method(operation: Operation) -> Any:
    """``forward(X)``: the output for a batch."""

    def forward(self: Any, X: Any, **given: Any) -> np.ndarray:
        if given:
            hints.refuse(self, "forward", given)
        x, bound = _take(self, X)
        out = _output(operation, x, bound, _new_draw(self) if type(self).has_mode else 0)
        return out if bound.gives_rows else out.reshape(len(x), *bound.output_shape)

    return forward


def _output(operation: Operation, x: np.ndarray, bound: Any, draw: int) -> np.ndarray:
    out = np.empty((len(x) * bound.output_rows, bound.output_columns), x.dtype)
    enter_forward.call(
        bound.address(operation), _rows(x, bound), out, bound.parameters, bound.state, bound.z, bound.s, draw
    )
    return out


def _rows(x: np.ndarray, bound: Any) -> np.ndarray:
    """An input as kernels take it; -1 would fail for one without numbers."""
    return x if bound.takes_rows else x.reshape(len(x) * bound.input_rows, bound.columns)


def gradient_method(operation: Operation) -> Any:
    """``backward_update_gradient(input, delta)``: the gradient is added to."""

    def backward_update_gradient(self: Any, input: Any, delta: Any) -> None:
        x, bound, d, draw, out = _take_back(self, operation, input, delta)
        bound.take(self)
        try:
            enter_gradient.call(
                bound.address(operation), _rows(x, bound), out, d, bound.gradient, bound.parameters, bound.state,
                bound.z_gradient, bound.s, draw, 1,
            )  # fmt: skip
        finally:
            bound.give()

    return backward_update_gradient


def delta_method(operation: Operation) -> Any:
    """``backward_delta(input, delta)``: dL/dinput."""

    def backward_delta(self: Any, input: Any, delta: Any) -> np.ndarray:
        x, bound, d, draw, out = _take_back(self, operation, input, delta)
        dx = np.empty(x.shape, x.dtype)
        enter_backward.call(
            bound.address(operation), _rows(x, bound), out, d, _rows(dx, bound), bound.parameters, bound.state, bound.z,
            bound.s, draw,
        )  # fmt: skip
        return dx

    return backward_delta
