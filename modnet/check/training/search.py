"""The search for the change that cures.

1. The training as it is, and references on the same data. Without a gap between them nothing is said.
2. One change at a time, those that a fact speaks for first, each with the person's own budget of epochs.
3. More on top: of what is wrong in any case, of a cure that falls short of the reference, and in pairs if nothing cures alone.
4. A cure and the training as it is are repeated with other orders of the examples and of the weights before anything is said.

Work is counted in examples times parameters, so the same call gives the same answer; the clock is a cap on top of it. The file
is longer than most, so that the order in which things are tried can be read in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from modnet.check.training.budget import Budget, OutOfTime
from modnet.check.training.change import FACT, Change, Cure, Part, together
from modnet.check.training.change_ends import losses, output, shapes, targets
from modnet.check.training.change_inside import architecture, held, inputs, units, weights
from modnet.check.training.change_steps import data, effort, faster, rates
from modnet.check.training.examples import Examples
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
_PROPOSE = (shapes, targets, output, losses, inputs, weights, held, units, architecture, rates, effort, data)


class Search:
    """The search for one training.

    Parameters
    ----------
    examples : make the training, judged on other held-out examples for every draw. report : what is written to.
    first : changes to try before all others.

    Attributes
    ----------
    setup, base : the training as it is, and its run. reference : the best of the references.
    gap : how much less than the reference is little. goal : the share that a cure reaches.
    behind : whether it learns less than the reference. certain : what is wrong in any case, if so.
    keep : work that is left for changes in pairs.
    """

    def __init__(self, examples: Examples, report: TrainingReport, first: list[Change], seconds: float) -> None:
        self.examples, self.report, self.first = examples, report, first
        self.budget = Budget(_WORK, seconds)
        self.balanced = self.behind = False
        self.gap, self.keep, self.goal = _GAP, _KEPT, 0.5
        self.certain: list[Change] = []
        self.reference: Run | None = None
        self.tried: dict[str, Run] = {}
        self.setup = self.make(0)

    def make(self, draw: int) -> Setup:
        """The training, for a draw of held-out examples."""
        setup = self.examples.make(draw).but(look_at_clock=self.budget.look_at_clock)
        return setup.but(task=setup.task.with_balance()) if self.balanced else setup

    def run(self) -> None:
        """Search, and write findings and verdicts. The clock ends it wherever it is; what is known by then is kept."""
        try:
            self._run()
        except OutOfTime:
            for name, word, remark in list(self.report.verdicts):
                if (name, word) == ("learns", "right"):
                    self._learns(None, remark)
            self._undisputed()

    def _run(self) -> None:
        report, setup = self.report, self.setup
        self.budget.allows(setup.work)
        base = self.base = setup.run()
        if not base.error and self._is_balanced():
            self.balanced = True
            self.setup = setup = self.make(0)
            base = self.base = setup.judge(base.net, base.losses, base.diverged)
        report.word = setup.task.word
        self.facts = Facts(setup)
        if not base.error and self._all_alike():
            return
        report.trials.append(Trial("", "as it is", base.score, base.share, base.losses))
        report.verdict("learns", right=None if base.error else True, remark=base.error or figure(base))
        if base.error:
            self._refused()
            return
        if self.examples.pair and base.own_share > base.share + _GAP:
            self.goal = base.share + _CLOSED * (base.own_share - base.share)
            cures = list(self._forward([c for c in self.first if c.where == "validation"]))
            if cures:
                self._say(max(cures, key=lambda cure: cure.weight))
                return
        self.first = [c for c in self.first if c.where != "validation"]
        self.reference = self._reference()
        if self.reference is None:
            report.verdict("a reference", right=None, remark="too many inputs for one")
            return
        report.verdict("a reference", remark=figure(self.reference))
        noise = least = self._noise()
        if noise > 0.25 and setup.is_held_out:
            report.verdict("the data", right=None, remark="too few examples to judge by, or of the rarer classes")
            return
        found, shown = self.wanted, base.share
        if setup.is_held_out and not self.examples.pair and found < 0.5:
            found, shown, least = self._averages(noise)
        if found < (max(_NOTHING, 2.5 * least) if setup.is_held_out else _NOTHING):
            if not self._asks_referees(noise):
                self._nothing(shown, least)
                return
            report.amend("a reference", True, figure(self.reference))
        changes = self._proposals()
        if any(change.weight >= _CERTAIN for change in changes):
            self.gap = _SURE_GAP
        if self.wanted - base.share <= self.gap or not self._is_clear():
            if base.share < _NOTHING:
                self._learns(None, f"{figure(base)}: little, as the reference")
            return
        if self.examples.shorter > 1 and self._is_only_short():
            remark = f"{figure(base)}; at a larger rate, to make up for the steps it was cut by, as good as the reference"
            self._learns(None, remark)
            return
        self._learns(False, figure(base))
        self.behind = True
        cure = self._search(changes)
        if cure is None:
            self._learns(None, f"{figure(base)}, less than the reference, and no change that was tried cures it")
            self._undisputed()
        else:
            self._say(cure)

    # Parts of the search.

    @property
    def wanted(self) -> float:
        """What can be learned: the share of the reference; everything, without one."""
        return 1.0 if self.reference is None else self.reference.share

    def _proposals(self) -> list[Change]:
        """The changes that are worth a trial, the heaviest first."""
        found = [change for propose in _PROPOSE for change in propose(self.setup, self.facts, self.base)]
        return [*self.first, *sorted(found, key=lambda change: -change.weight)]

    def _reference(self) -> Run | None:
        """The best of the references; those after the first only if there is reason to doubt it."""
        found: list[Run] = []
        for name, setup in references(self.setup, self.examples.words):
            if found and max(r.share for r in found) > max(0.85, self.base.share + 0.02):
                break
            if not self.budget.allows(setup.work):
                break
            run = setup.run()
            if not run.error:
                found.append(run)
                self.report.trials.append(Trial("reference", name, run.score, run.share, []))
        return max(found, key=lambda r: r.share) if found else None

    def _is_balanced(self) -> bool:
        """Whether every class counts alike: some are rare, and are weighted so, or are not predicted at all."""
        setup, answers = self.setup, self.base.answers
        if setup.task.kind == "numbers" or answers is None:
            return False
        shares = setup.task.shares(setup.y)
        if len(shares) < 2 or shares.max() < 4 * shares.min() or len(setup.judged[1]) * float(shares.min()) < 4:
            return False
        return setup.weights is not None or bool(setup.task.recalls(setup.judged[1], answers).min() < 0.1)

    def _noise(self) -> float:
        """How large the share of what knows nothing may be by chance."""
        setup = self.setup
        count = len(setup.judged[1])
        if setup.task.balanced:
            shares = setup.task.shares(setup.judged[1])
            count = round(count * float(shares.min()) * len(shares))
        return setup.task.noise(count, setup.chance)

    def _averages(self, noise: float) -> tuple[float, float, float]:
        """The shares of the best kind of reference and of the training over several draws, and the noise of such means."""
        ours, theirs = [self.base.share], [[t.share] for t in self.report.trials if t.kind == "reference"]
        for draw in (1, 2):
            setup = self.make(draw)
            ours.append(setup.run(draw).share)
            for shares, (_, reference) in zip(theirs, references(setup, self.examples.words), strict=False):
                if self.budget.allows(reference.work):
                    shares.append(reference.run().share)
        best = max((float(np.mean(shares)) for shares in theirs), default=self.wanted)
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

    def _is_clear(self) -> bool:
        """Whether the reference is right on so many more of the held-out examples that it is not by chance."""
        setup, reference = self.setup, self.reference
        if reference is None or setup.task.kind == "numbers" or setup.task.balanced or not setup.is_held_out:
            return True
        n, more = len(setup.judged[1]), reference.score - self.base.score
        return more * n >= 1.64 * float(np.sqrt(n * (2 - reference.score - self.base.score)))

    def _is_only_short(self) -> bool:
        """Whether a training that was cut learns at a rate that is larger by as much as it was cut, or half of that."""
        if not hasattr(self.setup.optimizer, "fresh") or not hasattr(self.setup.optimizer, "lr"):
            return False
        for factor in (self.examples.shorter, float(np.sqrt(self.examples.shorter))):
            quick = faster(self.setup, factor)
            if self.budget.allows(quick.work):
                run = quick.run()
                if not run.error and run.share >= self.base.share + _CLOSED * (self.wanted - self.base.share):
                    return True
        return False

    def _asks_referees(self, noise: float) -> bool:
        """Whether trees or neighbours find something where the references found nothing; the best is the reference then."""
        if not self.setup.is_held_out:
            return False
        for name, score, share in referees(self.setup, self.examples.words):
            self.report.trials.append(Trial("reference", name, score, share, []))
            if share > max(_NOTHING, 2.5 * noise, self.wanted):
                self.reference = Run(self.setup, None, [], score=score, share=share)
        return self.wanted > max(_NOTHING, 2.5 * noise)

    def _search(self, changes: list[Change]) -> Cure | None:
        self.goal = self.base.share + _CLOSED * (self.wanted - self.base.share)
        if self.examples.shorter > 1:  # its length is not to blame
            changes = [c for c in changes if c.kind != "too-few-epochs"]
        self.certain = [c for c in changes if c.weight >= _CERTAIN or c.kind == "overfitting"]
        facts, others = [c for c in changes if c.weight >= FACT], [c for c in changes if c.weight < FACT]
        certain = [c.part for c in facts if c.weight >= _CERTAIN]
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
        while found.run.share < self.wanted - _NEAR:
            self.goal = found.run.share + _NEAR
            rest = [c for c in changes if c.weight >= _HINT and c.kind not in _EFFORT]
            rest = [c for c in rest if all(c is not used for used, _ in found.changes)]
            louder = [c for c in rest if c.weight > max(found.weight, FACT)]
            quieter = [c for c in rest if all(c is not other for other in louder)]
            more = [self._first(rest, found.changes), self._first(quieter, [c.part for c in louder]) if louder else None]
            better = [cure for cure in more if cure is not None]
            if not better:
                break
            found = max(better, key=lambda cure: cure.run.share)
        return found

    def _first(self, changes: list[Change], before: Sequence[Part] = ()) -> Cure | None:
        """The first change that is as good as the reference and holds; else the one that most speaks for among the best."""
        cures = []
        for cure in self._forward(changes, before):
            if cure.run.share < self.wanted - _NEAR:
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
        enough = 1.0 if self.reference is None else self.wanted - _NEAR
        for change in changes:
            last, best = self.base, None
            for variant in change.variants:
                parts = [*before, (change, variant)]
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
        line, apply = together(*(variant for _, variant in parts))
        if line in self.tried:
            return self.tried[line]
        try:
            with np.errstate(all="ignore"):
                setup = apply(self.setup)
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
        for draw in (1, 2):
            setup = self.make(draw)
            changed = cure.apply(setup)
            if not self.budget.allows(setup.work) or not self.budget.allows(changed.work):
                return False
            before, after = setup.run(draw, redraw=True), changed.run(draw, redraw=True)
            shares.append(before.share)
            fails += before.share < self.wanted - 0.5 * self.gap and float(np.mean(shares)) < self.wanted - 0.75 * self.gap
            holds += after.share - before.share >= 0.5 * (self.wanted - max(self.base.share, before.share))
            if fails == holds == 2 and draw == 1:
                return True
        return fails >= 2 and holds >= 2

    def _pairs(self, changes: list[Change]) -> Cure | None:
        """Two changes that cure only together: one of those that most speaks for, and another on top of it."""
        self.keep = 0.0
        for change in [c for c in changes if c.weight >= FACT][:_MOST]:
            found = self._first([c for c in changes if c is not change], [change.part])
            if found is not None:
                return self._completed(found, changes)
        return None

    # What is said.

    def _learns(self, right: bool | None, remark: str) -> None:
        """Write the verdict on the training again."""
        self.report.amend("learns", right, remark)

    def _say(self, cure: Cure) -> None:
        self._learns(False, figure(self.base))
        self._mark(cure.run)
        self.report.findings += of_cure(cure, self.base, self.reference, str(self.budget))

    def _undisputed(self) -> None:
        """What is wrong in any case is said though it cures nothing by itself."""
        for change in self.certain:
            line, _ = change.variants[0]
            self.report.findings.append(of_uncured(change, self.base, self.tried.get(line)))

    def _mark(self, diagnosis: Run) -> None:
        """Note which of the trials the findings speak of."""
        for trial in self.report.trials:
            trial.is_diagnosis = trial.losses is diagnosis.losses

    def _refused(self) -> None:
        """The training cannot begin, or not go on: which change lets it learn."""
        for change in self._proposals():
            if change.weight < 85:
                break
            for variant in change.variants:
                run = self._try(change.kind, [(change, variant)])
                if run is not None and not run.error:
                    self._mark(run)
                    self.report.findings.append(of_refusal(change, variant[0], self.base, run))
                    return
        self.report.findings.append(TrainingFinding("crash", "fit", self.base.error + "."))

    def _nothing(self, shown: float, noise: float) -> None:
        """Say that there is nothing to learn, unless the training shows otherwise; shown is its share, on average."""
        setup, base = self.setup, self.base
        if shown > max(_NOTHING, 2.5 * noise) or len(setup.X) < 2:
            return
        fair = setup.task.with_balance()
        if base.answers is not None and fair.balanced:  # a rare class can be found at the cost of the frequent one
            chance = fair.chance(setup.y, setup.judged[1])
            if fair.share(fair.score(setup.judged[1], base.answers), chance) > max(_NOTHING, 2.5 * self._noise()):
                return
        if self.examples.few:
            self.report.verdict("the data", right=None, remark="no reference learns from the examples that were looked at")
            return
        self._learns(False, figure(base))
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
