"""One class, asked: whatever happens becomes a record that can be shown."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from modnet.check import older
from modnet.check.ask import ask
from modnet.check.handins import outside
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.options import Options
from modnet.check.report import Finding, Report


def examine(subject: Loaded, project: Project, options: Options) -> dict[str, Any]:
    """The record of one class."""
    report = report_on(subject, project, options)
    for finding in report.findings:
        finding.locate(subject.cls)
    return record_of(described(subject), report)


def report_on(subject: Loaded, project: Project, options: Options) -> Report:
    """The report on one class, whatever happens."""
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    older.used.clear()
    try:
        report = ask(subject, project, options)
    except Exception as error:  # one class must not hide the others
        report = Report(subject.name)
        report.findings.append(Finding("crash", subject.name, f"the check itself stopped: {type(error).__name__}: {error}", ""))
    if report.findings and outside.used:
        packages = ", ".join(sorted(outside.used))
        report = unchecked(subject.name, f"it uses {packages}, which cannot be imported here")
    elif report.findings and outside.derives_from_unfound(subject.cls):
        report = unchecked(subject.name, "it derives from a class that no file defines")
    older.say(report, subject.cls)
    return report


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
        "text": str(report),
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
