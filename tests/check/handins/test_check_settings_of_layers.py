"""Layers and losses in settings of other courses: who sets what first, who holds the rate, what one example is."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_loss
from modnet.check.asking.calls import Misbehaviour
from modnet.check.handins.ask import ask
from modnet.check.handins.classes import bases_of, loaded_classes, loaded_functions
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.loading import Loader
from modnet.check.handins.options import Options
from modnet.check.losses.check import examine_loss_object
from modnet.check.losses.data import data_for
from modnet.check.modules.contract import examine_module
from modnet.check.modules.other_styles import examine_other


def said(report):
    return {(f.where.split(".")[-1], f.kind) for f in report.findings}


# --- one example, without an axis for the batch ----------------------------------------------------------------------


class OneSoftmax:
    """A softmax of one vector, whose derivative is a Jacobian."""

    def __call__(self, z):
        e = np.exp(z - np.max(z))
        return e / e.sum()

    def gradient(self, z):
        p = self(z)
        return np.diag(p) - np.outer(p, p)


class OneSoftmaxDiagonal(OneSoftmax):
    def gradient(self, z):
        p = self(z)
        return np.diag(p * (1 - p))


class OneImage:
    """A convolution of one picture, (height, width, channels), whose windows are always 3 by 3."""

    def __init__(self, input_channels, num_filters):
        self.kernels = np.random.randn(num_filters, 3, 3, input_channels) / 4

    def forward(self, image):
        self.image = image
        height, width, _ = image.shape
        out = np.zeros((height - 2, width - 2, len(self.kernels)))
        for i, j in np.ndindex(height - 2, width - 2):
            out[i, j] = (self.kernels * image[i : i + 3, j : j + 3]).sum(axis=(1, 2, 3))
        return out

    def backward(self, dout, step):
        back, slopes = np.zeros_like(self.image), np.zeros_like(self.kernels)
        for i, j in np.ndindex(*dout.shape[:2]):
            slopes += dout[i, j][:, None, None, None] * self.image[i : i + 3, j : j + 3]
            back[i : i + 3, j : j + 3] += (dout[i, j][:, None, None, None] * self.kernels).sum(axis=0)
        self.kernels = self.kernels - step * slopes
        return back


class OneImageOverwrites(OneImage):
    def backward(self, dout, step):
        super().backward(dout, step)
        back = np.zeros_like(self.image)
        for i, j in np.ndindex(*dout.shape[:2]):
            back[i : i + 3, j : j + 3] = (dout[i, j][:, None, None, None] * self.kernels).sum(axis=0)
        return back


class Ridge:
    """A term of the weights, which is one number."""

    def __init__(self, strength=0.1):
        self.strength = strength

    def forward(self, w):
        return self.strength * np.sum(w**2)

    def backward(self, w):
        return 2 * self.strength * w


class RidgeHalf(Ridge):
    def backward(self, w):
        return self.strength * w


# --- sizes that come later, or in other forms ------------------------------------------------------------------------


class Later:
    """A dense layer that is told its units alone; who adds it to a network sets the shape of its input."""

    def __init__(self, units):
        self.units, self.input_shape, self.weights, self.bias = units, None, None, None

    def initialize(self):
        self.weights = np.random.randn(self.input_shape[0], self.units)
        self.bias = np.zeros(self.units)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, dout):
        self.weights_gradient, self.bias_gradient = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.weights.T


class LaterMean(Later):
    def backward(self, dout):
        back = super().backward(dout)
        self.bias_gradient = dout.mean(axis=0)
        return back


class Volumes:
    """A convolution with zeros around it; its kernels are told as one volume, (channels, height, width), strides as pairs."""

    before = staticmethod(lambda k: (k - 1) // 2)

    def __init__(self, stride_shape, convolution_shape, num_kernels):
        self.stride, self.size = stride_shape, convolution_shape
        self.weights = np.random.uniform(0, 1, (num_kernels, *convolution_shape))
        self.bias = np.random.uniform(0, 1, num_kernels)

    def forward(self, x):
        self.x = x
        _, h, w = self.size
        sides = [((n - 1) // 2, n // 2) for n in (h, w)]
        padded = np.pad(x, [(0, 0), (0, 0), *sides])
        seen = np.lib.stride_tricks.sliding_window_view(padded, (h, w), axis=(2, 3))
        self.seen = seen[:, :, :: self.stride[0], :: self.stride[1]]
        return np.einsum("bcyxij,kcij->bkyx", self.seen, self.weights) + self.bias[:, None, None]

    def backward(self, error):
        _, h, w = self.size
        self.gradient_weights = np.einsum("bcyxij,bkyx->kcij", self.seen, error)
        self.gradient_bias = error.sum(axis=(0, 2, 3))
        batch, channels, *sides = self.x.shape
        padded = np.zeros((batch, channels, sides[0] + h - 1, sides[1] + w - 1))
        for y, x in np.ndindex(*error.shape[2:]):
            i, j = y * self.stride[0], x * self.stride[1]
            padded[:, :, i : i + h, j : j + w] += np.einsum("bk,kcij->bcij", error[:, :, y, x], self.weights)
        i, j = self.before(h), self.before(w)
        return padded[:, :, i : i + sides[0], j : j + sides[1]]


class VolumesUneven(Volumes):
    before = staticmethod(lambda k: k // 2)


class Average:
    """Windows of pictures with their channels last, with zeros around them."""

    def __init__(self, kernel_size, stride, padding=0):
        self.k, self.stride, self.padding = kernel_size, stride, padding

    def windows(self, x):
        _, h, w, _ = x.shape
        count = [(n + 2 * self.padding - self.k) // self.stride + 1 for n in (h, w)]
        for y, x in np.ndindex(*count):
            yield y, x, np.s_[:, y * self.stride : y * self.stride + self.k, x * self.stride : x * self.stride + self.k]

    def forward(self, x):
        self.x = x
        p = [(0, 0), (self.padding,) * 2, (self.padding,) * 2, (0, 0)]
        self.padded = np.pad(x, p)
        out = {(y, i): self.padded[place].max(axis=(1, 2)) for y, i, place in self.windows(x)}
        rows, columns = max(out)
        return np.array([[out[y, i] for i in range(columns + 1)] for y in range(rows + 1)]).transpose(2, 0, 1, 3)

    def backward(self, dout):
        back = np.zeros_like(self.padded)
        for y, i, place in self.windows(self.x):
            window = self.padded[place]
            mask = window == window.max(axis=(1, 2), keepdims=True)
            back[place] += mask / mask.sum(axis=(1, 2), keepdims=True) * dout[:, y, i][:, None, None]
        p = self.padding
        return back[:, p : p + self.x.shape[1], p : p + self.x.shape[2]]


class Inited:
    """How many inputs there are is told by init(input_dim), what the activation is by an object whose methods are f and df."""

    def __init__(self, size, activation):
        self.size, self.activation, self.w, self.b = size, activation, None, None

    def init(self, input_dim):
        self.w, self.b = np.random.randn(self.size, input_dim) * np.sqrt(2 / input_dim), np.zeros((1, self.size))

    def forward(self, prev, training):
        z = prev @ self.w.T + self.b
        if training:
            self.prev, self.z = prev, z
        return self.activation.f(z)

    def backward(self, da):
        dz = da * self.activation.df(self.z)
        return dz @ self.w, dz.T @ self.prev, dz.sum(axis=0, keepdims=True)


class InitedAtOnce(Inited):
    def backward(self, da):
        dz = da * self.activation.df(self.z)
        return da @ self.w, dz.T @ self.prev, dz.sum(axis=0, keepdims=True)


class ByWord:
    """The activation is a word, and backward is told the rate and the input again."""

    def __init__(self, in_nodes, out_nodes, activation):
        self.weights, self.activation = np.random.normal(0, 0.5, (in_nodes, out_nodes)), activation

    def forwardpass(self, X):
        self.data = X @ self.weights
        if self.activation == "relu":
            self.data = np.maximum(self.data, 0)
        elif self.activation != "softmax":
            exit()
        return self.data

    def backwardpass(self, lr, activation_prev, delta):
        delta = delta * (self.data > 0)
        back = delta @ self.weights.T
        self.weights = self.weights - lr * activation_prev.T @ delta
        return back


class ByWordForgets(ByWord):
    def backwardpass(self, lr, activation_prev, delta):
        back = delta @ self.weights.T
        super().backwardpass(lr, activation_prev, delta)
        return back


class Pairs:
    """Windows, strides and paddings as pairs, which no argument says of itself."""

    def __init__(self, k_size, stride, padding=None):
        self.k, self.stride, self.padding = k_size, stride, padding

    def forward(self, inputs):
        self.shape = inputs.shape
        x = np.pad(inputs, [(0, 0), *[(p, p) for p in self.padding or (0, 0)], (0, 0)])
        seen = np.lib.stride_tricks.sliding_window_view(x, self.k, axis=(1, 2))
        k_h, k_w = self.stride
        return seen[:, ::k_h, ::k_w].mean(axis=(4, 5))

    def backward(self, grad):
        (k_h, k_w), (s_h, s_w), (p_h, p_w) = self.k, self.stride, self.padding or (0, 0)
        batch, height, width, channels = self.shape
        back = np.zeros((batch, height + 2 * p_h, width + 2 * p_w, channels))
        for i, j in np.ndindex(*grad.shape[1:3]):
            back[:, i * s_h : i * s_h + k_h, j * s_w : j * s_w + k_w] += grad[:, i : i + 1, j : j + 1] / (k_h * k_w)
        return back[:, p_h : p_h + height, p_w : p_w + width]


class PairsUnpadded(Pairs):
    def backward(self, grad):
        kept, self.padding = self.padding, None
        padded = kept or (0, 0)
        height, width = (n + 2 * p for n, p in zip(self.shape[1:3], padded, strict=True))
        shape, self.shape = self.shape, (self.shape[0], height, width, self.shape[3])
        back = super().backward(grad)
        self.padding = kept
        return back[:, : shape[1], : shape[2]]


# --- who takes the step ----------------------------------------------------------------------------------------------


class OwnRate:
    """A dense layer with a learning rate of its own, which moves itself in backward."""

    def __init__(self, n_inputs, n_outputs, eta=0.001):
        self.weights, self.biases, self.eta = np.random.randn(n_inputs, n_outputs), np.random.randn(n_outputs), eta

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, error):
        back = error @ self.weights.T
        self.weights = self.weights - self.eta * self.x.T @ error
        self.biases = self.biases - self.eta * error.sum(axis=0)
        return back


class OwnRateUphill(OwnRate):
    def backward(self, error):
        back = super().backward(error)
        self.biases = self.biases + 2 * self.eta * error.sum(axis=0)
        return back


class OwnOptimizer:
    """A dense layer that is given an optimizer for its weights when it is made ready."""

    def __init__(self, n_inputs, n_outputs):
        self.weights, self.w_opt = np.random.randn(n_inputs, n_outputs), None

    def initialize(self, optimizer):
        self.w_opt = optimizer

    def forward_pass(self, x, training=True):
        self.x = x
        return x @ self.weights

    def backward_pass(self, delta):
        kept = self.weights
        self.weights = self.w_opt.update(self.weights, self.x.T @ delta)
        return delta @ kept.T


class OwnOptimizerFirst(OwnOptimizer):
    def backward_pass(self, delta):
        super().backward_pass(delta)
        return delta @ self.weights.T


class Held:
    """A parameter as an object."""

    def __init__(self, shape):
        self.values, self.grads = np.random.randn(*shape), np.zeros(shape)


class Private:
    """Methods that only a network calls, parameters that are objects, and a mode that is told by private methods, too."""

    def __init__(self, in_dim, out_dim):
        self.W, self.b = Held((in_dim, out_dim)), Held((out_dim,))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.W.values + self.b.values

    def _compute_gradients(self, grads):
        self.W.grads, self.b.grads = self.inputs.T @ grads, grads.sum(axis=0)
        return grads @ self.W.values.T


class PrivateTwice(Private):
    def _compute_gradients(self, grads):
        back = super()._compute_gradients(grads)
        self.W.grads = 2 * self.W.grads
        return back


class Fills:
    """Backward fills a dict of gradients by the names of the layer's parameters."""

    def __init__(self, in_dim, out_dim, name="Fills"):
        self.name = name
        self._parameters = {f"{name}/W": np.random.randn(in_dim, out_dim)}

    def forward(self, x):
        return x @ self._parameters[f"{self.name}/W"], {}

    def backward(self, x, cache, upstream_gradient, gradients):
        gradients[f"{self.name}/W"] = x.T @ upstream_gradient
        return upstream_gradient @ self._parameters[f"{self.name}/W"].T


class FillsMinus(Fills):
    def backward(self, x, cache, upstream_gradient, gradients):
        back = super().backward(x, cache, upstream_gradient, gradients)
        gradients[f"{self.name}/W"] *= -1
        return back


class KeepsInTraining:
    """Forward keeps what backward reads in training alone, and takes any other arguments."""

    def forward(self, X, training=False, *args, **kwargs):
        Z = np.tanh(X)
        if training:
            self.Z = Z
        return Z

    def backward(self, dZ, training=False, *args, **kwargs):
        return dZ * (1 - self.Z**2)


class First:
    """What is before the first layer: it hands on the input, and nothing comes back."""

    def forward(self, inputs, training):
        self.output = inputs

    def backward(self, dvalues):
        pass


# --- activations -----------------------------------------------------------------------------------------------------


class Writes:
    def function(self, x):
        return np.maximum(x, 0)

    def derivative(self, x):
        x[x <= 0] = 0
        x[x > 0] = 1
        return x


class Line:
    def function(self, x):
        return x

    def derivative(self, x):
        return x


class LeakyReLU:
    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def forward(self, x):
        self.x, out = x, x.copy()
        out[x < 0] = x * self.alpha
        return out

    def backward(self, delta):
        return np.where(self.x < 0, self.alpha, 1) * delta


class Joint:
    """A neuron layer whose bias gradient forgets the activation."""

    def __init__(self, input_size, output_size, activation=None):
        self.W, self.b, self.activation = np.random.randn(input_size, output_size), np.zeros(output_size), activation

    def forward(self, x):
        self.x = x
        self.z = x @ self.W + self.b
        return self.z if self.activation is None else self.activation.forward(self.z)

    def backward(self, delta):
        bent = delta if self.activation is None else delta * self.activation.derivative(self.z)
        self.dW, self.db = self.x.T @ bent, delta.sum(axis=0)
        return bent @ self.W.T


@pytest.mark.parametrize(
    ("cls", "findings"),
    [
        (OneSoftmax, set()),
        (OneSoftmaxDiagonal, {("gradient", "diagonal")}),
        (OneImage, set()),
        (OneImageOverwrites, {("backward", "direction")}),
        (Ridge, set()),
        (RidgeHalf, {("backward", "scale")}),
        (Later, set()),
        (LaterMean, {("backward", "scale")}),
        (Volumes, set()),
        (VolumesUneven, {("backward", "padding")}),
        (Average, set()),
        (Inited, set()),
        (InitedAtOnce, {("backward", "missing-activation")}),
        (ByWord, set()),
        (ByWordForgets, {("backwardpass", "direction")}),
        (Pairs, set()),
        (PairsUnpadded, {("backward", "padding")}),
        (OwnRate, set()),
        (OwnRateUphill, {("backward", "sign")}),
        (OwnOptimizer, set()),
        (OwnOptimizerFirst, {("backward_pass", "updated-first")}),
        (Private, set()),
        (PrivateTwice, {("_compute_gradients", "scale")}),
        (Fills, set()),
        (FillsMinus, {("backward", "sign")}),
        (KeepsInTraining, set()),
        (First, set()),
        (Writes, {("derivative", "mutates")}),
        (Line, {("derivative", "function-for-derivative")}),
        (Joint, {("backward", "missing-activation")}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_layer_in_its_setting(cls, findings):
    with np.errstate(all="ignore"):
        report = examine_module(cls)
    assert said(report) == findings, str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


def test_a_layer_that_asks_an_activation_of_its_project_at_the_wrong_place_is_told():
    class Sigmoid:
        def forward(self, z):
            return 1 / (1 + np.exp(-z))

        def derivative(self, z):
            return self.forward(z) * (1 - self.forward(z))

    class Bent(Joint):
        def backward(self, delta):
            bent = delta if self.activation is None else delta * self.activation.derivative(self.out)
            self.dW, self.db = self.x.T @ bent, bent.sum(axis=0)
            return bent @ self.W.T

        def forward(self, x):
            self.out = super().forward(x)
            return self.out

    class Right(Bent):
        def forward(self, x):
            out = super().forward(x)
            self.out = self.z
            return out

    def asked(cls):
        held = [Loaded(each, "module", __file__) for each in (cls, Sigmoid)]
        return said(ask(held[0], Project(held), Options()))

    assert asked(Bent) == {("backward", "at-output")}
    assert asked(Right) == set()


def test_a_function_of_any_numbers_that_takes_none_of_the_inputs_crashes_by_itself():
    with pytest.raises(Misbehaviour, match="boolean array indexing"):
        examine_module(LeakyReLU)


def test_what_somebody_else_sets_first_is_no_crash():
    class Tracked(KeepsInTraining):
        def start(self, epochs):
            self.history = []

        def forward(self, X):
            self.history.append(X.mean())
            return super().forward(X, True)

    class Joined(KeepsInTraining):
        def addSon(self, son):
            self.sons.append(son)

    for cls, words in ((Tracked, "somebody else sets"), (Joined, "addSon(son)")):
        report = examine_module(cls)
        assert report.ok
        assert words in report.verdicts[0][2]


# --- files -----------------------------------------------------------------------------------------------------------

GATHERED = """
import numpy as np

class Curves:
    @staticmethod
    def tanh(z):
        return np.tanh(z)

    @staticmethod
    def tanh_prime(z):
        return 1 - np.tanh(z)

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def sigmoid_prime(self, z):
        return self.sigmoid(z) * (1 - self.sigmoid(z))

class Library:
    class Cube:
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, delta):
            return delta * self.x**2
"""


def test_functions_gathered_in_a_class_and_classes_within_one_are_checked(tmp_path):
    path = tmp_path / "curves.py"
    path.write_text(GATHERED, encoding="utf-8")
    loader = Loader(tmp_path, [path])
    loader.load_all()
    (file,) = loader.files.values()
    found = [*loaded_functions(file), *loaded_classes(file, bases_of([file]))]
    asked = {c.name: said(ask(c, Project(found), Options())) for c in found if c.kind}
    assert asked == {
        "tanh_prime": {("tanh_prime", "missing-factor")},
        "sigmoid_prime": set(),
        "Cube": {("backward", "scale")},
    }


# --- losses ----------------------------------------------------------------------------------------------------------


class OneHot:
    """Truth as rows or as numbers of classes, by an option; backward forgets it."""

    def __init__(self, onehot=True):
        self.onehot = onehot

    def forward(self, y_pred, y_true):
        right = (y_pred * y_true).sum(axis=1) if self.onehot else y_pred[range(len(y_true)), y_true]
        return -np.log(np.clip(right, 1e-8, 1))

    def backward(self, y_pred, y_true):
        return -y_true / np.clip(y_pred, 1e-8, 1)


class Reduced:
    """What is called is the mean, and backward is its derivative."""

    def __call__(self, *args):
        return self.forward(*args).mean()

    def forward(self, x, y):
        return ((y - x) ** 2).mean(axis=-1)

    def backward(self, *args):
        return self.slopes(*args)

    def slopes(self, x, y):
        return 2 * (x - y) / x.size


class OfOne:
    """The loss of one example, whose truth is a number of a class."""

    def loss(self, predictions, target):
        return -np.log(predictions[target] + 1e-5)

    def derivative(self, predictions, target):
        return -np.eye(len(predictions))[target] / (predictions + 1e-5)


def test_losses_in_their_settings():
    options = Options()

    def of(cls, name, *layers):
        held = [Loaded(layer, "module", __file__) for layer in layers]
        return ask(Loaded(type(name, (cls,), {"__module__": __name__}), "loss", __file__), Project(held), options)

    assert ("backward", "crash") in said(of(OneHot, "CrossEntropy"))
    assert said(of(Reduced, "MeanSquared")) == set()
    assert said(of(OfOne, "CrossEntropy", OneSoftmax)) == set()
    assert of(OfOne, "CrossEntropy", OneSoftmax).verdicts[0][1] == "right"


def test_a_loss_that_raises_the_same_whatever_it_is_given_is_at_fault():
    class Squared:
        def forward(self, yhat, y):
            return ((yhat - y) ** 2).sum() / y.size()

        def backward(self, yhat, y):
            return 2 * (yhat - y) / y.size()

    assert said(examine_loss_object(Squared(), "MSE")) == {("forward", "crash")}


def test_clipping_at_the_same_constant_is_the_same_constant():
    class Clipped:
        def forward(self, y_pred, y_true, epsilon=1e-8):
            return -np.sum(y_true * np.log(np.clip(y_pred, epsilon, 1 - epsilon)))

        def backward(self, y_pred, y_true, epsilon=1e-8):
            return -y_true / np.clip(y_pred, epsilon, 1 - epsilon)

    truth, prediction = next(data_for("CrossEntropy"))
    assert check_loss(Clipped(), truth, prediction).ok


def test_data_for_a_loss_begin_with_what_its_name_means():
    def first(name, **options):
        truth, prediction = next(data_for(name, **options))
        return truth.shape, truth.dtype.kind, bool(prediction.min() >= 0 and np.allclose(prediction.sum(axis=-1), 1))

    assert first("CrossEntropy") == ((4, 3), "f", True)
    assert first("CrossEntropy", statement=True) == ((4,), "i", False)
    assert first("SoftmaxLoss") == ((4,), "i", False)
    assert first("MSE") == first("MSE", statement=True) == ((4, 3), "f", False)


# --- what is chosen by a word, told by a method, or left to those who derive -------------------------------------------


class ChosenByWord:
    """Its constructor names the words that there are, and refuses others."""

    def __init__(self, kind):
        table = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
        if kind not in table:
            raise NotImplementedError(f"{kind} is not known")
        self.kind, self.function = kind, table[kind]

    def forward(self, x):
        self.x = x
        return self.function(x)

    def of_tanh(self):
        return 1 - np.tanh(self.x) ** 2

    def backward(self, dout):
        return dout * (self.x > 0) if self.kind == "relu" else dout * self.of_tanh()


class ChosenByWordWrong(ChosenByWord):
    def of_tanh(self):
        return 1 - self.x**2


class ToldLater:
    """How many numbers come in is told by a method."""

    def __init__(self, units):
        self.units = units

    def init_weights(self, n_in):
        self.W, self.b = np.random.randn(n_in, self.units) * 0.3, np.zeros(self.units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class ToldLaterWrong(ToldLater):
    def backward(self, dout):
        return 2 * super().backward(dout)


class MaxPool2D:
    """Its stride says how many results there are, and not where their windows begin."""

    by = 1

    def __init__(self, pool_size=2, stride=2):
        self.k, self.stride = pool_size, stride

    def windows(self, x):
        rows, columns = ((n - self.k) // self.stride + 1 for n in x.shape[2:])
        for i in range(rows):
            for j in range(columns):
                a, b = i * self.by, j * self.by
                yield i, j, x[:, :, a : a + self.k, b : b + self.k]

    def forward(self, x):
        self.x = x
        out = np.zeros((*x.shape[:2], *((n - self.k) // self.stride + 1 for n in x.shape[2:])))
        for i, j, window in self.windows(x):
            out[:, :, i, j] = window.max(axis=(2, 3))
        return out

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for (i, j, window), (_, _, into) in zip(self.windows(self.x), self.windows(dx), strict=True):
            into += (window == window.max(axis=(2, 3), keepdims=True)) * dout[:, :, i : i + 1, j : j + 1]
        return dx


class MaxPool2DByStride(MaxPool2D):
    @property
    def by(self):
        return self.stride


class Activate:
    """backprop is given what comes from above, and what activate was given under the same name."""

    @staticmethod
    def activate(Z):
        return np.tanh(Z)

    @staticmethod
    def backprop(dA, Z):
        return dA * (1 - np.tanh(Z) ** 2)


class ActivateWrong(Activate):
    @staticmethod
    def backprop(dA, Z):
        return dA * (1 - Z**2)


@pytest.mark.parametrize("cls", [ChosenByWord, ToldLater, Activate])
def test_what_a_constructor_and_backward_ask_for_is_what_their_author_means(cls):
    report = examine_other(cls)
    assert report.ok, report
    assert "not checked" not in [row[1] for row in report.verdicts[:2]]


@pytest.mark.parametrize("cls", [ChosenByWordWrong, ToldLaterWrong, ActivateWrong])
def test_what_is_wrong_there_is_found(cls):
    assert examine_other(cls).findings


def test_a_pooling_that_only_counts_by_its_stride_is_named():
    assert "stride" in {f.kind for f in examine_other(MaxPool2D).findings}
    assert "stride" not in {f.kind for f in examine_other(MaxPool2DByStride).findings}


def test_a_base_class_that_leaves_its_work_to_others_is_not_accused(tmp_path):
    (tmp_path / "modules.py").write_text(LEFT_TO_OTHERS, encoding="utf-8")
    loader = Loader(tmp_path, sorted(tmp_path.glob("*.py")))
    loader.load_all()
    files = list(loader.files.values())
    kinds = {c.name: c.kind for file in files for c in loaded_classes(file, bases_of(files))}
    assert kinds == {"Module": "base", "Tanh": "module"}


LEFT_TO_OTHERS = """
import numpy as np

class Module:
    def forward(self, x):
        return self.update_output(x)

    def backward(self, x, dout):
        return self.update_input(x, dout)

    def update_output(self, x):
        # self.output = self.function(x)
        pass

    def update_input(self, x, dout):
        pass

class Tanh(Module):
    def update_output(self, x):
        self.output = np.tanh(x)
        return self.output

    def update_input(self, x, dout):
        return dout * (1 - np.tanh(x) ** 2)
"""
