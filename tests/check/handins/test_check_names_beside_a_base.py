"""check FILE on classes whose base has empty methods, and whose own are called otherwise: forloss, forward_dropout, backact."""

from __future__ import annotations

from pathlib import Path

import pytest
from answered import classes

FILE = """
import numpy as np


class Node:
    def forward(self, x):
        pass

    def backward(self, g):
        pass


class Bend(Node):
    def forward(self, x):
        self.res = np.tanh(x)
        return self.res

    def backward(self, g):
        return g * (1 - self.res**2)


class Dropout(Node):
    def __init__(self, p=0.4):
        self.p = p

    def forward_dropout(self, x, training):
        if not training:
            return x
        self.mask = (np.random.rand(*x.shape) > self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, g):
        return g * self.mask


class Cube(Node):
    def foract(self, x):
        self.x = x
        return x**3

    def backact(self, g):
        return 3 * g * self.x**2


class Square(Node):
    def foract(self, x):
        self.x = x
        return x**2

    def backward(self, g):
        return g * self.x


class Forgotten(Node):
    def backward(self, g):
        return g


class Otherwise(Node):
    def throughput(self, x):
        self.x = x
        return x**2

    def backward(self, g):
        return 2 * g * self.x


class AbsoluteLoss(Node):
    def forloss(self, x, y):
        self.x, self.y = x, y
        return np.abs(x - y).sum()

    def backloss(self):
        return np.sign(self.x - self.y)


class HalfError:
    def forloss(self, pred, target):
        self.pred, self.target = pred, target
        return np.sum((pred - target) ** 2)

    def backloss(self):
        return self.pred - self.target


class Unit:
    def __init__(self, n):
        self.w = np.random.randn(n)

    def fire(self, x):
        self.out = np.tanh(self.w @ x)


class Layer:
    def __init__(self, n_in, n_out):
        self.units = [Unit(n_in) for _ in range(n_out)]

    def forward(self, x):
        for unit in self.units:
            unit.fire(x)

    def backward(self, next_layer, errors, grads):
        return [e * (1 - u.out**2) for e, u in zip(errors, self.units)]


class MeanPool:
    def __init__(self, size):
        self.size, self.inputs, self.output = size, [], []

    def pool(self):
        for image in self.inputs:
            self.output.append(image.mean())

    def backward(self, grad):
        return [np.full(i.shape, g / i.size) for g, i in zip(grad, self.inputs)]


class Acts:
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def derivative_sigmoid(z):
        return Acts.sigmoid(z) * (1 - Acts.sigmoid(z))

    def cube(z):
        return z**3

    def derivative_cube(z):
        return 2 * z**2

    def derivate_mse(outputs, targets):
        return 2 * (outputs - targets) / targets.size

    def mse(outputs, targets):
        return np.mean((outputs - targets) ** 2)

    def act_by(name):
        return {"sigmoid": Acts.sigmoid}[name]

    def derivative_act_by(name):
        return {"sigmoid": Acts.derivative_sigmoid}[name]
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    path: Path = tmp_path_factory.mktemp("named") / "layers.py"
    path.write_text(FILE)
    return classes(path)


@pytest.mark.parametrize("name", ["Bend", "Dropout", "Cube", "AbsoluteLoss", "derivative_sigmoid", "mse", "derivate_mse"])
def test_right_ones_are_judged_by_the_method_that_does_it(found, name):
    assert not found[name]["findings"]
    assert "right" in [v["verdict"] for v in found[name]["verdicts"]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Square", "scale"), ("Forgotten", "not-implemented"), ("HalfError", "scale"), ("derivative_cube", "scale")],
)
def test_mistakes_have_their_names(found, name, kind):
    assert [f["kind"] for f in found[name]["findings"]] == [kind]


@pytest.mark.parametrize(
    ("name", "why"), [("Otherwise", "throughput"), ("Layer", "hands on to what it holds"), ("MeanPool", "it has pool, backward")]
)
def test_what_is_not_understood_has_a_line_that_says_why(found, name, why):
    assert not found[name]["findings"]
    assert {v["verdict"] for v in found[name]["verdicts"]} == {"not checked"}
    assert why in found[name]["verdicts"][0]["remark"]


def test_a_function_that_looks_up_another_one_is_no_activation(found):
    assert "derivative_act_by" not in found
