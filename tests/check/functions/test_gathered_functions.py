"""check FILE on classes that gather functions: static or not, with a constructor, with their derivatives in another class."""

from __future__ import annotations

from pathlib import Path

import pytest
from answered import classes

FILE = """
import numpy as np


class Activations:
    def __init__(self, kind):
        self.kind, self.alpha = kind, 0.1

    @staticmethod
    def tanh(x):
        return np.tanh(x)

    @staticmethod
    def tanh_prime(x):
        return 1 - np.tanh(x) ** 2

    def sigmoid(self, x):
        return 0.5 * (1 + np.tanh(x / 2))

    def sigmoid_prime(self, x):
        return self.sigmoid(x) ** 2 * (1 - self.sigmoid(x))

    def relu(self, x):
        return np.maximum(0, x)

    def relu_prime(self, x):
        return (x < 0) * 1.0

    def elu(self, x):
        return np.where(x > 0, x, self.alpha * np.expm1(x))

    def elu_prime(self, x):
        return np.where(x > 0, 1, 2 * self.alpha)


class Curves:
    @staticmethod
    def bent(x):
        return x / (1 + np.abs(x))

    @staticmethod
    def squared(x):
        return x**2

    @staticmethod
    def cubic(x):
        return x**3


class CurveDerivatives:
    @staticmethod
    def bent(x):
        return 1 / (1 + np.abs(x)) ** 2

    @staticmethod
    def squared(x):
        return 2 * x

    @staticmethod
    def cubic(x):
        return -3 * x**2


class Costs:
    @staticmethod
    def mse(y_true, y_pred):
        return np.mean((y_true - y_pred) ** 2)

    @staticmethod
    def mae(y_true, y_pred):
        return np.abs(y_true - y_pred).mean()


class CostSlopes:
    @staticmethod
    def mse_prime(y_true, y_pred):
        return 2 * (y_true - y_pred) / y_true.size

    @staticmethod
    def mae_prime(y_true, y_pred):
        return np.sign(y_pred - y_true) / y_true.size
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    path: Path = tmp_path_factory.mktemp("gathered") / "functions.py"
    path.write_text(FILE)
    return classes(path)


@pytest.mark.parametrize("name", ["tanh_prime", "CurveDerivatives.bent", "CurveDerivatives.squared", "mae", "mae_prime", "mse"])
def test_right_ones(found, name):
    assert not found[name]["findings"]
    assert "right" in [v["verdict"] for v in found[name]["verdicts"]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sigmoid_prime", "missing-factor"), ("relu_prime", "sign"), ("CurveDerivatives.cubic", "sign"), ("mse_prime", "sign")],
)
def test_mistakes_have_their_names(found, name, kind):
    assert [f["kind"] for f in found[name]["findings"]] == [kind]


def test_a_method_that_reads_what_the_constructor_sets_is_no_function(found):
    assert "elu_prime" not in found
