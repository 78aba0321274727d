"""What can be read without training: columns, targets, the range of the output, units that are dead or saturated, weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from modnet.check.training.edit import SATURATING, Place, end_of, fan_in, is_activation, name_of, weighted
from modnet.check.training.setup import Setup
from modnet.check.training.wild import Tamed
from modnet.engine.storage import has_storage
from modnet.modules.container import Container
from modnet.watch import Step, activations, deltas

_LOOKED_AT = 256  # examples
_WIDE = np.linspace(-60.0, 60.0, 2401)


def range_of(net: Any) -> tuple[float, float]:
    """The least and the largest number that the activation at the end of a network can give; any, if there is none."""
    end = end_of(net).module
    if not is_activation(end):
        return -np.inf, np.inf
    if name_of(end) == "Softmax":
        return 0.0, 1.0
    if name_of(end) == "LogSoftmax":
        return -np.inf, 0.0
    with np.errstate(all="ignore"):
        out = np.asarray(end.forward(_WIDE[:, None]), np.float64)
    low, high = round(float(out.min()), 9), round(float(out.max()), 9)
    return (low if low > -20 else -np.inf), (high if high < 20 else np.inf)


class Facts:
    """What was read of a training.

    Attributes
    ----------
    mean, deviation, largest : of the columns of X. y_mean, y_deviation : of the columns of y, as numbers.
    end : the module that the network ends with. range : what an activation there can give.
    outputs : the steps of a forward of some examples, module by module, before training.
    looks_inside : whether the network could be looked into, and changed.
    wild : the numbers among X that stand for missing ones, or lie far beyond all others.
    copies : whether the network is to give back its own input.
    """

    def __init__(self, setup: Setup) -> None:
        X, y = setup.X, setup.y
        rows = X.reshape(len(X), -1).astype(np.float64)
        self.mean, self.deviation = rows.mean(axis=0), rows.std(axis=0)
        self.largest = np.abs(rows).max(axis=0)
        self.wild = Tamed(X)
        self.copies = y.size == X.size and np.array_equal(np.ravel(y), np.ravel(X))
        if setup.task.kind == "numbers":
            numbers = y.reshape(len(y), -1).astype(np.float64)
            self.y_mean, self.y_deviation = numbers.mean(axis=0), numbers.std(axis=0)
        self.looks_inside = isinstance(setup.net, Container) or has_storage(setup.net)
        self.end = end_of(setup.net) if self.looks_inside else None
        self.range = range_of(setup.net) if self.looks_inside else (-np.inf, np.inf)
        self.outputs = look(setup.net, X) if self.looks_inside else []

    @property
    def end_name(self) -> str:
        """The class of the activation at the end; empty if there is none."""
        return name_of(self.end.module) if self.end is not None and is_activation(self.end.module) else ""

    @property
    def is_normalised(self) -> bool:
        """Whether there is a BatchNorm."""
        return any(name_of(step.module) == "BatchNorm" for step in self.outputs)

    # Inputs.

    @property
    def unscaled(self) -> float:
        """How far the columns are from what networks take: 1 and more is worth a trial, 10 and more is a fact."""
        spread = np.where(self.deviation > 0, self.deviation, 1.0)
        size = self.largest / 20
        far = np.abs(self.mean) / spread / 10 * (self.deviation > 0)
        varying = self.deviation[self.deviation > 1e-12 * np.maximum(self.largest, 1e-300)]
        small = 0.01 / max(float(varying.max()), 1e-300) if varying.size else 0.0
        uneven = float(varying.max() / varying.min()) / 300 if varying.size > 1 else 0.0
        return float(max(size.max(initial=0.0), far.max(initial=0.0), small, uneven))

    def columns(self) -> str:
        """The columns in words."""
        worst = int(np.argmax(self.largest))
        return (
            f"columns of X have means from {self.mean.min():.3g} to {self.mean.max():.3g} and deviations from "
            f"{self.deviation.min():.3g} to {self.deviation.max():.3g}; column {worst} reaches {self.largest[worst]:.4g}"
        )


class Weights(NamedTuple):
    """A weighted module at the start: its number among them, its place, the size of its weights, and what is wrong with them.

    Of size 1 a weight keeps a signal as it is. odd, large : in words; empty if they are not.
    """

    number: int
    place: Place
    size: float
    odd: str
    large: str

    def said(self, what: str) -> str:
        """A sentence about them."""
        return f"the weights of {self.place.name} {self.place.module} are {what}"


def weights_of(net: Any) -> Iterator[Weights]:
    """The weights of a network by module: odd if they are all equal or next to nothing; much too large, or all of one sign."""
    for i, place in enumerate(weighted(net)):
        weight = place.module.named_parameters()["weight"].astype(np.float64)
        size = float(np.sqrt(np.mean(weight**2)) * np.sqrt(fan_in(place.module)))
        equal = weight.size > 1 and float(np.ptp(weight)) == 0
        alike = weight.shape[-1] > 1 and float(np.max(np.ptp(weight, axis=-1))) <= 1e-3 * max(size, 1e-300)
        small = f"of size {size:.2g}" if size < 0.03 else ""
        odd = f"all {weight.flat[0]:g}" if equal else "equal for all units" if alike else small
        signed = weight.size >= 8 and (bool((weight > 0).all()) or bool((weight < 0).all()))
        one_sided = f"all {'above' if weight.flat[0] > 0 else 'below'} 0" if signed and size > 0.5 else ""
        yield Weights(i, place, size, odd, f"{size / 0.577:.3g} times the usual size" if size > 4 else one_sided)


def look(net: Any, X: np.ndarray) -> list[Step]:
    """The steps of a forward of some examples, module by module; none if the network can't be looked into."""
    try:
        with np.errstate(all="ignore"):
            return activations(net, X[:_LOOKED_AT])
    except (ValueError, TypeError, RuntimeError):
        return []


def in_code(step: Step) -> str:
    """How code reaches a module: net[1][0]."""
    return f"net{step.place}"


def dead(outputs: list[Step]) -> dict[str, float]:
    """For each ReLU, the share of units that are 0 for every example."""
    relus = [step for step in outputs if name_of(step.module) == "ReLU"]
    return {in_code(s): float(np.mean(np.all(s.output.reshape(-1, s.output.shape[-1]) == 0, axis=0))) for s in relus}


def saturated(outputs: list[Step]) -> dict[str, float]:
    """For each sigmoid or tanh, the share of outputs where next to no gradient passes."""
    found = {}
    for step in outputs:
        name = name_of(step.module)
        if name in SATURATING:
            low = 0.0 if name == "Sigmoid" else -1.0
            t = (step.output - low) / (1 - low)
            found[in_code(step)] = float(np.mean((t < 0.005) | (t > 0.995)))
    return found


def gradient_norms(setup: Setup) -> list[tuple[str, float]]:
    """The size of dL/doutput of every weighted module, by depth; nothing if it can't be found."""
    X, y = setup.X[:_LOOKED_AT], setup.y[:_LOOKED_AT]
    try:
        with np.errstate(all="ignore"):
            steps = activations(setup.net, X)
            found = deltas(steps, np.asarray(setup.loss.backward(y, steps.output)) / len(X))
    except (ValueError, TypeError, RuntimeError, IndexError):
        return []
    return [
        (in_code(step), float(np.sqrt(np.mean(np.square(d)))))
        for step, d in zip(steps, found, strict=True)
        if getattr(getattr(step.module, "weight", None), "ndim", 0) >= 2
    ]
