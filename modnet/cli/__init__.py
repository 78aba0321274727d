"""The command line: ``python -m modnet`` train, predict, evaluate, check, datasets, demo, doctor, playground, warmup.

`modnet.cli.parser` has the words of the command line, and each command has a file of its own, which is imported when the
command runs: scikit-learn and matplotlib come with the commands that need them.

The exit status is 0 if all went well, 1 if the work failed, 2 if the command line or the data it names was wrong, and 130
after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from modnet.cli.errors import UsageError
from modnet.cli.parser import Parser, build_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the name of the program; None for the process's own.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    SystemExit
        Where the command line is wrong (2), and after ``--help`` and ``--version`` (0).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # the names of classes may have letters that a terminal has not
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        status = options.run(options)
        sys.stdout.flush()
        return int(status)
    except UsageError as error:
        refused: Parser = options.parser  # of the command, whose name it gives
        refused.error(str(error))
    except KeyboardInterrupt:
        print("\nmodnet: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        # The reader of the output has gone, as `head` does, or a disk is full; what Python writes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            place = error.filename or "the output"
            print(f"{options.parser.prog}: error: {place}: {error.strerror or error}", file=sys.stderr)
        return 1
