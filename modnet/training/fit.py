"""fit: training a network on data.

Two paths do the same work. If every module, the loss and the optimizer have kernels, an epoch is one compiled walk
(`modnet.training.compiled`), which comes back to Python about twenty times a second to look for Ctrl-C and to draw. If one
of them is a plain class, or a callback wants to see every batch, the same steps run in Python (`modnet.training.python`). Both
shuffle, scale and count alike, so they leave the same parameters.

Here is what a training is made of: examples (`intake`, `data`, `sources`, `split`), what takes the steps (`runner`), and the
loop over the epochs (`loop`), with metrics (`evaluating`) and checkpoints (`checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from modnet import hints
from modnet.engine.storage import writing
from modnet.inputs import generator, real, short_repr, whole
from modnet.kernels.blas import LEAST_ROWS
from modnet.kernels.declare import require_bool
from modnet.loss import Loss, require_loss
from modnet.metrics import Metrics
from modnet.module import require_net
from modnet.optim.optimizer import Optimizer, as_optimizer
from modnet.training import advice
from modnet.training.checkpoint import Checkpoint
from modnet.training.compiled import CompiledRunner, can_compile
from modnet.training.data import Source
from modnet.training.evaluating import Measured
from modnet.training.history import History
from modnet.training.intake import Intake
from modnet.training.loop import Loop
from modnet.training.parallel import Team, TeamRunner
from modnet.training.progress import Bar
from modnet.training.python import PythonRunner
from modnet.training.runner import Runner
from modnet.training.sources import Augmented, Stream, is_batches
from modnet.training.split import held_out as held_out_rows
from modnet.training.split import labels_of
from modnet.training.training import Callback, Training, as_callback
from modnet.training.waiting import compile_kernels


@hints.explained(hints.FIT)
def fit(
    net: Any,
    X: Any,
    y: Any = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    *,
    epochs: int = 100,
    batch_size: int | None = 32,
    validation: float | tuple[Any, ...] | None = None,
    shuffle: bool = True,
    rng: int | np.random.Generator | None = None,
    sample_weight: Any = None,
    patience: int | None = None,
    callbacks: Sequence[Callback | Callable[[Training], None]] = (),
    progress: bool | None = None,
    metrics: Sequence[str | Callable[..., float]] = (),
    augment: Callable[..., Any] | None = None,
    checkpoint: Any = None,
    every: int = 1,
    resume: bool = False,
    comm: Any = None,
) -> History:
    """Train a network by minibatches.

    Parameters
    ----------
    net : a `Sequential`, or any module with parameters.
    X : (n, ...), finite numbers. A memory-mapped array is read a block at a time. Or, with y left out, an iterable of batches
        (X, y) or (X, y, weights), or a function that returns one, gone through once an epoch: each batch is a step.
    y : (n, ...), what the loss takes: for classes, integers 0 to C - 1.
    loss : its gradient is averaged over each batch, a short last batch divided by its own size.
    optimizer : it keeps its moments from an earlier `fit` of the same network; `optimizer.attach(net)` forgets them. Its
        schedule, if it has one, is told the loss of every epoch: of validation if there is one.
    epochs : passes over the data. batch_size : examples a step; None for all at once.
    validation : a share of the data, drawn by rng and not trained on, of each class alike if y is labels; or a pair (X, y), or
        (X, y, weights).
    shuffle : whether each epoch takes the examples in a new random order. If a batch has all of them, they come as they are.
    rng : int, numpy.random.Generator or None. The same seed gives the same parameters, to the bit.
    sample_weight : (n,), or one for each position of an example's prediction, (n, length), not negative: the loss is the mean
        of weight * loss. A share kept for validation is weighted alike. Accuracies and metrics leave out what has weight 0.
    patience : stop after so many epochs without a lower validation loss, and put the best parameters back.
    callbacks : functions ``f(training)``, called at the end of each epoch, or `Callback` objects.
    progress : whether to draw a bar; None draws one in a terminal or a notebook.
    metrics : names or functions, as in `evaluate`, taken after each epoch in evaluation mode over the training examples and
        over those of validation, and kept in the history. They cost a forward over all of these examples.
    augment : ``f(X, y, rng) -> (X, y)``, applied to each batch that is trained on, with copies that it may write to. rng is a
        generator that depends on the seed and the epoch alone.
    checkpoint : path of a file that the training is written to after every `every` epochs and after the last, whole or not at
        all.
    resume : whether to go on from that file, if there is one, as if the training had never been interrupted: to the bit.
        epochs is then the total; the network, the loss and the optimizer must be built alike, and the data the same. Without
        it, a file that is there is replaced.
    comm : a communicator of mpi4py: the processes train one network together, each on its part of every batch, which has
        batch_size examples for each of them. All call fit alike, with the whole data. See `modnet.training.parallel`.

    Returns
    -------
    history : `History`. Every epoch begins in training mode, except for modules that were put into evaluation one by one
        (``net[0].eval()``); validation is in evaluation mode; afterwards the network is in the mode it came in.

    Raises
    ------
    ValueError, TypeError : if something given does not fit; nothing has changed then. Of data that come in blocks, a later
        block that does not fit ends the training where it is.
    RuntimeError : if another thread is training the network.

    Warns
    -----
    TrainingWarning : if Ctrl-C, or a loss that is NaN or infinite, ended the training. The network then has the last finite
        parameters; after a non-finite loss the optimizer's state is reset. Also if the network ends with the softmax that its
        loss contains, if targets or outputs mean something else to a loss over classes, if the last activation cannot give the
        targets, if there is one class only, if the rate was 0 in all steps, and if the loss did not fall at all.

    Example
    -------
    >>> from modnet import MSE, Linear
    >>> from modnet.optim import SGD
    >>> net, X = Linear(1, 1, rng=0), np.array([[0.0], [1.0], [2.0]])
    >>> history = fit(net, X, 2 * X + 1, MSE(), SGD(0.1), epochs=300, rng=0)
    >>> net.forward([[3.0]]).round(3)
    array([[7.]])
    """
    optimizer = as_optimizer(optimizer)
    require_loss(loss, "fit")
    require_net(net, "fit")
    whole(epochs, "fit", "epochs")
    require_bool(shuffle, "fit", "shuffle")
    if progress is not None:
        require_bool(progress, "fit", "progress")
    source = generator(rng, "fit")
    if patience is not None:
        whole(patience, "fit", "patience")
        if validation is None:
            raise ValueError("fit: patience without validation, expected validation data: a share such as 0.2, or (X, y)")
    if augment is not None and not callable(augment):
        raise TypeError(f"fit: augment is {short_repr(augment)}, expected a function (X, y, rng) -> (X, y)")
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"fit: callbacks is {short_repr(callbacks)}, expected a list of functions or Callback objects")
    watchers = [as_callback(c) for c in callbacks]
    wanted = Metrics(metrics, loss, "fit")
    if checkpoint is None and resume:
        raise ValueError("fit: resume without checkpoint, expected checkpoint=path, the file to go on from")
    keeper = None if checkpoint is None else Checkpoint(checkpoint, every, resume)
    with writing(net, "fit"), nullcontext() if comm is None else Team(comm, net, optimizer) as team:
        size = None if batch_size is None else whole(batch_size, "fit", "batch_size")
        in_batches = is_batches(X, y)
        if comm is None and not any(w.watches_batches for w in watchers):
            shape: Any = getattr(X, "shape", ())
            few = len(shape) == 2 and min(shape[0], size or shape[0]) < LEAST_ROWS
            compile_kernels(net, loss, optimizer, progress, few)
        intake = Intake(net, loss, None if in_batches else size, frozen=_is_attached(optimizer, net))
        data = _training_data(intake, X, y, sample_weight, epochs if in_batches else 0)
        held_out, share = _validation_data(intake, data, validation)
        if data.n is not None:
            intake.prepare(data, data.n - share, training=True)
        if held_out is not None:
            intake.prepare(held_out, held_out.n or 0, training=False)
        notes = advice.before(net, loss, data)
        _attach(optimizer, net)
        if team is not None:
            source = team.begin(source)

        rows = None
        if share:
            assert data.n is not None
            order, labels = source.permutation(data.n), labels_of(data.y, loss)  # type: ignore[attr-defined]
            rows = keeper.held_out(data.n, share) if keeper is not None and keeper.found is not None else None
            rows = held_out_rows(order, share, labels) if rows is None else rows
            held_out, data = data.part(rows), data.part(np.setdiff1d(order, rows))
        seed = source.integers(0, 2**64, 1, dtype=np.uint64)
        augment_seed = None
        if augment is not None:
            kept = None if keeper is None or keeper.found is None else keeper.found["augment_seed"]
            augment_seed = int(source.integers(2**63)) if kept is None else whole(kept, "fit", "augment_seed", 0)
            data = Augmented("fit", data, augment, augment_seed, intake.maker("fit: augment", True))
        steps = data.batch_size(size if team is None or size is None else size * team.ranks)
        training = Training(net, loss, optimizer, epochs)
        if keeper is not None:
            options = {"examples": data.n, "batch_size": steps, "shuffle": bool(shuffle), "augment": augment is not None}
            keeper.restore(net, loss, optimizer, options, [data, held_out])
        batch_watchers = [w for w in watchers if w.watches_batches]
        runner: Runner
        if team is not None:
            runner = TeamRunner(training, data, held_out, steps, batch_watchers)
            runner.team = team
            progress = progress if team.rank == 0 else False
        elif not batch_watchers and can_compile(net, loss, optimizer):
            runner = CompiledRunner(training, data, held_out, steps)
        else:
            runner = PythonRunner(training, data, held_out, steps, batch_watchers)
        bar = Bar(training, runner.batches, progress)
        measured = Measured(wanted, net, data, held_out, steps) if len(wanted) else None
        loop = Loop(training, runner, watchers, seed if shuffle else None, patience, bar, measured, keeper)
        loop.held_out_rows, loop.augment_seed = rows, augment_seed
        if keeper is not None:
            keeper.resume(loop)
            keeper.writes = team is None or team.rank == 0
        training.history.notes += [note for note in notes if note not in training.history.notes]
        loop.run()
    return training.history


def _training_data(intake: Intake, X: Any, y: Any, weight: Any, epochs: int) -> Source:
    """What is trained on; of batches that come `epochs` times if epochs is above 0."""
    if not epochs:
        return intake.take("fit", X, y, weight, training=True)
    if weight is not None:
        raise ValueError("fit: sample_weight beside an iterable of batches; put weights into each batch: (X, y, weights)")
    return Stream("fit", X, epochs, intake.maker("fit", True))


def _validation_data(intake: Intake, data: Source, validation: Any) -> tuple[Source | None, int]:
    """The validation examples that were given, or how many of the training examples are to be kept for it."""
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise ValueError(f"fit: validation has {len(validation)} parts, expected a pair (X, y), or (X, y, weights)")
        X, y, weight = (*validation, None)[:3]
        found = intake.take("fit: validation", X, y, weight)
        if found.shape != data.shape:
            raise ValueError(
                f"fit: validation X has shape {(found.n, *found.shape)} and X {(data.n, *data.shape)}, "
                "expected equal but for the batch"
            )
        return found, 0
    if validation is None:
        return None, 0
    expected = "a share between 0 and 1, or a pair (X, y)"
    portion = real(validation, "fit", "validation", expected, lambda v: 0 < v < 1)
    if data.n is None:
        raise ValueError(f"fit: validation is {portion:g}, but X is an iterable of batches; expected a pair (X, y)")
    share = max(1, round(portion * data.n))
    if share >= data.n:
        raise ValueError(f"fit: validation takes {share} of {data.n} examples, expected some left to train on")
    return None, share


def _is_attached(optimizer: Optimizer, net: Any) -> bool:
    return optimizer.net is net and bool(optimizer._groups)


def _attach(optimizer: Optimizer, net: Any) -> None:
    """Attach the optimizer unless it is attached already; on failure, undo."""
    before = optimizer.net, optimizer._groups
    try:
        if not _is_attached(optimizer, net):
            optimizer.attach(net)
        optimizer.check_attached()
    except BaseException:
        optimizer.net, optimizer._groups = before
        raise


__all__ = ["fit"]
