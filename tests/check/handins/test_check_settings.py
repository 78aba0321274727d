"""Settings in which classes of other people's came to be misjudged: each with right and wrong classes of our own."""

import sys
from pathlib import Path

import numpy as np
import pytest

from modnet.check import check_module
from modnet.check.functions.pairs import examine_pair
from modnet.check.handins.ask import ask
from modnet.check.handins.classes import bases_of, kind_of, loaded_classes, looks_an_optimizer, why_not
from modnet.check.handins.examine import examine
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.loading import Loader
from modnet.check.handins.options import Options
from modnet.check.losses.check import examine_loss_object
from modnet.check.modules.contract import examine_module
from modnet.check.modules.other_styles import examine_other
from modnet.check.networks.workshop import Workshop
from modnet.check.optimizers.named import examine_optimizer


def said(report):
    return {(f.where.split(".")[-1], f.kind) for f in report.findings}


# --- names of methods, the layout of examples, how a constructor is told sizes ---------------------------------------


class ByPropagation:
    """Methods by the names that tutorials have."""

    def __init__(self, n_inputs, n_outputs):
        self.weights, self.bias = np.random.randn(n_inputs, n_outputs), np.zeros((1, n_outputs))

    def forward_propagation(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward_propagation(self, dout):
        self.dweights = self.x.T @ dout
        self.dbias = dout.mean(axis=0, keepdims=True)
        return dout @ self.weights.T


class KeepsOnRequest:
    """An activation that remembers only if it is told so."""

    def forward_propagate(self, Z, save_cache=False):
        if save_cache:
            self.Z = Z
        return np.maximum(Z, 0.2 * Z)

    def back_propagate(self, dA):
        return dA * np.where(self.Z > 0, 1, 0.1)


class InColumns:
    """An example is a column; the weights are made when the first input comes."""

    def __init__(self, units=5):
        self.units, self.params, self.grads = units, {}, {}

    def forward(self, X):
        if "W" not in self.params:
            self.params["W"], self.params["b"] = np.random.randn(self.units, len(X)), np.zeros((self.units, 1))
        self.X = X
        return self.params["W"] @ X + self.params["b"]

    def backward(self, dZ):
        self.grads["dW"], self.grads["db"] = dZ @ self.X.T / dZ.shape[1], dZ.sum(axis=1, keepdims=True)
        return self.params["W"].T @ dZ


class SoftmaxInColumns:
    def forward(self, X):
        e = np.exp(X - X.max(axis=0, keepdims=True))
        self.out = e / e.sum(axis=0, keepdims=True)
        return self.out

    def backward(self, dA):
        return self.out * (dA - (dA * self.out).sum(axis=0, keepdims=True))


class OneAtATime:
    """Shapes of one example in the constructor, and one example in forward, without an axis for the batch."""

    def __init__(self, shape_in, shape_out):
        self.shape_in, self.shape_out = shape_in, shape_out
        self.w = np.random.randn(int(np.prod(shape_out)), int(np.prod(shape_in)))
        self.grad_w = np.zeros_like(self.w)

    def forward(self, x):
        self.x = x.ravel()
        return (self.w @ self.x).reshape(self.shape_out)

    def backward(self, grad_y):
        self.grad_w = np.outer(grad_y.ravel(), self.x)
        return (grad_y.ravel() @ self.w).reshape(self.shape_in)


class Linear:
    """The contract's, told its sizes by a tuple, with words for its first weights."""

    def __init__(self, dimensions, init="uniform", bias=True):
        if init == "uniform":
            self._parameters, self._bias = np.random.rand(*dimensions) - 0.5, np.random.rand(1, dimensions[1]) * bias
        elif init == "normal":
            self._parameters = np.random.randn(*dimensions)
        self.bias, self._gradient, self._grad_bias = bias, np.zeros(dimensions), np.zeros((1, dimensions[1]))

    def forward(self, X):
        return X @ self._parameters + self._bias

    def zero_grad(self):
        self._gradient, self._grad_bias = 0 * self._gradient, 0 * self._grad_bias

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta
        if self.bias:
            self._grad_bias += delta.sum(axis=0)

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient
        if self.bias:
            self._bias -= gradient_step * self._grad_bias


class Smoothing:
    """Windows of one channel, padded or not by a word: what goes back through the padding is cut at the wrong end."""

    def __init__(self, k_size, padding="valid"):
        self.k_size, self.padding = k_size, padding

    def _padded(self, X):
        more = self.k_size - 1 if self.padding == "same" else 0
        return np.pad(X, ((0, 0), (more // 2, more - more // 2), (0, 0)))

    def forward(self, X):
        wide = self._padded(X)
        return sum(wide[:, i : wide.shape[1] - self.k_size + 1 + i] for i in range(self.k_size)) / self.k_size

    def backward_delta(self, input, delta):
        wide = np.zeros(self._padded(input).shape)
        for i in range(self.k_size):
            wide[:, i : i + delta.shape[1]] += delta / self.k_size
        return wide[:, : input.shape[1]]


class Pool:
    """A window called a kernel's shape, and all of several maxima."""

    def __init__(self, kernel_shape, stride=1):
        self.kernel_shape, self.stride = kernel_shape, stride

    def _windows(self, x):
        (h, w), s = self.kernel_shape, self.stride
        for i in range((x.shape[1] - h) // s + 1):
            for j in range((x.shape[2] - w) // s + 1):
                yield i, j, (slice(None), slice(i * s, i * s + h), slice(j * s, j * s + w))

    def forward(self, x):
        self.x = x
        found = {(i, j): x[place].max(axis=(1, 2)) for i, j, place in self._windows(x)}
        rows, columns = (max(k) + 1 for k in zip(*found, strict=True))
        return np.stack([np.stack([found[i, j] for j in range(columns)], axis=1) for i in range(rows)], axis=1)

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for i, j, place in self._windows(self.x):
            part = self.x[place]
            dx[place] += (part == part.max(axis=(1, 2), keepdims=True)) * dout[:, i, j][:, None, None]
        return dx


# --- what only shows in training, in the second call, far out --------------------------------------------------------


class Dropout:
    """It is put into training from outside, and forgets its mask on the way back."""

    def __init__(self, prob=0.5):
        self.prob, self.is_training = prob, False

    def forward(self, x):
        if not self.is_training:
            return x
        self.mask = np.random.random(x.shape) > self.prob
        return x * self.mask / (1 - self.prob)

    def backward(self, grad_y):
        return grad_y


class Adds:
    """What it gave in the call before is still in what it gives."""

    def __init__(self):
        self.grad_x = 0

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        self.grad_x = self.grad_x + 2 * self.x * dout
        return self.grad_x


class LogSoftmax:
    """Stable forward, only the diagonal back, and that without the maximum taken away."""

    def forward(self, X):
        low = X - X.max(axis=1, keepdims=True)
        return low - np.log(np.exp(low).sum(axis=1, keepdims=True))

    def backward_delta(self, input, delta):
        return delta * (1 - np.exp(input) / np.exp(input).sum(axis=1, keepdims=True))


class AlwaysDrops(Dropout):
    """Nothing tells it that this is an evaluation."""

    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        self.mask = (np.random.random(x.shape) > self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Dense:
    """All units begin alike, and a step gives the bias the shape of the batch."""

    def __init__(self, n_in, n_out):
        self.weights, self.bias = np.zeros((n_in, n_out)), np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, grad, learning_rate):
        back = grad @ self.weights.T
        self.weights = self.weights - learning_rate * self.x.T @ grad
        self.bias = self.bias - learning_rate * grad
        return back


class Function:
    """Calling it keeps what backward reads; forward alone does not."""

    def __call__(self, *given):
        out = self.forward(*given)
        self.local_grads = self.calculate_local_grads(*given)
        return out


class Called(Function):
    def __init__(self, n_in, n_out):
        self.weights, self.weights_global_grads = {"w": np.random.randn(n_in, n_out)}, {}

    def forward(self, x):
        return x @ self.weights["w"]

    def calculate_local_grads(self, x):
        return {"x": self.weights["w"], "w": x}

    def backward(self, global_grad):
        self.weights_global_grads = {"w": -self.local_grads["w"].T @ global_grad}
        return global_grad @ self.local_grads["x"].T


class InLists:
    """Backward takes a list of what comes from above, one for each call of forward."""

    def __init__(self):
        self.inputs = []

    def forward(self, x):
        self.inputs.append(x)
        return x**3

    def backward(self, gradients: list[np.ndarray]):
        inputs, self.inputs = self.inputs, []
        return [3 * x * g for x, g in zip(inputs, gradients, strict=True)]


@pytest.mark.parametrize(
    ("cls", "findings"),
    [
        (Called, {("backward", "sign")}),
        (InLists, {("backward", "missing-factor")}),
        (AlwaysDrops, {("forward", "eval-mode")}),
        (Dense, {("backward", "shape"), ("__init__", "symmetric-init")}),
        (ByPropagation, {("backward_propagation", "scale")}),
        (KeepsOnRequest, {("back_propagate", "scale")}),
        (InColumns, {("backward", "scale")}),
        (OneAtATime, set()),
        (Linear, {("forward", "crash")}),
        (Smoothing, {("backward_delta", "padding")}),
        (Pool, {("backward", "ties")}),
        (Dropout, {("backward", "identity")}),
        (Adds, {("backward", "double-counts")}),
        (LogSoftmax, {("backward_delta", "diagonal"), ("backward_delta", "saturates")}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_class_in_its_setting(cls, findings):
    report = examine_module(cls)
    assert said(report) == findings, str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


def test_what_was_found_in_a_setting_says_which():
    by_option = {cls: str(examine_module(cls)) for cls in (Linear, Smoothing, Dropout)}
    assert "with init='normal'" in by_option[Linear]
    assert "with padding='same'" in by_option[Smoothing]
    assert "in training, with is_training=True" in by_option[Dropout]


def test_a_number_where_a_tuple_is_wanted_is_no_mistake_of_the_class():
    class Affine(Linear):
        def __init__(self, size):
            super().__init__((size[0], size[1]))

    report = examine_module(Affine)
    assert report.ok
    assert "--make" in report.verdicts[0][2]


def test_a_layer_that_is_told_its_neighbours_is_not_checked_alone():
    class Joined(ByPropagation):
        def connect(self, network, before, after):
            self.network = network

    report = examine_module(Joined)
    assert report.ok
    assert "connect(network, before, after)" in report.verdicts[0][2]


def test_a_layer_that_wants_an_optimizer_is_not_checked_alone():
    class Trained(ByPropagation):
        optimizer = None

        def backward_propagation(self, dout):
            assert self.optimizer is not None, "undefined optimizer"

    report = examine_module(Trained)
    assert report.ok
    assert "sets first" in report.verdicts[0][2]


def test_a_loss_that_is_right_for_one_column_alone_is_not_right():
    class MseLoss:
        def loss(self, y_true, y_pred):
            return 0.5 * np.linalg.norm(y_pred - y_true, ord=2) ** 2  # of a matrix: its largest singular value

        def grad(self, y_true, y_pred):
            return y_pred - y_true

    (finding,) = examine_loss_object(MseLoss(), "MseLoss").findings
    assert finding.kind == "forward"
    assert "with one output it is right" in finding.message


def test_a_softmax_in_terms_of_the_input_is_told_both_things():
    class Softmax(SoftmaxInColumns):
        def forward(self, X):
            self.X = X
            return super().forward(X.T).T

        def backward(self, dA):
            return dA * self.X * (1 - self.X)

    (finding,) = check_module(Softmax(), (4, 3)).findings
    assert finding.kind == "at-output"
    assert "diagonal" in finding.hint


def test_a_dropout_that_its_network_leaves_out_needs_not_be_told(tmp_path):
    path = tmp_path / "net.py"
    dropout = Loaded(AlwaysDrops, "module", path)
    for line, findings in (
        ("for layer in layers: pass", {("forward", "eval-mode")}),
        ("isinstance(layer, AlwaysDrops)", set()),
        ("def summary(net):\n    print(isinstance(net[0], AlwaysDrops))", {("forward", "eval-mode")}),
    ):
        path.write_text(line, encoding="utf-8")
        assert said(ask(dropout, Project([dropout]), Options())) == findings


def test_a_loss_of_one_example_is_no_batch_of_numbers():
    class CceLoss:
        def call(self, prediction, target):
            return -np.log(prediction) @ target

        def deriv(self, prediction, target):
            return 1 - target / prediction

    assert said(examine_loss_object(CceLoss(), "CceLoss")) == {("call", "saturates"), ("deriv", "other-function")}


def test_a_static_loss_that_writes_is_told_the_name_and_no_line_of_its_text():
    class Entropy:
        @staticmethod
        def compute_loss(labels, predictions, epsilon=1e-8):
            """Give the loss; epsilon *= 1 is what this line looks like."""
            predictions /= predictions.sum(axis=1, keepdims=True)
            return -(labels * np.log(predictions + epsilon)).sum()

        @staticmethod
        def compute_derivative(labels, predictions):
            return -labels / predictions

    writes = next(f for f in examine_loss_object(Entropy(), "CrossEntropy").findings if f.kind == "mutates")
    assert "predictions" in writes.hint
    assert "looks like" not in str(writes.line)


# --- files -----------------------------------------------------------------------------------------------------------

COUNTS = """
places = {"dense": 1}

def place_of(kind):
    global places
    places[kind] = places.get(kind, 0) + 1
    return places[kind]
"""
LAYERS = """
import numpy as np
from counts import place_of as place

class Base:
    def __init__(self, shape=None):
        self.shape = shape
        self.w = np.zeros(self.shape)

class Power(Base):
    def forward(self, x):
        return self.power(x)

    def power(self, x):
        raise NotImplementedError

    def backward(self, dout):
        return dout

class Square(Power):
    def power(self, x):
        self.x, self.place, out = x, place("square"), np.zeros(x.shape)
        for i in range(len(x)):
            for j in range(x.shape[1]):
                out[i, j] = x[i, j : j + 1] ** 2
        return out

    def backward(self, dout):
        return 3 * self.x * dout
"""


@pytest.fixture
def project(tmp_path):
    """The project that two files make, and their loader."""
    for name, text in (("counts.py", COUNTS), ("layers.py", LAYERS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    loader = Loader(tmp_path, sorted(tmp_path.glob("*.py")))
    loader.load_all()
    files = list(loader.files.values())
    yield Project([c for file in files for c in loaded_classes(file, bases_of(files))])
    for name in [name for name in sys.modules if name.startswith("hand_in")]:
        del sys.modules[name]


def test_a_function_of_another_file_has_what_it_reads_and_no_shape_is_an_old_numpys(project):
    found = {c.name: examine(c, project, Options()) for c in project.of("module")}
    assert list(found) == ["Square"]  # Power leaves what it calls to others
    kinds = {(f["where"], f["kind"]) for f in found["Square"]["report"]["findings"]}
    assert kinds == {("Square.backward", "scale"), ("Square.__init__", "old-numpy"), ("Square.power", "old-numpy")}


def test_examples_are_columns_if_they_are_in_another_layer_of_the_project(project):
    both = [Loaded(cls, "module", Path(__file__)) for cls in (SoftmaxInColumns, InColumns)]
    alone, beside = (ask(both[0], Project(classes), Options()) for classes in (both[:1], both))
    assert [verdict for _, verdict, _ in alone.verdicts] == ["not checked"]
    assert beside.ok, str(beside)
    assert "InColumns" in beside.notes[0]


def test_who_changes_a_rate_by_a_metric_is_no_optimizer():
    class Plateau:
        def step(self, metric, optimizer):
            optimizer.lr *= 0.1 if metric > 1 else 1

    assert kind_of(Plateau) == ""


# --- networks --------------------------------------------------------------------------------------------------------


class Chain:
    """Its layers come by an argument that says nothing, and by default none."""

    def __init__(self, m=None):
        self.modules = m

    def forward(self, x):
        self.inputs = [x]
        for module in self.modules:
            self.inputs.append(module.forward(self.inputs[-1]))
        return self.inputs[-1]

    def backward(self, delta):
        for module, x in zip(self.modules[::-1], self.inputs[-2::-1], strict=True):
            module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)
        return delta

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def update_parameters(self, gradient_step):
        for module in self.modules:
            module.update_parameters(gradient_step)


class Filled(Chain):
    """Whoever uses it puts the layers into its list."""

    def __init__(self):
        super().__init__([])


class StepWithValidation:
    def __init__(self, net, loss, eps):
        self.net, self.loss, self.eps = net, loss, eps

    def step(self, batch_xtrain, batch_ytrain, batch_xvalid, batch_yvalid):
        yhat = self.net.forward(batch_xtrain)
        self.net.zero_grad()
        self.net.backward(self.loss.backward(batch_ytrain, yhat))
        self.net.update_parameters(self.eps)
        return self.loss.forward(batch_yvalid, self.net.forward(batch_xvalid)).mean()


@pytest.mark.parametrize("network", [Chain, Filled])
def test_a_network_gets_layers_however_it_holds_them(network):
    workshop = Workshop([Linear], [], [network], set())
    report = workshop.examine_network(network)
    assert report.ok, str(report)
    assert any(verdict == "right" for _, verdict, _ in report.verdicts), str(report)


def test_a_step_that_takes_examples_for_a_validation_too():
    report = Workshop([], [], [Chain], set()).examine_optim(StepWithValidation)
    assert report.ok, str(report)
    assert any(verdict == "right" for _, verdict, _ in report.verdicts), str(report)


class Logistic:
    """It keeps the probabilities as its output, and the loss under another name; a mean in the loss that backward has too."""

    def __init__(self):
        self.output = self.loss_value = None

    def forward(self, inputs, y_true):
        self.output = (1 + np.tanh(inputs / 2)) / 2
        self.loss_value = np.mean(np.logaddexp(0, inputs) - y_true * inputs)

    def backward(self, y_pred, y_true):
        self.dinputs = (y_pred - y_true) / y_true.size


class LogisticByExamples(Logistic):
    def backward(self, y_pred, y_true):
        self.dinputs = (y_pred - y_true) / len(y_true)


def test_a_loss_that_keeps_probabilities_beside_its_value():
    report = examine_loss_object(Logistic(), "BinaryCrossEntropy")
    assert report.ok, str(report)
    scaled = [f for f in examine_loss_object(LogisticByExamples(), "BinaryCrossEntropy").findings if f.kind == "scale"]
    assert ["the same in both" in f.hint for f in scaled] == [True]


class DenseLayer:
    """It is told its inputs later: its one number is that of its outputs."""

    def __init__(self, n_out, init_type):
        self.n_out, self.init_type = n_out, init_type

    def init(self, n_in):
        self.w = np.random.normal(size=(n_in, self.n_out)) / np.sqrt(n_in)

    def forward(self, inputs):
        self.inputs = inputs["data"]
        return {"data": self.inputs @ self.w}

    def backward(self, dout):
        return {"data": dout["data"] @ self.w.T}


def test_a_layer_told_its_inputs_later_is_not_taken_for_one_that_crashes():
    report = examine_other(DenseLayer)
    assert report.ok, str(report)


def dropout_forward(x, dropout):
    mask = np.random.rand(*x.shape) < 1 - dropout
    return x * mask / (1 - dropout), (mask, dropout)


def dropout_backward(dout, cache):
    mask, dropout = cache
    return dout * mask * (1 - dropout)


def test_a_pair_of_functions_gets_the_rate_it_drops_at():
    report = examine_pair(dropout_forward, dropout_backward)
    assert "scale" in {f.kind for f in report.findings}, str(report)


class Momentum:
    def minimize(self, w, dw, speed):
        speed = 0.9 * speed + dw
        return w - 0.1 * speed, speed


def test_an_optimizer_of_an_unknown_form_is_said_not_to_be_checked():
    assert looks_an_optimizer(Momentum)
    assert why_not(Momentum).endswith("it has minimize")
    assert not looks_an_optimizer(type("Trainer", (), {"minimize": Momentum.minimize}))


class HoldsDicts:
    """Layers that it goes through itself; each has its numbers in a dict."""

    def __init__(self, parameters, learning_rate):
        self.parameters, self.lr = parameters, learning_rate

    def step(self):
        for layer in self.parameters:
            for key in layer.weights:
                layer.weights[key] = layer.weights[key] - self.moved(layer.grad_weights[key])

    def moved(self, g):
        return self.lr * g


class WrongWay(HoldsDicts):
    def moved(self, g):
        return -self.lr * g


class GoesThroughLayers(HoldsDicts):
    def step(self):
        for layer in self.parameters:
            layer.W -= self.moved(layer.dW)
            layer.b -= self.moved(layer.db)


def test_an_optimizer_that_goes_through_the_layers_itself():
    for way in (HoldsDicts, GoesThroughLayers):
        right = type("SGD", (way,), {})
        report = examine_optimizer(right)
        assert report.ok, str(report)
        assert any(verdict == "right" for _, verdict, _ in report.verdicts), str(report)
    (finding,) = examine_optimizer(type("SGD", (WrongWay,), {})).findings
    assert finding.kind == "sign"


class EnFrancais:
    """Methods by French names."""

    def __init__(self, nb_entrees, nb_sorties):
        self.w = np.random.normal(size=(nb_entrees, nb_sorties))

    def calcule(self, x):
        self.x = x
        return x @ self.w

    def retropropage(self, dout):
        self.dw = dout.T @ self.x
        return dout @ self.w.T


def test_a_layer_with_methods_by_french_names():
    assert kind_of(EnFrancais) == "module"
    assert ("retropropage", "shape") in said(examine_module(EnFrancais))


class NarrowBias:
    """Weights are float64, and a bias of float32 is beside them."""

    factor = 1.0

    def __init__(self, n, m):
        self.weights, self.biases = np.random.randn(n, m), np.zeros((1, m), dtype=np.float32)

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0, keepdims=True) * self.factor
        return dvalues @ self.weights.T


def test_a_narrow_bias_beside_wide_weights_is_measured_as_narrow():
    assert check_module(NarrowBias(3, 2), (4, 3)).ok
    wrong = type("NarrowBias", (NarrowBias,), {"factor": 1.001})
    assert [f.kind for f in check_module(wrong(3, 2), (4, 3)).findings] == ["scale"]


def test_a_loss_that_is_called_otherwise_is_not_put_beside_an_optimizer():
    class MSE:
        def cost(self, y, yhat):
            return np.mean((yhat - y) ** 2)

        def derivative(self, y, yhat):
            return 2 * (yhat - y) / yhat.size

    class Optim:
        def __init__(self, net, loss, eps):
            self.net, self.loss, self.eps = net, loss, eps

        def step(self, X, y):
            self.net.zero_grad()
            self.net.backward(X, self.loss.backward(y, self.net.forward(X)))
            self.net.update_parameters(self.eps)

    report = Workshop([], [MSE]).examine_optim(Optim)  # the check itself does not stop
    assert "with MSELoss" in report.subject
    assert report.ok, report
