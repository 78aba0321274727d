"""A training as a value: all that `fit` is given, to be changed in one place and run again.

Nothing here touches what the user gave: every run trains a copy of the network with a fresh copy of the optimizer.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied, parameters
from modnet.check.networks.layers import layers_of
from modnet.check.training.task import Task
from modnet.engine.program import is_ours, is_wired
from modnet.engine.storage import leaves
from modnet.module import Module
from modnet.training import Callback, fit, predict

Map = Callable[[np.ndarray], np.ndarray]
_SEEN = 256  # examples whose loss is taken after each epoch of a loop by hand
_SHORT = 2e8  # of a compiled training that ends in a tenth of a second: nothing looks at the clock meanwhile


class _AfterEachStep(Callback):
    """A callback that is called after each step; with one, `fit` takes its steps from Python."""

    def __init__(self, call: Callable[..., None]) -> None:
        self.call = call

    def on_batch_end(self, training: Any) -> None:
        self.call(training)


@dataclass(frozen=True)
class Setup:
    """A training, and what it is judged on.

    Attributes
    ----------
    net, loss, optimizer, X, y : as `fit` takes them. The network is a template, never trained itself.
    judged : (X, y), what the score is taken on. task : what the score is.
    epochs, batch_size, shuffle, weights, patience, augment : those of `fit`; weights is its sample_weight. More epochs
        are run than were asked for if there are fewer examples: as many steps.
    asked : the epochs that were asked for. given : the examples that were given, of which X may be a share.
    rates : factors on the rate, by the number of the leaf.
    backwards : from what the network gives to what y was, if y was scaled.
    loop : a loop by hand: called with a copy of (net, loss, optimizer) and a batch for every step, instead of `fit`.
    rate_name, rate_unit : what the rate of a loop by hand is called, empty for `fit`; and its value at a rate of 1 of the mean
        loss. origin : the network of a student's classes that this one computes the same as, if it was made from one.
    pair : whether it is judged on data of the person's own. aside : the share of X that `fit` does not train on.
    look_at_clock : called while it trains: after each epoch, and after each step that is not compiled. What it raises ends it.
    """

    net: Any
    loss: Any
    optimizer: Any
    X: np.ndarray
    y: np.ndarray
    judged: tuple[np.ndarray, np.ndarray]
    task: Task
    epochs: int = 100
    asked: int = 100
    given: int = 0
    batch_size: int | None = 32
    shuffle: bool = True
    weights: np.ndarray | None = None
    patience: int | None = None
    augment: Callable[..., Any] | None = None
    rates: dict[int, float] = field(default_factory=dict)
    backwards: Map | None = None
    loop: Callable[[Any, Any, Any, np.ndarray, np.ndarray], None] | None = None
    rate_name: str = ""
    rate_unit: float = 1.0
    origin: Any = None
    pair: bool = False
    aside: float | None = None
    seed: int = 0
    look_at_clock: Callable[..., None] | None = None

    def but(self, **changes: Any) -> Setup:
        """The same training with something changed. An optimizer by hand gets the new network or loss, if it holds it."""
        if self.loop is not None and "optimizer" not in changes and changes.keys() & {"net", "loss"}:
            twin = copy.copy(self.optimizer)
            for name, value in vars(twin).items():
                for part in ("net", "loss"):
                    if value is getattr(self, part):
                        setattr(twin, name, changes.get(part, value))
            changes["optimizer"] = twin
        return replace(self, **changes)

    def mapped(self, X: Map | None = None, y: Map | None = None, **changes: Any) -> Setup:
        """The same training with a function done to X or y, to what is trained on and to what judges."""
        judged = list(self.judged)
        for at, (name, function) in enumerate((("X", X), ("y", y))):
            if function is not None:
                own = getattr(self, name)
                changes[name] = function(own)
                judged[at] = changes[name] if judged[at] is own else function(judged[at])
        return self.but(judged=tuple(judged), **changes)

    @property
    def is_held_out(self) -> bool:
        """Whether it is judged on other examples than those it is trained on."""
        return self.judged[0] is not self.X

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return -(-len(self.X) // (self.batch_size or len(self.X)))

    @property
    def is_by_hand(self) -> bool:
        """Whether the person's own loop trains, though `fit` may take the same steps here."""
        return self.loop is not None or bool(self.rate_name)

    @property
    def is_compiled(self) -> bool:
        """Whether `fit` runs it as one compiled walk."""
        if self.loop is not None or not (is_wired(self.net) or is_ours(self.net)):
            return False
        return all(is_ours(leaf) for leaf in leaves(self.net)) and bool(getattr(type(self.loss), "is_compiled", False))

    @property
    def work(self) -> float:
        """What a run costs, in examples times parameters, with the overhead of steps and epochs in the same unit."""
        positions = int(np.prod(self.X.shape[1:-1]))
        positions = -(-positions // 4)  # they take a quarter of the time, by measurement
        numbers = sum(p.size * (positions if p.ndim > 2 else 1) for p in map(np.asarray, _numbers(self.net)))
        step = 1_000 if self.is_compiled else 80_000
        work = float(self.epochs * (len(self.X) * (numbers + 50) + self.steps * step + 2_000))
        return work if self.is_compiled and work < _SHORT else work + 18_000.0 * self.epochs

    def run(self, seed: int = 0, redraw: bool = False) -> Run:
        """Train a copy, and judge it.

        Parameters
        ----------
        seed : of the order of the examples. redraw : whether every layer gets its own numbers in another order first.
        """
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return self._by_hand(seed) if self.loop is not None else self._by_fit(seed, redraw)
            except (ValueError, TypeError, RuntimeError, FloatingPointError, ZeroDivisionError, IndexError) as error:
                return Run(self, None, [], error=" ".join(str(error).split()))

    def _by_fit(self, seed: int, redraw: bool) -> Run:
        net, optimizer = copied(self.net), self.optimizer.fresh()
        rng = np.random.default_rng([self.seed, seed])
        if redraw:
            reorder(net, rng)
        if self.rates:
            found = list(leaves(net))
            optimizer.attach(net, {found[i]: factor for i, factor in self.rates.items()})
        validation: Any = self.judged if self.patience is not None and not self.aside else self.aside
        history = fit(
            net, self.X, self.y, self.loss, optimizer, epochs=self.epochs, batch_size=self.batch_size, shuffle=self.shuffle,
            rng=rng, sample_weight=self.weights, patience=self.patience, validation=validation,
            augment=copied(self.augment), progress=False, callbacks=self._watchers(),
        )  # fmt: skip
        return self.judge(net, history.loss, diverged=history.stopped_because.startswith("diverged"))

    def _watchers(self) -> list[Any]:
        is_short = self.is_compiled and self.work < _SHORT and self.optimizer.schedule is None
        if self.look_at_clock is None or is_short:
            return []
        return [self.look_at_clock if self.is_compiled else _AfterEachStep(self.look_at_clock)]

    def _by_hand(self, seed: int) -> Run:
        assert self.loop is not None
        net, loss, optimizer = copied([self.net, self.loss, self.optimizer])
        rng = np.random.default_rng([self.seed, seed])
        size, n = self.batch_size or len(self.X), len(self.X)
        losses: list[float] = []
        seen = slice(None, None, -(-n // _SEEN))
        for _ in range(self.epochs):
            order = rng.permutation(n) if self.shuffle else np.arange(n)
            for at in range(0, n, size):
                part = order[at : at + size]
                if self.look_at_clock is not None:
                    self.look_at_clock()
                self.loop(net, loss, optimizer, self.X[part], self.y[part])
            losses.append(float(np.mean(loss.forward(self.y[seen], np.asarray(net.forward(self.X[seen]))))))
            if not np.isfinite(losses[-1]):
                break
        return self.judge(net, losses, diverged=bool(losses) and not np.isfinite(losses[-1]))

    def judge(self, net: Any, losses: list[float], diverged: bool = False) -> Run:
        """The run of a network that has been trained."""
        run = Run(self, net, losses, diverged=diverged)
        run.score, run.share, run.answers = self.measure(net, *self.judged)
        run.own_share = run.share
        if self.is_held_out:
            stride = -(-len(self.X) // 1000)  # at most a thousand of those that are trained on
            run.own_share = self.measure(net, self.X[::stride], self.as_given(self.y)[::stride])[1]
        return run

    def measure(self, net: Any, X: np.ndarray, y: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Score, share, and the answers themselves."""
        out = self.as_given(np.asarray(predict(net, X) if isinstance(net, Module) else net.forward(X)))
        score = self.task.score(y, out)
        return score, self.task.share(score, self.chance), out

    @property
    def chance(self) -> float:
        """The score of an answer that does not look at X."""
        return self.task.chance(self.as_given(self.y), self.judged[1])

    def as_given(self, y: np.ndarray) -> np.ndarray:
        """Targets or predictions in the unit of the targets that were given."""
        return y if self.backwards is None else self.backwards(y)


@dataclass
class Run:
    """What became of a training.

    Attributes
    ----------
    net : the network afterwards. losses : epoch by epoch. score, share : see `Task`. own_share : on the examples trained on.
    diverged : whether the loss became infinite or NaN. error : why it could not be trained at all.
    """

    setup: Setup
    net: Any
    losses: list[float]
    score: float = -1.0
    share: float = -1.0
    own_share: float = -1.0
    diverged: bool = False
    error: str = ""
    answers: np.ndarray | None = None


def reorder(net: Any, rng: np.random.Generator) -> None:
    """Put the numbers of every weight array into another order: other weights of exactly the same distribution."""
    for array in _numbers(net):
        if isinstance(array, np.ndarray) and array.size > 1 and array.flags.writeable:
            array[...] = rng.permutation(array.reshape(-1)).reshape(array.shape)


def _numbers(net: Any) -> list[np.ndarray]:
    """The parameter arrays of a network, those of plain classes included."""
    if isinstance(net, Module):
        return [array for leaf in {id(m): m for m in leaves(net)}.values() for array in _of_leaf(leaf)]
    return [array for layer in layers_of(net) for array in parameters(layer).values()]


def _of_leaf(leaf: Any) -> list[np.ndarray]:
    return list((leaf.named_parameters() if isinstance(leaf, Module) else parameters(leaf)).values())


def frozen(net: Any, optimizer: Any) -> dict[int, float]:
    """The factors on the rate that an attached optimizer has, by the number of the leaf; nothing if all are 1."""
    if getattr(optimizer, "net", None) is not net or net is None:
        return {}
    found: dict[int, float] = {}
    moving = optimizer.moving()
    for i, leaf in enumerate(leaves(net)):
        own = _of_leaf(leaf)
        if own:
            factors = [factor for array, factor in moving if any(np.shares_memory(array, a) for a in own)]
            found[i] = factors[0] if factors else 0.0
    return found if any(factor != 1 for factor in found.values()) else {}
