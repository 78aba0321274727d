"""``python -m modnet predict`` and ``evaluate``: a table, and a model that ``train --save`` wrote."""

from __future__ import annotations

import argparse
import csv
import sys
from typing import IO

import numpy as np

from modnet.cli.data import read_file
from modnet.cli.errors import refusing
from modnet.cli.report import confusion, count, score_lines
from modnet.modules import Softmax
from modnet.tables import Sheet, TableModel


def predict(options: argparse.Namespace) -> int:
    """Write a CSV table: the prediction of each line, and of classes its probability.

    Returns 0; `UsageError` if the model or the table is wrong.
    """
    model = _model(options.model)
    sheet = read_file(options.data, options)
    out = _outputs(model, sheet)
    if options.output is None:
        _write(sys.stdout, model, out)
        return 0
    with (
        refusing(f"argument --output: {options.output}", "another place"),
        open(options.output, "w", encoding="utf-8", newline="") as file,
    ):
        _write(file, model, out)
    print(f"{count(len(sheet), 'prediction')} in {options.output}", file=sys.stderr)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Print how good a model is on a table that has the target: the figures of ``train``, and where it is wrong.

    Returns 0; `UsageError` if the model or the table is wrong.
    """
    model = _model(options.model)
    sheet = read_file(options.data, options)
    with refusing():
        y, sheet = model.target.values(sheet)
    out = _outputs(model, sheet)
    print(score_lines([("", y, out)], model.target.class_names is None)[0])
    if model.target.class_names is not None:
        print(f"\n{confusion(y, out.argmax(axis=1), model.target.class_names, 'given')}")
    return 0


def _model(path: str) -> TableModel:
    with refusing(path, "a model that `train --save` wrote"):
        return TableModel.load(path)


def _outputs(model: TableModel, sheet: Sheet) -> np.ndarray:
    """What the model gives for a table; notes on cells are printed."""
    with refusing():
        out = model.outputs(sheet)
    for note in sheet.notes:
        print(f"modnet: {note}", file=sys.stderr)
    return out


def _write(file: IO[str], model: TableModel, out: np.ndarray) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if model.target.class_names is None:
        writer.writerow([model.target.name])
        writer.writerows([text] for text in model.target.shown(out[:, 0]))
        return
    probabilities = np.asarray(Softmax().forward(out.astype(np.float64)))
    best = out.argmax(axis=1)
    writer.writerow([model.target.name, "probability"])
    writer.writerows(
        (text, f"{probabilities[row, place]:.4f}") for row, (text, place) in enumerate(zip(model.target.shown(best), best))
    )
