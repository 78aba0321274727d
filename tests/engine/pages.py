"""A script with every numpy array on memory pages of its own: who writes or reads where nothing is theirs dies there and then.

    python tests/engine/pages.py at_once.py --seconds 0.5
    python tests/engine/pages.py any_order.py --seconds 600 --log steps

Guard words (`guards`) show that something was written where it should not; pages show who did it, and who reads what has been
freed. `pages.c` is the memory; it needs Linux and a C compiler. With `-X faulthandler` Python prints where the process died.
An array that lives takes two of the regions that the system gives a process: `sysctl -w vm.max_map_count=2000000` for long runs.
"""

import ctypes
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import guards
import numpy as np

from modnet.kernels.memory import ALIGNMENT

HERE = Path(__file__).resolve().parent


class _Handler(ctypes.Structure):
    """numpy's PyDataMem_Handler: where it gets the memory of arrays."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


_GET_HANDLER = 305  # the place of PyDataMem_GetHandler in numpy's C API, from its version 1.22 on


def numpys_handler():
    """The handler that all threads use. numpy's own way to set one, a context variable, reaches one thread alone."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    functions = ctypes.cast(pointer(np._core.multiarray._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    capsule = ctypes.PYFUNCTYPE(ctypes.py_object)(functions[_GET_HANDLER])()
    return _Handler.from_address(pointer(capsule, b"mem_handler"))


def compiled(source):
    """A C file as a library."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "pages.so")
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", made, source], check=True)
        return ctypes.CDLL(str(made))


def aligned(size, dtype):
    """A vector of zeros whose last byte, rounded up to ALIGNMENT, is the last of its page."""
    dtype = np.dtype(dtype)
    count = size * dtype.itemsize
    return np.zeros(max(ALIGNMENT, -(-count // ALIGNMENT) * ALIGNMENT), np.uint8)[:count].view(dtype)


def install():
    """From now on every array of numpy's lies on pages of its own."""
    library, handler = compiled(HERE / "pages.c"), numpys_handler()
    if handler.name != b"default_allocator" or not library.pages_begin():
        raise SystemExit(f"numpy's memory is handled by {handler.name!r}, and cannot be replaced")
    for name in ("malloc", "calloc", "realloc", "free"):
        setattr(handler, name, ctypes.cast(getattr(library, f"pages_{name}"), ctypes.c_void_p).value)
    return library


class Pages(guards.Guards):
    """No guard words: the blocks end at a page that nobody may touch."""

    def aligned(self, size, dtype):
        return aligned(size, dtype)


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    guards.Guards = Pages
    install()
    sys.argv = [str(HERE / sys.argv[1]), *sys.argv[2:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
