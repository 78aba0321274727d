"""The contract of a module, and how the library's own modules meet it.

`Module` is the contract as it is taught: three operations, a parameter array and a gradient array. A class written in plain
numpy with these names is a module, whether it derives from `Module` or not.

A module of the library is written in the same way, but each of its operations is a kernel: a function that numba compiles,
on arrays with names. It declares its numbers, `Parameter`, `State`, `Setting` and `Size`, says what shape it gives
(`output_shape`), and writes the three operations under `operation`. Checking, allocating and calling are here, once.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from modnet import hints
from modnet.engine.alone import NO_DERIVATIVE, NO_INIT, delta_method, forward_method, gradient_method
from modnet.engine.foreign import Foreign
from modnet.engine.modes import in_evaluation
from modnet.engine.state import load_state_arrays, state_arrays
from modnet.engine.storage import Counts, Storage, has_storage, last_draw_of, lay_out, writing
from modnet.inputs import as_float32, as_numbers, as_step, float_type, short_repr, whole
from modnet.kernels.declare import Declares, Fixed, Parameter, Setting, Shape, ShapeError, Shared, Size, State, require_bool
from modnet.kernels.operation import Kind, Operation, is_compiled, operation

_PART = {"parameters": "parameters", "gradient": "parameters", "state": "state"}


class _Flat:
    """``_parameters`` or ``_gradient``: a slice of the storage; for a class in plain numpy whatever it puts there."""

    def __init__(self, block: str) -> None:
        self.block = block

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: Any = None) -> Any:
        if module is None:
            return None
        if not has_storage(module):
            return module.__dict__.get(self.name)
        return module.block(self.block) if module.counts.parameters else None

    def __set__(self, module: Any, value: Any) -> None:
        if has_storage(module):
            module.block(self.block)[:] = value
        else:
            module.__dict__[self.name] = value


class Module(hints.Explained, Declares):
    """What every module does: compute, and say how the loss changes with its parameters and with its input.

    A class of your own, in plain numpy, overrides `forward` and `backward_delta`, and if it has parameters sets
    ``_parameters`` and overrides `backward_update_gradient`.

    Shape
    -----
    input : (batch, ...). The first axis always counts examples.
    delta : dL/d(output), of the output's shape.
    """

    _parameters: Any = _Flat("parameters")
    _gradient: Any = _Flat("gradient")
    training: bool = True
    #: Whether each vector of the last axis is a row by itself: kernels get x (rows, n), not x (batch, features). A `Size` of
    #: the last axis says the same.
    over_last_axis = False
    #: Whether the output is the input's numbers in another shape: a network then needs no row for it.
    same_numbers = False
    #: Whether the last axis has as many features after as before.
    keeps_features = False
    #: Arguments chosen to matter, for `examples`.
    tried: tuple[tuple[Any, ...], ...] = ((), (), ())
    #: Names of the whole numbers that depend on the input, fields of z: see `sizes`.
    row_sizes: tuple[str | tuple[str, int], ...] = ()
    #: Set by an optimizer that was told to leave it alone: statistics stay, too, and normalise as in evaluation.
    _frozen = False

    trainable, requires_grad = hints.Elsewhere(hints.MODULE), hints.Elsewhere(hints.MODULE)

    @classmethod
    def constructor_names(cls) -> list[str] | None:
        """The arguments of a constructor that takes any name: optional parameters, if it is the one below."""
        return [n for n, p in cls.layout.parameters.items() if p.optional] if cls.__init__ is Module.__init__ else None

    def __init__(self, **present: bool) -> None:
        kind = type(self)
        if has_storage(self):
            raise RuntimeError(f"{self}: __init__ was called a second time; make a new {kind.__name__}")
        inherited = [op for base in kind.__mro__ for op in getattr(base, "operations", ())]
        if not (any(inherited) or kind.layout.parameters or kind.layout.states or kind.layout.settings):
            return
        layout, who = kind.layout, kind.__name__
        for name, value in present.items():
            require_bool(value, who, name)
        self._arrays: dict[str, dict[str, tuple[int, int, Shape]]] = {}
        for part, arrays in (("parameters", layout.parameters), ("state", layout.states)):
            at, pieces = 0, {}
            for name, array in arrays.items():
                if isinstance(array, Shared) or (array.optional and not present.get(name, True)):
                    continue
                shape = array.shape(self)
                pieces[name] = at, at + prod(shape), shape
                at += prod(shape)
            self._arrays[part] = pieces
        numbers, kept = (sum(prod(shape) for *_, shape in pieces.values()) for pieces in self._arrays.values())
        self.counts = Counts(numbers, kept, len(layout.settings), int(kind.has_mode))
        try:
            self._storage, self._at = Storage(self.counts), Counts()
        except (MemoryError, ValueError):  # numpy's own limit
            raise ValueError(f"{who}: its {numbers + kept} numbers do not fit into memory") from None
        self._bound: Any = None
        self._programs: dict[Any, Any] = {}
        for setting in layout.settings.values():
            setting.write(self, setting.default)
        for name, state in layout.states.items():
            self.view("state", name)[...] = state.initial  # type: ignore[index]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.is_compiled = is_compiled(cls, OPERATIONS, Module)
        found = [getattr(cls, name, None) for name in OPERATIONS]
        #: Whether training and evaluation differ.
        cls.has_mode = any(isinstance(op, Operation) and "draw" in op.names for op in found)
        #: The three operations; None for one that is not a kernel.
        cls.operations = tuple(op if isinstance(op, Operation) else None for op in found)

    is_compiled = False
    has_mode = False
    operations: tuple[Operation | None, ...] = (None, None, None)

    # The contract.

    def forward(self, X: Any) -> np.ndarray:
        """The output for a batch: (batch, ...) -> (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    @hints.habits
    def __call__(self, X: Any, **given: Any) -> np.ndarray:
        return self.forward(X, **given) if given else self.forward(X)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Add dL/dparameters, summed over the batch, to the gradient. Nothing to do without parameters."""

    def backward_delta(self, input: Any, delta: Any) -> np.ndarray:
        """dL/dinput, of the input's shape, from delta = dL/doutput."""
        if type(self).is_compiled:
            raise ValueError(f"{self}: {NO_DERIVATIVE}")
        raise NotImplementedError(f"{type(self).__name__} has no backward_delta")

    @hints.habits
    def zero_grad(self, **given: Any) -> None:
        """Set the gradient to zero."""
        if given:
            hints.refuse(self, "zero_grad", given)
        if has_storage(self):
            with writing(self, self):
                self.block("gradient")[:] = 0
        elif isinstance(self._parameters, dict):
            self._gradient = {name: np.zeros_like(value) for name, value in self._parameters.items()}
        elif self._parameters is not None:
            self._gradient = np.zeros_like(self._parameters)

    @hints.habits
    def update_parameters(self, gradient_step: float = 1e-3, **given: Any) -> None:
        """One step against the gradient: parameters -= gradient_step * gradient."""
        if given:
            hints.refuse(self, "update_parameters", given)
        if has_storage(self):
            with writing(self, self):
                parameters = self.block("parameters")
                parameters -= as_step(gradient_step, parameters.dtype, str(self)) * self.block("gradient")
        elif self._parameters is None or self._gradient is None:
            return
        elif isinstance(self._parameters, dict):
            for name, value in self._parameters.items():
                value -= gradient_step * self._gradient[name]
        else:
            self._parameters -= gradient_step * self._gradient

    @property
    def parameters(self) -> Any:
        """The parameters, flat for a module or a network of the library's modules: a view that can be written to.

        In a class of your own it is another name of ``_parameters``.
        """
        return self._parameters if not has_storage(self) else self.block("parameters")

    @parameters.setter
    def parameters(self, value: Any) -> None:
        self._write("parameters", value)

    @property
    def gradient(self) -> Any:
        """The gradient, in the order of `parameters`."""
        return self._gradient if not has_storage(self) else self.block("gradient")

    @gradient.setter
    def gradient(self, value: Any) -> None:
        self._write("gradient", value)

    def _write(self, name: str, value: Any) -> None:
        if not has_storage(self):
            setattr(self, f"_{name}", value)
            return
        who = Foreign.name_of(self)
        array = as_numbers(value, who, name, examples=False)
        with writing(self, who):
            block = self.block(name)
            if array.shape != block.shape:
                raise ValueError(f"{who}: {name} is given shape {array.shape}, expected {block.shape}")
            block[:] = array if block.dtype != np.float32 else as_float32(array, who, name)

    def named_parameters(self) -> dict[str, np.ndarray]:
        """The parameter arrays by name; they can be written in place."""
        if has_storage(self):
            return {name: cast(np.ndarray, self.view("parameters", name)) for name in self._arrays["parameters"]}
        return {"parameters" if key == "" else key: array for key, array in Foreign(self).held("_parameters").items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        """All arrays that a prediction depends on, parameters and state, by name; in a network by place. Copies."""
        return {name: np.array(array) for name, array in state_arrays(self).items()}

    @hints.explained(hints.CALL)
    def load_state_dict(self, arrays: Any) -> Any:
        """Take the arrays that `state_dict` of a module built alike gave: all or, on an error, none. Returns the module."""
        load_state_arrays(self, arrays, Foreign.name_of(self))
        return self

    def train(self, mode: bool = True) -> Module:
        """Training mode: noise is drawn, batch statistics are used. Returns the module. ``train(False)`` is `eval`.

        A network's reaches every module in it, at every depth, and so does its `eval`.
        """
        if not require_bool(mode, Foreign.name_of(self), "train's mode"):
            return self.eval()
        with in_evaluation.changing():
            self.training = True
            self._put_into_evaluation = False
        return self

    def eval(self) -> Module:
        """Evaluation mode: the same input gives the same output. `fit` leaves it so. Returns the module."""
        with in_evaluation.changing():
            self.training = False
            self._put_into_evaluation = True
        return self

    #: Whether it was put into evaluation by itself, and not with the network around it.
    _put_into_evaluation = False

    def __getattr__(self, name: str) -> Any:
        return hints.missing_attribute(self, name, hints.MODULE)

    def __repr__(self) -> str:
        """The constructor's call, as far as its arguments are declared: sizes first, then what is no default beside them."""
        kind, layout, taken = type(self), type(self).layout, self.features_taken
        parts: list[str] = []
        if taken is not None:
            same = layout.input_size is not None and layout.input_size == layout.output_size
            parts.append(f"{taken}" if same else f"{taken} -> {self.features_given}")
        before: Any = None
        for name, argument in inspect.signature(kind).parameters.items():
            value: Any = getattr(self, name) if isinstance(getattr(kind, name, None), Fixed | Setting | Parameter) else None
            if name in layout.parameters:
                value = value is not None
            if not isinstance(value, int | float | tuple) or (name in layout.sizes and taken is not None):
                continue
            short = value[0] if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] else value
            text = f"{short:g}" if isinstance(short, float) else str(short)
            if isinstance(value, tuple) and argument.kind is argument.VAR_POSITIONAL:
                parts += map(str, value)
            elif taken is None and (name in layout.sizes or name in layout.settings):
                parts.append(text)
            elif (before if argument.default is None else argument.default) not in (value, short):
                parts.append(f"{name}={text}")
            before = value
        return f"{kind.__name__}({', '.join(parts)})"

    # What a module of the library says of itself.

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one example's output from that of its input; a `ShapeError` if the module does not take it."""
        return self.last_axis(input_shape) if type(self).layout.input_size else tuple(input_shape)

    def last_axis(self, input_shape: Shape) -> Shape:
        """The output shape of a module that has a `Size` of the last axis; the other axes stay."""
        layout = type(self).layout
        taken = getattr(self, layout.input_size or "")
        if not input_shape or input_shape[-1] != taken:
            leading = "batch, ..., " if len(input_shape) > 1 else "batch, "
            raise ShapeError(self, input_shape, f"({leading}{taken})", (taken,))
        return (*input_shape[:-1], getattr(self, layout.output_size) if layout.output_size else taken)

    def sizes(self, input_shape: Shape) -> tuple[Any, ...]:
        """The whole numbers that kernels need of this input, in the order of `row_sizes`."""
        return ()

    def why_refused(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        """Why an input cannot be taken though its shape is right, in words; empty if it can.

        Parameters
        ----------
        x : (n, features), the input of the module if it is the first to read it, else that of the network.
        batch : the least number of examples that come at once.
        input_shape : of one example, without the batch.
        training : whether the module is in training mode then.
        """
        return ""

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        """Modules with input shapes (batch included), chosen to matter: what every check of the library runs on."""
        return [(cls(*arguments), shape) for arguments, shape in zip(cls.tried, ((4, 3), (1, 5), (3, 2, 4)))]

    @property
    def features_taken(self) -> int | None:
        """How many features of the last axis it takes, if its constructor fixes that."""
        name = type(self).layout.input_size
        return None if name is None else getattr(self, name)

    @property
    def features_given(self) -> int | None:
        """How many features of the last axis it gives, if its constructor fixes that."""
        name = type(self).layout.output_size
        return None if name is None else getattr(self, name)

    @property
    def shares_parameters_of(self) -> tuple[Module, ...]:
        """Modules whose parameters it uses beside its own: they must be in the same network for it to be trained."""
        shared = [p for p in type(self).layout.parameters.values() if isinstance(p, Shared)]
        return tuple(getattr(self, parameter.module) for parameter in shared)

    # Storage.

    def block(self, name: str) -> np.ndarray:
        """The module's slice of a block: "parameters", "gradient" or "state"."""
        at, count = self._at, self.counts
        start, size = (at.state, count.state) if name == "state" else (at.parameters, count.parameters)
        found: np.ndarray = getattr(self._storage, name)[start : start + size]
        return found

    def view(self, block: str, name: str) -> np.ndarray | None:
        """An array by its name, or None if the module was built without it."""
        try:
            piece = self._arrays[_PART[block]].get(name)
        except AttributeError:
            raise AttributeError(f"{type(self).__name__}: {name} is not there yet; {NO_INIT}") from None
        if piece is None:
            return None
        start, end, shape = piece
        return self.block(block)[start:end].reshape(shape)

    def pieces(self, block: str) -> tuple[str, ...]:
        """The names of the arrays that it has in a block."""
        return tuple(self._arrays[_PART[block]])

    @property
    def draws(self) -> tuple[int, int]:
        """How many forwards in training its network has made, and the number of its own last one; 0 and 0 if it never draws."""
        if not self.counts.draws:
            return 0, 0
        return int(self._storage.draws[0]), last_draw_of(self)[0]

    @draws.setter
    def draws(self, value: tuple[int, int]) -> None:
        if self.counts.draws:
            made, last = (whole(v, str(self), "draws", 0) for v in value)
            self._storage.draws[[0, 1 + self._at.draws]] = made, -last

    def setting_words(self) -> np.ndarray:
        start = self._at.settings
        return self._storage.settings[start : start + self.counts.settings]

    @property
    def storage(self) -> Storage:
        """Where the module's numbers lie."""
        return self._storage

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the parameters, float32 or float64."""
        return self.storage.dtype

    def astype(self, dtype: Any) -> Any:
        """Convert the parameters to float32 or float64, in place. Returns the module."""
        who = Foreign.name_of(self)
        chosen = float_type(dtype, who)
        if self.root() is not None:
            raise ValueError(f"{who}: it belongs to a network; call astype on the outermost network")
        with writing(self, who), Storage.laying_out:
            self._lay_out(must=True)  # the storage may be that of a larger network that is gone
            self._storage.convert(chosen, who)
            self._settle(self._storage)
        return self

    def _lay_out(self, must: bool = False) -> None:
        """Move its numbers into a storage of their own."""
        lay_out([self], self.dtype)

    def _settle(self, storage: Storage) -> None:
        """Note where its numbers lie now; a module finds them by its storage's version."""

    def root(self) -> Any:
        """The outermost network that the module belongs to, or None."""
        return self._storage.owner_of(self) if has_storage(self) else None

    def leaves(self) -> Iterator[Any]:
        """The modules that hold parameters of their own: this one."""
        yield self

    @property
    def owns_numbers(self) -> bool:
        """Whether it has numbers that only one network can hold; the others can be shared by networks."""
        count = self.counts
        return bool(count.parameters or count.state or count.draws)

    # Copies and pickles hold the module's own numbers, not its network's.

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if "_storage" in state:
            del state["_storage"], state["_at"], state["_bound"], state["_programs"]
            blocks = {name: self.block(name).copy() for name in ("parameters", "gradient", "state")}
            draws = self._storage.draws[[0, 1 + self._at.draws]].tolist() if self.counts.draws else (0, 0)
            state["_kept"] = {**blocks, "settings": self.setting_words().copy(), "draws": draws}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_hyper" in state or "_pieces" in state:
            raise ValueError(f"{type(self).__name__}: this pickle was made by modnet 0.1.0, which this version cannot read")
        kept = state.pop("_kept", None) if "_kept" in state else None
        self.__dict__.update(state)
        if kept is not None:
            self._storage, self._at, self._bound = Storage(self.counts, kept["parameters"].dtype), Counts(), None
            self._programs = {}
            for name in ("parameters", "gradient", "state", "settings"):
                getattr(self._storage, name)[:] = kept[name]
            self._storage.draws[: 1 + self.counts.draws] = kept["draws"][: 1 + self.counts.draws]


def require_net(net: Any, who: str) -> None:
    """TypeError unless it is a network, or a single module."""
    if isinstance(net, type) or not callable(getattr(net, "forward", None)):
        name = net.__name__ if isinstance(net, type) else short_repr(net)
        raise TypeError(f"{who}: net is {name}, expected a network such as Sequential(...)")


def with_drawn_parameters(examples: list[Any]) -> list[Any]:
    """Examples whose parameters are drawn: with a weight of one and a bias of zero, errors in either would not show."""
    for i, (module, _) in enumerate(examples):
        module.parameters[:] = np.random.default_rng(i).normal(size=module.parameters.size)
    return examples


#: The three operations of the contract.
OPERATIONS = ("forward", "backward_update_gradient", "backward_delta")

Module.kinds = {  # type: ignore[attr-defined]
    "forward": Kind("forward", forward_method, Module.forward),
    "backward_update_gradient": Kind("backward_update_gradient", gradient_method, Module.backward_update_gradient),
    "backward_delta": Kind("backward_delta", delta_method, Module.backward_delta),
}


if not TYPE_CHECKING:  # to a type checker it would give any name

    def __getattr__(name: str) -> Any:
        if name in ("KernelModule", "ModeModule", "View"):
            raise ImportError(
                f"modnet.module: {name} is gone; a module now declares Parameter, State, Setting and Size, and writes its "
                "operations under @operation, see CONTRIBUTING.md"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Module", "Operation", "Parameter", "Setting", "Shape", "ShapeError", "Size", "State", "operation"]
