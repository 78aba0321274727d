"""What the checker builds by itself: two mistakes at once, modules in many settings, losses' conventions, networks and optimizers."""

import functools
import sys

import numpy as np
import pytest
from corpus import Conv1D, Linear, TanH
from corpus_pairs import PAIRS, SETTINGS
from students import Optim, Sequentiel

from modnet.check import check_loss, check_module, check_network
from modnet.check.losses.check import examine_loss
from modnet.check.modules.contract import examine_module
from modnet.check.networks.assembled import examine_assembled
from modnet.check.networks.workshop import Workshop
from modnet.check.reading.arguments import NotBuilt
from modnet.check.simple import check as simple_check


def said(report):
    return {(f.where.split(".")[-1], f.kind) for f in report.findings}


@pytest.mark.parametrize(("findings", "cls", "make", "input"), PAIRS, ids=[f"{i}-{p[1].__name__}" for i, p in enumerate(PAIRS)])
def test_every_mistake_that_stands_on_its_own_is_said(findings, cls, make, input):
    report = check_module(make(), input)
    assert said(report) == findings, str(report)


@pytest.mark.parametrize(("cls", "findings"), SETTINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_class_in_its_setting(cls, findings):
    report = examine_module(cls)
    assert said(report) == findings, str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


def test_what_cannot_be_built_without_a_guess_is_not_checked():
    class Encoder(TanH):
        def __init__(self, corpus, vocabulary):
            self.corpus, self.vocabulary = corpus, vocabulary

    report = examine_module(Encoder)
    assert report.ok
    assert report.verdicts[0][1] == "not checked"
    assert "--make" in report.verdicts[0][2]


class CountsWindows(Conv1D):
    """Wrong where windows overlap."""

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i in range(self.count(input)):
            part = np.tensordot(delta[:, i], self._parameters, ([1], [2]))
            dx[:, i * self.stride : i * self.stride + self.k_size] = part
        return dx


class Maker:
    """What builds a convolution, and is no class of one."""

    def __call__(self, k_size, chan_in, chan_out, stride):
        return CountsWindows(k_size, chan_in, chan_out, stride)


@pytest.mark.parametrize(
    "make",
    [
        lambda k_size, chan_in, chan_out, stride: CountsWindows(k_size, chan_in, chan_out, stride),
        lambda k_size, chan_in, chan_out, **more: CountsWindows(k_size, chan_in, chan_out, **more),
        functools.partial(CountsWindows),
        Maker(),
    ],
    ids=["function", "rest", "partial", "object"],
)
def test_other_sizes_are_built_by_whatever_is_called(make):
    report = check_module(CountsWindows(3, 2, 4, 2), (2, 8, 2), make=make)
    assert said(report) == {("backward_delta", "overlap")}, str(report)


# Losses


class Loss:
    def forward(self, y, yhat):
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y)


def loss(name, **methods):
    return type(name, (Loss,), methods)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def clipped(y, p):
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def in_whole_numbers(self, y, yhat):
    out = np.zeros(yhat.shape, int)
    out[...] = 2 * (yhat - y)
    return out


LOSSES = [
    # A convention is said, and the check goes on through it.
    ({("forward", "shape")}, loss("MSELoss", forward=lambda s, y, z: (y - z) ** 2)),
    ({("forward", "shape"), ("backward", "sign")}, loss("MSELoss", forward=lambda s, y, z: (y - z) ** 2, backward=lambda s, y, z: 2 * (y - z))),
    ({("forward", "shape"), ("backward", "scale")}, loss("MSE", forward=lambda s, y, z: ((y - z) ** 2).mean())),
    ({("forward", "shape")}, loss("CoutMSE", forward=lambda s, y, z: ((y - z) ** 2).sum(axis=1, keepdims=True))),
    ({("forward", "forward"), ("backward", "scale")}, loss("MSELoss", forward=lambda s, y, z: ((y - z) ** 2).mean(axis=1))),
    ({("forward", "shape"), ("backward", "sign")},
     loss("MSELoss", forward=lambda s, y, z: ((y.reshape(-1, 1) - z) ** 2).sum(axis=1), backward=lambda s, y, z: 2 * (y.reshape(-1, 1) - z))),
    # One column is what these take.
    (set(), loss("HingeLoss", forward=lambda s, y, z: np.maximum(0, 1 - y.ravel() * z.ravel()),
                 backward=lambda s, y, z: np.where(y * z < 1, -y, 0.0))),
    # Another constant is no other function.
    (set(), loss("CELoss", forward=lambda s, y, z: 1 - (y * z).sum(axis=1), backward=lambda s, y, z: -1.0 * y)),
    ({("backward", "other-function")}, loss("CELoss", forward=lambda s, y, z: 1 - (y * z).sum(axis=1), backward=lambda s, y, z: z - y)),
    ({("backward", "other-function")},
     loss("NLL", forward=lambda s, y, z: -(y * z).sum(axis=1), backward=lambda s, y, z: np.exp(z) - y)),
    ({("backward", "other-function"), ("backward", "scale")},
     loss("CrossEntropy", forward=lambda s, y, z: -(y * np.log(softmax(z) + 1e-300)).sum(axis=1), backward=lambda s, y, z: (z - y) / len(y))),
    ({("backward", "eps")}, loss("ScoreCE", forward=lambda s, y, z: np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1) + 1e-3)
                                 + z.max(axis=1) - (y * z).sum(axis=1), backward=lambda s, y, z: softmax(z) - y)),
    ({("forward", "shape")}, loss("BCE", forward=lambda s, y, z: clipped(y, np.clip(z, 1e-9, 1 - 1e-9)),
                                  backward=lambda s, y, z: (np.clip(z, 1e-9, 1 - 1e-9) - y) / (np.clip(z, 1e-9, 1 - 1e-9) * (1 - np.clip(z, 1e-9, 1 - 1e-9))))),
    # A mean that forward takes is no second mistake; probabilities cut off at 0 are no scores; softmax is missing, not mixed up.
    ({("forward", "shape"), ("backward", "other-function")},
     loss("CrossEntropyLoss", forward=lambda s, y, z: -(y * np.log(z.clip(1e-10, 1))).sum() / len(y), backward=lambda s, y, z: (z - y) / len(y))),
    (set(), loss("CCELoss", forward=lambda s, y, z: -(y * np.log(z.clip(1e-12, 1))).sum(axis=1), backward=lambda s, y, z: -y / z.clip(1e-12, 1))),
    ({("forward", "forward"), ("backward", "scale")},
     loss("BCELoss", forward=lambda s, y, z: clipped(y, z.clip(1e-8, 1 - 1e-8)).mean(axis=1),
          backward=lambda s, y, z: (z.clip(1e-8, 1 - 1e-8) - y) / (z.clip(1e-8, 1 - 1e-8) * (1 - z.clip(1e-8, 1 - 1e-8))))),
    ({("backward", "integer-result")}, loss("MSELoss", backward=in_whole_numbers)),
    ({("backward", "stateful")}, loss("MSELoss", forward=lambda s, y, z: setattr(s, "d", z - y) or (s.d**2).sum(axis=1),
                                      backward=lambda s, y, z: 2 * s.d)),
    ({("backward", "scale")},
     type("MAELoss", (Loss,), {"forward": lambda s, y, z: np.abs(y - z).sum(axis=1),
                               "backward": lambda s, y, z, mean=False: np.sign(z - y) / (len(y) if mean else 1)})),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "cls"), LOSSES, ids=[f"{i}-{cls.__name__}" for i, (_, cls) in enumerate(LOSSES)])
def test_conventions_of_losses_are_said_and_checked_through(findings, cls):
    report = examine_loss(cls)
    assert said(report) == findings, str(report)


def test_what_a_loss_is_told_fits_its_lines():
    def product_of_matrices(self, y, yhat):
        return (y - yhat) @ (y - yhat).T

    def all_columns(self, y, yhat):
        return np.log(np.exp(yhat).sum(axis=1)) - yhat[:, y]

    product = examine_loss(loss("MSELoss", forward=product_of_matrices)).findings
    columns = examine_loss(loss("CELoss", forward=all_columns, backward=lambda s, y, z: softmax(z) - np.eye(3)[y])).findings
    assert ["transpose" in product[0].hint, "columns" in columns[0].hint] == [True, True], (product, columns)
    scores = examine_loss(
        loss("SoftmaxCE", forward=lambda s, y, z: -(y * np.log(softmax(z))).sum(axis=1), backward=lambda s, y, z: z - y)
    ).findings  # fmt: skip
    assert any("so it is softmax(yhat) - y" in f.message for f in scores), scores
    means = examine_loss(loss("MSELoss", forward=lambda s, y, z: ((y - z) ** 2).mean(), backward=lambda s, y, z: 2 * (z - y) / len(y)))
    assert "it is 3, the number of features" in means.findings[1].message


# Networks and optimizers


class Listed(Sequentiel):
    """A list, forward returns all outputs, and backward is given them."""

    def __init__(self, modules):
        self.modules = modules

    def forward(self, X):
        outputs = [X]
        for m in self.modules:
            outputs.append(m.forward(outputs[-1]))
        return outputs

    def backward(self, outputs, delta):
        for m, x in zip(self.modules[::-1], outputs[-2::-1]):
            m.backward_update_gradient(x, delta)
            delta = m.backward_delta(x, delta)

    backward_update_gradient = None


class Fitted(Sequentiel):
    """Built empty; backward is given the loss, and takes the steps."""

    def __init__(self):
        self.modules = []

    def add(self, module):
        self.modules.append(module)

    def backward(self, y, yhat, loss_fn, eps=1e-2):
        delta = loss_fn.backward(y, yhat)
        for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
            m.zero_grad()
            m.backward_update_gradient(x, delta)
            below = m.backward_delta(x, delta)
            m.update_parameters(eps)
            delta = below

    backward_update_gradient = None


def moves_first(self, y, yhat, loss_fn, eps=1e-2):
    delta = loss_fn.backward(y, yhat)
    for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)
        m.update_parameters(eps)
        delta = m.backward_delta(x, delta)


def stops_early(self, outputs, delta):
    for m, x in list(zip(self.modules[::-1], outputs[-2::-1]))[:-1]:
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def skips_activations(self, input, delta):
    for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)
        if m._parameters is not None:
            delta = m.backward_delta(x, delta)


def only_arrays(self, gradient_step=1e-3):
    for m in self.modules:
        if m._gradient != None:  # noqa: E711
            m.update_parameters(gradient_step)


class Reseau:
    """The statement's network under names of its own, and its backward is not written yet."""

    def __init__(self):
        self.couches = []

    def ajoute(self, module):
        self.couches.append(module)

    def calcule(self, X):
        for couche in self.couches:
            X = couche.forward(X)
        return X

    def retropropage(self, X, delta):
        pass


class Holding(Sequentiel):
    """It holds its loss, and its backward is given the targets."""

    def __init__(self, loss, *modules):
        if not modules:
            raise ValueError("no module")
        super().__init__(*modules)
        self.loss = loss

    def backward(self, y, yhat):
        Sequentiel.backward_update_gradient(self, None, self.loss.backward(y, yhat))

    backward_update_gradient = None


class Mirrored:
    """A coder and its mirror, which share no layers."""

    def __init__(self, *modules):
        self.encoder = Halves(*modules)
        self.decoder = Halves(*[Linear(*m._parameters.shape[::-1]) for m in modules[::-1] if m._parameters is not None])

    def forward(self, X):
        return self.decoder.forward(self.encoder.forward(X))

    def backward(self, delta):
        self.encoder.backward(self.decoder.backward(delta))

    def zero_grad(self):
        self.encoder.zero_grad()
        self.decoder.zero_grad()

    def update_parameters(self, eps):
        self.encoder.update_parameters(eps)
        self.decoder.update_parameters(eps)


class Halves(Sequentiel):
    def backward(self, delta):
        for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
            m.backward_update_gradient(x, delta)
            delta = m.backward_delta(x, delta)
        return delta

    backward_update_gradient = None


def at_its_output(self, delta):
    for m, x, out in zip(self.modules[::-1], self.inputs[-2::-1], self.inputs[::-1]):
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(out if m._parameters is None else x, delta)
    return delta


NETWORKS = [
    (set(), Holding),
    ({("backward", "sign")}, type("Holding", (Holding,), {"backward": lambda s, y, yhat: Holding.backward(s, yhat, y)})),
    (set(), Mirrored),
    ({("backward", "at-output")}, type("Halves", (Halves,), {"backward": at_its_output})),
    ({("retropropage", "not-implemented")}, Reseau),
    (set(), Sequentiel),
    (set(), Listed),
    (set(), Fitted),
    ({("backward", "updates-first")}, type("Fitted", (Fitted,), {"backward": moves_first})),
    ({("backward", "missing-parameter")}, type("Listed", (Listed,), {"backward": stops_early})),
    ({("backward_update_gradient", "identity")}, type("Sequentiel", (Sequentiel,), {"backward_update_gradient": skips_activations})),
    ({("update_parameters", "crash")}, type("Sequentiel", (Sequentiel,), {"update_parameters": only_arrays})),
    ({("update_parameters", "lr-ignored")},
     type("Sequentiel", (Sequentiel,), {"update_parameters": lambda s, eps: [m.update_parameters() for m in s.modules]})),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "cls"), NETWORKS, ids=[f"{i}-{cls.__name__}" for i, (_, cls) in enumerate(NETWORKS)])
@pytest.mark.parametrize("own", [True, False])
def test_a_network_is_wired_as_its_constructor_says_and_judged_by_what_each_layer_is_given(findings, cls, own):
    report = Workshop([Linear, TanH] if own else []).examine_network(cls)
    assert said(report) == findings, str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


def test_inputs_that_are_kept_from_the_start_on_are_called_so():
    class Keeps(Sequentiel):
        def __init__(self, *modules):
            super().__init__(*modules)
            self.inputs = []

        def forward(self, X):
            self.inputs.append(X)
            for m in self.modules:
                self.inputs.append(m.forward(self.inputs[-1]))
            return self.inputs[-1]

        def backward_update_gradient(self, input, delta):
            for m, x in reversed(list(zip(self.modules, self.inputs))):
                m.backward_update_gradient(x, delta)
                delta = m.backward_delta(x, delta)

    assert said(Workshop().examine_network(Keeps)) == {("backward_update_gradient", "stateful")}


def test_zero_grad_of_a_network_reaches_every_layer():
    class Forgets(Sequentiel):
        def zero_grad(self):
            for m in self.modules[1:]:
                m.zero_grad()

    report = Workshop().examine_network(Forgets)
    assert said(report) == {("zero_grad", "never-zeroed")}
    assert "layer 0" in report.findings[0].message


def test_a_network_is_judged_though_its_layers_are_wrong():
    class Wrong(Linear):
        def backward_delta(self, input, delta):
            return 2 * super().backward_delta(input, delta)

    Wrong.__name__ = "Linear"
    workshop = Workshop([Wrong, TanH], wrong=[Wrong])
    assert workshop.examine_network(Listed).ok
    assert said(workshop.examine_network(type("Listed", (Listed,), {"backward": stops_early}))) == {
        ("backward", "missing-parameter")
    }


class Called(Optim):
    """The loss's class, called, its mean taken; the network called."""

    def __init__(self, net, loss, eps=1e-3):
        self.net, self.loss, self.eps = net, loss(), eps

    def step(self, batch_x, batch_y):
        yhat = self.net(batch_x)
        cost = self.loss(batch_y, yhat).mean()
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat))
        self.net.update_parameters(self.eps)
        return cost


class WithData(Optim):
    """Given the data too."""

    def __init__(self, net, loss, datax, datay, batch_size=10, eps=0.01):
        super().__init__(net, loss, eps)


def swapped(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.zero_grad()
    self.net.backward_update_gradient(batch_x, self.loss.backward(yhat, batch_y))
    self.net.update_parameters(self.eps)


def forgetful(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat))
    self.net.update_parameters(self.eps)


class OfList(Optim):
    """Its network is the list of modules."""

    def step(self, batch_x, batch_y):
        outputs = [batch_x]
        for m in self.net:
            outputs.append(m.forward(outputs[-1]))
        delta = self.loss.backward(batch_y, outputs[-1])
        for j in range(len(self.net))[::-1]:
            self.net[j].zero_grad()
            self.net[j].backward_update_gradient(outputs[j], delta)
            delta = self.net[j].backward_delta(outputs[j], delta)
        for m in self.net:
            m.update_parameters(self.eps)


class OfCoder(Optim):
    """The target is the input."""

    def step(self, batch_x):
        self.net.zero_grad()
        self.net.backward(self.loss.backward(batch_x, self.net.forward(batch_x)))
        self.net.update_parameters(self.eps)


class Zeroing(Sequentiel):
    """Its update puts the gradients to zero, so that its optimizer need not."""

    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules:
            m.update_parameters(gradient_step)
            m.zero_grad()


@pytest.mark.parametrize(
    ("findings", "cls", "networks"),
    [
        (set(), Optim, []),
        (set(), Called, []),
        (set(), WithData, [Sequentiel]),
        (set(), OfList, []),
        (set(), OfCoder, [Mirrored]),
        ({("step", "sign")}, type("Optim", (Optim,), {"step": swapped}), []),
        ({("step", "never-zeroed")}, type("Optim", (Optim,), {"step": forgetful}), [Sequentiel]),
        (set(), type("Optim", (Optim,), {"step": forgetful}), [Zeroing]),
    ],
)
def test_an_optimizer_is_given_what_it_asks_for(findings, cls, networks):
    report = Workshop([Linear, TanH], networks=networks).examine_optim(cls)
    assert said(report) == findings, str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


def reverses_its_list(self, input, delta):
    self.modules.reverse()
    for m, x in zip(self.modules, self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def test_an_optimizer_that_is_wrong_with_every_network_is_judged_though_its_own_network_is_wrong():
    wrong = type("Sequentiel", (Sequentiel,), {"backward_update_gradient": reverses_its_list})
    other = type("Other", (Sequentiel,), {})
    workshop = Workshop([Linear, TanH], networks=[wrong, other], wrong={wrong, other})
    report = workshop.examine_optim(type("Optim", (Optim,), {"step": forgetful}))
    assert said(report) == {("step", "never-zeroed")}, str(report)


def without_rate(self, batch_x, batch_y):
    self.net.zero_grad()
    self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, self.net.forward(batch_x)))
    self.net.update_parameters()


def of_its_own_rate(self, gradient_step=1e-3):
    for m in self.modules:
        m.update_parameters()


@pytest.mark.parametrize(
    ("findings", "step"),
    [
        (set(), Optim.step),
        ({("step", "lr-ignored")}, without_rate),
        ({("step", "never-zeroed")}, forgetful),
        ({("step", "sign")}, swapped),
    ],
)
def test_a_rate_that_the_network_ignores_is_not_said_of_its_optimizer(findings, step):
    wrong = type("Sequentiel", (Sequentiel,), {"update_parameters": of_its_own_rate})
    report = Workshop([Linear, TanH], networks=[wrong], wrong={wrong}).examine_optim(type("Optim", (Optim,), {"step": step}))
    assert said(report) == findings, str(report)
    assert [row[:2] for row in report.verdicts] == [("a step", "wrong" if findings else "right")]


class Added:
    """A network that is put together by add, and reads of its layers what they keep."""

    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def train(self, X_train, Y_train, epochs, batch_size, learning_rate=0.01):
        for _ in range(epochs):
            out = X_train
            for layer in self.layers:
                out = layer.forward(out)
            delta = out - Y_train
            for layer in self.layers[::-1]:
                layer.backward(delta)
                delta = layer.gradients

    def predict(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return np.argmax(X, axis=1)


def test_a_network_is_not_blamed_for_what_the_layers_put_in_lack():
    with pytest.raises(NotBuilt, match="could not be put together"):
        examine_assembled(Added)


def test_swapped_targets_are_called_so():
    report = Workshop().examine_optim(type("Optim", (Optim,), {"step": swapped}))
    assert "y and yhat are swapped" in report.findings[0].message


def test_what_an_optimizer_asks_of_its_network_and_does_not_get_is_no_finding():
    class Odd(Optim):
        def step(self, batch_x, batch_y):
            self.net.fit_one_batch(batch_x, batch_y)

    report = Workshop().examine_optim(Odd)
    assert report.ok
    assert "fit_one_batch" in report.verdicts[0][2]


class ScoreLoss:
    def forward(self, y, yhat):
        return np.log(np.exp(yhat).sum(axis=1)) - (y * yhat).sum(axis=1)

    def backward(self, y, yhat):
        return softmax(yhat) - y


class LogLoss:
    def forward(self, y, yhat):
        return -(y * np.log(yhat)).sum(axis=1)

    def backward(self, y, yhat):
        return -y / yhat


class FlatMSE:
    def forward(self, y, yhat):
        return (y - yhat) ** 2

    def backward(self, y, yhat):
        return 2 * (yhat - y)


@pytest.mark.parametrize(
    ("kind", "last", "loss", "y"),
    [
        ("softmax-twice", True, ScoreLoss, np.eye(2)[[0, 1, 1, 0]]),
        ("not-probabilities", False, LogLoss, np.eye(2)[[0, 1, 1, 0]]),
        ("shape", None, FlatMSE, np.arange(4.0)),
    ],
)
def test_a_loss_for_something_else_than_the_network_gives_is_named(kind, last, loss, y):
    from corpus import Softmax

    np.random.seed(0)
    layers = [Linear(3, 1 if last is None else 2), *([Softmax()] if last else [])]
    report = check_network(Sequentiel(*layers), loss(), np.random.default_rng(1).normal(size=(4, 3)), y)
    assert [f.kind for f in report.findings] == [kind], str(report)


# The parts


def test_the_simple_check_agrees_with_the_large_one():
    np.random.seed(0)
    x = np.random.default_rng(0).normal(size=(4, 3))
    errors = simple_check(Linear(3, 2), x)
    assert set(errors) == {"backward_delta", "backward_update_gradient"}
    assert max(errors.values()) < 1e-8

    class Wrong(TanH):
        def backward_delta(self, input, delta):
            return delta

    assert simple_check(Wrong(), x)["backward_delta"] > 0.1


def test_questions_leave_numpys_generator_where_it_was():
    np.random.seed(4)
    np.random.randn()  # the second of a pair is kept by the generator
    state = np.random.get_state()
    check_module(TanH(), (4, 3))
    check_loss(Loss(), np.zeros((2, 2)), np.ones((2, 2)))
    for a, b in zip(np.random.get_state(), state):
        np.testing.assert_array_equal(a, b)
    assert np is sys.modules["numpy"]
