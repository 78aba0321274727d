"""Options of a class, tried one by one: what is found with one of them, and not without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from modnet.check.asking.calls import Misbehaviour
from modnet.check.reading.arguments import NotBuilt
from modnet.check.report import Report


def _forgiven(report: Report, option: str, value: Any) -> None:
    """Take out of what was found with an option what is no mistake with it: a bias of zeros, weights that are all alike.

    What is wrong with a padding that is said in a word is called so.
    """
    for finding in report.findings:
        if "pad" in option.lower() and isinstance(value, str) and finding.kind in ("direction", "shape"):
            finding.kind = "padding"
    if re.search("bias|biais", option, re.I) and value is False:
        report.findings = [f for f in report.findings if f.kind != "missing-parameter"]
    elif re.search("init", option, re.I):
        report.findings = [f for f in report.findings if f.kind == "crash"]


def add_with(report: Report, options: Iterable[tuple[str, Any]], ask: Callable[[str, Any], Report], row: bool = True) -> None:
    """Add to a report what is found with each option and not without; an option that it cannot be asked with is left out."""
    for name, value in options:
        try:
            found = ask(name, value)
            _forgiven(found, name, value)
            report.add(found, f"with {name}={value!r}", row)
        except (Misbehaviour, NotBuilt):
            continue
