"""How a network that moves its own parameters is built, and called: ways to let it take a step, the likeliest first.

One in functions becomes an object. What it takes is found out by calling it: rows or columns, one example or several, a truth
in one form or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from time import process_time
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.draws import same_draws
from modnet.check.networks.asbuilt import Script, as_built
from modnet.check.networks.flow import InFunctions, forwards_of, is_paired, keep_start, numbers_within, run, stages_of
from modnet.check.networks.mover import COUNT, RATE, TROUBLE, Examples, Mover, box, output_of, parameters_of, set_numbers
from modnet.check.networks.parts import Parts, assembled, told
from modnet.check.networks.scored_build import built
from modnet.check.reading.arguments import asks, method_given
from modnet.check.reading.vocabulary import TRAINS, meaning_of

_LONGEST = 8.0  # seconds for finding out what it takes


def started(cls: type, scripts: Iterable[Script], parts: Parts, failed: list[Misbehaviour]) -> Iterator[Any]:
    """Objects of a network's class; of one in functions, what its function for first parameters returns."""
    if not issubclass(cls, InFunctions):
        for net in (net for more in parts.pieces() for net in built(cls, failed, more=more)):
            yield from told(net, parts)
            yield net
        yield from assembled(cls, parts, failed)
        yield from as_built(cls, scripts)
        return
    for made in built(getattr(cls, cls.parts["start"]), failed):
        net = cls()
        keep_start(net, made)
        yield net


def movers(nets: Iterable[Any], failed: list[Misbehaviour]) -> Iterator[Mover]:
    """Ways to let a network take a step: for each shape of input that it takes, rows, then columns; and each form of truth."""
    rng, start_time = np.random.default_rng(5), process_time()
    for net in nets:
        said = (v[0] for v in vars(net).values() if isinstance(v, list | tuple) and v and type(v[0]) is int)
        held = (n for _, a in list(numbers_within(net))[:3] for n in a.shape)
        widths = [n for n in dict.fromkeys((3, *held, *said)) if 0 < n < 2000]
        for shape in [s for n in widths for s in ((COUNT, n), (n, COUNT), (1, n), (n, 1), (n,))]:
            xs = [rng.normal(size=shape) for _ in range(3)]
            if process_time() - start_time > _LONGEST:
                break
            for start, forward, begins in _answering(net, xs[0], failed):
                for stages in stages_of(type(net)):
                    for examples in _examples(start, forward, xs, stages):
                        yield Mover(start, forward, stages, examples, begins)
                break


def _answering(net: Any, x: np.ndarray, failed: list[Misbehaviour]) -> Iterator[tuple[Any, str, bool]]:
    """(a copy that gives an output for x, by which method, whether a training begins with first parameters of its own).

    Its parameters are put where mistakes show, unless a training puts its own in their place.
    """
    for start in (copied(net), *_begun(net, x)):
        box(start)
        for forward in forwards_of(type(net)):
            try:
                out = output_of(start, forward, x)
                held = parameters_of(start, forward, x)
                if not held or not 0 < out.ndim < 3 or not out.size:
                    continue
                rng = np.random.default_rng(5)
                drawn = copied(start)
                for array in parameters_of(drawn, forward, x).values():
                    wide = max(array.size / max(array.shape), min(array.shape)) if array.ndim > 1 else 1
                    array[...] = rng.uniform(-1, 1, array.shape) * 1.5 / np.sqrt(max(wide, 2))
                begun = next((b for b in _begun(drawn, x) if parameters_of(b, forward, x).keys() == held.keys()), None)
                begins = begun is not None and _differs(parameters_of(begun, forward, x), parameters_of(drawn, forward, x))
                start = begun if begins else drawn
                if np.isfinite(output_of(start, forward, x)).all():
                    yield start, forward, begins
            except TROUBLE as raised:
                failed += [raised] if isinstance(raised, Misbehaviour) else []


def _differs(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return any(not np.array_equal(a, other[n]) for n, a in one.items())


def _begun(net: Any, x: np.ndarray) -> Iterator[Any]:
    """Copies of a network after a training of no epochs, in which it may make its first parameters."""
    train = method_given(type(net), TRAINS, ("X", "y"))
    many, rng = len(x), np.random.default_rng(6)
    if x.ndim != 2 or many != COUNT or not train:
        return
    told = any(meaning_of(p.name, ("epochs",)) for p in asks(getattr(net, train), by_name=True))
    if not told and not any(isinstance(v, int) and meaning_of(n, ("epochs",)) for n, v in vars(net).items()):
        return
    numbers, labels = rng.uniform(0.2, 0.8, many), np.arange(many) % 2
    for y in (numbers, labels, np.eye(3)[np.arange(many) % 3], numbers[:, None]):
        start = copied(net)
        set_numbers(start, RATE, 0)
        with suppress(*TROUBLE), same_draws():
            run(start, train, {"X": x, "y": y, "epochs": 0, "rate": RATE, "batch": COUNT}, {})
            box(start)
            yield start


def _examples(net: Any, forward: str, xs: Sequence[np.ndarray], stages: Sequence[str]) -> Iterator[Examples]:
    """Examples in the forms that a step may want: pairs, a batch, or several that forward takes one after another."""
    x, out = xs[0], output_of(net, forward, xs[0])
    ((y, given), *others) = _truths(out, x)
    alone = 1 in (x.ndim, x.shape[-1], len(x))
    classes = max(out.shape, default=1)
    truths = [np.roll(y.ravel(), k).reshape(out.shape) if classes > 1 else y * (1 - 0.2 * k) for k in range(len(xs))]
    pairs = Examples(list(xs), truths, (x, y))
    if any(is_paired(getattr(net, stage)) for stage in stages):
        if alone:
            yield pairs
            yield Examples([x], [y], (x, y))
        return
    for one, as_given in [(y, given), *others]:
        yield Examples([x], [one], (x, as_given))
    if alone:  # forward takes one example; training takes several, in rows
        yield Examples([x], [y], (x.reshape(1, -1), y.reshape(1, -1)))
        yield Examples([x], [y], (x[None], y[None]))
        if x.ndim == out.ndim == 1 and len(out) > 1:
            yield Examples(list(xs), truths, (np.stack(xs), np.stack(truths)))


def _truths(out: np.ndarray, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(a truth of the output's shape, the same as a step may be given it)."""
    last = x.shape[-1] if x.ndim == 2 else 1
    columns = out.ndim == 2 and out.shape[-1] == last and last in (1, COUNT) and x.shape[0] != COUNT
    columns |= out.ndim == 2 and out.shape[-1] == len(x) == COUNT and len(out) != COUNT  # which it makes of rows
    rows = out.T if columns else out[:, None] if out.ndim == 1 and x.ndim == 2 and len(out) == len(x) else np.atleast_2d(out)
    many, classes = rows.shape
    labels = (classes - 1 - np.arange(many)) % classes  # the last class is among them: one_hot(y) may look for it
    y = np.random.default_rng(6).uniform(0.2, 0.8, rows.shape) if classes == 1 else np.eye(classes)[labels]
    given = y.T if columns else y
    y = given.reshape(out.shape)
    yield y, y
    if given.ndim == 2 and given.shape[0] != given.shape[1]:
        yield y, given.T
    if classes > 1:
        yield y, labels
    elif out.ndim == 2:
        yield y, y.ravel()
