"""Networks of dense layers that hand out gradients: whatever their style, a wrong way back has its name, and a right one is clean."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_network
from modnet.check.networks.left import gives_gradients
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import examine_network_class
from modnet.check.networks.trainers import examine_trained, trains

BENDS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Dense:
    """Two dense layers: the mathematics, right or with a mistake; how it is called is the business of those who derive from it."""

    bend, end, wrong = "relu", "softmax", ""

    def __init__(self, input_size, hidden_size, output_size):
        rng = np.random.default_rng(1)
        self._keep(
            W1=rng.normal(size=(input_size, hidden_size)),
            b1=np.zeros(hidden_size),
            W2=rng.normal(size=(hidden_size, output_size)),
            b2=np.zeros(output_size),
        )

    def _keep(self, **parameters):
        self.params = parameters

    def _held(self):
        return self.params

    def _there(self, x):
        p = self._held()
        z = x @ p["W1"] + p["b1"]
        a = BENDS[self.bend][0](z)
        scores = a @ p["W2"] + p["b2"]
        return z, a, scores, (BENDS["sigmoid"][0] if self.end == "sigmoid" else softmax)(scores)

    def _hot(self, t, out):
        return np.eye(out.shape[1])[t] if np.ndim(t) == 1 else t

    def _number(self, x, t):
        *_, out = self._there(x)
        t = self._hot(t, out)
        if self.end == "sigmoid":
            return ((out - t) ** 2).sum() / 2 / len(x)
        return -(t * np.log(out)).sum() / len(x)

    def _gradients(self, x, t):
        p, (z, a, scores, out) = self._held(), self._there(x)
        error = (out - self._hot(t, out)) / len(x)
        if self.wrong == "other end":
            error = (softmax(scores) - self._hot(t, out)) / len(x)
        delta = error * out * (1 - out) if self.end == "sigmoid" and self.wrong not in ("bare end", "other end") else error
        slope = BENDS[self.bend][1]
        down = (error if self.wrong == "bare error" else delta) @ p["W2"].T
        down = down * {
            "left out": np.ones_like(z), "at output": slope(a), "itself": a, "twice": slope(z) ** 2, "of tanh": 1 - np.tanh(z) ** 2,
            "factor": 1 - a, "sign": a * (1 + a),
        }.get(self.wrong, slope(z))  # fmt: skip
        grads = {"W1": x.T @ down, "b1": down.sum(axis=0), "W2": a.T @ delta, "b2": delta.sum(axis=0)}
        if self.wrong == "averaged":
            grads["b1"] = down.mean(axis=0)
        if self.wrong == "minus":
            grads |= {"W1": -grads["W1"], "b1": -grads["b1"]}
        return grads


class ByName(Dense):
    """loss(x, t), and gradient(x, t) that returns a dict."""

    def predict(self, x):
        return self._there(x)[-1]

    def loss(self, x, t):
        return self._number(x, t)

    def gradient(self, x, t):
        return self._gradients(x, t)


class Attributes(ByName):
    """Parameters are attributes; gradient(x, t) returns a tuple."""

    def _keep(self, **parameters):
        vars(self).update(parameters)

    def _held(self):
        return vars(self)

    def gradient(self, x, t):
        return tuple(self._gradients(x, t).values())


class Both(Dense):
    """loss(X, y) gives the number and the gradients; scores without y."""

    def loss(self, X, y=None, reg=0.0):
        return self._there(X)[2] if y is None else (self._number(X, y), self._gradients(X, y))


class Kept(Dense):
    """The method that gives the loss leaves the gradients in a dict."""

    def compute_loss_and_gradients(self, X, y):
        self.grads = self._gradients(X, y)
        return self._number(X, y)


class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class Beside(Dense):
    """Each parameter is an object that has its gradient, too."""

    def _keep(self, **parameters):
        self.boxes = {n: Param(a) for n, a in parameters.items()}

    def params(self):
        return self.boxes

    def _held(self):
        return {n: box.value for n, box in self.boxes.items()}

    def compute_loss_and_gradients(self, X, y):
        for n, g in self._gradients(X, y).items():
            self.boxes[n].grad = g
        return self._number(X, y)


SCORED = {"gradient": (ByName, Attributes), "both": (Both,), "kept": (Kept, Beside)}
STYLES = [cls for some in SCORED.values() for cls in some]
#: bend, end, the mistake, its kind and what is said of it.
PLANTED = [
    ("relu", "softmax", "left out", "missing-factor", "the derivative of the ReLU is left out"),
    ("tanh", "softmax", "left out", "missing-factor", "the derivative of the tanh is left out"),
    ("sigmoid", "softmax", "factor", "missing-factor", "f(z) is left out"),
    ("sigmoid", "softmax", "sign", "sign", "a sign is wrong"),
    ("sigmoid", "softmax", "at output", "at-output", "is taken at its output"),
    ("tanh", "softmax", "itself", "function-for-derivative", "stands for its derivative"),
    ("tanh", "softmax", "twice", "double-counts", "multiplied in twice"),
    ("sigmoid", "softmax", "of tanh", "other-function", "that of a tanh"),
    ("tanh", "softmax", "averaged", "scale", "one over the size of the batch"),
    ("relu", "softmax", "minus", "sign", "-1 times"),
    ("tanh", "sigmoid", "bare error", "missing-factor", "goes the error yhat - y"),
    ("tanh", "sigmoid", "bare end", "missing-factor", "at the output the derivative is left out"),
    ("tanh", "sigmoid", "other end", "other-function", "delta at the output is that of a softmax"),
]

OF_ANY_LOSS = [one for one in PLANTED if one[2] != "bare end"]  # of a network without a loss it is that of the cross-entropy


def formed(cls, bend, end, wrong):
    return type(cls.__name__, (cls,), {"bend": bend, "end": end, "wrong": wrong})


@pytest.mark.parametrize("cls", STYLES)
@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
@pytest.mark.parametrize("bend", BENDS)
def test_right_gradients_are_clean(cls, bend, end):
    right = formed(cls, bend, end, "")
    assert cls in SCORED[form_of(right)]
    report = examine_network_class(right)
    assert report.ok, report
    assert len(report.verdicts) >= 4


@pytest.mark.parametrize("cls", STYLES)
@pytest.mark.parametrize(("bend", "end", "wrong", "kind", "said"), PLANTED)
def test_wrong_gradients_are_named_by_the_way_back_that_gives_them(cls, bend, end, wrong, kind, said):
    report = examine_network_class(formed(cls, bend, end, wrong))
    (finding,) = report.findings
    assert finding.kind == kind, report
    assert said in finding.message


def test_what_no_known_mistake_explains_has_no_name():
    class Odd(ByName):
        def gradient(self, x, t):
            found = self._gradients(x, t)
            return found | {"W1": found["W1"] ** 2 + 0.3}

    (finding,) = examine_network_class(Odd).findings
    assert finding.kind == "direction"


def test_a_loss_that_is_not_known_is_not_taken_for_a_mistake():
    class Cubed(ByName):
        """Right but for the gradient of W1: no loss that is known here has the derivatives of this one."""

        def _number(self, x, t):
            return super()._number(x, t) ** 3

        def _gradients(self, x, t):
            found, factor = super()._gradients(x, t), 3 * super()._number(x, t) ** 2
            return {n: g * factor for n, g in found.items()}

    assert examine_network_class(Cubed).ok
    (finding,) = examine_network_class(formed(Cubed, "relu", "softmax", "left out")).findings
    assert finding.kind == "missing-factor"  # a function of one that is known: the derivatives are multiples


def test_a_network_that_is_built_is_told_the_same():
    rng = np.random.default_rng(0)
    net = formed(Both, "relu", "softmax", "left out")(7, 5, 4)
    report = check_network(net, None, rng.normal(size=(9, 7)), rng.integers(0, 4, size=9))
    assert [f.kind for f in report.findings] == ["missing-factor"]


class InDict(Dense):
    """forward(x), and backward that returns a dict, for others to move the parameters by."""

    def forward(self, x):
        self.x = x
        return self._there(x)[-1]

    def backward(self, y):
        return {f"d{n}": g for n, g in self._gradients(self.x, y).items()}


class InTuple(InDict):
    """The same in a tuple, of parameters that are attributes."""

    _keep, _held = Attributes._keep, Attributes._held

    def backward(self, y):
        return tuple(self._gradients(self.x, y).values())


class LeftNetwork(InTuple):
    """Gradients are left in attributes."""

    def backward(self, y):
        for n, g in self._gradients(self.x, y).items():
            setattr(self, f"grad_{n}", g)


@pytest.mark.parametrize("cls", [InDict, InTuple, LeftNetwork])
@pytest.mark.parametrize(("bend", "end", "wrong", "kind", "said"), [("relu", "softmax", "", None, ""), *OF_ANY_LOSS])
def test_gradients_that_are_returned_or_left_are_named_alike(cls, bend, end, wrong, kind, said):
    net = formed(cls, bend, end, wrong)
    net.__name__ = "TwoLayerNet"
    assert trains(net)
    report = examine_trained(net)
    assert {f.kind for f in report.findings} == ({kind} if kind else set()), report
    if kind not in ("scale", "sign"):
        assert all(said in f.message for f in report.findings)


def test_no_step_is_taken_by_gradients_of_what_is_not_known():
    class OfWhat(InDict):
        def backward(self, dLdA2):
            return super().backward(dLdA2)

    class Remembers(InDict):
        def backward(self, x, y):
            return super().backward(y)

    assert gives_gradients(InDict(3, 4, 2))
    assert gives_gradients(Remembers(3, 4, 2))
    assert not gives_gradients(OfWhat(3, 4, 2))
