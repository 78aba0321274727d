"""What ``python -m modnet train`` prints: the data, the plan, the final figures, the mistakes."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modnet import datasets
from modnet.cli.data import FEW, Part
from modnet.datasets import Table
from modnet.losses import CrossEntropy
from modnet.plotting.parts import shorten
from modnet.tables import TableModel
from modnet.training import History


def count(number: int, what: str) -> str:
    """A number and what it counts, as in "1 epoch" or "2 epochs"."""
    return f"{number} {what}{'s' * (number != 1)}"


def short_name(name: str) -> str:
    """The name of a data set, or of a file without its folder."""
    return name if name in datasets.names() else Path(name).name


def data_line(name: str, table: Table) -> str:
    """What the data set is, in a line or two."""
    n, features = table.X.shape
    kinds = "a number to predict"
    if table.class_names is not None:
        listed = ", ".join(table.class_names[:12]) + (", ..." if len(table.class_names) > 12 else "")
        kinds = f"{len(table.class_names)} classes ({listed})"
    text = f"{short_name(name)}: {count(n, 'example')} of {count(features, 'input')}, {kinds}."
    if name in datasets.names():
        text += f" {first_sentence(datasets.info(name).text)}."
    return textwrap.fill(text, min(shutil.get_terminal_size().columns, 100))


def first_sentence(text: str) -> str:
    """The first sentence, without its full stop: those after it are for people who call `load`."""
    return text.partition(". ")[0].rstrip(".")


def plan(parts: list[Part], stratified: bool, options: argparse.Namespace, model: TableModel) -> str:
    """Which examples serve for what, and how the inputs are scaled."""
    X = parts[0].X
    if len(parts) == 1:
        why = f", as there are fewer than {FEW}" if options.test_share is None and options.validation is None else ""
        split = f"All {len(X)} examples are trained on{why}: no figure below is of unseen data."
    else:
        uses = {"training": "train on", "validation": "validate", "test": "test"}
        counts = ", ".join(f"{len(part.y)} to {uses[part.name]}" for part in parts)
        kind = ", in the proportions of the classes" if stratified and model.is_classifier else ""
        split = f"{counts}; drawn with seed {options.seed}{kind}."
    is_scaled = (model.scale != 1).any() or (model.mean != 0).any()
    inputs = f"Inputs are taken as they are, from {X.min():.3g} to {X.max():.3g}"
    if is_scaled:
        inputs = "Inputs are standardised by the mean and standard deviation of the training examples"
    if not model.is_classifier:
        inputs += f"{', and so is the target' if is_scaled else '; the target is standardised'}: "
        inputs += "always predicting the mean gives a loss of 1"
    return textwrap.fill(f"{split} {inputs}.", min(shutil.get_terminal_size().columns, 100))


def figures(parts: list[Part], model: TableModel) -> tuple[str, str]:
    """The table of final figures, and the last of them in words."""
    return score_lines([(part.name, part.y, model.forward(part.X)) for part in parts], not model.is_classifier)


def score_lines(parts: Sequence[tuple[str, np.ndarray, np.ndarray]], regression: bool) -> tuple[str, str]:
    """A table of figures with a line for each (name, targets, outputs), and the last of them in words."""
    lines, last = [["", "examples", *(("RMSE", "R2") if regression else ("loss", "accuracy"))]], ""
    for name, y, out in parts:
        if regression:
            from sklearn.metrics import r2_score, root_mean_squared_error

            error = root_mean_squared_error(y, out[:, 0])
            score = f"{r2_score(y, out[:, 0]):.3f}" if np.ptp(y) > 0 else "-"  # of equal numbers there is none
            cells, last = [f"{error:.4g}", score], f"RMSE {error:.4g}"
        else:
            right = f"{100 * float(np.mean(out.argmax(axis=1) == y)):.1f} %"
            losses = CrossEntropy().at_once(y, out)[0]  # by the kernel that a training has, too
            cells, last = [f"{float(np.mean(losses)):.4f}", right], f"accuracy {right}"
        lines.append([name, f"{len(y):,}", *cells])
    wide = [max(len(line[c]) for line in lines) for c in range(4)]
    return "\n".join(table_row(line, wide, (1, 2, 3)) for line in lines), last


def table_row(cells: Sequence[str], wide: Sequence[int], numbers: Sequence[int]) -> str:
    """A line of a table, numbers to the right."""
    return "  ".join(cell.rjust(w) if c in numbers else cell.ljust(w) for c, (cell, w) in enumerate(zip(cells, wide)))


def confusion(y: np.ndarray, yhat: np.ndarray, names: Sequence[str], part: str) -> str:
    """The confusion matrix as text; of many classes, the most frequent mistakes."""
    table = np.bincount(y * len(names) + yhat, minlength=len(names) ** 2).reshape(len(names), -1)
    wrong = int(table.sum() - np.trace(table))
    short = [shorten(name) for name in names]
    cell = max(3, len(str(table.max())), *(len(name) for name in short)) + 1
    left = max(len(name) for name in short) + 1
    head = f"Wrong on the {part} data: {wrong} of {len(y)}"
    if left + cell * len(names) <= max(80, shutil.get_terminal_size().columns):
        lines = [f"{head}. Rows are the true classes, columns the predicted.", ""]
        lines.append(" " * left + "".join(name.rjust(cell) for name in short))
        for i, name in enumerate(short):
            lines.append(name.rjust(left) + "".join((str(count) if count else ".").rjust(cell) for count in table[i]))
        return "\n".join(lines)
    mistakes = sorted((-int(table[i, j]), i, j) for i, j in np.argwhere(table > 0) if i != j)
    lines = [head + (f". Of {len(mistakes)} kinds of mistakes the most frequent:" if mistakes else ".")]
    lines += [f"  {-count} x {names[i]} taken for {names[j]}" for count, i, j in mistakes[:10]]
    return "\n".join(lines)


def ending(history: History) -> str:
    """From which epoch the parameters are, if not from the last."""
    if history.best_epoch is not None:
        return f"; the parameters are from epoch {history.best_epoch}, the best on the validation data"
    return ""
