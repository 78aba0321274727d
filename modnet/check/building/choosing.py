"""The one choice among ways to build a stranger's class and to give it an input, whatever its style."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.subject import Subject
from modnet.check.reading.arguments import NotBuilt

Way = TypeVar("Way")


def chosen(
    ways: Iterable[Way],
    subject: Callable[[Way], Subject],
    rank: Callable[[Subject, Way], int | None],
    give_up: Callable[[list[tuple[Way, Misbehaviour]]], Way],
    forgive: Callable[[Misbehaviour], bool] = lambda problem: True,
) -> Way:
    """The first way of rank 0; else the first of the lowest rank among those that answer.

    Parameters
    ----------
    ways : the likeliest first. subject : what is built in a way. rank : how well what it gives fits its name and its input;
        None if not at all. give_up : the way to take, or what to raise, if none answers, from what was raised. forgive :
        whether what was raised may come from a guess; else it is raised.
    """
    kept: list[tuple[int, int, Way]] = []
    problems: list[tuple[Way, Misbehaviour]] = []
    for way in ways:
        try:
            made = subject(way)
            made.examine()
        except Misbehaviour as problem:
            if not forgive(problem):
                raise
            problems.append((way, problem))
            continue
        if made.unknown:
            raise NotBuilt(f"{made.name}.backward({made.unknown}): what it asks for has no known meaning")
        place = rank(made, way) if made.out.size and np.isfinite(made.out).all() else None
        if place == 0:
            return way
        if place is not None:
            kept.append((place, len(kept), way))
    return min(kept, key=lambda each: each[:2])[-1] if kept else give_up(problems)
