"""fit: training a network on data, and predict: using it.

Two paths do the same work. If every module, the loss and the optimizer have kernels, an epoch is one compiled walk
(`modnet.training.compiled`), which comes back to Python about twenty times a second to look for Ctrl-C and to draw. If one
of them is a plain class, or a callback wants to see every batch, the same steps run in Python (`modnet.training.python`). Both
shuffle, scale and count alike, so they leave the same parameters.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modnet.engine import run
from modnet.engine.modes import modes_of, restore_modes, set_training
from modnet.engine.program import Program, is_ours, is_wired
from modnet.engine.snapshot import Kept
from modnet.engine.storage import has_storage
from modnet.engine.walk import shuffle as shuffle_order
from modnet.inputs import as_batch, as_numbers, generator, real, short_repr, whole
from modnet.loss import Loss
from modnet.module import ShapeError
from modnet.optim.optimizer import Optimizer, as_optimizer
from modnet.training.compiled import CompiledRunner, can_compile
from modnet.training.data import Data, element_type
from modnet.training.history import History
from modnet.training.progress import Bar
from modnet.training.python import PythonRunner
from modnet.training.runner import Runner
from modnet.training.training import Callback, Training, TrainingWarning, as_callback


def fit(
    net: Any,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int = 100,
    batch_size: int | None = 32,
    validation: float | tuple[Any, Any] | None = None,
    shuffle: bool = True,
    rng: int | np.random.Generator | None = None,
    sample_weight: Any = None,
    patience: int | None = None,
    callbacks: Sequence[Callback | Callable[[Training], None]] = (),
    progress: bool | None = None,
) -> History:
    """Train a network by minibatches.

    Parameters
    ----------
    net : a `Sequential`, or any module with parameters.
    X : (n, ...), finite numbers. y : (n, ...), what the loss takes: for classes, integers 0 to C - 1.
    loss : its gradient is averaged over each batch, a short last batch divided by its own size.
    optimizer : it keeps its moments from an earlier `fit` of the same network; `optimizer.attach(net)` forgets them. Its
        schedule, if it has one, is told the loss of every epoch: of validation if there is one.
    epochs : passes over the data. batch_size : examples a step; None for all at once.
    validation : a share of the data, drawn by rng and not trained on, or a pair (X, y).
    shuffle : whether each epoch takes the examples in a new random order.
    rng : int, numpy.random.Generator or None. The same seed gives the same parameters, to the bit.
    sample_weight : (n,), not negative: the loss is the mean of weight * loss. A share kept for validation is weighted alike.
    patience : stop after so many epochs without a lower validation loss, and put the best parameters back.
    callbacks : functions ``f(training)``, called at the end of each epoch, or `Callback` objects.
    progress : whether to draw a bar; None draws one in a terminal or a notebook.

    Returns
    -------
    history : `History`. Every epoch begins in training mode, except for modules that were put into evaluation one by one
        (``net[0].eval()``); validation is in evaluation mode; afterwards the network is in the mode it came in.

    Raises
    ------
    ValueError, TypeError : if something given does not fit; nothing has changed then.
    RuntimeError : if another thread is training the network.

    Warns
    -----
    TrainingWarning : if Ctrl-C, or a loss that is NaN or infinite, ended the training. The network then has the last finite
        parameters; after a non-finite loss the optimizer's state is reset. Also if the rate was 0 in all steps.
    """
    optimizer = as_optimizer(optimizer)
    _require_loss(loss)
    _require_net(net, "fit")
    whole(epochs, "fit", "epochs")
    source = generator(rng, "fit")
    if patience is not None:
        whole(patience, "fit", "patience")
        if validation is None:
            raise ValueError("fit: patience without validation, expected validation data: a share such as 0.2, or (X, y)")
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"fit: callbacks is {short_repr(callbacks)}, expected a list of functions or Callback objects")
    watchers = [as_callback(c) for c in callbacks]
    with _writing(net):
        data = Data("fit", net, X, y, sample_weight)
        held_out: Data | None = None
        share = 0
        if isinstance(validation, tuple | list):
            if len(validation) != 2:
                raise ValueError(f"fit: validation has {len(validation)} parts, expected a pair (X, y)")
            held_out = Data("fit: validation", net, *validation, None)
            if held_out.X.shape[1:] != data.X.shape[1:]:
                raise ValueError(
                    f"fit: validation X has shape {held_out.X.shape} and X {data.X.shape}, expected equal but for the batch"
                )
        elif validation is not None:
            expected = "a share between 0 and 1, or a pair (X, y)"
            portion = real(validation, "fit", "validation", expected, lambda v: 0 < v < 1)
            share = max(1, round(portion * data.n))
            if share >= data.n:
                raise ValueError(f"fit: validation takes {share} of {data.n} examples, expected some left to train on")
        size = data.n if batch_size is None else whole(batch_size, "fit", "batch_size")
        _require_takes(net, data, data.n - share, size, True, "fit: ", frozen=_is_attached(optimizer, net))
        if held_out is not None:
            _require_takes(net, held_out, held_out.n, size, False, "fit: validation: ")
        _prepare(net, loss, size, [data] if held_out is None else [data, held_out])
        _attach(optimizer, net)

        if share:
            order = source.permutation(data.n)
            held_out, data = data.part(np.sort(order[:share])), data.part(np.sort(order[share:]))
        size = min(size, data.n)
        training = Training(net, loss, optimizer, epochs)
        batch_watchers = [w for w in watchers if w.watches_batches]
        runner: Runner
        if not batch_watchers and can_compile(net, loss, optimizer):
            runner = CompiledRunner(training, data, held_out, size)
        else:
            runner = PythonRunner(training, data, held_out, size, batch_watchers)
        seed = source.integers(0, 2**64, 1, dtype=np.uint64)
        _run(training, runner, watchers, seed if shuffle else None, patience, Bar(training, runner.batches, progress))
    return training.history


def predict(net: Any, X: Any, batch_size: int | None = None) -> Any:
    """The network's output in evaluation mode, in batches. May be called from many threads, also while another one trains.

    Parameters
    ----------
    net : a module. X : (n, ...).
    batch_size : examples at once; None lets the library choose.

    Returns
    -------
    out : (n, ...). The network's mode is as before.
    """
    _require_net(net, "predict")
    raw = as_numbers(X, "predict", "X")
    x = as_batch(raw, element_type(net), "predict", "X")
    size = 1024 if batch_size is None else whole(batch_size, "predict", "batch_size")
    if is_wired(net) or is_ours(net):
        try:
            program = run.program_of(net, x.shape[1:], x.dtype, min(size, len(x)))
        except ShapeError as error:
            error.batch = len(x)
            raise error from None
        if program.dtype != x.dtype:  # another thread has just called astype
            return predict(net, X, batch_size)
        matrix = x.reshape(len(x), -1)
        if program.checks:
            run.refuse(program, matrix, len(x), training=False)
        parts = [run.predict(program, matrix[i : i + size]) for i in range(0, len(x), size)]
        out = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return out.reshape(len(x), *program.output.shape)
    before = modes_of(net)
    try:
        set_training(net, False)
        return np.concatenate([_output(net, x[i : i + size]) for i in range(0, len(x), size)])
    finally:
        restore_modes(before)


def _output(net: Any, x: np.ndarray) -> np.ndarray:
    """The network's output; raises unless it has one row per example."""
    out = net.forward(x)
    if out is None or np.ndim(out) == 0 or len(out) != len(x):
        came = "None" if out is None else f"shape {np.shape(out)}"
        raise ValueError(f"{type(net).__name__}: forward returned {came}, expected an array ({len(x)}, ...)")
    return np.asarray(out)


def _writing(net: Any) -> Any:
    """Context: the network's numbers are this thread's alone."""
    if not has_storage(net):
        return contextlib.nullcontext()
    return net.storage.writing("fit")


def _program(net: Any, data: Data, size: int) -> Program:
    try:
        return run.program_of(net, data.X.shape[1:], data.X.dtype, min(size, data.n))
    except ShapeError as error:
        error.batch = data.n
        raise error from None


def _prepare(net: Any, loss: Any, size: int, parts: list[Data]) -> None:
    """Refuse examples that the network or the loss does not take, and bring targets into the form of the loss's kernels."""
    data = parts[0]
    if is_ours(net) or (is_wired(net) and not net._strangers):
        program = _program(net, data, size)
        shape, dtype = program.output.shape, program.dtype
    else:
        # Only a forward tells what a plain class gives: one batch, in evaluation mode, which leaves statistics alone.
        yhat = predict(net, data.X[:size], size)
        shape, dtype = yhat.shape[1:], np.dtype(np.float32 if yhat.dtype == np.float32 else np.float64)
    if getattr(type(loss), "is_compiled", False):
        for part in parts:
            part.targets, part.z = loss.targets(part.y, (part.n, *shape), dtype)


def _is_attached(optimizer: Optimizer, net: Any) -> bool:
    return optimizer.net is net and bool(optimizer._groups)


def _attach(optimizer: Optimizer, net: Any) -> None:
    """Attach the optimizer unless it is attached already; on failure, undo."""
    before = optimizer.net, optimizer._groups
    try:
        if not _is_attached(optimizer, net):
            optimizer.attach(net)
        for group in optimizer._groups:
            group.check()
    except BaseException:
        optimizer.net, optimizer._groups = before
        raise


def _run(
    training: Training,
    runner: Runner,
    watchers: list[Callback],
    seed: np.ndarray | None,
    patience: int | None,
    bar: Bar,
) -> None:
    history, net = training.history, training.net
    best, best_at, kept = np.inf, 0, None
    recorded, moved = 0, False
    modes = modes_of(net)
    order = np.arange(runner.data.n)
    try:
        set_training(net, True)
        for watcher in watchers:
            watcher.on_fit_begin(training)
        for epoch in range(1, training.epochs + 1):
            if training.stop_reason:
                break
            training.epoch = epoch
            if watchers:
                set_training(net, True)  # a callback may have called eval()
            if seed is not None:
                shuffle_order.call(order, seed)
            rate = training.optimizer.lr
            moved = moved or rate > 0 or bool(training.optimizer.rates(runner.batches).any())
            done = runner.epoch(order, bar)
            if runner.diverged or not done:
                break
            figures = runner.figures()
            bad = [name for name in ("loss", "validation_loss") if not np.isfinite(figures.get(name, 0.0))]
            if bad:
                runner.diverged = f"{bad[0].replace('_', ' ')} became {figures[bad[0]]} at epoch {epoch}"
                break
            history.loss.append(figures.pop("loss"))
            if "validation_loss" in figures:
                history.validation_loss.append(figures.pop("validation_loss"))
            for name, value in figures.items():
                history.metrics.setdefault(name, []).append(value)
            history.note_rate(rate, training.optimizer.schedule is not None)
            recorded = epoch
            training.optimizer.epoch_end((history.validation_loss or history.loss)[-1])
            if patience is not None:
                if history.validation_loss[-1] < best:
                    best, best_at, kept = history.validation_loss[-1], epoch, Kept(net)
                elif epoch - best_at >= patience:
                    training.stop(f"no lower validation loss in {patience} epochs")
            for watcher in watchers:
                watcher.on_epoch_end(training)
            if watchers:
                runner.require_unchanged()
            bar.epoch_done()
        history.stopped_because = training.stop_reason or f"all {training.epochs} epochs done"
    except KeyboardInterrupt:
        history.stopped_because = f"interrupted in epoch {training.epoch}"
        history.cut(recorded)
        runner.take_back()
    finally:
        try:
            bar.close()
        finally:
            runner.close()
            restore_modes(modes)
    if runner.diverged:
        history.stopped_because = "diverged: " + runner.diverged
        training.optimizer.forget()
    if kept is not None:
        kept.restore()
        history.best_epoch = best_at
    for watcher in watchers:
        watcher.on_fit_end(training)
    if history.stopped_because.startswith(("interrupted", "diverged")):
        advice = "; try a smaller lr, or inputs scaled to about -1 to 1" if runner.diverged else ""
        state = "the best parameters are back" if kept is not None else "the network has its last finite parameters"
        warnings.warn(f"fit: {history.stopped_because}; {state}{advice}", TrainingWarning, stacklevel=3)
    elif recorded and not moved:
        warnings.warn(
            f"fit: the learning rate was 0 in all {training.step} steps, so nothing was learned; the schedule of "
            f"{training.optimizer} has ended: attach the optimizer again, or set its lr",
            TrainingWarning, stacklevel=3,
        )  # fmt: skip


def _require_loss(loss: Any) -> None:
    if isinstance(loss, type) or not (callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))):
        name = loss.__name__ if isinstance(loss, type) else short_repr(loss)
        raise TypeError(f"fit: loss is {name}, expected a loss object such as CrossEntropy()")


def _require_net(net: Any, who: str) -> None:
    if isinstance(net, type) or not callable(getattr(net, "forward", None)):
        name = net.__name__ if isinstance(net, type) else short_repr(net)
        raise TypeError(f"{who}: net is {name}, expected a network such as Sequential(...)")


def _require_takes(
    net: Any, data: Data, count: int, size: int, training: bool, who: str, frozen: bool = True
) -> None:
    """Refuse examples, or batches of `count` of them, that a module will not take, before the first is trained on."""
    if not (is_ours(net) or is_wired(net)):
        return
    program = _program(net, data, size)
    if program.checks:
        data.X = data.X.copy()  # what was checked is what is read, whatever a callback does to the array that was given
        run.refuse(program, data.X.reshape(data.n, -1), count % size or min(size, count), training, who, frozen)


__all__ = ["fit", "predict"]
