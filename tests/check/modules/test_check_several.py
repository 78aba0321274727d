"""Layers of several inputs and outputs, and layers whose parameters have names of their own: right ones and mistakes in them."""

from __future__ import annotations

import importlib.util

import pytest

from modnet.check.modules.contract import examine_module

LSTM = """
import numpy as np

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

class Cell:
    def __init__(self, input_size, hidden_size):
        rng = np.random.default_rng(0)
        self.W = rng.normal(size=(input_size, 4 * hidden_size)) * 0.4
        self.U = rng.normal(size=(hidden_size, 4 * hidden_size)) * 0.4
        self.b = np.zeros(4 * hidden_size)

    def forward(self, x, h_prev, c_prev):
        z = np.split(x @ self.W + h_prev @ self.U + self.b, 4, axis=1)
        i, f, o, g = sigmoid(z[0]), sigmoid(z[1]), sigmoid(z[2]), np.tanh(z[3])
        c_next = f * c_prev + i * g
        h_next = o * np.tanh(c_next)
        self.kept = x, h_prev, c_prev, i, f, o, g, np.tanh(c_next)
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        x, h_prev, c_prev, i, f, o, g, t = self.kept
        dc = dc_next + dh_next * o * (1 - t**2)
        gates = [dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dh_next * t * o * (1 - o), dc * i * (1 - g**2)]
        dz = np.hstack(gates)
        self.dW, self.dU, self.db = x.T @ dz, h_prev.T @ dz, dz.sum(axis=0)
        dx, dh_prev, dc_prev = dz @ self.W.T, dz @ self.U.T, dc * f
        return dx, dh_prev, dc_prev
"""
OF_A_STATE = LSTM.replace("h_prev, c_prev):\n", "state):\n        h_prev, c_prev = state\n").replace(
    "return h_next, c_next", "return h_next, (h_next, c_next)"
).replace("dc_next):", "dc_next=0):")  # fmt: skip
ATTENTION = """
import numpy as np

class Attention:
    def __init__(self, d_model, n_heads=1):
        rng, self.heads = np.random.default_rng(0), n_heads
        self.Wq, self.Wk, self.Wv = (rng.normal(size=(d_model, d_model)) for _ in range(3))

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def join(self, x):
        return x.transpose(0, 2, 1, 3).reshape(len(x), x.shape[2], -1)

    def forward(self, x, context):
        self.x, self.context = x, context
        self.q, self.k, self.v = map(self.split, (x @ self.Wq, context @ self.Wk, context @ self.Wv))
        self.root = np.sqrt(self.q.shape[-1])
        scores = self.q @ self.k.swapaxes(-1, -2) / self.root
        self.a = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.a = self.a / self.a.sum(axis=-1, keepdims=True)
        return self.join(self.a @ self.v)

    def backward(self, dout):
        dout = self.split(dout)
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) / self.root
        dq, dk, dv = map(self.join, (ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout))
        pairs = ("q", self.x, dq), ("k", self.context, dk), ("v", self.context, dv)
        for name, given, d in pairs:
            setattr(self, f"dW{name}", np.einsum("nti,ntj->ij", given, d))
        return dq @ self.Wq.T, dk @ self.Wk.T + dv @ self.Wv.T
"""
SCORES = """
import numpy as np

class Scores:
    def forward(self, hs, h):
        batch, steps, width = hs.shape
        self.hs, self.h = hs, h
        s = (hs * h[:, None]).sum(axis=2)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dp):
        ds = self.p * (dp - (dp * self.p).sum(axis=1, keepdims=True))
        return ds[:, :, None] * self.h[:, None], (ds[:, :, None] * self.hs).sum(axis=1)
"""
ROWS = """
import numpy as np

class Rows:
    def __init__(self, W):
        self.W = W

    def forward(self, h, idx):
        self.h, self.idx = h, idx
        return (self.W[idx] * h).sum(axis=1)

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout[:, None] * self.h)
        return dout[:, None] * self.W[self.idx]
"""
MASKED = """
import numpy as np

class MaskedMean:
    def forward(self, x, mask):
        self.m = mask[..., None] / np.maximum(mask.sum(axis=1), 1)[:, None, None]
        return (x * self.m).sum(axis=1)

    def backward(self, dout):
        return dout[:, None] * self.m
"""
HIGHWAY = """
import numpy as np

class Highway:
    def __init__(self, size):
        rng = np.random.default_rng(0)
        self.Wh, self.Wt, self.shift = rng.normal(size=(size, size)), rng.normal(size=(size, size)), -np.ones(size)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.Wh)
        self.t = 1 / (1 + np.exp(-(x @ self.Wt + self.shift)))
        return self.h * self.t + x * (1 - self.t)

    def backward(self, g):
        dh, dt = g * self.t * (1 - self.h**2), g * (self.h - self.x) * self.t * (1 - self.t)
        self.dWh, self.dWt, self.dshift = self.x.T @ dh, self.x.T @ dt, dt.sum(axis=0)
        return g * (1 - self.t) + dh @ self.Wh.T + dt @ self.Wt.T
"""
TUPLE = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.normal(size=(n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        dW = self.x.T @ g
        db = g.sum(axis=0)
        dx = g @ self.W.T
        return dW, db, dx
"""
WITHIN = """
import numpy as np

class Narrow:
    def __init__(self, size):
        self.w = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
        self.dw = np.zeros_like(self.w)

    def forward(self, x):
        self.x = x.astype(np.float32)
        return np.tanh(self.x @ self.w)

    def backward(self, g):
        d = g.astype(np.float32) * (1 - np.tanh(self.x @ self.w) ** 2)
        self.dw = self.x.T @ d
        return d @ self.w.T

class Residual:
    def __init__(self, dim):
        self.inner = Narrow(dim)

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, g):
        return g + self.inner.backward(g)
"""
SET_UP = """
import numpy as np

class Dense:
    def __init__(self, in_size, out_size):
        self.w = np.random.default_rng(0).normal(size=(in_size, out_size))
        self.config = {}

    def compile(self, lr, reg):
        self.config = {"learning_rate": lr, "regularization": reg}

    def forward(self, x, training=False):
        self.x = x
        return x @ self.w

    def backward(self, dz):
        dx = dz @ self.w.T
        dw = self.x.T @ dz + self.config["regularization"] * self.w
        self.w = self.w - self.config["learning_rate"] * dw
        return dx
"""
BY_A_FUNCTION = SET_UP.replace("out_size):\n", "out_size, optimizer=None):\n        self.optimizer = momentum\n").replace(
    'self.w - self.config["learning_rate"] * dw', "self.optimizer(self.w, dw, self.config)"
).replace("class", "def momentum(w, dw, config):\n    return w - 0.1 * config['learning_rate'] * dw\n\nclass")  # fmt: skip
DEPTHWISE = """
import numpy as np

class Depthwise:
    def __init__(self, channels, kernel_size=3):
        self.k = kernel_size
        self.w = np.random.default_rng(0).normal(size=(channels, kernel_size, kernel_size))

    def forward(self, x):
        self.v, self.shape = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3)), x.shape
        return np.einsum("nchwij,cij->nchw", self.v, self.w)

    def backward(self, g):
        self.dw, dx = np.einsum("nchwij,nchw->cij", self.v, g), np.zeros(self.shape)
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                dx[:, :, i : i + self.k, j : j + self.k] += g[:, :, i, j, None, None] * self.w
        return dx
"""
TRANSPOSED = """
import numpy as np

class ConvTranspose1d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        self.k, self.s = kernel_size, stride
        self.W = np.random.default_rng(0).normal(size=(in_channels, out_channels, kernel_size))

    def forward(self, x):
        self.x = x
        out = np.zeros((len(x), self.W.shape[1], (x.shape[2] - 1) * self.s + self.k))
        for i in range(x.shape[2]):
            out[:, :, i * self.s : i * self.s + self.k] += np.einsum("nc,cok->nok", x[:, :, i], self.W)
        return out

    def backward(self, g):
        dx, self.dW = np.zeros(self.x.shape), np.zeros(self.W.shape)
        for i in range(dx.shape[2]):
            piece = g[:, :, i * self.s : i * self.s + self.k]
            dx[:, :, i] = np.einsum("nok,cok->nc", piece, self.W)
            self.dW += np.einsum("nc,nok->cok", self.x[:, :, i], piece)
        return dx
"""
OF_SHAPES = """
import numpy as np

class Parameter:
    def __init__(self, shape):
        self.value, self.gradient = np.random.default_rng(0).normal(size=shape), np.zeros(shape)

class Dense:
    def __init__(self, D_in=None, D_out=None):
        if len(D_in) > 1 or len(D_out) > 1:
            raise ValueError("one-dimensional")
        self.weights, self.bias = Parameter((D_in[0], D_out[0])), Parameter(D_out)

    def forward(self, x, mode="train"):
        self.x = x
        return x @ self.weights.value + self.bias.value

    def backward(self, dout):
        self.weights.gradient = self.x.T @ dout
        self.bias.gradient = dout.sum(axis=0)
        return dout @ self.weights.value.T
"""
FLATTEN = """
class Flatten:
    def __init__(self, D_in=None):
        self.D_in = D_in

    def forward(self, x):
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(len(dout), *self.D_in)
"""
POOL = """
import numpy as np

class Pool:
    def __init__(self, f, stride):
        self.f, self.s = f, stride

    def places(self):
        rows, columns = ((n - self.f) // self.s + 1 for n in self.x.shape[1:3])
        for i in range(rows):
            for j in range(columns):
                yield i, j, slice(i * self.s, i * self.s + self.f), slice(j * self.s, j * self.s + self.f)

    def forward(self, x):
        self.x, found = x, {}
        for i, j, rows, columns in self.places():
            found[i, j] = x[:, rows, columns].mean(axis=(1, 2))
        out = np.zeros((len(x), i + 1, j + 1, x.shape[-1]))
        for (i, j), values in found.items():
            out[:, i, j] = values
        return out

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for i, j, rows, columns in self.places():
            dx[:, rows, columns] += dout[:, i, j][:, None, None] / self.f**2
        return dx
"""
PADDED = """
import numpy as np

class Conv1d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.k, self.s, self.p = kernel_size, stride, padding
        self.W = np.random.default_rng(0).normal(size=(out_channels, in_channels, kernel_size))

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (self.p, self.p)))
        starts = range(0, self.x.shape[2] - self.k + 1, self.s)
        return np.stack([np.einsum("nck,ock->no", self.x[:, :, i : i + self.k], self.W) for i in starts], axis=2)

    def backward(self, dout):
        dx, self.dW = np.zeros(self.x.shape), np.zeros(self.W.shape)
        for n in range(dout.shape[2]):
            piece = slice(n * self.s, n * self.s + self.k)
            dx[:, :, piece] += np.einsum("no,ock->nck", dout[:, :, n], self.W)
            self.dW += np.einsum("no,nck->ock", dout[:, :, n], self.x[:, :, piece])
        return dx[:, :, self.p : self.x.shape[2] - self.p]
"""
COLUMNS = """
import numpy as np

class Elman:
    def __init__(self, input_dim, hidden_dim):
        rng = np.random.default_rng(0)
        self.Wx, self.Wh = rng.normal(size=(hidden_dim, input_dim)), rng.normal(size=(hidden_dim, hidden_dim))

    def forward(self, x, h_prev):
        self.x, self.h_prev = x, h_prev
        self.h = np.tanh(self.Wx @ x + self.Wh @ h_prev)
        return self.h

    def backward(self, dh):
        d = dh * (1 - self.h**2)
        self.dWx, self.dWh = d @ self.x.T, d @ self.h_prev.T
        return self.Wx.T @ d, self.Wh.T @ d
"""
MASK = """
import numpy as np

class Thinned:
    def forward(self, x):
        mask = np.arange(x.shape[1]) % 2 + 0.5
        return x * mask, mask

    def backward(self, dout, mask):
        return dout * mask
"""
TIME = """
import numpy as np

class AtATime:
    def __init__(self, n_in, n_out):
        self.W = np.random.default_rng(0).normal(size=(n_in, n_out))

    def forward(self, x, t):
        self.x = x
        return x @ self.W + 0 * t

    def backward(self, g, t):
        self.dW = self.x.T @ g
        return g @ self.W.T
"""
RIGHT = {
    "a cell of columns": COLUMNS,
    "a second output that backward is given": MASK,
    "a time": TIME,
    "sizes as tuples that are None by default": OF_SHAPES,
    "a flatten of a shape": FLATTEN,
    "f and stride": POOL,
    "padded": PADDED,
    "an LSTM": LSTM,
    "an LSTM that is given its gradients in another order": LSTM.replace("dh_next, dc_next)", "dc_next, dh_next)"),
    "an LSTM that gives them in another order": LSTM.replace("return dx, dh_prev, dc_prev", "return dx, dc_prev, dh_prev"),
    "an LSTM of a state": OF_A_STATE,
    "attention": ATTENTION,
    "scores": SCORES,
    "rows": ROWS,
    "a mask": MASKED,
    "a highway": HIGHWAY,
    "dx comes last": TUPLE,
    "float32 within": WITHIN,
    "compile(lr, reg)": SET_UP,
    "depthwise": DEPTHWISE,
    "transposed": TRANSPOSED,
}
WRONG = {
    "a cell of columns": (COLUMNS, "self.Wh.T @ d\n", "2 * self.Wh.T @ d\n", {"scale"}),
    "an object's gradient": (OF_SHAPES, "dout.sum(axis=0)", "dout.mean(axis=0)", {"scale"}),
    "f and stride": (POOL, "columns] +=", "columns] =", {"overlap"}),
    "a stride that is not used": (PADDED, "kernel_size, stride, padding", "kernel_size, 1, padding", {"option-ignored"}),
    "a padding that is not used": (PADDED, "kernel_size, stride, padding", "kernel_size, stride, 0", {"option-ignored"}),
    "cut by p": (PADDED, "self.p : self.x.shape[2] - self.p]", "self.p:-self.p]", {"padding"}),
    "nothing through the cell": (LSTM, "dc_next + dh_next", "dh_next", {"direction"}),
    "the cell is not forgotten": (LSTM, "dc * f\n", "dc\n", {"direction"}),
    "the state's matrix": (LSTM, "h_prev.T @ dz", "h_prev.T @ dz / len(x)", {"scale"}),
    "the cell of a state": (OF_A_STATE, "dc * f\n", "2 * dc * f\n", {"scale"}),
    "the root of all features": (ATTENTION, "keepdims=True)) / self.root", "keepdims=True)) / np.sqrt(self.x.shape[-1])", {"direction", "scale"}),
    "the context of the values": (ATTENTION, "dk @ self.Wk.T + dv", "dv", {"direction"}),
    "the state's gradient": (SCORES, "* self.hs).sum(axis=1)\n", "* self.hs**2).sum(axis=1)\n", {"direction"}),
    "rows that come twice": (ROWS, "np.add.at(self.dW, self.idx, dout[:, None] * self.h)", "self.dW[self.idx] = dout[:, None] * self.h", {"direction", "overlap"}),
    "a mean over the steps": (MASKED, "return dout[:, None] * self.m", "return dout[:, None] * self.m / 3", {"scale"}),
    "a matrix of its own name": (HIGHWAY, "self.x.T @ dt", "self.h.T @ dt", {"direction"}),
    "a shift that is not summed": (HIGHWAY, "dt.sum(axis=0)", "dt", {"shape"}),
    "dW of a tuple": (TUPLE, "self.x.T @ g", "-self.x.T @ g", {"sign"}),
    "dx of a tuple": (TUPLE, "g @ self.W.T", "-g @ self.W.T", {"sign"}),
    "float32 within": (WITHIN, "g + self", "self", {"shortcut"}),
    "compile(lr, reg)": (SET_UP, "self.x.T @ dz +", "-self.x.T @ dz +", {"sign"}),
    "depthwise": (DEPTHWISE, "self.k] +=", "self.k] =", {"overlap", "overwrites"}),
    "transposed": (TRANSPOSED, "piece, self.W)\n", "piece, self.W[:, :, ::-1])\n", {"direction", "flipped-kernel"}),
}  # fmt: skip


@pytest.fixture
def examined(tmp_path):
    def examine(text):
        path = tmp_path / "layers.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("layers_of_several", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return examine_module([v for v in vars(module).values() if isinstance(v, type)][-1])

    return examine


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_judged_right(examined, text):
    report = examined(text)
    assert report.ok, str(report)
    assert ("backward: the input's gradient", "right") in [row[:2] for row in report.verdicts], str(report)
    assert all(word == "right" or remark == "no parameters" for _, word, remark in report.verdicts), str(report)


@pytest.mark.parametrize(("text", "old", "new", "kinds"), WRONG.values(), ids=WRONG)
def test_a_mistake_has_its_name(examined, text, old, new, kinds):
    assert old in text
    found = {f.kind for f in examined(text.replace(old, new)).findings}
    assert found
    assert found <= kinds


def test_what_an_optimizer_that_is_a_function_does_is_not_judged(examined):
    report = examined(BY_A_FUNCTION)
    assert report.ok, str(report)
    assert ("backward: the parameters'", "not checked", "backward moves them by an optimizer of its own") in report.verdicts


def test_a_further_input_that_fits_in_several_shapes_and_in_none_on_the_way_back_is_no_crash(examined):
    text = SCORES.replace("ds[:, :, None] * self.h[:, None], (", "ds @ np.ones((7, 7)), (")
    report = examined(text)
    assert report.ok
    assert "whose shape is not known" in str(report)


def test_a_forward_that_changes_the_next_one_is_said_to_be_asked_on_fresh_copies(examined):
    moving = "        out, self.shift = x @ self.W + self.b - self.shift, 0.9 * self.shift + 0.1\n        return out\n"
    text = TUPLE.replace("        return x @ self.W + self.b\n", moving)
    text = text.replace("np.zeros(n_out)", "np.zeros(n_out)\n        self.shift = 0.0")
    assert any("fresh copy" in note for note in examined(text).notes)
    assert not examined(TUPLE).notes
