"""A network as a program: the rows that its modules become for one shape of input.

How the modules of a network are connected is written once, in `wire` of its container. Wiring makes the rows; the compiled
walk, the walk in Python, shapes and their errors, the summary and everybody who looks into a network read them.

    Value     a block of the workspace, and the shape of one example in it
    Row       one operation of a module, from a value to a value
    Binding   a module with an input shape, as kernels see it
    Program   the rows, with the table that the compiled walk takes
    Sizes     the same wiring with nothing but the sizes of last axes: what can be checked before an input is seen
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.joints import ADD, COLUMNS, COPY
from modnet.engine.storage import ANOTHER_USE, has_storage, outsiders
from modnet.kernels.declare import Shape, ShapeError, Shared
from modnet.kernels.operation import Operation

#: One row of the table. Places are where a piece of a workspace begins, counted in numbers an example.
ROW = np.dtype(
    [
        ("forward", np.int64), ("gradient", np.int64), ("backward", np.int64),
        ("z", np.int64), ("s", np.int64),  # addresses
        ("input", np.int64), ("input_rows", np.int64), ("input_columns", np.int64),
        ("output", np.int64), ("output_rows", np.int64), ("output_columns", np.int64),
        ("trains", np.int64),  # 1 if there are parameters before this row, so that its input's delta is needed
        ("adds", np.int64),  # 1 if another row has written the input's delta already
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A block of the workspace. Several values may be the same numbers in other shapes."""

    slot: int
    shape: Shape


@dataclass(frozen=True)
class Row:
    """One operation: of a module, or a joint of the wiring: joint is its name, and its place the container's."""

    place: str
    module: Any
    input: Value
    output: Value
    joint: str = ""
    start: int = 0
    use: int = 0


class Binding:
    """A module with an input shape, as kernels see it: addresses of code, sizes, settings, and where its numbers lie.

    Parameters
    ----------
    module : one of the library's. input_shape : of one example. dtype : of the input.
    use : which use of the module in a walk this is, from 0.
    output_shape, sizes : for joints, whose output depends on more than their input.
    """

    __slots__ = (
        "_keep", "columns", "dtype", "gives_rows", "gradient", "homes", "input_rows", "input_shape", "letter", "may_refuse",
        "module", "output_columns", "output_rows", "output_shape", "parameters", "s", "state", "takes_rows", "z", "z_gradient",
    )  # fmt: skip

    def __init__(
        self, module: Any, input_shape: Shape, dtype: np.dtype[Any], use: int = 0, output_shape: Any = None, sizes: Any = None
    ) -> None:  # fmt: skip
        kind, layout = type(module), type(module).layout
        self.module, self.input_shape, self.dtype, self.letter = module, tuple(input_shape), dtype, dtype.char
        self.output_shape = tuple(module.output_shape(self.input_shape) if output_shape is None else output_shape)
        require_possible(self.output_shape, module)
        folds_input = kind.over_last_axis or layout.input_size is not None
        folds_output = kind.over_last_axis or layout.output_size is not None
        self.columns = self.input_shape[-1] if folds_input else prod(self.input_shape)
        self.output_columns = self.output_shape[-1] if folds_output else prod(self.output_shape)
        self.input_rows = prod(self.input_shape[:-1]) if folds_input else 1
        self.output_rows = prod(self.output_shape[:-1]) if folds_output else 1
        #: Whether an input, and an output, is a matrix already.
        self.takes_rows, self.gives_rows = len(self.input_shape) == 1, len(self.output_shape) == 1
        self.may_refuse = may_refuse(module)
        home, at = module._storage, module._at  # together: another thread may be moving them
        if layout.parameters or layout.states:
            self.parameters, self.gradient, self.state = home.parameters, home.gradient, home.state
        else:
            self.parameters = self.gradient = self.state = np.empty(0, dtype)
        #: Where the numbers lie that it points to, and at which version.
        self.homes = [(home, home.version)]
        # What the addresses point to is kept as long as they are.
        self._keep: list[Any] = [home.settings]
        record = np.zeros(1, layout.z)
        record["use"] = use
        for name, value in zip(layout.row_sizes, module.sizes(self.input_shape) if sizes is None else sizes):
            if isinstance(name, str):
                record[name] = value
            else:
                record[name[0]][0, : len(value)] = value
        gradient = record
        for part, arrays in (("parameters", layout.parameters), ("state", layout.states)):
            base = getattr(at, part)
            for name, array in arrays.items():
                if isinstance(array, Shared):
                    gradient = self._place_shared(record, gradient, name, array, home)
                    continue
                start, _, shape = module._arrays[part].get(name, (0, 0, (0,) * array.axes))
                for z in {id(z): z for z in (record, gradient)}.values():
                    z[f"{name}_at"] = base + start
                    for d in range(array.axes):
                        z[f"{name}_{d}"] = shape[d] if d < len(shape) else 1
        self._keep += [record, gradient]
        self.z, self.z_gradient = record.ctypes.data, gradient.ctypes.data
        self.s = home.settings.ctypes.data + 8 * at.settings

    def _place_shared(self, record: np.ndarray, gradient: np.ndarray, name: str, array: Shared, home: Any) -> np.ndarray:
        """Place a parameter that lies in another module: in another storage by the distance from this one."""
        other = getattr(self.module, array.module)
        storage = other._storage
        if storage.dtype != home.dtype:
            raise ValueError(
                f"{self.module}: it holds {home.dtype}, but {other} {storage.dtype}; convert one of them with astype"
            )
        self.homes.append((storage, storage.version))
        start, _, shape = other._arrays["parameters"][array.parameter]
        if storage is not home:
            gradient = record.copy()
        for z, block in ((record, "parameters"), (gradient, "gradient")):
            theirs, mine = getattr(storage, block), getattr(home, block)
            self._keep.append(theirs)
            distance = (theirs.ctypes.data - mine.ctypes.data) // theirs.itemsize
            z[f"{name}_at"] = distance + other._at.parameters + start
            for d, size in enumerate(shape):
                z[f"{name}_{d}"] = size
        return gradient

    def serves(self, x: np.ndarray) -> bool:
        """Whether it is for this input, and the numbers still lie where they did."""
        home, version = self.homes[0]
        return (
            x.shape[1:] == self.input_shape and x.dtype == self.dtype and home.version == version
            and self.module._storage is home and (len(self.homes) == 1 or self.is_current())
        )  # fmt: skip

    def is_current(self) -> bool:
        """Whether the numbers still lie where they did."""
        return self.module._storage is self.homes[0][0] and all(s.version == version for s, version in self.homes)

    @property
    def operations(self) -> int:
        """How many operations an example costs in the largest matrix product that BLAS makes for it."""
        if not any(op is not None and op.multiplies for op in type(self.module).operations):
            return 0
        return 2 * self.input_rows * max((prod(shape) for shape in self._parameter_shapes() if len(shape) == 2), default=0)

    @property
    def work(self) -> int:
        """About how many operations an example costs in forward."""
        per_output = 10  # a transcendental function
        if type(self.module).operations[2] is not None:  # an embedding only fetches
            per_output += 2 * max((prod(shape[:-1]) for shape in self._parameter_shapes() if len(shape) > 1), default=0)
        return per_output * prod(self.output_shape)

    def _parameter_shapes(self) -> list[Shape]:
        if not type(self.module).layout.parameters:  # a joint has none either
            return []
        others = [getattr(self.module, p.module) for p in type(self.module).layout.parameters.values() if isinstance(p, Shared)]
        return [shape for m in (self.module, *others) for *_, shape in m._arrays["parameters"].values()]

    def take(self, who: Any) -> None:
        """Gradients, also those of a module whose parameters are shared, are this thread's alone until `give`."""
        for n, (storage, version) in enumerate(self.homes):
            try:
                storage.take(who, version)
            except RuntimeError:
                for taken, _ in self.homes[:n]:
                    taken.lock.release()
                raise

    def give(self) -> None:
        for storage, _ in self.homes:
            storage.lock.release()

    @property
    def has_numbers(self) -> bool:
        """Whether it points to any numbers."""
        return any(self.module.counts) or len(self.homes) > 1

    def address(self, operation: Operation | None) -> int:
        """Where the machine code of one of the module's operations lies; 0 for none."""
        return 0 if operation is None else operation.addresses[type(self.module), self.letter]


def require_possible(shape: Shape, who: Any) -> None:
    """ValueError if an example of this shape has more numbers than any memory holds."""
    if prod(shape) > 2**40 or min(shape, default=0) < 0:
        raise ValueError(f"{who}: an example of shape {shape} is not possible, expected at most 2**40 numbers")


def may_refuse(module: Any) -> bool:
    """Whether inputs of the right shape may still be refused: see `Module.why_refused`."""
    kind = type(module)
    return "why_refused" in {name for base in kind.__mro__ for name in vars(base) if base.__module__ != "modnet.module"}


class _Wiring:
    """What `wire` of a container is given: the place of each module, and how values are connected."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.path: list[int] = []

    @property
    def place(self) -> str:
        """Where the module that is being wired is, for errors: ``Sequential[2][0]``."""
        return self.root + self.index

    @property
    def index(self) -> str:
        """The same without the network's name: ``[2][0]``."""
        return "".join(f"[{i}]" for i in self.path)

    def each(self, container: Any) -> Iterator[Any]:
        """The modules of a container in order, each wired at its own place."""
        for i, module in enumerate(container):
            self.path.append(i)
            yield module
            self.path.pop()

    def named(self, what: Any) -> str:
        """A module or container at its place, as errors call it."""
        name = Foreign.name_of(what)
        return f"{self.place} {name}" if self.path else self.place


class Program(_Wiring):
    """The rows of a network for one shape of input.

    A container's `wire` calls `add`, `sum` and `join`.

    Parameters
    ----------
    net : the network. input_shape : of one example. dtype : float32 or float64. storage : of the network.
    batch : how many examples a module that is not the library's is asked with, to see what shape it gives.
    """

    def __init__(self, net: Any, input_shape: Shape, dtype: np.dtype[Any], storage: Any, batch: int = 2) -> None:
        super().__init__(type(net).__name__)
        self.batch = batch
        self.dtype, self.storage, self.version = dtype, storage, storage.version
        self.slots: list[int] = []  # features of each
        self.trains: list[bool] = []  # whether there are parameters before it
        self.rows: list[Row] = []
        self.inputs: dict[str, Value] = {}  # of containers, by place
        self.outputs: dict[str, Value] = {}
        self._uses: dict[int, int] = {}
        self._modes_inside: list[Any] = []  # modules with a mode that classes of somebody else's run
        #: Before each such class, by the slot of its output: how often these modules were used, by id.
        self.uses_inside: dict[int, dict[int, int]] = {}
        self._containers: list[tuple[str, Shape]] = []  # those that are being wired: name and input
        self._inside: list[str] = []  # their places
        self.input = self._new(input_shape)
        # A subclass with an operation of its own asks by super() for what its wiring says.
        self.output = self._wire(net, self.input) if hasattr(net, "wire") else self.add(net, self.input)
        #: Whether a module uses parameters of another that is not in the network, and so would not be trained.
        self.has_outsiders = bool(outsiders(net))
        self._make_table()
        self.pool: list[Any] = []  # workspaces, see `modnet.engine.run`
        self._knows_backward = False
        self.attempt_forward: Any = None  # once there was one: see there, too
        self.attempt_backward: Any = None
        self.spare: dict[str, Any] = {}  # memory that one training leaves to the next

    # Wiring.

    def _new(self, shape: Shape) -> Value:
        require_possible(shape, self.place)
        self.slots.append(prod(shape))
        self.trains.append(False)
        return Value(len(self.slots) - 1, tuple(shape))

    def _row(self, module: Any, x: Value, out: Value, joint: str = "", start: int = 0) -> None:
        use = 0 if joint else self._uses.get(id(module), 0)
        self._uses[id(module)] = use + 1
        self.rows.append(Row(self._inside[-1] if joint else self.index, module, x, out, joint, start, use))
        may_train = False if joint else Foreign.may_train(module)
        self.trains[out.slot] = self.trains[out.slot] or self.trains[x.slot] or may_train

    def add(self, module: Any, x: Value) -> Value:
        """The value that a module makes of x: a container wires itself, any other module is a row."""
        if is_wired(module):
            return self._wire(module, x)
        ours = is_ours(module)
        try:
            shape = tuple(module.output_shape(x.shape) if ours else self._asked(module, x.shape))
        except ShapeError as error:
            raise self._at_place(error) from None
        if ours and module.same_numbers:
            out = Value(x.slot, shape)
            self.rows.append(Row(self.index, module, x, out, "same"))
            return out
        if x.slot != 0 and getattr(module, "reads_whole_numbers", False):
            raise ValueError(
                f"{self.place} {module}: modules before it change its input; it must read the network's own input, "
                "whole numbers"
            )
        out = self._new(shape)
        self._row(module, x, out)
        self._count_inside(module)
        return out

    def _count_inside(self, module: Any) -> None:
        """Of a container that a class of somebody else's runs: how often each module in it that draws was used before."""
        found = self.uses_inside[self.rows[-1].output.slot] = {}
        for leaf in module.leaves() if hasattr(module, "wire") else ():
            if is_ours(leaf) and type(leaf).has_mode:
                found.setdefault(id(leaf), self._uses.get(id(leaf), 0))
                self._uses[id(leaf)] = self._uses.get(id(leaf), 0) + 1
                self._modes_inside.append(leaf)

    def _wire(self, container: Any, x: Value) -> Value:
        self._containers.append((type(container).__name__, x.shape))
        self._inside.append(self.index)
        self.inputs[self.index] = x
        wired: Value = container.wire(self, x)
        self._containers.pop()
        self._inside.pop()
        self.outputs[self.index] = wired
        return wired

    def _asked(self, module: Any, input_shape: Shape) -> Shape:
        """The shape that somebody else's module gives."""
        foreign, shape = Foreign(module), (self.batch, *input_shape)
        try:
            out = foreign.forward_of_zeros(shape)
        except Exception as error:
            error.add_note(f"in {self.named(module)}, forward with an input of shape {shape}")
            raise
        try:
            return np.shape(foreign.result(out, self.batch, "forward"))[1:]
        except ValueError as error:
            raise ValueError(f"{self.place} {error}") from None

    def sum(self, *values: Value) -> Value:
        """The sum of values of one shape."""
        first, *others = values
        for other in others:
            if other.shape != first.shape:
                given = ", ".join(map(str, ("batch", *other.shape)))
                expected = f"the shape that its modules give, ({given})"
                raise self._at_place(ShapeError(self._containers[-1][0], first.shape, expected))
        out = self._new(first.shape)
        for value, name in zip(values, ("copy", *["add"] * len(others))):
            self._row(COPY if name == "copy" else ADD, value, out, name)
        return out

    def join(self, *values: Value) -> Value:
        """Values side by side on the last axis."""
        if not values:  # a slice of a container is wired without being looked at before
            name = self._containers[-1][0]
            raise ValueError(f"{f'{self.place} {name}' if self.path else name}: got no branches, expected at least one")
        shapes = [value.shape for value in values]
        if any(not shape or shape[:-1] != shapes[0][:-1] for shape in shapes):
            given = " and ".join("(" + ", ".join(map(str, ("batch", *shape))) + ")" for shape in dict.fromkeys(shapes))
            expected = f"one for which its branches differ on the last axis only, not {given}"
            raise self._at_place(ShapeError(*self._containers[-1], expected))
        out, start = self._new((*shapes[0][:-1], sum(shape[-1] for shape in shapes))), 0
        for value in values:
            self._row(COLUMNS, value, out, "columns", start)
            start += value.shape[-1]
        return out

    def _at_place(self, error: ShapeError) -> ShapeError:
        if not error.place and self.path:
            error.place = f"{self.place} "
        return error

    # The table.

    def _make_table(self) -> None:
        self.table_rows = [row for row in self.rows if row.joint != "same"]
        places = np.concatenate([[0], np.cumsum(self.slots)])
        self.columns, self.result = int(places[-1]), int(places[self.output.slot])
        self.places = places
        self.table = np.zeros(max(1, len(self.table_rows)), ROW)[: len(self.table_rows)]
        self.bindings: list[Binding | None] = []
        for r, row in enumerate(self.table_rows):
            entry = self.table[r]
            ours = is_ours(row.module)
            bound = self._bind(row) if ours else None
            if ours and not row.joint and row.module.owns_numbers and bound.homes[0][0] is not self.storage:  # type: ignore[union-attr]
                raise RuntimeError(f"{self.root}{row.place} {row.module}: its numbers are not in the network's storage")
            self.bindings.append(bound)
            entry["input"], entry["output"] = places[row.input.slot], places[row.output.slot]
            entry["trains"] = self.trains[row.input.slot]
            if bound is None:
                entry["input_rows"], entry["input_columns"] = 1, prod(row.input.shape)
                entry["output_rows"], entry["output_columns"] = 1, prod(row.output.shape)
                continue
            entry["input_rows"], entry["input_columns"] = bound.input_rows, bound.columns
            entry["output_rows"], entry["output_columns"] = bound.output_rows, bound.output_columns
            entry["forward"] = bound.address(type(row.module).operations[0])
            entry["z"], entry["s"] = bound.z, bound.s
        written: set[int] = set()
        for r in reversed(range(len(self.table_rows))):
            slot = self.table_rows[r].input.slot
            self.table[r]["adds"] = slot in written
            written.add(slot)
        self.widest = max((self.slots[row.input.slot] for row in self.table_rows), default=0)
        self.has_sums = bool(self.table["adds"].any()) if len(self.table) else False
        self.checks = [row for row, bound in zip(self.table_rows, self.bindings) if bound is not None and bound.may_refuse]
        #: Rows whose modules do one thing in training and another in evaluation; then those that somebody else's class runs.
        self.mode_rows = [(r, row.module) for r, row in enumerate(self.table_rows)
                          if is_ours(row.module) and type(row.module).has_mode]  # fmt: skip
        self.mode_rows += enumerate(self._modes_inside, len(self.table_rows))
        self.moves_state = any(module.counts.state for _, module in self.mode_rows)
        #: Of each that draws: how often it is used. What keeps statistics has a mode, too, and draws nothing.
        drawing = {id(m): m for _, m in self.mode_rows}.values()
        self.draw_uses = [(m, 1 if m.counts.state else self._uses[id(m)]) for m in drawing]
        by_place = sorted((1 + m._at.draws, uses) for m, uses in self.draw_uses)
        self.draw_places = np.array([place for place, _ in by_place], np.int64)
        self.draws_repeatedly = any(uses > 1 for _, uses in by_place)
        #: What `note_draw` adds to the number of a forward, for each place.
        self.draw_marks: Any = np.array([(uses - 1) * ANOTHER_USE for _, uses in by_place]) if self.draws_repeatedly else 0
        self.operations = max((bound.operations for bound in self.bindings if bound is not None), default=0)
        #: About how many operations an example costs in forward.
        self.work = sum(bound.work for bound in self.bindings if bound is not None)
        self.foreign = [r for r, bound in enumerate(self.bindings) if bound is None]
        self.segments = self._segments()
        #: Whether every row is a kernel.
        self.is_compiled = not self.foreign
        self.features = self.slots[self.output.slot]
        rows = zip(self.table_rows, self.bindings)
        self.takes_numbers = not any(b is not None and type(row.module).operations[2] is None for row, b in rows)
        home = self.storage
        if home.dtype == self.dtype:
            self.parameters, self.gradient, self.state = home.parameters, home.gradient, home.state
        else:  # a network without parameters takes the type of its input
            self.parameters, self.gradient, self.state = (np.empty(0, self.dtype) for _ in range(3))
        #: Whether modules lie elsewhere: what outputs depend on is then more than this storage.
        self.has_guests = any(
            storage is not home
            for bound in self.bindings if bound is not None and bound.has_numbers
            for storage, _ in bound.homes
        )  # fmt: skip
        #: Whether a forward or backward by hand is the walk and nothing else, from and to matrices.
        self.is_plain = (
            self.is_compiled and self.takes_numbers and len(self.input.shape) == len(self.output.shape) == 1
            and not (self.checks or self.mode_rows or self.has_guests or self.has_outsiders)
        )  # fmt: skip

    def note_draw(self, number: int) -> None:
        """Note the number of a forward in training, whose draws backward will repeat."""
        draws = self.storage.draws
        draws[self.draw_places] = number + self.draw_marks
        if number > draws[0]:
            draws[0] = number

    def prepare_backward(self) -> None:
        """Note where the kernels of backward lie, before any is called: a network that only computes waits for none of them."""
        if self._knows_backward:
            return
        for entry, row, bound in zip(self.table, self.table_rows, self.bindings):
            if bound is not None:
                _, gradient, backward = type(row.module).operations
                entry["gradient"], entry["backward"] = bound.address(gradient), bound.address(backward)
        self._knows_backward = True

    @property
    def writes_gradient(self) -> bool:
        """Whether a walk backward can write all of the gradient: every number belongs to one row, whose kernel can."""
        rows = zip(self.table_rows, self.bindings)
        own = [row.module for row, bound in rows if bound is not None and type(row.module).operations[1] is not None]
        return (
            self.is_compiled
            and not self.has_guests
            and all("add" in type(module).operations[1].names for module in own)
            and not any(isinstance(p, Shared) for module in own for p in type(module).layout.parameters.values())
            and len({id(module) for module in own}) == len(own)
            and sum(module.counts.parameters for module in own) == self.parameters.size
        )

    def _bind(self, row: Row) -> Binding:
        if row.joint:
            return Binding(row.module, row.input.shape, self.dtype, 0, row.output.shape, (row.start,))
        return Binding(row.module, row.input.shape, self.dtype, row.use, row.output.shape)

    def _segments(self) -> list[tuple[bool, int, int]]:
        """Runs of rows: (compiled, first, last + 1)."""
        found: list[tuple[bool, int, int]] = []
        for r, bound in enumerate(self.bindings):
            if bound is not None and found and found[-1][0]:
                found[-1] = True, found[-1][1], r + 1
            else:
                found.append((bound is not None, r, r + 1))
        return found

    def is_current(self) -> bool:
        """Whether the network's numbers still lie where they did."""
        with_numbers = (b for b in self.bindings if b is not None and b.has_numbers)  # a Tanh may be in other networks, too
        return self.storage.version == self.version and all(b.is_current() for b in with_numbers)

    def is_for(self, storage: Any) -> bool:
        """Whether it is for a storage as it is now. Cheap; modules that lie elsewhere are looked at too."""
        return self.version == storage.version and self.storage is storage and (not self.has_guests or self.is_current())


class Sizes(_Wiring):
    """A network wired with nothing but the sizes of last axes, as far as constructors fix them."""

    def __init__(self, net: Any) -> None:
        super().__init__(type(net).__name__)
        self._containers: list[Any] = []  # those that are being wired
        self.add(net, _Size())

    def add(self, module: Any, x: _Size) -> _Size:
        if is_wired(module):
            self._containers.append(module)
            found: _Size = module.wire(self, x)
            self._containers.pop()
            return found
        if not is_ours(module):
            return _Size()
        takes, gives = module.features_taken, module.features_given
        if takes is not None:
            if x.features is not None and x.features != takes:
                raise ValueError(f"{self.place} {module}: takes {takes} features, but {x.source} {x.features}")
            if x.features is None:
                x.features, x.source = takes, f"{self.place} {module}, which reads the same input, takes"
        if gives is not None and not (takes == gives and module.keeps_features):
            return _Size(gives, f"{self.place} {module} gives")
        return x if module.keeps_features else _Size()

    def sum(self, *values: _Size) -> _Size:
        known = [value for value in values if value.features is not None]
        for value in known[1:]:
            if value.features != known[0].features:
                raise ValueError(
                    f"{self._container}: it adds {known[0].features} features and {value.features}; its modules must give as "
                    "many features as they take"
                )
        return _Size(known[0].features if known else None, f"{self._container} gives")

    def join(self, *values: _Size) -> _Size:
        if not values:
            raise ValueError(f"{self._container}: got no branches, expected at least one")
        features = [value.features for value in values]
        return _Size(None if None in features else sum(f for f in features if f is not None), f"{self._container} gives")

    @property
    def _container(self) -> str:
        """The container that is being wired, as errors call it."""
        return self.named(self._containers[-1])


@dataclass
class _Size:
    """A last axis: how long it is, or None if that is not known yet, and who says so, with a verb."""

    features: int | None = None
    source: str = ""


def is_ours(module: Any) -> bool:
    """Whether a module is one of the library's leaves: all of its operations are kernels."""
    return bool(getattr(type(module), "is_compiled", False)) and has_storage(module)


def is_wired(module: Any) -> bool:
    """Whether a module is a container that its wiring says all of: none of its operations was written anew."""
    return bool(getattr(type(module), "is_wired", False))


__all__ = ["ROW", "Binding", "Program", "Row", "Sizes", "Value", "is_ours", "is_wired", "may_refuse", "require_possible"]
