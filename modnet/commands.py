"""What the command line does: train a network on a data set and report, list the data sets."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import shutil
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modnet import datasets, modules, optim
from modnet.datasets import Table
from modnet.kernels import cache_folder
from modnet.losses import MSE, CrossEntropy
from modnet.modules import Linear, Sequential
from modnet.modules.activations import Activation
from modnet.optim.optimizer import Optimizer
from modnet.training import History, Training, TrainingWarning, fit, predict

#: What `python -m modnet demo` trains. The flags were chosen on validation data, over several seeds.
DEMOS = {
    "digits": "--layers 100 --activation relu --epochs 30 --optimizer adam --seed 0",
    "moons": "--layers 16,16 --activation tanh --epochs 100 --optimizer adam --seed 0",
}

_FEW = 20  # of fewer examples none are set aside unless asked for
_STEPS = 2000  # the optimizer's, unless a number of epochs is given
_REPORTS = 10  # lines of progress where nobody watches a bar


class UsageError(Exception):
    """The command line, or the data it names, is wrong: a line that says what came and what was expected."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean ...?" where one of the words is near, else nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def activation_names() -> dict[str, type]:
    """Return the elementwise activations of the library by lower-case name."""
    kinds = {name.lower(): getattr(modules, name) for name in sorted(modules.__all__)}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, Activation) or kind is modules.Identity}


def optimizer_names() -> dict[str, type]:
    """Return the optimizers that need nothing but a learning rate, by lower-case name."""
    kinds = {name.lower(): getattr(optim, name) for name in sorted(optim.__all__)}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer and _needs(kind) <= {"lr"}
    }


def _needs(kind: type) -> set[str]:
    return {name for name, given in inspect.signature(kind).parameters.items() if given.default is given.empty}


# --- data sets -------------------------------------------------------------------------------------------------------


def list_datasets(name: str | None = None) -> int:
    """Print a line on every data set, or a paragraph on one."""
    width = min(shutil.get_terminal_size().columns, 120)
    if name is not None:
        try:
            print(textwrap.fill(datasets.describe(name), width))
        except ValueError as error:
            raise UsageError(str(error).removeprefix("modnet.datasets: ")) from None
        return 0
    rows = []
    for record in map(datasets.info, datasets.names()):
        kind = "regression" if record.classes is None else f"{record.classes} classes"
        rows.append((record.name, f"{record.n}", f"{record.features}", kind, record.text.partition(". ")[0].rstrip(".")))
    rows.insert(0, ("name", "examples", "inputs", "target", "what it is"))
    wide = [max(len(row[c]) for row in rows) for c in range(4)]
    indent = " " * (sum(wide) + 8)
    for row in rows:
        start = "  ".join(cell.rjust(w) if c in (1, 2) else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, wide)))
        print(textwrap.fill(f"{start}  {row[4]}", max(width, len(indent) + 30), subsequent_indent=indent))
    return 0


def _read(name: str, task: str | None) -> Table:
    """A data set by name, or a CSV file."""
    if name in datasets.names():
        table = datasets.load_table(name)
        if task not in (None, table.task):
            raise UsageError(f"argument --task: it is {task}, expected none for {name}, which is a {table.task}")
        return table
    if not os.path.exists(name):
        if os.path.splitext(name)[1] or os.sep in name:
            raise UsageError(f"there is no file {name!r}, expected a CSV file or the name of a data set")
        known = ", ".join(datasets.names())
        raise UsageError(
            f"there is no data set {name!r}, expected a CSV file or one of {known}{nearest(name, datasets.names())}"
        )
    try:
        return datasets.read_csv(name, task=task)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(str(error).removeprefix("read_csv: ")) from None
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}, expected a CSV file or the name of a data set") from None


@dataclass
class _Part:
    """Some of the examples, as the network takes them."""

    name: str
    X: np.ndarray
    y: np.ndarray


def _split(table: Table, options: argparse.Namespace) -> tuple[list[np.ndarray], bool]:
    """Rows to train on, to validate, to test; and whether each has its share of every class."""
    n = len(table.y)
    few = n < _FEW
    shares = [
        (0.0 if few else default) if given is None else given
        for given, default in ((options.validation, 0.1), (options.test_share, 0.2))
    ]
    counts = [max(1, round(share * n)) if share else 0 for share in shares]
    if sum(counts) >= n:
        raise UsageError(
            f"validation and test take {sum(counts)} of {n} examples, expected some left to train on: "
            "lower --validation or --test-share"
        )
    from sklearn.model_selection import train_test_split

    rows, taken, stratified = np.arange(n), [], True
    for count in reversed(counts):
        part = rows[:0]
        if count:
            labels = table.y[rows] if table.class_names else None
            if labels is not None:
                sizes = np.bincount(labels)
                sizes = sizes[sizes > 0]
                if sizes.min() < 2 or min(count, len(rows) - count) < len(sizes):
                    labels, stratified = None, False
            rows, part = train_test_split(rows, test_size=count, random_state=options.seed, stratify=labels)
        taken.append(part)
    test, validation = taken
    return [rows, validation, test], stratified


# --- training --------------------------------------------------------------------------------------------------------


class _Scaled:
    """A network with the scaling of its inputs and of its output around it: both are in the data's own units."""

    def __init__(self, net: Sequential, X: np.ndarray, y: np.ndarray | None, how: str) -> None:
        self.net = net
        self.mean, self.scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if how == "standard" or (how == "auto" and not _is_small(X)):
            self.mean, self.scale = X.mean(axis=0), X.std(axis=0)
            self.scale[self.scale <= 1e-12 * np.abs(X).max(axis=0)] = 1.0  # a constant column
        self.y_mean, self.y_scale = (0.0, 1.0) if y is None else (float(y.mean()), float(y.std()))

    @property
    def scales(self) -> bool:
        """Whether inputs are changed at all."""
        return bool((self.scale != 1).any() or (self.mean != 0).any())

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """From the data's units to the network's."""
        return np.asarray((X - self.mean) / self.scale)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Numbers (n,) to predict, from the data's unit to the network's (n, 1)."""
        return np.asarray((y - self.y_mean) / self.y_scale)[:, np.newaxis]

    def forward(self, X: Any) -> np.ndarray:
        """Scores of the classes, or predictions in the data's unit."""
        return np.asarray(self.y_mean + self.y_scale * predict(self.net, self.inputs(np.asarray(X))).astype(np.float64))


def _is_small(X: np.ndarray) -> bool:
    """Whether inputs lie in -1 to 1, and not in a small part of it."""
    return bool(np.abs(X).max() <= 1 and X.std() >= 0.1)


def _layers(words: Sequence[str]) -> list[int]:
    """The sizes of the hidden layers from 100, or 100,50, or 100 50, or none."""
    pieces = [piece.strip() for word in words for piece in word.split(",") if piece.strip()]
    if [piece.lower() for piece in pieces] in (["none"], ["0"]):
        return []
    for piece in pieces:
        if not (piece.isascii() and piece.isdigit() and int(piece) > 0):
            raise UsageError(f"argument --layers: a size is {piece!r}, expected whole numbers such as 100 or 100,50, or none")
    if not pieces:
        raise UsageError("argument --layers: there are no sizes, expected whole numbers such as 100 or 100,50, or none")
    return [int(piece) for piece in pieces]


def _optimizer(options: argparse.Namespace) -> Optimizer:
    kind = options.optimizer
    known = inspect.signature(kind).parameters
    given = {"lr": options.lr, "momentum": options.momentum, "weight_decay": options.weight_decay}
    for name, value in given.items():
        if value is not None and name not in known:
            raise UsageError(f"argument --{name.replace('_', '-')}: {kind.__name__} has none, expected another --optimizer")
    if options.lr is None and "lr" in _needs(kind):
        given["lr"] = 0.1
    chosen: Optimizer = kind(**{name: value for name, value in given.items() if value is not None})
    return chosen


def _check_plot(path: str) -> None:
    """Refuse, before the work, a picture that could not be saved after it."""
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"argument --plot: {path!r} is a folder, expected a file, such as {os.path.join(path, 'out.png')}")
    if not place.parent.is_dir():
        raise UsageError(f"argument --plot: there is no folder {str(place.parent)!r}, expected one that exists")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise UsageError(f"argument --plot: {path!r} cannot be written to, expected another place")
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if place.suffix.lower().removeprefix(".") not in known:
        raise UsageError(f"argument --plot: {path!r} ends in {place.suffix!r}, expected one of .{', .'.join(known)}")


def train(options: argparse.Namespace) -> int:
    """Train a network as the options of ``python -m modnet train`` say, and print how good it is.

    Returns
    -------
    int
        0; 1 where the training diverged; 130 where Ctrl-C ended it.

    Raises
    ------
    UsageError
        Where the options or the data are wrong, before anything is trained.
    """
    began = time.perf_counter()
    sizes, optimizer = _layers(options.layers), _optimizer(options)
    if options.plot:
        _check_plot(options.plot)
    table = _read(options.data, options.task)
    _check_target(options.data, table)
    rows, stratified = _split(table, options)
    if options.patience is not None and not len(rows[1]):
        raise UsageError("argument --patience: there are no validation data to watch, expected --validation above 0")

    classes = None if table.class_names is None else len(table.class_names)
    first = rows[0]
    source = np.random.default_rng(options.seed)
    ends = [table.X.shape[1], *sizes, classes or 1]
    chain: list[Any] = []
    for n, m in zip(ends[:-1], ends[1:], strict=True):
        chain += [Linear(n, m, rng=source), options.activation()]
    net = Sequential(*chain[:-1]).astype(options.dtype)
    scaled = _Scaled(net, table.X[first], None if classes else table.y[first], options.scale)
    parts = [
        _Part(name, scaled.inputs(table.X[r]), table.y[r] if classes else scaled.targets(table.y[r]))
        for name, r in zip(("training", "validation", "test"), rows, strict=True)
    ]
    training, validation = parts[0], parts[1]
    size = min(options.batch_size or len(first), len(first))
    steps = -(-len(first) // size)
    epochs = options.epochs or int(np.clip(-(-_STEPS // steps), 30, 1000))
    loss = CrossEntropy() if classes else MSE()

    def say(text: str) -> None:
        if not options.quiet:
            print(text, flush=True)

    say(_line(options.data, table))
    say(_plan(rows, stratified, options, scaled, table.X[first]))
    say(f"\n{net.summary(table.X.shape[1])}\n")
    say(f"{loss}, {optimizer}, {epochs} epochs of {steps} step{'s' * (steps > 1)} with {size} examples")
    folder = cache_folder()
    if folder is None or not any(folder.glob("*.kernel")):
        say("The kernels are being compiled; " + ("this happens once." if folder else "no folder can be had to keep them in."))

    watch = _Watch(epochs, not options.quiet and not _is_terminal())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TrainingWarning)
        history = fit(
            net, training.X, training.y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=size, rng=source,
            validation=(validation.X, validation.y) if len(validation.X) else None, patience=options.patience,
            callbacks=[watch], progress=not options.quiet and _is_terminal(),
        )  # fmt: skip
    for warning in caught:
        print(f"modnet: {warning.message}", file=sys.stderr, flush=True)

    table_of_figures, last = _figures(parts, rows, table, scaled, loss)
    print(("" if options.quiet else "\n") + table_of_figures)
    tested = next(i for i in (2, 1, 0) if len(rows[i]))
    if classes and not options.quiet:
        guess = scaled.forward(table.X[rows[tested]]).argmax(axis=1)
        print(f"\n{_confusion(table.y[rows[tested]], guess, table.class_names or (), parts[tested].name)}")
    if options.plot and history.epochs:
        title = f"{_short_name(options.data)}: {' - '.join(map(str, ends))}, {parts[tested].name} {last}"
        _draw(options.plot, title, history, scaled, table, rows[tested], parts[tested].name)
    seconds = time.perf_counter() - began
    say(f"\n{history.epochs} epochs in {watch.seconds:.2f} s, {seconds:.1f} s in all" + _ending(history))
    if options.plot:
        saved = f"the picture is in {options.plot}" if history.epochs else "no epoch was completed: there is no picture"
        say(saved[0].upper() + saved[1:])
    if history.stopped_because.startswith("diverged"):
        return 1
    return 130 if history.stopped_because.startswith("interrupted") else 0


def _check_target(name: str, table: Table) -> None:
    if table.class_names is not None and len(table.class_names) < 2:
        raise UsageError(f"{name}: every example is of class {table.class_names[0]!r}, expected two classes or more")
    if table.class_names is None and np.ptp(table.y) == 0:
        raise UsageError(f"{name}: every target is {table.y[0]:g}, expected numbers that differ")


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class _Watch:
    """A callback: the time that training took without compilation, and a line of figures now and then."""

    def __init__(self, epochs: int, talks: bool) -> None:
        self.epochs, self.talks = epochs, talks
        self.began = self.ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """From the first epoch to the last."""
        return self.ended - self.began

    def __call__(self, training: Training) -> None:
        self.ended = time.perf_counter()
        epoch = training.epoch
        if not self.talks or not (epoch in (1, self.epochs) or epoch % max(1, self.epochs // _REPORTS) == 0):
            return
        figures = "   ".join(
            f"{name.replace('_', ' ')} {100 * value:5.1f} %" if "accuracy" in name else f"{name.replace('_', ' ')} {value:.4f}"
            for name, value in training.history.last().items()
        )
        print(f"epoch {epoch:{len(str(self.epochs))}} of {self.epochs}   {figures}", flush=True)


# --- words -----------------------------------------------------------------------------------------------------------


def _short_name(name: str) -> str:
    return name if name in datasets.names() else Path(name).name


def _line(name: str, table: Table) -> str:
    """What the data set is, in a line or two."""
    n, features = table.X.shape
    kinds = "a number to predict"
    if table.class_names is not None:
        listed = ", ".join(table.class_names[:12]) + (", ..." if len(table.class_names) > 12 else "")
        kinds = f"{len(table.class_names)} classes ({listed})"
    text = f"{_short_name(name)}: {n} examples of {features} input{'s' * (features > 1)}, {kinds}."
    if name in datasets.names():
        text += f" {datasets.info(name).text}"
    return textwrap.fill(text, min(shutil.get_terminal_size().columns, 100))


def _plan(rows: list[np.ndarray], stratified: bool, options: argparse.Namespace, scaled: _Scaled, X: np.ndarray) -> str:
    """Which examples serve for what, and how the inputs are scaled."""
    uses = [f"{len(r)} to {use}" for r, use in zip(rows, ("train on", "validate", "test"), strict=True) if len(r)]
    if len(uses) == 1:
        why = f", as there are fewer than {_FEW}" if options.test_share is None and options.validation is None else ""
        split = f"All {len(rows[0])} examples are trained on{why}: no figure below is of unseen data."
    else:
        kind = ", in the proportions of the classes" if stratified and scaled.y_scale == 1 and scaled.y_mean == 0 else ""
        split = f"{', '.join(uses)}; drawn with seed {options.seed}{kind}."
    inputs = f"Inputs are taken as they are, from {X.min():.3g} to {X.max():.3g}"
    if scaled.scales:
        inputs = "Inputs are standardised by the mean and standard deviation of the training examples"
    if scaled.y_scale != 1 or scaled.y_mean != 0:
        inputs += ", and so is the target: a loss of 1 is that of always predicting the mean"
    return textwrap.fill(f"{split} {inputs}.", min(shutil.get_terminal_size().columns, 100))


def _figures(
    parts: list[_Part], rows: list[np.ndarray], table: Table, scaled: _Scaled, loss: Any
) -> tuple[str, str]:
    """The table of final figures, and the last of them in words."""
    lines, last = [], ""
    for part, r in zip(parts, rows, strict=True):
        if not len(r):
            continue
        out = scaled.forward(table.X[r])
        if table.class_names is not None:
            right = 100 * float(np.mean(out.argmax(axis=1) == table.y[r]))
            cells = [f"{loss(table.y[r], out):.4f}", f"{right:.1f} %"]
            last = f"accuracy {right:.1f} %"
        else:
            from sklearn.metrics import r2_score, root_mean_squared_error

            error = root_mean_squared_error(table.y[r], out[:, 0])
            score = r2_score(table.y[r], out[:, 0]) if len(r) > 1 and np.ptp(table.y[r]) > 0 else None
            cells = [f"{error:.4g}", "-" if score is None else f"{score:.3f}"]
            last = f"RMSE {error:.4g}"
        lines.append([part.name, f"{len(r):,}", *cells])
    head = ["", "examples", "loss", "accuracy"] if table.class_names is not None else ["", "examples", "RMSE", "R2"]
    wide = [max(len(line[c]) for line in (head, *lines)) for c in range(4)]
    text = "\n".join(
        "  ".join(cell.rjust(w) if c else cell.ljust(w) for c, (cell, w) in enumerate(zip(line, wide))) for line in (head, *lines)
    )
    return text, last


def _confusion(y: np.ndarray, yhat: np.ndarray, names: Sequence[str], part: str) -> str:
    """The confusion matrix as text; of many classes, the most frequent mistakes."""
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(y, yhat, labels=np.arange(len(names)))
    wrong = int(table.sum() - np.trace(table))
    short = [name if len(name) <= 14 else f"{name[:12]}.." for name in names]
    cell = max(3, len(str(table.max())), *(len(name) for name in short)) + 1
    left = max(len(name) for name in short) + 1
    head = f"Wrong on the {part} data: {wrong} of {len(y)}"
    if left + cell * len(names) <= max(80, shutil.get_terminal_size().columns):
        lines = [f"{head}. Rows are the true classes, columns the predicted.", "", " " * left + "".join(n.rjust(cell) for n in short)]
        for i, name in enumerate(short):
            lines.append(name.rjust(left) + "".join((str(count) if count else ".").rjust(cell) for count in table[i]))
        return "\n".join(lines)
    mistakes = [(int(table[i, j]), i, j) for i, j in np.argwhere(table > 0) if i != j]
    lines = [f"{head}" + (f". Of {len(mistakes)} kinds of mistakes the most frequent:" if mistakes else ".")]
    lines += [f"  {count} x {names[i]} taken for {names[j]}" for count, i, j in sorted(mistakes, key=lambda m: (-m[0], m[1:]))[:10]]
    return "\n".join(lines)


def _ending(history: History) -> str:
    if history.best_epoch is not None:
        return f"; the parameters are those of epoch {history.best_epoch}, the best on the validation data"
    return ""


def _draw(
    path: str, title: str, history: History, net: _Scaled, table: Table, rows: np.ndarray, part: str
) -> None:
    """Curves, and beside them what the network has learned."""
    from modnet import plotting

    curves = 1 + len([name for name in history.metrics if not name.startswith("validation_")])
    figure, axes = plotting.new_figure((4.6 * (curves + 1), 4.2), curves + 1)
    plotting.history(history, ax=axes[:curves])
    X, y = table.X[rows], table.y[rows]
    last = axes[-1]
    if table.X.shape[1] <= 2:
        plotting.frontier(
            net, X, y, ax=last, class_names=table.class_names, feature_names=table.feature_names, task=table.task
        )
    elif table.class_names is not None:
        plotting.confusion(y, net.forward(X), table.class_names, ax=last)
    else:
        plotting.predictions(y, net.forward(X), ax=last)
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    try:
        plotting.save(figure, path)
    except OSError as error:
        raise UsageError(f"argument --plot: {path!r}: {error.strerror}, expected a place to write to") from None
