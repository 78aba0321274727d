"""Networks that move their own parameters, in whatever methods or functions: no gradient of them has to be seen.

What one step has moved is held against the derivative of a loss, by differences of the network's own forward. Which loss that
is, and by which rate, is what most of the parameters say; the others must have moved by the same loss and the same rate. What
its parameters are is found by asking: the numbers that its output depends on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.draws import other_draws, same_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.question import ALIKE, Question
from modnet.check.building.recipes import array_arguments
from modnet.check.networks.asbuilt import Script, as_built
from modnet.check.networks.dense import Chain, chain_of, explained_by
from modnet.check.networks.flow import (
    InFunctions,
    forwards_of,
    is_paired,
    keep_start,
    numbers_within,
    run,
    stages_of,
    within,
)
from modnet.check.networks.form import Form, difference
from modnet.check.networks.judge import judge
from modnet.check.networks.left import gives_gradients, go_down
from modnet.check.networks.parts import Listed, Parts, assembled, told, trained_by
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import built
from modnet.check.reading.arguments import NotBuilt, asks, method_given
from modnet.check.reading.lines import miscalled, quote, text_of
from modnet.check.reading.vocabulary import REG, TRAINS, is_rate, meaning_of
from modnet.check.report import Finding, Report
from modnet.check.styles.modes import is_mode

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMED = re.compile(
    r"(neural)?net(work|z|s)*|reseaux?|[a-z]{0,3}nn|mlp|perceptron|model|regress\w*|classif\w*|neural|sequential", re.I
)
_NO_NETWORK = re.compile(r"cell|layer|norm|block|loss|connected|conv", re.I)
_KEPT = re.compile(r"grad|cache|veloc|moment|running|moving|mean|var|std|history|delta", re.I)
_BIAS = re.compile(r"_*(b\d?|bias\w*|biais\w*|intercept_?|beta_?0|theta_?0|w_?0)", re.I)
_RATE, _COUNT = 0.013, 6  # a rate that nobody writes out
_SHORT = 1e-4  # of the rate, by which several steps are as one
_OFTEN = 100  # epochs in which whoever draws examples has drawn them all
_DRAWS = 10  # after which all have been drawn by whoever draws as many as there are
_HOLDS_OUT = re.compile(r"\bvali?d?|_val|test_|split\(.*(test|size)", re.I)
_LONGEST = 8.0  # seconds for finding out what it takes
_MORE = 20  # ways that are tried for a loss that is known, once its layers are right by another
Loss = tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


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


class Examples(NamedTuple):
    """What a network is asked with.

    Attributes
    ----------
    inputs, truths : as its forward takes them and as its output is: one, a batch, or several, one after another. given : both
        as a step takes them.
    """

    inputs: list[np.ndarray]
    truths: list[np.ndarray]
    given: tuple[Any, Any]


class Trained(Form):
    """A network that has taken one step.

    A step moves each parameter by the derivatives of the outputs, times slopes: those of a loss, of some examples more or less.

    Attributes
    ----------
    net : before the step. forward : the method that gives its output. stages : the methods of a step. given : the examples.
        size : of a batch. epochs : how many. less : of the usual rate, so little that several steps are as one.
    begins : whether a training begins with first parameters of its own. held : its parameters before. moved : what the step has
        taken from them. owners : for each number of the outputs, of which example it is.
    loss : by which it may have moved, and its name. slopes : of its own loss, one for each output. weights : how often the step
        takes each example, in simple ratios or in any. truths : whose truth.
    """

    nearness = 10 * ALIKE
    loss: Loss
    slopes: np.ndarray | None = None
    simple = True
    longer, steps = False, 0

    def __init__(
        self, net: Any, forward: str, stages: Sequence[str], examples: Examples, epochs: int = 1, begins: bool = False,
        size: int = _COUNT, less: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(type(net), stages[0])
        one = epochs == 1 and (len(examples.inputs) == 1 or "update" in stages[0])
        self.epochs, self.less, self.size = epochs, less or (1.0 if one else _SHORT), size
        self.net, self.forward, self.stages, self.given_examples, self.begins = net, forward, stages, examples, begins
        self.told = any(is_rate(p.name) for stage in stages for p in asks(getattr(net, stage), by_name=True))
        self.leaves = gives_gradients(type(net)) and not self.told
        self.x = examples.inputs[0]
        self.held = _parameters(net, forward, self.x)
        self.moved = self.stepped()
        outs = [_forward(net, forward, x) for x in examples.inputs]
        self.out, self.y = (np.concatenate([a.ravel() for a in arrays]) for arrays in (outs, examples.truths))
        self.batch = len(outs) if len(outs) > 1 else _COUNT if _COUNT in self.x.shape else 1
        places = np.arange(self.out.size)
        alone = len(outs) == 1
        self.owners = _rows(places.reshape(outs[0].shape), self.batch) if alone else places.reshape(self.batch, -1)
        self.weights, self.truths = np.ones(self.batch), list(range(self.batch))

    def stepped(self, less: float = 1.0) -> dict[str, np.ndarray]:
        """How far a step moves each parameter, by so much less than the usual rate."""
        after = copied(self.net)
        self._step(after, less)
        _box(after)
        now = dict(numbers_within(after))
        return {n: a - now[n] for n, a in self.held.items() if n in now and now[n].shape == a.shape}

    def is_longer(self) -> bool:
        """Whether a training of one epoch is several steps, as in ``range(epochs + 1)``: without an epoch it moves, too.

        Or a second epoch adds less than the first moved. Of one that goes on by what it remembers it cannot be told how many.
        """
        epoch, two = (np.concatenate([m.ravel() for m in moved.values()]) for moved in (self.moved, self._moved_in(2)))
        more = factor_of(two, epoch) - 1 if epoch.shape == two.shape else 1.0
        self.longer = 0.01 < more < 0.6
        self.steps = round(1 / more) if self.longer and abs(1 / more - round(1 / more)) < 1e-3 else 0
        with suppress(*_TROUBLE):
            self.longer = self.longer or any(m.any() for m in self._moved_in(0).values())
        return self.longer

    def _moved_in(self, epochs: int, less: float = 1.0) -> dict[str, np.ndarray]:
        """How far so many epochs move each parameter."""
        before, self.epochs = self.epochs, epochs
        try:
            return self.stepped(less)
        finally:
            self.epochs = before

    def _step(self, net: Any, less: float = 1.0) -> None:
        """Let a network like this one take a step."""
        rate = _RATE * less * self.less
        inputs, truths, (x, y) = self.given_examples
        self.told |= _set(net, rate, self.epochs, self.size)
        out, known = _forward(net, self.forward, inputs[0]), dict[str, Any]()
        values = {
            "epochs": self.epochs, "batch": self.size, "X": x, "y": y, "yhat": out, "rate": rate, "step": 1,
            "pairs": [(x.copy(), y.copy()) for x, y in zip(inputs, truths, strict=True)],
        }  # fmt: skip
        if isinstance(net, InFunctions):
            run(net, net.parts["forward"], {"X": inputs[0]}, known)
            known.pop("")
        if np.shape(y) == out.shape:
            values["delta"] = out - y
        with same_draws():
            for stage in self.stages:
                if not asks(getattr(net, stage), by_name=True):
                    _place(net, {"X": x, "y": y})
                    _forward(net, self.forward, inputs[0])
                run(net, stage, values, known)
        if self.leaves:
            go_down(net, self.held, known.get(""), self.stages[0], rate)

    def number(self) -> np.ndarray:
        """All outputs, one after another."""
        return np.concatenate([_forward(self.net, self.forward, x).ravel() for x in self.given_examples.inputs])

    @cached_property
    def outputs(self) -> dict[str, Question]:
        """By parameter, the derivatives of all outputs, by steps so small that no ReLU turns within them."""
        return {n: difference(self, n, self.held[n], narrow=True) for n in self.moved}

    def by_its_own(self) -> int:
        """Take whatever loss it goes by: slopes, one for each number of the output, that give the move of the last parameters.

        There are more numbers that move so than slopes: then no mistake in a layer is taken for a loss. It is a loss that was
        given to it: one that its lines have inside may be the mistake. How many parameters have moved by such slopes.
        """
        held = self.net.held if isinstance(self.net, Listed) else vars(self.net)
        given = [v for n, v in held.items() if meaning_of(n, ("loss",)) and not isinstance(v, str | float | int)]
        for slopes, rank, _ in self._solved(np.eye(self.out.size)) if given else ():
            if rank == self.out.size and (self.out - self.y) @ slopes > 0:
                self.loss, self.slopes = _OWN, slopes
                return self._take(slopes, np.ones(self.batch))
        return 0

    def _solved(self, parts: np.ndarray) -> Iterator[tuple[np.ndarray, int, np.ndarray]]:
        """How much of each part the last parameters have moved by, by all of them first, if there are more of these numbers.

        Parameters
        ----------
        parts (slopes, parts) : each part is a slope for each output.

        Returns
        -------
        how much (parts,), how many can be told from each other, and the derivatives (numbers, parts).
        """
        names = list(self.outputs)
        for some in (names[i:] for i in range(len(names))):
            moves = np.concatenate([self.moved[n].ravel()[self.outputs[n].entries] for n in some])
            asked = np.concatenate([self.outputs[n].jacobian for n in some]) @ parts
            if not (np.isfinite(moves).all() and np.isfinite(asked).all()):
                continue
            found, _, rank, _ = np.linalg.lstsq(asked, moves, rcond=1e-8)
            near = np.abs(asked @ found - moves).max() <= 1e-5 * np.abs(moves).max()
            if near and len(moves) > 1.5 * rank:
                yield found, int(rank), asked

    def by(self, loss: Loss) -> int:
        """Take a loss; how many parameters have moved by its derivative, at all examples alike or else at some of them."""
        self.loss, self.slopes, self.truths = loss, None, list(range(self.batch))
        slopes = loss[1](self.out, self.y)
        every = np.ones(self.batch)
        fits = self._take(slopes, every)
        if fits == len(self.asked) or self.batch == 1:
            return fits
        for weights in self._weights(slopes):
            if self._take(slopes, weights) > fits:
                return self._take(slopes, weights)
        return self._take(slopes, every)

    def _weights(self, slopes: np.ndarray) -> Iterator[np.ndarray]:
        """How often the examples are taken, the most often once: never, or in simple ratios; with others any loss would fit."""
        parts = np.zeros((self.out.size, self.batch))
        for i, row in enumerate(self.owners):
            parts[row, i] = slopes[row]
        for found, rank, _ in self._solved(parts):
            weights = found / (found.max(initial=0.0) or 1.0)
            ratios = (weights * n for n in range(1, 5))
            simple = not self.simple or any(np.abs(r - np.round(r)).max() < 40 * ALIKE for r in ratios)
            if rank == self.batch and simple and weights.min() > -ALIKE:
                yield np.where(weights < ALIKE, 0.0, weights)

    def _take(self, slopes: np.ndarray, weights: np.ndarray) -> int:
        """Take these slopes of these examples; how many parameters have moved so."""
        self.weights = weights
        delta = slopes.copy()
        for row, weight in zip(self.owners, weights, strict=True):
            delta[row] *= weight
        asked = {n: q.with_delta(delta) for n, q in self.outputs.items()}
        sizes = {n: float(np.abs(q.truth).max(initial=0.0)) for n, q in asked.items()}
        least = max(1e-9, 1e-6 * max(sizes.values(), default=0.0))
        self.asked = {n: q for n, q in asked.items() if np.isfinite(q.truth).all() and sizes[n] > least}
        fits = [n for n, r in self._rates(self.moved).items() if r]
        many = [n for n, q in self.asked.items() if len(q.entries) > 1]  # of one number any move is a multiple
        return len([n for n in fits if n in many or not many])

    def by_pairs(self, loss: Loss) -> bool:
        """Whether all parameters move by this loss, with each example given the truth of another: `truths` says of which."""
        self.loss, some = loss, self._solved(np.eye(self.out.size))
        found, rank, asked = next(some, (np.zeros(0), 0, np.zeros((0, 0))))
        if self.batch < 3 or rank < self.batch or len(asked) < sum(len(q.entries) for q in self.outputs.values()):
            return False
        _, sizes, basis = np.linalg.svd(asked, full_matrices=False)
        basis = basis[sizes > 1e-8 * sizes[0]]
        seen = basis.T @ basis  # what the parameters show of slopes
        slopes = [[loss[1](self.out[i], self.y[j]) @ seen[np.ix_(i, i)] for j in self.owners] for i in self.owners]
        for one in slopes[0]:
            factor = factor_of(found[self.owners[0]], one)
            near = [
                [j for j, s in enumerate(row) if np.abs(factor * s - found[i]).max() <= ALIKE * np.abs(found).max()]
                for i, row in zip(self.owners, slopes, strict=True)
            ]
            if factor > 0 and all(near):
                self.truths = [i if i in js else js[0] for i, js in enumerate(near)]
                self.slopes = found
                self._take(found, np.ones(self.batch))
                return self.truths != list(range(self.batch))
        return False

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Those of a batch by whose loss it has moved, here or with other draws, and their truth."""
        used = {i for i, weight in enumerate(self.weights) if weight}
        if any(_HOLDS_OUT.search(text_of(getattr(self.cls, stage))) for stage in self.stages):
            used = set(range(self.batch))
        for seed in range(_DRAWS if self.slopes is None else 0):
            if len(used) < self.batch:
                runs = self._again(self.stages, self.given_examples, self.size, _OFTEN, seed)
                used |= {i for run in runs for i, weight in enumerate(run.weights) if weight}
        return [(sorted(used), [self.truths[i] for i in sorted(used)])]

    def _again(self, stages: Sequence[str], given: Examples, size: int, epochs: int, seed: int) -> Iterator[Trained]:
        """The same with other draws, in steps so short that they add up; if it moves by the loss of some examples."""
        with suppress(*_TROUBLE), other_draws(seed):
            run = Trained(self.net, self.forward, stages, given, epochs, self.begins, size, _SHORT / epochs)
            run.simple = False
            moves = any(m.any() for m in run.moved.values())
            if moves and (run.by(self.loss) == len(run.asked) or run.by_pairs(self.loss)):
                yield run

    def every_example(self) -> tuple[int, str]:
        """Those of the batch."""
        return self.batch, " the updates of one step"

    @cached_property
    def chain(self) -> Chain | None:
        """The dense layers that it is made of."""
        inputs = self.given_examples.inputs
        x = np.stack([x.ravel() for x in inputs]) if len(inputs) > 1 else _rows(self.x, self.batch)
        return chain_of({n: a for n, a in self.held.items() if n in self.moved}, x, self.out[self.owners])

    def cause(self) -> Finding | None:
        """The mistake on the way back through dense layers that gives every move."""
        if (chain := self.chain) is None:
            return None
        out, y, weights = self.out[self.owners], self.y[self.owners], self.weights[:, None]
        moved = {n: self.held[n] - m for n, m in self.moved.items()}
        error = (out - y if self.slopes is None else self.slopes[self.owners]) * weights
        losses = [self.loss, *_LOSSES] if self.slopes is None else []
        slopes = [loss[1](out, y) * weights for loss in losses] or [error]
        every = (explained_by(chain, self.moved, chain.delta(s), error, moved) for s in slopes)
        found = next(filter(None, every), None)
        if found is None:
            return None
        wrong, rates = found
        odd = [n for n, r in self._rates(self.moved).items() if r is None] or list(rates)
        return self.finding(wrong.kind, f"{', '.join(odd)}: {wrong.text}", wrong.hint, odd[0], self.line("a step", odd[0]))

    def _rates(self, moved: dict[str, np.ndarray]) -> dict[str, float | None]:
        for n, q in self.asked.items():
            q.answer(moved[n])
        return {n: q.factor(q.truth) if q.got.any() else 0.0 for n, q in self.asked.items()}

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of each parameter that the loss depends on."""
        found = self._rates(self.stepped(0.5)) if slower else {}
        return found or self._rates(self.moved)

    def late(self, odd: list[str]) -> list[str]:
        """Those for which a step is right only if it is so short that nothing else moves."""
        if odd:
            rates = self._rates(self.stepped(1e-4))
            self._rates(self.moved)
            return odd if all(rates[n] is not None for n in odd) else []
        if not self.steps:
            return []
        usual, two = 1 / self.less, copied(self.net)  # the last of its steps, as long as they usually are
        self._step(two, usual)
        last = Trained(two, self.forward, self.stages, self.given_examples, 1, self.begins, self.size, self.less)
        one, more = self.stepped(usual), self._moved_in(2, usual)
        last.moved = {n: more[n] - one[n] for n in last.moved if n in more and n in one}
        last.by(self.loss)
        return [n for n, rate in last.moves().items() if rate is None]

    def end(self) -> Iterator[Finding]:
        """Which examples an epoch takes, whether a mean is taken twice, and a second step moves by the first gradient, too."""
        if self.weights.all() and self.truths == sorted(self.truths):
            yield from self._of_batches()
        rates = [r for r in self.moves().values() if r]
        if not self.told or len(rates) < len(self.asked) or min(rates) < 0 or self.epochs > 1 or self.begins:
            return
        for many in (1, 2):
            if self.batch > 2 and abs(rates[0] * self.batch**2 / (many * _RATE) - 1) < 1e-3:
                text = f"a step is the rate times the derivative, divided by {self.batch} examples twice."
                yield Finding("scale", "", text, "the mean is taken once: in the loss's derivative, or in the gradients")
        first, then = copied(self.net), copied(self.net)
        self._step(first)
        now = dict(numbers_within(first))
        for n, array in numbers_within(then):
            if n in self.moved:
                array[...] = now[n]
        twin = Trained(then, self.forward, self.stages, self.given_examples, size=self.size, less=self.less)
        start = {n: now[n].copy() for n in self.moved}
        self._step(first)
        again = {n: start[n] - a for n, a in numbers_within(first) if n in self.moved}
        if all(np.allclose(again[n], twin.moved[n] + m, rtol=1e-4, atol=1e-12) for n, m in self.moved.items()):
            text = "a second step moves by the gradient of the first one, too: gradients are added to what was there."
            yield Finding("never-zeroed", "", text, "start from zeros in each step")

    def _of_batches(self) -> Iterator[Finding]:
        """What is found of an epoch in batches of four, and of two: whose truth the examples are given, and how often."""
        for method in self._trainings():
            rounds = {size: list(self._epochs(method, size)) for size in (4, 2)}
            where, line = f"{self.cls.__name__}.{method}", self._line_of_examples(method)
            for size, found in rounds.items():
                if len(found) < 2:
                    continue
                pairs = next((t.truths for t in found if t.truths != sorted(t.truths)), None)
                if pairs is not None:
                    text = f"in batches of {size} the examples {list(range(len(pairs)))} are given the truth of {pairs}."
                    yield Finding("mispaired", where, text, "one order, and the same places, for X and y", line=line)
                    return
                left = [i for i in range(_COUNT) if not any(t.weights[i] for t in found)]
                if left and len(found) > 2 and not _HOLDS_OUT.search(text_of(getattr(self.cls, method))):
                    numbers = ", ".join(map(str, left))
                    text = f"of {_COUNT} examples, in batches of {size}, {_OFTEN} epochs never use {numbers}, counted from 0."
                    hint = "the last batch may be smaller: range(0, len(X), batch_size), X[i:i + batch_size]"
                    yield Finding("left-out", where, text, hint, line=line)
                    return
                if size == 2 and all(sorted(np.round(t.weights, 3)) == [0.5] * 4 + [1.0] * 2 for t in found[:2]):
                    text = "an epoch takes its last batch twice: two of six examples move it twice as far as the others."
                    yield Finding("batch-twice", where, text, "range(0, len(X), batch_size) has the last batch, too", line=line)

    def _trainings(self) -> Iterator[str]:
        """The methods that train for as many epochs as they are told."""
        if issubclass(self.cls, InFunctions) or not self.told:
            return
        for name in [n for n in dir(self.cls) if not n.startswith("__") and callable(getattr(self.cls, n))]:
            given = [p.name for p in asks(getattr(self.net, name), by_name=True)]
            held = [n for n, v in vars(self.net).items() if isinstance(v, int)] if name in TRAINS else []
            takes = {meaning_of(n, ("X", "y")) for n in given} >= {"X", "y"} or is_paired(getattr(self.net, name))
            if takes and any(meaning_of(n, ("epochs",)) for n in (*given, *held)):
                yield name

    def _epochs(self, method: str, size: int) -> Iterator[Trained]:
        """An epoch each with other draws, if all parameters move by the loss of some examples, each so many times."""
        given = self.given_examples
        if self.batch != _COUNT:  # it takes one at a time
            rng, truth = np.random.default_rng(7), given.truths[0]
            inputs = [rng.normal(size=self.x.shape) for _ in range(_COUNT)]
            truths = [np.roll(truth, k) if truth.size > 1 else truth * (1 - 0.1 * k) for k in range(_COUNT)]
            rows = (np.stack(inputs).reshape(_COUNT, -1), np.stack(truths).reshape(_COUNT, -1))
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
            return self._line_of_examples(self.stages[0])
        word = re.escape(re.sub(r"\[\d+\]$", "", name).split(".")[-1].split("[")[-1].strip("'\"]"))
        lines = (quote(self.cls, stage, rf"d_?{word}\b.*=", rf"{word}.*=", r"-=|\+=") for stage in self.stages if name)
        return next(filter(None, lines), "") or quote(self.cls, self.stages[-1], r"-=|\+=")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for each parameter."""
        for n, r in self.moves().items() if question == "the steps" else ():
            remark = f"rate {r:.3g}" * (self.slopes is None) if r else findings[0].kind if findings else ""
            report.verdict(f"{n} by {self.loss[0]}", right=bool(r and r > 0), remark=remark)
        if question == "the end" and findings:
            report.verdict("a step", right=False, remark=findings[0].kind)


def _rows(array: np.ndarray, many: int) -> np.ndarray:
    """An array of so many examples, one a row; of columns, turned."""
    if many == 1:
        return array.reshape(1, -1)
    return array.reshape(many, -1) if len(array) == many else array.T


def _set(net: Any, rate: float, epochs: int, size: int = _COUNT) -> bool:
    """Set the rate and the length of a training where they are kept; whether there is such a rate."""
    told = False
    for one in [one for _, one in within(net) if not isinstance(one, np.ndarray)]:
        rates = [n for n, value in vars(one).items() if is_rate(n) and isinstance(value, float)]
        for name, value in list(vars(one).items()):
            if name in rates and (name != "alpha" or (one is net and rates == ["alpha"])):  # which may be a slope
                vars(one)[name], told = rate, True
            elif isinstance(value, float) and (REG.match(name) or (one is net and name == "alpha")):
                vars(one)[name] = 0.0
            elif isinstance(value, int) and (what := meaning_of(name, ("epochs", "batch"))):
                vars(one)[name] = epochs if what == "epochs" else size
    return told


def _box(net: Any) -> None:
    """Put each bias that is a plain number into an array, which can be moved in place."""
    for one in [one for _, one in within(net) if not isinstance(one, np.ndarray)]:
        for name, value in list(vars(one).items()):
            if isinstance(value, int | float | np.floating) and not isinstance(value, bool) and _BIAS.fullmatch(name):
                vars(one)[name] = np.array(float(value))


def _parameters(net: Any, forward: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays that the output for x depends on, in place, by their places and in their order."""
    found = {}
    for place, array in list(numbers_within(net)):
        if _KEPT.search(place) or not array.flags.writeable or array.size > 10**6:
            continue
        start, out = array.copy(), _forward(net, forward, x)
        array += (0.1 + 0.1 * np.abs(array)) * np.linspace(1, 2, array.size).reshape(array.shape)  # a softmax shows no shift
        try:
            if (moved := _forward(net, forward, x)).shape == out.shape and not np.array_equal(moved, out, equal_nan=True):
                found[place] = array
        except Misbehaviour:
            pass
        finally:
            array[...] = start
    now = dict(numbers_within(net))
    return {n: a for n, a in found.items() if now.get(n) is a}  # what forward puts there anew is none


def _place(net: Any, values: dict[str, np.ndarray]) -> None:
    """Put input and truth where a network keeps them that is given them beforehand."""
    for name, held in list(vars(net).items()):
        if isinstance(held, np.ndarray) and (what := meaning_of(name, values)):
            vars(net)[name] = values[what].copy()


def _forward(net: Any, name: str, x: np.ndarray) -> np.ndarray:
    """The output; of a network that is given its input beforehand, as where it keeps it."""
    method = getattr(net, name)
    given = asks(method)
    if isinstance(net, InFunctions):
        found = run(net, name, {"X": x.copy()}, {})
    elif given:
        named = {p.name: False for p in given[1:] if is_mode(p.name)}
        found = call(f"{type(net).__name__}.{name}", lambda: method(x.copy(), **named))
    else:
        _place(net, {"X": x})
        found = call(f"{type(net).__name__}.{name}", method)
    if found is None:
        held = vars(net).items()
        found = next((v for n, v in held if isinstance(v, np.ndarray) and meaning_of(n, ("yhat", "outputs"))), None)
    if isinstance(found, np.ndarray) and found.dtype.kind in "iub":
        text = f"{type(net).__name__}.{name} gives classes, and no method gives the numbers by which they are chosen"
        raise Misbehaviour("unknown", text)
    if isinstance(found, dict):  # what each layer gave: A0, A1, ...
        held = [v for n, v in found.items() if isinstance(v, np.ndarray) and str(n)[:1].lower() == "a"]
        found = held or list(found.values())
    while isinstance(found, tuple | list) and found:  # the output and what is kept, or the outputs of all layers
        alone = not isinstance(found[0], np.ndarray) or not all(isinstance(v, np.ndarray) for v in found)
        found = found[0 if alone else -1]
    return np.asarray(found, dtype=float)


#: Losses by their slopes at an output and its truth.
_LOSSES: tuple[Loss, ...] = (
    ("the squared error", lambda out, y: out - y),
    ("the cross-entropy", lambda out, y: -y / np.where(out > 0, out, np.nan)),
    ("the binary cross-entropy", lambda out, y: (out - y) / np.where((out > 0) & (out < 1), out * (1 - out), np.nan)),
)
_OWN: Loss = ("a loss of its own", lambda out, y: np.ones_like(out))


def examine_trained(cls: type, scripts: Iterable[Script] = (), parts: Parts | None = None) -> Report:
    """The report on such a network: by the loss whose derivative the most parameters have moved by, at the data that fit best.

    At all examples at once, or at one alone, if it takes one after another.

    Parameters
    ----------
    scripts : of its author, who may build one. parts : of its author's, of which one may be put together.
    """
    failed = list[Misbehaviour]()
    try:
        return _best(cls.__name__, _tried(_started(cls, scripts, parts or Parts(), failed), failed), failed)
    except NotBuilt:
        for problem in failed:
            if meant := miscalled(cls, problem.message):
                problem.hint = f"there is a method {meant}"
                raise problem from None
        raise


def examine_training(function: Callable[..., Any], networks: Sequence[type], parts: Parts) -> Report:
    """The report on a function that trains: it is given layers of its author's own, in a list or in one of their networks."""
    failed = list[Misbehaviour]()
    return _best(function.__name__, _tried(trained_by(function, networks, parts), failed), failed)


@np.errstate(all="ignore")
def _best(name: str, ways: Iterable[Callable[..., Trained]], failed: list[Misbehaviour]) -> Report:
    """The report on a network at the first way to let it take a step that is right, or at the one that says the most.

    By a loss that is known if there is such a way: by any other the layers alone are judged.
    """
    wrong, closest = list[tuple[int, tuple[int, ...], Report]](), ""
    own: Report | None = None
    added_up: Report | None = None
    more = _MORE
    for make in ways:
        try:
            trained = _one_step(make)
        except Misbehaviour as problem:
            closest = closest or problem.message
            failed.append(problem)
            continue
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, StopIteration):
            continue
        more -= own is not None
        if not more:
            break
        shape = (trained.batch, len(trained.given_examples.inputs), *trained.x.shape)
        if not any(m.any() for m in trained.moved.values()):
            continue
        if any(shape == at or shape[1] < at[1] or trained.less < 1 or (shape[0] < at[0] and _known(r)) for _, at, r in wrong):
            continue  # it says no more
        whole = trained
        trained, some = _by_a_loss(trained, make)
        known = some < len(trained.asked) and trained.cause() is not None
        if not known and not 0 < some == len(trained.asked):
            if own is not None:
                continue
            if any(map(trained.by_pairs, _LOSSES)):
                wrong.append((len(trained.held), shape, _judged(name, trained)))
                continue
            if some_by_own := trained.by_its_own():
                report = _judged(name, trained)
                if report.ok or some_by_own == len(trained.asked):
                    own = report
                else:
                    wrong.append((some_by_own, shape, report))
                continue
            _by_a_loss(trained, None)
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


def _by_a_loss(trained: Trained, make: Callable[..., Trained] | None) -> tuple[Trained, int]:
    """A network with the loss by which the most parameters have moved, and how many these are.

    If they are not all, and no mistake explains it, perhaps it has taken several steps, one after another: then in steps so
    short that they add up.
    """
    fits = [trained.by(loss) for loss in _LOSSES]
    best = int(np.argmax(fits))
    trained.by(_LOSSES[best])
    if make is None or 0 < fits[best] == len(trained.asked) or not trained.told or trained.less < 1:
        return trained, fits[best]
    if trained.chain is None or trained.cause() is None:
        with suppress(*_TROUBLE):
            few, some = _by_a_loss(make(less=_SHORT), None)
            added_up = 0 < some == len(few.asked) and few.batch > 1
            if few.is_longer() or (added_up and (few.chain is not None or np.ptp(few.weights) > ALIKE)):
                return few, some
    return trained, fits[best]


#: What is found of every way to let a network take a step, or of none.
_OF_ALL = {"scale", "sign", "lr-ignored", "layer-not-trained", "never-zeroed"}


def _judged(name: str, trained: Trained) -> Report:
    """The report on a network that has taken a step."""
    count, shape = len(trained.given_examples.inputs), trained.x.shape
    several = f"{count} inputs" if count > 1 else "an input"
    report = Report(f"{name}, one step by {trained.loss[0]} on {several} of shape {shape}")
    judge(report, trained)
    return report


def _one_step(make: Callable[..., Trained]) -> Trained:
    """A network after a step, or after ten, if it says something every tenth of the epochs; in small batches if no other."""
    try:
        trained = make()
        return trained if any(m.any() for m in trained.moved.values()) or trained.batch < _COUNT else make(size=2, less=_SHORT)
    except Misbehaviour as problem:
        if "ZeroDivisionError" not in problem.message:
            raise
        return make(epochs=10)


def _tried(nets: Iterable[Any], failed: list[Misbehaviour]) -> Iterator[Callable[..., Trained]]:
    """Ways to let a network take a step: for each shape of input that it takes, rows, then columns; and each form of truth."""
    rng, start_time = np.random.default_rng(5), process_time()
    for net in nets:
        said = (v[0] for v in vars(net).values() if isinstance(v, list | tuple) and v and type(v[0]) is int)
        held = (n for _, a in list(numbers_within(net))[:3] for n in a.shape)
        widths = [n for n in dict.fromkeys((3, *held, *said)) if 0 < n < 2000]
        for shape in [s for n in widths for s in ((_COUNT, n), (n, _COUNT), (1, n), (n, 1), (n,))]:
            xs = [rng.normal(size=shape) for _ in range(3)]
            if process_time() - start_time > _LONGEST:
                break
            for start, forward, begins in _answering(net, xs[0], failed):
                for stages in stages_of(type(net)):
                    for examples in _examples(start, forward, xs, stages):
                        yield partial(Trained, start, forward, stages, examples, begins=begins)
                break


_TROUBLE = (Misbehaviour, TypeError, ValueError, AttributeError, IndexError, KeyError, StopIteration)


def _answering(net: Any, x: np.ndarray, failed: list[Misbehaviour]) -> Iterator[tuple[Any, str, bool]]:
    """(a copy that gives an output for x, by which method, whether a training begins with first parameters of its own).

    Its parameters are put where mistakes show, unless a training puts its own in their place.
    """
    for start in (copied(net), *_begun(net, x)):
        _box(start)
        for forward in forwards_of(type(net)):
            try:
                out = _forward(start, forward, x)
                held = _parameters(start, forward, x)
                if not held or not 0 < out.ndim < 3 or not out.size:
                    continue
                rng = np.random.default_rng(5)
                drawn = copied(start)
                for array in _parameters(drawn, forward, x).values():
                    wide = max(array.size / max(array.shape), min(array.shape)) if array.ndim > 1 else 1
                    array[...] = rng.uniform(-1, 1, array.shape) * 1.5 / np.sqrt(max(wide, 2))
                begun = next((b for b in _begun(drawn, x) if _parameters(b, forward, x).keys() == held.keys()), None)
                begins = begun is not None and _differs(_parameters(begun, forward, x), _parameters(drawn, forward, x))
                start = begun if begins else drawn
                if np.isfinite(_forward(start, forward, x)).all():
                    yield start, forward, begins
            except _TROUBLE as raised:
                failed += [raised] if isinstance(raised, Misbehaviour) else []


def _differs(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return any(not np.array_equal(a, other[n]) for n, a in one.items())


def _begun(net: Any, x: np.ndarray) -> Iterator[Any]:
    """Copies of a network after a training of no epochs, in which it may make its first parameters."""
    train = method_given(type(net), TRAINS, ("X", "y"))
    many, rng = len(x), np.random.default_rng(6)
    if x.ndim != 2 or many != _COUNT or not train:
        return
    told = any(meaning_of(p.name, ("epochs",)) for p in asks(getattr(net, train), by_name=True))
    if not told and not any(isinstance(v, int) and meaning_of(n, ("epochs",)) for n, v in vars(net).items()):
        return
    numbers, labels = rng.uniform(0.2, 0.8, many), np.arange(many) % 2
    for y in (numbers, labels, np.eye(3)[np.arange(many) % 3], numbers[:, None]):
        start = copied(net)
        _set(start, _RATE, 0)
        with suppress(*_TROUBLE), same_draws():
            run(start, train, {"X": x, "y": y, "epochs": 0, "rate": _RATE, "batch": _COUNT}, {})
            _box(start)
            yield start


def _started(cls: type, scripts: Iterable[Script], parts: Parts, failed: list[Misbehaviour]) -> Iterator[Any]:
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


def _examples(net: Any, forward: str, xs: Sequence[np.ndarray], stages: Sequence[str]) -> Iterator[Examples]:
    """Examples in the forms that a step may want: pairs, a batch, or several that forward takes one after another."""
    x, out = xs[0], _forward(net, forward, xs[0])
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
    columns = out.ndim == 2 and out.shape[-1] == last and last in (1, _COUNT) and x.shape[0] != _COUNT
    columns |= out.ndim == 2 and out.shape[-1] == len(x) == _COUNT and len(out) != _COUNT  # which it makes of rows
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
