"""For pytest: a test that ends in `CheckFailed` shows the report, and nothing else.

Installed with the library. ``assert_gradients(module, input)`` and ``report.raise_if_failed()`` raise it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from modnet.check.report import CheckFailed

if TYPE_CHECKING:
    TestReport = pytest.TestReport


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, TestReport, TestReport]:
    """Put the report of a failed check in the place of the traceback through the checker."""
    found = yield
    error = None if call.excinfo is None else call.excinfo.value
    if found.failed and isinstance(error, CheckFailed):
        line = call.excinfo.traceback[0].lineno + 1 if call.excinfo is not None else 0
        for entry in call.excinfo.traceback if call.excinfo is not None else ():
            if str(entry.path) == str(item.path):
                line = entry.lineno + 1
        found.longrepr = f"{error.report}\n\n{item.path.name}:{line}: CheckFailed"
    return found
