"""check_loss and check FILE, on losses of other courses: functions, pairs of functions, objects in either order, and means."""

from __future__ import annotations

import numpy as np
import pytest
from answered import classes, hand_ins

from modnet.check import check_loss
from modnet.check.functions.weighted import examine_weighted, is_weighted
from modnet.check.losses.check import examine_loss_object

RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
ONEHOT, SHARES = np.eye(3)[LABELS], RNG.dirichlet(np.ones(3), 5)
NUMBERS = RNG.normal(size=(5, 3))


def softmax_loss(x, y):
    """CS231n: the mean and its derivative."""
    s = x - x.max(axis=1, keepdims=True)
    logs = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    dx = np.exp(logs)
    dx[np.arange(len(x)), y] -= 1
    return -logs[np.arange(len(x)), y].mean(), dx / len(x)


def overflowing_loss(x, y):
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    dx = p.copy()
    dx[np.arange(len(x)), y] -= 1
    return -np.log(p[np.arange(len(x)), y]).mean(), dx / len(x)


def undivided_loss(x, y):
    loss, dx = softmax_loss(x, y)
    return loss, dx * len(x)


def mse(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def mse_turned(y_true, y_pred):
    return 2 * (y_true - y_pred) / np.size(y_true)


class Costs:
    """nnfs: a cost for each example, the derivative of their mean, the prediction first."""

    guard = 1e-7

    def forward(self, y_pred, y_true):
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return -np.log(p[range(len(p)), y_true] if y_true.ndim == 1 else (p * y_true).sum(axis=1))

    def backward(self, dvalues, y_true):
        y_true = np.eye(dvalues.shape[1])[y_true] if y_true.ndim == 1 else y_true
        self.dinputs = -y_true / np.maximum(dvalues, self.guard) / len(dvalues)


class Unguarded(Costs):
    guard = 0.0


class Book:
    """mytorch: one number, backward() without arguments."""

    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return ((A - Y) ** 2).sum() / A.size

    def backward(self):
        return 2 * (self.A - self.Y) / self.A.size


class Misspelt(Book):
    def forward(self, A, Y):
        self.Y = Y
        return ((self.A - Y) ** 2).sum() / A.size


class Methods:
    """Other names of methods, the truth first."""

    def loss(self, y, y_pred):
        return 0.5 * (y - y_pred) ** 2

    def gradient(self, y, y_pred):
        return y_pred - y


class Mixed(Methods):
    def loss(self, y, y_pred):
        return -(y * np.log(y_pred)).sum(axis=1)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Quadratic:
    """Nielsen: the derivative is by z, of which a is made."""

    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z, a, y):
        return (a - y) * a * (1 - a)


class Entropy(Quadratic):
    @staticmethod
    def fn(a, y):
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))

    @staticmethod
    def delta_L(z_L, a_L, y):
        return a_L - y

    delta = None


class QuadraticTanh(Quadratic):
    @staticmethod
    def delta(z, a, y):
        return (a - y) * (1 - a**2)


class QuadraticTwice(Quadratic):
    @staticmethod
    def delta(z, a, y):
        return 2 * (a - y) * a * (1 - a)


class QuadraticAlone(Quadratic):
    """By a, although there is a sigmoid: whether its network multiplies by the slope cannot be told."""

    @staticmethod
    def delta(z, a, y):
        return a - y


RIGHT = [
    (Quadratic(), ONEHOT, SCORES),
    (Entropy(), ONEHOT, SCORES),
    (QuadraticTanh(), ONEHOT, SCORES),
    (softmax_loss, LABELS, SCORES),
    ((mse, mse_prime), NUMBERS, SCORES),
    (Costs(), LABELS, SHARES),
    (Costs(), ONEHOT, SHARES),
    (Book(), NUMBERS, SCORES),
    (Methods(), NUMBERS, SCORES),
    (Methods(), NUMBERS[:, 0], SCORES[:, 0]),
]
WRONG = [
    (QuadraticTwice(), ONEHOT, SCORES, "scale"),
    (overflowing_loss, LABELS, SCORES, "saturates"),
    (undivided_loss, LABELS, SCORES, "scale"),
    ((mse, mse_turned), NUMBERS, SCORES, "sign"),
    (Unguarded(), ONEHOT, SHARES, "saturates"),
    (Misspelt(), NUMBERS, SCORES, "misspelt"),
    (Mixed(), ONEHOT, SHARES, "other-function"),
]


@pytest.mark.parametrize(("loss", "y", "yhat"), RIGHT)
def test_right_losses_of_every_style_are_right(loss, y, yhat):
    report = check_loss(loss, y, yhat)
    assert report.ok, report
    assert [row[1] for row in report.verdicts] == ["right", "right"]


def test_a_derivative_that_may_be_by_score_or_prediction_is_not_checked():
    report = check_loss(QuadraticAlone(), ONEHOT, SCORES)
    assert report.ok, report
    assert {row[0]: row[1] for row in report.verdicts} == {"fn": "right", "delta": "not checked"}


@pytest.mark.parametrize(("loss", "y", "yhat", "kind"), WRONG)
def test_mistakes_in_losses_have_their_names(loss, y, yhat, kind):
    report = check_loss(loss, y, yhat)
    assert kind in [f.kind for f in report.findings], report


FILE = """
import numpy as np

def linear_loss(W, X, y, reg):
    s = X @ W
    s = s - s.max(axis=1, keepdims=True)
    logs = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    d = np.exp(logs)
    d[np.arange(len(X)), y] -= 1
    return -logs[np.arange(len(X)), y].mean() + reg * (W * W).sum(), X.T @ d / len(X) + {term} * reg * W

def rel_error(x, y):
    return np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y))))

class Linear:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.random.randn(in_features, out_features), np.zeros(out_features)
    def forward(self, A):
        self.A = A
        return A @ self.W + self.b
    def backward(self, dLdZ):
        self.dLdW = self.A.T @ dLdZ / len(dLdZ)
        self.dLdb = dLdZ.sum(axis=0) / len(dLdZ)
        return dLdZ @ self.W.T

class SoftmaxCrossEntropy:
    def forward(self, A, Y):
        e = A - A.max(axis=1, keepdims=True)
        logs = e - np.log(np.exp(e).sum(axis=1, keepdims=True))
        self.d = np.exp(logs) - Y
        return -(Y * logs).sum() / len(A)
    def backward(self):
        return self.d{divided}
"""


PAIR = """
def half(y_true, y_pred):
    return 0.5 * ((y_true - y_pred) ** 2).mean()

def half_prime(y_true, y_pred):
    return (y_pred - y_true) / y_true.shape[0]
"""


def checked(tmp_path, text):
    (tmp_path / "course.py").write_text(text)
    return classes(tmp_path / "course.py", options=("--jobs", "1"))


def test_a_mean_is_judged_by_loss_and_layers_together(tmp_path, capsys):
    once = checked(tmp_path, FILE.format(term=2, divided=""))
    assert once.keys() == {"linear_loss", "Linear", "SoftmaxCrossEntropy"}  # and no rel_error
    assert all(c["ok"] for c in once.values()), {n: c["findings"] for n, c in once.items()}
    assert "once in all" in once["Linear"]["notes"][0]
    assert capsys.readouterr().out.count("note on Linear, SoftmaxCrossEntropy") == 1

    twice = checked(tmp_path, FILE.format(term=1, divided=" / len(self.d)"))
    assert {f["kind"] for f in twice["Linear"]["findings"]} == {"scale"}
    assert "has divided by it already" in twice["Linear"]["findings"][0]["message"]
    assert twice["SoftmaxCrossEntropy"]["ok"]
    assert [f["kind"] for f in twice["linear_loss"]["findings"]] == ["regulariser"]


def test_each_function_of_a_pair_has_its_own_record(tmp_path):
    found = checked(tmp_path, PAIR)
    assert {name: [f["kind"] for f in c["findings"]] for name, c in found.items()} == {"half": [], "half_prime": ["scale"]}


OF_BITS = """
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

class SigmoidWithLoss:
    def forward(self, scores, t):
        self.y, self.t = sigmoid(scores), t
        both = np.stack([1 - self.y, self.y], axis=-1)
        picked = both[np.arange(len(t)), t]
        return -np.log(picked + 1e-12).mean()
    def backward(self, dout=1):
        return (self.y - {t}) * dout / len(self.t)
"""


@pytest.mark.parametrize(("truth", "right"), [("self.t", True), ("(1 - self.t)", False)])
def test_a_binary_loss_takes_one_score_an_example_and_its_label_as_an_index(tmp_path, truth, right):
    loss = checked(tmp_path, OF_BITS.replace("{t}", truth))["SigmoidWithLoss"]
    assert loss["checked"]
    assert loss["ok"] is right, loss["findings"]
    assert right or loss["findings"][0]["kind"] != "crash"


def test_a_mean_is_judged_by_the_losses_and_layers_of_its_folder(tmp_path):
    for folder, divided in (("first", ""), ("second", " / len(self.d)")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "course.py").write_text(FILE.format(term=2, divided=divided).replace("def linear_loss", "def _l"))
    (found,) = hand_ins(tmp_path, options=("--project", "--jobs", "1"))
    said = {(c["file"].split("/")[-2], c["name"]): [f["kind"] for f in c["findings"]] for c in found["classes"]}
    assert said["first", "Linear"] == said["first", "SoftmaxCrossEntropy"] == []
    assert "scale" in said["second", "Linear"]


def test_a_mean_in_the_layers_is_right_with_the_loss_that_takes_none(tmp_path):
    text = FILE.format(term=2, divided="").replace("def linear_loss", "def _l") + """
class MSELoss:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return ((A - Y) ** 2).mean()
    def backward(self):
        return 2 * (self.A - self.Y) / self.A.size
"""
    classes = checked(tmp_path, text)
    assert all(c["ok"] for c in classes.values()), {n: c["findings"] for n, c in classes.items()}
    assert "taken twice" in classes["Linear"]["notes"][0]


def propagate(w, b, X, Y):
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    cost = np.squeeze(-(Y * np.log(A) + (1 - Y) * np.log(1 - A)).mean())
    dw, db = X @ (A - Y).T / X.shape[1], np.mean(A - Y)
    assert dw.shape == w.shape
    return {"dw": dw, "db": db}, cost


def propagate_in_rows(w, b, x, y):
    grads, cost = propagate(w.reshape(-1, 1), b, x.T, y.reshape(1, -1))
    return cost, grads["dw"].reshape(w.shape), grads["db"]


def propagate_the_sum(w, b, X, Y):
    grads, cost = propagate(w, b, X, Y)
    return {"dw": grads["dw"] * X.shape[1], "db": grads["db"]}, cost


def propagate_without_minus(w, b, X, Y):
    grads, cost = propagate(w, b, X, Y)
    return grads, -cost


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (propagate, []),
        (propagate_in_rows, []),
        (propagate_the_sum, ["scale"]),
        (propagate_without_minus, ["sign", "sign"]),
    ],
)
def test_a_logistic_regression_in_one_function_is_a_loss_with_its_weights(function, kinds):
    assert is_weighted(function)
    report = examine_weighted(function)
    assert [f.kind for f in report.findings] == kinds, report
    assert [row[0].split(": ")[-1] for row in report.verdicts if ": " in row[0]] == ["dW", "db"]


OF_ONE_METHOD = """
import numpy as np

class SoftmaxCrossEntropy:
    def get_loss_and_grad(self, scores, labels):
        n, z = np.arange(len(scores)), scores - scores.max(axis=1, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        grad = np.exp(logs)
        grad[n, labels] -= 1
        return -logs[n, labels].mean(), grad / len(n)

class HingeLoss:
    def __call__(self, scores, y):
        n = np.arange(len(scores))
        margins = np.maximum(0, scores - scores[n, y][:, None] + 1)
        margins[n, y] = 0
        d = (margins > 0) * 1.0
        d[n, y] = -d.sum(axis=1)
        return margins.sum() / len(n), d / len(n)

class MSELoss:
    def forward(self, pred, target):
        d = pred - target
        return (d**2).mean(), 2 * d / d.size

class MSEWithAName:
    def __call__(self, y_pred, y_true):
        self.d = y_pred - y_true
        return (self.d**2).mean()

    def backward(self):
        return 2 * self.d / self.d.size

class SquaresOfAsManyAsSaid:
    def __init__(self, num_classes=None):
        self.num_classes = num_classes

    def calc_loss(self, pred, target):
        if pred.shape[1] != self.num_classes:
            raise ValueError("not as many as said")
        self.d = pred - target
        return (self.d**2).sum()

    def calc_dloss(self):
        return 2 * self.d

class Quadratic:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid(z) * (1 - sigmoid(z))

class LossWithShares:
    def forward(self, x, y):
        shares = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        loss = -np.log(shares[np.arange(len(y)), y]).mean()
        return loss, shares

class AtATime:
    def forward(self, x, t):
        return 2 * x + 0 * t

    def backward(self, g, t):
        return 2 * g

class Accuracy:
    def compute(self, y_pred, y_true):
        return np.mean(y_pred == y_true)

class TwoLayers:
    def __init__(self):
        self.W = np.ones((3, 3))

    def loss(self, a, y):
        return ((a @ self.W - y) ** 2).mean()

    def gradient(self, a, y):
        return 2 * a.T @ (a @ self.W - y) / y.size

    def predict(self, a):
        return a @ self.W

def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""


def test_losses_are_found_by_what_their_methods_take_and_give(tmp_path):
    found = checked(tmp_path, OF_ONE_METHOD)
    losses = {name for name, c in found.items() if c["kind"] == "loss" and c["checked"]}
    assert "no method of it gives the derivative" in found["LossWithShares"]["remark"]
    assert losses == {"SoftmaxCrossEntropy", "HingeLoss", "MSELoss", "MSEWithAName", "Quadratic", "SquaresOfAsManyAsSaid"}
    assert (found["AtATime"]["kind"], found["AtATime"]["ok"]) == ("module", True)
    assert all(found[name]["ok"] for name in losses), {n: found[n]["findings"] for n in losses}


@pytest.mark.parametrize(
    ("name", "old", "new", "kinds"),
    [
        ("SoftmaxCrossEntropy", "grad / len(n)", "grad", {"scale"}),
        ("HingeLoss", "d[n, y] = -d.sum(axis=1)", "d[n, y] = -1", {"direction"}),
        ("MSELoss", "2 * d / d.size", "2 * d", {"scale"}),
        ("MSEWithAName", "2 * self.d / self.d.size", "-2 * self.d / self.d.size", {"sign"}),
        ("SquaresOfAsManyAsSaid", "return 2 * self.d\n", "return self.d\n", {"scale"}),
        ("Quadratic", "sigmoid(z) * (1", "sigmoid(a) * (1", {"direction"}),
    ],
)
def test_their_mistakes_have_names(tmp_path, name, old, new, kinds):
    assert OF_ONE_METHOD.count(old) == 1
    assert {f["kind"] for f in checked(tmp_path, OF_ONE_METHOD.replace(old, new))[name]["findings"]} == kinds


COLUMNS = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros((n_out, 1))

    def forward(self, A):
        self.A = A
        return self.W @ A + self.b

    def backward(self, dZ):
        m = self.A.shape[1]
        self.dW, self.db = dZ @ self.A.T / m, dZ.sum(axis=1, keepdims=True) / m
        return self.W.T @ dZ

class BinaryCrossEntropy:
    def forward(self, A, Y):
        A = np.clip(A, 1e-12, 1 - 1e-12)
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1]

    def backward(self, A, Y):
        A = np.clip(A, 1e-12, 1 - 1e-12)
        return (1 - Y) / (1 - A) - Y / A
"""


def test_a_loss_is_asked_in_the_columns_of_its_layers_and_takes_the_mean_once_with_them(tmp_path):
    right = checked(tmp_path, COLUMNS)
    assert all(c["ok"] and "taken twice" in c["notes"][0] for c in right.values()), {n: c["findings"] for n, c in right.items()}
    twice = checked(tmp_path, COLUMNS.replace("return (1 - Y) / (1 - A) - Y / A", "return ((1 - Y) / (1 - A) - Y / A) / Y.shape[1]"))
    assert {f["kind"] for f in twice["Dense"]["findings"]} == {"scale"}
    assert twice["BinaryCrossEntropy"]["ok"]
    sign = checked(tmp_path, COLUMNS.replace("(1 - A) - Y / A", "(1 - A) + Y / A"))
    assert {f["kind"] for f in sign["BinaryCrossEntropy"]["findings"]} == {"sign"}


class SoftmaxOfScores:
    """Right: of scores."""

    def forward(self, y, yhat):
        self.y, self.scores = y, yhat
        z = yhat - yhat.max(axis=1, keepdims=True)
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]

    def backward(self):
        e = np.exp(self.scores - self.scores.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        e[np.arange(len(self.y)), self.y] -= 1
        return e


class SoftmaxOfRaised(SoftmaxOfScores):
    """Wrong: scores below 0 are raised, and backward does not know."""

    def forward(self, y, yhat):
        return super().forward(y, np.maximum(yhat, 0))


class SoftmaxTaken(SoftmaxOfScores):
    """Right: of what a softmax has given."""

    def forward(self, y, yhat):
        self.y, self.kept = y, np.clip(yhat, 1e-9, 1)
        return -np.log(self.kept[np.arange(len(y)), y])

    def backward(self):
        own = np.zeros_like(self.kept)
        own[np.arange(len(self.y)), self.y] = -1 / self.kept[np.arange(len(self.y)), self.y]
        return own


@pytest.mark.parametrize(("cls", "right"), [(SoftmaxOfScores, True), (SoftmaxOfRaised, False), (SoftmaxTaken, True)])
def test_a_loss_that_applies_a_softmax_itself_must_be_right_for_any_scores(cls, right):
    report = examine_loss_object(cls(), cls.__name__)
    assert report.ok == right, report
    assert right or [f.kind for f in report.findings] == ["direction"]


class HandedOn:
    """Right: backward hands what it is given on to a method of its class."""

    factor = 2.0

    def forward(self, x, y):
        self.kept = x
        return ((x - y) ** 2).mean()

    def backward(self, *given, **named):
        self.update_grad_input(*given, **named)
        return self.grad_input

    def update_grad_input(self, t):
        self.grad_input = self.factor * (self.kept - t) / t.size


class HandedOnHalf(HandedOn):
    """Wrong."""

    factor = 1.0


class OfWhatWasKept:
    """Right: what backward hands on is what forward kept, and backward itself takes nothing."""

    factor = 2.0

    def forward(self, prediction, target):
        self._kept = prediction, target
        return ((prediction - target) ** 2).mean()

    def backward(self):
        return self._slope(*self._kept)

    def _slope(self, prediction, target):
        return self.factor * (prediction - target) / target.size


class OfWhatWasKeptHalf(OfWhatWasKept):
    """Wrong."""

    factor = 1.0


class EvalLoss:
    """Right: eval is the loss."""

    factor = 2.0

    def eval(self, Y, Yhat):
        return ((Y - Yhat) ** 2).mean()

    def gradient(self, Y, Yhat):
        return self.factor * (Yhat - Y) / Y.size


class EvalLossTurned(EvalLoss):
    """Wrong."""

    factor = -2.0


@pytest.mark.parametrize(
    ("cls", "kinds"),
    [
        (HandedOn, []),
        (HandedOnHalf, ["scale"]),
        (OfWhatWasKept, []),
        (OfWhatWasKeptHalf, ["scale"]),
        (EvalLoss, []),
        (EvalLossTurned, ["sign"]),
    ],
)
def test_a_loss_is_asked_by_what_its_methods_hand_on_or_are_called(cls, kinds):
    report = examine_loss_object(cls(), cls.__name__)
    assert [f.kind for f in report.findings] == kinds, report
    assert "wrong" in [row[1] for row in report.verdicts] or not kinds
    assert any(row[1] == "right" for row in report.verdicts)
