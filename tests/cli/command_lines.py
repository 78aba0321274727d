"""A command line as people type it: its status, its output, its errors, and the figures it prints."""

import re

import numpy as np

from modnet.__main__ import main

QUICK = ["--layers", "4", "--epochs", "2"]


def run(capsys, *arguments):
    """The exit status, the output and the errors of a command line."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys, *arguments):
    """The one line of error with which a command line must be refused, before anything is printed."""
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err.partition("error: ")[2].rstrip("\n")


def figures(out):
    """The table of final figures: {part: (examples, first, second)}."""
    found = re.findall(r"^(training|validation|test) +([\d,]+) +(\S+) +(\S+)(?: %)?$", out, re.MULTILINE)
    return {part: (int(count.replace(",", "")), float(a), float(b) if b != "-" else None) for part, count, a, b in found}


def matrix(out):
    """The confusion matrix as printed, a row a true class."""
    rows = out.partition("columns the predicted.\n\n")[2].partition("\n\n")[0].splitlines()[1:]
    return np.array([[0 if cell == "." else int(cell) for cell in row.split()[1:]] for row in rows])
