"""``python -m modnet check``: `modnet.check.command`, with its errors as those of the command line."""

from __future__ import annotations

import argparse

from modnet.check.command import run
from modnet.check.handins.discover import HandInError
from modnet.cli.errors import UsageError


def check(options: argparse.Namespace) -> int:
    """Check students' files, notebooks and folders of hand-ins.

    Returns
    -------
    int
        0; 1 if something was found; 3 if nothing was, and not everything could be checked.

    Raises
    ------
    UsageError
        If there is nothing to check, or the results cannot be written.
    """
    try:
        return run(options)
    except HandInError as error:
        raise UsageError(str(error)) from None
