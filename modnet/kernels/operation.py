"""An operation: a kernel that stands in its class under the contract's name, and is called as a method.

    class Square(Module):
        @operation
        def forward(x, out):                    # x, out (batch, features)
            for i in range(x.shape[0]):
                for j in range(x.shape[1]):
                    out[i, j] = x[i, j] * x[i, j]

``layer.forward(X)`` is the method of the contract: it checks, allocates and calls the kernel. ``Square.forward`` is the
`Operation`, whose `address` a network's table holds.

The body names what it needs of the arguments of its kind (`modnet.kernels.compiled`), and of

    p, g      the named parameters, and their gradients: ``p.weight``
    st        the named state: ``st.running_mean``
    s         the settings: ``s.eps``
    c         the settings as numbers of x's type, with ``c.zero`` and ``c.one``
    z         sizes of this row: ``z.height``
    draw      0 in evaluation; n > 0 in the n-th forward in training; -n to repeat that forward and move no statistics
    add       of a gradient: 1 to add to it, 0 to write it, whatever is there

Any other name is that of a static function of the class, compiled into the kernel: so a family of classes shares a body.
Names stand for places in flat memory that the kernel is given; between them and the machine signature is one line of code
(`_adapter`), which costs nothing once it is compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import FunctionType, MethodType
from typing import Any, Protocol, overload

import numpy as np

from modnet.inputs import short_repr
from modnet.kernels import jit, shipped
from modnet.kernels.cache import KernelCache
from modnet.kernels.compiled import (
    ARGUMENTS,
    JIT_OPTIONS,
    LEAN,
    inline_always,
    machine_code,
    python_kernels,
    quiet,
    signature,
)
from modnet.kernels.declare import Layout
from modnet.kernels.jit import JIT_DISABLED
from modnet.kernels.memory import Fields, at_address, numbers, typed_matrix, typed_vector, views

_signature = cache(inspect.signature)


class Kind:
    """What an operation is by its name in a class.

    Parameters
    ----------
    name : of the machine signature in `modnet.kernels.compiled`.
    method : from an operation to the function that is called as the method: it checks, allocates and calls the kernel.
    contract : the function whose signature and documentation the method has.
    """

    def __init__(self, name: str, method: Callable[[Operation], Any], contract: Callable[..., Any]) -> None:
        self.name, self.method, self.contract = name, method, contract


#: What stands for each name that is no argument of the machine signature. Gradients lie where their parameters lie.
_EXPRESSIONS = {
    "p": "views(parameters, z, P)",
    "g": "views(gradient, z, P)",
    "st": "views(state, z, ST)",
    "c": "numbers(s, {like}, C)",
}


class Memo(dict[Any, Any]):
    """A dict that makes what it lacks, from the key's parts. Looking up what is there costs no call of a Python function."""

    def __init__(self, make: Callable[..., Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: tuple[Any, ...]) -> Any:
        return self.setdefault(key, self.make(*key))


class Method(Protocol):
    """For type checkers: an operation as a method. An operation's type does not know its name, and so which of these it is."""

    @overload
    def __call__(self, X: Any) -> np.ndarray: ...
    @overload
    def __call__(self, input: Any, delta: Any) -> Any: ...
    @overload
    def __call__(self, y: Any, yhat: Any) -> np.ndarray: ...


class Operation:
    """A kernel written in a class and called as a method.

    Parameters
    ----------
    body : the function, as it stands in the class.
    """

    def __init__(self, body: Callable[..., None]) -> None:
        self.body = body
        self.names = body.__code__.co_varnames[: body.__code__.co_argcount]
        self.__doc__, self.__wrapped__ = body.__doc__, body
        #: Where the machine code lies, in this process, by class and letter of the element type.
        self.addresses = Memo(self._find)

    def __set_name__(self, owner: Any, name: str) -> None:
        kinds = getattr(owner, "kinds", {})
        if name not in kinds:
            wanted = f"one of {', '.join(kinds)}" if kinds else "a class derived from Module, Loss or Optimizer"
            raise TypeError(f"{owner.__qualname__}.{name}: it is decorated with @operation, expected {wanted}")
        kind: Kind = kinds[name]
        self.name, self.kind, self.owner = name, kind, owner
        method = kind.method(self)
        method.__name__, method.__qualname__ = name, f"{owner.__qualname__}.{name}"
        method.__module__, method.__doc__ = owner.__module__, kind.contract.__doc__
        method.__signature__ = _signature(kind.contract)
        method.__wrapped__ = self.body
        self.method = method
        for said in ("__name__", "__qualname__", "__signature__"):  # by which `help` of the class shows it
            setattr(self, said, getattr(method, said))
        self.__doc__ = self.body.__doc__ or method.__doc__

    @overload
    def __get__(self, module: None, owner: Any = None) -> Operation: ...
    @overload
    def __get__(self, module: object, owner: Any = None) -> Method: ...
    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else MethodType(self.method, module)

    def __call__(self, module: Any, *arguments: Any, **named: Any) -> Any:
        """As any function of a class: ``Linear.forward(layer, X)``."""
        if not any(vars(base).get(self.name) is self for base in type(module).__mro__):
            who = f"{self.owner.__qualname__}.{self.name}"
            raise TypeError(f"{who}: called with {short_repr(module)}, expected an object of a class that has this operation")
        return self.method(module, *arguments, **named)

    def __repr__(self) -> str:
        return f"<operation {self.owner.__qualname__}.{self.name}>"

    def __reduce__(self) -> Any:
        return getattr, (self.owner, self.name)

    def address(self, owner: type, dtype: Any) -> int:
        """Where the machine code lies, in this process, for a class that has the operation and an element type."""
        found: int = self.addresses[owner, np.dtype(dtype).char]
        return found

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the class's static functions that are compiled in."""
        known = {*ARGUMENTS[self.kind.name], *_EXPRESSIONS}
        return tuple(name for name in self.names if name not in known)

    @property
    def multiplies(self) -> bool:
        """Whether it makes matrix products (`modnet.kernels.blas`)."""
        return any(name.startswith("matmul") or name == "affine" for name in self.body.__code__.co_names)

    def is_complete(self, owner: type) -> bool:
        """Whether a class has all the functions that are compiled in."""
        return all(hasattr(owner, name) for name in self.functions)

    def compile(self, owner: type, dtype: Any) -> int:
        """Compile for a class and an element type, or load from the cache; return what classes with one code have in common."""
        return self.address(owner, dtype)

    def cached(self, owner: Any, dtype: np.dtype[Any]) -> KernelCache:
        """Where the machine code for a class and an element type is kept."""
        layout: Layout = owner.layout
        beside = [getattr(owner, name) for name in self.functions]
        texts = [layout.P._fields, layout.ST._fields, layout.C._fields, self.names]
        kind = f"{self.kind.name} {_places(layout.z)} {_places(layout.s)}"
        return KernelCache(self.body, [*beside, *texts], f"{owner.__name__}.{self.name}", kind, dtype)

    def _find(self, owner: Any, letter: str) -> int:
        layout: Layout = owner.layout
        dtype = np.dtype(letter)
        if not self.is_complete(owner):
            unknown = next(name for name in self.functions if not hasattr(owner, name))
            names = ", ".join(dict.fromkeys([*ARGUMENTS[self.kind.name], *_EXPRESSIONS]))
            raise TypeError(
                f"{owner.__qualname__}.{self.name}: its body takes {unknown}, expected a static function of the class, or some "
                f"of {names}"
            )
        key = self.key(owner, dtype)
        found = _ADDRESSES.get(key)
        if found is None:
            make = _python_kernel if JIT_DISABLED else _machine_code
            found = _ADDRESSES[key] = make(self, owner, layout, dtype, key[-1])
        return found

    def key(self, owner: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        """What its code for a class depends on: a subclass that changes none of it runs its parent's."""
        layout: Layout = owner.layout
        functions = tuple((name, getattr(owner, name)) for name in self.functions)
        return self, dtype, layout.P._fields, layout.ST._fields, layout.C._fields, layout.z, layout.s, functions


_ADDRESSES: dict[Any, int] = {}


def operation(body: Callable[..., None]) -> Operation:
    """Decorator: a function of a class becomes the kernel of the contract's operation of that name."""
    return Operation(body)


def is_compiled(kind: type, names: tuple[str, ...], contract: type) -> bool:
    """Whether a class does all these operations by kernels: each is an `Operation`, or is as the contract leaves it."""
    found = [getattr(kind, name, None) for name in names]
    if any(isinstance(value, Operation) and not value.is_complete(kind) for value in found):
        return False  # a family's base class, whose formulas are in its subclasses
    kernels = [isinstance(value, Operation) for value in found]
    return any(kernels) and all(k or value is getattr(contract, name) for k, value, name in zip(kernels, found, names))


def _adapter(operation: Operation, space: dict[str, Any]) -> Any:
    """The function with the machine signature around a body written with names."""
    arguments = ARGUMENTS[operation.kind.name]
    like = next(iter(arguments))
    given = [_EXPRESSIONS.get(name, name).format(like=like) for name in operation.names]
    if operation.kind.name == "step":  # an optimizer's parameters are one vector, and its moments have names
        given = [{"p": "p", "g": "g", "st": "views(moments, z, ST)"}.get(name, name) for name in operation.names]
    lines, names = [f"body({', '.join(given)})"], list(arguments)
    if "matrix" in space:  # compiled: arrays come as addresses and shapes
        axes = {name: {"m": 2, "v": 1}.get(letter, 0) for name, letter in arguments.items()}
        parts = {name: [f"{name}_at", *(f"{name}_{d}" for d in range(n))] if n else [name] for name, n in axes.items()}
        reads = ("", "vector", "matrix")
        lines[:0] = [f"{name} = {reads[n]}({', '.join(parts[name])})" for name, n in axes.items() if n]
        names = [part for name in arguments for part in parts[name]]
    text = f"def adapter({', '.join(names)}):\n" + "".join(f"    {line}\n" for line in lines)
    exec(text, space)
    adapter = space["adapter"]
    adapter.__module__ = operation.body.__module__
    return adapter


def _machine_code(operation: Operation, owner: Any, layout: Layout, dtype: Any, functions: Any) -> int:
    kept = operation.cached(owner, dtype)
    return shipped.kernel(kept) or _compiled(operation, layout, functions, kept)


def _places(record: np.dtype[Any]) -> str:
    """Where the fields of a record are, and what they hold."""
    fields: Any = record.fields or {}
    return repr([(name, field[0].base.str, field[0].shape, field[1]) for name, field in fields.items()])


def _compiled(operation: Operation, layout: Layout, functions: Any, kept: KernelCache) -> int:
    numba = jit.numba()
    body = numba.njit(**JIT_OPTIONS, **LEAN, inline="always")(operation.body)
    space = {
        "views": views, "numbers": numbers, "body": body, "P": layout.P, "ST": layout.ST, "C": layout.C,
        "matrix": _matrix(kept.dtype), "vector": _vector(kept.dtype),
    }  # fmt: skip
    adapter = _adapter(operation, {**space, **{name: _formula(function) for name, function in functions}})
    records = numba.from_dtype(layout.z), numba.from_dtype(layout.s)
    return machine_code(adapter, kept, signature(operation.kind.name, jit.element_types()[kept.dtype], *records))


_matrix, _vector = cache(typed_matrix), cache(typed_vector)


@cache
def _formula(function: FunctionType) -> Any:
    return inline_always(function)


def _python_kernel(operation: Operation, owner: Any, layout: Layout, dtype: Any, functions: Any) -> int:
    space = {"views": views, "numbers": numbers, "body": operation.body, "P": layout.P, "ST": layout.ST, "C": layout.C}
    adapter = quiet(_adapter(operation, {**space, **dict(functions)}))
    names = list(ARGUMENTS[operation.kind.name].values())

    def kernel(*arguments: Any) -> None:
        records = {"z": layout.z, "s": layout.s}
        adapter(
            *(
                Fields(at_address(value, 1, records[letter])[0]) if letter in "zs" else value
                for letter, value in zip(names, arguments)
            )
        )

    python_kernels.append(kernel)
    return len(python_kernels)
