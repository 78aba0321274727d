"""Two mistakes in one method are both said, and what is said of one is true beside the other."""

import numpy as np
import pytest

from modnet.check import check_loss, check_module


class Conv1D:
    """Channels last, with what may be wrong with it as class attributes."""

    step, keep, flip, times = 1, False, False, 1.0

    def __init__(self, k_size, chan_in, chan_out, stride):
        self.k_size, self.stride = k_size, stride
        self._parameters = np.random.uniform(-1, 1, (k_size, chan_in, chan_out))
        self._gradient = np.zeros(self._parameters.shape)

    def zero_grad(self):
        self._gradient[...] = 0

    def windows(self, X):
        count = (X.shape[1] - self.k_size) // self.stride + 1
        return [X[:, i * self.stride : i * self.stride + self.k_size] for i in range(count)]

    def forward(self, X):
        return np.stack([np.tensordot(w, self._parameters, 2) for w in self.windows(X)], axis=1)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        for i, w in enumerate(self.windows(input)):
            self._gradient += np.einsum("nkc,no->kco", w, delta[:, i])

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        W = self._parameters[::-1] if self.flip else self._parameters
        for i in range(delta.shape[1]):
            start = i * (self.stride if self.step else 1)
            part = self.times * np.einsum("no,kco->nkc", delta[:, i], W)
            if self.keep:
                dx[:, start : start + self.k_size] = part
            else:
                dx[:, start : start + self.k_size] += part
        return dx


class StrideAndOverlap(Conv1D):
    step, keep = 0, True


class FlipAndOverlap(Conv1D):
    flip, keep = True, True


class Half(Conv1D):
    times = 0.5


class HalfAndOverlap(Conv1D):
    keep, times = True, 0.5


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Conv1D, []),
        (StrideAndOverlap, ["stride", "overlap"]),
        (FlipAndOverlap, ["flipped-kernel", "overlap"]),
        (HalfAndOverlap, ["overlap", "scale"]),
    ],
)
def test_both_mistakes_of_a_convolution_are_said(kind, expected):
    assert [f.kind for f in check_module(kind(3, 2, 4, 2), (2, 8, 2)).findings] == expected


def test_a_constant_of_one_half_is_not_taken_for_a_mean_over_a_batch_of_two():
    for kind in (Half, HalfAndOverlap):
        (*_, finding) = check_module(kind(3, 2, 4, 2), (2, 8, 2)).findings
        assert finding.kind == "scale"
        assert "1/2, times" in finding.message
        assert "batch" not in finding.message + finding.hint


class Sigmoid:
    def forward(self, X):
        return 1 / (1 + np.exp(-X))


class AtOutput(Sigmoid):
    def backward_delta(self, input, delta):
        return input * (1 - input)


class Mean(Sigmoid):
    def backward_delta(self, input, delta):
        s = self.forward(input)
        return s * (1 - s) / len(input)


class Alone(Sigmoid):
    def backward_delta(self, input, delta):
        s = self.forward(input)
        return s * (1 - s)


class OfAnother(Alone):
    """Right for what a sigmoid is, and of its own forward the sign is wrong."""

    def forward(self, X):
        return 1 / (1 + np.exp(X))


class Softmax:
    """With a delta of ones there is nothing to tell."""

    def forward(self, X):
        e = np.exp(X - X.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward_delta(self, input, delta):
        return np.stack([(np.diag(p) - np.outer(p, p)) @ np.ones(len(p)) for p in self.forward(input)])


def test_an_ignored_delta_alone_is_said_alone():
    assert [f.kind for f in check_module(type("Sigmoid", (OfAnother,), {})(), (4, 3)).findings] == ["forward", "ignores-delta"]
    assert [f.kind for f in check_module(Softmax(), (4, 3)).findings] == ["ignores-delta"]


@pytest.mark.parametrize(("kind", "second"), [(AtOutput, ["at-output"]), (Mean, ["scale"]), (Alone, [])])
def test_what_is_wrong_beside_an_ignored_delta_is_said(kind, second):
    assert [f.kind for f in check_module(kind(), (4, 3)).findings] == ["ignores-delta", *second]


class BCELoss:
    def forward(self, y, yhat):
        return -(y * np.maximum(np.log(yhat), -100) + (1 - y) * np.maximum(np.log(1 - yhat), -100)).sum(axis=1)

    def backward(self, y, yhat):
        p = np.clip(yhat, 1e-12, 1 - 1e-12)
        return -(y / p + (1 - y) / (1 - p)) / len(y)


class MSELoss:
    def forward(self, y, yhat):
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return (yhat - y) / len(y)


def test_a_sign_in_places_and_a_mean_are_both_said():
    y, yhat = np.eye(3)[[0, 1, 2, 0]], np.random.default_rng(0).uniform(0.2, 0.8, (4, 3))
    assert [f.kind for f in check_loss(BCELoss(), y, yhat).findings] == ["sign", "scale"]


def test_a_constant_that_is_missing_and_a_mean_are_both_said():
    (finding,) = check_loss(MSELoss(), np.eye(3), np.full((3, 3), 0.3)).findings
    assert "1/6, one over twice the size of the batch" in finding.message
    assert "a mean over the batch" in finding.hint
    assert "2 (yhat - y)" in finding.hint
