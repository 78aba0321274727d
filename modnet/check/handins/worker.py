"""What runs in the process of one hand-in: load its files, then ask about each of its classes in a process of its own.

The record of the task comes as one line of JSON on standard input, which stays open as long as the command lives; answers go
out as lines of JSON. A class's process is a fork of this one if the system has forks to rely on, and so has the hand-in
loaded; elsewhere it starts anew and loads it again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any

from modnet.check.handins import limits, outside
from modnet.check.handins.classes import bases_of, loaded_classes, loaded_functions, loaded_packages, lost_classes
from modnet.check.handins.examine import described, examine, record_of, unchecked, undecided
from modnet.check.handins.loaded import PHASES, Loaded, NotAsked, Project
from modnet.check.handins.loading import Loader
from modnet.check.handins.options import Options
from modnet.check.handins.others import facts_of
from modnet.check.handins.source import training_loops
from modnet.check.report import Finding, Line, Report, visible

Emit = Callable[[dict[str, Any]], None]
_LARGEST_ANSWER = 4_000_000  # bytes


def load(task: dict[str, Any], emit: Emit) -> Project:
    """The hand-in of a task, whose options are `Options`; what was seen and lost is told."""
    root, files, skip = Path(task["root"]), list(map(Path, task["files"])), list(map(Path, task["skip"]))

    def begin(file: Path) -> None:
        os.chdir(file.parent)
        sys.argv = [str(file)]
        emit({"loading": str(file)})

    loader = Loader(root, files, begin, skip)
    with limits.refused():
        loader.load_all()
    project = Project(namespaces={path: file.names for path, file in loader.files.items()})
    bases = bases_of(loader.files.values())
    for path in loader.paths:
        file = loader.files[path]
        beside = sorted(loader.files.values(), key=lambda other: other.path.parent != path.parent)
        project.loaded += [*loaded_packages(file), *loaded_classes(file, bases), *loaded_functions(file, beside)]
        lost = [_at(path, cell, line, name=name, remark=visible(why)) for name, cell, line, why in lost_classes(file)]
        said = {each["name"] for each in lost}
        problems = [
            _at(p.file, p.cell, p.line, text=visible(p.text)) for p in file.problems if not said.intersection(p.classes)
        ]
        asked = {c.name for c in project.loaded if c.file == path and c.kind == "loop"}
        loops = [_at(path, cell, line, name=name) for name, cell, line in training_loops(file.codes) if name not in asked]
        emit({"lost": lost, "problems": problems, "loops": loops})
    _take_made(project, loader, task["options"])
    emit({"absent": {package: visible(why) for package, why in sorted(outside.absent.items())}})
    outside.used.clear()
    return project


def _take_made(project: Project, loader: Loader, options: Options) -> None:
    """What --make builds is a module, whatever it looks like, and if a function builds it."""
    name = options.make.split("(")[0].strip()
    if not name or any(c.name == name and c.kind == "module" for c in project.loaded):
        return
    project.loaded = [c for c in project.loaded if c.name != name]
    for path, file in loader.files.items():
        if name in file.names:
            maker = file.names[name]
            cls = maker if isinstance(maker, type) else type(name, (), {})
            project.loaded.append(Loaded(cls, "module", path, *file.places.get(name, (None, 0))))
            return


def _at(file: Path, cell: int | None, line: int, **said: str) -> dict[str, Any]:
    """What is said of a place, as plain values."""
    return {"file": str(file), "cell": cell, "line": line, **said}


# --- one class -------------------------------------------------------------------------------------------------------


def _in_process(answer: connection.Connection, task: dict[str, Any], project: Project | None, which: str, facts: bool) -> None:
    """What runs in the process of one class: ask, or find the facts that others want to know, answer, end."""
    options = task["options"]
    parent = multiprocessing.parent_process()
    if parent is not None:
        limits.end_with(lambda: connection.wait([parent.sentinel]), lambda: os._exit(1))

    def stopped(kind: str, where: limits.Where) -> None:
        answer.send_bytes(json.dumps({"stopped": kind, "at": where}).encode())

    bounds = limits.Bounds(options.timeout, options.memory, stopped)
    if project is None:
        _quiet()
        project = load(task, lambda event: None)
        bounds.begin()
    project.wrong, project.facts = set(task["wrong"]), partial(_among, task.get("facts"))
    subject = next(c for c in project.loaded if c.id == which)
    os.chdir(subject.file.parent)
    with limits.refused():
        try:
            record = {"facts": facts_of(subject)} if facts else examine(subject, project, options)
        except NotAsked:
            record = {"waits": True}
    answer.send_bytes(json.dumps(record).encode())
    os._exit(0)


def _among(facts: dict[str, dict[str, Any]] | None, other: Loaded) -> dict[str, Any]:
    """What is known of a class; `NotAsked` before anything is."""
    if facts is None:
        raise NotAsked
    return facts.get(other.id, {})


class _Class:
    """A class that is being asked about: its process, and how it ends."""

    def __init__(self, subject: Loaded, project: Project, task: dict[str, Any], facts: bool) -> None:
        self.subject, self.options = subject, task["options"]
        forks = hasattr(os, "fork") and sys.platform != "darwin"  # whose system libraries do not survive a fork
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self.answer, given = context.Pipe(duplex=False)
        task = {**task, "wrong": sorted(project.wrong)}
        arguments = given, task, project if forks else None, subject.id, facts
        self.process = context.Process(target=_in_process, args=arguments)
        self.process.start()
        given.close()
        self.until = time.monotonic() + self.options.patience

    def record(self) -> dict[str, Any]:
        """What it answered, or what became of it."""
        found: dict[str, Any] = {}
        try:
            if self.answer.poll():
                found = json.loads(self.answer.recv_bytes(_LARGEST_ANSWER))
        except EOFError:
            pass
        except OSError:
            found = {"stopped": "output"}
        late = time.monotonic() > self.until
        if not found and not late:
            self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        if found and "stopped" not in found:
            return found
        held = self.process.exitcode == -getattr(signal, "SIGXCPU", 0.5)  # by one call that lets no other thread run
        kind = found.get("stopped") or ("late" if late else "endless" if held else "ended")
        return self._stopped(kind, limits.Where(*found.get("at", ())))

    def _stopped(self, kind: str, at: limits.Where) -> dict[str, Any]:
        name, code = self.subject.name, self.process.exitcode or 0
        seconds, gigabytes = self.options.timeout, self.options.memory
        if kind in ("slow", "large", "late"):
            return record_of(described(self.subject), undecided(kind, self.subject, self.options))
        message, hint = {
            "endless": (f"it did not end within {seconds:g} seconds.", "a loop whose condition never becomes false?"),
            "memory": (f"it takes more than {gigabytes:g} GB.", "an array with a shape that grows, or a list in a loop?"),
            "output": ("what it says is too long to be read.", "an error message that holds a whole array?"),
            "ended": (
                f"its process ended ({'exit status' if code >= 0 else 'signal'} {abs(code)}).",
                "exit(), or compiled code that reads outside its memory?",
            ),
        }[kind]
        report = Report(name)
        where = f"{name}.{at.method}" if hasattr(self.subject.cls, at.method or "?") else name
        line = Line(at.file, at.line) if at.file else ""
        finding = Finding("crash" if kind in ("ended", "output") else kind, where, message, hint, line=line)
        finding.locate(self.subject.cls)
        report.findings.append(finding)
        return record_of(described(self.subject), report)


def _answers(
    subjects: Iterable[Loaded], project: Project, task: dict[str, Any], facts: bool = False
) -> Iterator[tuple[Loaded, dict[str, Any]]]:
    """Each class with its record, or with what is to be known of it, as they come in."""
    waiting, running = list(subjects), list[_Class]()
    while waiting or running:
        while waiting and len(running) < task["jobs"]:
            running.append(_Class(waiting.pop(0), project, task, facts))
        least = min(c.until for c in running) - time.monotonic()
        connection.wait([x for c in running for x in (c.answer, c.process.sentinel)], max(0.0, least) + 0.01)
        for asked in [c for c in running if c.answer.poll() or not c.process.is_alive() or time.monotonic() > c.until]:
            running.remove(asked)
            yield asked.subject, asked.record()


def _records(subjects: list[Loaded], project: Project, task: dict[str, Any]) -> Iterator[tuple[Loaded, dict[str, Any]]]:
    """Each class with its record; those last that have to wait for what is known of others."""
    late = []
    for subject, record in _answers(subjects, project, task):
        if record.get("waits"):
            late.append(subject)
        else:
            yield subject, record
    if late and "facts" not in task:
        others = [c for c in project.loaded if c.kind in ("module", "loss", "functions")]
        task["facts"] = {c.id: found.get("facts", {}) for c, found in _answers(others, project, task, facts=True)}
    yield from _answers(late, project, task)


#: What is found at numbers that no network is asked with, or in what is as it was in an older NumPy.
_UNSEEN_IN_NETWORKS = {"saturates", "old-numpy"}


def ask_all(project: Project, task: dict[str, Any], emit: Emit) -> None:
    """Ask about every class that is wanted; networks once their layers are known, optims once their networks are."""
    options = task["options"]
    wanted = [c for c in project.loaded if options.wants(c.kind, c.name)]
    whole = any(c.kind in ("network", "optim") for c in wanted)
    for phase in PHASES:
        # A network is not judged with modules that are wrong: then they are asked too, and not shown.
        asked = [c for c in project.loaded if c.kind in phase and (c in wanted or (whole and c.kind == "module"))]
        for subject, record in _records(asked, project, task):
            if {f["kind"] for f in record["report"]["findings"]} - _UNSEEN_IN_NETWORKS:
                project.wrong.add(subject.id)
            if subject in wanted:
                emit({"records": [record]})
    unknown = [c for c in wanted if not c.kind]
    emit({"records": [record_of(described(c), unchecked(c.name, c.remark)) for c in unknown]})


# --- the process -----------------------------------------------------------------------------------------------------


def _quiet() -> None:
    """What the hand-in prints goes nowhere, and what it reads is empty; also for code that is not Python."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115


def main() -> None:
    """Carry out the task that standard input gives."""
    warnings.simplefilter("ignore")
    commands = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    line = commands.readline()
    if not line.endswith(b"\n"):
        return  # whoever was to give the task has ended
    task = json.loads(line)
    options = task["options"] = Options.from_dict(task["options"])
    _quiet()

    def abandoned() -> None:
        shutil.rmtree(task["scratch"], ignore_errors=True)
        limits.end_group()

    limits.end_with(lambda: commands.read(1), abandoned)

    def emit(event: dict[str, Any]) -> None:
        if event.get("loading"):
            bounds.begin()
        answers.write(json.dumps(event) + "\n")
        answers.flush()

    def stopped(kind: str, where: limits.Where) -> None:
        emit({"stopped": kind, "at": f"line {where.line}" if where.line else ""})

    bounds = limits.Bounds(options.timeout, options.memory, stopped)
    project = load(task, emit)
    bounds.end()
    shown = [c for c in project.loaded if c.kind != "base"]
    asked = [described(c) for c in shown if options.wants(c.kind, c.name)]
    emit({"loading": "", "names": [c.name for c in shown], "asked": asked})
    ask_all(project, task, emit)
    emit({"done": True})
    answers.close()
    os._exit(0)  # threads and exit handlers of the hand-in have no say any more


if __name__ == "__main__":
    main()
