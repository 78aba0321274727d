"""check_module, on layers of other courses as they are: small classes of each style, right ones and mistakes with their names."""

from __future__ import annotations

import numpy as np
import pytest
from answered import classes

from modnet.check import check_module

RNG = np.random.default_rng(0)


class BookAffine:
    """Deep Learning from Scratch: backward(dout), self.dW."""

    def __init__(self, W, b):
        self.W, self.b, self.dW, self.db = W, b, None, None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class BookMean(BookAffine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / len(dout)
        return dx


class BookLists:
    """Its second volume: self.params and self.grads."""

    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.params[0].T


class BookListsSign(BookLists):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[0][...] *= -1
        return dx


class NnfsDense:
    """Neural Networks from Scratch: nothing is returned."""

    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.default_rng(1).normal(size=(n_inputs, n_neurons))
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs, training):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class NnfsLastRow(NnfsDense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = dvalues[-1:].copy()


class NnfsCurve:
    """The result goes to another name."""

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.inputs = dvalues * (1 - self.output**2)


class MytorchLinear:
    """mytorch: W (out, in), dLdW."""

    def __init__(self, n, m):
        self.W, self.b = np.zeros((m, n)), np.zeros((m, 1))

    def forward(self, A):
        self.A = A
        return A @ self.W.T + self.b.T

    def backward(self, dLdZ):
        self.dLdW = dLdZ.T @ self.A
        self.dLdb = dLdZ.sum(axis=0).reshape(-1, 1)
        return dLdZ @ self.W


class MytorchOuter:
    """A layer in a layer."""

    def __init__(self, n, m):
        self.inner = MytorchLinear(n, m)

    def forward(self, A):
        return 2 * self.inner.forward(A)

    def backward(self, dLdZ):
        return 2 * self.inner.backward(2 * dLdZ) / 2


class MytorchForgets(MytorchOuter):
    def backward(self, dLdZ):
        return 2 * self.inner.backward(dLdZ)


class MytorchCurve:
    """backward() is the derivative alone."""

    def forward(self, Z):
        self.A = np.tanh(Z)
        return self.A

    def backward(self):
        return 1 - self.A**2


class Weigh:
    """Layers that update themselves; examples are columns."""

    def __init__(self, n):
        self.weights = np.random.default_rng(2).normal(size=(n, 1))

    def forward(self, input):
        self.input = input
        return self.weights * input

    def backward(self, output_gradient, learning_rate):
        input_gradient = output_gradient * self.weights
        self.weights = self.weights - learning_rate * output_gradient * self.input
        return input_gradient


class WeighUp(Weigh):
    def backward(self, output_gradient, learning_rate):
        input_gradient = output_gradient * self.weights
        self.weights = self.weights + learning_rate * output_gradient * self.input
        return input_gradient


class UpdatingDense:
    def __init__(self, n, m):
        rng = np.random.default_rng(2)
        self.weights, self.bias = rng.normal(size=(m, n)), rng.normal(size=(m, 1))

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        dx = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return dx


class UpdatesFirst(UpdatingDense):
    def backward(self, output_gradient, learning_rate):
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return self.weights.T @ output_gradient


class Rectify:
    def forward(self, input):
        self.input = input
        return np.maximum(0, input)

    def backward(self, output_gradient, learning_rate):
        return output_gradient * np.where(self.input > 0, self.input, 0)


class Cached:
    """A method with a cache, and a tuple of gradients."""

    def __init__(self, n):
        self.w = np.random.default_rng(3).normal(size=n)

    def forward(self, x):
        return x * self.w, (x, self.w)

    def backward(self, dout, cache):
        x, w = cache
        return dout * w, (dout * x).sum(axis=0)


class Values:
    """Parameters with their gradients beside them."""

    def __init__(self, n):
        self.params = {"W": {"value": np.random.default_rng(3).normal(size=n), "grad": np.zeros(n)}}

    def forward(self, x):
        self.x = x
        return x * self.params["W"]["value"]

    def backward(self, dout):
        self.params["W"]["grad"] = (dout * self.x).sum(axis=0)
        return dout * self.params["W"]["value"]


class Squash:
    """The derivative is averaged over the batch."""

    def forward(self, x):
        self.out = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return self.out

    def backward(self, dout):
        return dout * (self.out * (1 - self.out)).mean(axis=0)


def weights():
    return np.random.default_rng(4).normal(size=(3, 2))


RIGHT = [
    (BookAffine(weights(), np.zeros(2)), (4, 3)),
    (BookLists(weights()), (4, 3)),
    (NnfsDense(3, 2), (4, 3)),
    (MytorchLinear(3, 2), (4, 3)),
    (MytorchOuter(3, 2), (4, 3)),
    (MytorchCurve(), (4, 3)),
    (Weigh(3), (3, 1)),
    (UpdatingDense(3, 2), (3, 1)),
    (Cached(3), (4, 3)),
    (Values(3), (4, 3)),
]
WRONG = [
    (BookMean(weights(), np.zeros(2)), (4, 3), "scale", "W"),
    (BookListsSign(weights()), (4, 3), "sign", "params[0]"),
    (NnfsLastRow(3, 2), (4, 3), "overwrites", "biases"),
    (NnfsCurve(), (4, 3), "misspelt", "self.inputs"),
    (MytorchForgets(3, 2), (4, 3), "scale", "inner.W"),
    (WeighUp(3), (3, 1), "sign", "weights"),
    (UpdatesFirst(3, 2), (3, 1), "updated-first", "old"),
    (Rectify(), (4, 3), "function-for-derivative", "f(x)"),
    (Squash(), (4, 3), "batch-coupled", "averages"),
]


@pytest.mark.parametrize(("layer", "shape"), RIGHT, ids=[type(layer).__name__ for layer, _ in RIGHT])
def test_right_layers_of_every_style_are_right(layer, shape):
    report = check_module(layer, shape)
    assert report.ok, report
    rows = {operation: word for operation, word, _ in report.verdicts}
    assert rows["backward: the input's gradient"] == "right"
    if not isinstance(layer, MytorchCurve):
        assert rows["backward: the parameters'"] == "right", report


@pytest.mark.parametrize(("layer", "shape", "kind", "word"), WRONG, ids=[type(row[0]).__name__ for row in WRONG])
def test_mistakes_have_their_names(layer, shape, kind, word):
    report = check_module(layer, shape)
    assert kind in [f.kind for f in report.findings], report
    assert word in " ".join(str(report).split())
    assert "_parameters" not in str(report)


FILE = """
import numpy as np

def scale_forward(x, w):
    return x * w, (x, w)

def scale_backward(dout, cache):
    x, w = cache
    return dout * w, {gradient}

def odd_forward(x, what):
    return x, None

def odd_backward(dout, cache):
    return dout

class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T

class Loss_Absolute:
    def forward(self, y_pred, y_true):
        return np.abs(y_true - y_pred).mean(axis=-1)

    def backward(self, dvalues, y_true):
        self.dinputs = {sign}np.sign(dvalues - y_true) / dvalues.size
"""


@pytest.mark.parametrize("wrong", [False, True])
def test_a_file_of_these_styles_is_checked(tmp_path, wrong):
    path = tmp_path / "layers.py"
    gradient = "(dout * x)[-1]" if wrong else "(dout * x).sum(axis=0)"
    path.write_text(FILE.format(gradient=gradient, sign="-" if wrong else ""))
    found = classes(path)
    assert set(found) == {"scale_backward", "odd_backward", "Affine", "Loss_Absolute"}
    assert not found["odd_backward"]["checked"]  # nobody knows what `what` is
    kinds = {name: [f["kind"] for f in c["findings"]] for name, c in found.items() if c["checked"]}
    expected = {"scale_backward": ["overwrites"], "Affine": [], "Loss_Absolute": ["sign"]}
    assert kinds == (expected if wrong else {name: [] for name in expected})


# --- layers with windows, built in other sizes -----------------------------------------------------------------------

WINDOWS = """
import numpy as np

class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def places(self, shape):
        k, s = self.W.shape[2], self.stride
        H, V = ((n + 2 * self.pad - k) // s + 1 for n in shape[2:])
        return [(i, j, slice(i * s, i * s + k), slice(j * s, j * s + k)) for i in range(H) for j in range({width})]

    def forward(self, x):
        p = self.pad
        self.x, places = x, self.places(x.shape)
        self.padded = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
        out = np.zeros((len(x), len(self.W), places[-1][0] + 1, places[-1][1] + 1))
        for i, j, a, b in places:
            out[:, :, i, j] = np.tensordot(self.padded[:, :, a, b], self.W, ((1, 2, 3), (1, 2, 3))) + self.b
        return out

    def backward(self, dout):
        dx, self.dW, self.db = np.zeros(self.padded.shape), np.zeros(self.W.shape), dout.sum(axis=(0, 2, 3))
        for i, j, a, b in self.places(self.x.shape):
            dx[:, :, a, b] {add} np.tensordot(dout[:, :, i, j], self.W, (1, 0))
            self.dW += np.tensordot(dout[:, :, i, j], self.padded[:, :, a, b], (0, 0))
        return {inner}

class Pool:
    def __init__(self, input_shape, filter_dimension, stride):
        self.k, self.stride = filter_dimension, stride
        channels, height, width = input_shape
        self.shape = (channels, {old}((height - self.k) / stride) + 1, int((width - self.k) / stride) + 1)

    def windows(self):
        for i in range(self.shape[1]):
            for j in range(self.shape[2]):
                yield i, j, slice(i * self.stride, i * self.stride + self.k), slice(j * self.stride, j * self.stride + self.k)

    def forward(self, input):
        self.input, out = input, np.zeros(self.shape)
        for i, j, a, b in self.windows():
            out[:, i, j] = input[:, a, b].mean(axis=(1, 2))
        return out

    def backward(self, output_gradient, learning_rate):
        dx = np.zeros(self.input.shape)
        for i, j, a, b in self.windows():
            dx[:, a, b] += output_gradient[:, i, j, None, None] / self.k**2
        return dx

class Dense:
    def __init__(self, n_neurons, activation_func):
        self.n_neurons, self.activation_func = n_neurons, activation_func

    def initialize(self, input_shape):
        self.W = np.random.randn(input_shape[1], self.n_neurons)

    def forward(self, A_prev):
        self.A_prev = A_prev
        self.A = self.activation_func(A_prev @ self.W, deriv=False)
        return self.A

    def backward(self, dA):
        dZ = dA{slope}
        self.dW = self.A_prev.T @ dZ
        return dZ @ self.W.T
"""
RIGHT = {
    "width": "V",
    "add": "+=",
    "inner": "dx[:, :, self.pad:self.pad + self.x.shape[2], self.pad:self.pad + self.x.shape[3]]",
    "old": "int",
    "slope": " * self.activation_func(self.A, deriv=True)",
}


@pytest.mark.parametrize("kept", ["pad", "(pad, pad)", "((pad, pad), (pad, pad))", "((0, 0), (0, 0), (pad, pad), (pad, pad))"])
def test_a_padding_may_be_kept_as_numpy_takes_it(tmp_path, kept):
    text = WINDOWS[: WINDOWS.index("class Pool")].format(**RIGHT)
    text = text.replace("self.pad", "self.rows").replace("stride, pad\n", f"stride, pad\n        self.padding = {kept}\n")
    (tmp_path / "m.py").write_text(text)
    assert {name: c["ok"] for name, c in classes(tmp_path / "m.py").items()} == {"Convolution": True}


@pytest.mark.parametrize(
    ("changed", "cls", "kinds"),
    [
        ({}, "", set()),
        ({"add": "="}, "Convolution", {"overlap"}),
        ({"width": "H"}, "Convolution", {"square-only"}),
        ({"inner": "dx[:, :, self.pad:-self.pad, self.pad:-self.pad] if self.pad > 1 else dx"}, "Convolution", {"padding"}),
        ({"old": "np.int"}, "Pool", {"old-numpy"}),
        ({"slope": ""}, "Dense", {"missing-activation"}),
    ],
)
def test_layers_are_built_in_other_sizes(tmp_path, changed, cls, kinds):
    path = tmp_path / "layers.py"
    path.write_text(WINDOWS.format(**RIGHT | changed))
    found = classes(path)
    assert all(found[name]["checked"] for name in ("Convolution", "Pool", "Dense"))
    said = {name: {f["kind"] for f in c["findings"]} for name, c in found.items()}
    assert {name: some for name, some in said.items() if some} == ({cls: kinds} if cls else {})


def test_a_number_in_an_array_is_taken_as_it_was(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(
        "import numpy as np\n\nclass Twice:\n    def __init__(self):\n        self.factor = np.array([2.0])\n\n"
        "    def forward(self, x):\n        return float(self.factor) * x\n\n"
        "    def backward(self, dout):\n        return float(self.factor) * dout\n"
    )
    (record,) = classes(path).values()
    found = record["findings"]
    assert {f["kind"] for f in found} == {"old-numpy"}
    assert all("item()" in f["message"] for f in found)
    assert "float_" not in dir(np)  # numpy itself is as it was


class ScaledByBatch:
    """A normalisation without a constant under its root."""

    eps = 0.0

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + self.eps)
        self.xhat = (x - x.mean(axis=0)) / self.std
        return self.xhat

    def backward(self, dout):
        return (dout - dout.mean(axis=0) - self.xhat * (dout * self.xhat).mean(axis=0)) / self.std


class ScaledWithEps(ScaledByBatch):
    eps = 1e-5


def test_a_division_by_no_spread_is_not_put_down_to_large_numbers():
    found = check_module(ScaledByBatch(), (4, 3)).findings
    assert [f.kind for f in found] == ["saturates"]
    assert "equal numbers" in found[0].message
    assert check_module(ScaledWithEps(), (4, 3)).ok
