"""How a layer of another course, book or library is called, found out by calling it, not by its name or base class.

What forward takes beside its input, and in which shape; whether it takes one example alone; what backward is given; at which
rate it moves the parameters itself; and which arrays learn. What is found out is kept in the facts of `Called`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from modnet.check.asking.arrays import arrays_within
from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.numeric import along
from modnet.check.building.recipes import STATE, Recipe, has_state
from modnet.check.reading.arguments import positional
from modnet.check.reading.gradients import is_gradient_name, partner_of
from modnet.check.reading.vocabulary import DELTA, FORWARD, meaning_of
from modnet.check.styles import layer_calls, several
from modnet.check.styles.called import CACHE, INTO, PLACE, moves_by
from modnet.check.styles.loss_calls import is_truth
from modnet.check.styles.modes import is_mode
from modnet.check.styles.own_steps import Stepping

#: Where the first weights may come from outside, or later; mytorch's, with dLdW, are set by whoever builds the network.
_STARTS = re.compile(r"init|load|set_|reset|build|compile|random|xavier|glorot|^dld", re.I)


class FoundOut(Stepping):
    """A layer that remembers its input, and how it is called: as it answers, or as its arguments are named."""

    def __init__(self, module: Any, x: np.ndarray, recipe: Recipe | None = None) -> None:
        super().__init__(module, x, recipe)
        self._find_more()
        self.unknown = self._unknown() if self.words or not self.which else self.which
        self.single = self._takes_one()
        if self.single:
            self.x = self.x[None]
        self._grow()
        self._find_steps()
        held = [*(n for n in dir(type(module)) if n[:2] != "__"), *getattr(module, "__dict__", ())]
        if recipe is not None and not recipe.arrays and not any(map(_STARTS.search, held)):
            self.omits = self.omits - {"__init__"}

    def _grow(self) -> None:
        """Take a copy after its first forward for the layer, if it makes its parameters there."""
        if self.x.dtype.kind != "f" or not hasattr(self.original, "__dict__") or self.holds(self.copy()):
            return
        grown = self.copy()
        try:
            self.invoke(FORWARD, grown, [self.x.copy()])
            made = {name: array.copy() for name, array in self.holds(grown).items()}
            self.invoke(FORWARD, grown, [0.5 * self.x + 0.1])
        except (Misbehaviour, TypeError, ValueError):
            return
        now = self.holds(grown)
        if made and all(name in now and np.array_equal(array, now[name]) for name, array in made.items()):
            self.original = grown

    def _find_learnt(self) -> None:
        """The arrays that backward leaves a gradient for, or moves, whatever they are called; forward must depend on them."""
        every, module = dict(arrays_within(self.copy())), self.copy()
        left = every.keys() - {n.removeprefix(PLACE) for n in self.holds(module)}
        left = {n for n in left if not is_gradient_name(n.split(".")[-1])}
        if not left or tried(self._there_and_back, module, also=(TypeError, ValueError, KeyError)) is None:
            return
        after = dict(arrays_within(module))
        for name in left & after.keys():
            own, array = partner_of(name, after), every[name]
            moved = self.updates and after[name].shape == array.shape and not np.array_equal(after[name], array)
            if moved or (own is not None and own not in left):
                other = self.copy()
                dict(arrays_within(other))[name][...] += 0.3
                out = tried(self._asked_once, other, also=(TypeError, ValueError))
                if out is not None and not np.array_equal(out, self._asked_once(self.copy())):
                    self.learnt.add(name)

    def examine(self) -> None:
        """Look at what it is; pictures have their channels first unless there are fewer of the last axis."""
        self._find_learnt()
        super().examine()
        self.channels_first = self.x.ndim > 2 and not self.single and self.x.shape[1] <= self.x.shape[-1]
        if self.recipe is not None and self.recipe.dims:
            self.channels_first = self.recipe.first
        if self.slopes and self.x.dtype.kind == "f":
            self._settle_reading()

    def _settle_reading(self) -> None:
        """What a method that may give the derivative alone is given: what makes it right, else what its name says."""
        required = [p for p in self.asked or () if p.default is p.empty]
        if not required:
            return
        readings = ["above", "input", "output"]
        if len(required) == 1 and not layer_calls.is_above(required[0].name) and self.names[DELTA] != "backward":
            readings = ["input", "output", "above"]
            asked = positional(getattr(self.original, self.names[FORWARD], None)) or []
            if required[0].name in [p.name for p in asked[:1]]:  # what forward is given: nothing from above
                readings.pop()
        delta = self.weights(7)
        v = np.random.default_rng(9).uniform(-1, 1, self.x.shape)
        try:
            truth = float(along(lambda at: (delta * self.forward(at)).sum(), self.x, v, self.precision))
        except Misbehaviour:
            truth = np.nan
        fitting = []
        for self.reading in readings:
            got = tried(self.delta, self.x, delta)
            if got is not None and got.shape == self.x.shape:
                fitting.append(self.reading)
                if abs(float((got * v).sum()) - truth) <= 1e-5 * max(1.0, abs(truth)):
                    return
        self.reading = [*fitting, *readings][0]

    def _find_more(self) -> None:
        """Arrays for the further inputs of forward, like the first, or as many numbers as a hidden state has; or in a list."""
        asked = positional(getattr(self.original, self.names[FORWARD], None)) or []
        names = [p.name for p in asked[1:] if p.default is p.empty and not is_mode(p.name) and not moves_by(p.name)]
        names = [n for n in names if n not in self.idle[self.names[FORWARD]]]
        if not hasattr(self.original, "__dict__") or self.x.dtype.kind != "f":
            return
        widths = [int(v) for n, v in vars(self.original).items() if isinstance(v, int) and re.search("hid|^h$|out", n, re.I)]
        if self.recipe is not None and has_state(self.recipe.arrays):
            widths.append(STATE)
        if not names and asked and re.search(r"s$|list|inputs", asked[0].name, re.I) and not self._answers():
            self.more, self.listed = next(several.drawn_beside([f"{asked[0].name}[1]"], [self.x.shape])), True
            if self._answers():  # as an addition, or a concatenation
                return
            self.listed = False
        shapes = several.shapes_beside(self.x, self.original, widths) if names else []
        taken = []
        for self.tupled, arrays in several.ways_beside(names, shapes):
            self.more = arrays
            if self._answers():
                taken.append((self.tupled, arrays))
                if self._comes_back() and self._is_of_rows():
                    return
        if taken:
            (self.tupled, self.more), self.guessed = taken[0], len(taken) > 1
            return
        self.tupled = ""
        for shape in shapes if names and self.x.ndim == 2 else ():  # a recurrent cell of one example, without an axis
            self.more = {n: a[0] for n, a in next(several.drawn_beside(names, [shape])).items()}
            out = tried(lambda: np.asarray(self._forward(self.copy(), self.x[0].copy()), float), also=(TypeError, ValueError))
            if out is not None and out.ndim == 1 and out.size % shape[-1] == 0:
                self.x, self.one_row = self.x[0], True
                return
        self.more = {}

    def _comes_back(self) -> bool:
        """Whether backward gives something of the input's shape with what forward is given beside it now."""
        self._unknown()
        module = self.copy()
        x = tried(self._there_and_back, module, also=(TypeError, ValueError, KeyError))
        return x is not None and x.shape == self.x.shape

    def _is_of_rows(self) -> bool:
        """Whether one example gives alone what it gives beside others: else a further input is in the wrong shape."""
        more, whole = self.more, self._asked_once(self.copy())
        self.more = {n: a[:1] for n, a in more.items()}
        try:
            alone = np.asarray(self.invoke(FORWARD, self.copy(), [self.x[:1].copy()]), dtype=float)
        except (Misbehaviour, TypeError, ValueError):
            return False
        finally:
            self.more = more
        return alone.shape == whole[:1].shape and np.allclose(alone, whole[:1], equal_nan=True)

    def _answers(self) -> bool:
        """Whether forward takes what it is given beside its input now."""
        return tried(lambda: self.as_output(self.invoke(FORWARD, self.copy(), [self.x.copy()]), FORWARD, self.x)) is not None

    def _takes_one(self) -> bool:
        """Whether it takes one example without an axis for the batch: a column (n, 1), or one picture."""
        if self.one_row:
            return True
        if self.recipe is not None and (self.recipe.dims or self.recipe.single):
            return self.recipe.single
        if not self.updates or self.x.ndim < 2:
            return False
        if self.x.ndim == 2 and self.x.shape[1] == 1:
            return True
        out = tried(lambda: np.asarray(self._forward(self.fresh(), self.x.copy()), dtype=float), also=(TypeError, ValueError))
        return out is not None and (out.ndim < 2 or out.shape[0] != self.x.shape[0])

    def _unknown(self) -> str:
        """What backward asks for that has no known meaning; empty if all is known."""
        names = [p.name for p in self.asked or () if p.default is p.empty]
        names = [n for n in names if n != self.which and n not in self.idle[self.names[DELTA]]]
        known = [*self.more, *self.outputs[1:], *(("h_t", "h_prev_l", "h_prev_t", "h") if self.more else ())]
        if names and (is_truth(names[0]) or names[0].lower() == "y"):
            return names[0]  # a loss's derivative: nothing comes from above
        names = [n for n in names if not meaning_of(n, ("optimizer",))]
        left = [n for n in names if not (moves_by(n) or CACHE.search(n) or is_mode(n) or self.is_input(n))]
        left = [n for n in left if n not in known and not INTO.match(n)]
        self.above = several.from_above([p.name for p in self.asked or () if p.default is p.empty and p.name not in known])
        if self.axis or not self._gives(len(self.above)):
            self.above = []
        return ", ".join(n for n in left[1:] if n not in self.above)

    def _gives(self, count: int) -> bool:
        """Whether forward gives so many outputs, more than one."""
        module = self.copy() if count > 1 else None
        out = None if module is None else tried(self._forward, module, self.x.copy(), also=(TypeError, ValueError))
        return out is not None and "_given_parts" in vars(module)
