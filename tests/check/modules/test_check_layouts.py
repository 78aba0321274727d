"""check FILE and check_module, where the examples lie along another axis, or may: nothing right is called coupled, or an identity."""

from __future__ import annotations

import numpy as np
import pytest
from answered import classes

from modnet.check import check_module
from modnet.check.modules.other_styles import examine_other

SOFTMAX = """
import numpy as np

class Softmax:
    def __init__(self, dim=0):
        self.dim = dim

    def forward(self, x):
        e = np.exp(x - x.max(axis=self.dim, keepdims=True))
        self.out = e / e.sum(axis=self.dim, keepdims=True)
        return self.out

    def backward(self, dout):
        return self.out * (dout - SHARE)
"""
IN_ROWS = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T
"""
IN_COLUMNS = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros((n_out, 1))

    def forward(self, x):
        self.x = x
        return self.W @ x + self.b

    def backward(self, dout):
        self.dW, self.db = dout @ self.x.T, dout.sum(axis=1, keepdims=True)
        return self.W.T @ dout
"""
HANDED_ON = """
import numpy as np

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(self, grad):
        return grad

class MSE:
    def forward(self, y_pred, y_true):
        self.y_pred, self.y_true = y_pred, y_true
        return ((y_pred - y_true) ** 2).mean()

    def backward(self):
        return 2 * (self.y_pred - self.y_true) / self.y_true.size
"""


def of_file(tmp_path, text):
    (tmp_path / "layers.py").write_text(text)
    return classes(tmp_path)


def findings(tmp_path, text, name="Softmax"):
    return of_file(tmp_path, text)[name]["findings"]


def test_an_axis_that_is_chosen_is_the_last_one_of_an_example(tmp_path):
    right = "(dout * self.out).sum(axis=self.dim, keepdims=True)"
    assert not findings(tmp_path, SOFTMAX.replace("SHARE", right))
    found = findings(tmp_path, SOFTMAX.replace("SHARE", "dout * self.out"))
    assert [f["kind"] for f in found] == ["diagonal"]


def test_which_axis_counts_examples_is_what_the_other_layers_say(tmp_path):
    right = "(dout * self.out).sum(axis=self.dim, keepdims=True)"
    fixed = SOFTMAX.replace("SHARE", right).replace("self, dim=0", "self").replace("self.dim = dim", "self.dim = 0")
    assert not findings(tmp_path, fixed)
    (verdict,) = of_file(tmp_path, fixed)["Softmax"]["verdicts"]
    assert verdict["verdict"] == "not checked"
    assert "may be rows, which it mixes, or columns" in verdict["remark"]
    assert "batch-coupled" in [f["kind"] for f in findings(tmp_path, fixed + IN_ROWS)]
    assert not findings(tmp_path, fixed + IN_COLUMNS)
    diagonal = fixed.replace(right, "dout * self.out")
    assert [f["kind"] for f in findings(tmp_path, diagonal + IN_COLUMNS)] == ["diagonal"]


def test_a_softmax_that_hands_delta_on_is_another_form_beside_yhat_minus_y(tmp_path):
    alone = findings(tmp_path, HANDED_ON)
    assert [(f["kind"], f["weight"]) for f in alone] == [("identity", "wrong")]
    beside = HANDED_ON + """
def train(net, x, y_batch):
    y_pred = net.forward(x)
    err = y_pred - y_batch
    net.backward(err)
"""
    found = findings(tmp_path, beside)
    assert [(f["kind"], f["weight"]) for f in found] == [("identity", "form")]
    line = beside.split("\n").index("    err = y_pred - y_batch") + 1
    assert f"layers.py, line {line}" in found[0]["message"]


class BatchNorm:
    def __init__(self):
        self.gamma, self.beta = np.array([0.5, 1.5, -1.0]), np.array([0.1, 0.0, 0.3])

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.xhat = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xhat).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)) / self.std


class Block:
    """A normalisation with a way past it: scaling its input changes its result."""

    def __init__(self):
        self.layers = [BatchNorm()]

    def forward(self, x):
        return x + self.layers[0].forward(x)

    def backward(self, dout):
        return dout + self.layers[0].backward(dout)


class BlockCut(Block):
    def backward(self, dout):
        return self.layers[0].backward(dout)


def test_a_block_may_couple_by_the_normalisation_in_it():
    report = check_module(Block(), (5, 3))
    assert report.ok, report
    assert [f.kind for f in check_module(BlockCut(), (5, 3)).findings] == ["shortcut"]


class FromTruth:
    """Its backward is given the truth, and is the derivative of a loss that is not there."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.out = e / e.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, Y):
        return self.out - Y


class FromTarget(FromTruth):
    def backward(self, target):
        return self.out - target


@pytest.mark.parametrize("kind", [FromTruth, FromTarget])
def test_a_backward_that_is_given_the_truth_is_not_checked(kind):
    report = examine_other(kind)
    assert report.ok, report
    assert "right" not in [row[1] for row in report.verdicts]


# --- layers that take their examples along another axis, by what weights and windows leave ----------------------------


class MaxPool:
    """(height, width, channels, images)."""

    def __init__(self, size=2, stride=2):
        self.size, self.stride = size, stride

    def windows(self, x):
        k, s = self.size, self.stride
        for i in range((x.shape[0] - k) // s + 1):
            for j in range((x.shape[1] - k) // s + 1):
                yield i, j, slice(i * s, i * s + k), slice(j * s, j * s + k)

    def forward(self, x):
        assert x.ndim == 4
        self.x, (i, j) = x, [(n - self.size) // self.stride + 1 for n in x.shape[:2]]
        out = np.zeros((i, j, *x.shape[2:]))
        for i, j, a, b in self.windows(x):
            out[i, j] = x[a, b].max(axis=(0, 1))
        return out

    def backward(self, delta):
        dx = np.zeros(self.x.shape)
        for i, j, a, b in self.windows(self.x):
            for at in np.ndindex(*delta.shape[2:]):
                part = self.x[(a, b, *at)]
                first = np.unravel_index(part.argmax(), part.shape)
                dx[(a, b, *at)][first] += delta[(i, j, *at)]
        return dx


class MaxPoolToAll(MaxPool):
    def backward(self, delta):
        dx = np.zeros(self.x.shape)
        for i, j, a, b in self.windows(self.x):
            dx[a, b] += delta[i, j]
        return dx


class Flatten:
    def forward(self, x):
        h, w, c, n = self.shape = x.shape
        return x.reshape(h * w * c, n)

    def backward(self, delta):
        return delta.reshape(self.shape)


class FlattenTold(Flatten):
    """It is told the shape of one example, and would take that of a batch for one."""

    def compile(self, input_shape):
        self.count = int(np.prod(input_shape))

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(self.count, x.shape[3])


class Recurrent:
    """(features, batch, time), told the shape of its input by the network."""

    def __init__(self, hidden_size):
        self.hidden_size = hidden_size

    def initialize(self, shape):
        features, _, _ = shape
        self.Wx = np.random.randn(self.hidden_size, features) * 0.3
        self.Wh = np.random.randn(self.hidden_size, self.hidden_size) * 0.3
        self.b = np.zeros((self.hidden_size, 1))

    def forward(self, x):
        assert x.ndim == 3
        h = [np.zeros((self.hidden_size, x.shape[1]))]
        for t in range(x.shape[2]):
            h.append(np.tanh(self.Wx @ x[:, :, t] + self.Wh @ h[-1] + self.b))
        return np.stack(h[1:], axis=2), (x, h)

    def handed_back(self, dz):
        return self.Wh.T @ dz

    def backward(self, dh, cache):
        x, h = cache
        dWx, dWh, db, dx, after = np.zeros_like(self.Wx), np.zeros_like(self.Wh), 0, np.zeros_like(x), 0
        for t in reversed(range(x.shape[2])):
            dz = (dh[:, :, t] + after) * (1 - h[t + 1] ** 2)
            dWx, dWh, db = dWx + dz @ x[:, :, t].T, dWh + dz @ h[t].T, db + dz.sum(axis=1, keepdims=True)
            dx[:, :, t], after = self.Wx.T @ dz, self.handed_back(dz)
        return dx, [dWx, dWh, db], [self.Wx, self.Wh, self.b]


class RecurrentCut(Recurrent):
    def handed_back(self, dz):
        return 0


@pytest.mark.parametrize("kind", [MaxPool, Flatten, FlattenTold, Recurrent])
def test_a_layer_is_asked_along_which_axis_its_examples_lie(kind):
    report = examine_other(kind)
    assert report.ok, report
    assert "right" in [row[1] for row in report.verdicts]


@pytest.mark.parametrize(("kind", "wanted"), [(MaxPoolToAll, "direction"), (RecurrentCut, "direction")])
def test_a_mistake_is_found_along_its_own_axis(kind, wanted):
    kinds = {f.kind for f in examine_other(kind).findings}
    assert kinds
    assert "batch-coupled" not in kinds


def test_what_mixes_examples_along_every_axis_is_coupled():
    class Squash:
        def forward(self, x):
            self.out = np.exp(x) / np.exp(x).sum()
            return self.out

        def backward(self, dout):
            return self.out * (dout - (dout * self.out).sum())

    assert "batch-coupled" in {f.kind for f in examine_other(Squash).findings}
