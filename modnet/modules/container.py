"""Container: what networks of modules have in common, however their modules are connected.

A container says how its modules are connected in `wire`, once:

    def wire(self, program, x):
        for module in program.each(self):
            x = program.add(module, x)
        return x

`program.each` gives the modules at their places, `program.add` the value that a module makes of another, `program.sum` and
`program.join` the sum of values and values side by side. Everything else follows from the rows that this makes: both walks,
shapes and errors, the summary, what looks into a network (`modnet.engine.program`).
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet import hints
from modnet.engine import run
from modnet.engine.alone import NO_DERIVATIVE, NO_INIT
from modnet.engine.foreign import BOOKKEEPING, Foreign
from modnet.engine.modes import in_evaluation, inside
from modnet.engine.program import Program, Sizes, is_ours, is_wired
from modnet.engine.storage import (
    Counts,
    Storage,
    busy,
    has_storage,
    lay_out,
    leaves,
    library_leaves,
    outsiders,
    parts,
    unique,
    writing,
)
from modnet.inputs import as_batch, as_step, example_shape, short_repr
from modnet.module import Module, Shape
from modnet.modules.summary import Summary
from modnet.modules.summary import summarise as summarise_rows


class Container(Module):
    """Modules that make one network, with all parameters in one flat vector. A subclass writes `wire`.

    Parameters
    ----------
    modules : modules, or one list of them. Any object with ``forward``, ``backward_delta`` and, if it has parameters,
        ``backward_update_gradient``, ``zero_grad`` and ``update_parameters`` is a module.
    """

    #: Whether a summary has a line for the container, above those of its modules.
    shown = True
    #: Whether wiring says all of it: a subclass that writes an operation anew runs in Python.
    is_wired = False
    #: The workspace of the last forward in training, while no call uses it: see `modnet.engine.run`.
    _last: Any = None
    has_own_halves = False
    #: The type of a slice.
    slice_type: type[Container] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = ("forward", "backward_update_gradient", "backward_delta", "backward")
        written = all(getattr(cls, name) is getattr(Container, name) for name in names)
        cls.is_wired = written and cls.wire is not Container.wire
        halves = (cls.backward_update_gradient, cls.backward_delta)
        #: Whether a subclass wrote the halves of backward anew, but not backward, which then is both of them.
        cls.has_own_halves = cls.backward is Container.backward and halves != (
            Container.backward_update_gradient, Container.backward_delta
        )  # fmt: skip

    def __init__(self, *modules: Any) -> None:
        if "_modules" in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}: __init__ was called a second time; make a new {type(self).__name__}")
        if len(modules) == 1 and isinstance(modules[0], list | tuple):
            modules = tuple(modules[0])
        for i, module in enumerate(modules):
            self._require_module(module, i)
        self._begin(list(modules))
        self._lay_out()

    def _begin(self, modules: list[Any], part_of: Container | None = None) -> None:
        self._modules = modules
        self._part_of = part_of  # of a slice: the network that it is a part of
        self._storage: Storage | None = None  # type: ignore[assignment]
        self._version = -1
        self._programs: dict[Any, Program] = {}
        self._recent: Program | None = None  # the program of the last call
        self._training = True

    def wire(self, program: Any, x: Any) -> Any:
        """How the modules are connected: from the value of the input to that of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no wire")

    # The modules.

    def append(self, module: Any) -> Any:
        """Add a module at the end. This reallocates the flat vectors; views taken earlier are stale. Returns the network."""
        return self.insert(sys.maxsize, module)

    def insert(self, index: int, module: Any) -> Any:
        """Put a module in front of the one at a place, as for a list. Views taken earlier are stale. Returns the network."""
        seen = self._modules
        modules = list(seen)
        try:
            modules.insert(index, module)
        except (TypeError, OverflowError) as error:
            raise self._no_such(index, error) from None
        self._require_module(module, next(i for i, m in enumerate(modules) if m is module))
        return self._become(modules, seen)

    def pop(self, index: int = -1) -> Any:
        """Take a module out and return it, with numbers of its own. Views taken earlier are stale."""
        seen = self._modules
        at = self._place(index, len(seen))
        self._become([*seen[:at], *seen[at + 1 :]], seen)
        return seen[at]

    def __setitem__(self, index: int, module: Any) -> None:
        if isinstance(index, slice):
            raise TypeError(f"{type(self).__name__}: assign one module at a time: net[2] = module")
        seen = self._modules
        at = self._place(index, len(seen))
        self._require_module(module, at)
        self._become([*seen[:at], module, *seen[at + 1 :]], seen)

    def __delitem__(self, index: int) -> None:
        if isinstance(index, slice):
            raise TypeError(f"{type(self).__name__}: delete one module at a time: del net[2]")
        self.pop(index)

    def _become(self, modules: list[Any], seen: list[Any]) -> Any:
        """Take other modules than those that were seen, whole or not at all."""
        name = type(self).__name__
        if self._part_of is not None:
            raise ValueError(f"{name}: it is a slice of a network; change the network itself, or a copy.deepcopy of the slice")
        for i, module in enumerate(modules):
            if any(part is self for part in parts(module)):
                raise ValueError(f"{name}[{i}]: got a network that holds this one; a network cannot be in itself")
        root = self.root() or self
        with writing(root, name), Storage.laying_out:
            before = self._modules
            if before is not seen:  # what another thread has just done would be undone
                raise busy(name)
            self._modules = modules
            try:
                root._lay_out(must=True)
            except Exception:
                self._modules = before
                root._lay_out(must=True)
                raise
            still = {id(part) for part in parts(root)}
            for module in (m for m in before if id(m) not in still):  # what has gone keeps its numbers, elsewhere
                for part in unique([*leaves(module), module]):
                    if has_storage(part) and id(part) not in still:
                        part._lay_out()
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules)

    def __getitem__(self, index: int | slice) -> Any:
        """One module; or, for a slice, a network of those modules that shares their parameters."""
        try:
            found = self._modules[index]
        except (IndexError, TypeError, ValueError) as error:
            raise self._no_such(index, error) from None
        if not isinstance(index, slice):
            return found
        kind = self.slice_type or type(self)
        part = kind.__new__(kind)
        part._begin(found, part_of=self)
        part._training = self._training
        return part

    def _place(self, index: int, count: int) -> int:
        """A place among so many, counted from 0."""
        try:
            return range(count)[index]
        except (IndexError, TypeError) as error:
            raise self._no_such(index, error) from None

    def _no_such(self, index: Any, error: Exception) -> Exception:
        """What is said of an index that a list does not take."""
        name, count = type(self).__name__, len(self)
        it_has = f"it has {count} module{'s' * (count != 1)}" + (f", the last is [{count - 1}]" if count else "")
        if isinstance(error, IndexError | OverflowError):
            return IndexError(f"{name}: there is no [{short_repr(index)}]; {it_has}")
        expected = "net[start:stop:step] of whole numbers" if isinstance(index, slice) else "a whole number"
        return type(error)(f"{name}: index is {short_repr(index)}, expected {expected}; {it_has}")

    def leaves(self) -> Iterator[Any]:
        """All modules that are not containers, in order, each as often as it is used here."""
        for module in self._modules:
            if getattr(type(module), "leaves", None) is Module.leaves:
                yield module
            else:
                yield from leaves(module)

    def containers(self) -> Iterator[Container]:
        """The containers inside this one, at every depth."""
        for module in self._modules:
            if isinstance(module, Container):
                yield module
                yield from module.containers()

    def root(self) -> Any:
        """The outermost network this one belongs to, or None."""
        if self._part_of is not None:
            return self._part_of.root() or self._part_of
        owner = None if self._storage is None else self._storage.owner_of(self)
        return None if owner is self else owner

    # One storage.

    def _lay_out(self, must: bool = False) -> None:
        """Lay the numbers of all modules into one storage of this network's.

        If a module belongs to another network that is alive, this waits for the first use: by then an outer network may hold
        both.
        """
        with Storage.laying_out:
            self._move(must)

    def _move(self, must: bool) -> None:
        Sizes(self)
        inner = list(self.containers())
        library = library_leaves(self)
        types = {m.dtype for m in library if m.counts.parameters or m.counts.state}
        if len(types) > 1:
            names = " and ".join(sorted(str(t) for t in types))
            raise ValueError(f"{type(self).__name__}: its modules hold {names}; convert them to one type with astype")
        own = (*(leaf for leaf in library if leaf.owns_numbers), *inner)  # what can change belongs to one network
        if must and not all(self._is_free(part, inner) for part in own):
            gc.collect()  # the other may be gone: an optimizer and its network refer to each other
        for part in own:
            if not self._is_free(part, inner):
                if must:
                    raise ValueError(
                        f"{self._place_of(part)} {Foreign.name_of(part)}: already belongs to another network; use "
                        "copy.deepcopy to get an independent one"
                    )
                self._storage = None
                return
        mine = [m for m in library if m.owns_numbers or (any(m.counts) and self._is_free(m, inner))]
        storage = lay_out(mine, types.pop() if types else np.float64, (self, *inner))
        self._settle(storage)

    def _is_free(self, module: Any, inner: list[Container]) -> bool:
        owner = module.root()
        return owner is None or owner is self or any(owner is container for container in inner)

    def _settle(self, storage: Storage) -> None:
        networks = [self, *self.containers()]
        left = {id(network._storage): network._storage for network in networks if network._storage is not None}
        for network in networks:
            network._settle_on(storage)
        for old in left.values():
            if old is not storage:  # a slice, which only its user knows, remembers the old one
                old.version += 1

    def _settle_on(self, storage: Storage) -> None:
        self._programs, self._recent = {}, None
        self.__dict__.pop("_last", None)
        self._range = self._find_range()
        self._element = storage.element  # kept: a forward asks
        self._own_gradient = storage.gradient[slice(*(self._range or (0, 0)))]
        self._strangers = [m for m in unique(self.leaves()) if not has_storage(m)]
        self._storage, self._version = storage, storage.version

    @property
    def storage(self) -> Storage:
        """Where the network's numbers lie. ValueError if a module of it belongs to another network."""
        found = self._storage
        if found is not None and found.version == self._version:
            return found
        with Storage.laying_out:
            return self._settled()

    def _settled(self) -> Storage:
        """The same, if this is not sure."""
        if self._storage is not None and self._storage.version == self._version:  # another thread was faster
            return self._storage
        if self._part_of is not None:
            whole = self._part_of.storage
            own = *(m for m in library_leaves(self) if m.owns_numbers), *self.containers()  # what has gone may change, unseen
            if any(m._storage is not whole for m in own):
                raise ValueError(f"{type(self).__name__}: the network that it is a slice of has changed; take the slice again")
            self._settle_on(whole)
        else:
            (self.root() or self)._lay_out(must=True)
        assert self._storage is not None
        return self._storage

    def _place_of(self, module: Any) -> str:
        """The last of this network's places at which a module is, itself or inside a container."""
        places = [i for i, m in enumerate(self._modules) if any(part is module for part in parts(m))]
        return f"{type(self).__name__}[{places[-1]}]"

    def _find_range(self) -> tuple[int, int] | None:
        """Where the parameters lie in the storage, if in one piece that is this network's alone."""
        found = [m for m in library_leaves(self) if m.counts.parameters]
        if not found:
            return 0, 0
        start = min(m._at.parameters for m in found)
        end = max(m._at.parameters + m.counts.parameters for m in found)
        return (start, end) if sum(m.counts.parameters for m in found) == end - start else None

    @property
    def counts(self) -> Counts:  # type: ignore[override]
        """How many numbers its modules have in each block."""
        total = Counts()
        for module in library_leaves(self):
            total = total.plus(module.counts)
        return total

    @property
    def compiled(self) -> bool:
        """Whether every module has kernels, so that the walks are compiled."""
        return all(is_wired(part) or is_ours(part) for part in parts(self))

    def block(self, name: str) -> np.ndarray:
        storage = self.storage
        if self._range is None:
            raise ValueError(
                f"{type(self).__name__}: it shares modules with the rest of its network, so its parameters are not one piece; "
                "take the whole network's, or each module's"
            )
        found: np.ndarray = getattr(storage, name)[self._range[0] : self._range[1]]
        return found

    def named_parameters(self) -> dict[str, np.ndarray]:
        """All parameter arrays, named by place: ``{"0.weight": ..., "0.bias": ..., "2.weight": ...}``."""
        return {f"{i}.{name}": a for i, module in enumerate(self._modules) for name, a in Foreign(module).named().items()}

    # Mode.

    @property
    def training(self) -> bool:
        """Whether it is in training mode. Setting it, and `train` and `eval`, reach every module at every depth."""
        return self._training

    @training.setter
    def training(self, value: bool) -> None:
        with in_evaluation.changing():
            self._set_mode(bool(value))

    def _set_mode(self, training: bool) -> None:
        self._training = training
        for module in self._modules:
            if isinstance(module, Container):
                module._set_mode(training)
                module._put_into_evaluation = False
            elif isinstance(module, Module) and has_storage(module):
                module.training, module._put_into_evaluation = training, False
            else:
                Foreign(module).set_mode(training)
                if isinstance(module, Module):  # its own eval() has noted that it was called
                    module._put_into_evaluation = False

    # The contract.

    @hints.habits
    def forward(self, X: Any, **given: Any) -> np.ndarray:
        if given:
            hints.refuse(self, "forward", given)
        done = run.attempt_forward(self.__dict__, X, self._training)
        if done is not None:
            return done
        x, program = self._take(X)
        out = run.call_forward(self, program, x)
        return out if len(program.output.shape) == 1 else out.reshape(len(x), *program.output.shape)

    def backward(self, input: Any, delta: Any) -> np.ndarray | None:
        """Add all gradients and return dL/dinput, in one walk; None if the input is whole numbers (an Embedding is first).

        Parameters
        ----------
        input : (batch, ...), what `forward` takes. No forward needs to have come before.
        delta : dL/d(output), of the output's shape.
        """
        if type(self).has_own_halves:
            self.backward_update_gradient(input, delta)
            return self.backward_delta(input, delta) if self._take(input)[1].takes_numbers else None
        return self._back(input, delta, gradient=True, wants_dx=None)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Add dL/dparameters, summed over the batch, to the gradient of every module."""
        self._back(input, delta, gradient=True, wants_dx=False)

    def backward_delta(self, input: Any, delta: Any) -> np.ndarray:
        """dL/dinput from delta = dL/doutput; no gradient is touched."""
        return self._back(input, delta, gradient=False, wants_dx=True)

    @hints.habits
    def zero_grad(self, **given: Any) -> None:
        """Set every gradient to zero."""
        if given:
            hints.refuse(self, "zero_grad", given)
        own = self.__dict__
        storage = own.get("_storage")
        if storage is None or storage.version != own["_version"]:
            storage = self.storage
        if not storage.lock.acquire(False):
            raise busy(type(self).__name__)
        try:
            if storage is not own["_storage"]:
                raise busy(type(self).__name__)
            if own["_range"] is not None:
                own["_own_gradient"].fill(0)
            for module in own["_strangers"] if own["_range"] is not None else self._apart():
                Foreign(module).zero_grad()
        finally:
            storage.lock.release()

    @hints.habits
    def update_parameters(self, gradient_step: float = 1e-3, **given: Any) -> None:
        """One step against the gradient for every module, each once."""
        if given:
            hints.refuse(self, "update_parameters", given)
        with writing(self, type(self).__name__):
            if self._range is not None:
                parameters = self.block("parameters")
                parameters -= as_step(gradient_step, parameters.dtype, type(self).__name__) * self.block("gradient")
            for module in self._apart():
                Foreign(module).update_parameters(gradient_step)

    def _apart(self) -> list[Any]:
        """The leaves whose numbers are not in the one piece that is this network's."""
        return self._strangers if self._range is not None else unique(self.leaves())

    def _back(self, input: Any, delta: Any, gradient: bool, wants_dx: bool | None) -> Any:
        done = run.attempt_backward(self.__dict__, input, delta, gradient, wants_dx)
        if done is not None:
            return None if wants_dx is False else done
        x, program = self._take(input)
        if wants_dx is None:
            wants_dx = program.takes_numbers
        elif wants_dx and not program.takes_numbers:
            rows = zip(program.table_rows, program.bindings)
            row = next(row for row, bound in rows if bound and not type(row.module).operations[2])
            raise ValueError(f"{program.root}{row.place} {row.module}: {NO_DERIVATIVE}")
        if gradient and program.has_outsiders and inside.storage is not program.storage:  # in a pass, the whole has been asked
            require_shared(self, program.root)
        d = as_batch(delta, program.dtype, program.root, "delta")
        if d.shape[1:] != program.output.shape or d.shape[0] != x.shape[0]:
            expected = (len(x), *program.output.shape)
            raise ValueError(f"{program.root}: delta has shape {d.shape}, expected the output's shape, {expected}")
        dx = run.call_backward(self, program, x, d if d.ndim == 2 else d.reshape(len(d), -1), gradient, wants_dx)
        return dx.reshape(np.shape(input)) if wants_dx else None

    def _take(self, X: Any) -> tuple[np.ndarray, Program]:
        storage = self._storage
        if storage is None or storage.version != self._version:
            storage = self.storage
        x = as_batch(X, self._element, type(self).__name__)
        program = self._recent
        if program is None or program.input.shape != x.shape[1:] or program.dtype is not x.dtype or not program.is_for(storage):
            try:
                program = self._recent = run.program_for(self, x)
            except run.Converted:
                return self._take(X)
        matrix = x if x.ndim == 2 else x.reshape(len(x), -1)
        if program.checks:
            run.refuse(program, matrix, len(x))
        return matrix, program

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one example's output from that of its input."""
        return run.program_of(self, tuple(input_shape), self.dtype).output.shape

    # For people.

    def summary(self, input_shape: Any = None) -> Summary:
        """A table of place, module, output shape and number of parameters.

        Parameters
        ----------
        input_shape : of one example, without the batch: an int or a tuple. Output shapes are left out without it.
        """
        program = None
        if input_shape is not None:
            program = run.program_of(self, example_shape(input_shape, f"{type(self).__name__}.summary"), self.dtype)
        return Summary(summarise_rows(self, program), self.dtype)

    def __repr__(self) -> str:
        name = type(self).__name__
        lines = "".join(f"\n  [{i}] {_indent(module)}" for i, module in enumerate(self._modules))
        return f"{name}({lines}\n)" if lines else f"{name}()"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _require_module(self, module: Any, i: int) -> None:
        place = f"{type(self).__name__}[{i}]"
        if isinstance(module, type):
            raise TypeError(f"{place}: got the class {module.__name__}, expected an object: {module.__name__}(...)")
        for name in ("forward", "backward_delta"):
            if not callable(getattr(module, name, None)):
                such = hints.such_as(module, "modnet.modules", "", "")
                wanted = "a module, an object with forward and backward_delta" + (f", such as {such}" if such else "")
                raise TypeError(f"{place}: got {short_repr(module)}, expected {wanted}")
        if any(getattr(type(module), "operations", ())) and not has_storage(module):
            raise RuntimeError(f"{place} {type(module).__name__}: {NO_INIT}")

    # Copies hold the network's own numbers and share nothing; a copy of a slice is a network of its own.

    def __getstate__(self) -> dict[str, Any]:
        everything = dict(self.__dict__)  # at once: another thread's forward may note something new meanwhile
        return {name: value for name, value in everything.items() if name not in BOOKKEEPING or name == "_modules"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_owners" in state or "_tables" in state:
            raise ValueError(f"{type(self).__name__}: this pickle was made by modnet 0.1.0, which this version cannot read")
        self._begin(state["_modules"])
        self.__dict__.update(state)
        self._lay_out()

    def __copy__(self) -> Any:
        return copy.deepcopy(self)


def require_shared(net: Any, who: Any) -> None:
    """ValueError if a module uses parameters of another that is not in the network, and so would not be trained."""
    for module, other in outsiders(net):
        raise ValueError(f"{who}: {module} shares the weight of {other}, but {other} is not in this network")


def _indent(module: Any) -> str:
    text = repr(module) if isinstance(module, Container) else Foreign.name_of(module)
    return text.replace("\n", "\n  ")

