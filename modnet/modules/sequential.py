"""Sequential: modules one after the other.

    x -> f1 -> h1 -> f2 -> h2 -> ... -> fn -> out

(1)  out = fn(... f2(f1(x)))
(2)  dL/dparameters of fk: its backward_update_gradient, given its own input h(k-1) and dL/dhk
(3)  dL/dh(k-1) = the backward_delta of fk, given h(k-1) and dL/dhk; from the last module to the first: the chain rule

Where every module has kernels the walk is compiled (`modnet.table`). Where one has not, because it is a plain numpy class,
the same walk runs here in Python, module by module; results are the same.
"""

from __future__ import annotations

import html
import weakref
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from modnet.arrays import as_batch, float_type
from modnet.module import KernelModule, Module, Shape, ShapeError, Storage
from modnet.table import Program, Table

_KEPT_TABLES = 8


class Sequential(Module):
    """Modules one after the other, in one flat parameter vector.

    Parameters
    ----------
    modules : modules, or one list of them. Any object with ``forward``, ``backward_delta`` and, where it has parameters,
        ``backward_update_gradient``, ``zero_grad`` and ``update_parameters`` is a module.

    Attributes
    ----------
    parameters, gradient : the flat vectors of all the library's modules in it. A module that stands in the network twice
        has one slice, and its gradients from both places add up. Take views after the network is complete: building it and
        `append` move the parameters.

    Shape
    -----
    what the first module takes -> what the last one gives

    State
    -----
    The inputs of all modules in the last forward. They serve the next backward if it comes with an equal input and nothing
    has changed since; otherwise backward computes them again, so it answers for the input it is given in any case.

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1))
    >>> net.forward([[0.0, 1.0]]).shape
    (1, 1)
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], list | tuple):
            modules = tuple(modules[0])
        for i, module in enumerate(modules):
            _require_module(module, i)
        self._modules: list[Any] = list(modules)
        self._root: Any = None  # a weak reference to the outermost network it stands in
        self._keep: Any = None  # of a slice: the network it is a slice of
        self._adopt()

    # The chain.

    def append(self, module: Any) -> Sequential:
        """Add a module at the end. Returns the network. Its flat vectors are laid out anew: take views again."""
        _require_module(module, len(self._modules))
        root = self.root() or self
        self._modules.append(module)
        try:
            root._adopt()
        except (ValueError, TypeError):
            self._modules.pop()
            raise
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules)

    def __getitem__(self, index: int | slice) -> Any:
        """One module; or, for a slice, a network of those modules that shares their parameters."""
        if isinstance(index, slice):
            part = Sequential.__new__(Sequential)
            part._modules = self._modules[index]
            part._root = weakref.ref(self.root() or self)
            part._keep = self.root() or self
            part._reset(self._storage)
            return part
        return self._modules[index]

    def leaves(self) -> Iterator[Any]:
        """All modules that are not containers, in order, each as often as it stands here."""
        for module in self._modules:
            if hasattr(module, "leaves"):
                yield from module.leaves()
            else:
                yield module

    def root(self) -> Any:
        """The outermost network this one stands in, or None."""
        return None if self._root is None else self._root()

    # One flat vector.

    def _adopt(self) -> None:
        """Lay the parameters of all modules into one storage of this network's."""
        _check_chain(self._modules)
        own: dict[int, KernelModule] = {}
        inner = [module for module in self._containers()]
        for module in self.leaves():
            if isinstance(module, KernelModule) and (module.parameter_count or module.state_count):
                owner = module.root()
                if owner is not None and owner is not self and owner not in inner:
                    place = next(i for i, m in enumerate(self._modules) if module in _leaves(m))
                    raise ValueError(
                        f"Sequential[{place}] {module}: it stands in another network already, "
                        "expected a module of its own; copy.deepcopy makes one"
                    )
                own[id(module)] = module
        types = {m.dtype for m in own.values()}
        if len(types) > 1:
            names = " and ".join(sorted(str(t) for t in types))
            raise ValueError(f"Sequential: its modules hold {names}, expected one type; convert with astype")
        dtype = types.pop() if types else np.dtype(np.float64)
        storage = Storage(
            sum(m.parameter_count for m in own.values()), sum(m.state_count for m in own.values()), dtype
        )
        params = state = 0
        for module in own.values():
            module.move_to(storage, params, state)
            module._root = weakref.ref(self)
            params += module.parameter_count
            state += module.state_count
        for container in inner:
            container._root = weakref.ref(self)
            container._reset(storage)
        self._reset(storage)

    def _containers(self) -> Iterator[Any]:
        for module in self._modules:
            if isinstance(module, Sequential):
                yield module
                yield from module._containers()

    def _reset(self, storage: Storage) -> None:
        self._storage = storage
        self._tables: dict[tuple[Any, ...], tuple[Table, Shape]] = {}
        self._last: Any = None
        self._range = self._find_range()
        leaves = _unique(self.leaves())
        self._foreign = [m for m in (*leaves, *self._containers()) if not has_kernels(m)]
        self._strangers = [m for m in leaves if not isinstance(m, KernelModule)]

    def _follow(self) -> None:
        """Of a slice: take the storage that `append` has given the network since."""
        if self._keep is not None and self._keep._storage is not self._storage:
            self._reset(self._keep._storage)

    def _find_range(self) -> tuple[int, int] | None:
        """Where the parameters lie in the storage, if in one piece that is this network's alone."""
        places = [m.place("params") for m in _unique(self.leaves()) if isinstance(m, KernelModule) and m.parameter_count]
        if not places:
            return 0, 0
        start, end = min(p for p, _ in places), max(e for _, e in places)
        return (start, end) if sum(e - p for p, e in places) == end - start else None

    @property
    def compiled(self) -> bool:
        """Whether every module has kernels, so that the walks are compiled."""
        return not self._foreign and has_kernels(self)

    @property
    def parameters(self) -> np.ndarray:
        """The flat parameters of the library's modules in it: a view, which can be written to."""
        return self._flat("params")

    @property
    def gradient(self) -> np.ndarray:
        """The flat gradient, in the order of `parameters`."""
        return self._flat("grad")

    def _flat(self, part: str) -> np.ndarray:
        self._follow()
        if self._range is None:
            raise ValueError(
                "Sequential: it shares modules with the rest of the network it stands in, so its parameters are not one "
                "piece; take those of the whole network, or of each module"
            )
        found: np.ndarray = getattr(self._storage, part)[self._range[0] : self._range[1]]
        return found

    @property
    def _parameters(self) -> np.ndarray:
        return self._flat("params")

    @_parameters.setter
    def _parameters(self, value: Any) -> None:
        self._flat("params")[:] = value

    @property
    def _gradient(self) -> np.ndarray:
        return self._flat("grad")

    @_gradient.setter
    def _gradient(self, value: Any) -> None:
        self._flat("grad")[:] = value

    def named_parameters(self) -> dict[str, np.ndarray]:
        """All parameter arrays, named by place: ``{"0.weight": ..., "0.bias": ..., "2.weight": ...}``."""
        found = {}
        for i, module in enumerate(self._modules):
            named = getattr(module, "named_parameters", None)
            arrays = named() if named is not None else Module.named_parameters(module)
            found.update({f"{i}.{name}": array for name, array in arrays.items()})
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the network, float32 or float64."""
        self._follow()
        return self._storage.dtype

    def astype(self, dtype: Any) -> Sequential:
        """Convert the network to float32 or float64, in place. Returns the network."""
        chosen = float_type(dtype, "Sequential")
        if self.root() is not None:
            raise ValueError("Sequential: it stands in a network, expected astype on the outermost network")
        self._storage.convert(chosen)
        for network in (self, *self._containers()):
            network._reset(self._storage)
        return self

    def train(self) -> Sequential:
        """Training mode, for every module at every depth. Returns the network."""
        return self._set_mode("train", True)

    def eval(self) -> Sequential:
        """Evaluation mode, for every module at every depth. Returns the network."""
        return self._set_mode("eval", False)

    def _set_mode(self, name: str, training: bool) -> Sequential:
        self.training = training
        for module in self._modules:
            if hasattr(module, name):
                getattr(module, name)()
        return self

    # The contract.

    def forward(self, X: Any) -> Any:
        if self._foreign:
            return self._walk_forward(X)[-1]
        x, table, out_shape = self._take(X)
        return table.forward(x).reshape(len(x), *out_shape)

    def backward(self, input: Any, delta: Any) -> Any:
        """Add all gradients and return dL/dinput, in one walk.

        Parameters
        ----------
        input : (batch, ...), what `forward` takes. No forward needs to have come before.
        delta : dL/d(output), of the output's shape.
        """
        return self._back(input, delta, gradient=True, wants_dx=True)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Add dL/dparameters, summed over the batch, to the gradient of every module."""
        self._back(input, delta, gradient=True, wants_dx=False)

    def backward_delta(self, input: Any, delta: Any) -> Any:
        """dL/dinput from delta = dL/doutput; no gradient is touched."""
        return self._back(input, delta, gradient=False, wants_dx=True)

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        if self._range is not None:
            self._flat("grad")[:] = 0
            for module in self._strangers:
                _call_if_there(module, "zero_grad")
        else:
            for module in _unique(self.leaves()):
                _call_if_there(module, "zero_grad")

    def update_parameters(self, gradient_step: float = 1e-3) -> None:
        """One step against the gradient for every module, each once."""
        if self._range is not None:
            params = self._flat("params")
            params -= params.dtype.type(gradient_step) * self._flat("grad")
            for module in self._strangers:
                _call_if_there(module, "update_parameters", gradient_step)
        else:
            for module in _unique(self.leaves()):
                _call_if_there(module, "update_parameters", gradient_step)

    # The compiled walk.

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        """Write the modules into a table, one after the other."""
        shape = tuple(input_shape)
        for i, module in enumerate(self._modules):
            try:
                slot, shape = module.add_rows(program, slot, shape)
            except ShapeError as error:
                raise _placed(error, i) from None
        return slot, shape

    def table(self, input_shape: Shape, dtype: np.dtype[Any] | None = None) -> tuple[Table, Shape]:
        """The table for one example's input shape, and the shape of one example's output."""
        self._follow()
        dtype = dtype or self._storage.dtype
        key = (input_shape, dtype)
        found = self._tables.get(key)
        if found is None or found[0].source is not self._storage.params:
            program = Program(prod(input_shape))
            slot, shape = self.add_rows(program, 0, input_shape)
            found = Table(program, slot, self._storage, dtype), shape
            while len(self._tables) >= _KEPT_TABLES and key not in self._tables:
                del self._tables[next(iter(self._tables))]
            self._tables[key] = found
        return found

    def _take(self, X: Any) -> tuple[np.ndarray, Table, Shape]:
        self._follow()
        dtype = self._storage.dtype if self._storage.params.size else None
        x = as_batch(X, dtype, "Sequential")
        try:
            table, shape = self.table(x.shape[1:], x.dtype)
        except ShapeError as error:
            error.batch = len(x)
            raise error from None
        return x.reshape(len(x), table.input_features), table, shape

    def _back(self, input: Any, delta: Any, gradient: bool, wants_dx: bool) -> Any:
        if self._foreign:
            return self._walk_backward(input, delta, gradient, wants_dx)
        x, table, shape = self._take(input)
        d = as_batch(delta, x.dtype, "Sequential", "delta")
        if d.shape != (len(x), *shape):
            raise ValueError(
                f"Sequential: delta has shape {d.shape}, expected {(len(x), *shape)}, that of the output"
            )
        dx = table.backward(x, d.reshape(len(x), table.features), gradient, wants_dx)
        return dx.reshape(np.shape(input)) if wants_dx else None

    # The same walk in Python, for networks with a module that has no kernels.

    def _walk_forward(self, X: Any) -> list[Any]:
        values: list[Any] = [np.array(as_batch(X, self._storage.dtype, "Sequential"))]
        for i, module in enumerate(self._modules):
            with _place_of(self, i, "forward", values[-1]):
                out = module.forward(values[-1])
            values.append(_result(out, len(values[0]), self, i, "forward", None))
        self._last = values, self._snapshot()
        return values

    def _walk_backward(self, input: Any, delta: Any, gradient: bool, wants_dx: bool) -> Any:
        values = self._values_for(input)
        d = as_batch(delta, self._storage.dtype, "Sequential", "delta")
        if d.shape != values[-1].shape:
            raise ValueError(f"Sequential: delta has shape {d.shape}, expected {values[-1].shape}, that of the output")
        for i in range(len(self._modules) - 1, -1, -1):
            module, x = self._modules[i], values[i]
            needs_delta = i > 0 or wants_dx
            with _place_of(self, i, "backward", x):
                if gradient and needs_delta and isinstance(module, Sequential) and has_kernels(module):
                    before = module.backward(x, d)
                else:
                    if gradient:
                        _call_if_there(module, "backward_update_gradient", x, d)
                    before = module.backward_delta(x, d) if needs_delta else None
            if needs_delta:
                d = _result(before, len(x), self, i, "backward_delta", np.shape(x))
        return d.reshape(np.shape(input)) if wants_dx else None

    def _values_for(self, input: Any) -> list[Any]:
        """The inputs of all modules, and the output: those of the last forward where nothing has changed since."""
        x = as_batch(input, self._storage.dtype, "Sequential")
        if self._last is not None:
            values, snapshot = self._last
            same = x.shape == values[0].shape and np.array_equal(x, values[0])
            if same and all(np.array_equal(a, b) for a, b in zip(snapshot, self._snapshot(), strict=True)):
                found: list[Any] = values
                return found
        return self._walk_forward(x)

    def _snapshot(self) -> list[np.ndarray]:
        """Copies of all arrays that outputs may depend on: parameters, settings and what plain classes hold."""
        arrays = [self._storage.params.copy(), self._storage.state.copy()]
        for module in _unique(self.leaves()):
            for name, value in vars(module).items():
                held = value.values() if isinstance(value, dict) else [value]
                if "grad" not in name:
                    arrays.extend(v.copy() for v in held if isinstance(v, np.ndarray))
        return arrays

    # For people.

    def summary(self, input_shape: Any = None) -> Summary:
        """A table of place, module, output shape and number of parameters.

        Parameters
        ----------
        input_shape : of one example, without the batch: an int or a tuple. Output shapes are left out without it.
        """
        shape = (input_shape,) if isinstance(input_shape, int) else input_shape
        return Summary(self, None if shape is None else tuple(shape))

    def __repr__(self) -> str:
        lines = "".join(f"\n  [{i}] {_indent(module)}" for i, module in enumerate(self._modules))
        return f"{type(self).__name__}({lines}\n)" if lines else f"{type(self).__name__}()"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        from modnet.modules.linear import Linear

        shared = Linear(3, 3, rng=5)
        return [
            (cls(Linear(3, 4, rng=0), Linear(4, 2, bias=False, rng=1)), (5, 3)),
            (cls(shared, cls(Linear(3, 3, rng=2)), shared), (4, 3)),
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}, "_last": None, "_root": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._keep is not None:
            self._root = weakref.ref(state["_keep"])
            return
        for module in (*self.leaves(), *self._containers()):
            if isinstance(module, KernelModule | Sequential) and module._storage is self._storage:
                module._root = weakref.ref(self)
                if isinstance(module, Sequential):
                    module._reset(self._storage)
        self._reset(self._storage)


class Summary:
    """What `Sequential.summary` shows: printed as a table, and as HTML in a notebook."""

    head = ("place", "module", "output shape", "parameters")

    def __init__(self, net: Sequential, input_shape: Shape | None) -> None:
        self.rows: list[tuple[str, str, str, int]] = []
        self.shape = input_shape
        seen: set[int] = set()
        self.shape = _summarise(net, "", input_shape, self.rows, seen)
        self.total = sum(count for *_, count in self.rows)
        self.dtype = net.dtype

    def _cells(self) -> list[tuple[str, ...]]:
        return [(place, name, shape, f"{count:,}") for place, name, shape, count in self.rows]

    @property
    def _foot(self) -> str:
        plural = "" if self.total == 1 else "s"
        return f"{self.total:,} parameter{plural}, {self.dtype}"

    def __str__(self) -> str:
        cells = [self.head, *self._cells()]
        wide = [max(len(row[c]) for row in cells) for c in range(4)]
        lines = [
            "  ".join(cell.rjust(w) if c == 3 else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, wide, strict=True)))
            for row in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * w for w in wide), *lines[1:], self._foot])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in self.head)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:{'right' if c == 3 else 'left'}'>{html.escape(cell)}</td>"
                for c, cell in enumerate(row)
            )
            + "</tr>"
            for row in self._cells()
        )
        foot = f"<tr><td colspan='4'>{html.escape(self._foot)}</td></tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{foot}</tbody></table>"


def _summarise(
    net: Any, place: str, shape: Shape | None, rows: list[tuple[str, str, str, int]], seen: set[int]
) -> Shape | None:
    for i, module in enumerate(net):
        where = f"{place}[{i}]"
        if isinstance(module, Sequential):
            shape = _summarise(module, where, shape, rows, seen)
            continue
        if shape is not None:
            try:
                shape = _shape_after(module, shape)
            except ShapeError as error:
                error.place = f"Sequential{where} "
                raise error from None
        count = 0 if id(module) in seen else _count(module)
        note = " (again)" if id(module) in seen and _count(module) else ""
        seen.add(id(module))
        text = "" if shape is None else "(" + ", ".join(map(str, ("batch", *shape))) + ")"
        rows.append((where, _name(module) + note, text, count))
    return shape


def _shape_after(module: Any, shape: Shape) -> Shape:
    if hasattr(module, "output_shape"):
        found: Shape = module.output_shape(shape)
        return found
    out = module.forward(np.zeros((1, *shape)))  # a plain class is asked
    return tuple(np.shape(out)[1:])


def _count(module: Any) -> int:
    named = module.named_parameters() if hasattr(module, "named_parameters") else Module.named_parameters(module)
    return sum(int(np.size(array)) for array in named.values())


def _name(module: Any) -> str:
    """How a module is called in messages: its own repr where it has one, else its class."""
    has_repr = any("__repr__" in vars(kind) for kind in type(module).__mro__ if kind is not object)
    return repr(module) if has_repr else type(module).__name__


def _indent(module: Any) -> str:
    return _name(module).replace("\n", "\n  ")


def _leaves(module: Any) -> list[Any]:
    return list(module.leaves()) if hasattr(module, "leaves") else [module]


def _unique(modules: Iterator[Any]) -> list[Any]:
    return list({id(module): module for module in modules}.values())


def has_kernels(module: Any) -> bool:
    """Whether a table may run a module: the library's own, unless a subclass has written one of its operations anew.

    A `Sequential` is looked at by itself here, without its modules.
    """
    kind, base = type(module), Sequential if isinstance(module, Sequential) else KernelModule
    return isinstance(module, base) and all(
        getattr(kind, name) is getattr(base, name)
        for name in ("forward", "backward_update_gradient", "backward_delta", "backward")
        if hasattr(base, name)
    )


def _require_module(module: Any, place: int) -> None:
    if isinstance(module, type):
        raise TypeError(f"Sequential[{place}]: got the class {module.__name__}, expected an object: {module.__name__}(...)")
    for name in ("forward", "backward_delta"):
        if not callable(getattr(module, name, None)):
            raise TypeError(
                f"Sequential[{place}]: got {module!r}, expected a module, an object with forward and backward_delta"
            )


def _check_chain(modules: list[Any]) -> None:
    """Refuse neighbours whose sizes cannot meet, as far as constructors fix them."""
    features: int | None = None
    giver = ""

    def walk(chain: Any, place: str) -> None:
        nonlocal features, giver
        for i, module in enumerate(chain):
            here = f"{place}[{i}]"
            if isinstance(module, Sequential):
                walk(module, here)
                continue
            takes = getattr(module, "in_features", None) if isinstance(module, KernelModule) else None
            if takes is not None and features is not None and takes != features:
                raise ValueError(f"{here} {module}: takes {takes} features, but {giver} gives {features}")
            if isinstance(module, KernelModule) and module.out_features is not None:
                features, giver = module.out_features, f"{here} {module}"
            elif not (isinstance(module, KernelModule) and module.keeps_features):
                features = None

    walk(modules, "Sequential")


def _placed(error: ShapeError, i: int) -> ShapeError:
    inner = error.place.removeprefix("Sequential").strip()
    error.place = f"Sequential[{i}]{inner} "
    return error


class _place_of:
    """Context: an error that leaves it says at which place in the network, and with what input, it arose."""

    def __init__(self, net: Sequential, i: int, method: str, x: Any) -> None:
        self.net, self.i, self.method, self.x = net, i, method, x

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, ShapeError):
            _placed(error, self.i)
        elif isinstance(error, Exception):
            module = self.net[self.i]
            error.add_note(
                f"in Sequential[{self.i}] {_name(module)}, {self.method} with an input of shape {np.shape(self.x)}"
            )


def _result(value: Any, batch: int, net: Sequential, i: int, method: str, expected: Shape | None) -> Any:
    """Check what a module gave back: an array with a row an example, and for a delta of the input's shape."""
    shape = None if value is None else np.shape(value)
    good = shape is not None and len(shape) > 0 and (shape == expected if expected else shape[0] == batch)
    if not good:
        came = "None" if value is None else f"shape {shape}"
        wanted = f"shape {expected}, that of its input" if expected else f"an array ({batch}, ...)"
        raise ValueError(f"Sequential[{i}] {_name(net[i])}: {method} returned {came}, expected {wanted}")
    return np.asarray(value)


def _call_if_there(module: Any, name: str, *arguments: Any) -> None:
    method: Callable[..., Any] | None = getattr(module, name, None)
    if method is not None:
        method(*arguments)
