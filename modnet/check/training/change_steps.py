"""Changes of how it is trained: the rate, momentum, weight decay, epochs, batches, the order and the weight of examples."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.training.change import Change, Variant, option
from modnet.check.training.facts import Facts
from modnet.check.training.knobs import momentum_weight, penalty_weight
from modnet.check.training.reference import balance, labels_of
from modnet.check.training.setup import Run, Setup
from modnet.check.training.task import Task
from modnet.optim.schedules import Schedule


def rebuilt(optimizer: Any, **settings: Any) -> Any:
    """An optimizer of the same kind with other settings."""
    names = inspect.signature(type(optimizer)).parameters
    given = {name: getattr(optimizer, name) for name in names if hasattr(optimizer, name)}
    if optimizer.schedule is not None:
        given["lr"] = copy.deepcopy(optimizer.schedule)
    given.update({name: value for name, value in settings.items() if name in names})
    if not given.get("momentum") and "nesterov" in given:
        given["nesterov"] = False
    return type(optimizer)(**given)


def faster(setup: Setup, factor: float) -> Setup:
    """The same training at another rate."""
    optimizer = setup.optimizer
    schedule = optimizer.schedule
    return setup.but(optimizer=rebuilt(optimizer, lr=optimizer.lr * factor if schedule is None else _scaled(schedule, factor)))


def _scaled(schedule: Schedule, factor: float) -> Schedule:
    twin = copy.deepcopy(schedule)
    for part in (twin, *vars(twin).values()):
        if isinstance(part, Schedule):
            part.lr *= factor
    for name in ("lowest", "minimum", "least"):
        if isinstance(getattr(twin, name, None), float):
            setattr(twin, name, getattr(twin, name) * factor)
    return twin


def _with(setup: Setup, factor: float = 1.0, **settings: Any) -> Variant:
    """The optimizer with other settings, or at a rate that is a factor times as large."""

    def apply(s: Setup) -> Setup:
        return s.but(optimizer=rebuilt(s.optimizer, **settings)) if settings else faster(s, factor)

    optimizer = apply(setup).optimizer
    if setup.rate_name:
        return f"optimizer.{setup.rate_name} = {optimizer.lr * setup.rate_unit:.3g}", apply
    return f"optimizer = {optimizer!r}", apply


def rates(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """The optimizer: momentum, weight decay, the schedule and the rate."""
    optimizer = setup.optimizer
    if not hasattr(optimizer, "fresh") or not hasattr(optimizer, "lr"):
        return
    rate = float(optimizer.lr)
    momentum = float(getattr(optimizer, "momentum", 0.0) or 0.0)
    if momentum > 0:
        seen = f"momentum {momentum:g} makes every step up to {1 / (1 - momentum):.3g} times as long"
        yield Change("momentum-too-large", momentum_weight(momentum, rate), seen, [_with(setup, momentum=0.0)])
    decay = float(getattr(optimizer, "weight_decay", 0.0) or 0.0)
    if decay > 0:
        steps = setup.steps * setup.epochs
        left = np.exp(-rate * decay * steps)
        seen = f"weight_decay {decay:g}: without a gradient, {steps} steps leave {left:.2g} of a weight"
        yield Change("weight-decay-too-large", penalty_weight(decay), seen, [_with(setup, weight_decay=0.0)])
    schedule = optimizer.schedule
    if schedule is not None:
        half, last = _rate_at(setup, setup.epochs // 4), _rate_at(setup, setup.epochs - 1)
        seen = f"{schedule!r} leaves a rate of {half:.3g} after a quarter of the training, {last:.3g} at its end"
        yield Change("rate-too-small", 71 if half < 0.05 * schedule.lr else 33, seen, [_with(setup, lr=float(schedule.lr))])
    down = [_with(setup, f) for f in (0.1, 0.01, 0.001, 0.0001)]
    up = [_with(setup, f) for f in (10.0, 100.0, 1e3, 1e4, 1e5)]
    wild = base.diverged or jumps(base.losses)
    how = "became infinite" if base.diverged else "jumps" if wild else ""
    seen = f"the loss {how}" if how else f"the rate is {rate * setup.rate_unit:.3g}"
    yield Change("rate-too-large", 50 if base.diverged else 44 if wild else 38, seen, down, ladder=not base.diverged)
    seen = fell(base)
    yield Change("rate-too-small", 30 if wild else 42, seen, up, ladder=True)


def _rate_at(setup: Setup, epoch: int) -> float:
    """The rate of a schedule at the end of an epoch."""
    schedule = setup.optimizer.schedule
    with np.errstate(all="ignore"):
        found = schedule.rates(max(0, epoch), np.array([(epoch + 1) * setup.steps - 1]), schedule.begin())
    return float(np.ravel(found)[0])


def jumps(losses: list[float]) -> bool:
    """Whether a loss goes up about as much as down, by much, to its end."""
    tail = np.array(losses[len(losses) // 2 :], np.float64)
    if len(tail) < 4 or not np.isfinite(tail).all():
        return bool(len(tail)) and not bool(np.isfinite(tail).all())
    moves = np.diff(tail)
    up = float(moves[moves > 0].sum())
    return up > 0.3 * float(-moves[moves < 0].sum()) and up > 0.2 * abs(float(np.median(tail))) + 1e-300


def fell(base: Run) -> str:
    """How the loss went, in words."""
    losses = base.losses
    epochs = max(1, round(len(losses) * base.setup.asked / base.setup.epochs))
    if len(losses) < 2:
        return f"there was {epochs} epoch"
    late = losses[-1 - max(1, len(losses) // 5)]
    whole = losses[0] - losses[-1]
    slope = "and was still falling" if whole > 0 and late - losses[-1] > 0.05 * whole else "and had stopped"
    return f"the loss went from {losses[0]:.4g} to {losses[-1]:.4g} in {epochs} epochs, {slope}"


# --- effort and data --------------------------------------------------------------------------------------------------


def effort(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """How long, and in which batches."""
    total = setup.epochs * setup.steps
    falling = "still falling" in fell(base)
    given = setup.given or len(setup.X)
    batch = min(setup.batch_size or given, given)
    made = f"{-(-given // batch) * setup.asked} steps in {setup.asked} epoch{'s' * (setup.asked != 1)}"
    seen = f"{made}; {fell(base)}"
    if setup.patience is not None and len(base.losses) < setup.epochs:
        stopped = max(1, round(len(base.losses) * setup.asked / setup.epochs))
        seen = f"it ended after {stopped} of {setup.asked} epochs, by patience={setup.patience}"
        more = max(10, 5 * setup.patience)
        weight = 68 if len(base.losses) < 0.3 * setup.epochs else 40
        yield Change("too-few-epochs", weight, seen, [option(patience=more), option(patience=None)])
        return
    few = setup.epochs <= 3 or total <= 100
    longer = [_longer(setup, f) for f in (5, 30, 150 if few else 60)]
    yield Change("too-few-epochs", 66 if few else 36 if falling else 26, seen, longer, ladder=True)
    n, size = len(setup.X), setup.batch_size or len(setup.X)
    new, weight, seen = 32, 0, f"{size} example{'s' * (size > 1)}"
    if size >= 64 and setup.steps <= 4 and total <= 400:
        new, weight, seen = (16 if n < 1000 else 32), 67, f"batches of {batch} make {made}"
    elif size <= 4 and n >= 32 and facts.is_normalised:
        weight, seen = 95 if size <= 2 else 69, f"BatchNorm takes the mean and the deviation of {seen} at each step"
    elif size <= 2 and n >= 32:
        weight, seen = 37, f"{seen} a step"
    if weight:
        yield Change("batch-size", weight, seen, [option(batch_size=new)])


def _longer(setup: Setup, factor: int) -> Variant:
    return f"epochs={setup.asked * factor}", lambda s: s.but(epochs=s.epochs * factor)


_SHUFFLED = "order = np.random.permutation(len(X)); X, y = X[order], y[order]  # in each epoch"


def data(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """The order and the weight of examples; held in check by the optimizer."""
    if not setup.shuffle and len(setup.X) > (setup.batch_size or len(setup.X)):
        order = is_sorted(setup.task, setup.y)
        seen = "the examples are taken in their order" + ", and that is the order of their classes" * order
        line, shuffled = option(shuffle=True)
        yield Change("sorted-data", 89 if order else 40, seen, [(_SHUFFLED if setup.is_by_hand else line, shuffled)])
    seen = _uneven(setup)
    if seen:
        labels = "y" if setup.y.ndim == 1 else "y.argmax(axis=1)" if setup.task.rows else "y.ravel()"
        line = "sample_weight=" + (f"balanced_weights({labels})" if balance(setup.task, setup.y) is not None else "None")
        alike: Variant = line, lambda s: s.but(weights=balance(s.task, s.y))
        yield Change("majority-class", 78 if setup.task.balanced else 31, seen, [alike])
    if setup.augment is not None:
        moved, seen = _moved_by_augment(setup)
        yield Change("train-test-mismatch", 80 if moved > 1 else 36, seen, [option(augment=None)])
    if base.own_share > 0.75 and base.own_share - base.share > 0.2 and setup.is_held_out:
        seen = f"{_percent(base.own_share)} of what can be learned on its own examples, {_percent(base.share)} on held-out ones"
        variants = []
        if "weight_decay" in inspect.signature(type(setup.optimizer)).parameters:
            variants += [_with(setup, weight_decay=w) for w in (0.01, 0.1, 1.0)]
        line, patient = option(patience=5)
        yield Change("overfitting", 79, seen, [*variants, (line if setup.pair else f"validation=0.2, {line}", patient)])


def _uneven(setup: Setup) -> str:
    """How unevenly the classes count in the loss, in words; empty if it is less than three to one."""
    labels, weights = labels_of(setup.task, setup.y), setup.weights
    if labels is None or (weights is not None and weights.shape != labels.shape):
        return ""
    at = np.unique(labels, return_inverse=True)[1]
    shares = np.bincount(at, weights=weights) / (len(labels) if weights is None else weights.sum())
    if len(shares) < 2 or len(labels) * shares.max() < 3 or shares.max() < 3 * shares.min():
        return ""
    of = "of the examples are" if weights is None else "of the weight of the examples is"
    return f"{shares.max():.1%} {of} of one class, {shares.min():.1%} of another"


def _moved_by_augment(setup: Setup) -> tuple[float, str]:
    """How far augment takes the column that it moves most, in its deviations; and in words."""
    X, y = setup.X[:256], setup.y[:256]
    try:
        other = np.asarray(copied(setup.augment)(X.copy(), y.copy(), np.random.default_rng(8))[0])
    except Exception:  # whatever a stranger's function raises
        other = X
    before, after = (a.reshape(len(a), -1).astype(np.float64) for a in (X, other))
    if before.shape[1] != after.shape[1] or not len(after):
        return 0.0, "what is trained on goes through augment"
    spread = before.std(axis=0)
    away = np.abs(after.mean(axis=0) - before.mean(axis=0)) / np.where(spread > 0, spread, max(spread.max(), 1e-300))
    column = int(np.argmax(away))
    means = f"{before[:, column].mean():.3g} to {after[:, column].mean():.3g}"
    seen = f"augment takes the mean of column {column} from {means} in what is trained on, and not in what it is judged on"
    return float(away[column]), seen


def is_sorted(task: Task, y: np.ndarray) -> bool:
    """Whether the examples stand in the order of their classes, or of their numbers."""
    truth = np.asarray(task.truth(y), np.float64)
    column = truth[:, 0] if truth.ndim > 1 else truth
    if len(column) < 8:
        return False
    if task.kind == "numbers":
        up = np.mean(np.diff(column) >= 0)
        return bool(max(up, 1 - up) > 0.9)
    changes = int(np.sum(np.diff(column) != 0))
    expected = len(column) * (1 - float(np.sum(task.shares(y) ** 2)))
    return changes < 0.15 * expected


def _percent(share: float) -> str:
    return f"{max(0.0, share):.0%}"
