"""Trainings of layers of ours, which write down every call: what was done with the examples, and how far each parameter moved.

A network that is put together and trains itself (`assembled`), a loop around a model (`loops`) and a function or a method that
trains (`descent`) are three of them: each is given what it asks for by what its arguments mean, and then asked the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from modnet.check.asking.calls import call
from modnet.check.networks.calls import Call, Way, rates, rows_of, ways
from modnet.check.networks.form import Form
from modnet.check.reading.arguments import NotBuilt, fill


class Logged(Form):
    """A training that has been run, by the calls that were written down.

    Attributes
    ----------
    count, epochs, size, rate : how many examples it was given, for how many epochs, in batches of which size, by which rate.
    x, y : the examples and their truth, a row each. calls : what was written down. meant : the meanings of what it was given.
    layers : of ours. learning : the parameters among what they hold: by name, which layer, and which of its arrays.
    restored : whether the parameters at the end may be others than the last step has made.
    again : runs it once more, with another rate.
    """

    count, epochs, size, rate = 6, 8, 4, 0.05
    learning: dict[str, tuple[int, int]] = {}
    layers: Sequence[Any] = ()
    restored = False
    lines = {
        "the steps": ((), (r"update|\.step\(", r"-=")),
        "a rate": ((), (r"[oO]ptim\w*\(", r"\b(eps|lr|alpha|eta)\b|rate")),
        "the pairs": ((), (r"permutation|shuffle|choice", r"range\(|\[")),
        "the examples": ((), (r"range\(.*//", r"permutation|shuffle|choice", r"range\(|\[")),
    }

    def __init__(self, cls: type, method: str, again: Callable[..., Logged], outputs: int = 3) -> None:
        super().__init__(cls, method)
        self.again, self.calls, self.meant = again, list[Call](), set[str]()
        rng = np.random.default_rng(3)
        self.x, self.y = rng.uniform(0.1, 1, (self.count, 3)), rng.uniform(0.1, 0.9, (self.count, outputs))

    def called(
        self, name: str, function: Any, values: dict[str, Any], leave: Collection[str] = (), more: Sequence[str] = ()
    ) -> Any:
        """Call a function, a method or a class with what it asks for of these values; see `fill`."""
        given, told = fill(function, values, leave, more)
        self.meant |= told
        self.told = any(m.startswith(("rate", "step", "eps", "optimizer")) for m in self.meant)
        return call(name, lambda: function(**given))

    def ways(self) -> list[Way]:
        """Each way there and back."""
        return [way for way in ways(self.calls) if way.back]

    def used(self, way: Way) -> list[int]:
        """The examples that the first layer was given."""
        found = rows_of(way.there[0].given, self.x) if way.there else None
        if found is None:
            raise NotBuilt("it goes on with other numbers than its examples")
        return found

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Of each way, by the numbers that its first layer and its loss were given."""
        found = []
        for way in self.ways():
            used = self.used(way)
            found.append((used, self.truths(way, used)))
        return found

    def rounds(self) -> list[list[list[int]]]:
        """As many steps for each epoch, if it was given how many epochs."""
        used = [some for some, _ in self.examples()]
        steps, more = divmod(len(used), self.epochs)
        if "epochs" not in self.meant or not steps or more:
            return []
        return [used[i : i + steps] for i in range(0, len(used), steps)]

    def truths(self, way: Way, used: list[int]) -> list[int]:
        """Whose truth the loss was given; if that cannot be told, that of the examples."""
        held = way.slope.held if way.slope is not None else ()
        return next((rows for array in held if (rows := rows_of(array, self.y)) is not None), used)

    def every_example(self) -> tuple[int, str]:
        """All of x."""
        return self.count, f"{f', in batches of {self.size},' if 'batch' in self.meant else ''} {self.epochs} epochs"

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of each parameter of the layers."""
        if slower:
            return self.again(rate=self.rate / 2).moves()
        found: dict[str, float | None] = {}
        for name, (i, k) in self.learning.items():
            asked = [call for way in self.ways() for call in way.of(i)]
            end = [] if self.restored else [self.layers[i].held()[k]]
            found[name] = rates([*(call.held[k] for call in asked), *end], [call.gradient[k] for call in asked])
        return found
