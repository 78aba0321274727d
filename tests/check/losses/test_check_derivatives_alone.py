"""check FILE on losses that have a derivative alone: held against softmax and cross-entropy if they are named so, else shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from answered import classes

from modnet.check.losses.derivatives import examine_derivative

FILE = """
import numpy as np


class Softmax_With_CategoricalCrossEntropy:
    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[np.arange(len(dvalues)), y_true if y_true.ndim == 1 else y_true.argmax(axis=1)] -= 1
        self.dinputs /= len(dvalues)


class Quadratic_Loss:
    def backward(self, dvalues, y_true):
        return dvalues - y_true


class SoftmaxCrossEntropyOfOthers:
    def backward(self, dvalues, y_true):
        return self.kept - y_true


class LossOfNobody:
    def backward(self):
        return self.kept
"""


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class SoftmaxCrossEntropy:
    """Given what the softmax returns, for one-hot rows; in rows or columns it is the same."""

    def backward(self, probs, y_true):
        return probs - y_true


class MeanSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (probs - y_true) / probs.shape[0]


class ColumnsSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (probs - y_true) / probs.shape[1]


class SoftmaxCrossEntropyOfScores(SoftmaxCrossEntropy):
    def backward(self, logits, y_true):
        return softmax(logits) - y_true


class SoftmaxCrossEntropyOfIntegers(SoftmaxCrossEntropy):
    @staticmethod
    def gradient(y_true, y_pred):
        delta = y_pred.copy()
        delta[np.arange(len(y_true)), y_true] -= 1
        return delta

    backward = None


class SoftmaxCrossEntropyOfOne(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        delta = probs.copy()
        delta[y_true] -= 1
        return delta


class CrossEntropyAfterSoftmax(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return -y_true / probs


RIGHT = [
    SoftmaxCrossEntropy, MeanSoftmaxCrossEntropy, ColumnsSoftmaxCrossEntropy, SoftmaxCrossEntropyOfScores,
    SoftmaxCrossEntropyOfIntegers, SoftmaxCrossEntropyOfOne,
]  # fmt: skip


@pytest.mark.parametrize("cls", RIGHT)
def test_right_ones(cls):
    report = examine_derivative(cls)
    assert report.ok, report
    assert [row[1] for row in report.verdicts] == ["right"]
    means = [note for note in report.notes if "derivative of the mean" in note]
    assert len(means) == (cls in (MeanSoftmaxCrossEntropy, ColumnsSoftmaxCrossEntropy))


def test_what_goes_on_through_a_softmax_of_its_own_is_right_by_the_probabilities():
    report = examine_derivative(CrossEntropyAfterSoftmax)
    assert {f.kind for f in report.findings} <= {"saturates"}, report
    assert "by that" in report.notes[0]


class SoftmaxCrossEntropyAdded(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (probs + y_true) / len(probs)


class SoftmaxCrossEntropyTurned(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (y_true - probs) / len(probs)


class SoftmaxCrossEntropyTimes(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (probs - y_true) * len(probs)


class SoftmaxCrossEntropyBent(SoftmaxCrossEntropy):
    def backward(self, probs, y_true):
        return (probs - y_true) * probs * (1 - probs)


@pytest.mark.parametrize(
    ("cls", "kind", "said"),
    [
        (SoftmaxCrossEntropyAdded, "sign", "the part of backward that y is in has the wrong sign"),
        (SoftmaxCrossEntropyTurned, "sign", "wrong sign"),
        (SoftmaxCrossEntropyTimes, "scale", "the size of the batch"),
        (SoftmaxCrossEntropyBent, "other-function", "its slope once too often"),
    ],
)
def test_mistakes_have_their_names(cls, kind, said):
    report = examine_derivative(cls)
    assert [f.kind for f in report.findings] == [kind]
    assert said in report.findings[0].message
    assert report.findings[0].where == f"{cls.__name__}.backward"


def test_none_is_left_out_of_the_list(tmp_path: Path):
    (tmp_path / "losses.py").write_text(FILE)
    found = classes(tmp_path / "losses.py")
    words = {name: (c["verdicts"][0]["verdict"], c["verdicts"][0]["remark"]) for name, c in found.items()}
    assert words["Softmax_With_CategoricalCrossEntropy"][0] == "right"
    reasons = {
        "Quadratic_Loss": "neither a method nor the name says of which function",
        "SoftmaxCrossEntropyOfOthers": "what it needs is elsewhere",
        "LossOfNobody": "no method of it is a loss of prediction and truth",
    }
    for name, why in reasons.items():
        assert words[name][0] == "not checked"
        assert why in words[name][1]
