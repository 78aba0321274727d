"""Layers that move their parameters themselves, in backward: at which rate, with what beside the gradient, by whom.

A step is rate * (gradient + decay * W + what earlier steps have left). The rate is an argument, an attribute, a number in the
code or an optimizer's; what is not the gradient is found by asking without a delta, and again. So a step is explained before
it is called wrong.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from modnet.check.asking.arrays import arrays_within
from modnet.check.asking.calls import tried
from modnet.check.asking.numeric import along
from modnet.check.building.handed import Stepper
from modnet.check.reading.arguments import required
from modnet.check.reading.gradients import is_gradient_name
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, is_rate
from modnet.check.styles.called import Called
from modnet.check.styles.layer_calls import is_above

Arrays = dict[str, np.ndarray]
_SLOT = re.compile("(^|_)opt(imi[sz]er)?(_|$)", re.I)  # for an optimizer
_RAISED = (TypeError, ValueError, KeyError, AttributeError)


class Stepping(Called):
    """A layer of which it is known whether backward moves it, and how what it is moved by is its gradient."""

    def _find_steps(self) -> None:
        """Whether backward takes a step, at a rate that is 1 here if it can be set, and what the step is of the gradient.

        What a step by an optimizer that is a function of the author's does with a gradient is not known.
        """
        held = getattr(self.original, "__dict__", {})
        steppers = [v for n, v in held.items() if re.search("opt", n, re.I) and v is not None]
        self.rates = [] if self.updates else [n for n, v in held.items() if is_rate(n.strip("_")) and isinstance(v, float)]
        if self.x.dtype.kind != "f" or not held or not self.holds(self.copy()):
            self.rates = []
            return
        first = self._steps(self.copy(), 1)
        given = self.updates or bool(self.rates or steppers)
        if not self.updates and not self._moving(first):
            self.rates = []
            first, given = self._by_method() or self._attached(), True
        if not self._moving(first):
            return
        self.updates = True
        if any(map(inspect.isfunction, steppers)):
            self.hidden, self.updates = "backward moves them by an optimizer of its own", False
            return
        self._explain(first, given)

    def _by_method(self) -> list[Arrays]:
        """The step by a method that is given what comes from above and a rate, after a backward that leaves no gradient."""
        kind, module = type(self.original), self.copy()
        asked = ((n, required(kind, n) or []) for n, _ in inspect.getmembers(kind, inspect.isfunction))
        movers = [n for n, given in asked if len(given) == 2 and is_above(given[0]) and is_rate(given[1])]
        if not movers or tried(self._there_and_back, module, also=_RAISED) is None:
            return []
        if any(is_gradient_name(n.split(".")[-1]) for n, _ in arrays_within(module)):
            return []
        for self.mover in movers:
            if self._moving(first := self._steps(self.copy(), 1)):
                self.names[GRADIENT] = self.mover
                return first
        self.mover = ""
        return []

    def _attached(self) -> list[Arrays]:
        """The step by an optimizer that whoever trains sets on the layer, which it has from now on if it takes one."""
        made, kind = self.copy(), type(self.original)
        told = [n for n, _ in inspect.getmembers(kind, inspect.isfunction) if re.fullmatch("set_?opt(imi[sz]er)?s?", n, re.I)]
        held = [*vars(made), *(n for n, v in inspect.getmembers(kind) if isinstance(v, property) and v.fset)]
        empty = [n for n in held if _SLOT.search(n) and tried(getattr, made, n, True, also=_RAISED) is None]
        try:
            for name in told:
                getattr(made, name)(Stepper())
            for name in empty if not told else ():
                setattr(made, name, Stepper())
        except Exception:  # whatever a stranger's method or property raises
            return []
        before, self.original = self.original, made
        first = self._steps(self.copy(), 1) if told or empty else []
        if not self._moving(first):
            self.original = before
            return []
        return first

    def _steps(self, module: Any, count: int, times: float = 1.0) -> list[Arrays]:
        """What each of so many steps takes from the parameters of a copy, which are put back after each; empty if it raises."""
        found = []
        start = {n: a.copy() for n, a in self.holds(module).items()}
        for _ in range(count):
            if tried(self._there_and_back, module, times, also=_RAISED) is None:
                return []
            now = self.holds(module)
            found.append({n: a - now[n] for n, a in start.items() if n in now and now[n].shape == a.shape})
            if found[-1].keys() != start.keys():
                return found if count == 1 else []
            for n, a in start.items():
                now[n][...] = a
        return found

    def after_steps(self, count: int) -> Arrays:
        """All arrays that the layer holds after so many steps."""
        module = self.copy()
        for _ in range(count):
            self._there_and_back(module)
        return {n: a.copy() for n, a in arrays_within(module)}

    def _there_and_back(self, module: Any, times: float = 1.0) -> np.ndarray:
        """dL/dinput for what comes from above usually, or a multiple of it."""
        return np.asarray(self.invoke(DELTA, module, [times * _above(self._asked_once(module))]))

    def _asked_once(self, module: Any) -> np.ndarray:
        return np.asarray(self.invoke(FORWARD, module, [self.x.copy()]), dtype=float)

    def _moving(self, steps: list[Arrays]) -> bool:
        """Whether a step moves what forward depends on."""
        for name in [n for n, moved in (steps[0] if steps else {}).items() if moved.any()]:
            usual, other = self._asked_once(self.copy()), self.copy()
            self.holds(other)[name][...] += 0.3
            out = tried(self._asked_once, other, also=_RAISED)
            if out is not None and not np.array_equal(out, usual):
                return True
        return False

    def _explain(self, first: list[Arrays], given: bool) -> None:
        """What a step is of the gradient: its rate if none is given or earlier steps are in it, and whether weights decay."""
        none, twice, again = self._steps(self.copy(), 1, 0.0), self._steps(self.copy(), 1, 2.0), self._steps(self.copy(), 2)
        if not (none and twice and len(again) > 1):
            return
        start = self.holds(self.copy())
        self.decays = any(n in none[0] and none[0][n].any() and _is_share(none[0][n], a) for n, a in start.items())
        moved = {n: a - self._decay(none[0].get(n), start[n]) for n, a in first[0].items()}
        if all(n in twice[0] and np.allclose(a, twice[0][n], rtol=1e-3) for n, a in first[0].items()):
            self.hidden, self.updates = "backward moves them by steps that do not grow with the gradient", False
            return
        if not given or not all(np.allclose(a, again[1][n], rtol=1e-9, atol=1e-12) for n, a in again[0].items()):
            self.own_rate = self._rate_of(moved) or 1.0

    def _rate_of(self, moved: Arrays) -> float:
        """The factor by which a step is the gradient, of the largest array of which it is a multiple, else of the largest."""
        rng, found = np.random.default_rng(4), list[tuple[bool, int, float]]()
        for name, step in moved.items():
            ratios = []
            for _ in range(2):
                v, module = rng.uniform(-1, 1, step.shape), self.copy()
                at = self.holds(module)[name].copy()

                def total(values: np.ndarray, module: Any = module, name: str = name) -> np.ndarray:
                    self.holds(module)[name][...] = values
                    out = self._asked_once(module)
                    return np.asarray((_above(out) * out).sum())

                truth = tried(along, total, at, v, self.precision, also=_RAISED)
                if truth is not None and abs(float(truth)) > 1e-9:
                    ratios.append(float((step * v).sum()) / float(truth))
            if len(ratios) == 2 and all(ratios):
                one, other = ratios
                found.append((abs(one - other) <= 1e-4 * abs(one), step.size, abs(one)))
        return max(found)[2] if found else 0.0

    def _decay(self, none: np.ndarray | None, start: np.ndarray) -> np.ndarray | float:
        """What a step is without a delta, if it is a share of the weights."""
        return none if self.decays and none is not None and _is_share(none, start) else 0.0

    def gradients_of_step(self, module: Any, start: Arrays) -> Arrays:
        """The gradients that a copy, which has gone back, has moved its parameters by."""
        now = self.parameters(module)
        taken = {n: a - now[n] for n, a in start.items() if n in now and now[n].shape == a.shape}
        if self.decays:
            still = self.fresh()
            self.ask(FORWARD, still, self.x)
            self.go_back(still, np.zeros_like(self.out))
            rest = self.parameters(still)
            taken = {n: a - self._decay(start[n] - rest[n], start[n]) for n, a in taken.items()}
        return {n: a / self.own_rate for n, a in taken.items()}


def _above(out: np.ndarray) -> np.ndarray:
    """Something to come from above for an output."""
    found: np.ndarray = 1.2 + np.cos(np.arange(out.size)).reshape(out.shape)
    return found


def _is_share(step: np.ndarray, start: np.ndarray) -> bool:
    """Whether a step takes the same share of every weight, or of all but some, such as those of a bias."""
    where = (step != 0) & (start != 0)
    share = step[where] / start[where] if where.any() else np.zeros(1)
    return not step[start == 0].any() and bool(share[0] > 0) and np.allclose(share, share[0], rtol=1e-6)
