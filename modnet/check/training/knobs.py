"""The numbers that a loop by hand keeps beside its rate, and what each of them does: found by taking steps with and without it.

1. With it at 0 the first step differs, along the weights themselves: it is a penalty on the weights.
2. At the same parameters later steps are longer: something is left of earlier ones. Where the steps stay as long with an
   attribute at 0, that is the momentum; else the loop adds to arrays of its own.
3. The rate itself is another one after some steps: the loop takes it away.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied, parameters
from modnet.check.asking.calls import Misbehaviour
from modnet.check.networks.layers import layers_of
from modnet.check.networks.steps import Steps, rates_of
from modnet.check.training.change import Apply, Change, Variant
from modnet.check.training.setup import Setup

_STEPS = 20
_FALLEN = 0.8  # of a rate, after so many steps: less is a fact
_GROWS = 0.3  # of a step: more of those before in it, without a name for it, is worth a trial


def knobs(start: Steps, rate: str, where: str) -> Iterator[Change]:
    """Changes of what a loop by hand keeps: penalty, momentum, a rate that falls.

    Parameters
    ----------
    start : the loop before it is run; it is left as it is. rate : the name of its rate; empty if it has none.
    """
    grown = _growth(start)
    nameless = grown > _GROWS
    for name in rates_of(start.optimizer):
        if name == rate:
            continue
        value, line = float(getattr(start.optimizer, name)), f"optimizer.{name} = 0"
        without = start.copy()
        setattr(without.optimizer, name, 0.0)
        if _is_penalty(start, without):
            seen = f"each step takes optimizer.{name} = {value:g} of a weight, times the rate, off it"
            yield Change("weight-decay-too-large", penalty_weight(value), seen, [(line, setting(name, 0.0))], where)
        elif grown > 0.05 and abs(_growth(without)) < 0.01:
            nameless = False
            seen = f"each step takes optimizer.{name} = {value:g} of the one before again"
            yield Change("momentum-too-large", momentum_weight(value, 0.1), seen, [(line, setting(name, 0.0))], where)
    if nameless and grown > 0.97:
        seen = "at the same parameters the second step is twice as long as the first: it adds to what was summed before"
        line = "sums of gradients that begin at 0 in every step"
        yield Change("not-zeroed", 97, seen, [(line, _around(_forgetting))], where)
    elif nameless:
        seen, line = f"each step takes {grown:.2g} of the one before again", "a step that takes nothing of the one before"
        yield Change("momentum-too-large", momentum_weight(grown, 0.1), seen, [(line, _around(_forgetting))], where)
    if rate:
        yield from _falling(start, rate, where)


def momentum_weight(momentum: float, rate: float) -> int:
    """How much speaks against a momentum before it is tried."""
    return 74 if momentum >= 0.95 else 46 if momentum >= 0.9 and rate >= 0.1 else 27


def penalty_weight(penalty: float) -> int:
    """How much speaks against a penalty on the weights before it is tried."""
    return 75 if penalty >= 0.03 else 29


def loop_rates(name: str, optimizer: Any) -> list[Change]:
    """Other rates for a loop by hand that is run as it is."""
    given = float(getattr(optimizer, name))

    def lines(factors: tuple[float, ...]) -> list[Variant]:
        return [(f"optimizer.{name} = {given * f:g}", setting(name, given * f)) for f in factors]

    return [
        Change("rate-too-large", 46, f"the rate is {given:g}", lines((0.1, 0.01, 0.001)), ladder=True),
        Change("rate-too-small", 46, f"the rate is {given:g}", lines((10.0, 100.0, 1e3, 1e4, 1e5)), ladder=True),
    ]


def setting(name: str, value: float) -> Apply:
    """An attribute of the optimizer at another value."""

    def apply(setup: Setup) -> Setup:
        net, loss, twin = copied([setup.net, setup.loss, setup.optimizer])
        setattr(twin, name, value)
        return setup.but(net=net, loss=loss, optimizer=twin)

    return apply


def _is_penalty(with_it: Steps, without: Steps) -> bool:
    """Whether a step with an attribute differs from one without by a part of the weights themselves."""
    try:
        moved, other = with_it.taken()[1], without.taken()[1]
    except Misbehaviour:
        return False
    taken = [(moved[place] - other[place], array) for place, array in with_it.numbers().items() if place in moved]
    against = [np.vdot(off, array) / np.sqrt(_power(off) * _power(array)) for off, array in taken if off.any()]
    return bool(against) and max(against) < -0.99


def _power(array: np.ndarray) -> float:
    return float(np.sum(np.square(array, dtype=np.float64))) + 1e-300


def _growth(start: Steps) -> float:
    """How much longer a second step at the same parameters is, in the array where that is most, if a third is longer still."""
    twin = start.copy()
    before, lengths = twin.numbers(), []  # by step, those of each array
    try:
        for _ in range(3):
            twin.step()
            lengths.append(np.sqrt([_power(move) for move in twin.moved(before).values()]))
            for place, array in before.items():
                parameters(layers_of(twin.net)[place[0]])[place[1]][...] = array
    except Misbehaviour:
        return 0.0
    first, second, third = lengths
    at = int(np.argmax(second / first))
    return float(second[at] / first[at]) - 1 if third[at] > second[at] or second[at] < first[at] else 0.0


def _forgetting(step: Callable[[], None], net: Any, loss: Any, optimizer: Any) -> None:
    """A step after which the loop's own arrays are what they were."""
    parts = [net, loss, *layers_of(net)]
    parts += [array for layer in layers_of(net) for array in parameters(layer).values()]
    kept = copy.deepcopy(vars(optimizer), {id(part): part for part in parts})
    step()
    vars(optimizer).update(kept)


def _falling(start: Steps, rate: str, where: str) -> Iterator[Change]:
    """A rate that the loop itself takes away."""
    given = float(getattr(start.optimizer, rate))
    twin = start.copy()
    try:
        for _ in range(_STEPS):
            twin.step()
    except Misbehaviour:
        return
    left = float(getattr(twin.optimizer, rate))
    if not left < given:
        return

    def held(step: Callable[[], None], net: Any, loss: Any, optimizer: Any) -> None:
        setattr(optimizer, rate, given)
        step()

    seen = f"the rate, optimizer.{rate}, is {given:g} at the start and {left:.3g} after {_STEPS} steps"
    line = f"optimizer.{rate} = {given:g}  # before each step"
    yield Change("rate-too-small", 71 if left < _FALLEN * given else 47, seen, [(line, _around(held))], where)


def _around(taking: Callable[..., None]) -> Apply:
    """The loop with something done around each step: taking is given the step, and what it is taken with."""

    def apply(setup: Setup) -> Setup:
        before = setup.loop
        assert before is not None

        def loop(net: Any, loss: Any, optimizer: Any, x: np.ndarray, y: np.ndarray) -> None:
            taking(lambda: before(net, loss, optimizer, x, y), net, loss, optimizer)

        return setup.but(loop=loop)

    return apply
