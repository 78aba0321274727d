"""Networks that move their own parameters, in whatever methods or functions: found by their names, and reported on.

Each way to let one take a step (`found`, `mover`) is solved for the loss by which it has moved (`solved`), and asked what a
training has to do (`trained`). The report is on the way that says the most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.question import ALIKE
from modnet.check.building.recipes import array_arguments
from modnet.check.networks.asbuilt import Script
from modnet.check.networks.dense import LOSSES
from modnet.check.networks.flow import InFunctions, forwards_of, stages_of
from modnet.check.networks.found import movers, started
from modnet.check.networks.judge import judge
from modnet.check.networks.mover import COUNT, SHORT, TROUBLE, Mover
from modnet.check.networks.parts import Parts, trained_by
from modnet.check.networks.scored import form_of
from modnet.check.networks.trained import Trained
from modnet.check.reading.arguments import NotBuilt
from modnet.check.report import Report

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMED = re.compile(
    r"(neural)?net(work|z|s)*|reseaux?|[a-z]{0,3}nn|mlp|perceptron|model|regress\w*|classif\w*|neural|sequential", re.I
)
_NO_NETWORK = re.compile(r"cell|layer|norm|block|loss|connected|conv", re.I)
_MORE = 20  # ways that are tried for a loss that is known, once its layers are right by another


def trains(cls: type) -> bool:
    """Whether a class is such a network."""
    if issubclass(cls, InFunctions):
        return True
    words = _WORD.findall(cls.__name__)
    if words and _NAMED.fullmatch(words[-1]):
        words = [word for word in words if word.lower() not in ("layer", "layers")]  # a TwoLayerNet, a MultiLayerNetwork
    if array_arguments(cls) or form_of(cls) or not any(map(_NAMED.fullmatch, words)) or any(map(_NO_NETWORK.match, words)):
        return False
    return bool(forwards_of(cls) and any(stages_of(cls)))


def examine_trained(cls: type, scripts: Iterable[Script] = (), parts: Parts | None = None) -> Report:
    """The report on such a network: by the loss whose derivative the most parameters have moved by, at the data that fit best.

    At all examples at once, or at one alone, if it takes one after another.

    Parameters
    ----------
    scripts : of its author, who may build one. parts : of its author's, of which one may be put together.
    """
    failed = list[Misbehaviour]()
    return _best(cls.__name__, movers(started(cls, scripts, parts or Parts(), failed), failed), failed)


def examine_training(function: Callable[..., Any], networks: Sequence[type], parts: Parts) -> Report:
    """The report on a function that trains: it is given layers of its author's own, in a list or in one of their networks."""
    failed = list[Misbehaviour]()
    return _best(function.__name__, movers(trained_by(function, networks, parts), failed), failed)


@np.errstate(all="ignore")
def _best(name: str, ways: Iterable[Mover], failed: list[Misbehaviour]) -> Report:
    """The report on a network at the first way to let it take a step that is right, or at the one that says the most.

    By a loss that is known if there is such a way: by any other the layers alone are judged.
    """
    wrong, closest = list[tuple[int, tuple[int, ...], Report]](), ""
    own: Report | None = None
    added_up: Report | None = None
    more = _MORE
    for mover in ways:
        try:
            trained = _one_step(mover)
        except Misbehaviour as problem:
            closest = closest or problem.message
            continue
        except TROUBLE:
            continue
        more -= own is not None
        if not more:
            break
        shape = (trained.batch, len(trained.mover.examples.inputs), *trained.x.shape)
        if not trained.has_moved():
            continue
        short = trained.mover.less < 1
        if any(short or shape == at or shape[1] < at[1] or (shape[0] < at[0] and _known(r)) for _, at, r in wrong):
            continue  # it says no more
        whole = trained
        trained, some = _by_a_loss(trained)
        known = some < len(trained.asked) and trained.cause() is not None
        if not known and not 0 < some == len(trained.asked):
            if own is not None:
                continue
            if any(map(trained.by_pairs, LOSSES)):
                wrong.append((len(trained.held), shape, _judged(name, trained)))
                continue
            if some_by_own := trained.by_its_own():
                report = _judged(name, trained)
                if report.ok or some_by_own == len(trained.asked):
                    own = report
                else:
                    wrong.append((some_by_own, shape, report))
                continue
            _by_the_best(trained)
        if not some and not known:
            closest = "what a step moves is the derivative of no loss that is known here, not even at the output"
            continue
        if not known and 2 * some < len(trained.asked) and not list(trained.moves().values())[-1]:
            continue  # that few of the first ones fit is chance: a mistake shows in what is before it
        report = _judged(name, trained)
        if report.ok and trained is not whole and not trained.longer:  # what a single one does is to be seen
            added_up = added_up or report
            continue
        if known or {f.kind for f in report.findings} <= _OF_ALL:
            return report
        wrong.append((some, shape, report))
        if len(wrong) == 3:
            break
    certain = [one for one in wrong if _known(one[-1]) or one[1][0] == 1]
    if (right := own or added_up) is not None and not (own is None and certain):
        return right
    if wrong:
        return max(certain or wrong, key=lambda one: one[0])[-1]
    said = [f.message for f in sorted(failed, key=lambda f: f.kind != "unknown")]  # of its answers, before what it raises
    closest = closest or next(iter(said), "what its arguments mean is not known")
    raise NotBuilt(f"{name} could not be asked: {closest}")


def _known(report: Report) -> bool:
    """Whether what was found has a cause: no other way to let it take a step says more."""
    return bool(report.findings) and not {f.kind for f in report.findings} & {"direction", "updates-first"}


def _by_the_best(trained: Trained) -> int:
    """Take the loss by which the most parameters have moved; how many these are."""
    fits = [trained.by(loss) for loss in LOSSES]
    best = int(np.argmax(fits))
    trained.by(LOSSES[best])
    return fits[best]


def _by_a_loss(trained: Trained) -> tuple[Trained, int]:
    """A network with the loss by which the most parameters have moved, and how many these are.

    If they are not all, and no mistake explains it, perhaps it has taken several steps, one after another: then in steps so
    short that they add up.
    """
    fits = _by_the_best(trained)
    if 0 < fits == len(trained.asked) or not trained.told or trained.mover.less < 1:
        return trained, fits
    if trained.chain is None or trained.cause() is None:
        with suppress(*TROUBLE):
            few = Trained(replace(trained.mover, less=SHORT))
            some = _by_the_best(few)
            added_up = 0 < some == len(few.asked) and few.batch > 1
            if few.is_longer() or (added_up and (few.chain is not None or np.ptp(few.weights) > ALIKE)):
                return few, some
    return trained, fits


#: What is found of every way to let a network take a step, or of none.
_OF_ALL = {"scale", "sign", "lr-ignored", "layer-not-trained", "never-zeroed"}


def _judged(name: str, trained: Trained) -> Report:
    """The report on a network that has taken a step."""
    count, shape = len(trained.mover.examples.inputs), trained.x.shape
    several = f"{count} inputs" if count > 1 else "an input"
    report = Report(f"{name}, one step by {trained.loss[0]} on {several} of shape {shape}")
    judge(report, trained)
    return report


def _one_step(mover: Mover) -> Trained:
    """A network after a step, or after ten, if it says something every tenth of the epochs; in small batches if no other."""
    try:
        trained = Trained(mover)
        moves = trained.has_moved() or trained.batch < COUNT
        return trained if moves else Trained(replace(mover, size=2, less=SHORT))
    except Misbehaviour as problem:
        if "ZeroDivisionError" not in problem.message:
            raise
        return Trained(replace(mover, epochs=10, less=SHORT))
