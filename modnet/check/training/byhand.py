"""Students' networks, losses and loops, seen as the library's: the same numbers, computed by compiled walks.

A network is translated layer by layer, each held to what it computes: a matrix product with or without a bias, or one of the
known activations. A loop by hand is a law: how far its step goes along the gradient. What is not recognised stays as it is, and
is called as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied, parameters
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.networks.calls import recorded
from modnet.check.networks.layers import layers_of
from modnet.check.networks.steps import Moves, Steps, rates_of
from modnet.check.reading.definitions import affine
from modnet.engine.program import is_ours
from modnet.losses import BCE, MAE, MSE, NLL, BCEWithLogits, CrossEntropy
from modnet.modules import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from modnet.modules.container import Container
from modnet.optim import SGD

_KNOWN = (Identity, Tanh, Sigmoid, ReLU, LeakyReLU, Softplus, ELU, SiLU, GELU, Softmax, LogSoftmax)


def is_plain(net: Any) -> bool:
    """Whether a network has classes in it that are not the library's."""
    return not all(is_ours(leaf) for leaf in (net.leaves() if isinstance(net, Container) else [net]))


def translated(net: Any, X: np.ndarray, instead: dict[int, Any] | None = None) -> Any:
    """A network of the library's that computes the same as a student's; None if it can't be said what it computes.

    Parameters
    ----------
    instead : modules that stand for some of the layers, by their number; it then computes something else.
    """
    instead = instead or {}
    try:
        with np.errstate(all="ignore"):
            out, inputs = recorded(net, X)
            layers = [instead.get(i) or _layer(*pair) for i, pair in enumerate(zip(layers_of(net), inputs, strict=True))]
            if not layers or any(layer is None for layer in layers):
                return None
            twin = Sequential(*layers)
            found = np.asarray(twin.forward(X.astype(twin.dtype)))
    except (Misbehaviour, ValueError, TypeError, RuntimeError, AttributeError, IndexError):
        return None
    same = found.shape == out.shape and (instead or np.allclose(found, out, rtol=1e-5, atol=1e-7, equal_nan=True))
    return twin if same else None


def cutting(net: Any, loss: Any, X: np.ndarray, y: np.ndarray) -> int | None:
    """The number of the last layer that passes no gradient on, though it gets one; None if all do, or it can't be said."""
    try:
        with np.errstate(all="ignore"):
            out, inputs = recorded(net, X)
            delta = np.asarray(loss.backward(y, out))
            for i, (layer, x) in reversed(list(enumerate(zip(layers_of(net), inputs, strict=True)))):
                if i and not (delta := np.asarray(layer.backward_delta(x, delta))).any():
                    return i
    except Exception:  # whatever a stranger's class raises
        return None
    return None


def _layer(layer: Any, x: np.ndarray | None) -> Any:
    if x is None:
        return None
    if is_ours(layer):
        return copied(layer)
    # At numbers of its own: at those of the network, which may all be 0, every activation can be the identity.
    x = np.random.default_rng(0).normal(size=(min(len(x), 16), *x.shape[1:])) * 2.0
    out = np.asarray(call("forward", copied(layer).forward, x.copy()))
    return _linear(layer, x, out) or _activation(x, out)


def _linear(layer: Any, x: np.ndarray, out: np.ndarray) -> Any:
    for W, b in affine(x.shape[-1], out.shape[-1], parameters(layer)) if x.ndim == out.ndim == 2 else ():
        if np.allclose(x @ W + (0.0 if b is None else b), out, rtol=1e-6, atol=1e-9, equal_nan=True):
            found = Linear(x.shape[-1], out.shape[-1], bias=b is not None, rng=0)
            found.weight[...] = W
            if b is not None:
                found.bias[...] = b
            return found
    return None


def _activation(x: np.ndarray, out: np.ndarray) -> Any:
    if out.shape != x.shape:
        return None
    for kind in _KNOWN:
        module = kind()
        if np.allclose(module.forward(x), out, rtol=1e-5, atol=1e-9, equal_nan=True):
            return module
    return None


def known_loss(loss: Any, y: np.ndarray, yhat: np.ndarray) -> tuple[Any, float]:
    """A loss of the library's whose derivative a student's loss has, and the factor before it; (None, 1) if there is none.

    The factor is that of the losses themselves: the derivative may have another, of which the rate is a part. Several
    predictions are compared, since at a single one two losses can agree.
    """
    rng = np.random.default_rng(0)
    inside = float(yhat.min()) >= 0 and float(yhat.max()) <= 1
    other = np.clip(yhat * 0.7 + 0.2 * rng.random(yhat.shape), 0.02, 0.98) if inside else yhat + rng.normal(size=yhat.shape)
    tries = [yhat, other]
    for kind in (MSE, BCE, CrossEntropy, BCEWithLogits, NLL, MAE):
        factors = []
        try:
            for at in tries:
                theirs, own = np.asarray(loss.backward(y, at), np.float64), np.asarray(kind().backward(y, at), np.float64)
                power = float(np.sum(own * own))
                factor = float(np.sum(theirs * own)) / power if power else 0.0
                good = theirs.shape == own.shape and factor and np.allclose(theirs, factor * own, rtol=1e-4, atol=1e-9)
                factors.append(factor if good else np.nan)
        except Exception:  # whatever a stranger's loss raises, or one of ours refuses
            continue
        if np.allclose(factors, factors[0], rtol=1e-4):
            return kind(), _factor(loss, kind(), y, tries) or factors[0]
    return None, 1.0


def _factor(loss: Any, known: Any, y: np.ndarray, tries: list[np.ndarray]) -> float:
    """How many times a loss is a known one, up to a constant; 0 if that can't be said."""
    try:
        theirs, own = ([float(np.mean(which.forward(y, at))) for at in tries] for which in (loss, known))
    except Exception:  # whatever a stranger's loss raises
        return 0.0
    found = (theirs[1] - theirs[0]) / (own[1] - own[0]) if own[0] != own[1] else 0.0
    return found if np.isfinite(found) and found > 0 else 0.0


@dataclass
class Law:
    """What a step of a loop by hand does.

    Attributes
    ----------
    rate : parameters -= rate * gradient of the mean loss; below 0 if the step goes uphill, 0 if it moves nothing. Measured.
    name : of the attribute that holds the rate; empty if there is none. given : its value.
    along : whether a first step is that. plain : whether later ones are, too: no momentum, nothing left of earlier steps.
    divided : whether the step is that of the mean over the batch, not of the sum.
    """

    rate: float
    name: str
    given: float
    along: bool
    plain: bool
    divided: bool


def law_of(start: Steps) -> Law:
    """The law of a loop by hand, from its steps on copies."""
    net, loss, optimizer, X, y = start.net, start.loss, start.optimizer, start.X, start.y
    names = rates_of(optimizer)
    name = next((n for n in ("eps", "lr", "rate", "learning_rate", "gradient_step") if n in names), names[0] if names else "")
    given = float(getattr(optimizer, name)) if name else 0.0
    later, moved = start.taken()
    first = _length(start, moved)
    if first is None:
        return Law(0.0, "", 0.0, along=False, plain=False, divided=True)
    twice = Steps(net, loss, optimizer, np.concatenate([X, X]), np.concatenate([y, y]))
    doubled, second = (_length(at, at.taken()[1]) for at in (twice, later))
    divided = doubled is None or abs(doubled / first - 1) < 0.05
    along = _is_along(start, moved, first)
    return Law(first, name, given, along, along and (second is None or abs(second / first - 1) < 0.05), divided)


def _length(start: Steps, moved: Moves) -> float | None:
    """How far a step goes along the gradient of the mean loss; None if it moves nothing."""
    moved = {place: move for place, move in moved.items() if move.any()}
    power = sum(float(np.sum(move.astype(np.float64) ** 2)) for move in moved.values())
    slope = sum(start.slope_along(place, move) for place, move in moved.items())
    return -power / slope if slope and np.isfinite(slope) else None


def _is_along(start: Steps, moved: Moves, length: float) -> bool:
    """Whether a step is this length times the gradient, and not another direction downhill, such as Adam's."""
    rng = np.random.default_rng(6)
    for place, move in moved.items():
        size = float(np.sqrt(np.sum(move.astype(np.float64) ** 2)))
        for _ in range(3):
            direction = rng.choice([-1.0, 1.0], move.shape)
            along = -float(np.sum(move * direction)) / length
            if abs(along - start.slope(place, direction)) > 0.05 * size / abs(length) + 1e-9:
                return False
    return True


def is_same_step(start: Steps, net: Any, loss: Any, rate: float) -> bool:
    """Whether a step of the library's, with a network and a loss that stand for a student's, goes where the student's goes."""
    theirs, own = start.copy(), copied(net)
    before = np.asarray(own.forward(start.X))
    own.zero_grad()
    own.backward(start.X, np.asarray(loss.backward(start.y, before)) / len(start.X))
    own.update_parameters(rate)
    theirs.step()
    after = np.asarray(theirs.net.forward(start.X))
    far = float(np.abs(after - before).max())
    return bool(np.abs(after - np.asarray(own.forward(start.X))).max() <= 0.05 * far + 1e-9)


def as_sgd(rate: float) -> SGD:
    """The optimizer of a law."""
    return SGD(abs(rate))
