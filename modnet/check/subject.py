"""Any object with the handout's methods, made safe to question.

Every probe works on a copy, so that no probe disturbs another and the object itself stays as it was. Arrays that share memory
share it in the copy too: a student's ``self.W`` may be a view of ``self._parameters``. numpy's global generator is set to
the same state before every call and put back afterwards: a module that draws then draws the same.
"""

from __future__ import annotations

import copy
import inspect
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from modnet.check.report import Line, visible
from modnet.engine.program import is_ours
from modnet.module import Module
from modnet.modules.container import Container

_HERE = str(Path(__file__).parent)
_LIBRARY = str(Path(__file__).parents[1])


class Misbehaviour(Exception):
    """A call that raised, or returned nothing an array can be made of.

    Attributes
    ----------
    kind : "crash", "not-implemented" or "shape". message : in a sentence. line : the student's own line, if there is one.
    """

    def __init__(self, kind: str, message: str, line: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.line = kind, message, line


@contextmanager
def same_draws(seed: int = 20240229) -> Iterator[None]:
    """Within it numpy's global generator starts from one fixed state; afterwards it is where it was."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def call(name: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method of a stranger's; what it raises becomes a `Misbehaviour` with the stranger's line."""
    try:
        with same_draws(), np.errstate(all="ignore"):
            return method(*arguments)
    except NotImplementedError as error:
        raise Misbehaviour("not-implemented", f"{name} raises NotImplementedError") from error
    except Exception as error:  # a stranger's code may raise anything
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_HERE)]
        others = [f for f in frames if "site-packages" not in f.filename and f.line]
        # The student's own line, if there is one, rather than the line of ours that it called wrongly.
        own = next((f for f in reversed(others) if not f.filename.startswith(_LIBRARY)), others[-1] if others else None)
        line = "" if own is None else Line(own.filename, own.lineno or 0, own.line or "")
        text = " ".join(visible(str(error), 400).split())
        kind = "memory" if isinstance(error, MemoryError) else "crash"
        raise Misbehaviour(kind, f"{name} raises {type(error).__name__}: {text}", line) from error


class Subject:
    """A module under examination.

    Parameters
    ----------
    module : any object with forward.
    x : (batch, ...), what it is examined at.
    """

    def __init__(self, module: Any, x: np.ndarray) -> None:
        self.original, self.x = module, x
        self.name = type(module).__name__
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.random = self.batch_statistics = False
        self.out = np.empty(0)
        self._others: dict[str, np.ndarray] = {}

    def examine(self) -> None:
        """Look at what it is: its output, its number type, whether it draws. A `Misbehaviour` if forward fails."""
        module = self.fresh()
        given = self.x.copy()
        raw = call("forward", module.forward, given)
        self.out = as_output(raw, "forward", len(self.x))
        kinds = [a.dtype for a in arrays(module, _PARAMETERS).values()] + [
            getattr(raw, "dtype", None),
            getattr(module, "dtype", None),
        ]
        if any(kind in (np.float32, np.float16) for kind in kinds):
            self.dtype = np.dtype(np.float32)
        again = [as_output(call("forward", module.forward, self.x.copy()), "forward", len(self.x)) for _ in range(2)]
        with same_draws(), np.errstate(all="ignore"):
            np.random.seed(7)  # noqa: NPY002
            again.append(np.array(module.forward(self.x.copy()), np.float64))
        self.random = any(a.shape != self.out.shape or not np.array_equal(a, self.out, equal_nan=True) for a in again)
        # Equal numbers hide mistakes: all weights 1, a bias of 0. Probes are made at others.
        for i, (name, array) in enumerate(parameters(module).items()):
            if array.size and np.ptp(array) == 0 and array.flags.writeable:
                self._others[name] = array + np.random.default_rng(i).uniform(0.1, 0.4, array.shape).astype(array.dtype)
        if self._others:
            try:
                changed = as_output(call("forward", self.fresh().forward, self.x.copy()), "forward", len(self.x))
            except Misbehaviour:
                self._others = {}
            else:
                if np.isfinite(changed).all():
                    self.out = changed
                else:
                    self._others = {}

    def fresh(self) -> Any:
        """A copy to do as one likes with."""
        module = copied(self.original)
        if self._others:
            held = parameters(module)
            for name, values in self._others.items():
                held[name][...] = values
        return module

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """forward(x) as a float64 array."""
        if module is None or self.random:
            module = self.fresh() if module is None else copied(module)
        return as_output(call("forward", module.forward, x.copy()), "forward", len(x))

    def delta(self, x: np.ndarray, delta: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """backward_delta(x, delta) of a fresh copy that was last forwarded on `before`."""
        module = self.fresh()
        call("forward", module.forward, (x if before is None else before).copy())
        answer = call("backward_delta", module.backward_delta, x.copy(), delta.copy())
        return as_output(answer, "backward_delta", len(x))

    def gradients(
        self, x: np.ndarray, delta: np.ndarray, times: int = 1, before: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Every array that may be a gradient after so many calls on a fresh copy whose gradients were set to zero."""
        module = self.fresh()
        if callable(getattr(module, "zero_grad", None)):
            call("zero_grad", module.zero_grad)
        for _ in range(times):
            call("forward", module.forward, (x if before is None else before).copy())
            call("backward_update_gradient", module.backward_update_gradient, x.copy(), delta.copy())
        return gradients(module)

    @property
    def has_gradient(self) -> bool:
        """Whether it has a backward_update_gradient at all."""
        return callable(getattr(self.original, "backward_update_gradient", None))

    def says(self, *words: str) -> bool:
        """Whether the class or its methods mention one of these words in names or docstrings."""
        kind = type(self.original)
        text = " ".join([kind.__name__, *(str(k.__doc__ or "") for k in kind.__mro__[:-1])]).lower()
        return any(word in text for word in words)

    def quote(self, method: str, *patterns: str) -> str:
        """The student's own line of a method that fits one of the patterns, the last of the best pattern; empty if none."""
        return quote(type(self.original), method, *patterns)


def quote(kind: type, method: str, *patterns: str) -> str:
    """The last line of a method that fits the first of the patterns any line fits, as "line 12: return ..."; else empty."""
    try:
        function = inspect.unwrap(getattr(kind, method))
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, AttributeError):
        return ""
    if str(inspect.getsourcefile(function)).startswith(str(Path(_HERE).parent)):
        return ""  # the library's own lines are no student's
    code = [(first + i, re.sub(r"\s+#.*", "", line).strip()) for i, line in enumerate(lines)]
    for pattern in patterns:
        fitting = [(i, text) for i, text in code if re.search(pattern, text) and not text.startswith(("def ", "#", '"'))]
        if fitting:
            return Line(function.__code__.co_filename, *fitting[-1])
    return ""


# --- copies ----------------------------------------------------------------------------------------------------------


def copied(value: Any) -> Any:
    """A deep copy in which arrays that shared memory still do; the object itself if it can't be copied."""
    memo: dict[int, Any] = {}
    roots: dict[int, np.ndarray] = {}
    for array in _all_arrays(value, set()):
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root is array or not root.flags.owndata or id(array) in memo:
            continue
        twin = roots.get(id(root))
        if twin is None:
            twin = roots[id(root)] = memo[id(root)] = root.copy(order="K")
            if twin.strides != root.strides:
                del roots[id(root)], memo[id(root)]
                continue
        offset = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        memo[id(array)] = np.ndarray(array.shape, array.dtype, twin, offset, array.strides)
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a stranger's object may hold what can't be copied, such as an open file
        return value


def _all_arrays(value: Any, seen: set[int], depth: int = 0) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif id(value) not in seen and depth < 6:
        seen.add(id(value))
        if isinstance(value, Container):  # it copies its own numbers; a student's modules may be in it
            yield from _all_arrays(list(value), seen, depth + 1)
        elif is_ours(value):
            return
        elif isinstance(value, dict):
            for item in value.values():
                yield from _all_arrays(item, seen, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from _all_arrays(item, seen, depth + 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(getattr(value, "__code__", None)):
            yield from _all_arrays(vars(value), seen, depth + 1)


# --- parameters and gradients ----------------------------------------------------------------------------------------

_PARAMETERS, _GRADIENT = "_parameters", "_gradient"
_KEPT = re.compile(
    r"grad|last|cache|input|output|saved|mask|running|moving|mean|var|std|veloc|moment|^_?(x|z|y|out|d[a-z]?)$", re.I
)
_TRAINED = re.compile(r"bias|biais|weight|poids|param|theta|gamma|beta|filt|kernel|^_*[wb]\d*$|_[wb]$", re.I)


def arrays(module: Any, attribute: str) -> dict[str, np.ndarray]:
    """The float arrays in one attribute by name, through dicts, lists and modules within: ``_parameters['W']``."""
    if not hasattr(module, "__dict__"):
        return {}
    if is_of_library(module):
        return _flat_arrays(module, attribute)
    found: dict[str, np.ndarray] = {}
    _collect(found, attribute, getattr(module, attribute, None))
    for name, value in vars(module).items():
        items = enumerate(value) if isinstance(value, list | tuple) else [(None, value)]
        for i, item in items:
            if _is_module(item):
                inner = arrays(item, attribute)
                found.update({f"{name}{'' if i is None else f'[{i}]'}.{key}": array for key, array in inner.items()})
    return found


def is_of_library(module: Any) -> bool:
    """Whether a module's numbers are the library's affair: one of its own, or a container."""
    return is_ours(module) or isinstance(module, Container)


def _flat_arrays(module: Any, attribute: str) -> dict[str, np.ndarray]:
    """The one flat vector of a module of the library; of a container with other modules in it, what each of them has."""
    leaves = list({id(leaf): leaf for leaf in module.leaves()}.values())
    if isinstance(module, Container) and not all(map(is_ours, leaves)):
        held = {f"{type(leaf).__name__} {i}": arrays(leaf, attribute) for i, leaf in enumerate(leaves)}
        return {f"{place}: {name}": array for place, found in held.items() for name, array in found.items()}
    flat = module.parameters if attribute == _PARAMETERS else module.gradient
    return {attribute: flat} if flat is not None and flat.size else {}


def named(module: Any) -> dict[str, np.ndarray]:
    """The parameter arrays by the names that a class of the library declares, else `parameters`."""
    if isinstance(module, Module) and type(module).layout.parameters:
        return module.named_parameters()
    return parameters(module)


def parameters(module: Any) -> dict[str, np.ndarray]:
    """The arrays that may be parameters: `_parameters`, and what else forward may depend on."""
    found = arrays(module, _PARAMETERS)
    if is_of_library(module) or not hasattr(module, "__dict__"):
        return found
    for name, value in vars(module).items():
        if name not in (_PARAMETERS, _GRADIENT) and not _KEPT.search(name.strip("_")) and not _is_module(value):
            extra: dict[str, np.ndarray] = {}
            _collect(extra, name, value)
            # self.W may be another name, or a view, of what _parameters holds.
            found.update({n: a for n, a in extra.items() if a.size and not any(np.shares_memory(a, b) for b in found.values())})
    return found


def gradients(module: Any) -> dict[str, np.ndarray]:
    """Copies of the arrays that may be gradients; the gradient of ``_parameters['W']`` has the same name."""
    found = {name.replace(_GRADIENT, _PARAMETERS): array for name, array in arrays(module, _GRADIENT).items()}
    if not is_of_library(module) and hasattr(module, "__dict__"):
        for name, value in vars(module).items():
            if name not in (_PARAMETERS, _GRADIENT) and not _is_module(value):
                _collect(found, name, value)
    return {name: np.array(array, np.float64) for name, array in found.items()}


def looks_trained(name: str) -> bool:
    """Whether an attribute of this name is meant to learn; others may be constants."""
    return "_parameters" in name or bool(_TRAINED.search(name.split("[")[0].strip("_")))


def _collect(found: dict[str, np.ndarray], name: str, value: Any) -> None:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        found[name] = value
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(found, f"{name}[{key!r}]", item)
    elif isinstance(value, list | tuple) and not any(_is_module(item) for item in value):
        for i, item in enumerate(value):
            _collect(found, f"{name}[{i}]", item)


def _is_module(value: Any) -> bool:
    return callable(getattr(value, "forward", None)) and hasattr(value, "__dict__") and not isinstance(value, type)


def as_output(value: Any, name: str, batch: int) -> np.ndarray:
    """What a method returned, as a float64 array with a row an example; else a `Misbehaviour`."""
    if value is None:
        raise Misbehaviour("not-implemented", f"{name} returns None")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Misbehaviour("crash", f"{name} returns {type(value).__name__}, expected an array of numbers") from error
    if array.ndim == 0 or array.shape[0] != batch:
        raise Misbehaviour("shape", f"{name} returns shape {array.shape}, expected ({batch}, ...): one row an example")
    return array
