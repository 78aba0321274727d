"""numba, imported when the first kernel is compiled: kernels that are shipped run without it.

What kernels are written with at import, `intrinsic` and `types`, stands for numba's until then; whatever else makes numba know
something, a function decorated with `at_first_compile`, waits until then, too.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def _jit_is_disabled() -> bool:
    """Whether NUMBA_DISABLE_JIT is set, as numba reads it: from the environment, or from a file in the working folder."""
    if Path(".numba_config.yaml").exists():
        return bool(import_module("numba.core.config").DISABLE_JIT)
    try:
        return bool(int(os.environ.get("NUMBA_DISABLE_JIT") or 0))
    except ValueError:
        return bool(import_module("numba.core.config").DISABLE_JIT)  # with numba's own warning


JIT_DISABLED = _jit_is_disabled()

#: Settings of numba that change the code it makes, by their variables, and what they usually are.
_SWITCHES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "NUMBA_OPT": ("OPT", (3,)), "NUMBA_BOUNDSCHECK": ("BOUNDSCHECK", (None, 0)), "NUMBA_ENABLE_AVX": ("ENABLE_AVX", (1,)),
    "NUMBA_CPU_NAME": ("CPU_NAME", (None,)), "NUMBA_CPU_FEATURES": ("CPU_FEATURES", (None,)),
    "NUMBA_LOOP_VECTORIZE": ("LOOP_VECTORIZE", (1,)), "NUMBA_SLP_VECTORIZE": ("SLP_VECTORIZE", (0,)),
    "NUMBA_DEBUGINFO": ("DEBUGINFO_DEFAULT", (0,)),
}  # fmt: skip


def switches() -> dict[str, Any]:
    """What numba was told that changes the code it makes: by the environment, a file, or in the program."""
    told = {name: os.environ[name] for name in _SWITCHES if name in os.environ}
    config = sys.modules.get("numba.core.config")
    is_read_by_numba = Path(".numba_config.yaml").exists() or any(value for name, value in told.items() if "CPU" not in name)
    if config is None and is_read_by_numba:
        config = import_module("numba.core.config")  # which reads numbers as numba does; names are taken as they are
    if config is not None:
        told = {name: getattr(config, attribute) for name, (attribute, _) in _SWITCHES.items() if hasattr(config, attribute)}
    return {name: value for name, value in told.items() if value not in _SWITCHES[name][1]}


class cached_property:
    """As functools' own, without the lock of Python 3.11, which a forked child would wait for if another thread had it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        found = instance.__dict__[self.name] = self.function(instance)
        return found


class Later:
    """A module of numba, imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


types: Any = Later("numba.core.types")
cgutils: Any = Later("numba.core.cgutils")


class Intrinsic:
    """A function that emits instructions, as `numba.extending.intrinsic` makes it of a function that types them.

    Parameters
    ----------
    definition : from the typing context and the types of the arguments to a signature and what emits the code.
    takes_memory : whether an array that it gives has memory of its own, and is no view.
    """

    takes_memory = False

    def __init__(self, definition: Callable[..., Any]) -> None:
        self._defn = definition
        self.__name__, self.__doc__, self.__module__ = definition.__name__, definition.__doc__, definition.__module__

    def __call__(self, *arguments: Any) -> Any:
        raise NotImplementedError(f"{self.__name__} can only be called in a kernel that is compiled")

    @cached_property
    def type(self) -> Any:
        """Its type, by which numba finds the definition."""
        from numba.core.typing.templates import make_intrinsic_template

        return types.Function(make_intrinsic_template(self, self._defn, self.__name__))


def intrinsic(definition: Callable[..., Any]) -> Any:
    """Decorator: as `numba.extending.intrinsic`."""
    return Intrinsic(definition)


_WAITING: list[Callable[[], None]] = []
_LOCK = threading.RLock()
_known = False


def at_first_compile(tell: Callable[[], None]) -> Callable[[], None]:
    """Decorator: call a function once, before the first kernel is compiled; at once if that has been."""
    with _LOCK:
        if _known:
            tell()
        else:
            _WAITING.append(tell)
    return tell


def overload(function: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
    """Decorator: as `numba.extending.overload`; the options are those of compilation."""

    def register(choose: Any) -> Any:
        at_first_compile(lambda: _extending().overload(function, jit_options={**options, **helper()})(choose))
        return choose

    return register


def register_jitable(**options: Any) -> Callable[[Any], Any]:
    """Decorator: as `numba.extending.register_jitable`."""

    def register(function: Any) -> Any:
        at_first_compile(lambda: _extending().register_jitable(**options, **helper())(function))
        return function

    return register


def _extending() -> Any:
    return import_module("numba.extending")


def helper() -> dict[str, Any]:
    """Options of a function that only compiled functions call: no wrappers for Python, and no machine code of its own."""
    from modnet.kernels.compiling import Compiler

    return {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": Compiler}


def numba() -> Any:
    """The module numba, which then knows all that kernels are written with."""
    global _known
    module = import_module("numba")
    with _LOCK:
        if not _known:
            from numba.extending import typeof_impl

            typeof_impl.register(Intrinsic)(lambda value, context: value.type)
            _spare_scipy()
            _known = True
            while _WAITING:
                _WAITING.pop(0)()
    return module


def _spare_scipy() -> None:
    """SciPy takes 0.15 s, and numba imports it before its first compilation, only to see whether it is there."""
    linalg: Any = import_module("numba.np.linalg")
    ensure = linalg.ensure_blas
    if find_spec("scipy") is not None:
        linalg.ensure_blas = lambda: None
    try:
        import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = ensure


@cache
def element_types() -> dict[Any, Any]:
    """From numpy's element types to numba's, of those that kernels are compiled for."""
    import numpy as np

    return {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}
