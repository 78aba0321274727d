"""What a training is to teach: classes, yes or no, or numbers; and how good an answer is.

A score is the accuracy, or of numbers R2: the part of the squared error that is saved. If a few of them are wild, squares would
ask for nothing else, and it is the part of the absolute error; of counts that a Poisson loss learns, that of the deviance. The
*share* is what was learned of what can be learned: 0 for always giving the most frequent class, or the mean, and 1 for
everything right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modnet.check.training.wild import far_out

#: The losses of the library that take scores on both sides of 0, where others take them on both sides of 1/2.
_SIGNED = ("BCEWithLogits", "Hinge", "Perceptron")
#: See `far_out`: targets that are judged by squares have to be closer together than columns.
SQUEEZED = 1.0
_FEW = 20  # different values of targets that may be classes


@dataclass(frozen=True)
class Task:
    """What y is, for a network with outputs of a shape.

    Attributes
    ----------
    kind : "classes", one of several; "binary", yes or no in each column; "numbers".
    classes : how many there are. rows : whether y is one-hot rows.
    low, high : the two values of binary targets. threshold : where an answer becomes high.
    balanced : whether the score is the mean of the classes' accuracies.
    codes : the values of numbers that may be classes: few, whole, and often repeated.
    link : "sigmoid" or "exp" if numbers are predicted by scores, of which they are that function.
    ignored : a label that marks places which do not count.
    wild : whether a few numbers are too far out to be judged by squares.
    """

    kind: str
    classes: int = 0
    rows: bool = False
    low: float = 0.0
    high: float = 1.0
    threshold: float = 0.5
    balanced: bool = False
    codes: tuple[float, ...] = ()
    link: str = ""
    ignored: int | None = None
    wild: bool = False

    @classmethod
    def of(cls, loss: Any, y: np.ndarray, output: tuple[int, ...]) -> Task:
        """The task of targets y (n, ...) for a network whose outputs are (n, *output)."""
        if y.dtype.kind in "iub" and y.shape[1:] == output[:-1] and output and output[-1] > 1:
            return cls("classes", output[-1], ignored=getattr(loss, "ignore_index", None))
        names = {base.__name__ for base in type(loss).__mro__}
        values = np.unique(y)
        if len(values) == 2 or (len(values) == 1 and values[0] in (0, 1) and "BCE" in type(loss).__name__):
            low, high = (float(values[0]), float(values[-1])) if len(values) == 2 else (0.0, 1.0)
            last = y.shape[-1] if y.ndim > 1 else 1
            if last > 1 and np.all(np.sum(y == high, axis=-1) == 1):
                return cls("classes", last, rows=True)
            if not y.ndim > 2:
                half = 0.0 if names.intersection(_SIGNED) else (low + high) / 2
                return cls("binary", 2, low=low, high=high, threshold=half)
        whole = len(values) <= _FEW and bool(np.all(values == np.round(values))) and len(y) >= 5 * len(values)
        single = y.ndim == 1 or y.shape[1:] == (1,)
        codes = tuple(float(v) for v in values) if whole and single and len(values) > 2 else ()
        link = "sigmoid" if "BCEWithLogits" in names else "exp" if "Poisson" in names else ""
        wild = not link and any(
            far_out(column, SQUEEZED) is not None for column in y.reshape(len(y), -1).astype(np.float64).T[:20]
        )
        return cls("numbers", codes=() if link == "exp" else codes, link=link, wild=wild)

    @property
    def word(self) -> str:
        """What the score is called."""
        if self.kind == "numbers":
            return "part of the deviance" if self.link == "exp" else "part of the absolute error" if self.wild else "R2"
        return "mean accuracy of the classes" if self.balanced else "accuracy"

    def truth(self, y: np.ndarray) -> np.ndarray:
        """Targets in the form that answers have."""
        if self.kind == "classes":
            return (y.argmax(axis=-1) if self.rows else y).reshape(-1)
        if self.kind == "binary":
            return y.reshape(len(y), -1) > (self.low + self.high) / 2
        return y.reshape(len(y), -1).astype(np.float64)

    def answer(self, yhat: np.ndarray) -> np.ndarray:
        """Predictions as classes, as yes or no, or as numbers."""
        if self.kind == "classes":
            return yhat.argmax(axis=-1).reshape(-1)
        if self.kind == "binary":
            return yhat.reshape(len(yhat), -1) > self.threshold
        numbers = yhat.reshape(len(yhat), -1).astype(np.float64)
        if self.link == "exp":
            return np.exp(np.clip(numbers, -500, 500))
        if self.link == "sigmoid":
            return 1 / (1 + np.exp(-np.clip(numbers, -500, 500)))
        return numbers

    def score(self, y: np.ndarray, yhat: np.ndarray) -> float:
        """The accuracy, or R2; numbers that are not finite score as nothing learned."""
        truth, answer = self.truth(y), self.answer(yhat)
        if not np.isfinite(yhat).all() or truth.shape != answer.shape:
            return -1.0 if self.kind == "numbers" else 0.0
        if self.kind == "numbers":
            with np.errstate(all="ignore"):
                size = float(np.abs(truth).max(initial=0.0))
                if size > 1e100:  # squares of 1e200 are too large for a number
                    truth, answer = truth / size, answer / size
                usual = self._error(truth, np.broadcast_to(self._always(truth), truth.shape))
                found = 1 - self._error(truth, answer) / usual if usual else 0.0
            return found if np.isfinite(found) else -1.0
        truth, answer = self._counted(truth, answer)
        return float(np.mean(self.recalls(y, yhat) if self.balanced else truth == answer))

    def known(self, y: np.ndarray) -> np.ndarray:
        """`truth` without the places that do not count."""
        return self._counted(self.truth(y))[0]

    def _counted(self, truth: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        if self.ignored is None or self.kind != "classes":
            return truth, *others
        counts = truth != self.ignored
        return truth[counts], *(a[counts] for a in others)

    def _always(self, truth: np.ndarray) -> np.ndarray:
        """The best answer that does not look at X."""
        return np.asarray(np.median(truth, axis=0) if self.wild else truth.mean(axis=0))

    def _error(self, truth: np.ndarray, answer: np.ndarray) -> float:
        """The squared error; the absolute one; or the deviance of counts."""
        if self.link == "exp":
            rate = np.maximum(answer, 1e-12)
            logs = np.where(truth > 0, truth * np.log(np.maximum(truth, 1e-300) / rate), 0.0)
            return float(np.sum(logs - (truth - rate)))
        return float(np.sum(np.abs(truth - answer) if self.wild else (truth - answer) ** 2))

    def recalls(self, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        """The accuracy on the examples of each class that there is."""
        truth, answer = self._counted(self.truth(y).reshape(-1), self.answer(yhat).reshape(-1))
        return np.array([np.mean(answer[truth == c] == c) for c in np.unique(truth)])

    def shares(self, y: np.ndarray) -> np.ndarray:
        """How frequent each class is."""
        truth = self.known(y).reshape(-1)
        return np.unique(truth, return_counts=True)[1] / len(truth)

    def chance(self, y: np.ndarray, judged: np.ndarray) -> float:
        """The score of the most frequent class of y, or of its mean, on the examples that are judged."""
        if self.kind == "numbers":
            return 0.0
        truth, there = self.known(y), self.known(judged)
        if self.balanced:
            return 1.0 / max(1, len(np.unique(there)))
        both = np.concatenate([truth, there])
        if self.kind == "binary":
            return float(max(np.mean(there == (truth.mean(axis=0) > 0.5)), np.mean(both == (both.mean(axis=0) > 0.5))))
        values, counts = np.unique(truth, return_counts=True)
        # Of few examples the most frequent class of one part is the rarer one in the other.
        return float(max(np.mean(there == values[np.argmax(counts)]), np.unique(both, return_counts=True)[1].max() / len(both)))

    def share(self, score: float, chance: float) -> float:
        """What was learned of what can be: 0 at chance, 1 if everything is right."""
        share = float(np.clip((score - chance) / max(1 - chance, 1e-9), -1.0, 1.0))
        return 1 - (1 - share) ** 2 if self.wild and share > 0 else share  # as R2 of errors of the same size

    def noise(self, count: int, chance: float) -> float:
        """How far from 0 the share of an answer that knows nothing lies by chance, on so many examples.

        An accuracy has the standard deviation of a binomial. The R2 of numbers that have nothing to do with y is at best the
        square of a correlation, which is about 1 / sqrt(n).
        """
        n = max(count, 1)
        if self.kind == "numbers":
            return 2.4 / n
        return float(np.sqrt(chance * (1 - chance) / n) / max(1 - chance, 1e-9))

    def with_balance(self) -> Task:
        """The same, with every class counted alike."""
        return replace(self, balanced=self.kind != "numbers")
