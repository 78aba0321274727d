"""Networks that move their own parameters, in whatever methods or functions: found by their names, and reported on.

Each way to let one take a step (`found`, `mover`) is solved for the loss by which it has moved (`solved`), and asked what a
training has to do (`trained`). The report is on the way that says the most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.question import ALIKE
from modnet.check.building.recipes import array_arguments
from modnet.check.networks.asbuilt import Script
from modnet.check.networks.flow import InFunctions, forwards_of, stages_of
from modnet.check.networks.found import movers, started
from modnet.check.networks.judge import judge
from modnet.check.networks.mover import COUNT, SHORT, TROUBLE, Mover
from modnet.check.networks.parts import Parts, trained_by
from modnet.check.networks.scored import form_of
from modnet.check.networks.trained import Trained
from modnet.check.reading.arguments import NotBuilt
from modnet.check.reading.lines import miscalled
from modnet.check.report import Report

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMED = re.compile(
    r"(neural)?net(work|z|s)*|reseaux?|[a-z]{0,3}nn|mlp|perceptron|model|regress\w*|classif\w*|neural|sequential", re.I
)
_NO_NETWORK = re.compile(r"cell|layer|norm|block|loss|connected|conv", re.I)
_MORE = 20  # ways that are tried for a loss that is known, once its layers are right by another
_WRONG = 3  # ways by which it may be wrong before no other is tried


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
    try:
        return _best(cls.__name__, movers(started(cls, scripts, parts or Parts(), failed), failed), failed)
    except NotBuilt:
        for problem in failed:
            if meant := miscalled(cls, problem.message):
                problem.hint = f"there is a method {meant}"
                raise problem from None
        raise


def examine_training(function: Callable[..., Any], networks: Sequence[type], parts: Parts) -> Report:
    """The report on a function that trains: it is given layers of its author's own, in a list or in one of their networks."""
    failed = list[Misbehaviour]()
    return _best(function.__name__, movers(trained_by(function, networks, parts), failed), failed)


@np.errstate(all="ignore")
def _best(name: str, ways: Iterable[Mover], failed: list[Misbehaviour]) -> Report:
    """The report on a network at the first way to let it take a step that is right, or at the one that says the most."""
    tried, closest = _Tried(name), ""
    for mover in ways:
        if tried.enough():
            break
        try:
            trained = _one_step(mover)
        except Misbehaviour as problem:
            closest = closest or problem.message
            failed.append(problem)
            continue
        except TROUBLE:
            continue
        if (report := tried.judge(trained)) is not None:
            return report
    if (best := tried.best()) is not None:
        return best
    said = [f.message for f in sorted(failed, key=lambda f: f.kind != "unknown")]  # of its answers, before what it raises
    closest = closest or next(iter(said), "what its arguments mean is not known")
    raise NotBuilt(f"{name} could not be asked: {tried.closest or closest}")


class _Given(NamedTuple):
    """How many examples a network is given at once, how often, and the shape of what it is given."""

    batch: int
    times: int
    shape: tuple[int, ...]


class _Wrong(NamedTuple):
    """A way to let a network take a step by which it is wrong, and how many parameters move as by a loss that is known."""

    fits: int
    given: _Given
    report: Report

    def says_more(self, given: _Given) -> bool:
        """Whether it says more than another way, in which a network is given this."""
        fewer = given.batch < self.given.batch and _known(self.report)
        return given == self.given or given.times < self.given.times or fewer


class _Tried:
    """What the ways to let a network take a step have said so far.

    By a loss that is known if there is such a way: by any other the layers alone are judged.

    Attributes
    ----------
    wrong : the ways by which it is wrong. own : the report by slopes of its own, if its layers are right by these.
    added_up : the one by steps so short that they add up, if it is right by these. closest : why there is none.
    """

    def __init__(self, name: str) -> None:
        self.name, self.closest = name, ""
        self.wrong = list[_Wrong]()
        self.own: Report | None = None
        self.added_up: Report | None = None
        self._more = _MORE  # once it is right by slopes of its own

    def enough(self) -> bool:
        """Whether no other way is looked at."""
        return not self._more or len(self.wrong) >= _WRONG

    def judge(self, whole: Trained) -> Report | None:
        """Note what one way says; the report if no other could say more."""
        self._more -= self.own is not None
        given = _Given(whole.batch, len(whole.mover.examples.inputs), whole.x.shape)
        if not whole.has_moved() or (self.wrong and whole.mover.less < 1) or any(w.says_more(given) for w in self.wrong):
            return None
        trained, fits = _by_a_loss(whole)
        known = fits < len(trained.asked) and trained.cause() is not None
        if not known and not 0 < fits == len(trained.asked):
            if self._by_other_slopes(trained, given):
                return None
            _by_the_best(trained)
        if not fits and not known:
            self.closest = "what a step moves is the derivative of no loss that is known here, not even at the output"
            return None
        if not known and 2 * fits < len(trained.asked) and not list(trained.moves().values())[-1]:
            return None  # that few of the first ones fit is chance: a mistake shows in what is before it
        report = _judged(self.name, trained)
        if report.ok and trained is not whole and not trained.longer:  # what a single one does is to be seen
            self.added_up = self.added_up or report
            return None
        if known or {f.kind for f in report.findings} <= _OF_ALL:
            return report
        self.wrong.append(_Wrong(fits, given, report))
        return None

    def _by_other_slopes(self, trained: Trained, given: _Given) -> bool:
        """Judge a step that no known loss explains by the slopes it was made of; whether there are any, or were before."""
        if self.own is not None:
            return True
        if any(map(trained.by_pairs, trained.losses)):
            self.wrong.append(_Wrong(len(trained.held), given, _judged(self.name, trained)))
            return True
        if not (fits := trained.by_its_own()):
            return False
        report = _judged(self.name, trained)
        if report.ok or fits == len(trained.asked):
            self.own = report
        else:
            self.wrong.append(_Wrong(fits, given, report))
        return True

    def best(self) -> Report | None:
        """The report of the way that says the most; None if none says anything."""
        certain = [w for w in self.wrong if _known(w.report) or w.given.batch == 1]
        if self.own is not None or (self.added_up is not None and not certain):
            return self.own or self.added_up
        return max(certain or self.wrong, key=lambda w: w.fits).report if self.wrong else None


def _known(report: Report) -> bool:
    """Whether what was found has a cause: no other way to let it take a step says more."""
    return bool(report.findings) and not {f.kind for f in report.findings} & {"direction", "updates-first"}


def _by_the_best(trained: Trained) -> int:
    """Take the loss by which the most parameters have moved; how many these are."""
    fits = [trained.by(loss) for loss in trained.losses]
    best = int(np.argmax(fits))
    trained.by(trained.losses[best])
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
