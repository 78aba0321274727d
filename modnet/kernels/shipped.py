"""Machine code that came with this installation: kernels that run without numba, and without a wait.

A wheel may bring object code of the library's kernels, made where the wheel was made, for each level of processors
(`modnet.kernels.target`); `.ci/machine_code.py` of the source archive makes it. A kernel is looked up by the sources that it
is made of, as they were when they were imported: code of an edited source is not found, and the kernel is compiled. So are
all kernels if this process, its libraries or its processor are not those that the code was made for.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding

from modnet.kernels.cache import KernelCache
from modnet.kernels.jit import switches
from modnet.kernels.keys import kernels_key, version_of
from modnet.kernels.loading import Refused, load
from modnet.kernels.target import levels

FOLDER = Path(__file__).parents[1] / "_machine"
FORMAT = 1

def minor(version: str) -> str:
    """The first two numbers of a version."""
    return ".".join(version.split(".")[:2])


def made_for() -> dict[str, Any]:
    """What machine code depends on beside its sources and the level of the processor."""
    return {
        "format": FORMAT, "triple": llvmlite.binding.get_process_triple(), "numba": minor(version_of("numba")),
        "llvmlite": minor(llvmlite.__version__), "head": object.__basicsize__,
    }  # fmt: skip


class Bundle:
    """The code for one level of processors.

    Parameters
    ----------
    level : of processors. index : what the file of that name says.
    """

    def __init__(self, level: str, index: dict[str, Any]) -> None:
        self.level, self.objects, self.streams = level, index["objects"], index["streams"]
        self._read: dict[str, bytes] = {}
        self.used = 0

    def code(self, stream: str, start: int, size: int) -> bytes:
        """A piece of one of the files, which are read whole."""
        if stream not in self._read:
            import lzma

            packed = (FOLDER / f"{self.level}.{stream}.xz").read_bytes()
            if hashlib.sha256(packed).hexdigest() != self.streams[stream]:
                raise Refused(f"{self.level}.{stream}.xz is not what was built")
            self._read[stream] = lzma.decompress(packed)
        return self._read[stream][start : start + size]

    def find(self, key: str) -> list[int] | None:
        """Load what has this key; the addresses of its functions, None if it is not there."""
        if key not in self.objects:
            return None
        _, stream, start, size, symbols, calls = self.objects[key]
        found = load(self.code(stream, start, size), symbols, calls)
        self.used += 1
        return found


def why_not() -> str:
    """Why the code of this installation is not used; empty if it is."""
    found = _bundle()
    return found if isinstance(found, str) else ""


def bundle() -> Bundle | None:
    """The code that serves here, if any does."""
    found = _bundle()
    return None if isinstance(found, str) else found


@cache
def _bundle() -> Bundle | str:
    if os.environ.get("MODNET_MACHINE_CODE") == "0":
        return "MODNET_MACHINE_CODE is 0"
    if not FOLDER.is_dir():
        return "this installation brings none"
    told = [name for name, value in switches().items() if name != "NUMBA_CPU_NAME" and value != ""]  # `levels` reads that name
    if told:
        return f"{told[0]} asks for other code"
    level = next((level for level in levels() if (FOLDER / f"{level}.json").exists()), None)
    if level is None:
        return "it is for other processors"
    try:
        index = json.loads((FOLDER / f"{level}.json").read_text(encoding="utf-8"))
        here = made_for()
        other = [f"{name} {index['made_for'].get(name)}" for name in here if index["made_for"].get(name) != here[name]]
        return f"it was made for {', '.join(other)}" if other else Bundle(level, index)
    except (OSError, ValueError, KeyError) as error:
        return f"its index cannot be read: {error}"


def checks_bounds() -> bool:
    """Whether numba, if it is here already, was told in the program to make other code."""
    config = getattr(sys.modules.get("numba.core.config"), "BOUNDSCHECK", None)
    return bool(config)


def find(key: str | None) -> list[int] | None:
    """Load the code with a key; None if there is none that serves."""
    found = bundle()
    if found is None or key is None or checks_bounds():
        return None
    try:
        return found.find(key)
    except (Refused, OSError, ImportError) as error:
        _REFUSED.append(str(error))
        return None


_REFUSED: list[str] = []


def kernel(kept: KernelCache) -> int | None:
    """Where the code of a kernel lies, from this installation or the user's cache; None if numba has to be asked."""
    found = None if bundle() is None else find(kept.of_sources())
    if found is not None:
        return found[0]
    return kept.load() or (kept.load() if any(wait(kept) for wait in AT_WORK) else None)


#: Each waits until another process has compiled a kernel, if one is at it, and says whether one was.
AT_WORK: list[Callable[[KernelCache], bool]] = []


def is_here(kept: KernelCache) -> bool:
    """Whether a kernel need not be compiled."""
    found = bundle()
    if found is not None and kept.of_sources() in found.objects:
        return True
    path = kept.path()
    return path is not None and path.exists()


def entries_key() -> str | None:
    """The key of the entries from Python, all in one object."""
    found = kernels_key()
    return found and f"entries-{found}"
