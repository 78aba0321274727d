"""Code that was written for an older NumPy: what replaced its names, and stand-ins so that the check goes on.

``np.int`` and ``np.product`` were right when the code was written. A name that NumPy has no more is answered by what took its
place, and so is ``int(array)`` for an array of one number; each use is noted, to be said once. NumPy itself is not touched:
code gets a module that looks like it.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modnet.check.reading.lines import LIBRARY
from modnet.check.report import Finding, Line, Report


class Use(NamedTuple):
    """What was used: the old way, what replaced it, where (the innermost line of the author's), and the functions it is in."""

    old: str
    new: str
    file: str
    line: int
    within: tuple[str, ...]


#: Uses of what NumPy has no more, since the list was last cleared.
used: list[Use] = []

#: From a name that was removed to what to write, of Python and of NumPy.
_OF_PYTHON = {
    "int": "int", "long": "int", "float": "float", "complex": "complex", "object": "object", "str": "str", "unicode": "str",
    "bool": "bool", "disp": "print",
}  # fmt: skip
_OF_NUMPY = {
    "bool8": "bool_", "int0": "intp", "uint0": "uintp", "cfloat": "complex128", "singlecomplex": "complex64",
    "longfloat": "longdouble", "float_": "float64", "complex_": "complex128", "unicode_": "str_", "string_": "bytes_",
    "Inf": "inf", "Infinity": "inf", "infty": "inf", "PINF": "inf", "NaN": "nan", "product": "prod", "cumproduct": "cumprod",
    "alltrue": "all", "sometrue": "any", "round_": "round", "row_stack": "vstack", "in1d": "isin", "mat": "asmatrix",
    "trapz": "trapezoid", "rank": "ndim",
}  # fmt: skip
#: With what each was, and what to write.
_NAMES: dict[str, tuple[Any, str]] = {
    **{old: (getattr(builtins, new), new) for old, new in _OF_PYTHON.items()},
    **{old: (getattr(np, new, None), f"np.{new}") for old, new in _OF_NUMPY.items()},
    "NINF": (-np.inf, "-np.inf"),
    "PZERO": (0.0, "0.0"),
    "NZERO": (-0.0, "-0.0"),
    "asscalar": (lambda a: np.asarray(a).item(), "a.item()"),
    "asfarray": (lambda a, dtype=float: np.asarray(a, dtype=dtype), "np.asarray(a, dtype=float)"),
    "msort": (lambda a: np.sort(a, axis=0), "np.sort(a, axis=0)"),
    "find_common_type": (lambda arrays, scalars: np.result_type(*arrays, *scalars), "np.result_type"),
}
OLD_NAMES = frozenset(name for name in _NAMES if name not in dir(np))


class Numpy(types.ModuleType):
    """numpy, with the names it once had."""

    def __init__(self) -> None:
        super().__init__("numpy")
        vars(self).update({name: value for name, value in vars(np).items() if name != "__getattr__"})

    def __getattr__(self, name: str) -> Any:
        if name not in OLD_NAMES:
            return getattr(np, name)
        value, new = _NAMES[name]
        note(f"np.{name}", new)
        return value


#: What code gets for numpy.
NUMPY = Numpy()


class Cupy(Numpy):
    """numpy in the place of cupy, which has the same names."""

    cuda = types.SimpleNamespace(Device=lambda *given: types.SimpleNamespace(use=lambda: None))

    @staticmethod
    def asnumpy(array: Any, *_: Any, **__: Any) -> np.ndarray:
        """An array of the processor's memory: what everything is here."""
        return np.asarray(array)

    @staticmethod
    def get_array_module(*_: Any) -> Any:
        """The module that these arrays belong to: what code gets for numpy, so that ``xp is np`` is true."""
        return NUMPY


def _as_written(*given: Any, **_: Any) -> Any:
    """A decorator that leaves a function or a class as it is, with arguments in front of it or without."""
    plain = len(given) == 1 and isinstance(given[0], types.FunctionType | type | staticmethod)
    return given[0] if plain else lambda function: function


class Numba(types.ModuleType):
    """numba, with functions left in Python: they are the same functions, their lines can be quoted, and nothing is compiled."""

    jit = njit = jitclass = stencil = staticmethod(_as_written)
    prange = range
    vectorize = staticmethod(lambda *given, **_: np.vectorize(given[0]) if callable(given[0]) else np.vectorize)

    def __getattr__(self, name: str) -> Any:
        if name in ("experimental", "types", "typed"):
            return self
        if name.startswith("__"):
            raise AttributeError(name)
        return _Type()


class _Type:
    """A type of numba's, as in ``float64[:, :](int64)``."""

    def __getitem__(self, _: Any) -> _Type:
        return self

    def __call__(self, *_: Any, **__: Any) -> _Type:
        return self

    def __getattr__(self, name: str) -> _Type:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def is_numpy(value: Any) -> bool:
    """Whether a value is numpy, or stands in for it."""
    return value is np or isinstance(value, Numpy)


def note(old: str, new: str) -> None:
    """Keep that an old way was used, with the line of the author's that did."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    file, line, within = frame.f_code.co_filename, frame.f_lineno, [frame.f_code.co_name]
    while frame.f_back is not None and not frame.f_back.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
        within.append(frame.f_code.co_name)
    use = Use(old, new, file, line, tuple(within))
    if use not in used:
        used.append(use)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Within it uses are not kept: they are said of the class that has them."""
    noted = len(used)
    try:
        yield
    finally:
        del used[noted:]


def say(report: Report, kind: type, since: int = 0) -> None:
    """Add to a report what a class did the old way, unless it is said there already.

    Parameters
    ----------
    since : how many uses were noted before the class was asked.
    """
    told = {f.message for f in report.findings}
    for use in used[since:]:
        if use.new.startswith(("import ", "from ")):
            wrong, text = "crash", f"{use.old} is not imported in {Path(use.file).name}: there it is a NameError."
            hint = f"{use.new}; what follows was checked as if it were there"
        else:
            of_python = use.old in _OF_PYTHON_2
            which, today = ("Python", f"Python {sys.version_info.major}") if of_python else ("NumPy", f"NumPy {np.__version__}")
            wrong, text = "old-numpy", f"this was written for an older {which}: {use.old} is {use.new} today."
            hint = f"write {use.new}; what follows was checked as if {today} had the old way still"
        if text in told:
            continue
        told.add(text)
        method = next((n for n in use.within if n != kind.__name__ and callable(getattr(kind, n, None))), "")
        where = f"{kind.__name__}.{method}" if method else kind.__name__
        report.findings.append(Finding(wrong, where, text, hint, line=Line(use.file, use.line)))


def _of_one(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def converted(value: Any = 0) -> Any:
        if isinstance(value, np.ndarray) and value.ndim and value.size == 1 and value.dtype.kind in "biuf":
            try:
                return kind(value)
            except TypeError:
                note(f"{kind.__name__}(array) of shape {value.shape}", f"{kind.__name__}(array.item())")
                return kind(value.item())
        return kind(value)

    return converted


def _xrange(*given: int) -> range:
    note("xrange", "range")
    return range(*given)


def _shape(value: Any = None) -> Any:
    if value is None:
        note("None as a shape", "()")
    return () if value is None else value


def _element(array: Any, index: Any, value: Any) -> Any:
    one = isinstance(value, np.ndarray) and value.ndim > 0 and value.size == 1
    if not (one and isinstance(array, np.ndarray) and array.dtype.kind in "iufb" and np.ndim(array[index]) == 0):
        return value
    note(f"a[i] = array of shape {value.shape}", "a[i] = array.item()")
    return value.item()


_OF_PYTHON_2 = {"xrange": _xrange}
#: Names for code that `rewritten` changed: they are to be among its builtins.
BUILTINS = {
    "__older_int__": _of_one(int), "__older_float__": _of_one(float), "__older_shape__": _shape, "__older_element__": _element,
    **_OF_PYTHON_2,
}  # fmt: skip


def _is_plain(node: ast.AST) -> bool:
    """Whether an expression can be evaluated twice: names, numbers, attributes, and what is reckoned of them."""
    kinds = (ast.Name, ast.Constant, ast.Attribute, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.Load, ast.operator, ast.unaryop)
    return all(isinstance(inner, kinds) for inner in ast.walk(node))


class _Calls(ast.NodeTransformer):
    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        place = node.targets[0]
        element = len(node.targets) == 1 and isinstance(place, ast.Subscript) and not isinstance(node.value, ast.Constant)
        if element and isinstance(place, ast.Subscript) and _is_plain(place.value) and _is_plain(place.slice):
            name = ast.copy_location(ast.Name("__older_element__", ast.Load()), node.value)
            node.value = ast.copy_location(ast.Call(name, [place.value, place.slice, node.value], []), node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        plain = isinstance(node.func, ast.Name) and node.func.id in ("int", "float") and not node.keywords
        if plain and len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
            node.func = ast.copy_location(ast.Name(f"__older_{node.func.id}__", ast.Load()), node.func)  # type: ignore[attr-defined]
        makes = isinstance(node.func, ast.Attribute) and node.func.attr in ("zeros", "ones", "empty", "full")
        none = makes and bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value is None
        if makes and node.args and (none or isinstance(node.args[0], ast.Name | ast.Attribute)):
            name = ast.copy_location(ast.Name("__older_shape__", ast.Load()), node.func)
            node.args[0] = ast.copy_location(ast.Call(name, [node.args[0]], []), node.args[0])
        return node


def rewritten(node: ast.stmt) -> ast.stmt:
    """A statement in which ``int(a)``, ``float(a)`` and ``b[i] = a`` take arrays of one number, and ``np.zeros(None)`` one."""
    changed: ast.stmt = _Calls().visit(node)
    return changed
