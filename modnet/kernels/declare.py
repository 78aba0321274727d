"""The four ways to declare a number of a module, a loss or an optimizer.

    Parameter   an array that is trained; beside ``weight`` there is then ``weight_gradient``
    State       an array that is kept, not trained: running statistics, an optimizer's moments
    Setting     one number that may be changed at any time, within its range: eps, p
    Size        one whole number that is fixed when the object is made: in_features

Kernels see them by name: ``p.weight``, ``g.weight``, ``st.running_mean``, ``s.eps``, and ``z.count`` for whole numbers that
depend on the input. From the declarations of a class come the named tuples and records that say where each of them lies.
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from modnet.inputs import as_float32, as_numbers, real, require_float32, short_repr, whole

Shape = tuple[int, ...]
T = TypeVar("T")

#: The largest size: what BLAS and products of two sizes take.
LARGEST = 2**31 - 1


class ShapeError(ValueError):
    """The shape of an input is not one that a module takes.

    Parameters
    ----------
    who : the module.
    shape : of one example, without the batch.
    expected : in words, such as "(batch, 5)".
    example : the shape of one example that the module takes, -1 for any length, if known. The message then says how to make
        a batch of a single example.
    """

    def __init__(self, who: Any, shape: Shape, expected: str, example: Shape | None = None) -> None:
        super().__init__(who, shape, expected, example)
        self.who, self.shape, self.expected = str(who), tuple(shape), expected
        self.example = example
        self.batch: int | str = "batch"
        self.place = ""

    def __str__(self) -> str:
        shape = ", ".join(map(str, (self.batch, *self.shape))) + ("," if not self.shape else "")
        return f"{self.place}{self.who}: input has shape ({shape}), expected {self.expected}{self._advice()}"

    def _advice(self) -> str:
        """How to make a batch of what came, if that helps."""
        came = (self.batch, *self.shape)
        if self.example and len(came) == len(self.example) and all(a in (-1, b) for a, b in zip(self.example, came)):
            return "; to pass a single example, make it a batch of one: np.asarray(input)[None]"
        if self.example == (1,) and not self.shape:
            return "; make a column of single numbers: np.asarray(input).reshape(-1, 1)"
        return ""


class Declaration(Generic[T]):
    """An attribute that is declared in a class: of an object it is what `read` gives, of the class the declaration itself."""

    name: str
    suffix = ""  # of the attribute's name

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, module: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, module: object, owner: Any = None) -> T: ...
    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else self.read(module)

    def __delete__(self, module: Any) -> None:
        raise AttributeError(f"{module}: {self.name}{self.suffix} cannot be deleted; its class declares it")

    def read(self, module: Any) -> T:
        """The value in a module, a loss or an optimizer."""
        raise NotImplementedError


class _Array(Declaration[np.ndarray]):
    """An attribute that is a named piece of a block: reading gives a view, assigning writes into it."""

    block: str

    def __init__(self, *sizes: str, optional: bool = False) -> None:
        self.sizes, self.optional, self.axes = sizes, optional, len(sizes)

    def read(self, module: Any) -> Any:
        return module.view(self.block, self.name)

    def __set__(self, module: Any, value: Any) -> None:
        view, name = module.view(self.block, self.name), self.name + self.suffix
        if view is None:
            raise ValueError(f"{module}: it was built without {self.name}, which cannot be set")
        array = as_numbers(value, module, name, examples=False)
        if array.shape != view.shape:
            raise ValueError(f"{module}: {name} is given shape {array.shape}, expected {view.shape}")
        with module.storage.writing(module):
            view = module.view(self.block, self.name)  # its numbers may have been moved until now
            view[...] = array if view.dtype != np.float32 else as_float32(array, module, name)

    def shape(self, module: Any) -> Shape:
        """Its shape in a module whose sizes are set."""
        return tuple(int(getattr(module, size)) for size in self.sizes)


class Parameter(_Array):
    """An array that is trained: a named slice of the flat vector. ``<name>_gradient`` comes with it.

    Parameters
    ----------
    sizes : names of the attributes that say how long each axis is.
    optional : whether a module may be built without it: ``super().__init__(bias=False)``.
    """

    block = "parameters"

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        gradient = _Gradient(*self.sizes)
        setattr(owner, f"{name}_gradient", gradient)
        gradient.__set_name__(owner, name)


class _Gradient(_Array):
    block, suffix = "gradient", "_gradient"


class Shared(Parameter):
    """A parameter of another module, which lies there and is trained there.

    Parameters
    ----------
    module : the name of the attribute that holds the other module.
    parameter : the name of the parameter there.
    axes : how many it has.
    """

    def __init__(self, module: str, parameter: str, axes: int = 2) -> None:
        super().__init__()
        self.module, self.parameter, self.axes = module, parameter, axes

    def __set_name__(self, owner: type, name: str) -> None:
        _Array.__set_name__(self, owner, name)

    def read(self, module: Any) -> Any:
        return getattr(getattr(module, self.module), self.parameter)

    def __set__(self, module: Any, value: Any) -> None:
        setattr(getattr(module, self.module), self.parameter, value)


class State(_Array):
    """An array that is kept, not trained. In an optimizer it has the size of the parameters.

    Parameters
    ----------
    sizes : names of the attributes that say how long each axis is.
    initial : the number it is filled with at first.
    """

    block = "state"

    def __init__(self, *sizes: str, initial: float = 0.0) -> None:
        super().__init__(*sizes)
        self.initial = initial


class Setting(Declaration[float]):
    """A number that kernels read and that may be changed at any time, within its range.

    Parameters
    ----------
    expected : the range in words, for the error.
    valid : whether a number is in the range: ``lambda v: v > 0``, or ``lambda v, module: ...``.
    default : what it is at first, if the constructor does not set it.
    kind : float, int or numpy.uint64.
    fixed : whether it is read-only once the object is made.
    """

    def __init__(
        self,
        expected: str = "a finite number",
        valid: Callable[..., bool] | None = None,
        default: float = 0.0,
        kind: Any = float,
        fixed: bool = False,
    ) -> None:
        self.expected, self.valid, self.default, self.kind, self.fixed = expected, valid, kind(default), kind, fixed
        self._wants_module = valid is not None and len(inspect.signature(valid).parameters) > 1
        self.dtype = np.dtype({float: np.float64, int: np.int64, bool: np.int64}.get(kind, kind))

    def read(self, module: Any) -> Any:
        return self.kind(module.setting_words().view(self.dtype)[type(module).layout.words[self.name]])

    def __set__(self, module: Any, value: Any) -> None:
        if self.fixed:
            who = type(module).__name__
            raise AttributeError(f"{module}: {self.name} cannot be changed; make a new {who}(..., {self.name}={value!r})")
        self.write(module, value)

    def write(self, module: Any, value: Any) -> None:
        """Check a value and set it; what constructors use for settings that are fixed later."""
        module.setting_words().view(self.dtype)[type(module).layout.words[self.name]] = self.checked(module, value)

    def checked(self, module: Any, value: Any) -> Any:
        """The value as a number of this setting's kind; ValueError or TypeError if it is not in the range."""
        who = type(module).__name__
        if self.kind is bool:
            return require_bool(value, who, self.name)
        valid = self.valid
        if valid is not None and self._wants_module:
            valid = lambda v, range=self.valid: range(v, module)
        if self.kind is float:
            return require_float32(real(value, who, self.name, self.expected, valid), who, self.name)
        number = whole(value, who, self.name, 0, int(np.iinfo(self.dtype).max))
        if valid is not None and not valid(number):
            raise ValueError(f"{who}: {self.name} is {number}, expected {self.expected}")
        return number


def require_bool(value: Any, who: str, name: str) -> bool:
    """True or False; anything else is a TypeError."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{who}: {name} is {short_repr(value)}, expected True or False")
    return bool(value)


class Fixed(Declaration[T]):
    """A value that is fixed when the object is made, such as a pair of sizes. Assigning it again is an AttributeError."""

    def read(self, module: Any) -> T:
        try:
            found: T = module.__dict__[self.name]
            return found
        except KeyError:
            raise AttributeError(f"{type(module).__name__} has no {self.name} yet") from None

    def __set__(self, module: Any, value: Any) -> None:
        if self.name in module.__dict__:
            who = type(module).__name__
            raise AttributeError(f"{module}: {self.name} is fixed when it is made; make a new {who}")
        module.__dict__[self.name] = self.checked(module, value)

    def checked(self, module: Any, value: Any) -> T:
        """The value as it is kept; ValueError or TypeError if it is not one."""
        return value


class Size(Fixed[int]):
    """A whole number that is fixed when the object is made. Assigning it again is an AttributeError.

    Parameters
    ----------
    last_axis_of : "input", "output" or both: the last axis of these has this size, and the axes before it are rows: kernels get
        x (rows, size). A module that declares none gets x (batch, features).
    """

    def __init__(self, *last_axis_of: str) -> None:
        self.last_axis_of = last_axis_of

    def checked(self, module: Any, value: Any) -> int:
        """The value as an int of at least 1; ValueError or TypeError if it is not one."""
        return whole(value, type(module).__name__, self.name, 1, LARGEST)


_DECLARED = Parameter, State, Setting, Size

# Most classes declare what another does: made for each, these types would take a tenth of `import modnet`.


@cache
def _named_tuple(name: str, *fields: str) -> Any:
    return namedtuple(name, fields)


@cache
def _record(*fields: Any) -> np.dtype[Any]:
    return np.dtype(list(fields) or [("nothing", np.int64)], align=True)


class Layout:
    """What a class declares, base classes included: names, and the types by which kernels see them."""

    def __init__(self, owner: type) -> None:
        found: dict[str, Any] = {}
        for base in reversed(owner.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, _DECLARED):
                    found[name] = value
                elif name in found:
                    del found[name]  # a subclass has put something else in its place
        self.parameters = {n: v for n, v in found.items() if isinstance(v, Parameter)}
        self.states = {n: v for n, v in found.items() if isinstance(v, State)}
        self.settings = {n: v for n, v in found.items() if isinstance(v, Setting)}
        self.sizes = {n: v for n, v in found.items() if isinstance(v, Size)}
        self.words = {name: i for i, name in enumerate(self.settings)}
        self.row_sizes: tuple[str | tuple[str, int], ...] = getattr(owner, "row_sizes", ())
        self.input_size = next((n for n, v in self.sizes.items() if "input" in v.last_axis_of), None)
        self.output_size = next((n for n, v in self.sizes.items() if "output" in v.last_axis_of), None)

        #: The classes of the tuples that kernels get as p or g, and st; and of settings as numbers of x's type.
        self.P = _named_tuple("P", *self.parameters)
        self.ST = _named_tuple("ST", *self.states)
        self.C = _named_tuple("C", "zero", "one", *self.settings)
        #: The records that kernels get as z and s. Every field has eight bytes.
        fields: list[Any] = [("use", np.int64)]
        for name, array in (*self.parameters.items(), *self.states.items()):
            fields += [(f"{name}_at", np.int64), *((f"{name}_{d}", np.int64) for d in range(array.axes))]
        for row_size in self.row_sizes:
            fields.append((row_size, np.int64) if isinstance(row_size, str) else (row_size[0], np.int64, (row_size[1],)))
        self.z = _record(*fields)
        self.s = _record(*((name, v.dtype) for name, v in self.settings.items()))


class Declares:
    """What modules, losses and optimizers have in common: numbers that are declared, and operations that see them."""

    layout: Layout

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.layout = Layout(cls)

    def setting_words(self) -> np.ndarray:
        """The float64 words that the settings lie in."""
        raise NotImplementedError
