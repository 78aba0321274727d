"""check_loss on losses that are right, in several styles, and on ones broken in one way."""

import numpy as np
import pytest
from students import CrossEntropieLoss, MSELoss, logsumexp, softmax

from modnet.check import check_loss
from modnet.discovery import all_losses

rng = np.random.default_rng(0)
LABELS, SCORES = np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))
ONEHOT, PROBABILITIES = np.eye(3)[LABELS], rng.dirichlet(np.ones(3), 4)
Y, YHAT = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
BITS, CHANCES = (rng.random((4, 2)) > 0.5) * 1.0, rng.uniform(0.1, 0.9, (4, 2))
NUMBERS, ROWS, CLASSES, PROBS, BINARY = (Y, YHAT), (ONEHOT, SCORES), (LABELS, SCORES), (ONEHOT, PROBABILITIES), (BITS, CHANCES)


class NormMSELoss(MSELoss):
    def forward(self, y, yhat):
        return np.linalg.norm(y - yhat, axis=1) ** 2


class MAELoss:
    def forward(self, y, yhat):
        return np.abs(y - yhat).sum(axis=-1)

    def backward(self, y, yhat):
        return np.where(yhat > y, 1.0, -1.0)


class LabelCrossEntropy:
    """Scores, integer labels."""

    def forward(self, y, yhat):
        return logsumexp(yhat) - yhat[np.arange(len(y)), y]

    def backward(self, y, yhat):
        d = softmax(yhat)
        d[np.arange(len(y)), y] -= 1
        return d


class CELoss:
    """-yhat_y."""

    def forward(self, y, yhat):
        return -(y * yhat).sum(axis=1)

    def backward(self, y, yhat):
        return -1.0 * y


class LogLoss:
    """-log p_y, with one constant against 0."""

    def forward(self, y, yhat):
        return -(y * np.log(yhat + 1e-8)).sum(axis=1)

    def backward(self, y, yhat):
        return -y / (yhat + 1e-8)


class BCELoss:
    """Probabilities, clipped as PyTorch's."""

    def forward(self, y, yhat):
        with np.errstate(divide="ignore"):
            return -(y * np.maximum(np.log(yhat), -100) + (1 - y) * np.maximum(np.log(1 - yhat), -100)).sum(axis=1)

    def backward(self, y, yhat):
        return (yhat - y) / np.maximum(yhat * (1 - yhat), 1e-12)


class ClippedBCELoss:
    """Probabilities clipped in both."""

    def clip(self, p):
        return np.clip(p, 1e-7, 1 - 1e-7)

    def forward(self, y, yhat):
        p = self.clip(yhat)
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)

    def backward(self, y, yhat):
        p = self.clip(yhat)
        return (1 - y) / (1 - p) - y / p


class HingeLoss:
    def forward(self, y, yhat):
        return np.maximum(0, 1 - y * yhat).sum(axis=1)

    def backward(self, y, yhat):
        return np.where(y * yhat < 1, -y, 0)


SIGNS = (np.sign(Y), YHAT)
CORRECT = [
    (MSELoss, NUMBERS), (NormMSELoss, NUMBERS), (MAELoss, NUMBERS), (CrossEntropieLoss, ROWS), (LabelCrossEntropy, CLASSES),
    (CELoss, ROWS), (LogLoss, PROBS), (BCELoss, BINARY), (ClippedBCELoss, BINARY), (HingeLoss, SIGNS),
]  # fmt: skip


def broken(kind, base, data, **methods):
    return pytest.param(kind, type(base.__name__, (base,), methods)(), data, id=f"{kind}-{base.__name__}")


def writes_y(self, y, yhat):
    y -= yhat
    return (y**2).sum(axis=1)


def writes_yhat(self, y, yhat):
    yhat[:] = 2 * (yhat - y)
    return yhat


def like_y(self, y, yhat):
    d = np.zeros_like(y)
    d[:] = 2 * (yhat - y)
    return d


def minus_in_place(self, y, yhat):
    d = y.copy()
    d *= -1
    d += softmax(yhat)
    return d


BROKEN = [
    broken("shape", MSELoss, NUMBERS, forward=lambda s, y, z: ((y - z) ** 2).mean(), backward=lambda s, y, z: 2 * (z - y) / z.size),
    broken("shape", MSELoss, NUMBERS, forward=lambda s, y, z: ((y - z) ** 2).sum(axis=1, keepdims=True)),
    broken("shape", MSELoss, NUMBERS, forward=lambda s, y, z: (y - z) ** 2),
    broken("shape", LabelCrossEntropy, CLASSES, backward=lambda s, y, z: softmax(z)[np.arange(len(y)), y] - 1),
    broken("not-implemented", MSELoss, NUMBERS, backward=lambda s, y, z: None),
    broken("not-implemented", MSELoss, NUMBERS, forward=lambda s, y, z: None),
    broken("crash", LabelCrossEntropy, CLASSES, backward=lambda s, y, z: softmax(z) - y),
    broken("crash", MSELoss, NUMBERS, forward=lambda s, y, z: np.sum((y - z) ** 2, axis=2)),
    broken("forward", MSELoss, NUMBERS, forward=lambda s, y, z: ((y - z) ** 2).mean(axis=1), backward=lambda s, y, z: z - y),
    broken("forward", MSELoss, NUMBERS, forward=lambda s, y, z: np.abs(y - z).sum(axis=1)),
    broken("forward", CrossEntropieLoss, ROWS, forward=lambda s, y, z: (y * z).sum(axis=1)),
    broken("sign", MSELoss, NUMBERS, backward=lambda s, y, z: 2 * (y - z)),
    broken("sign", CrossEntropieLoss, ROWS, backward=lambda s, y, z: y - softmax(z)),
    broken("sign", BCELoss, BINARY, backward=lambda s, y, z: (y - z) / (z * (1 - z) + 1e-12)),
    broken("scale", MSELoss, NUMBERS, backward=lambda s, y, z: z - y),
    broken("scale", MSELoss, NUMBERS, backward=lambda s, y, z: 2 * (z - y) / len(y)),
    broken("scale", CrossEntropieLoss, ROWS, backward=lambda s, y, z: (softmax(z) - y) / len(y)),
    broken("other-function", LogLoss, PROBS, backward=lambda s, y, z: z - y),
    broken("other-function", LogLoss, PROBS, backward=lambda s, y, z: softmax(z) - y),
    broken("other-function", CELoss, ROWS, backward=lambda s, y, z: softmax(z) - y),
    broken("other-function", CELoss, ROWS, backward=lambda s, y, z: z - y),
    broken("other-function", CrossEntropieLoss, ROWS, backward=lambda s, y, z: z - y),
    broken("other-function", BCELoss, BINARY, backward=lambda s, y, z: z - y),
    broken("other-function", MAELoss, NUMBERS, backward=lambda s, y, z: 2 * (z - y)),
    broken("eps", LogLoss, PROBS, backward=lambda s, y, z: -y / (z + 1e-4)),
    broken("eps", LogLoss, PROBS, backward=lambda s, y, z: -y / (z + 1e-10)),
    broken("eps", LogLoss, PROBS, forward=lambda s, y, z: -(y * np.log(z + 1e-3)).sum(axis=1)),
    broken("eps", BCELoss, BINARY, backward=lambda s, y, z: (z - y) / (z * (1 - z) + 1e-3)),
    broken("saturates", CrossEntropieLoss, ROWS, forward=lambda s, y, z: np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1)),
    broken("saturates", CrossEntropieLoss, ROWS, backward=lambda s, y, z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y),
    broken("saturates", LogLoss, PROBS, forward=lambda s, y, z: -(y * np.log(z)).sum(axis=1), backward=lambda s, y, z: -y / z),
    broken("saturates", BCELoss, BINARY, forward=lambda s, y, z: -(y * np.log(z) + (1 - y) * np.log(1 - z)).sum(axis=1)),
    broken("mutates", MSELoss, NUMBERS, forward=writes_y),
    broken("mutates", MSELoss, NUMBERS, backward=writes_yhat),
    broken("integer-input", MSELoss, NUMBERS, backward=like_y),
    broken("integer-input", CrossEntropieLoss, (ONEHOT, SCORES), backward=minus_in_place),
    broken("batch-coupled", MSELoss, NUMBERS, forward=lambda s, y, z: ((y - z) ** 2).sum() * np.ones(len(y))),
    broken("batch-coupled", CrossEntropieLoss, ROWS, backward=lambda s, y, z: np.exp(z) / np.exp(z).sum() - y),
    broken("direction", MSELoss, NUMBERS, backward=lambda s, y, z: 2 * z),
    broken("direction", LogLoss, PROBS, backward=lambda s, y, z: -y / z**2),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "data"), CORRECT, ids=lambda value: getattr(value, "__name__", ""))
def test_right_losses_in_students_styles_give_no_finding(cls, data):
    check_loss(cls(), *data).raise_if_failed()


@pytest.mark.parametrize(("kind", "loss", "data"), BROKEN)
def test_a_broken_loss_has_one_finding_that_names_the_mistake(kind, loss, data):
    report = check_loss(loss, *data)
    assert [f.kind for f in report.findings] == [kind], str(report)


@pytest.mark.parametrize("kind", all_losses(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses_of_the_library_give_no_finding(kind, dtype):
    for loss, y, yhat in kind.examples():
        check_loss(loss, y, np.asarray(yhat, dtype)).raise_if_failed()


def test_the_function_whose_derivative_it_is_is_named():
    class MyLoss(LogLoss):
        def backward(self, y, yhat):
            return yhat - y

    message = check_loss(MyLoss(), *PROBS).findings[0].message
    assert "softmax and cross-entropy in one" in message


def test_a_mean_over_the_batch_is_named():
    class MyLoss(MSELoss):
        def forward(self, y, yhat):
            return np.mean(super().forward(y, yhat))

    MyLoss.__name__ = "MSELoss"
    assert "the mean of all losses" in check_loss(MyLoss(), *NUMBERS).findings[0].message


def test_y_and_yhat_are_left_as_they_were():
    y, yhat = Y.copy(), YHAT.copy()
    loss = type("MSELoss", (MSELoss,), {"forward": writes_y})()
    check_loss(loss, y, yhat)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(yhat, YHAT)


def test_a_loss_that_clips_takes_probabilities_even_if_it_does_not_sum():
    class Clipped:
        def forward(self, y, yhat):
            p = np.clip(yhat, 1e-300, 1 - 1e-300)  # 1 - 1e-300 is 1
            return -(y * np.log(p) + (1 - y) * np.log(1 - p))

        def backward(self, y, yhat):
            p = np.clip(yhat, 1e-300, 1 - 1e-300)
            return (1 - y) / (1 - p) - y / p

    y, yhat = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.3, 0.6], [0.8, 0.1]])
    report = check_loss(Clipped(), y, yhat)
    assert [f.kind for f in report.findings] == ["shape", "saturates"]
    assert "probabilities of exactly 0 and 1" in report.findings[1].message
    assert "log(0)" in report.findings[1].hint


def test_the_division_by_a_probability_is_quoted_and_not_that_by_how_many_there_are():
    class CrossEntropyOfShares:
        def forward(self, y, yhat):
            return -np.sum(y * np.log(np.clip(yhat, 1e-7, 1 - 1e-7))) / len(y)

        def backward(self, y, yhat):
            samples = len(y)
            grad = -y / yhat
            return grad / samples

    shares = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    report = check_loss(CrossEntropyOfShares(), np.eye(3)[[0, 2]], shares)
    (finding,) = [f for f in report.findings if f.kind == "saturates"]
    assert finding.line.endswith("grad = -y / yhat")
