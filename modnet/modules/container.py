"""Container: what networks of modules have in common, however their modules are connected.

A container says how its modules are connected, once for each walk:

    add_rows                           writes it into a table, for the compiled walk (`modnet.table`)
    _walk_forward, _walk_backward      do it in Python, module by module

The compiled walk is taken where every module has kernels. Where one has not, because it is a plain numpy class, the same
walk runs in Python; results are the same. Flat vectors, modes, names, copies and the memory of the last forward are here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from modnet.arrays import as_batch, float_type
from modnet.module import NO_DERIVATIVE, KernelModule, Module, Shape, ShapeError, Storage, first_alive, held_numbers, repeating
from modnet.modules.summary import Row, Summary
from modnet.table import Program, Table

_KEPT_TABLES = 8


class Container(Module):
    """Modules that make one network, with all parameters in one flat vector.

    A subclass overrides `add_rows`, `shapes`, `_walk_forward`, `_walk_backward` and `features_after`.

    Parameters
    ----------
    modules : modules, or one list of them. Any object with ``forward``, ``backward_delta`` and, where it has parameters,
        ``backward_update_gradient``, ``zero_grad`` and ``update_parameters`` is a module.
    """

    #: Whether a summary has a line for the container, above those of its modules.
    shown = True

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], list | tuple):
            modules = tuple(modules[0])
        for i, module in enumerate(modules):
            self._require_module(module, i)
        self._modules: list[Any] = list(modules)
        self._owners: tuple[Any, ...] = ()  # weak references to the networks it stands in, the outermost first
        self._keep: Any = None  # of a slice: the network it is a slice of
        self._slices: weakref.WeakSet[Container] = weakref.WeakSet()
        self._adopt()

    # The modules.

    def append(self, module: Any) -> Any:
        """Add a module at the end. Returns the network. Its flat vectors are laid out anew: take views again."""
        self._require_module(module, len(self._modules))
        name = type(self).__name__
        if self._keep is not None:
            raise ValueError(f"{name}: it is a slice of a network, expected append on the network itself")
        if module is self or (isinstance(module, Container) and any(m is self for m in module.containers())):
            raise ValueError(
                f"{name}[{len(self)}]: got a network in which this one stands, expected a module that does not hold it"
            )
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
            part = self._slice_type().__new__(self._slice_type())
            part._modules = self._modules[index]
            part._owners = ()
            part._keep = self
            part._slices = weakref.WeakSet()
            part._reset(self._storage)
            self._slices.add(part)
            return part
        return self._modules[index]

    def __copy__(self) -> Any:
        return self[:]

    def _slice_type(self) -> type[Container]:
        return type(self)

    def leaves(self) -> Iterator[Any]:
        """All modules that are not containers, in order, each as often as it stands here."""
        for module in self._modules:
            if hasattr(module, "leaves"):
                yield from module.leaves()
            else:
                yield module

    def containers(self) -> Iterator[Container]:
        """The containers inside this one, at every depth."""
        for module in self._modules:
            if isinstance(module, Container):
                yield module
                yield from module.containers()

    def root(self) -> Any:
        """The outermost network this one stands in, or None."""
        if self._keep is not None:
            return self._keep.root() or self._keep
        return first_alive(self._owners)

    # One flat vector.

    def _adopt(self) -> None:
        """Lay the parameters of all modules into one storage of this network's."""
        self.features_after(None, "", type(self).__name__)
        own: dict[int, KernelModule] = {}
        inner = list(self.containers())
        for module in self.leaves():
            if not isinstance(module, KernelModule):
                continue
            if module.stands_once and id(module) in own:
                raise ValueError(
                    f"{self._place_of_leaf(module)} {module}: it stands at two places, but keeps the draw of one, "
                    "expected a module of its own at each"
                )
            if module.parameter_count or module.state_count or module.stands_once:
                owner = module.root()
                if owner is not None and owner is not self and owner not in inner:
                    raise _taken(f"{self._place_of_leaf(module)} {module}: it")
                own[id(module)] = module
        for i, module in enumerate(self._modules):
            for container in (module, *module.containers()) if isinstance(module, Container) else ():
                owner = container.root()
                if owner is not None and owner is not self and owner not in inner:
                    raise _taken(f"{type(self).__name__}[{i}]: the network there")
        types = {m.dtype for m in own.values() if m.parameter_count or m.state_count}
        if len(types) > 1:
            names = " and ".join(sorted(str(t) for t in types))
            raise ValueError(
                f"{type(self).__name__}: its modules hold {names}, expected one type; convert with astype"
            )
        dtype = types.pop() if types else np.dtype(np.float64)
        storage = Storage(
            sum(m.parameter_count for m in own.values()), sum(m.state_count for m in own.values()), dtype
        )
        params = state = 0
        for module in own.values():
            module.move_to(storage, params, state)
            params += module.parameter_count
            state += module.state_count
        for container in inner:
            container._reset(storage)
        self._reset(storage)
        self._own()

    def _own(self) -> None:
        """Note in all that stands here which networks it stands in: an inner one may outlive this one."""
        held: dict[int, tuple[Any, list[Any]]] = {}
        for network in (self, *self.containers()):
            reference = weakref.ref(network)
            for module in {id(m): m for m in (*network.leaves(), *network.containers())}.values():
                kept = isinstance(module, Container | KernelModule) and module._storage is self._storage
                if kept or (isinstance(module, KernelModule) and module.stands_once):
                    held.setdefault(id(module), (module, []))[1].append(reference)
        for module, references in held.values():
            module._owners = tuple(references)

    def _place_of_leaf(self, module: Any) -> str:
        """The last of this network's places at which a module stands, itself or inside a container."""
        places = [i for i, m in enumerate(self._modules) if any(leaf is module for leaf in _leaves(m))]
        return f"{type(self).__name__}[{places[-1]}]"

    def _reset(self, storage: Storage) -> None:
        self._storage = storage
        self._tables: dict[tuple[Any, ...], tuple[Table, Shape]] = {}
        self._last: Any = None
        self._range = self._find_range()
        leaves = _unique(self.leaves())
        self._apart = [(m, c) for m in leaves if isinstance(m, KernelModule) for c in m.companions if c._storage is not storage]
        self._foreign = [m for m in (*leaves, *self.containers()) if not has_kernels(m)] + [m for m, _ in self._apart]
        self._strangers = [m for m in leaves if not isinstance(m, KernelModule)]
        self._takes_numbers = not any(isinstance(m, KernelModule) and m.backward_kernel is None for m in leaves)
        for part in self._slices:
            part._reset(storage)

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
        if self._range is None:
            raise ValueError(
                f"{type(self).__name__}: it shares modules with the rest of the network it stands in, so its parameters are "
                "not one piece; take those of the whole network, or of each module"
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
            found.update({f"{i}.{name}": array for name, array in _arrays(module).items()})
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the network, float32 or float64."""
        return self._storage.dtype

    def astype(self, dtype: Any) -> Any:
        """Convert the network to float32 or float64, in place. Returns the network."""
        chosen = float_type(dtype, type(self).__name__)
        if self.root() is not None:
            raise ValueError(f"{type(self).__name__}: it stands in a network, expected astype on the outermost network")
        self._adopt()  # the storage may be that of a larger network that is gone, and shared with other parts of it
        self._storage.convert(chosen)
        for network in (self, *self.containers()):
            network._reset(self._storage)
        return self

    def train(self) -> Any:
        """Training mode, for every module at every depth. Returns the network."""
        return self._set_mode("train", True)

    def eval(self) -> Any:
        """Evaluation mode, for every module at every depth. Returns the network."""
        return self._set_mode("eval", False)

    def _set_mode(self, name: str, training: bool) -> Any:
        self.training = training
        for module in self._modules:
            if hasattr(module, name):
                getattr(module, name)()
        return self

    # The contract.

    def forward(self, X: Any) -> Any:
        if self._foreign:
            return self._run(X)[-1]
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

    def _back(self, input: Any, delta: Any, gradient: bool, wants_dx: bool) -> Any:
        name = type(self).__name__
        if wants_dx and not self._takes_numbers:
            module = next(m for m in self.leaves() if isinstance(m, KernelModule) and m.backward_kernel is None)
            raise ValueError(f"{self._place_of_leaf(module)} {module}: {NO_DERIVATIVE}")
        if gradient and self._apart:
            module, companion = self._apart[0]
            raise ValueError(
                f"{self._place_of_leaf(module)} {module}: {companion} stands outside this network and would not be trained, "
                "expected both in one network"
            )
        if self._foreign:
            values = self._values_for(input)
            d = as_batch(delta, self._element_type(), name, "delta")
            if d.shape != np.shape(values[-1]):
                raise ValueError(
                    f"{name}: delta has shape {d.shape}, expected {np.shape(values[-1])}, that of the output"
                )
            dx = self._walk_backward(values, d, gradient, wants_dx)
            return dx.reshape(np.shape(input)) if wants_dx else None
        x, table, shape = self._take(input)
        d = as_batch(delta, x.dtype, name, "delta")
        if d.shape != (len(x), *shape):
            raise ValueError(f"{name}: delta has shape {d.shape}, expected {(len(x), *shape)}, that of the output")
        dx = table.backward(x, d.reshape(len(x), table.features), gradient, wants_dx)
        return dx.reshape(np.shape(input)) if wants_dx else None

    def _element_type(self) -> np.dtype[Any] | None:
        """What inputs are converted to: the type of the parameters; without any, an input keeps its own."""
        return self._storage.dtype if self._storage.params.size else None

    # How the modules are connected.

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        """Write the modules into a table: from the slot of the input to that of the output, with its shape."""
        raise NotImplementedError(f"{type(self).__name__} has no add_rows")

    def shapes(self, input_shape: Shape) -> tuple[list[tuple[Shape, Shape]], Shape]:
        """The shapes of one example before and after each module, and that of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no shapes")

    def features_after(self, features: int | None, giver: str, place: str) -> tuple[int | None, str]:
        """Refuse modules whose sizes cannot meet, as far as constructors fix them.

        Parameters
        ----------
        features : of the last axis at the input, or None where it is not known; giver : the module that gives them.
        place : of this container, for the error.

        Returns
        -------
        features, giver : the same at the output.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features_after")

    def features_taken(self) -> int | None:
        """Features of the last axis at the input, where the constructor of a module fixes them."""
        raise NotImplementedError(f"{type(self).__name__} has no features_taken")

    def _walk_forward(self, x: np.ndarray) -> list[Any]:
        """Values that `_walk_backward` needs: the input first, the output last."""
        raise NotImplementedError(f"{type(self).__name__} has no _walk_forward")

    def _walk_backward(self, values: list[Any], delta: Any, gradient: bool, wants_dx: bool) -> Any:
        """Add gradients, if asked, and return dL/dinput, if asked."""
        raise NotImplementedError(f"{type(self).__name__} has no _walk_backward")

    def name_at(self, place: str) -> str:
        """How errors call this container, where its place ends in an index."""
        return f"{place} {type(self).__name__}" if place.endswith("]") else place

    # The compiled walk.

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one example's output from that of its input."""
        return self.shapes(tuple(input_shape))[1]

    def table(self, input_shape: Shape, dtype: np.dtype[Any] | None = None) -> tuple[Table, Shape]:
        """The table for one example's input shape, and the shape of one example's output."""
        dtype = dtype or self._storage.dtype
        key = (input_shape, dtype)
        found = self._tables.get(key)
        if found is None:
            program = Program(prod(input_shape), type(self).__name__)
            slot, shape = self.add_rows(program, 0, input_shape)
            found = Table(program, slot, self._storage, dtype), shape
            while len(self._tables) >= _KEPT_TABLES:
                del self._tables[next(iter(self._tables))]
            self._tables[key] = found
        return found

    def check_data(self, x: np.ndarray, batch: int, training: bool, who: str = "") -> None:
        """Refuse inputs that a module will not take though their shape is right, before anything is computed.

        Parameters
        ----------
        x : (n, ...), all inputs.
        batch : the least number of them that will come at once.
        training : whether that is in training mode.
        who : for the error, in front of the module's place.
        """
        if self._foreign:
            return
        self._check(self.table(x.shape[1:], x.dtype)[0], x.reshape(len(x), -1), batch, training, who)

    def _check(self, table: Table, x: np.ndarray, batch: int, training: bool | None, who: str = "") -> None:
        for place, module, shape in table.checks:
            why = module.objection(x, batch, shape, module.training if training is None else training)
            if why:
                raise ValueError(f"{who}{place} {module}: {why}")

    def _take(self, X: Any) -> tuple[np.ndarray, Table, Shape]:
        x = as_batch(X, self._element_type(), type(self).__name__)
        try:
            table, shape = self.table(x.shape[1:], x.dtype)
        except ShapeError as error:
            error.batch = len(x)
            raise error from None
        matrix = x.reshape(len(x), table.input_features)
        if table.checks:
            self._check(table, matrix, len(x), None)
        return matrix, table, shape

    def _rows_of(self, i: int, program: Program, slot: int, shape: Shape) -> tuple[int, Shape]:
        """Write one module into a table."""
        program.path.append(i)
        with _place_of(self, i):
            found: tuple[int, Shape] = self._modules[i].add_rows(program, slot, shape)
        program.path.pop()
        return found

    def _shape_after(self, i: int, shape: Shape) -> Shape:
        """The shape of one example after one module."""
        module = self._modules[i]
        with _place_of(self, i):
            if hasattr(module, "output_shape"):
                found: Shape = module.output_shape(shape)
                return found
            out = module.forward(np.zeros((1, *shape)))  # a plain class is asked
        return tuple(np.shape(out)[1:])

    # The same walk in Python, for networks with a module that has no kernels.

    def _run(self, X: Any) -> list[Any]:
        """Walk forward and keep the values."""
        values = self._walk_forward(np.array(as_batch(X, self._element_type(), type(self).__name__)))
        self._last = values, self._snapshot()
        return values

    def _values_for(self, input: Any) -> list[Any]:
        """The values of a walk forward from this input: those of the last one where nothing has changed since."""
        x = as_batch(input, self._element_type(), type(self).__name__)
        if self._last is not None:
            values, snapshot = self._last
            if x.shape == values[0].shape and x.dtype == values[0].dtype and np.array_equal(x, values[0]):
                now = self._snapshot()
                if len(now) == len(snapshot) and all(map(np.array_equal, now, snapshot)):
                    found: list[Any] = values
                    return found
        with repeating(self.leaves()):
            values = self._walk_forward(np.array(x))
        self._last = values, self._snapshot()
        return values

    def _snapshot(self) -> list[np.ndarray]:
        """Copies of all numbers that outputs may depend on: parameters, settings and what plain classes hold."""
        found = [self._storage.params, self._storage.state, *(companion.parameters for _, companion in self._apart)]
        for module in _unique(self.leaves()):
            if isinstance(module, KernelModule):
                found.append(module._hyper)
            else:
                found.extend(value for _, value in held_numbers(module))
        return [np.array(value) for value in found]

    def _forward_of(self, i: int, x: Any) -> Any:
        """The output of one module for x."""
        with _place_of(self, i, "forward", x):
            out = self._modules[i].forward(x)
        return self._result(out, len(x), i, "forward", None)

    def _backward_of(self, i: int, x: Any, delta: Any, gradient: bool, wants_dx: bool) -> Any:
        """Have one module, given x, add its gradients, if asked, and return its dL/dx, if asked."""
        module = self._modules[i]
        with _place_of(self, i, "backward", x):
            if gradient and wants_dx and isinstance(module, Container) and has_kernels(module):
                dx = module.backward(x, delta)
            else:
                if gradient:
                    _call_if_there(module, "backward_update_gradient", x, delta)
                dx = module.backward_delta(x, delta) if wants_dx else None
        return self._result(dx, len(x), i, "backward_delta", np.shape(x)) if wants_dx else None

    def _result(self, value: Any, batch: int, i: int, method: str, expected: Shape | None) -> Any:
        """Check what a module gave back: an array with a row an example, and for a delta of the input's shape."""
        shape = None if value is None else np.shape(value)
        good = shape is not None and len(shape) > 0 and (shape == expected if expected else shape[0] == batch)
        if not good:
            came = "None" if value is None else f"shape {shape}"
            wanted = f"shape {expected}, that of its input" if expected else f"an array ({batch}, ...)"
            raise ValueError(
                f"{type(self).__name__}[{i}] {_name(self._modules[i])}: {method} returned {came}, expected {wanted}"
            )
        return np.asarray(value)

    # For people.

    def summary(self, input_shape: Any = None) -> Summary:
        """A table of place, module, output shape and number of parameters.

        Parameters
        ----------
        input_shape : of one example, without the batch: an int or a tuple. Output shapes are left out without it.
        """
        shape = (int(input_shape),) if isinstance(input_shape, int | np.integer) else input_shape
        rows: list[Row] = []
        self._add_summary("", None if shape is None else tuple(shape), rows, set())
        return Summary(rows, self.dtype)

    def _add_summary(self, place: str, input_shape: Shape | None, rows: list[Row], seen: set[int]) -> None:
        steps = [(None, None)] * len(self) if input_shape is None else self.shapes(input_shape)[0]
        for i, (module, (before, after)) in enumerate(zip(self._modules, steps)):
            where = f"{place}[{i}]"
            text = "" if after is None else "(" + ", ".join(map(str, ("batch", *after))) + ")"
            if isinstance(module, Container):
                if module.shown:
                    rows.append((where, type(module).__name__, text, 0))
                module._add_summary(where, before, rows, seen)
            else:
                count = _count(module)
                again = id(module) in seen
                seen.add(id(module))
                rows.append((where, _name(module) + (" (again)" if again and count else ""), text, 0 if again else count))

    def __repr__(self) -> str:
        name = type(self).__name__
        lines = "".join(f"\n  [{i}] {_indent(module)}" for i, module in enumerate(self._modules))
        return f"{name}({lines}\n)" if lines else f"{name}()"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _require_module(self, module: Any, i: int) -> None:
        place = f"{type(self).__name__}[{i}]"
        if isinstance(module, type):
            raise TypeError(f"{place}: got the class {module.__name__}, expected an object: {module.__name__}(...)")
        for name in ("forward", "backward_delta"):
            if not callable(getattr(module, name, None)):
                raise TypeError(f"{place}: got {module!r}, expected a module, an object with forward and backward_delta")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}, "_last": None, "_owners": (), "_slices": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._slices = weakref.WeakSet()
        if self._keep is not None:
            self._keep._slices.add(self)
            return
        for container in self.containers():
            container._reset(self._storage)
        self._reset(self._storage)
        self._own()


def features_after(module: Any, features: int | None, giver: str, place: str) -> tuple[int | None, str]:
    """`Container.features_after` for any module."""
    if isinstance(module, Container):
        return module.features_after(features, giver, place)
    if not isinstance(module, KernelModule):
        return None, ""
    takes = module.in_features
    if takes is not None and features is not None and takes != features:
        raise ValueError(f"{place} {module}: takes {takes} features, but {giver} gives {features}")
    if module.out_features is not None:
        return module.out_features, f"{place} {module}"
    return (features, giver) if module.keeps_features else (None, "")


def features_taken(module: Any) -> int | None:
    """`Container.features_taken` for any module."""
    if isinstance(module, Container):
        return module.features_taken()
    return module.in_features if isinstance(module, KernelModule) else None


def has_kernels(module: Any) -> bool:
    """Whether a table may run a module: the library's own, unless a subclass has written one of its operations anew.

    A container is looked at by itself here, without its modules.
    """
    kind, base = type(module), Container if isinstance(module, Container) else KernelModule
    names = ("forward", "backward_update_gradient", "backward_delta", "backward")
    return isinstance(module, base) and all(
        getattr(kind, name) is getattr(base, name) for name in names if hasattr(base, name)
    )


def _taken(what: str) -> ValueError:
    return ValueError(f"{what} stands in another network already, expected a module of its own; copy.deepcopy makes one")


def require_companions(net: Any, who: Any) -> None:
    """ValueError where a module uses parameters of another that is not in the network, and so would not be trained."""
    leaves = _leaves(net)
    for module in leaves:
        for companion in module.companions if isinstance(module, KernelModule) else ():
            if not any(leaf is companion for leaf in leaves):
                raise ValueError(
                    f"{who}: {module} has its weight from {companion}, which stands outside this network, expected both in it"
                )


def may_train(module: Any) -> bool:
    """Whether a module may have parameters: plain classes may always."""
    return any(not isinstance(leaf, KernelModule) or leaf.parameter_count > 0 for leaf in _leaves(module))


def _leaves(module: Any) -> list[Any]:
    return list(module.leaves()) if hasattr(module, "leaves") else [module]


def _unique(modules: Iterator[Any]) -> list[Any]:
    return list({id(module): module for module in modules}.values())


def _name(module: Any) -> str:
    """How a module is called in messages: its own repr where it has one, else its class."""
    if isinstance(module, Container):
        return type(module).__name__
    has_repr = any("__repr__" in vars(kind) for kind in type(module).__mro__ if kind is not object)
    return repr(module) if has_repr else type(module).__name__


def _arrays(module: Any) -> dict[str, np.ndarray]:
    """The parameter arrays of a module by name; a plain class may have none, and no word for them."""
    if hasattr(module, "named_parameters"):
        return dict(module.named_parameters())
    return {} if getattr(module, "_parameters", None) is None else Module.named_parameters(module)


def _count(module: Any) -> int:
    return sum(int(np.size(array)) for array in _arrays(module).values())


def _indent(module: Any) -> str:
    text = repr(module) if isinstance(module, Container) else _name(module)
    return text.replace("\n", "\n  ")


class _place_of:
    """Context: an error that leaves it says at which place in the network, and with what input, it arose."""

    def __init__(self, net: Container, i: int, method: str = "", x: Any = None) -> None:
        self.net, self.i, self.method, self.x = net, i, method, x

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        here = f"{type(self.net).__name__}[{self.i}]"
        if isinstance(error, ShapeError):
            inner = error.place.strip()
            error.place = f"{here}{inner[inner.index('[') :] if inner else ''} "
        elif isinstance(error, Exception) and self.method:
            module = _name(self.net[self.i])
            error.add_note(f"in {here} {module}, {self.method} with an input of shape {np.shape(self.x)}")


def _call_if_there(module: Any, name: str, *arguments: Any) -> None:
    method: Callable[..., Any] | None = getattr(module, name, None)
    if method is not None:
        method(*arguments)
