"""What is asked of a network that moves its own parameters: which examples it takes, how far a step goes, what epochs do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.draws import other_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.networks.flow import InFunctions, is_paired, numbers_within
from modnet.check.networks.form import Form
from modnet.check.networks.judge import examples, pairs
from modnet.check.networks.mover import COUNT, RATE, SHORT, TROUBLE, Examples
from modnet.check.networks.parts import Listed
from modnet.check.networks.solved import Solved
from modnet.check.reading.arguments import asks
from modnet.check.reading.lines import quote, text_of
from modnet.check.reading.vocabulary import TRAINS, meaning_of
from modnet.check.report import Finding, Report

_OFTEN = 100  # epochs in which whoever draws examples has drawn them all
_DRAWS = 10  # after which all have been drawn by whoever draws as many as there are
_HOLDS_OUT = re.compile(r"\bvali?d?|_val|test_|split\(.*(test|size)", re.I)


class Trained(Solved):
    """A network that has taken one step, and that can be asked for others.

    Attributes
    ----------
    longer : whether a training of one epoch is several steps. steps : how many, if that is known.
    """

    longer, steps = False, 0

    def is_longer(self) -> bool:
        """Whether a training of one epoch is several steps, as in ``range(epochs + 1)``: without an epoch it moves, too.

        Or a second epoch adds less than the first moved. Of one that goes on by what it remembers it cannot be told how many.
        """
        epoch, two = (np.concatenate([m.ravel() for m in moved.values()]) for moved in (self.moved, self._moved_in(2)))
        more = factor_of(two, epoch) - 1 if epoch.shape == two.shape else 1.0
        self.longer = 0.01 < more < 0.6
        self.steps = round(1 / more) if self.longer and abs(1 / more - round(1 / more)) < 1e-3 else 0
        with suppress(*TROUBLE):
            self.longer = self.longer or any(m.any() for m in self._moved_in(0).values())
        return self.longer

    def _moved_in(self, epochs: int, less: float = 1.0) -> dict[str, np.ndarray]:
        """How far so many epochs move each parameter."""
        return replace(self.mover, epochs=epochs).moves(less)

    def late(self, odd: list[str]) -> list[str]:
        """Those for which a step is right only if it is so short that nothing else moves."""
        if odd:
            rates = self.rates(self.mover.moves(1e-4))
            self.rates(self.moved)
            return odd if all(rates[n] is not None for n in odd) else []
        if not self.steps:
            return []
        usual, two = 1 / self.mover.less, copied(self.mover.net)  # the last of its steps, as long as they usually are
        self.mover.step(two, usual)
        last = Solved(replace(self.mover, net=two, epochs=1))
        one, more = self.mover.moves(usual), self._moved_in(2, usual)
        last.moved = {n: more[n] - one[n] for n in last.moved if n in more and n in one}
        last.by(self.loss)
        return [n for n, rate in last.moves().items() if rate is None]

    # --- examples

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Those of a batch by whose loss it has moved, here or with other draws, and their truth."""
        used = {i for i, weight in enumerate(self.weights) if weight}
        if any(map(self.holds_out, self.mover.stages)):
            used = set(range(self.batch))
        for seed in range(_DRAWS if self.slopes is None else 0):
            if len(used) < self.batch:
                runs = self._again(self.mover.stages, self.mover.examples, self.mover.size, _OFTEN, seed)
                used |= {i for run in runs for i, weight in enumerate(run.weights) if weight}
        return [(sorted(used), [self.truths[i] for i in sorted(used)])]

    def holds_out(self, method: str) -> bool:
        """Whether a method keeps examples for a validation, by its lines."""
        return bool(_HOLDS_OUT.search(text_of(getattr(self.cls, method))))

    def _again(self, stages: Sequence[str], given: Examples, size: int, epochs: int, seed: int) -> Iterator[Solved]:
        """The same with other draws, in steps so short that they add up; if it moves by the loss of some examples."""
        with suppress(*TROUBLE), other_draws(seed):
            run = Solved(replace(self.mover, stages=stages, examples=given, epochs=epochs, size=size, less=SHORT / epochs))
            run.simple = False
            if run.has_moved() and (run.by(self.loss) == len(run.asked) or run.by_pairs(self.loss)):
                yield run

    def every_example(self) -> tuple[int, str]:
        """Those of the batch."""
        return self.batch, " the updates of one step"

    def end(self) -> Iterator[Finding]:
        """Which examples an epoch takes, whether a mean is taken twice, and a second step moves by the first gradient, too."""
        if self.weights.all() and self.truths == sorted(self.truths):
            yield from self._of_batches()
        rates = [r for r in self.moves().values() if r]
        mover = self.mover
        if not self.told or len(rates) < len(self.asked) or min(rates) < 0 or mover.epochs > 1 or mover.begins:
            return
        for many in (1, 2):
            if self.batch > 2 and abs(rates[0] * self.batch**2 / (many * RATE) - 1) < 1e-3:
                text = f"a step is the rate times the derivative, divided by {self.batch} examples twice."
                yield Finding("scale", "", text, "the mean is taken once: in the loss's derivative, or in the gradients")
        first, then = copied(mover.net), copied(mover.net)
        mover.step(first)
        start = {n: a.copy() for n, a in numbers_within(first) if n in self.moved}
        for n, array in numbers_within(then):
            if n in start:
                array[...] = start[n]
        fresh = replace(mover, net=then).moves()
        mover.step(first)
        again = {n: start[n] - a for n, a in numbers_within(first) if n in start}
        if all(np.allclose(again[n], fresh[n] + m, rtol=1e-4, atol=1e-12) for n, m in self.moved.items()):
            text = "a second step moves by the gradient of the first one, too: gradients are added to what was there."
            yield Finding("never-zeroed", "", text, "start from zeros in each step")

    def _of_batches(self) -> Iterator[Finding]:
        """What is found of an epoch in batches of four, and of two: whose truth the examples are given, and how often."""
        for method in self._trainings():
            for size in (4, 2):
                runs = list(self._epochs(method, size))
                epochs = _Epochs(self, method, size, runs)
                found = [*pairs(epochs), *examples(epochs)] if len(runs) > 1 else []
                for finding in found:
                    finding.where, finding.line = f"{self.cls.__name__}.{method}", self._line_of_examples(method)
                    yield finding
                if found:
                    return

    def _trainings(self) -> Iterator[str]:
        """The methods that train for as many epochs as they are told."""
        if issubclass(self.cls, InFunctions) or not self.told:
            return
        for name in [n for n in dir(self.cls) if not n.startswith("__") and callable(getattr(self.cls, n))]:
            given = [p.name for p in asks(getattr(self.mover.net, name), by_name=True)]
            held = [n for n, v in vars(self.mover.net).items() if isinstance(v, int)] if name in TRAINS else []
            takes = {meaning_of(n, ("X", "y")) for n in given} >= {"X", "y"} or is_paired(getattr(self.mover.net, name))
            if takes and any(meaning_of(n, ("epochs",)) for n in (*given, *held)):
                yield name

    def _epochs(self, method: str, size: int) -> Iterator[Solved]:
        """An epoch each with other draws, if all parameters move by the loss of some examples, each so many times."""
        given = self.mover.examples
        if self.batch != COUNT:  # it takes one at a time
            rng, truth = np.random.default_rng(7), given.truths[0]
            inputs = [rng.normal(size=self.x.shape) for _ in range(COUNT)]
            truths = [np.roll(truth, k) if truth.size > 1 else truth * (1 - 0.1 * k) for k in range(COUNT)]
            rows = (np.stack(inputs).reshape(COUNT, -1), np.stack(truths).reshape(COUNT, -1))
            if rows[1].shape[1] > 1 and np.ndim(given.given[1]) and np.size(given.given[1]) != truth.size:
                return  # of classes
            given = Examples(inputs, truths, rows)
        for seed, epochs in ((1, 1), (2, 1), (3, _OFTEN)):
            yield from self._again((method,), given, size, epochs, seed)

    def where(self, question: str) -> str:
        """The method, or the function."""
        if issubclass(self.cls, InFunctions | Listed):
            return self.method if issubclass(self.cls, InFunctions) else self.cls.__name__
        return f"{self.cls.__name__}.{self.method}"

    def _line_of_examples(self, method: str) -> str:
        return quote(self.cls, method, r"permut|shuffle|choice|split", r"range\(|zip\(", r"\bfor\b")

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        if question in ("the pairs", "the examples"):
            return self._line_of_examples(self.mover.stages[0])
        word = re.escape(re.sub(r"\[\d+\]$", "", name).split(".")[-1].split("[")[-1].strip("'\"]"))
        lines = (quote(self.cls, stage, rf"d_?{word}\b.*=", rf"{word}.*=", r"-=|\+=") for stage in self.mover.stages if name)
        return next(filter(None, lines), "") or quote(self.cls, self.mover.stages[-1], r"-=|\+=")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for each parameter."""
        for n, r in self.moves().items() if question == "the steps" else ():
            remark = f"rate {r:.3g}" * (self.slopes is None) if r else findings[0].kind if findings else ""
            report.verdict(f"{n} by {self.loss[0]}", right=bool(r and r > 0), remark=remark)
        if question == "the end" and findings:
            report.verdict("a step", right=False, remark=findings[0].kind)


class _Epochs(Form):
    """A training by batches of a size: an epoch each, and as many as it takes to draw all examples."""

    def __init__(self, trained: Trained, method: str, size: int, runs: list[Solved]) -> None:
        super().__init__(trained.cls, method)
        self.runs, self.size = runs, size
        self.sure = len(runs) > 2 and not trained.holds_out(method)  # that what they do not use is never used

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Of each run."""
        used = ([i for i, weight in enumerate(run.weights) if weight or not self.sure] for run in self.runs)
        return [(some, [run.truths[i] for i in some]) for some, run in zip(used, self.runs, strict=True)]

    def rounds(self) -> list[list[list[int]]]:
        """Of six examples in batches of two, if two examples move it twice as far as the others: the last batch again."""
        found = []
        for run in self.runs[:2]:
            once, twice = ([i for i, weight in enumerate(np.round(run.weights, 3)) if weight == k] for k in (0.5, 1.0))
            if self.size != 2 or (len(once), len(twice)) != (4, 2):
                return []
            found.append([once[:2], once[2:], twice, twice])
        return found

    def every_example(self) -> tuple[int, str]:
        """All that were given."""
        return COUNT, f", in batches of {self.size}, {_OFTEN} epochs"
