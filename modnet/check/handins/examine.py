"""One class, asked: whatever happens becomes a record that can be shown."""

from __future__ import annotations

import math
import random
import re
from typing import Any

from modnet.check.asking import older
from modnet.check.asking.draws import same_draws
from modnet.check.handins import outside
from modnet.check.handins.ask import ask
from modnet.check.handins.loaded import Loaded, NotAsked, Project
from modnet.check.handins.options import Options
from modnet.check.report import Report, visible


def examine(subject: Loaded, project: Project, options: Options) -> dict[str, Any]:
    """The record of one class."""
    report = report_on(subject, project, options)
    for finding in report.findings:
        finding.locate(subject.cls)
    return record_of(described(subject), report)


def report_on(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on one class, whatever happens."""
    random.seed(1)
    older.used.clear()
    stopped = False
    try:
        with same_draws():  # once: it costs much more outside of another
            report = ask(subject, project, options)
    except NotAsked:
        raise
    except MemoryError:
        report = undecided("large", subject, options)
    except Exception as error:  # one class must not hide the others
        stopped, text = True, visible(f"{type(error).__name__}: {error}", 300)
        report = unchecked(subject.name, f"the check itself stopped, which is its own mistake: please report it ({text})")
    if any(f.kind == "memory" and _asked_for(f.message) < options.memory / 2 for f in report.findings):
        report = undecided("large", subject, options)
    said = " ".join(finding.message for finding in report.findings)
    if lacks := [why for name, why in outside.unset.items() if f"name '{name}' is not defined" in said]:
        report = unchecked(subject.name, lacks[0])
    elif (report.findings or stopped) and outside.used:
        packages = ", ".join(sorted(outside.used))
        report = unchecked(subject.name, f"it uses {packages}, which cannot be imported here")
    elif (report.findings or stopped) and outside.derives_from_unfound(subject.cls):
        report = unchecked(subject.name, "it derives from a class that no file defines")
    older.say(report, subject.cls)
    return report


def _asked_for(message: str) -> float:
    """The gigabytes of the one array that memory was too small for, as NumPy says it; infinite if it does not."""
    found = re.search(r"Unable to allocate ([\d.]+) (bytes|KiB|MiB|GiB)", message)
    return float(found[1]) * 1024.0 ** ("bytes", "KiB", "MiB", "GiB").index(found[2]) / 1e9 if found else math.inf


def undecided(kind: str, subject: Loaded, options: Options) -> Report:
    """The report on a class whose check was "slow" or "large", which may be the check's doing, or "late", by the clock."""
    smaller = f", or --make '{subject.name}(...)' builds a smaller one" if subject.kind == "module" else ""
    seconds, clock, gigabytes = options.timeout, options.patience, options.memory
    why = {
        "slow": f"its check takes more than {seconds:g} seconds of the processor: --timeout gives it more{smaller}",
        "large": f"its check takes more than {gigabytes:g} GB: --memory gives it more{smaller}",
        "late": f"it was not done after {clock:g} seconds by the clock: the machine is busy, or it waits for what does "
        "not come; --timeout gives it more",
    }
    return unchecked(subject.name, why[kind])


def unchecked(name: str, why: str) -> Report:
    """A report that nothing was asked, and why."""
    report = Report(name)
    report.verdict("all", right=None, remark=why)
    return report


def record_of(described: dict[str, Any], report: Report) -> dict[str, Any]:
    """What is known of a class once it was asked, beside what describes it."""
    skipped = report.ok and bool(report.verdicts) and all(row[1] == "not checked" for row in report.verdicts)
    return {
        **described,
        "checked": not skipped,
        "remark": report.verdicts[0][2] if skipped else "",
        "report": report.as_dict(),
    }


def described(subject: Loaded) -> dict[str, Any]:
    """A class and its place as plain values."""
    return {
        "id": subject.id,
        "name": subject.name,
        "kind": subject.kind or "unknown",
        "file": str(subject.file),
        "cell": subject.cell,
        "line": subject.line,
    }
