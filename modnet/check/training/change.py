"""A change that may cure a training: the kind of mistake it belongs to, what speaks for it, and the line of code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modnet.check.training import edit
from modnet.check.training.setup import Setup

Apply = Callable[[Setup], Setup]
#: From this weight on a fact speaks for a change; the others are tried if none of these cures.
FACT = 45


@dataclass
class Change:
    """Something to change.

    Attributes
    ----------
    kind : of the mistake that it would cure. weight : how much speaks for it. seen : what, in words.
    variants : (line of code, the change), tried in this order until one cures. ladder : whether each goes further than the one
        before it, so that there is no use in going on once it gets worse.
    """

    kind: str
    weight: int
    seen: str
    variants: list[tuple[str, Apply]]
    where: str = ""
    ladder: bool = False


def of_net(change: Callable[[Any], Any]) -> Apply:
    """A change of the network alone."""
    return lambda setup: setup.but(net=edit.edited(setup.net, change))
