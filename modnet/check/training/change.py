"""A change that may cure a training: the kind of mistake it belongs to, what speaks for it, and the line of code.

What was read (`Facts`) chooses which changes are worth a trial, and their weight: from 100, if the fact alone all but proves
it, to 20, if nothing speaks for it but that it often helps. Among changes that cure about equally well, the heavier one is the
diagnosis, so a concrete fact goes before the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet.check.training import edit
from modnet.check.training.code import difference
from modnet.check.training.setup import Run, Setup

_NEVER_ZERO = 1e-9  # added to the deviation of columns of which some are constant
Apply = Callable[[Setup], Setup]
#: A line of code, and the same done to a training.
Variant = tuple[str, Apply]
#: From this weight on a fact speaks for a change; the others are tried if none of these cures.
FACT = 45


@dataclass
class Change:
    """Something to change.

    Attributes
    ----------
    kind : of the mistake that it would cure. weight : how much speaks for it. seen : what, in words.
    variants : tried in this order until one cures. ladder : whether each goes further than the one before it, so that there is
        no use in going on once it gets worse.
    """

    kind: str
    weight: int
    seen: str
    variants: list[Variant]
    where: str = ""
    ladder: bool = False

    @property
    def part(self) -> Part:
        """The change by its first variant."""
        return self, self.variants[0]


Part = tuple[Change, Variant]


@dataclass
class Cure:
    """Changes that cure together, mostly one alone."""

    changes: list[Part]
    run: Run

    def apply(self, setup: Setup) -> Setup:
        """All of them."""
        return together(*(variant for _, variant in self.changes))[1](setup)

    @property
    def weight(self) -> int:
        """How much speaks for them."""
        return max(change.weight for change, _ in self.changes)


def option(**values: Any) -> Variant:
    """Other values of what `fit` is given by name."""
    return ", ".join(f"{name}={value}" for name, value in values.items()), lambda s: s.but(**values)


def of_loss(loss: Any) -> Variant:
    """Another loss."""
    return f"loss = {loss!r}", lambda s: s.but(loss=loss)


def of_net(setup: Setup, change: Callable[[Any], Any], otherwise: str) -> Variant:
    """A change of the network alone, with the lines of code that make it; in other words if they can't be written."""
    line = ""
    with suppress(ValueError, TypeError, RuntimeError, IndexError):  # a change that this network does not take
        line = difference(setup.net, edit.edited(setup.net, change), setup.origin)
    return line or otherwise, lambda s: s.but(net=edit.edited(s.net, change))


def together(*variants: Variant) -> Variant:
    """Several, one after the other."""

    def apply(setup: Setup) -> Setup:
        for _, each in variants:
            setup = each(setup)
        return setup

    return "; ".join(line for line, _ in variants), apply


def for_both(setup: Setup, what: str, expression: str) -> str:
    """A line for X or y, and for the validation data if they were given: the expression has {} in the place of the array."""
    names = [f"{what}_val", what] if setup.pair else [what]
    return "; ".join(f"{name} = {expression.format(name)}" for name in names)


def scaling(setup: Setup, what: str, spread: np.ndarray) -> str:
    """The line that brings X or y to mean 0 and deviation 1, the validation data by the same numbers."""
    never = f" + {_NEVER_ZERO:g}" if (spread == 0).any() else ""
    if not setup.pair:
        below = f"({what}.std(axis=0){never})" if never else f"{what}.std(axis=0)"
        return f"{what} = ({what} - {what}.mean(axis=0)) / {below}"
    numbers = f"mean, std = {what}.mean(axis=0), {what}.std(axis=0){never}"
    return f"{numbers}; {what}, {what}_val = ({what} - mean) / std, ({what}_val - mean) / std"
