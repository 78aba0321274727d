"""Check many hand-ins at once, each in a process of its own that does not outlive this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any

from modnet.check.handins.examine import record_of, unchecked
from modnet.check.handins.loading import class_statements, looks_asked
from modnet.check.handins.options import Options
from modnet.check.handins.results import HandIn, Record
from modnet.check.handins.source import read

_LONGEST_LINE = 8_000_000  # characters of one answer
_STARTING = 60.0  # seconds that a process may take before it says anything: importing on a busy machine


def check_all(handins: list[HandIn], options: Options, progress: Callable[[HandIn], None] = lambda handin: None) -> None:
    """Examine every hand-in and fill in what was found. `progress` is told of each that is done."""
    at_once = min(options.jobs, len(handins)) or 1
    inside = max(1, options.jobs // at_once)
    running = _Running()
    with ThreadPoolExecutor(at_once) as pool:
        futures = {pool.submit(_examine, handin, options, inside, running): handin for handin in handins}
        try:
            for future in as_completed(futures):
                future.result()
                progress(futures[future])
        except BaseException:
            running.end_all()
            for future in futures:
                future.cancel()
            raise


class _Running:
    """The processes that run, to be ended if this one is interrupted."""

    def __init__(self) -> None:
        self.lock, self.processes, self.over = threading.Lock(), set[subprocess.Popen[bytes]](), False

    def start(self, scratch: str) -> subprocess.Popen[bytes]:
        """A process that waits for a task."""
        with self.lock:
            if self.over:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                [sys.executable, "-m", "modnet.check.handins.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                cwd=scratch,
                start_new_session=True,
            )
            self.processes.add(process)
            return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and what it started: its group, or by itself once nobody holds its input."""
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()  # what reads it ends itself
        if hasattr(os, "killpg") and process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                import signal

                os.killpg(process.pid, signal.SIGKILL)
        with suppress(OSError):
            process.kill()
        process.wait()
        with self.lock:
            self.processes.discard(process)

    def end_all(self) -> None:
        """End all, and start no more."""
        with self.lock:
            self.over, left = True, list(self.processes)
        for process in left:
            self.end(process)


def _environment() -> dict[str, str]:
    """No display, one thread for products, the same order of sets every time; the library before the folder of the hand-in."""
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONSTARTUP")}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]))
    # With a safe path, a hand-in's file named as a module of the library or of Python is not imported in its place.
    return kept | one | {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0", "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _examine(handin: HandIn, options: Options, jobs: int, running: _Running) -> None:
    """Examine a hand-in; if its process ends while it loads a file, once more without that file."""
    skip: list[str] = []
    while True:
        task = {
            "root": str(handin.root), "files": [str(f) for f in handin.files], "skip": skip, "jobs": jobs,
            "options": options.as_dict(), "wrong": [],
        }  # fmt: skip
        last = _attempt(handin, task, options, running)
        if last is None or last in skip or len(skip) > 5:
            return
        skip.append(last)


def _attempt(handin: HandIn, task: dict[str, Any], options: Options, running: _Running) -> str | None:
    """One process for a hand-in, from start to end. The file at which it ended, if it did while loading."""
    handin.records, handin.absent, handin.loops = [], {}, []
    handin.problems = [p for p in handin.problems if p["file"] in task["skip"]]
    handin.lost = [p for p in handin.lost if p["file"] in task["skip"]]
    loading, stopped, done = "", "", False
    asked: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="modnet-check-", ignore_cleanup_errors=True) as scratch:
        process = running.start(scratch)
        try:
            for event in _events(process, {**task, "scratch": scratch}, options.patience + _STARTING, running):
                for name in ("problems", "lost", "loops", "records"):
                    getattr(handin, name).extend(event.get(name, ()))
                handin.absent |= event.get("absent", {})
                loading = event.get("loading", loading)
                if "stopped" in event:
                    stopped = _why(event["stopped"], options, event["at"])
                if "asked" in event:
                    handin.names, asked = event["names"], event["asked"]
                done = done or "done" in event
        finally:
            running.end(process)
    order = [described["id"] for described in asked]
    handin.records.sort(key=lambda r: order.index(r["id"]))
    if done:
        return None
    if loading:
        _lose(handin, Path(loading), stopped or "its process ended while it was loaded")
        return loading
    # What was left when the process ended is said to be so.
    answered = {r["id"] for r in handin.records}
    for described in asked:
        if described["id"] not in answered:
            name = described["name"]
            why = f"the process that was to check it ended, or said nothing for too long: --class {name} checks it alone"
            handin.records.append(record_of(described, unchecked(name, why)))
    if not asked and not handin.problems:
        text = "the process that was to check it ended before it began"
        handin.problems.append({"file": str(handin.files[0]), "cell": None, "line": 0, "text": text})
    return None


def _lose(handin: HandIn, file: Path, why: str) -> None:
    """Say of a file that it could not be loaded, and of the classes in it, which can be read all the same."""
    handin.problems.append({"file": str(file), "cell": None, "line": 0, "text": why})
    for code in read(file)[0]:
        for node in filter(looks_asked, class_statements(code.body)):
            place = {"name": node.name, "file": str(file), "cell": code.cell, "line": node.lineno}
            handin.lost.append({**place, "remark": why})


def _why(kind: str, options: Options, at: str) -> str:
    of_time = kind in ("endless", "slow")
    text = f"it took more than {options.timeout:g} seconds" if of_time else f"it took more than {options.memory:g} GB"
    return f"{text} to load, at {at}" if at else f"{text} to load"


def _events(process: subprocess.Popen[bytes], task: dict[str, Any], patience: float, running: _Running) -> Iterator[Record]:
    """What the process says, until it ends; one that says nothing for so many seconds is ended."""
    given, answers = process.stdin, process.stdout
    assert given is not None
    assert answers is not None
    with suppress(OSError):
        given.write(json.dumps(task).encode() + b"\n")
        given.flush()
    with answers:
        while True:
            timer = threading.Timer(patience, running.end, [process])
            timer.start()
            line = answers.readline(_LONGEST_LINE)
            timer.cancel()
            if not line:
                return
            with suppress(ValueError):
                yield json.loads(line)
