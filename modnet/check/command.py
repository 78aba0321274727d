"""``python -m modnet check``: students' files, notebooks and folders of hand-ins, checked class by class.

What is checked runs elsewhere (`modnet.check.handins.worker`); here paths become hand-ins, and results words, a page, a sheet.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from modnet.check.handins.discover import HandInError, hand_ins
from modnet.check.handins.options import Options
from modnet.check.handins.page import as_html
from modnet.check.handins.results import HandIn, as_csv, as_table, as_text, status
from modnet.check.handins.run import check_all
from modnet.check.report import visible


def run(arguments: argparse.Namespace) -> int:
    """Check what the command line names, print and write the results.

    Returns
    -------
    status : 0 if all is right, 1 if something was found, 3 if nothing was found and not everything could be checked.
    """
    options = Options(
        only=tuple(arguments.only),
        losses=tuple(arguments.loss),
        make=arguments.make,
        shape=None if arguments.shape is None else tuple(arguments.shape),
        timeout=arguments.timeout,
        memory=arguments.memory,
        **({"jobs": arguments.jobs} if arguments.jobs else {}),
    )
    handins = hand_ins(map(Path, arguments.paths), arguments.project)
    # If there is somebody to see it.
    hidden, form = None if len(handins) > 1 else True, "|{bar:20}| {n} of {total} hand-ins, {remaining} left{postfix}"
    # The time left is by the mean of all, since some take a hundred times as long as others; the line is cut, never wrapped.
    seen = {"disable": hidden, "leave": False, "file": sys.stderr, "smoothing": 0, "dynamic_ncols": True}
    with tqdm(total=len(handins), bar_format=form, **seen) as bar:

        def progress(handin: HandIn) -> None:
            bar.set_postfix_str(visible(handin.name), refresh=False)
            bar.update()

        check_all(handins, options, progress)
    _require(options, handins)
    for what, file, render in (("--html", arguments.html, as_html), ("--csv", arguments.csv, as_csv)):
        if file:
            _write(what, file, render, handins)
    if arguments.json == "-":
        print(_as_json(handins))
    elif arguments.json:
        _write("--json", arguments.json, _as_json, handins)
    if arguments.json != "-":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else float("inf")
        several = len(handins) > 1 or _is_list(arguments.paths, handins)
        print(as_table(handins, width) if several else as_text(handins[0]))
    return status(handins)


def _is_list(paths: list[str], handins: list[HandIn]) -> bool:
    """Whether a folder was given in which one hand-in was found: a class list of one."""
    return Path(paths[0]).is_dir() and handins[0].root != Path(paths[0]).absolute()


def _require(options: Options, handins: list[HandIn]) -> None:
    """Refuse names that no hand-in has."""
    asked = {*options.only, *options.losses}
    if asked and not any(r["name"] in asked for h in handins for r in h.records + h.lost):
        names = sorted({name for h in handins for name in h.names})
        raise HandInError(
            f"there is no class {' or '.join(sorted(asked))}" + (f", expected one of {', '.join(names)}" if names else "")
        )


def _write(what: str, file: str, render: Callable[[list[HandIn]], str], handins: list[HandIn]) -> None:
    # What a spreadsheet opens has to say that it is UTF-8.
    encoding, newline = ("utf-8-sig", "") if what == "--csv" else ("utf-8", None)
    try:
        Path(file).write_text(render(handins), encoding=encoding, newline=newline)
    except OSError as error:
        raise HandInError(f"{what}: {file}: {error.strerror}, expected a file that can be written") from None


def _as_json(handins: list[HandIn]) -> str:
    return json.dumps([handin.as_dict() for handin in handins], indent=2)
