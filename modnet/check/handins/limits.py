"""What keeps a process that runs a stranger's code within bounds, and lets none outlive the command that started it.

Two threads watch from inside, on any system: one waits for the process that started this one to end, one looks at processor
time and memory. The kernel's own limits come on top if it has any (POSIX), because a thread has no say while other code holds
the interpreter. What still goes on is ended by the process that waits for the answer, by the clock.
"""

from __future__ import annotations

import ast
import linecache
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from modnet.check.reading.lines import LIBRARY

try:
    import psutil  # the extra "check": memory is then bounded on systems whose kernel does not
except ImportError:
    psutil = None

_LARGEST_FILE = 64_000_000  # bytes that the code may write into one file
_LOOK = 0.05  # seconds


class Where(NamedTuple):
    """The line that a stranger's code is at, and the method by which it was entered; empty if that is not known."""

    method: str = ""
    file: str = ""
    line: int = 0


class Bounds:
    """Processor time and memory of what runs in this process.

    Parameters
    ----------
    seconds, gigabytes : what it may take. stopped : told what it took too much of, and `Where` the code is; then the process
        ends. One call of the stranger's that took the second half alone is "endless", or takes "memory"; of many calls, and of
        what is done between them, that cannot be said: it was "slow", or "large".
    """

    def __init__(self, seconds: float, gigabytes: float, stopped: Callable[[str, Where], None]) -> None:
        self.seconds, self.gigabytes, self.stopped = seconds, gigabytes, stopped
        self.main = threading.main_thread().ident
        self.over = threading.Event()
        self.begin()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def begin(self) -> None:
        """Count from now."""
        self.since = time.process_time()
        self.second_half: list[types.FrameType | bool | None] = [None, None]  # of time and of memory: the call that takes it
        _kernel_limits(self.seconds, self.gigabytes)

    def end(self) -> None:
        """Bound this process no more: before it forks, since a fork has none of its threads but all the locks they hold."""
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        process = None if psutil is None else psutil.Process()
        while not self.over.wait(_LOOK):
            what = ""
            try:
                rss = 0 if process is None else process.memory_info().rss
                shares = (time.process_time() - self.since) / self.seconds, rss / (self.gigabytes * 1e9)
                for i, (share, one, many) in enumerate(zip(shares, ("endless", "memory"), ("slow", "large"), strict=True)):
                    self.second_half[i] = None if share < 0.5 else self._still(self.second_half[i])
                    if share > 1:
                        what = one if self.second_half[i] else many
                if what:
                    self.stopped(what, self._where())
            except MemoryError:  # here, where next to none is needed
                what = "large"
                self.stopped(what, Where())
            if what:
                os._exit(1)

    def _still(self, before: types.FrameType | bool | None) -> types.FrameType | bool:
        """The call by which the main thread is in the stranger's code, if it is the one of before, or the first; else False."""
        frame, call = sys._current_frames().get(self.main or 0), None
        while frame is not None:
            call = frame if _is_theirs(frame.f_code.co_filename) else call
            frame = frame.f_back
        return call if call is not None and before in (None, call) else False

    def _where(self) -> Where:
        """The line of the stranger's code that the main thread is at."""
        now = sys._current_frames().get(self.main or 0)
        stack = traceback.extract_stack(now) if now is not None else []
        own = [f for f in stack if _is_theirs(f.filename) and f.line]
        for frame in own:
            line = _loop_around(frame.filename, frame.lineno or 0)
            if line:
                return Where(own[0].name, frame.filename, line)
        return Where(own[0].name, own[0].filename, own[0].lineno or 0) if own else Where()


_OURS = (LIBRARY, os.path.dirname(os.__file__), "<")


def _is_theirs(file: str) -> bool:
    """Whether code of this file is the stranger's."""
    return not file.startswith(_OURS) and "site-packages" not in file


def _loop_around(file: str, line: int) -> int:
    """The first line of the outermost loop around a line, a while before a for: the same wherever in it code was stopped."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return 0
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.While | ast.For) and n.lineno <= line <= (n.end_lineno or 0)]
    return min((not isinstance(n, ast.While), n.lineno) for n in loops)[1] if loops else 0


def _kernel_limits(seconds: float, gigabytes: float) -> None:
    """Bounds that hold while a stranger's code holds the interpreter; on Windows there are none of these."""
    try:
        import resource
    except ImportError:
        return

    def bound(what: int, limit: int) -> None:
        _, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        try:
            resource.setrlimit(what, (limit, hard))
        except (ValueError, OSError):  # a system that has the name and not the limit
            return

    used = resource.getrusage(resource.RUSAGE_SELF)
    bound(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 5)
    bound(resource.RLIMIT_FSIZE, _LARGEST_FILE)
    bound(resource.RLIMIT_CORE, 0)
    pages = Path("/proc/self/statm")
    if pages.exists():
        held = int(pages.read_text().split()[0]) * resource.getpagesize()
        bound(resource.RLIMIT_AS, held + int(gigabytes * 1e9))


def end_with(alive: Callable[[], Any], end: Callable[[], None]) -> None:
    """Have this process ended as soon as a call returns: one that waits for the process that started it."""

    def wait() -> None:
        try:
            alive()
        finally:
            end()

    threading.Thread(target=wait, daemon=True).start()


def end_group() -> None:
    """End this process and, on POSIX, all of its group if that is its own: at once, whatever they are doing."""
    global _refusing
    _refusing = False  # this one may
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


_REFUSED = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
            "pty.spawn", "socket.connect", "socket.bind"}  # fmt: skip
_refusing = False


def _hook(event: str, arguments: Any) -> None:
    kills_others = event == "os.killpg" or (event == "os.kill" and arguments[0] != os.getpid())
    if _refusing and (kills_others or event in _REFUSED):
        raise PermissionError(f"a hand-in that is being checked may not do this: {event}")


@contextmanager
def refused() -> Iterator[None]:
    """Within it, code in this process that starts or ends another, or opens a connection, gets a PermissionError."""
    global _refusing
    before, _refusing = _refusing, True
    try:
        yield
    finally:
        _refusing = before


sys.addaudithook(_hook)
