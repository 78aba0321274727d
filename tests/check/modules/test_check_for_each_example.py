"""Layers that give the gradients of their parameters for each example: the sum over the batch is left to who trains."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.modules.other_styles import examine_other


class Columns:
    """Right: examples are columns (batch, features, 1), and everything comes back in a dict under the forward's names."""

    more = 1.0

    def __init__(self, n_in, n_out):
        self.params = {"w": np.random.randn(1, n_out, n_in) * 0.5, "bias": np.random.randn(1, n_out, 1)}

    def forward(self, x):
        return self.params["w"] @ x + self.params["bias"]

    def backward(self, x, delta):
        w = delta @ x.transpose(0, 2, 1)
        return {"x": self.params["w"].transpose(0, 2, 1) @ delta, "w": w, "bias": self.more * delta}


class Twice(Columns):
    more = 2.0


class Rows:
    """Right: rows, and a tuple."""

    power = 1

    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.random.randn(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dW = self.x[:, :, None] ** self.power * dout[:, None, :]
        db = dout
        return dout @ self.W.T, dW, db


class Squared(Rows):
    power = 2


class HalfSummed(Rows):
    """Wrong: the sum over the batch is left out for the bias alone."""

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout


class Unnamed(Rows):
    """Not to be judged: nothing says what is the gradient of the input."""

    def backward(self, dout):
        return {"first": dout @ self.W.T, "second": self.x.T @ dout, "third": dout.sum(axis=0)}


@pytest.mark.parametrize("cls", [Columns, Rows])
def test_their_sum_is_what_is_checked(cls):
    report = examine_other(cls)
    assert report.ok, report
    assert "for each example" in " ".join(report.notes)


@pytest.mark.parametrize(("cls", "kind"), [(Twice, "scale"), (Squared, "direction"), (HalfSummed, "shape")])
def test_what_is_wrong_with_them_has_its_name(cls, kind):
    assert [f.kind for f in examine_other(cls).findings] == [kind]


def test_a_dict_without_a_known_name_is_not_judged():
    report = examine_other(Unnamed)
    assert report.ok
    assert "first, second, third" in report.verdicts[0][2]
