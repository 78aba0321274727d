"""Styles that show only when whole files are checked: several files, compiled functions, what a call leaves behind, words that choose."""

from __future__ import annotations

import pytest
from answered import hand_ins

LEFT_BEHIND = """
import numpy as np

class Linear:
    def __init__(self, size_in, size_out):
        self._W, self._b = np.random.randn(size_in, size_out), np.zeros(size_out)
        self.zero_grad()

    def zero_grad(self):
        self._grad_W, self._grad_b = np.zeros_like(self._W), np.zeros_like(self._b)

    def forward(self, data):
        self._input = data
        self._output = data @ self._W + self._b

    def backward_update_gradient(self, delta):
        self._delta = delta
        self._grad_W += self._input.T @ delta
        self._grad_b += delta.mean(axis=0)

    def backward(self):
        self._grad_input = self._delta @ self._W.T

class Bent:
    def forward(self, data):
        self._input = data
        self._output = np.tanh(data)

    def backward_update_gradient(self, delta):
        self._delta = delta

    def backward(self):
        self._grad_input = self._delta * (1 + self._output**2)

class SquaredLoss:
    def forward(self, y, yhat):
        self._y, self._yhat = y, yhat
        self._output = ((y - yhat) ** 2).sum(axis=1)

    def backward(self):
        self._grad_input = 2 * (self._yhat - self._y)

class BinaryCrossEntropy(SquaredLoss):
    def forward(self, y, yhat):
        super().forward(y, yhat)
        self._output = (1 - y) * np.log(1 - yhat) - y * np.log(yhat)

    def backward(self):
        self._grad_input = (1 - self._y) / (1 - self._yhat) - self._y / self._yhat

class RootLoss(SquaredLoss):
    def forward(self, y, yhat):
        super().forward(y, yhat)
        self._output = np.sqrt((y - yhat) ** 2).sum(axis=1)

    def backward(self):
        self._grad_input = (self._yhat - self._y) / np.sqrt((self._yhat - self._y) ** 2)
"""


COMPILED = """
import numpy as np
from numba import njit, prange, float64

@njit(float64[:, :](float64[:, :]), parallel=True)
def _bend(x):
    out = np.zeros(x.shape)
    for i in prange(int(x.shape[0])):
        out[i] = np.tanh(x[i])
    return out

class Tanh:
    @staticmethod
    @njit
    def slope(out):
        return 1 + out**2

    def forward(self, x):
        self.out = _bend(x)
        return self.out

    def back(self, delta):
        return delta * self.slope(self.out)
"""


FORWARD = """
import numpy as np

def padded(A, pad):
    return np.pad(A, ((0, 0), (pad, pad), (pad, pad), (0, 0)))

def pool_forward(A_prev, hparameters, mode="max"):
    f, stride = hparameters["f"], hparameters["stride"]
    m, h, w, c = A_prev.shape
    A = np.zeros((m, 1 + (h - f) // stride, 1 + (w - f) // stride, c))
    for i in range(A.shape[1]):
        for j in range(A.shape[2]):
            part = A_prev[:, i * stride : i * stride + f, j * stride : j * stride + f]
            if mode == "max":
                A[:, i, j] = part.max(axis=(1, 2))
            elif mode == "average":
                A[:, i, j] = part.mean(axis=(1, 2))
    return A, (A_prev, hparameters)
"""
BACKWARD = """
def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    for i in range(dA.shape[1]):
        for j in range(dA.shape[2]):
            at = (slice(None), slice(i * stride, i * stride + f), slice(j * stride, j * stride + f))
            part, delta = padded(A_prev, 0)[at], dA[:, i : i + 1, j : j + 1]
            if mode == "max":
                dA_prev[at] += delta * (part == part.max(axis=(1, 2), keepdims=True))
            elif mode == "average":
                dA_prev[at] += delta / f
    return dA_prev
"""


CELL = """
import numpy as np

def rnn_cell_forward(xt, a_prev, parameters):
    a_next = np.tanh(parameters["Wax"] @ xt + parameters["Waa"] @ a_prev + parameters["ba"])
    yt_pred = parameters["Wya"] @ a_next + parameters["by"]
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)

def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    dz = (1 - a_next**2) * da_next
    return {
        "dxt": parameters["Wax"].T @ dz,
        "da_prev": parameters["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dz.sum(axis=1, keepdims=True),
    }
"""

SEQUENCE = (
    CELL
    + """
def rnn_forward(x, a0, parameters):
    states, caches = [], []
    a = a0
    for t in range(x.shape[2]):
        a, _, cache = rnn_cell_forward(x[:, :, t], a, parameters)
        states.append(a)
        caches.append(cache)
    return np.stack(states, axis=2), np.zeros(1), caches

def rnn_backward(da, caches):
    dx, total = [], {}
    for t in reversed(range(len(caches))):
        got = rnn_cell_backward(da[:, :, t], caches[t])
        dx.insert(0, got["dxt"])
        total = {name: total.get(name, 0) + g for name, g in got.items() if name[:2] != "da"}
    return {"dx": np.stack(dx, axis=2), "da0": got["da_prev"], **total}
"""
)

CHOSEN = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, delta, wrt):
        if wrt == "inputs":
            return delta @ self.W.T
        if wrt in ("W",):
            return -self.x.T @ delta
        return delta.sum(axis=0)
"""


WEIGHTED = """
import numpy as np

class WeightedMSE:
    def forward(self, y_pred, y_true, weights):
        self.d, self.w = y_pred - y_true, weights
        return np.mean(weights * self.d**2)

    def backward(self):
        return 2 * self.w * self.d / self.d.size

class Unweighted(WeightedMSE):
    def backward(self):
        return 2 * self.d / self.d.size

def temporal_loss(x, y, mask):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p, onehot = e / e.sum(axis=-1, keepdims=True), np.eye(x.shape[-1])[y]
    loss = -(mask * np.maximum(np.log((p * onehot).sum(axis=-1)), -1e4)).sum()
    return loss, p - onehot
"""


ALONE = """
import numpy as np

class Softmax:
    def forward(self, X):
        e = np.exp(X - np.max(X, axis=1))
        return e / e.sum(axis=1).reshape(-1, 1)

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return delta * s * (1 - s)

class Linear:
    def __init__(self, input, output):
        self._parameters, self._bias = np.random.randn(input, output), np.random.randn(1, output)
        self._gradient, self._grad_bias = np.zeros((input, output)), np.zeros((1, output))

    def forward(self, X):
        return X @ self._parameters + self._bias

    def zero_grad(self):
        self._gradient = np.zeros(self._gradient.shape)
        self._bias = np.zeros(self._bias.shape)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient
        self._bias -= gradient_step * self._grad_bias

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta
        self._grad_bias = self._grad_bias + delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T
"""


NETWORK = """
import numpy as np

def L_model_forward(X, parameters):
    A, caches = X, []
    for l in (1, 2):
        caches.append(A)
        A = 1 / (1 + np.exp(-(parameters[f"W{l}"] @ A + parameters[f"b{l}"])))
    return A, (caches, parameters)

def compute_cost(AL, Y):
    return -(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)).sum() / Y.shape[1]

def L_model_backward(AL, Y, caches):
    (X, A), parameters = caches
    m, dZ2 = Y.shape[1], AL - Y
    dZ1 = parameters["W2"].T @ dZ2 * A * (1 - A)
    grads = {"dW2": dZ2 @ A.T / m, "db2": dZ2.sum(axis=1, keepdims=True) / m}
    return grads | {"dW1": dZ1 @ X.T / m, "db1": dZ1.sum(axis=1, keepdims=True) / m}
"""

#: Changes of CELL: (what is right, what is written instead, the kinds that are found).
CELLS = [
    ("", "", []),
    ("(1 - a_next**2) * da_next", "(1 - a_next) * da_next", ["direction"]),
    ('"dWaa": dz @ a_prev.T', '"dWaa": -dz @ a_prev.T', ["sign"]),
    ("dz.sum(axis=1, keepdims=True)", "dz.mean(axis=1, keepdims=True)", ["scale"]),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one run over all of these finds: by hand-in and class, kinds and operations; None for what is not checked."""
    folder = tmp_path_factory.mktemp("styles")
    files = {"left": LEFT_BEHIND, "compiled": COMPILED, "chosen": CHOSEN, "weighted": WEIGHTED, "alone": ALONE}
    files |= {f"cell{i}": CELL.replace(right, wrong) for i, (right, wrong, _) in enumerate(CELLS)}
    files |= {
        "pool/forward": FORWARD,
        "pool/backward": BACKWARD,
        "pool/main": "from forward import *\nfrom backward import *\n",
    }
    files |= {"sequence": SEQUENCE, "network": NETWORK, "network2": NETWORK.replace("dZ1 @ X.T / m", "dZ1 @ X.T")}
    (folder / "pool").mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return {
        (hand_in["name"], c["name"]): [(f["kind"], f["where"].split(".")[-1]) for f in c["findings"]] if c["checked"] else None
        for hand_in in hand_ins(folder, options=("--jobs", "2"))
        for c in hand_in["classes"]
    }


def of(found, hand_in):
    return {name: kinds for (place, name), kinds in found.items() if place == hand_in}


def test_what_forward_and_backward_leave_behind(found):
    assert of(found, "left") == {
        "Linear": [("scale", "backward")],
        "Bent": [("sign", "backward")],
        "SquaredLoss": [],
        "BinaryCrossEntropy": [("forward", "forward"), ("saturates", "backward")],
        "RootLoss": [("saturates", "backward")],
    }


def test_functions_that_numba_compiles_are_asked_in_python(found):
    assert of(found, "compiled") == {"Tanh": [("sign", "back")]}


def test_functions_in_two_files_are_a_pair_and_what_they_do_not_import_is_said(found):
    kinds = sorted(kind for kind, _ in found["pool", "pool_backward"])
    assert kinds == ["crash", "crash", "scale", "ties"]  # np and padded; 1 / f, with mode="average"; the mask


def test_a_recurrent_cell_with_dicts_of_parameters_and_of_gradients(found):
    for i, (_, _, kinds) in enumerate(CELLS):
        said = found[f"cell{i}", "rnn_cell_backward"]
        assert list(dict.fromkeys(kind for kind, _ in said)) == kinds


def test_a_sequence_whose_steps_do_not_hand_on_their_delta_is_wrong_in_no_known_way(found):
    assert {kind for kind, _ in found["sequence", "rnn_backward"]} == {"direction"}


def test_a_network_in_functions_is_held_against_the_cost_of_its_file(found):
    assert found["network", "L_model_backward"] == []
    assert found["network2", "L_model_backward"] == [("scale", "L_model_backward")]


def test_a_gradient_is_chosen_by_a_word(found):
    assert of(found, "chosen") == {"Dense": [("sign", "backward")]}


def test_losses_with_a_mask_or_weights(found):
    assert of(found, "weighted") == {
        "WeightedMSE": [],
        "Unweighted": [("missing-factor", "backward")],
        "temporal_loss": [("missing-factor", "temporal_loss")],
    }


def test_what_takes_one_example_alone_is_checked_with_one(found):
    assert found["alone", "Softmax"] == [("crash", "forward"), ("diagonal", "backward_delta")]


def test_parameters_that_zero_grad_sets_to_zero_and_gradients_without_a_sum(found):
    assert {("mutates", "zero_grad"), ("shape", "backward_update_gradient")} <= set(found["alone", "Linear"])
