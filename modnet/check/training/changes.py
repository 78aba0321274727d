"""The changes that are tried, one at a time: each belongs to a kind of mistake, and is a line of code.

What was read (`Facts`) chooses which of them are worth a trial, and their weight: from 100, if the fact alone all but proves
it, to 20, if nothing speaks for it but that it often helps. Among changes that cure about equally well, the heavier one is the
diagnosis, so a concrete fact goes before the rate.
"""

from __future__ import annotations

from modnet.check.training.change import Change
from modnet.check.training.change_ends import losses, output, shapes, targets
from modnet.check.training.change_inside import architecture, held, inputs, units, weights
from modnet.check.training.change_steps import data, effort, rates
from modnet.check.training.facts import Facts
from modnet.check.training.setup import Run, Setup


def proposals(setup: Setup, facts: Facts, base: Run) -> list[Change]:
    """The changes that are worth a trial, the heaviest first."""
    found: list[Change] = []
    for make in (shapes, targets, output, losses, inputs, weights, held, units, architecture, rates, effort, data):
        found += make(setup, facts, base)
    return sorted(found, key=lambda change: -change.weight)
