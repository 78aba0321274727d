"""By which loss a network has moved, at which of its examples and with whose truth: a step is solved for.

What one step has moved is held against the derivative of a loss, by differences of the network's own forward. Which loss that
is, and by which rate, is what most of the parameters say; the others must have moved by the same loss and the same rate. So no
gradient of it has to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from modnet.check.asking.numeric import factor_of
from modnet.check.asking.question import ALIKE, Question
from modnet.check.networks.dense import LOSSES, OF_SCORES, Chain, Loss, chain_of, explained_by
from modnet.check.networks.form import Form, difference
from modnet.check.networks.mover import COUNT, Mover
from modnet.check.networks.parts import Listed
from modnet.check.reading.vocabulary import meaning_of
from modnet.check.report import Finding

_OWN: Loss = ("a loss of its own", lambda out, y: np.ones_like(out))


class Solved(Form):
    """A network that has taken one step.

    A step moves each parameter by the derivatives of the outputs, times slopes: those of a loss, of some examples more or less.

    Attributes
    ----------
    mover : the network, and how it takes a step. moved : what the step has taken from its parameters. x : the first input.
    out, y : all outputs and their truth, one after another. owners : for each of these numbers, of which example it is.
    loss : by which it may have moved, and its name. slopes : of its own loss, one for each output. weights : how often the step
        takes each example, in simple ratios or in any. truths : whose truth.
    """

    nearness = 10 * ALIKE
    loss: Loss
    slopes: np.ndarray | None = None
    simple = True

    def __init__(self, mover: Mover) -> None:
        super().__init__(type(mover.net), mover.stages[0])
        self.mover, self.x, self.held = mover, mover.examples.inputs[0], mover.held
        self.moved, self.told = mover.moves(), mover.told
        outs = mover.outputs()
        self.out, self.y = (np.concatenate([a.ravel() for a in arrays]) for arrays in (outs, mover.examples.truths))
        self.batch = len(outs) if len(outs) > 1 else COUNT if COUNT in self.x.shape else 1
        places = np.arange(self.out.size)
        alone = len(outs) == 1
        self.owners = _rows(places.reshape(outs[0].shape), self.batch) if alone else places.reshape(self.batch, -1)
        self.weights, self.truths = np.ones(self.batch), list(range(self.batch))

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        """Those by which it may have moved: none of scores if all outputs may be probabilities already."""
        scores = self.out.min() < 0 or self.out.max() > 1
        return tuple(loss for loss in LOSSES if scores or loss is not OF_SCORES)

    def has_moved(self) -> bool:
        """Whether its step moves anything."""
        return any(m.any() for m in self.moved.values())

    def number(self) -> np.ndarray:
        """All outputs, one after another."""
        return np.concatenate([out.ravel() for out in self.mover.outputs()])

    @cached_property
    def outputs(self) -> dict[str, Question]:
        """By parameter, the derivatives of all outputs, by steps so small that no ReLU turns within them."""
        return {n: difference(self, n, self.held[n], narrow=True) for n in self.moved}

    def by_its_own(self) -> int:
        """Take whatever loss it goes by: slopes, one for each number of the output, that give the move of the last parameters.

        There are more numbers that move so than slopes: then no mistake in a layer is taken for a loss. It is a loss that was
        given to it: one that its lines have inside may be the mistake. How many parameters have moved by such slopes.
        """
        net = self.mover.net
        held = net.held if isinstance(net, Listed) else vars(net)
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
        slopes = self._slopes(loss)
        every = np.ones(self.batch)
        fits = self._take(slopes, every)
        if fits == len(self.asked) or self.batch == 1:
            return fits
        for weights in self._weights(slopes):
            if self._take(slopes, weights) > fits:
                return self._take(slopes, weights)
        return self._take(slopes, every)

    def _slopes(self, loss: Loss) -> np.ndarray:
        """Those of a loss at the outputs, example by example."""
        slopes = np.empty(self.out.size)
        for row in self.owners:
            slopes[row] = loss[1](self.out[row], self.y[row])
        return slopes

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
        fits = [n for n, r in self.rates(self.moved).items() if r]
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

    @cached_property
    def chain(self) -> Chain | None:
        """The dense layers that it is made of."""
        inputs = self.mover.examples.inputs
        x = np.stack([x.ravel() for x in inputs]) if len(inputs) > 1 else _rows(self.x, self.batch)
        return chain_of({n: a for n, a in self.held.items() if n in self.moved}, x, self.out[self.owners])

    def cause(self) -> Finding | None:
        """The mistake on the way back through dense layers that gives every move."""
        if (chain := self.chain) is None:
            return None
        out, y, weights = self.out[self.owners], self.y[self.owners], self.weights[:, None]
        moved = {n: self.held[n] - m for n, m in self.moved.items()}
        error = (out - y if self.slopes is None else self.slopes[self.owners]) * weights
        losses = [self.loss, *self.losses] if self.slopes is None else []
        slopes = [loss[1](out, y) * weights for loss in losses] or [error]
        every = (explained_by(chain, self.moved, s, error, moved) for s in slopes)
        odd = [n for n, r in self.rates(self.moved).items() if r is None] or list(self.asked)
        return self.caused(next(filter(None, every), None), odd)

    def rates(self, moved: dict[str, np.ndarray]) -> dict[str, float | None]:
        """How many times its derivative each parameter has moved; None for no multiple."""
        for n, q in self.asked.items():
            q.answer(moved[n])
        return {n: q.factor(q.truth) if q.got.any() else 0.0 for n, q in self.asked.items()}

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of each parameter that the loss depends on."""
        found = self.rates(self.mover.moves(0.5)) if slower else {}
        return found or self.rates(self.moved)


def _rows(array: np.ndarray, many: int) -> np.ndarray:
    """An array of so many examples, one a row; of columns, turned."""
    if many == 1:
        return array.reshape(1, -1)
    return array.reshape(many, -1) if len(array) == many else array.T
