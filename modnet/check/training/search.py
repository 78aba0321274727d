"""The search for the change that cures.

1. The training as it is, and references on the same data. Without a gap between them nothing is said.
2. One change at a time, those that a fact speaks for first, each with the person's own budget of epochs.
3. More on top: of what is wrong in any case, of a cure that falls short of the reference, and in pairs if nothing cures alone.
4. A cure and the training as it is are repeated with other orders of the examples and of the weights before anything is said.

Work is counted in examples times parameters, so the same call gives the same answer; the clock is a cap on top of it. The file
is longer than most, so that the order in which things are tried can be read in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from modnet.check.training.budget import Budget, OutOfTime
from modnet.check.training.change import FACT, Apply, Change
from modnet.check.training.change_steps import faster
from modnet.check.training.changes import proposals
from modnet.check.training.facts import Facts
from modnet.check.training.reference import referees, references
from modnet.check.training.report import TrainingFinding, TrainingReport, Trial
from modnet.check.training.saying import figure, of_cure, of_nothing, of_refusal, of_uncured
from modnet.check.training.setup import Run, Setup

_GAP = 0.2  # of what can be learned: less is a matter of taste and luck
_SURE_GAP = 0.1  # where a fact is wrong in any case
_CLOSED = 0.7  # the part of the gap that a cure closes
_NEAR = 0.1  # cures that differ by less are equally good
_WORK, _KEPT = 1e10, 3e9
_MOST = 6  # changes that others are tried on top of
_NOTHING = 0.1  # a reference that learns less has learned nothing

_HINT = 30  # the weight from which something speaks for a change, if only a little
_EFFORT = ("rate-too-small", "rate-too-large", "too-few-epochs", "batch-size")  # what helps nearly any training a little
_CERTAIN = 95  # the weight from which a fact is wrong in any case
Part = tuple[Change, str, Apply]


@dataclass
class Cure:
    """Changes that cure together, mostly one alone."""

    changes: list[Part]
    run: Run

    def apply(self, setup: Setup) -> Setup:
        """All of them."""
        for _, _, apply in self.changes:
            setup = apply(setup)
        return setup

    @property
    def weight(self) -> int:
        """How much speaks for them."""
        return max(change.weight for change, _, _ in self.changes)


class Search:
    """The search for one training.

    Parameters
    ----------
    make : the training, judged on another draw of held-out examples for every number it is given.
    report : what is written to. words : whether X is places in a table. first : changes to try before all others.
    shorter : how many times fewer steps it takes than what was given; if more than 1, its length is not to blame. few : whether
        on some of the examples only. pair : whether it is judged on data of the person's own.
    """

    def __init__(
        self, make: Callable[[int], Setup], report: TrainingReport, words: bool, seconds: float, first: list[Change],
        shorter: float, few: bool, pair: bool,
    ) -> None:  # fmt: skip
        self.few = few
        self.report, self.words, self.first, self.shorter, self.pair = report, words, first, shorter, pair
        self.gap = _GAP
        self.behind = False  # whether it learns less than the reference
        self.keep = _KEPT  # work that is left for changes in pairs
        self.certain: list[Change] = []  # what is wrong in any case, if it learns less
        self.budget = Budget(_WORK, seconds)
        self.make = lambda draw: make(draw).but(look_at_clock=self.budget.look_at_clock)
        self.setup = self.make(0)
        self.tried: dict[str, Run] = {}
        self.place: int | None = None  # of the verdict on what was given, among the report's

    def run(self) -> None:
        """Search, and write findings and verdicts. The clock ends it wherever it is; what is known by then is kept."""
        try:
            self._run()
        except OutOfTime:
            if self.place is not None and self.report.verdicts[self.place][1] == "right":
                self.report.verdicts[self.place] = ("learns", "not checked", self.report.verdicts[self.place][2])
            self._undisputed()

    def _run(self) -> None:
        report, setup = self.report, self.setup
        self.budget.allows(setup.work)
        base = self.base = setup.run()
        if not base.error and self._is_balanced(base):
            before = self.make
            self.make = lambda draw: _balanced(before(draw))
            self.setup = setup = _balanced(setup)
            base = self.base = setup.judge(base.net, base.losses, base.diverged)
        report.word = setup.task.word
        self.facts = Facts(setup)
        if not base.error and self._all_alike():
            return
        report.trials.append(Trial("", "as it is", base.score, base.share, base.losses))
        self.place = place = len(report.verdicts)
        report.verdict("learns", right=None if base.error else True, remark=base.error or figure(base))
        if base.error:
            self._refused(base)
            return
        self.reference: Run | None = None
        if self.pair and base.own_share > base.share + _GAP:
            self.goal = base.share + _CLOSED * (base.own_share - base.share)
            cures = list(self._forward([c for c in self.first if c.where == "validation"]))
            if cures:
                best = max(cures, key=lambda cure: cure.weight)
                report.verdicts[place] = ("learns", "wrong", figure(base))
                self._say(best, base)
                return
        self.first = [c for c in self.first if c.where != "validation"]
        self.reference = self._reference(base)
        if self.reference is None:
            report.verdict("a reference", right=None, remark="too many inputs for one")
            return
        report.verdict("a reference", remark=figure(self.reference))
        gap = self.reference.share - base.share
        noise = self._noise()
        if noise > 0.25 and setup.judged[0] is not setup.X:
            report.verdict("the data", right=None, remark="too few examples to judge by, or of the rarer classes")
            return
        held = setup.judged[0] is not setup.X
        found, shown, least = self.reference.share, base.share, noise
        if held and not self.pair and found < 0.5:
            found, shown, least = self._averages(found, shown, noise)
        if found < (max(_NOTHING, 2.5 * least) if held else _NOTHING):
            if not self._asks_referees(noise):
                self._nothing(base, shown, least)
                return
            report.verdicts[-1] = ("a reference", "right", figure(self.reference))
            gap = self.reference.share - base.share
        sure = any(change.weight >= _CERTAIN for change in [*self.first, *proposals(setup, self.facts, base)])
        self.gap = _SURE_GAP if sure else _GAP
        if gap <= self.gap or not self._is_clear(base):
            if base.share < _NOTHING:
                report.verdicts[place] = ("learns", "not checked", f"{figure(base)}: little, as the reference")
            return
        if self.shorter > 1 and self._is_only_short(base):
            remark = f"{figure(base)}; at a larger rate, to make up for the steps it was cut by, as good as the reference"
            report.verdicts[place] = ("learns", "not checked", remark)
            return
        report.verdicts[place] = ("learns", "wrong", figure(base))
        self.behind = True
        cure = self._search(base)
        if cure is None:
            report.verdicts[place] = (
                "learns", "not checked", f"{figure(base)}, less than the reference, and no change that was tried cures it"
            )  # fmt: skip
            self._undisputed()
            return
        self._say(cure, base)

    # Parts of the search.

    def _reference(self, base: Run) -> Run | None:
        """The best of the references; those after the first only if there is reason to doubt it."""
        found: list[Run] = []
        for name, setup in references(self.setup, self.words):
            if found and max(r.share for r in found) > max(0.85, base.share + 0.02):
                break
            if not self.budget.allows(setup.work):
                break
            run = setup.run()
            if not run.error:
                found.append(run)
                self.report.trials.append(Trial("reference", name, run.score, run.share, []))
        return max(found, key=lambda r: r.share) if found else None

    def _is_balanced(self, base: Run) -> bool:
        """Whether every class counts alike: some are rare, and are weighted so, or are not predicted at all."""
        setup = self.setup
        if setup.task.kind == "numbers" or base.answers is None:
            return False
        shares = setup.task.shares(setup.y)
        if len(shares) < 2 or shares.max() < 4 * shares.min() or len(setup.judged[1]) * float(shares.min()) < 4:
            return False
        return setup.weights is not None or bool(setup.task.recalls(setup.judged[1], base.answers).min() < 0.1)

    def _noise(self) -> float:
        """How large the share of what knows nothing may be by chance."""
        setup = self.setup
        count = len(setup.judged[1])
        if setup.task.balanced:
            shares = setup.task.shares(setup.judged[1])
            count = round(count * float(shares.min()) * len(shares))
        return setup.task.noise(count, setup.chance)

    def _averages(self, found: float, shown: float, noise: float) -> tuple[float, float, float]:
        """The shares of the best kind of reference and of the training over several draws, and the noise of such means."""
        ours, theirs = [shown], [[t.share] for t in self.report.trials if t.kind == "reference"]
        for draw in (1, 2):
            setup = self.make(draw)
            ours.append(setup.run(draw).share)
            for shares, (_, reference) in zip(theirs, references(setup, self.words), strict=False):
                if self.budget.allows(reference.work):
                    shares.append(reference.run().share)
        best = max((float(np.mean(shares)) for shares in theirs), default=found)
        return best, float(np.mean(ours)), noise / float(np.sqrt(len(ours)))

    def _all_alike(self) -> bool:
        """Whether every target is the same: said without a trial."""
        setup = self.setup
        truth = setup.task.truth(setup.y)
        if len(truth) < 2 or not (truth == truth[0]).all():
            return False
        kind = "nothing-to-learn" if setup.task.kind == "numbers" else "label-coding"
        self.report.verdict("learns", right=False, remark="all targets are the same")
        message = f"All {len(truth)} targets are {setup.y[0].tolist()}."
        self.report.findings.append(TrainingFinding(kind, "y", message, "where y was read, and how classes were made numbers"))
        return True

    def _is_clear(self, base: Run) -> bool:
        """Whether the reference is right on so many more of the held-out examples that it is not by chance."""
        setup = self.setup
        assert self.reference is not None
        if setup.task.kind == "numbers" or setup.task.balanced or setup.judged[0] is setup.X:
            return True
        n, more = len(setup.judged[1]), self.reference.score - base.score
        return more * n >= 1.64 * float(np.sqrt(n * (2 - self.reference.score - base.score)))

    def _is_only_short(self, base: Run) -> bool:
        """Whether a training that was cut learns at a rate that is larger by as much as it was cut, or half of that."""
        assert self.reference is not None
        if not hasattr(self.setup.optimizer, "fresh") or not hasattr(self.setup.optimizer, "lr"):
            return False
        for factor in (self.shorter, float(np.sqrt(self.shorter))):
            quick = faster(self.setup, factor)
            if self.budget.allows(quick.work):
                run = quick.run()
                if not run.error and run.share >= base.share + _CLOSED * (self.reference.share - base.share):
                    return True
        return False

    def _asks_referees(self, noise: float) -> bool:
        """Whether trees or neighbours find something where the references found nothing; the best is the reference then."""
        if self.setup.judged[0] is self.setup.X:
            return False
        for name, score, share in referees(self.setup, self.words):
            self.report.trials.append(Trial("reference", name, score, share, []))
            assert self.reference is not None
            if share > max(_NOTHING, 2.5 * noise, self.reference.share):
                self.reference = Run(self.setup, None, [], score=score, share=share)
        assert self.reference is not None
        return self.reference.share > max(_NOTHING, 2.5 * noise)

    def _search(self, base: Run) -> Cure | None:
        assert self.reference is not None
        self.goal = base.share + _CLOSED * (self.reference.share - base.share)
        changes = [*self.first, *proposals(self.setup, self.facts, base)]
        if self.shorter > 1:
            changes = [c for c in changes if c.kind != "too-few-epochs"]
        self.certain = [c for c in changes if c.weight >= _CERTAIN or c.kind == "overfitting"]
        facts, others = [c for c in changes if c.weight >= FACT], [c for c in changes if c.weight < FACT]
        certain = [(c, *c.variants[0]) for c in facts if c.weight >= _CERTAIN]
        rest = [c for c in changes if c.weight < _CERTAIN]
        for group in (facts, others):
            found = self._first(group)
            if certain and group is facts and (found is None or found.weight < _CERTAIN):
                found = self._first(rest, certain) or found  # wrong in any case, though not all that is wrong
            if found is not None:
                return self._completed(found, changes)
        return self._pairs(changes)

    def _completed(self, found: Cure, changes: list[Change]) -> Cure:
        """A cure with what is wrong besides, if it falls short of the reference by itself."""
        assert self.reference is not None
        while found.run.share < self.reference.share - _NEAR:
            self.goal = found.run.share + _NEAR
            rest = [c for c in changes if c.weight >= _HINT and c.kind not in _EFFORT]
            rest = [c for c in rest if all(c is not used for used, _, _ in found.changes)]
            louder = [(c, *c.variants[0]) for c in rest if c.weight > max(found.weight, FACT)]
            quieter = [c for c in rest if all(c is not other for other, _, _ in louder)]
            more = [self._first(rest, found.changes), self._first(quieter, louder) if louder else None]
            better = [cure for cure in more if cure is not None]
            if not better:
                break
            found = max(better, key=lambda cure: cure.run.share)
        return found

    def _first(self, changes: list[Change], before: Sequence[Part] = ()) -> Cure | None:
        """The first change that is as good as the reference and holds; else the one that most speaks for among the best."""
        assert self.reference is not None
        cures = []
        for cure in self._forward(changes, before):
            if cure.run.share < self.reference.share - _NEAR:
                cures.append(cure)
            elif self._holds(cure):  # what comes later has less to speak for it
                return cure
        while cures:
            best = max(cure.run.share for cure in cures)
            near = [cure for cure in cures if cure.run.share >= best - _NEAR]
            chosen = max(near, key=lambda cure: (cure.weight, cure.run.share))
            if self._holds(chosen):
                return chosen
            cures.remove(chosen)
        return None

    def _forward(self, changes: list[Change], before: Sequence[Part] = ()) -> Iterator[Cure]:
        """The changes that cure, each made after those that are made in any case."""
        enough = 1.0 if self.reference is None else self.reference.share - _NEAR
        for change in changes:
            last, best = self.base, None
            for line, apply in change.variants:
                parts = [*before, (change, line, apply)]
                run = self._try(change.kind, parts)
                if run is not None and run.share >= self.goal and (best is None or run.share > best.run.share + 0.02):
                    best = Cure(parts, run)
                elif best is not None:
                    break
                if best is not None and best.run.share >= enough:
                    yield best
                    last = best.run
                    best = None  # it did not hold: one that goes further may
                    continue
                if change.ladder and (run is None or _is_worse(run, last, change.kind)):
                    break
                last = run or last
            if best is not None:
                yield best

    def _try(self, kind: str, parts: list[Part]) -> Run | None:
        """The run with some changes; None if the network does not take them, or the budget is used up."""
        line = "; ".join(line for _, line, _ in parts)
        if line in self.tried:
            return self.tried[line]
        setup = self.setup
        try:
            with np.errstate(all="ignore"):
                for _, _, apply in parts:
                    setup = apply(setup)
        except (ValueError, TypeError, RuntimeError, IndexError):  # a change that this network does not take
            return None
        if not self.budget.allows(setup.work, keep=self.keep):
            return None
        run = self.tried[line] = setup.run()
        if not run.error:
            cures = run.share >= self.goal
            self.report.trials.append(Trial(kind, line, run.score, run.share, run.losses, cures))
        return run

    def _holds(self, cure: Cure) -> bool:
        """Whether training as it is fails, and the cure cures, from other weights and on other held-out examples too."""
        fails, holds = 1, 1
        shares = [self.base.share]  # the first was chosen for being low, so that the others may lie a little higher
        wanted = self.reference.share if self.reference is not None else 1.0
        for draw in (1, 2):
            setup = self.make(draw)
            changed = cure.apply(setup)
            if not self.budget.allows(setup.work) or not self.budget.allows(changed.work):
                return False
            before, after = setup.run(draw, redraw=True), changed.run(draw, redraw=True)
            shares.append(before.share)
            fails += before.share < wanted - 0.5 * self.gap and float(np.mean(shares)) < wanted - 0.75 * self.gap
            holds += after.share - before.share >= 0.5 * (wanted - max(self.base.share, before.share))
            if fails == holds == 2 and draw == 1:
                return True
        return fails >= 2 and holds >= 2

    def _pairs(self, changes: list[Change]) -> Cure | None:
        """Two changes that cure only together: one of those that most speaks for, and another on top of it."""
        self.keep = 0.0
        for change in [c for c in changes if c.weight >= FACT][:_MOST]:
            found = self._first([c for c in changes if c is not change], [(change, *change.variants[0])])
            if found is not None:
                return self._completed(found, changes)
        return None

    # What is said.

    def _say(self, cure: Cure, base: Run) -> None:
        self._mark(cure.run)
        changes = [(change, line) for change, line, _ in cure.changes]
        self.report.findings += of_cure(changes, base, cure.run, self.reference, str(self.budget))

    def _undisputed(self) -> None:
        """What is wrong in any case is said though it cures nothing by itself."""
        for change in self.certain:
            self.report.findings.append(of_uncured(change, self.base, self.tried.get(change.variants[0][0])))

    def _mark(self, diagnosis: Run) -> None:
        """Note which of the trials the findings speak of."""
        for trial in self.report.trials:
            trial.is_diagnosis = trial.losses is diagnosis.losses

    def _refused(self, base: Run) -> None:
        """The training cannot begin, or not go on: which change lets it learn."""
        self.goal = 0.5
        self.reference = None
        for change in [*self.first, *proposals(self.setup, self.facts, base)]:
            if change.weight < 85:
                break
            for line, apply in change.variants:
                run = self._try(change.kind, [(change, line, apply)])
                if run is not None and not run.error:
                    self._mark(run)
                    self.report.findings.append(of_refusal(change, line, base, run))
                    return
        self.report.findings.append(TrainingFinding("crash", "fit", base.error + "."))

    def _nothing(self, base: Run, shown: float, noise: float) -> None:
        """Say that there is nothing to learn, unless the training shows otherwise; shown is its share, on average."""
        setup = self.setup
        if shown > max(_NOTHING, 2.5 * noise) or len(setup.X) < 2:
            return
        fair = setup.task.with_balance()
        if base.answers is not None and fair.balanced:  # a rare class can be found at the cost of the frequent one
            chance = fair.chance(setup.y, setup.judged[1])
            if fair.share(fair.score(setup.judged[1], base.answers), chance) > max(_NOTHING, 2.5 * self._noise()):
                return
        if self.few:
            self.report.verdict("the data", right=None, remark="no reference learns from the examples that were looked at")
            return
        assert self.place is not None  # there is something to say of it
        self.report.verdicts[self.place] = ("learns", "wrong", figure(base))
        asked = [t for t in self.report.trials if t.kind == "reference"]
        self.report.findings.append(of_nothing(base, asked, str(self.budget)))


def _is_worse(run: Run, last: Run, kind: str) -> bool:
    """Whether a further step in the same direction has made things worse: there is no use in another.

    With a rate that is far too small nothing happens at ten times the rate either, so that is no reason to stop.
    """
    if run.error or (run.diverged and not last.diverged):
        return True
    if not run.losses or not last.losses or run.diverged:
        return False
    limit = 1.02 if kind == "rate-too-small" else 0.98
    return run.share <= last.share + 0.02 and run.losses[-1] > limit * last.losses[-1]


def _balanced(setup: Setup) -> Setup:
    return setup.but(task=setup.task.with_balance())
