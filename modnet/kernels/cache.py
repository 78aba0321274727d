"""The folder of compiled code: what a kernel is kept under, and whose files are trusted.

Compiling a kernel takes 70 ms and more, loading one 1 to 4 ms. Each kernel and element type is a file of its own, named by all
that its machine code depends on: the files of `modnet.kernels`; its own code as it was imported, with the helpers and constants
that it reads, wherever they are written; names and places of its numbers; the folder by the versions of Python, numba, LLVM and
the processor. So an edit elsewhere recompiles nothing, and code compiled for anything else is never loaded. Files are written
whole and then renamed: several processes can fill the folder at once.

A file is a hash of what follows, a line, and the code. The line says which function of an object it is and what it calls;
llvmlite loads such an object by itself. It is empty if the code calls what only numba has, such as Python from a user's kernel,
or if objects of this system are not understood (`modnet.kernels.objects`): then numba's own form follows, and numba loads it.

What lies there is machine code that is run. The default places are read only if they are the user's own: no link, nobody
else's, and writable for nobody else. ``MODNET_CACHE_DIR`` is trusted because somebody chose it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import llvmlite.binding

from modnet.kernels import keys
from modnet.kernels.jit import switches
from modnet.kernels.loading import BEFORE_LOADING, Refused, load

_DAYS_UNUSED = 30  # a folder of another version, unused for so long, is removed

def _candidates() -> list[Path]:
    chosen = os.path.expanduser(os.environ.get("MODNET_CACHE_DIR", ""))
    if chosen:
        return [] if chosen.startswith("~") else [Path(chosen).absolute()]  # of a user without a home
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        home = os.path.join(os.path.expanduser("~"), "Library", "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    # A user without a home has it at "~", which would be a folder of that name wherever the program runs.
    found = [Path(home) / "modnet"] if os.path.isabs(home) else []
    with contextlib.suppress(OSError):  # there is no temporary folder where nothing is writable
        found.append(Path(tempfile.gettempdir()) / f"modnet-{user}")
    return found


def _usable(folder: Path) -> bool:
    """Whether kernels may be written to, or read from, this folder."""
    chosen = _is_chosen()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o777 if chosen else 0o700)
    if chosen:
        return folder.is_dir()
    return _is_ours(folder, os.lstat) and os.access(folder, os.W_OK)


def _is_chosen() -> bool:
    """Whether somebody has chosen the folder, and so trusts it."""
    return bool(os.environ.get("MODNET_CACHE_DIR"))


def _is_ours(path: Any, look: Callable[[Any], os.stat_result]) -> bool:
    """Whether a folder or file is the user's own: no link, nobody else's, and nobody else may write to it."""
    try:
        found = look(path)
    except OSError:
        return False
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def _read(path: Path) -> bytes:
    """The content of a file that may be trusted; empty if there is none."""
    if _is_chosen():
        return path.read_bytes()
    if not _is_ours(path.parent, os.lstat):
        return b""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        return file.read() if _is_ours(file.fileno(), os.fstat) else b""


_folder: list[Path | None] = []


def cache_folder() -> Path | None:
    """The folder of compiled kernels, or None if there is none.

    It lies in ``$MODNET_CACHE_DIR`` if that is set (a read-only one is read), else in the user's cache folder, else in the
    folder for temporary files.
    """
    if not _folder:
        found = next((base for base in _candidates() if _usable(base)), None)
        if found is not None:
            processor = repr((llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()))
            made_by = repr((switches(), llvmlite.__version__, object.__basicsize__))
            version = f"py{sys.version_info.major}{sys.version_info.minor}-numba{keys.version_of('numba')}"
            base, found = found, found / f"{version}-{_short(processor)}-{_short(made_by)}"
            _remove_old(base, found)
        _folder.append(found)
    return _folder[0]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _remove_old(base: Path, current: Path) -> None:
    """Remove folders unused for long; the time of one is that of its last use."""
    limit = time.time() - 86400 * _DAYS_UNUSED
    with contextlib.suppress(OSError):
        os.utime(current)
    with contextlib.suppress(OSError):
        for folder in list(base.iterdir()):
            if "-numba" in folder.name and folder != current and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)


def kept(path: Path | None) -> bytes:
    """What a file of the folder holds after its hash; empty if it is not there, not whole or not to be trusted."""
    if path is None:
        return b""
    try:
        content = _read(path)
    except OSError:
        return b""
    return content[32:] if content[:32] == hashlib.sha256(content[32:]).digest() else b""


def keep(path: Path | None, content: bytes) -> None:
    """Write a file of the folder, if that can be."""
    if path is None:
        return
    part = path.with_name(f"{path.stem}-{os.urandom(8).hex()}.part")
    mode = 0o777 if _is_chosen() else 0o700
    with contextlib.suppress(OSError):  # read-only or full: the kernel works, it is only not kept
        path.parent.mkdir(parents=True, exist_ok=True, mode=mode)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode & 0o666)
            with open(descriptor, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def path_of_entry(name: str) -> Path | None:
    """The file of a way into compiled code, by its name and the files of `modnet.kernels`; None if there is no folder."""
    folder = cache_folder()
    return folder and folder / f"{name}-{hashlib.sha256(keys.kernels()[0]).hexdigest()[:24]}.entry"


def keep_object(path: Path | None, code: bytes, symbol: str, calls: Iterable[str]) -> None:
    """Write an object, and what `load_object` needs to know of it."""
    keep(path, json.dumps({"symbol": symbol, "calls": [*calls]}).encode() + b"\n" + code)


def load_object(path: Path | None) -> int | None:
    """Where the code of a file lies, now that it is loaded; None if there is no object that serves."""
    told, _, code = kept(path).partition(b"\n")
    try:
        told = json.loads(told)
        return load(code, [told["symbol"]], told["calls"])[0]
    except (ValueError, Refused):  # numba's form has nothing in the line
        return None


class KernelCache:
    """One file for each function and its arguments.

    numba's own cache is keyed by the file of the function alone, so it goes stale when a helper in another file changes,
    and keeps an index that two processes can leave pointing at each other's code. It also refuses to be made at all where
    nothing can be written.

    Parameters
    ----------
    function : what is compiled.
    beside : what else the machine code depends on: functions that are compiled in, and anything with a telling repr.
    name : of the file, for people.
    kind : its arguments, in words of our own. dtype : their element type, None if they have none.

    Attributes
    ----------
    compiled : of the class: how many kernels this process has compiled, because they were not there.
    """

    compiled = 0

    def __init__(
        self, function: Callable[..., Any], beside: Iterable[Any] = (), name: str = "", kind: str = "", dtype: Any = None
    ) -> None:
        self.kind, self.dtype = kind, dtype
        self._functions: list[Any] = [function, *(part for part in beside if isinstance(part, FunctionType))]
        self._texts = [repr(part) for part in beside if not isinstance(part, FunctionType)]
        self.name = name or function.__name__.strip("<>")
        self._of_library = False

    def _told(self) -> list[str]:
        return [self.name, self.kind, repr(self.dtype and self.dtype.str), *self._texts]

    def path(self) -> Path | None:
        """The file, whether it is there or not; None if there is no folder."""
        folder = cache_folder()
        if folder is None:
            return None
        modules: dict[int, str] = {}
        digest = hashlib.sha256(keys.kernels()[0])
        for part in self._told():
            digest.update(part.encode() + b"\0")
        for function in self._functions:
            for part in keys.content(function, modules):
                digest.update(part.encode() + b"\0")
        self._of_library = all(map(keys.is_of_library, modules.values()))
        return folder / f"{self.name}-{digest.hexdigest()[:24]}.kernel"

    def of_sources(self) -> str | None:
        """A key of what the machine code is made of, the same for every Python and processor; None if it is not certain."""
        kernels, modules = keys.kernels_key(), dict[int, str]()
        if kernels is None:
            return None
        digest = hashlib.sha256(kernels.encode())
        for part in self._told():
            digest.update(part.encode() + b"\0")
        for function in self._functions:
            for part in keys.content(function, modules, by_code=False):
                digest.update(part.encode() + b"\0")
        for module in sorted(set(modules.values()) - keys.kernels()[1]):
            source = keys.certain_source(module) if keys.is_of_library(module) else None
            if source is None:
                return None
            digest.update(module.encode() + source)
        return digest.hexdigest()[:24]

    def load(self) -> int | None:
        """Where the code lies, loaded without numba; None if it is not there in that form."""
        return load_object(self.path())

    def save(self, code: bytes, symbol: str, calls: Iterable[str]) -> None:
        """Keep an object that has just been compiled."""
        KernelCache.compiled += 1
        keep_object(self.path(), code, symbol, calls)

    def load_numbas(self) -> Any:
        """What numba has compiled, loaded by it; None if the code is not there in numba's form."""
        told, _, content = kept(self.path()).partition(b"\n")
        if told or not content:
            return None
        from numba.core.compiler import CompileResult
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.registry import cpu_target
        from numba.core.runtime import rtsys

        for prepare in BEFORE_LOADING:
            prepare()
        context = cpu_target.target_context
        if self._of_library:
            # All that the machine code of the library's kernels refers to. A whole refresh, which makes everything known that
            # might be compiled, takes 0.1 s.
            rtsys.initialize(context)
        else:
            context.refresh()
        with global_compiler_lock:
            return CompileResult._rebuild(context, *pickle.loads(content))

    def save_numbas(self, made: Any) -> None:
        """Keep what numba has just compiled."""
        from numba.core import serialize

        KernelCache.compiled += 1
        if not made.library.has_dynamic_globals:  # addresses of this process
            keep(self.path(), b"\n" + serialize.dumps(made._reduce()))
