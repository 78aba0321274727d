"""Conventions of authors whose code nobody has seen: one row at a time, an optimizer for backward, flags, loaders, any loss."""

from __future__ import annotations

import pytest
from answered import hand_ins

ONE_ROW = """
import numpy as np

class Full:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, error, learning_rate):
        dx = error @ self.weights.T
        self.weights -= learning_rate * self.x.T @ error
        self.bias -= learning_rate * error
        return dx

class Turned(Full):
    def backward(self, error, learning_rate):
        dx = error @ self.weights.T
        self.weights += learning_rate * self.x.T @ error
        self.bias -= learning_rate * error
        return dx

class Given(Full):
    def __init__(self, input_size, output_size):
        super().__init__(input_size, output_size)
        self.vW, self.vB = np.zeros_like(self.weights), np.zeros_like(self.bias)

    def backward(self, error, optimizer_fn, learning_rate):
        dx = error @ self.weights.T
        found = optimizer_fn.minimize(self.weights, self.bias, self.x.T @ error, error, self.vW, self.vB, learning_rate)
        self.weights, self.bias, self.vW, self.vB = found
        return dx

class GivenTwice(Given):
    def backward(self, error, optimizer_fn, learning_rate):
        return super().backward(2 * error, optimizer_fn, learning_rate) / 2

class GradientDescent:
    def minimize(self, w, b, dW, dB, vW, vB, learning_rate=0.01, beta=0.9):
        return w - learning_rate * dW, b - learning_rate * dB, vW, vB

class Momentum:
    def minimize(self, w, b, dW, dB, vW, vB, learning_rate=0.01, beta=0.9):
        vW, vB = beta * vW + dW, beta * vB + dB
        return w - learning_rate * vW, b - learning_rate * vB, vW, vB

def predict(layers, x_train):
    for j in range(len(x_train)):
        output = x_train[j]
        for layer in layers:
            output = layer.forward(output)

class RMSProp:
    def minimize(self, w, b, dW, dB, sW, sB, learning_rate=0.01, beta=0.9):
        sW, sB = beta * sW + (1 - beta) * dW**2, beta * sB + (1 - beta) * dB**2
        return w - learning_rate * dW * np.sqrt(sW + 1e-8), b - learning_rate * dB * np.sqrt(sB + 1e-8), sW, sB
"""

KEEPS = """
import numpy as np

class Layer:
    def __init__(self):
        self.forget()

    def forget(self):
        self.inp = None

    reset_inp = forget

    def keep(self, x):
        assert self.inp is None, "clear the state first"
        self.inp = x

class Fc(Layer):
    def __init__(self, n_inp, n_out):
        super().__init__()
        self.weight, self.momentum = np.random.rand(n_inp, n_out), np.zeros(None)

    def __call__(self, x, save_inp=False):
        if save_inp:
            self.keep(x)
        return x @ self.weight

    def backward(self, grad):
        self.grad = self.inp.T @ grad
        return grad @ self.weight.T

class Bend(Layer):
    def __init__(self, activation):
        super().__init__()
        self.use(activation)

    def use(self, activation):
        if activation == "tanh":
            self.f, self.slope = np.tanh, lambda x: 1 - np.tanh(x) ** 2
        elif activation == "relu":
            self.f, self.slope = lambda x: np.maximum(x, 0), lambda x: x * (x > 0)

    def __call__(self, x, save_inp=False):
        if save_inp:
            self.keep(x)
        return self.f(x)

    def backward(self, grad):
        return grad * self.slope(self.inp)

class MSELoss(Layer):
    def __call__(self, output, target, save_inp=False):
        if save_inp:
            self.keep((output, target))
        return ((output - target) ** 2).mean()

    def backward(self):
        output, target = self.inp
        return 2 * (output - target) / output.size

class ByRowsLoss(MSELoss):
    def backward(self):
        output, target = self.inp
        return 2 * (output - target) / len(output)
"""

FLAGGED = """
import numpy as np

def linear_forward(A, W, b):
    return W @ A + b, (A, W, b)

def linear_backward(dZ, cache, reg, lambd=0.1):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = dZ @ A_prev.T / m + (lambd / m * W if reg else 0)
    return W.T @ dZ, dW, dZ.sum(axis=1, keepdims=True) / m

def affine_forward(A, W, b):
    return W @ A + b, (A, W, b)

def affine_backward(dZ, cache, reg, lambd=0.1):
    A_prev, W, b = cache
    return W.T @ dZ, dZ @ A_prev.T, dZ.sum(axis=1, keepdims=True) * 2
"""

SQUARES = """
class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, grad):
        return 2 * grad

class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, grad):
        return 3 * self.x**2 * grad
"""

LOADED = """
import numpy as np

class Dense:
    def __init__(self, input_size, output_size):
        self.weights, self.biases = np.random.randn(input_size, output_size), np.zeros((1, output_size))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, grad, learning_rate):
        dx = grad @ self.weights.T
        self.weights -= learning_rate * self.x.T @ grad
        self.biases -= learning_rate * grad.sum(axis=0, keepdims=True)
        return dx

class NeuralNetwork:
    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def train(self, data_loader, epochs, learning_rate):
        for _ in range(epochs):
            for x, y in data_loader:
                grad = (self.predict(x) - y) / len(y)
                for layer in reversed(self.layers):
                    grad = layer.backward(grad, learning_rate)

class StuckNetwork(NeuralNetwork):
    def train(self, data_loader, epochs, learning_rate):
        for _ in range(epochs):
            for x, y in data_loader:
                grad = (self.predict(x) - y) / len(y)
                for layer in reversed(self.layers):
                    layer.backward(grad, learning_rate)
"""

ANY_LOSS = """
import numpy as np

class Layer_Dense:
    def __init__(self, num_inputs, num_neurons):
        self.weights, self.biases = np.random.randn(num_inputs, num_neurons), np.zeros((1, num_neurons))
        self.weight_momentums, self.bias_momentums = np.zeros_like(self.weights), np.zeros_like(self.biases)

    def forward(self, inputs):
        self.inputs, self.output = inputs, inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T

class Activation_Tanh:
    def forward(self, inputs):
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output**2)

class Loss_Logistic:
    def forward(self, y_pred, y_true):
        self.margin = y_true * y_pred
        return np.log(1 + np.exp(-self.margin)).sum(axis=1)

    def backward(self, y_pred, y_true):
        self.dinputs = -y_true / (1 + np.exp(self.margin))

class Optimizer_SGD:
    def __init__(self, learning_rate=1.0, momentum=0.9):
        self.lr, self.momentum = learning_rate, momentum

    def update_params(self, layer):
        layer.weight_momentums = self.momentum * layer.weight_momentums - self.lr * layer.dweights
        layer.bias_momentums = self.momentum * layer.bias_momentums - self.lr * layer.dbiases
        layer.weights += layer.weight_momentums
        layer.biases += layer.bias_momentums

class Model:
    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def set(self, *, loss, optimizer):
        self.loss, self.optimizer = loss, optimizer

    def forward(self, X):
        for layer in self.layers:
            layer.forward(X)
            X = layer.output
        return X

    def train(self, X, y, epochs=1):
        for _ in range(epochs):
            output = self.forward(X)
            self.loss.forward(output, y)
            self.loss.backward(output, y)
            self.go_back(self.loss.dinputs)
            for layer in self.layers:
                if hasattr(layer, "weights"):
                    self.optimizer.update_params(layer)

    def go_back(self, dvalues):
        for layer in reversed(self.layers):
            layer.backward(dvalues)
            dvalues = layer.dinputs

class StuckModel(Model):
    def go_back(self, dvalues):
        for layer in reversed(self.layers):
            layer.backward(dvalues)
"""

OWN_NETWORK = """
import numpy as np

class Linear:
    def __init__(self, input, output):
        self._parameters, self._gradient = np.random.randn(input, output), np.zeros((input, output))

    def zero_grad(self):
        self._gradient[:] = 0

    def forward(self, X):
        return X @ self._parameters

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T

class MSELoss:
    def forward(self, y, yhat):
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y)

class Sequentiel:
    def __init__(self, modules):
        self.modules = modules

    def forward(self, input):
        inputs = [input]
        for module in self.modules:
            inputs.append(module.forward(inputs[-1]))
        return inputs

    def backward(self, outputs, delta, eps):
        for module, x in zip(self.modules[::-1], outputs[-2::-1]):
            before = module.backward_delta(x, delta)
            module.backward_update_gradient(x, delta)
            module.update_parameters(gradient_step=eps)
            module.zero_grad()
            delta = before

def mini_SGD(net, datax, datay, batch_size, nb_iteration, loss_fonction, eps=1e-5):
    for _ in range(nb_iteration):
        for _ in range(len(datax) // batch_size):
            a = np.random.choice(len(datax), batch_size, replace=False)
            outputs = net.forward(datax[a])
            net.backward(outputs, loss_fonction.backward(datay[a], outputs[-1]), eps)
    return net

def mini_SGD_up(net, datax, datay, batch_size, nb_iteration, loss_fonction, eps=1e-5):
    for _ in range(nb_iteration):
        for _ in range(len(datax) // batch_size):
            a = np.random.choice(len(datax), batch_size, replace=False)
            outputs = net.forward(datax[a])
            net.backward(outputs, loss_fonction.backward(datay[a], outputs[-1]), -eps)
    return net
"""

ZEROES = """
import numpy as np
from layers import Linear, MSELoss

class Sequential:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, X):
        self.inputs = [X]
        for layer in self.layers:
            self.inputs.append(layer.forward(self.inputs[-1]))
        return self.inputs[-1]

    def backward(self, delta):
        for layer, x in zip(self.layers[::-1], self.inputs[-2::-1]):
            layer.backward_update_gradient(x, delta)
            delta = layer.backward_delta(x, delta)

    def update_parameters(self, gradient_step=0.001):
        for layer in self.layers:
            layer.update_parameters(gradient_step)
            layer.zero_grad()

def MiniBatchGD(net, loss, x, y, batch_size, epochs=5, eps=0.001):
    inds = np.random.permutation(len(x))
    for _ in range(epochs):
        for i in range(len(x) // batch_size):
            some = inds[i * batch_size : (i + 1) * batch_size]
            net.backward(loss.backward(y[some], net.forward(x[some])))
            net.update_parameters(gradient_step=eps)

def FullBatchGD(net, loss, x, y, epochs=5, eps=0.001):
    for _ in range(epochs):
        net.backward(loss.backward(y, net.forward(x)))
        net.update_parameters(gradient_step=eps)
"""

CMU = """
import numpy as np

class Tanh:
    def forward(self, x):
        self.state = np.tanh(x)
        return self.state

    def derivative(self):
        return 1 - self.state**2

class SoftmaxCrossEntropy:
    def forward(self, x, y):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.labels = e / e.sum(axis=1, keepdims=True), y
        return -(y * np.log(self.p)).sum(axis=1)

    def derivative(self):
        return self.p - self.labels

class Linear:
    def __init__(self, in_feature, out_feature, weight_init_fn, bias_init_fn):
        self.W, self.b = weight_init_fn(in_feature, out_feature), bias_init_fn(out_feature)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, delta):
        self.dW, self.db = self.x.T @ delta / len(delta), delta.mean(axis=0, keepdims=True)
        return delta @ self.W.T

class MLP:
    def __init__(self, input_size, output_size, hiddens, activations, weight_init_fn, bias_init_fn, criterion, lr):
        sizes = [input_size, *hiddens, output_size]
        self.linear_layers = [Linear(n, m, weight_init_fn, bias_init_fn) for n, m in zip(sizes, sizes[1:])]
        self.activations, self.criterion, self.lr = activations, criterion, lr

    def forward(self, x):
        for layer, activation in zip(self.linear_layers, self.activations):
            x = activation.forward(layer.forward(x))
        self.out = x
        return x

    def backward(self, labels):
        self.criterion.forward(self.out, labels)
        delta = self.criterion.derivative()
        for i in range(len(self.linear_layers) - 1, -1, -1):
            delta = self.linear_layers[i].backward(delta * self.slope(i))

    def slope(self, i):
        return self.activations[i].derivative()

    def step(self):
        for layer in self.linear_layers:
            layer.W -= self.lr * layer.dW
            layer.b -= self.lr * layer.db

class FlatMLP(MLP):
    def slope(self, i):
        return 1.0 if i == 0 else self.activations[i].derivative()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What is said of each class and function: by hand-in and name, (kinds of findings, whether anything was judged)."""
    folder = tmp_path_factory.mktemp("own")
    texts = {
        "one_row": ONE_ROW, "keeps": KEEPS, "flagged": FLAGGED, "squares": SQUARES, "loaded": LOADED, "any_loss": ANY_LOSS,
        "own_network": OWN_NETWORK, "cmu": CMU,
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).mkdir()
        (folder / name / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "zeroes").mkdir()
    (folder / "zeroes" / "layers.py").write_text(OWN_NETWORK.split("class Sequentiel")[0], encoding="utf-8")
    (folder / "zeroes" / "train.py").write_text(ZEROES, encoding="utf-8")
    return {
        (h["name"], c["name"]): ({f["kind"] for f in c["findings"]}, any(v["verdict"] != "not checked" for v in c["verdicts"]))
        for h in hand_ins(*(folder / name for name in (*texts, "zeroes")))
        for c in h["classes"]
    }


RIGHT = [
    ("one_row", "Full"), ("one_row", "Given"), ("one_row", "GradientDescent"), ("one_row", "Momentum"),
    ("keeps", "MSELoss"), ("flagged", "linear_backward"), ("squares", "Cube"),
    ("loaded", "NeuralNetwork"), ("any_loss", "Optimizer_SGD"), ("any_loss", "Model"),
    ("own_network", "mini_SGD"), ("zeroes", "FullBatchGD"), ("cmu", "MLP"),
]  # fmt: skip
WRONG = [
    ("one_row", "Turned", {"sign"}),
    ("one_row", "GivenTwice", {"scale"}),
    ("one_row", "RMSProp", {"direction"}),
    ("keeps", "Fc", {"old-numpy"}),
    ("keeps", "Bend", {"function-for-derivative"}),
    ("keeps", "ByRowsLoss", {"scale"}),
    ("flagged", "affine_backward", {"scale"}),
    ("squares", "Square", {"missing-factor"}),
    ("loaded", "StuckNetwork", {"chain"}),
    ("any_loss", "StuckModel", {"chain", "direction"}),
    ("own_network", "mini_SGD_up", {"sign"}),
    ("zeroes", "MiniBatchGD", {"left-out"}),
    ("cmu", "FlatMLP", {"missing-factor"}),
]


@pytest.mark.parametrize(("hand_in", "name"), RIGHT)
def test_what_is_right_by_its_authors_own_convention_is_judged_and_nothing_is_said(found, hand_in, name):
    kinds, judged = found[hand_in, name]
    assert (kinds, judged) == (set(), True)


@pytest.mark.parametrize(("hand_in", "name", "wanted"), WRONG)
def test_a_mistake_beside_such_a_convention_has_its_name(found, hand_in, name, wanted):
    kinds, _ = found[hand_in, name]
    assert kinds
    assert kinds <= wanted
