"""fit: training a network on data, and predict: using it.

Two paths do the same work. Where every module, the loss and the optimizer have kernels, an epoch is one compiled walk
(`modnet.table.walk_epoch`), which comes back to Python about twenty times a second to look for Ctrl-C and to draw. Where one
of them is a plain class, or a callback wants to see every batch, the same steps run here in Python. Both shuffle, scale and
count alike, so they leave the same parameters.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modnet.arrays import aligned, aligned_copy, as_batch, as_numbers, generator, real, require_finite, said, whole
from modnet.loss import KernelLoss, Loss
from modnet.module import KernelModule, ShapeError
from modnet.modules.container import Container
from modnet.optim.optimizer import Optimizer, as_optimizer
from modnet.table import scale, walk_costs, walk_epoch
from modnet.table import shuffle as shuffle_order

_SLICE = 0.05  # seconds that a compiled walk may take before it comes back to Python
_REDRAW = 0.1  # seconds between two drawings of the progress bar


class TrainingWarning(UserWarning):
    """`fit` ended early: it was interrupted, or the loss became NaN or infinite."""


class History:
    """What a training went through, epoch by epoch.

    Attributes
    ----------
    loss : the mean of weight * cost over the training examples, as they were met during the epoch.
    validation_loss : the same over the validation examples at the end of the epoch; empty without them.
    metrics : lists by name. "accuracy" and "validation_accuracy", shares from 0 to 1, where the loss is one of classes; "lr",
        the learning rate at the start of each epoch, where it follows a schedule.
    epochs : how many epochs were completed.
    best_epoch : with patience, the epoch, from 1, whose parameters the network has now; else None.
    stopped_because : why training ended, in words.
    """

    def __init__(self) -> None:
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.metrics: dict[str, list[float]] = {}
        self.best_epoch: int | None = None
        self.stopped_because = ""

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.loss)

    def plot(self, path: Any = None) -> Any:
        """Draw the curves of loss and accuracy: see `modnet.plotting.history`."""
        from modnet.plotting import history

        return history(self, path=path)

    def _cut(self, epochs: int) -> None:
        """Forget what was written of an epoch that was interrupted."""
        for values in (self.loss, self.validation_loss, *self.metrics.values()):
            del values[epochs:]

    def last(self) -> dict[str, float]:
        """The figures of the last epoch, by name."""
        columns = {"loss": self.loss, "validation_loss": self.validation_loss, **self.metrics}
        return {name: values[-1] for name, values in columns.items() if values}

    def __repr__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.last().items())
        return f"History({self.epochs} epochs: {figures or 'nothing yet'}; {self.stopped_because or 'running'})"


class Callback:
    """A watcher of a training. Override any of the methods; each is given the `Training`.

    One with `on_batch_end` makes `fit` take the path in Python.
    """

    def on_fit_begin(self, training: Training) -> None:
        """Before the first epoch."""

    def on_batch_end(self, training: Training) -> None:
        """After each step of the optimizer."""

    def on_epoch_end(self, training: Training) -> None:
        """After each epoch, when its figures are in the history."""

    def on_fit_end(self, training: Training) -> None:
        """After the last epoch."""


class _FunctionCallback(Callback):
    def __init__(self, function: Callable[[Training], None]) -> None:
        self.function = function

    def on_epoch_end(self, training: Training) -> None:
        self.function(training)


class Training:
    """A training under way, as callbacks see it.

    Attributes
    ----------
    net, loss, optimizer, history : those of the `fit`.
    epoch : the number of the epoch, from 1. step : how many steps were taken in this `fit`.
    """

    def __init__(self, net: Any, loss: Any, optimizer: Optimizer, epochs: int) -> None:
        self.net, self.loss, self.optimizer = net, loss, optimizer
        self.epochs = epochs
        self.history = History()
        self.epoch = 0
        self.step = 0
        self.stop_reason = ""

    def stop(self, reason: str = "a callback stopped it") -> None:
        """End the training after this epoch; after this batch where called at its end; before any in `on_fit_begin`."""
        self.stop_reason = str(reason) or "a callback stopped it"


class _Data:
    """Examples with targets and weights, checked, in the forms both paths take.

    X and y are arrays; targets and sizes are what the kernels of a loss take, where it has some.
    """

    def __init__(self, who: str, net: Any, X: Any, y: Any, weight: Any) -> None:
        raw = as_numbers(X, who, "X")
        self.X = as_batch(raw, _input_type(net, raw), who, "X")
        require_finite(self.X, who, "X")
        self.n = len(self.X)
        try:
            self.y: Any = np.asarray(y)
        except ValueError:
            self.y = as_numbers(y, who, "y")
        if self.y.ndim == 0 or len(self.y) != self.n:
            came = f"{len(self.y)}" if self.y.ndim else "is None" if y is None else "is a single value"
            raise ValueError(f"{who}: X has {self.n} examples and y {came}, expected as many")
        self.targets: np.ndarray = np.empty(0)
        self.sizes: np.ndarray = np.empty(0)
        if self.y.dtype.kind == "f":
            require_finite(self.y, who, "y")
        self.weights = np.empty(0)
        if weight is not None:
            weights = as_batch(weight, np.dtype(np.float64), who, "sample_weight")
            if weights.shape != (self.n,):
                raise ValueError(f"{who}: sample_weight has shape {weights.shape}, expected ({self.n},)")
            require_finite(weights, who, "sample_weight")
            if weights.min() < 0 or weights.max() == 0:
                raise ValueError(f"{who}: sample_weight has values from {weights.min():g} to {weights.max():g}, "
                                 "expected none below 0 and some above")  # fmt: skip
            self.weights = weights

    def part(self, rows: np.ndarray) -> _Data:
        """Some of the examples."""
        found = copy.copy(self)
        found.X, found.y, found.n = self.X[rows], self.y[rows], len(rows)
        found.targets = self.targets[rows] if self.targets.size else self.targets
        found.weights = self.weights[rows] if self.weights.size else self.weights
        return found


def _input_type(net: Any, X: np.ndarray) -> np.dtype[Any] | None:
    if isinstance(net, Container | KernelModule) and net._storage.params.size:
        return net.dtype
    return None


def fit(
    net: Any,
    X: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer,
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
    sample_weight : (n,), not negative: the loss is the mean of weight * cost. Validation is weighted alike where it is a share.
    patience : stop after so many epochs without a lower validation loss, and put the best parameters back.
    callbacks : functions ``f(training)``, called at the end of each epoch, or `Callback` objects.
    progress : whether to draw a bar; None draws one in a terminal or a notebook.

    Returns
    -------
    history : `History`. The network is in training mode during `fit`, in evaluation mode for validation, and afterwards in the
        mode it came in.

    Raises
    ------
    ValueError, TypeError : where something given does not fit; nothing has changed then.

    Warns
    -----
    TrainingWarning : where Ctrl-C, or a loss that is NaN or infinite, ended the training. The network then has the last finite
        parameters, and after such a loss the optimizer begins anew.
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
        raise TypeError(f"fit: callbacks is {said(callbacks)}, expected a list of functions or Callback objects")
    watchers = [_as_callback(c) for c in callbacks]
    data = _Data("fit", net, X, y, sample_weight)
    held_out: _Data | None = None
    share = 0
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"fit: validation has {len(validation)} parts, expected a pair (X, y)")
        held_out = _Data("fit: validation", net, *validation, None)
        if held_out.X.shape[1:] != data.X.shape[1:]:
            raise ValueError(
                f"fit: validation X has shape {held_out.X.shape} and X {data.X.shape}, expected equal but for the batch"
            )
    elif validation is not None:
        portion = real(validation, "fit", "validation", "a share between 0 and 1, or a pair (X, y)", lambda v: 0 < v < 1)
        share = max(1, round(portion * data.n))
        if share >= data.n:
            raise ValueError(f"fit: validation takes {share} of {data.n} examples, expected some left to train on")
    size = data.n if batch_size is None else whole(batch_size, "fit", "batch_size")
    _prepare(net, loss, size, [data] if held_out is None else [data, held_out])
    _require_takes(net, data, data.n - share, size, True, "fit: ")
    if held_out is not None:
        _require_takes(net, held_out, held_out.n, size, False, "fit: validation: ")
    _attach(optimizer, net)

    if share:
        order = source.permutation(data.n)
        held_out, data = data.part(np.sort(order[:share])), data.part(np.sort(order[share:]))
    size = min(size, data.n)
    training = Training(net, loss, optimizer, epochs)
    watches_batches = any(getattr(w.on_batch_end, "__func__", None) is not Callback.on_batch_end for w in watchers)
    runner: _Runner
    if not watches_batches and _has_table(net, loss, optimizer):
        runner = _CompiledRunner(training, data, held_out, size)
    else:
        runner = _PythonRunner(training, data, held_out, size, watchers if watches_batches else [])
    seed = source.integers(0, 2**64, 1, dtype=np.uint64)
    _run(training, runner, watchers, seed if shuffle else None, patience, _Bar(training, runner.batches, progress))
    return training.history


def predict(net: Any, X: Any, batch_size: int | None = None) -> Any:
    """The network's output in evaluation mode, in batches.

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
    x = as_batch(raw, _input_type(net, raw), "predict", "X")
    size = 1024 if batch_size is None else whole(batch_size, "predict", "batch_size")
    before = _modes(net)
    try:
        _set_training(net, False)
        return np.concatenate([_output(net, x[i : i + size]) for i in range(0, len(x), size)])
    finally:
        _restore_modes(before)


def _output(net: Any, x: np.ndarray) -> np.ndarray:
    """The network's output, which is to have a row an example."""
    out = net.forward(x)
    if out is None or np.ndim(out) == 0 or len(out) != len(x):
        came = "None" if out is None else f"shape {np.shape(out)}"
        raise ValueError(f"{_name(net)}: forward returned {came}, expected an array ({len(x)}, ...)")
    return np.asarray(out)


def _prepare(net: Any, loss: Any, size: int, parts: list[_Data]) -> None:
    """Refuse examples that the network or the loss does not take, and bring targets into the form of the loss's kernels."""
    data = parts[0]
    if isinstance(net, Container) and net.compiled:
        try:
            table, shape = net.table(data.X.shape[1:], data.X.dtype)
        except ShapeError as error:
            error.batch = data.n
            raise error from None
        dtype = table.dtype
    else:
        # Only a forward tells what a plain class gives: one batch, in evaluation mode, which leaves statistics alone.
        yhat = predict(net, data.X[:size], size)
        shape, dtype = yhat.shape[1:], np.dtype(np.float32 if yhat.dtype == np.float32 else np.float64)
    if _has_kernels(loss):
        for part in parts:
            part.targets, part.sizes = loss.targets(part.y, (part.n, *shape), dtype)


def _attach(optimizer: Optimizer, net: Any) -> None:
    """Give the optimizer the network, where it has not got it already; where it refuses, it stays as it was."""
    before = optimizer.net, optimizer._groups
    try:
        if optimizer.net is not net or not optimizer._groups:
            optimizer.attach(net)
        for group in optimizer._groups:
            group.check()
    except BaseException:
        optimizer.net, optimizer._groups = before
        raise


# --- the loop over epochs --------------------------------------------------------------------------------------------


def _run(
    training: Training,
    runner: _Runner,
    watchers: list[Callback],
    seed: np.ndarray | None,
    patience: int | None,
    bar: _Bar,
) -> None:
    history, net = training.history, training.net
    best, best_at, kept = np.inf, 0, None
    recorded = 0
    modes = _modes(net)
    order = np.arange(runner.data.n)
    try:
        _set_training(net, True)
        for watcher in watchers:
            watcher.on_fit_begin(training)
        for epoch in range(1, training.epochs + 1):
            if training.stop_reason:
                break
            training.epoch = epoch
            if seed is not None:
                shuffle_order.call(order, seed)
            rate = training.optimizer.lr
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
            if training.optimizer.schedule is not None:
                history.metrics.setdefault("lr", []).append(rate)
            recorded = epoch
            training.optimizer.epoch_end((history.validation_loss or history.loss)[-1])
            if patience is not None:
                if history.validation_loss[-1] < best:
                    best, best_at, kept = history.validation_loss[-1], epoch, _keep(net)
                elif epoch - best_at >= patience:
                    training.stop(f"no lower validation loss in {patience} epochs")
            for watcher in watchers:
                watcher.on_epoch_end(training)
            bar.epoch_done()
        history.stopped_because = training.stop_reason or f"all {training.epochs} epochs done"
    except KeyboardInterrupt:
        history.stopped_because = f"interrupted in epoch {training.epoch}"
        history._cut(recorded)
        runner.take_back()
    finally:
        try:
            bar.close()
        finally:
            _restore_modes(modes)
    if runner.diverged:
        history.stopped_because = "diverged: " + runner.diverged
        training.optimizer.forget()
    if kept is not None:
        _put_back(kept)
        history.best_epoch = best_at
    for watcher in watchers:
        watcher.on_fit_end(training)
    if history.stopped_because.startswith(("interrupted", "diverged")):
        advice = "; try a smaller lr, or inputs scaled to about -1 to 1" if runner.diverged else ""
        state = "the best parameters are back" if kept is not None else "the network has its last finite parameters"
        warnings.warn(f"fit: {history.stopped_because}; {state}{advice}", TrainingWarning, stacklevel=3)


class _Runner:
    """One epoch of training on one of the two paths."""

    def __init__(self, training: Training, data: _Data, held_out: _Data | None, size: int) -> None:
        self.training, self.data, self.held_out, self.size = training, data, held_out, size
        self.batches = -(-data.n // size)
        self.diverged = ""
        self.totals = np.zeros(2)
        self.counts_hits = False

    def epoch(self, order: np.ndarray, bar: _Bar) -> bool:
        """Train on all batches; False where a callback or divergence ended it before."""
        raise NotImplementedError

    def validate(self) -> np.ndarray:
        """Sums over the validation examples: weighted costs, hits."""
        raise NotImplementedError

    def take_back(self) -> None:
        """Where parameters or statistics are NaN or infinite, put back the last that were not."""
        raise NotImplementedError

    def figures(self) -> dict[str, float]:
        """The figures of the epoch that has just ended."""
        found = {"loss": float(self.totals[0]) / self.data.n}
        if self.counts_hits:
            found["accuracy"] = float(self.totals[1]) / self.data.n
        if self.held_out is not None:
            totals = self.validate()
            found["validation_loss"] = float(totals[0]) / self.held_out.n
            if self.counts_hits:
                found["validation_accuracy"] = float(totals[1]) / self.held_out.n
        return found

    def _diverge(self, batch: int, value: float) -> None:
        epoch, of = self.training.epoch, self.batches
        self.diverged = f"the loss became {value} at epoch {epoch}, batch {batch + 1} of {of}"


class _CompiledRunner(_Runner):
    """Epochs as compiled walks over the network's table."""

    def __init__(self, training: Training, data: _Data, held_out: _Data | None, size: int) -> None:
        super().__init__(training, data, held_out, size)
        net, loss, optimizer = training.net, training.loss, training.optimizer
        self.table, _ = net.table(data.X.shape[1:], data.X.dtype)
        dtype = self.table.dtype
        self.x, self.y = data.X.reshape(data.n, -1), data.targets
        if held_out is not None:
            self.held_x, self.held_y = held_out.X.reshape(held_out.n, -1), held_out.targets
        self.counts_hits = loss.hits_kernel is not None
        kernels = (loss.cost_kernel, loss.slope_kernel, loss.hits_kernel)
        self.loss_addresses = np.array([0 if k is None else k.address(dtype) for k in kernels])
        self.step_address = optimizer.step_kernel.address(dtype)
        self.table.reserve(size)
        self.batch_y = aligned((size, self.y.shape[1]), dtype)
        self.cost = aligned(size, dtype)
        self.previous, self.previous_state = aligned_copy(self.table.params), aligned_copy(self.table.state)
        self.draws = bool(self.table.rows["draws"].any())
        self.seconds_a_batch = 0.0
        walk_epoch.compile(dtype)
        if held_out is not None:
            walk_costs.compile(dtype)

    def epoch(self, order: np.ndarray, bar: _Bar) -> bool:
        table, loss, training = self.table, self.training.loss, self.training
        group = training.optimizer.flat_group()
        group.check()  # a callback may have changed the network
        self.previous_state[:] = table.state
        rates = training.optimizer.rates(self.batches)
        self.totals[:] = 0
        at = 0
        table.seen_batch = 0  # the walk uses the workspace
        while at < self.batches:
            started = time.perf_counter()
            end = min(self.batches, at + self._batches_a_slice())
            done = walk_epoch.call(
                table.rows, self.x, self.y, self.data.weights, order, at, end, self.size, self.batch_y,
                table.values, table.deltas, table.scratch, table.capacity, table.result, table.features,
                table.params, table.grad, table.state, table.sizes,
                self.loss_addresses, self.data.sizes, loss._hyper, self.cost,
                self.step_address, group.moments, group.settings.reshape(-1), group.pieces, group.factors, rates,
                self.previous, self.totals,
            )  # fmt: skip
            now = time.perf_counter()
            if done:
                self.seconds_a_batch = (now - started) / done
            training.step += done
            if done < end - at:
                self._lost(at + done)
                return False
            at = end
            bar.moved(at, now)
        if not (np.isfinite(table.params).all() and np.isfinite(table.state).all()):
            self._lost(self.batches - 1)
            return False
        return True

    def _lost(self, batch: int) -> None:
        """The loss is not finite, or after the last batch the parameters or the statistics are not."""
        count = min(self.size, self.data.n - batch * self.size)
        with np.errstate(all="ignore"):
            value = float(np.sum(self.cost[:count], dtype=np.float64))
        self.take_back()
        self._diverge(batch, value if not np.isfinite(value) else np.nan)

    def take_back(self) -> None:
        table = self.table
        for array, previous in ((table.params, self.previous), (table.state, self.previous_state)):
            if not np.isfinite(array).all():
                array[:] = previous

    def validate(self) -> np.ndarray:
        assert self.held_out is not None
        table, loss, totals = self.table, self.training.loss, np.zeros(2)
        if self.draws:
            _set_training(self.training.net, False)
        weights, rows = self.held_out.weights, self.size * self._batches_a_slice()
        for at in range(0, self.held_out.n, rows):
            part = slice(at, at + rows)
            walk_costs.call(
                table.rows, self.held_x[part], self.held_y[part], weights[part], self.size,
                table.values, table.capacity, table.result, table.features, table.params, table.state, table.sizes,
                self.loss_addresses, self.held_out.sizes, loss._hyper, self.cost, totals,
            )  # fmt: skip
        if self.draws:
            _set_training(self.training.net, True)
        return totals

    def _batches_a_slice(self) -> int:
        """How many batches a walk may take before it comes back to Python; one before the first is timed."""
        return max(1, int(_SLICE / self.seconds_a_batch)) if self.seconds_a_batch else 1


class _PythonRunner(_Runner):
    """The same epochs step by step, for plain classes and callbacks that watch batches."""

    def __init__(
        self, training: Training, data: _Data, held_out: _Data | None, size: int, batch_watchers: list[Callback]
    ) -> None:
        super().__init__(training, data, held_out, size)
        self.batch_watchers = batch_watchers
        hits = getattr(training.loss, "hits", None)
        self.hits: Any = hits if getattr(training.loss, "hits_kernel", None) is not None else None
        self.counts_hits = self.hits is not None
        self.begun: Any = None
        self.previous: Any = None

    def epoch(self, order: np.ndarray, bar: _Bar) -> bool:
        training = self.training
        net, loss, optimizer = training.net, training.loss, training.optimizer
        self.totals[:] = 0
        self.begun = _keep(net)
        for b in range(self.batches):
            examples = order[b * self.size : (b + 1) * self.size]
            x, y = self.data.X[examples], self.data.y[examples]
            yhat = net.forward(x)
            weights = self.data.weights[examples] if self.data.weights.size else self.data.weights
            total = self._total(loss.forward(y, yhat), len(x), weights)
            if not np.isfinite(total):
                self.take_back()
                self._diverge(b, total)
                return False
            self.totals[0] += total
            if self.hits is not None:
                self.totals[1] += float(np.sum(self.hits(y, yhat)))
            if not optimizer.needs_cost:
                self._backward(x, y, yhat, examples)
            self.previous = _keep(net)
            optimizer.step(self._cost(x, y, weights))
            training.step += 1
            for watcher in self.batch_watchers:
                watcher.on_batch_end(training)
            bar.moved(b + 1, time.perf_counter())
            if training.stop_reason:
                self.totals *= self.data.n / min((b + 1) * self.size, self.data.n)
                break
        if not _is_finite(net):
            self.take_back()
            self._diverge(self.batches - 1, np.nan)
            return False
        return True

    def take_back(self) -> None:
        if self.previous is not None and not _is_finite(self.training.net):
            _put_back(self.previous)
        if not _is_finite(self.training.net):  # statistics may have burst before the loss did
            _put_back([(a, b) for a, b in self.begun or [] if isinstance(a, np.ndarray) and not np.isfinite(a).all()])

    def _backward(self, x: Any, y: Any, yhat: Any, examples: np.ndarray) -> None:
        net, loss = self.training.net, self.training.loss
        delta = np.array(loss.backward(y, yhat), order="C")
        if delta.shape != np.shape(yhat):
            raise ValueError(f"{_name(loss)}: backward returned shape {delta.shape}, expected {np.shape(yhat)}, that of yhat")
        if delta.dtype not in (np.float32, np.float64):
            delta = delta.astype(np.float64)
        scale.call(delta.reshape(len(x), -1), self.data.weights, examples)
        net.zero_grad()
        net.backward_update_gradient(x, delta)

    def _cost(self, x: Any, y: Any, weights: np.ndarray) -> Callable[[], float]:
        """The cost of a batch as a function, for an optimizer that tries parameters out."""
        net, loss = self.training.net, self.training.loss
        return lambda: self._total(loss.forward(y, net.forward(x)), len(x), weights) / len(x)

    def _total(self, costs: Any, count: int, weights: np.ndarray) -> float:
        array = np.asarray(costs)
        if array.shape != (count,):
            raise ValueError(
                f"{_name(self.training.loss)}: forward returned shape {array.shape}, expected ({count},), "
                "the cost of each example"
            )
        with np.errstate(all="ignore"):
            return float(np.sum(array * weights if weights.size else array, dtype=np.float64))

    def validate(self) -> np.ndarray:
        assert self.held_out is not None
        net, loss, held, totals = self.training.net, self.training.loss, self.held_out, np.zeros(2)
        _set_training(net, False)
        for at in range(0, held.n, self.size):
            part = slice(at, at + self.size)
            x, y = held.X[part], held.y[part]
            yhat = net.forward(x)
            totals[0] += self._total(loss.forward(y, yhat), len(x), held.weights[part])
            if self.hits is not None:
                totals[1] += float(np.sum(self.hits(y, yhat)))
        _set_training(net, True)
        return totals


# --- small parts -----------------------------------------------------------------------------------------------------


class _Bar:
    """The progress bar: tqdm, drawn at most ten times a second."""

    def __init__(self, training: Training, batches: int, wanted: bool | None) -> None:
        self.training, self.batches = training, batches
        self.bar: Any = None
        self.drawn = 0.0
        if wanted or (wanted is None and _watched()):
            from tqdm.auto import tqdm

            self.bar = tqdm(
                total=training.epochs,
                desc="epoch",
                bar_format="epoch {n:.0f}/{total} |{bar:24}| {elapsed} < {remaining}{postfix}",
            )

    def moved(self, batch: int, now: float) -> None:
        if self.bar is not None and now - self.drawn > _REDRAW:
            self.drawn = now
            self._draw(self.training.epoch - 1 + batch / self.batches)

    def epoch_done(self) -> None:
        if self.bar is not None and self.training.epoch == self.training.epochs:
            self._draw(self.training.epoch)

    def _draw(self, at: float) -> None:
        names = {"loss": "loss", "accuracy": "acc", "validation_loss": "val loss", "validation_accuracy": "val acc"}
        figures = self.training.history.last()
        self.bar.set_postfix_str(
            "  ".join(f"{short} {figures[name]:.4g}" for name, short in names.items() if name in figures), refresh=False
        )
        self.bar.n = at
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self._draw(self.training.history.epochs)
            self.bar.close()


def _watched() -> bool:
    """Whether somebody looks at the output as it comes: a terminal or a notebook."""
    shell = sys.modules.get("IPython")
    if shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell":
        return True
    return sys.stderr is not None and sys.stderr.isatty()


def _has_table(net: Any, loss: Any, optimizer: Optimizer) -> bool:
    return (
        isinstance(net, Container)
        and net.compiled
        and net.parameters.size > 0
        and net.parameters.size == net._storage.params.size
        and _has_kernels(loss)
        and optimizer.flat_group() is not None
        and type(optimizer).step is Optimizer.step
    )


def _has_kernels(loss: Any) -> bool:
    kind = type(loss)
    return (
        isinstance(loss, KernelLoss)
        and kind.forward is KernelLoss.forward
        and kind.backward is KernelLoss.backward
    )


def _require_loss(loss: Any) -> None:
    if isinstance(loss, type) or not (callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))):
        name = loss.__name__ if isinstance(loss, type) else said(loss)
        raise TypeError(f"fit: loss is {name}, expected a loss object such as CrossEntropy()")


def _require_net(net: Any, who: str) -> None:
    if isinstance(net, type) or not callable(getattr(net, "forward", None)):
        name = net.__name__ if isinstance(net, type) else said(net)
        raise TypeError(f"{who}: net is {name}, expected a network such as Sequential(...)")


def _require_takes(net: Any, data: _Data, count: int, size: int, training: bool, who: str) -> None:
    """Refuse examples, or batches of `count` of them, that a module will not take, before the first is trained on."""
    least = count % size or min(size, count)
    if isinstance(net, Container):
        net.check_data(data.X, least, training, who)
    elif isinstance(net, KernelModule):
        why = net.objection(data.X, least, data.X.shape[1:], training)
        if why:
            raise ValueError(f"{who}{net}: {why}")


def _as_callback(value: Any) -> Callback:
    if isinstance(value, Callback):
        return value
    if isinstance(value, type) or not callable(value):
        raise TypeError(f"fit: a callback is {said(value)}, expected a function of the training, or a Callback object")
    return _FunctionCallback(value)


def _name(value: Any) -> str:
    return type(value).__name__


def _modules(net: Any) -> list[Any]:
    """The network, its containers and its leaves."""
    if not isinstance(net, Container):
        return [net]
    return [net, *net.containers(), *{id(m): m for m in net.leaves()}.values()]


def _modes(net: Any) -> list[tuple[Any, bool]]:
    return [(module, module.training) for module in _modules(net) if hasattr(module, "training")]


def _restore_modes(modes: list[tuple[Any, bool]]) -> None:
    for module, training in reversed(modes):
        if module.training != training and not isinstance(module, Container):
            module.train() if training else module.eval()
        module.training = training


def _set_training(net: Any, training: bool) -> None:
    method = getattr(net, "train" if training else "eval", None)
    if method is not None:
        method()


def _keep(net: Any) -> list[tuple[Any, Any]]:
    """Copies of all numbers that a step may change, to be put back."""
    kept: list[tuple[Any, Any]] = []
    seen: set[int] = set()

    def visit(value: Any) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.flags.writeable:
                kept.append((value, value.copy()))
        elif isinstance(value, dict | list):
            kept.append((value, copy.copy(value)))
            for item in list(value.values() if isinstance(value, dict) else value):
                visit(item)
        elif isinstance(value, tuple):
            for item in value:
                visit(item)
        elif isinstance(value, Container | KernelModule):
            visit(value._storage.params)
            visit(value._storage.state)
            for module in value._strangers if isinstance(value, Container) else ():
                visit(module)
        elif _is_plain(value):
            visit(vars(value))

    visit(net)
    return kept


def _put_back(kept: list[tuple[Any, Any]]) -> None:
    """Give arrays their numbers back, and to plain objects, lists and dicts what they held: the same objects, not copies."""
    for target, value in kept:
        if isinstance(target, np.ndarray):
            target[...] = value
        elif isinstance(target, list):
            target[:] = value
        else:
            target.clear()
            target.update(value)


def _is_plain(value: Any) -> bool:
    """Whether this is a module of somebody's own, whose attributes may be anything."""
    return hasattr(value, "__dict__") and not isinstance(value, type) and callable(getattr(value, "forward", None))


def _is_finite(net: Any) -> bool:
    """Whether all parameters are finite, and so the statistics a module keeps."""
    seen: set[int] = set()

    def visit(value: Any, counts: bool) -> bool:
        if id(value) in seen:
            return True
        if isinstance(value, np.ndarray):
            return not counts or value.dtype.kind != "f" or bool(np.isfinite(value).all())
        seen.add(id(value))
        if isinstance(value, Container | KernelModule):
            strangers = value._strangers if isinstance(value, Container) else []
            return all(visit(a, True) for a in (value._storage.params, value._storage.state, *strangers))
        if _is_plain(value):
            # What else a plain class keeps may be NaN for reasons of its own.
            return all(
                visit(held, name == "_parameters" or ("bias" in name and "grad" not in name))
                for name, held in vars(value).items()
            )
        if isinstance(value, dict | list | tuple):
            return all(visit(held, counts) for held in (value.values() if isinstance(value, dict) else value))
        return True

    return visit(net, True)


__all__ = ["Callback", "History", "Training", "TrainingWarning", "fit", "predict"]
