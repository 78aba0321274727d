"""The contract of a module, and the modules that have kernels.

`Module` is the contract as it is taught: three operations, a parameter array and a gradient array. A class written in plain
numpy with these names is a module, whether it derives from `Module` or not. `KernelModule` is how the library's own modules
meet the contract: they describe shapes and name three kernels, and checking, allocating and calling are written here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from modnet.arrays import FLOATS, aligned, aligned_copy, as_batch, float_type
from modnet.kernels import Compiled

Shape = tuple[int, ...]
_NOTHING = {dtype: np.empty(0, dtype) for dtype in FLOATS}


class Module:
    """What every module does: compute, and say how the cost changes with its parameters and with its input.

    A class of your own overrides `forward` and `backward_delta`, and where it has parameters sets ``_parameters`` and
    overrides `backward_update_gradient`.

    Shape
    -----
    input : (batch, ...). The first axis always counts examples.
    delta : dL/d(output), of the output's shape.
    """

    _parameters: Any = None
    _gradient: Any = None
    training: bool = True

    def forward(self, X: Any) -> Any:
        """The output for a batch: (batch, ...) -> (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, X: Any) -> Any:
        return self.forward(X)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Add dL/dparameters, summed over the batch, to the gradient. Nothing to do without parameters."""

    def backward_delta(self, input: Any, delta: Any) -> Any:
        """dL/dinput, of the input's shape, from delta = dL/doutput."""
        raise NotImplementedError(f"{type(self).__name__} has no backward_delta")

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        if self._parameters is not None:
            if isinstance(self._parameters, dict):
                self._gradient = {name: np.zeros_like(value) for name, value in self._parameters.items()}
            else:
                self._gradient = np.zeros_like(self._parameters)

    def update_parameters(self, gradient_step: float = 1e-3) -> None:
        """One step against the gradient: parameters -= gradient_step * gradient."""
        if self._parameters is None or self._gradient is None:
            return
        if isinstance(self._parameters, dict):
            for name, value in self._parameters.items():
                value -= gradient_step * self._gradient[name]
        else:
            self._parameters -= gradient_step * self._gradient

    @property
    def parameters(self) -> Any:
        """The parameters: read access to ``_parameters``."""
        return self._parameters

    @property
    def gradient(self) -> Any:
        """The gradient: read access to ``_gradient``."""
        return self._gradient

    def named_parameters(self) -> dict[str, np.ndarray]:
        """The parameter arrays by name; they can be written in place."""
        if self._parameters is None:
            return {}
        if isinstance(self._parameters, dict):
            return dict(self._parameters)
        return {"parameters": self._parameters}

    def train(self) -> Module:
        """Training mode: noise is drawn, batch statistics are used. Returns the module."""
        self.training = True
        return self

    def eval(self) -> Module:
        """Evaluation mode: the same input gives the same output. Returns the module."""
        self.training = False
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def held_numbers(value: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """All numbers and arrays that a plain class holds, at any depth, gradients apart; each with the attribute it is in.

    Lists, dicts and other objects in its attributes are looked through, and the library's own modules: what its outputs may
    depend on, and what its update_parameters may move.
    """
    seen = set() if seen is None else seen
    if isinstance(value, np.ndarray | int | float | np.number):
        yield name, value
        return
    if id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        inside: Iterable[tuple[Any, Any]] = enumerate(value)
    elif isinstance(value, dict):
        inside = value.items()
    elif hasattr(value, "_storage") and hasattr(value, "leaves"):  # one of the library's: it holds much that is not its own
        storage = value._storage
        others = [leaf for leaf in value.leaves() if leaf is not value]
        inside = enumerate([storage.params, storage.state, getattr(value, "_hyper", None), *others])
    else:
        inside = getattr(value, "__dict__", {}).items()
    for key, part in inside:
        if not (isinstance(key, str) and "grad" in key):
            yield from held_numbers(part, name or str(key), seen)


class ShapeError(ValueError):
    """An input's shape is not one that a module takes.

    Parameters
    ----------
    who : the module.
    shape : of one example, without the batch.
    expected : in words, such as "(batch, 5)".
    """

    def __init__(self, who: Any, shape: Shape, expected: str) -> None:
        super().__init__(who, shape, expected)
        self.who, self.shape, self.expected = str(who), tuple(shape), expected
        self.batch: int | str = "batch"
        self.place = ""

    def __str__(self) -> str:
        shape = ", ".join(map(str, (self.batch, *self.shape))) + ("," if not self.shape else "")
        return f"{self.place}{self.who}: input has shape ({shape}), expected {self.expected}"


class Storage:
    """The flat vectors of one network, or of a module that stands alone: parameters, gradient and state, each `aligned`."""

    def __init__(self, parameters: int, state: int, dtype: Any = np.float64) -> None:
        self.params = aligned(parameters, dtype)
        self.grad = aligned(parameters, dtype)
        self.state = aligned(state, dtype)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.params.dtype

    def convert(self, dtype: np.dtype[Any]) -> None:
        """Take another element type, in place."""
        self.params, self.grad, self.state = (aligned_copy(v, dtype) for v in (self.params, self.grad, self.state))

    def __setstate__(self, state: dict[str, np.ndarray]) -> None:
        # copy and pickle leave the vectors where numpy puts them.
        self.__dict__.update({name: aligned_copy(vector) for name, vector in state.items()})


class View:
    """An attribute that is a named piece of a module's flat vector: reading gives a view, assigning writes into it.

    Parameters
    ----------
    part : "params", "grad" or "state".
    name : the piece, where it is not the attribute's own name.
    """

    def __init__(self, part: str = "params", name: str = "") -> None:
        self.part, self.name = part, name

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else module._view(self.part, self.name)

    def __set__(self, module: Any, value: Any) -> None:
        view = module._view(self.part, self.name)
        if view is None:
            raise ValueError(f"{module}: it was built without {self.name}, which cannot be set")
        array = np.asarray(value)
        if array.shape != view.shape:
            raise ValueError(f"{module}: {self.name} is given shape {array.shape}, expected {view.shape}")
        view[...] = array


class Setting:
    """An attribute that is a number the kernels read, one entry of ``_hyper``; it may be changed at any time."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else float(module._hyper[self.index])

    def __set__(self, module: Any, value: float) -> None:
        module._hyper[self.index] = value


class _Plan:
    """What a module does with one input shape: kept, since it is asked for at every call."""

    __slots__ = ("features", "input_shape", "objects", "output_features", "output_shape", "sizes")

    def __init__(self, module: KernelModule, input_shape: Shape) -> None:
        self.objects = may_object(module)
        self.input_shape = input_shape
        self.output_shape = module.output_shape(input_shape)
        self.features = prod(input_shape)
        self.output_features = prod(self.output_shape)
        self.sizes = np.array(module.sizes(input_shape), np.int64)


class KernelModule(Module):
    """A module of the library: it names three kernels and describes its shapes, and the contract follows.

    A subclass calls ``super().__init__`` with its parameters and overrides `output_shape`, `sizes` and `examples` as far as
    it needs to. Parameters lie in a flat vector, the module's own or, in a network, a slice of the network's; attributes
    declared as `View` give them names and shapes.

    Parameters
    ----------
    parameters : names and shapes of the parameters, in their order in the flat vector.
    state : names and shapes of what is kept but not trained.
    hyper : numbers the kernels read.
    """

    forward_kernel: Compiled
    gradient_kernel: Compiled | None = None
    #: None where the input is not one to differentiate by.
    backward_kernel: Compiled | None
    #: Whether the gradient or backward kernel reads the output of forward.
    uses_output = False
    #: Whether forward draws or uses batch statistics in training. ``_hyper[0]`` is then the mode: 0 evaluation, 1 training,
    #: 2 training, but drawing what was drawn last and keeping no statistics, for a forward that only repeats one.
    draws = False
    #: Whether it may stand at one place only, because what it keeps of the last forward is of one place.
    stands_once = False
    #: Features of the last axis taken and given, where the constructor fixes them: checked when a network is built.
    in_features: int | None = None
    out_features: int | None = None
    #: Whether the last axis has as many features after as before.
    keeps_features = False

    def __init__(
        self,
        parameters: Mapping[str, Shape] | None = None,
        state: Mapping[str, Shape] | None = None,
        hyper: Iterable[float] = (),
    ) -> None:
        self._pieces: dict[str, dict[str, tuple[int, int, Shape]]] = {}
        for part, shapes in (("params", parameters or {}), ("state", state or {})):
            at, pieces = 0, {}
            for name, shape in shapes.items():
                pieces[name] = (at, at + prod(shape), shape)
                at += prod(shape)
            self._pieces[part] = pieces
        self._pieces["grad"] = self._pieces["params"]
        self.parameter_count = sum(prod(shape) for shape in (parameters or {}).values())
        self.state_count = sum(prod(shape) for shape in (state or {}).values())
        self._hyper = np.array(list(hyper), np.float64)
        self._storage = Storage(self.parameter_count, self.state_count)
        self._at = {"params": 0, "grad": 0, "state": 0}
        self._owners: tuple[Any, ...] = ()  # weak references to the networks it stands in, the outermost first
        self._plans: _Plan | None = None

    # The description of the operation.

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one example's output from that of its input; a `ShapeError` where the module does not take it."""
        return tuple(input_shape)

    def sizes(self, input_shape: Shape) -> tuple[int, ...]:
        """The whole numbers the kernels need."""
        return ()

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        """Modules with input shapes (batch included), chosen to matter: what every check of the library runs on."""
        return [(cls(), (4, 3)), (cls(), (1, 5)), (cls(), (3, 2, 4))]

    def add_rows(self, program: Any, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        """Write the module into a table: from the slot of its input to that of its output, with the output's shape."""
        shape = self.output_shape(input_shape)
        output = program.slot(prod(shape))
        program.row(self, slot, output, self.sizes(input_shape))
        if may_object(self):
            program.checks.append((program.place, self, tuple(input_shape)))
        return output, shape

    def objection(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        """Why an input cannot be taken though its shape is right, in words; empty where it can.

        Parameters
        ----------
        x : (n, features), the input where the module is the first to read it, else that of the network.
        batch : the least number of examples that come at once.
        input_shape : of one example, without the batch.
        training : whether the module is in training mode then.
        """
        return ""

    @property
    def companions(self) -> tuple[KernelModule, ...]:
        """Modules whose parameters it uses beside its own: they must stand in the same network for it to be trained."""
        return ()

    # The contract.

    def forward(self, X: Any) -> np.ndarray:
        x, plan = self._take(X)
        return self._forward(x, plan).reshape(len(x), *plan.output_shape)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        if not self.parameter_count:
            return
        x, plan = self._take(input)
        d = self._take_delta(delta, x, plan)
        self._add_gradient(x, self._output(x, plan) if self.uses_output else d, d, plan)

    def backward_delta(self, input: Any, delta: Any) -> np.ndarray:
        if self.backward_kernel is None:
            raise ValueError(f"{self}: {NO_DERIVATIVE}")
        x, plan = self._take(input)
        d = self._take_delta(delta, x, plan)
        dx = self._backward(x, self._output(x, plan) if self.uses_output else d, d, plan)
        return dx.reshape(len(x), *plan.input_shape)

    def zero_grad(self) -> None:
        self._slice("grad")[:] = 0

    def update_parameters(self, gradient_step: float = 1e-3) -> None:
        params = self._slice("params")
        params -= params.dtype.type(gradient_step) * self._slice("grad")

    def _take(self, X: Any) -> tuple[np.ndarray, _Plan]:
        x = as_batch(X, self._storage.dtype if self.parameter_count or self.state_count else None, self)
        plan = self._plans
        if plan is None or plan.input_shape != x.shape[1:]:
            try:
                plan = self._plans = _Plan(self, x.shape[1:])
            except ShapeError as error:
                error.batch = len(x)
                raise error from None
        matrix = x.reshape(len(x), plan.features)
        if plan.objects:
            why = self.objection(matrix, len(x), plan.input_shape, self.training)
            if why:
                raise ValueError(f"{self}: {why}")
        return matrix, plan

    def _take_delta(self, delta: Any, x: np.ndarray, plan: _Plan) -> np.ndarray:
        d = as_batch(delta, x.dtype, self, "delta")
        expected = (len(x), *plan.output_shape)
        if d.shape != expected:
            raise ValueError(f"{self}: delta has shape {d.shape}, expected {expected}, that of the output")
        return d.reshape(len(x), plan.output_features)

    def _forward(self, x: np.ndarray, plan: _Plan) -> np.ndarray:
        out = np.empty((len(x), plan.output_features), x.dtype)
        self.forward_kernel.call(x, out, *self._flat(x.dtype), plan.sizes, self._hyper)
        return out

    def _output(self, x: np.ndarray, plan: _Plan) -> np.ndarray:
        """What forward gave for x, once more."""
        if not self.draws:
            return self._forward(x, plan)
        with repeating([self]):
            return self._forward(x, plan)

    def _add_gradient(self, x: np.ndarray, out: np.ndarray, delta: np.ndarray, plan: _Plan) -> None:
        assert self.gradient_kernel is not None
        self.gradient_kernel.call(x, out, delta, self._slice("grad"), *self._flat(x.dtype), plan.sizes, self._hyper)

    def _backward(self, x: np.ndarray, out: np.ndarray, delta: np.ndarray, plan: _Plan) -> np.ndarray:
        assert self.backward_kernel is not None
        dx = np.empty_like(x)
        self.backward_kernel.call(x, out, delta, dx, *self._flat(x.dtype), plan.sizes, self._hyper)
        return dx

    def _flat(self, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
        if not self.parameter_count and not self.state_count:
            return _NOTHING[dtype], _NOTHING[dtype]
        return self._slice("params"), self._slice("state")

    # Storage.

    def place(self, part: str) -> tuple[int, int]:
        """Where the module's slice of a flat vector begins and ends."""
        at = self._at[part]
        return at, at + (self.state_count if part == "state" else self.parameter_count)

    def move_to(self, storage: Storage, params: int, state: int) -> None:
        """Take a slice of another storage, carrying the numbers over."""
        old = {part: self._slice(part).copy() for part in ("params", "grad", "state")}
        self._storage, self._at = storage, {"params": params, "grad": params, "state": state}
        for part, numbers in old.items():
            self._slice(part)[:] = numbers

    def _slice(self, part: str) -> np.ndarray:
        at, end = self.place(part)
        found: np.ndarray = getattr(self._storage, part)[at:end]
        return found

    def _view(self, part: str, name: str) -> np.ndarray | None:
        piece = self._pieces[part].get(name)
        if piece is None:
            return None
        at, end, shape = piece
        return self._slice(part)[at:end].reshape(shape)

    @property
    def _parameters(self) -> np.ndarray | None:
        return self._slice("params") if self.parameter_count else None

    @_parameters.setter
    def _parameters(self, value: Any) -> None:
        self._slice("params")[:] = value

    @property
    def _gradient(self) -> np.ndarray | None:
        return self._slice("grad") if self.parameter_count else None

    @_gradient.setter
    def _gradient(self, value: Any) -> None:
        self._slice("grad")[:] = value

    @property
    def parameters(self) -> np.ndarray:
        """The flat parameters, a view."""
        return self._slice("params")

    @property
    def gradient(self) -> np.ndarray:
        """The flat gradient, a view."""
        return self._slice("grad")

    def named_parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name, as views of their own shapes."""
        found = {name: self._view("params", name) for name in self._pieces["params"]}
        return {name: view for name, view in found.items() if view is not None}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the parameters."""
        return self._storage.dtype

    def astype(self, dtype: Any) -> KernelModule:
        """Convert the parameters to float32 or float64, in place. Returns the module."""
        chosen = float_type(dtype, self)
        if self.root() is not None:
            raise ValueError(f"{self}: it stands in a network, expected astype on the network itself")
        self._storage.convert(chosen)
        return self

    def root(self) -> Any:
        """The outermost network the module stands in, or None."""
        return first_alive(self._owners)

    def leaves(self) -> Iterator[Any]:
        """The modules that hold parameters of their own: this one."""
        yield self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plans": None, "_owners": ()}


#: What is wrong with asking for the derivative by an input of whole numbers.
NO_DERIVATIVE = (
    "backward_delta is asked for, but its input is whole numbers, which have no derivative; "
    "expected backward_update_gradient alone"
)


def may_object(module: KernelModule) -> bool:
    """Whether inputs of the right shape may still be refused: see `KernelModule.objection`."""
    return type(module).objection is not KernelModule.objection


class ModeModule(KernelModule):
    """A module that does one thing in training and another in evaluation. ``_hyper[0]`` is the mode: see `draws`.

    Parameters
    ----------
    parameters, state : as for `KernelModule`.
    hyper : what the kernels read after the mode.
    """

    draws = True

    def __init__(
        self,
        parameters: Mapping[str, Shape] | None = None,
        state: Mapping[str, Shape] | None = None,
        hyper: Iterable[float] = (),
    ) -> None:
        super().__init__(parameters, state, [1.0, *hyper])

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""
        return bool(self._hyper[0] != 0)

    @training.setter
    def training(self, value: bool) -> None:
        self._hyper[0] = 1.0 if value else 0.0


@contextmanager
def repeating(modules: Iterable[Any]) -> Iterator[None]:
    """Within it, modules that are in training draw what they drew last, and keep no statistics."""
    changed = [m._hyper for m in modules if isinstance(m, KernelModule) and m.draws and m._hyper[0] == 1]
    for hyper in changed:
        hyper[0] = 2
    try:
        yield
    finally:
        for hyper in changed:
            hyper[0] = 1


def first_alive(references: Iterable[Any]) -> Any:
    """The first object that still exists of those that weak references are to, or None."""
    return next((found for reference in references if (found := reference()) is not None), None)
