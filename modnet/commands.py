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
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from modnet import datasets, optim
from modnet.datasets import Table
from modnet.kernels import cache_folder
from modnet.losses import MSE, CrossEntropy
from modnet.modules import Linear, Sequential
from modnet.optim.optimizer import Optimizer
from modnet.plotting import elementwise, shorten
from modnet.training import Callback, History, Training, TrainingWarning, fit, predict

#: What `python -m modnet demo` trains. The flags were chosen on validation data, over several seeds.
DEMOS = {
    "digits": "--layers 300 --activation relu --epochs 30 --optimizer adam --lr 0.01 --seed 0",
    "moons": "--layers 16,16 --activation tanh --epochs 100 --optimizer adam --lr 0.01 --seed 0",
}

_FEW = 20  # of fewer examples none are set aside unless asked for
_STEPS = 2000  # the optimizer's, unless a number of epochs is given
_ONE_THREAD = 2**24  # multiplications in a matrix product up to which BLAS is given one thread
_REPORTS = 10  # lines of progress where nobody watches a bar


class UsageError(Exception):
    """The command line, or the data it names, is wrong: a line that says what came and what was expected."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean ...?" where one of the words is near, else nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def activation_names() -> dict[str, type]:
    """Return the elementwise activations of the library by lower-case name."""
    return {name.lower(): kind for name, kind in elementwise().items()}


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
        rows.append((record.name, f"{record.n}", f"{record.features}", kind, _sentence(record.text)))
    rows.insert(0, ("name", "examples", "inputs", "target", "what it is"))
    wide = [max(len(row[c]) for row in rows) for c in range(4)]
    indent = " " * (sum(wide) + 8)
    for row in rows:
        print(textwrap.fill(f"{_row(row[:4], wide, (1, 2))}  {row[4]}", max(width, len(indent) + 30), subsequent_indent=indent))
    return 0


def _sentence(text: str) -> str:
    """The first sentence, without its full stop: those after it are for people who call `load`."""
    return text.partition(". ")[0].rstrip(".")


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
    """Some of the examples, in the data's own units."""

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
    """A network with the scaling of its inputs and of its output around it: both are in the data's own units.

    Parameters
    ----------
    net : the network. X, y : what it is trained on. task : what y is. how : "auto", "standard" or "none", for the inputs.
    """

    def __init__(self, net: Any, X: np.ndarray, y: np.ndarray, task: str, how: str) -> None:
        self.net, self.regression = net, task == "regression"
        self.mean, self.scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self.y_mean, self.y_scale = 0.0, 1.0
        with np.errstate(over="ignore"):  # where numbers are so large that this overflows, _check_size says so
            if how == "standard" or (how == "auto" and not _is_small(X)):
                self.mean, self.scale = X.mean(axis=0), X.std(axis=0)
                self.scale[self.scale <= 1e-12 * np.abs(X).max(axis=0)] = 1.0  # a constant column
            if self.regression:
                self.y_mean, self.y_scale = float(y.mean()), float(y.std()) or 1.0

    @property
    def scales(self) -> bool:
        """Whether inputs are changed at all."""
        return bool((self.scale != 1).any() or (self.mean != 0).any())

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """From the data's units to the network's."""
        return np.asarray((X - self.mean) / self.scale)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Classes as they are; numbers (n,) to predict from the data's unit to the network's, (n, 1)."""
        return np.asarray((y - self.y_mean) / self.y_scale)[:, np.newaxis] if self.regression else y

    def forward(self, X: Any) -> np.ndarray:
        """Scores of the classes, or predictions in the data's unit."""
        out = predict(self.net, self.inputs(np.asarray(X)))
        if self.regression:
            return np.asarray(self.y_mean + self.y_scale * out.astype(np.float64))
        return np.asarray(out)  # in the network's type, for which the kernels of the loss are compiled


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
    if options.lr is None and "lr" in known:
        own = known["lr"].default
        # Networks and data as small as these bear longer steps than the libraries' defaults, which suit large ones.
        given["lr"] = 0.1 if own is inspect.Parameter.empty else max(0.01, own)
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
    parts = [
        _Part(name, table.X[r], table.y[r]) for name, r in zip(("training", "validation", "test"), rows, strict=True) if len(r)
    ]
    if options.patience is not None and not len(rows[1]):
        raise UsageError("argument --patience: there are no validation data to watch, expected --validation above 0")

    source = np.random.default_rng(options.seed)
    ends = [table.X.shape[1], *sizes, len(table.class_names or ("the number",))]
    chain: list[Any] = []
    for n, m in pairwise(ends):
        chain += [Linear(n, m, rng=source), options.activation()]
    net = Sequential(*chain[:-1]).astype(options.dtype)
    scaled = _Scaled(net, parts[0].X, parts[0].y, table.task, options.scale)
    _check_size(options.data, table, scaled, np.finfo(options.dtype))
    loss = MSE() if scaled.regression else CrossEntropy()

    def say(text: str) -> None:
        if not options.quiet:
            print(text, flush=True)

    say(_line(options.data, table))
    say(_plan(parts, stratified, options, scaled))
    say(f"\n{net.summary(table.X.shape[1])}\n")
    history, seconds = _fit(parts, scaled, loss, optimizer, source, options, say)

    lines, last = _figures(parts, scaled, loss)
    print(("" if options.quiet else "\n") + lines)
    tested = parts[-1]
    if table.class_names is not None:
        guess = scaled.forward(tested.X).argmax(axis=1)
        say(f"\n{_confusion(tested.y, guess, table.class_names, tested.name)}")
    if options.plot and history.epochs:
        title = f"{_short_name(options.data)}: {' → '.join(map(str, ends))}, {last}"
        _draw(options.plot, f"{title} on {_count(len(tested.y), f'{tested.name} example')}", history, scaled, table, tested)
    total = time.perf_counter() - began
    say(f"\n{_count(history.epochs, 'epoch')} in {seconds:.2f} s, {total:.1f} s in all{_ending(history)}")
    if options.plot:
        say(f"The picture is in {options.plot}" if history.epochs else "No epoch was completed: there is no picture")
    if history.stopped_because.startswith("diverged"):
        return 1
    return 130 if history.stopped_because.startswith("interrupted") else 0


def _fit(
    parts: list[_Part],
    scaled: _Scaled,
    loss: Any,
    optimizer: Optimizer,
    source: np.random.Generator,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> tuple[History, float]:
    """Train on the first part, and say how it goes; with the seconds it took once all kernels were there."""
    n = len(parts[0].y)
    size = min(options.batch_size or n, n)
    steps = -(-n // size)
    epochs = options.epochs or int(np.clip(-(-_STEPS // steps), 30, 1000))
    say(f"{loss}, {optimizer}, {_count(epochs, 'epoch')} of {_count(steps, 'step')} with {_count(size, 'example')}")
    folder = cache_folder()
    if folder is None or not any(folder.glob("*.kernel")):
        say("The kernels are being compiled; " + ("this happens once." if folder else "no folder can be had to keep them in."))

    (X, y), *held_out = [(scaled.inputs(part.X), scaled.targets(part.y)) for part in parts if part.name != "test"]
    largest = size * max(np.size(module.weight) for module in scaled.net if isinstance(module, Linear))
    watched = _is_terminal()
    watch = _Watch(epochs, (lambda text: None) if watched else say)
    with _threads(1 if largest <= _ONE_THREAD else None), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TrainingWarning)
        history = fit(
            scaled.net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=size, rng=source,
            validation=held_out[0] if held_out else None, patience=options.patience,
            callbacks=[watch], progress=watched and not options.quiet,
        )  # fmt: skip
    for warning in caught:
        print(f"modnet: {warning.message}", file=sys.stderr, flush=True)
    return history, watch.seconds


def _threads(count: int | None) -> Any:
    """Context: the BLAS libraries loaded so far use so many threads, or as many as they do anyway.

    They share small products among all processors as well, and then wait for them: where two processors had other work
    to do too, training 64-1000-10 with 32 examples a step took 4 to 20 times as long with two threads as with one.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(count, user_api="blas")


def _check_target(name: str, table: Table) -> None:
    if table.class_names is not None and len(table.class_names) < 2:
        raise UsageError(f"{name}: every example is of class {table.class_names[0]!r}, expected two classes or more")
    if table.class_names is None and np.ptp(table.y) == 0:
        raise UsageError(f"{name}: every target is {table.y[0]:g}, expected numbers that differ")


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _check_size(name: str, table: Table, scaled: _Scaled, kind: Any) -> None:
    """Refuse numbers that the network's type cannot hold."""
    with np.errstate(over="ignore"):
        wide = np.abs(scaled.inputs(table.X)).max(axis=0)
    good = np.isfinite(scaled.scale) & (wide < 1e-3 * kind.max)
    if not good.all():
        column = int(np.argmin(good))
        largest = np.abs(table.X[:, column]).max()
        raise UsageError(f"{name}: column {table.feature_names[column]!r} has values up to {largest:g}, expected smaller ones")
    if not (np.isfinite(scaled.y_scale) and np.isfinite(scaled.y_mean)):
        raise UsageError(f"{name}: the target has values up to {np.abs(table.y).max():g}, expected smaller ones")


class _Watch(Callback):
    """The time that the epochs took, without compilation before them, and a line of figures now and then."""

    def __init__(self, epochs: int, say: Callable[[str], None]) -> None:
        self.epochs, self.say = epochs, say
        self.began = self.ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """From the first epoch to the last."""
        return self.ended - self.began

    def on_fit_begin(self, training: Training) -> None:
        """Start the clock."""
        self.began = self.ended = time.perf_counter()

    def on_epoch_end(self, training: Training) -> None:
        """Read the clock, and print."""
        self.ended = time.perf_counter()
        epoch = training.epoch
        if epoch not in (1, self.epochs) and epoch % max(1, self.epochs // _REPORTS):
            return
        figures = "   ".join(
            f"{name.replace('_', ' ')} {100 * value:5.1f} %" if "accuracy" in name else f"{name.replace('_', ' ')} {value:.4f}"
            for name, value in training.history.last().items()
        )
        self.say(f"epoch {epoch:{len(str(self.epochs))}} of {self.epochs}   {figures}")


# --- words -----------------------------------------------------------------------------------------------------------


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _short_name(name: str) -> str:
    return name if name in datasets.names() else Path(name).name


def _line(name: str, table: Table) -> str:
    """What the data set is, in a line or two."""
    n, features = table.X.shape
    kinds = "a number to predict"
    if table.class_names is not None:
        listed = ", ".join(table.class_names[:12]) + (", ..." if len(table.class_names) > 12 else "")
        kinds = f"{len(table.class_names)} classes ({listed})"
    text = f"{_short_name(name)}: {_count(n, 'example')} of {_count(features, 'input')}, {kinds}."
    if name in datasets.names():
        text += f" {_sentence(datasets.info(name).text)}."
    return textwrap.fill(text, min(shutil.get_terminal_size().columns, 100))


def _plan(parts: list[_Part], stratified: bool, options: argparse.Namespace, scaled: _Scaled) -> str:
    """Which examples serve for what, and how the inputs are scaled."""
    X = parts[0].X
    if len(parts) == 1:
        why = f", as there are fewer than {_FEW}" if options.test_share is None and options.validation is None else ""
        split = f"All {len(X)} examples are trained on{why}: no figure below is of unseen data."
    else:
        uses = {"training": "train on", "validation": "validate", "test": "test"}
        counts = ", ".join(f"{len(part.y)} to {uses[part.name]}" for part in parts)
        kind = ", in the proportions of the classes" if stratified and not scaled.regression else ""
        split = f"{counts}; drawn with seed {options.seed}{kind}."
    inputs = f"Inputs are taken as they are, from {X.min():.3g} to {X.max():.3g}"
    if scaled.scales:
        inputs = "Inputs are standardised by the mean and standard deviation of the training examples"
    if scaled.regression:
        inputs += f"{', and so is the target' if scaled.scales else '; the target is standardised'}: "
        inputs += "a loss of 1 is that of always predicting the mean"
    return textwrap.fill(f"{split} {inputs}.", min(shutil.get_terminal_size().columns, 100))


def _figures(parts: list[_Part], scaled: _Scaled, loss: Any) -> tuple[str, str]:
    """The table of final figures, and the last of them in words."""
    lines, last = [["", "examples", *(("RMSE", "R2") if scaled.regression else ("loss", "accuracy"))]], ""
    for part in parts:
        out = scaled.forward(part.X)
        if scaled.regression:
            from sklearn.metrics import r2_score, root_mean_squared_error

            error = root_mean_squared_error(part.y, out[:, 0])
            score = f"{r2_score(part.y, out[:, 0]):.3f}" if np.ptp(part.y) > 0 else "-"  # of equal numbers there is none
            cells, last = [f"{error:.4g}", score], f"RMSE {error:.4g}"
        else:
            right = f"{100 * float(np.mean(out.argmax(axis=1) == part.y)):.1f} %"
            cells, last = [f"{loss(part.y, out):.4f}", right], f"accuracy {right}"
        lines.append([part.name, f"{len(part.y):,}", *cells])
    wide = [max(len(line[c]) for line in lines) for c in range(4)]
    return "\n".join(_row(line, wide, (1, 2, 3)) for line in lines), last


def _row(cells: Sequence[str], wide: Sequence[int], numbers: Sequence[int]) -> str:
    """A line of a table, numbers to the right."""
    return "  ".join(cell.rjust(w) if c in numbers else cell.ljust(w) for c, (cell, w) in enumerate(zip(cells, wide)))


def _confusion(y: np.ndarray, yhat: np.ndarray, names: Sequence[str], part: str) -> str:
    """The confusion matrix as text; of many classes, the most frequent mistakes."""
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(y, yhat, labels=np.arange(len(names)))
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


def _ending(history: History) -> str:
    if history.best_epoch is not None:
        return f"; the parameters are those of epoch {history.best_epoch}, the best on the validation data"
    return ""


def _draw(path: str, title: str, history: History, net: _Scaled, table: Table, part: _Part) -> None:
    """Curves, and beside them what the network has learned."""
    from modnet import plotting

    curves = 1 + len([name for name in history.metrics if not name.startswith("validation_")])
    figure, axes = plotting.new_figure((4.6 * (curves + 1), 4.2), curves + 1)
    plotting.history(history, ax=axes[:curves])
    X, y = part.X, part.y
    last = axes[-1]
    if table.X.shape[1] <= 2:
        plotting.frontier(
            net, X, y, ax=last, class_names=table.class_names, feature_names=table.feature_names, task=table.task
        )
        last.set_aspect("auto")
    elif table.class_names is not None:
        plotting.confusion(y, net.forward(X), table.class_names, ax=last)
    else:
        plotting.predictions(y, net.forward(X), ax=last)
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    try:
        plotting.save(figure, path)
    except OSError as error:
        raise UsageError(f"argument --plot: {path!r}: {error.strerror}, expected a place to write to") from None
