"""``python -m modnet warmup``: compile all kernels into the cache, so that nothing waits later."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modnet.cli.doctor import count_kernels
from modnet.discovery import all_losses, all_modules, all_optimizers
from modnet.engine.joints import JOINTS
from modnet.kernels import ahead, shipped
from modnet.kernels.cache import KernelCache, cache_folder
from modnet.kernels.compiled import Compiled
from modnet.kernels.jit import JIT_DISABLED
from modnet.kernels.operation import Operation


def warmup(options: argparse.Namespace) -> int:
    """Compile all kernels, of one type or of both, into the cache; print how many, how long it took and where they are.

    Returns
    -------
    int
        0; 1 if they could not be kept.
    """
    if JIT_DISABLED:
        print("NUMBA_DISABLE_JIT is set: kernels run as plain Python, there is nothing to compile")
        return 0
    began = time.perf_counter()
    dtypes = ("float32", "float64") if options.dtype == "both" else (options.dtype,)
    work = [(compile, np.dtype(dtype)) for compile in kernels() for dtype in dtypes]
    folder = cache_folder()
    kept, before = _count(folder), KernelCache.compiled
    progress, last = None, began
    if sys.stderr.isatty():
        from tqdm import tqdm

        progress = tqdm(total=len(work), desc="kernels", leave=False)

    def show(done: int) -> None:
        nonlocal last
        if progress is not None:
            progress.update(max(0, done - progress.n))
        elif time.perf_counter() - last > 5:
            last = time.perf_counter()
            print(f"{done} of {len(work)} kernels", flush=True)

    once = {_key(*each): each for each in reversed(work)}  # the first of those with one code
    others = ahead.begin(kernel for each in reversed(once.values()) for kernel in _named(*each))
    if others is not None:
        others.finish(show)
    found = set()  # classes may have one code, and one that has no numbers of either type is one for both
    for done, (compile, dtype) in enumerate(work):
        show(done)
        found.add(compile(dtype))
    if progress is not None:
        progress.close()
    new, seconds = _count(folder) - kept, time.perf_counter() - began
    # By all processes, of which some may have compiled others meanwhile; or by this one without a folder.
    compiled = min(len(found), max(new, KernelCache.compiled - before))
    there = len(found) - compiled
    came = shipped.bundle()
    where = f"they are in {folder}" + (f"; {came.used} of them came with modnet" if came is not None else "")
    print(f"{compiled} kernels compiled, {there} were there already, {seconds:.1f} s; {where}")
    if new < compiled:
        print("modnet: not all of them could be kept, expected a folder to write to: set MODNET_CACHE_DIR", file=sys.stderr)
        return 1
    return 0


def kernels() -> list[Callable[[Any], Any]]:
    """Return, for every kernel there is, what compiles it for an element type: modules, losses, optimizers, and the walks."""
    classes = [*all_modules(), *all_losses(), *all_optimizers(), *JOINTS]
    pairs = {(operation, kind): None for kind in classes for operation in _operations(kind)}
    functions: dict[int, Compiled] = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("modnet."):
            functions.update({id(value): value for value in vars(module).values() if isinstance(value, Compiled)})
    return [*(partial(operation.compile, kind) for operation, kind in pairs), *(f.compile for f in functions.values())]


def _key(compile: Any, dtype: Any) -> Any:
    """What functions of `kernels` have in common that compile the same code."""
    if isinstance(compile, partial):
        return compile.func.__self__.key(*compile.args, dtype)  # type: ignore[attr-defined]
    return compile.__self__.cached(dtype).path()


def _named(compile: Any, dtype: Any) -> list[ahead.Kernel]:
    """What a function of `kernels` compiles, as another process is told of it."""
    if isinstance(compile, partial):
        return ahead.of_class(compile.args[0], [compile.func.__self__], dtype)  # type: ignore[attr-defined]
    return ahead.of_functions([compile.__self__], dtype)


def _operations(kind: Any) -> list[Operation]:
    return [found for name in kind.kinds if isinstance(found := getattr(kind, name, None), Operation)]


def _count(folder: Path | None) -> int:
    return 0 if folder is None else count_kernels([folder])[0]
