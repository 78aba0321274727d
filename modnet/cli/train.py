"""``python -m modnet train``: train a network on a data set, and report how good it is."""

from __future__ import annotations

import argparse
import copy
import inspect
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from modnet.cli.data import Part, check_size, check_target, read_examples, scaling, split
from modnet.cli.errors import UsageError, refusing
from modnet.cli.parser import program
from modnet.cli.report import confusion, count, data_line, ending, figures, plan, short_name
from modnet.datasets import Table, info, names
from modnet.kernels import ahead
from modnet.kernels.cache import cache_folder
from modnet.losses import MSE, CrossEntropy
from modnet.modules import Linear, Sequential
from modnet.optim.optimizer import Optimizer
from modnet.tables import TableModel
from modnet.training import Callback, History, Training, TrainingWarning, fit
from modnet.training.waiting import begin_compiling

_STEPS = 2000  # the optimizer's, unless a number of epochs is given
_REPORTS = 10  # lines of progress if nobody watches a bar


def train(options: argparse.Namespace) -> int:
    """Train a network as the options of ``python -m modnet train`` say, and print how good it is.

    Returns
    -------
    int
        0; 1 if the training diverged or the model could not be saved; 130 if Ctrl-C ended it.

    Raises
    ------
    UsageError
        Where the options or the data are wrong, before anything is trained.
    """
    began = time.perf_counter()
    sizes, optimizer = _layers(options.layers), _optimizer(options)
    if options.plot:
        _check_plot(options.plot)
    if options.save:
        _check_place("--save", options.save)
    if options.data in names():  # while the libraries for it are imported, which takes a second
        kind = CrossEntropy if info(options.data).task == "classification" else MSE
        modules = [Linear, *[options.activation, Linear] * bool(sizes)]
        begin_compiling(modules, kind, type(optimizer), np.dtype(options.dtype))
    examples = read_examples(options)
    check_target(options.data, examples)
    rows, stratified = split(examples, options)
    with refusing():
        table = examples.encoded(rows[0])
    assert examples.encoder is not None
    parts = [
        Part(name, table.X[r], table.y[r]) for name, r in zip(("training", "validation", "test"), rows, strict=True) if len(r)
    ]
    if options.patience is not None and not len(rows[1]):
        raise UsageError("argument --patience: there are no validation data to watch, expected --validation above 0")

    source = np.random.default_rng(options.seed)
    ends = [table.X.shape[1], *sizes, len(table.class_names or ("the number",))]
    chain: list[Any] = []
    for n, m in pairwise(ends):
        chain += [Linear(n, m, rng=source), options.activation()]
    net = Sequential(*chain[:-1]).astype(options.dtype)
    columns = None if examples.sheet is None else examples.encoder.scaled
    numbers = scaling(parts[0].X, parts[0].y, table.task, options.scale, columns)
    model = TableModel(net, examples.encoder, examples.target, *numbers)
    check_size(options.data, table, model, np.finfo(options.dtype))
    loss = CrossEntropy() if model.is_classifier else MSE()

    def say(text: str) -> None:
        if not options.quiet:
            print(text, flush=True)

    say(data_line(options.data, table))
    for note in [] if examples.sheet is None else examples.sheet.notes:
        say(f"- {note}")
    say(plan(parts, stratified, options, model))
    say(f"\n{net.summary(table.X.shape[1])}\n")
    untrained = copy.deepcopy(net) if options.why else None
    history, seconds = _fit(parts, model, loss, optimizer, source, options, say)

    lines, last = figures(parts, model)
    print(("" if options.quiet else "\n") + lines)
    tested = parts[-1]
    if table.class_names is not None:
        guess = model.forward(tested.X).argmax(axis=1)
        say(f"\n{confusion(tested.y, guess, table.class_names, tested.name)}")
    if options.plot and history.epochs:
        title = f"{short_name(options.data)}: {' → '.join(map(str, ends))}, {last}"
        _draw(options.plot, f"{title} on {count(len(tested.y), f'{tested.name} example')}", history, model, table, tested)
    whole = history.epochs > 0 and not history.stopped_because.startswith("diverged")
    if options.save and whole:
        try:
            model.save(options.save)
        except OSError as error:
            whole = False
            print(f"modnet: the model was not saved: {options.save}: {error.strerror}", file=sys.stderr)
    if untrained is not None:
        report = _why(untrained, parts, model, loss, optimizer, options)
        print(f"\n{report}")
        asked = [option for finding in report.findings for option in as_options(getattr(finding, "change", ""))]
        if asked:
            print(f"   As options: {' '.join(asked)}")
    total = time.perf_counter() - began
    say(f"\n{count(history.epochs, 'epoch')} in {seconds:.2f} s, {total:.1f} s in all{ending(history)}")
    if options.plot:
        say(f"The picture is in {options.plot}" if history.epochs else "No epoch was completed: there is no picture")
    if options.save:
        say(
            f"The model is in {options.save}; predict with: {program()} predict {options.save} NEW.csv" if whole
            else "No model was saved"
        )  # fmt: skip
    if history.stopped_because.startswith("diverged") or (options.save and history.epochs and not whole):
        return 1
    return 130 if history.stopped_because.startswith("interrupted") else 0


def _plan(n: int, options: argparse.Namespace) -> tuple[int, int]:
    """The size of a batch and the number of epochs, for n examples to train on."""
    size = min(options.batch_size or n, n)
    return size, options.epochs or int(np.clip(-(-_STEPS // -(-n // size)), 30, 1000))


_OPTIONS = {
    r"\bepochs=(\d+)": "--epochs", r"batch_size=(\d+)": "--batch-size", r"patience=(\d+)": "--patience",
    r"optimizer = (\w+)\(": "--optimizer", r"\blr=([\d.e+-]+)": "--lr", r"momentum=([\d.e+-]+)": "--momentum",
    r"weight_decay=([\d.e+-]+)": "--weight-decay",
}  # fmt: skip


def as_options(change: str) -> list[str]:
    """A change, a line of code, as options of this command; nothing if there are none for it."""
    found = [f"{option} {match[1].lower()}" for pattern, option in _OPTIONS.items() if (match := re.search(pattern, change))]
    sizes = re.findall(r"Linear\(\d+, (\d+)", change) if change.startswith("net = ") else []
    if sizes:
        found.append(f"--layers {' '.join(sizes[:-1])}")
        found += [f"--activation {name.lower()}" for name in re.findall(r"(\w+)\(\)", change)[:1]]
    return [*found, "--scale standard"] if "X = (X - X.mean" in change else found


def _in_units_of(model: TableModel, parts: list[Part]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(X, y) of what is trained on and, if there is any, of what validates, as the network takes them."""
    return [(model.inputs(part.X), model.targets(part.y)) for part in parts if part.name != "test"]


def _why(
    untrained: Any, parts: list[Part], model: TableModel, loss: Any, optimizer: Optimizer, options: argparse.Namespace
) -> Any:
    """Whether the training that has just been done learns what the data can teach, and if not, why."""
    from modnet.check import check_training

    (X, y), *held_out = _in_units_of(model, parts)
    size, epochs = _plan(len(y), options)
    return check_training(
        untrained, loss, optimizer.fresh(), X, y, epochs=epochs, batch_size=size, rng=options.seed, patience=options.patience,
        validation=held_out[0] if held_out else None,
    )  # fmt: skip


def _fit(
    parts: list[Part],
    model: TableModel,
    loss: Any,
    optimizer: Optimizer,
    source: np.random.Generator,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> tuple[History, float]:
    """Train on the first part, and say how it goes; also return the seconds it took without compilation."""
    size, epochs = _plan(len(parts[0].y), options)
    steps = -(-len(parts[0].y) // size)
    say(f"{loss}, {optimizer}, {count(epochs, 'epoch')} of {count(steps, 'step')} with {count(size, 'example')}")
    folder = cache_folder()
    if folder is None or ahead.begun() is not None or not any(folder.glob("*.kernel")):
        say("The kernels are being compiled; " + ("this happens once." if folder else "no folder can be had to keep them in."))

    (X, y), *held_out = _in_units_of(model, parts)
    watched = _is_terminal()
    watch = _Watch(epochs, (lambda text: None) if watched else say)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TrainingWarning)
        history = fit(
            model.net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=size, rng=source,
            validation=held_out[0] if held_out else None, patience=options.patience,
            callbacks=[watch], progress=watched and not options.quiet,
        )  # fmt: skip
    for warning in caught:
        print(f"modnet: {warning.message}", file=sys.stderr, flush=True)
    return history, watch.seconds


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
        # Networks and data as small as these can take longer steps than the defaults, which suit large ones.
        given["lr"] = 0.1 if own is inspect.Parameter.empty else max(0.01, own)
    chosen: Optimizer = kind(**{name: value for name, value in given.items() if value is not None})
    return chosen


def _check_place(flag: str, path: str) -> Path:
    """Refuse, before the work, a file that could not be written after it."""
    place = Path(path)
    if place.is_dir():
        example = os.path.join(path, "out.png" if flag == "--plot" else "out.modnet")
        raise UsageError(f"argument {flag}: {path!r} is a folder, expected a file, such as {example}")
    if not place.parent.is_dir():
        raise UsageError(f"argument {flag}: there is no folder {str(place.parent)!r}, expected one that exists")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise UsageError(f"argument {flag}: {path!r} cannot be written to, expected another place")
    return place


def _check_plot(path: str) -> None:
    """Refuse, before the work, a picture that could not be saved after it."""
    place = _check_place("--plot", path)
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if place.suffix.lower().removeprefix(".") not in known:
        raise UsageError(f"argument --plot: {path!r} ends in {place.suffix!r}, expected one of .{', .'.join(known)}")


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


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
            for name, (*_, value) in training.history.shown().items()
        )
        self.say(f"epoch {epoch:{len(str(self.epochs))}} of {self.epochs}   {figures}")


def _draw(path: str, title: str, history: History, net: TableModel, table: Table, part: Part) -> None:
    """Curves, and beside them what the network has learned."""
    from modnet import plotting
    from modnet.plotting.figures import new_figure

    curves = len(history.curves())
    figure, axes = new_figure((4.6 * (curves + 1), 4.2), curves + 1)
    plotting.history(history, ax=axes[:curves])
    X, y = part.X, part.y
    last = axes[-1]
    if table.X.shape[1] <= 2:
        plotting.frontier(
            net, X, y, ax=last, class_names=table.class_names, feature_names=table.feature_names, task=table.task
        )
        last.set_aspect("auto")
    elif table.class_names is not None:
        plotting.confusion(y, net.forward(X), ax=last, class_names=table.class_names)
    else:
        plotting.predictions(y, net.forward(X), ax=last)
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    with refusing(f"argument --plot: {path!r}", "a place to write to"):
        plotting.save(figure, path)
