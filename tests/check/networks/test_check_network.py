"""check_network and check_steps on students' own networks and optimizers, right and broken, and on the library's."""

import copy

import numpy as np
import pytest
from corpus import Lineaire, Linear, Sigmoide, Softmax, TanH
from students import CrossEntropieLoss, MSELoss, Optim, Sequentiel

import modnet
from modnet.check import check_network, check_steps

rng = np.random.default_rng(2)
X = rng.normal(size=(6, 3))
Y = rng.normal(size=(6, 2))
LABELS = np.array([0, 1, 1, 0, 1, 0])


class Iterated(Sequentiel):
    """Iteration alone, and a backward of one argument."""

    def __init__(self, *modules):
        self.chain = {"modules": tuple(modules)}

    modules = property(lambda self: self.chain["modules"])

    def __iter__(self):
        return iter(self.modules)

    def backward(self, delta):
        Sequentiel.backward_update_gradient(self, None, delta)

    backward_update_gradient = None


class Indexed(Sequentiel):
    def __init__(self, *modules):
        self.chain = {"modules": tuple(modules)}

    modules = property(lambda self: self.chain["modules"])

    def __len__(self):
        return len(self.modules)

    def __getitem__(self, i):
        return self.modules[i]


class Attributes:
    """Two layers by name."""

    def __init__(self, first, middle, last):
        self.first, self.middle, self.last = first, middle, last

    def zero_grad(self):
        self.first.zero_grad()
        self.last.zero_grad()

    def forward(self, X):
        self.a = self.first.forward(X)
        self.b = self.middle.forward(self.a)
        return self.last.forward(self.b)

    def update_parameters(self, gradient_step=1e-3):
        self.first.update_parameters(gradient_step)
        self.last.update_parameters(gradient_step)

    def backward_update_gradient(self, X, delta):
        self.last.backward_update_gradient(self.b, delta)
        delta = self.middle.backward_delta(self.a, self.last.backward_delta(self.b, delta))
        self.first.backward_update_gradient(X, delta)


def layers(first=Lineaire, middle=TanH, last=Linear):
    state = np.random.get_state()
    np.random.seed(3)
    try:
        return first(3, 4), middle(), last(4, 2)
    finally:
        np.random.set_state(state)


@pytest.mark.parametrize("kind", [Sequentiel, Iterated, Indexed, Attributes])
@pytest.mark.parametrize("middle", [TanH, Sigmoide, Softmax])
def test_right_networks_of_students_give_no_finding(kind, middle):
    check_network(kind(*layers(middle=middle)), MSELoss(), X, Y).raise_if_failed()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_networks_of_the_library_give_no_finding(dtype):
    net = modnet.Sequential(modnet.Linear(3, 5, rng=0), modnet.ReLU(), modnet.Linear(5, 2, rng=1)).astype(dtype)
    check_network(net, modnet.CrossEntropy(), X.astype(dtype), LABELS).raise_if_failed()
    for optimizer in (modnet.optim.SGD(0.1), modnet.optim.Adam(0.01)):
        check_steps(net, modnet.CrossEntropy(), optimizer, X.astype(dtype), LABELS).raise_if_failed()


def branching():
    """Networks of the library with more than one way through them, by name."""
    shared = modnet.Linear(3, 4, rng=0)
    return {
        "concat": modnet.Sequential(
            modnet.Concat(modnet.Linear(3, 4, rng=0), modnet.Sequential(modnet.Linear(3, 2, rng=1), modnet.Tanh())),
            modnet.Linear(6, 2, rng=2),
        ),
        "concat at the end": modnet.Sequential(
            modnet.Linear(3, 4, rng=0), modnet.Concat(modnet.Linear(4, 1, rng=1), modnet.Linear(4, 1, rng=2))
        ),
        "residual": modnet.Sequential(
            modnet.Linear(3, 4, rng=0), modnet.Residual(modnet.Linear(4, 5, rng=1), modnet.Tanh(), modnet.Linear(5, 4, rng=2)),
            modnet.Linear(4, 2, rng=3),
        ),
        "residual at the end": modnet.Sequential(
            modnet.Linear(3, 2, rng=0), modnet.Residual(modnet.Concat(modnet.Linear(2, 1, rng=1), modnet.Linear(2, 1, rng=2)))
        ),
        "a weight used twice": modnet.Sequential(shared, modnet.Tanh(), modnet.Tied(shared), modnet.Linear(3, 2, rng=1)),
        "drawing": modnet.Sequential(modnet.Linear(3, 4, rng=0), modnet.Dropout(0.3, rng=0), modnet.Linear(4, 2, rng=1)),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(branching()))
def test_networks_of_the_library_that_are_no_chain_give_no_finding(name, dtype):
    net = branching()[name].astype(dtype)
    report = check_network(net, modnet.MSE(), X.astype(dtype), Y.astype(dtype))
    report.raise_if_failed()
    assert len(report.verdicts) == len(list(net.leaves())) + 2  # the loss and the chain
    check_steps(net, modnet.MSE(), modnet.optim.Adam(0.01), X.astype(dtype), Y.astype(dtype)).raise_if_failed()


def test_a_network_that_reads_whole_numbers_gives_no_finding():
    net = modnet.Sequential(modnet.Embedding(5, 3, rng=0), modnet.Flatten(), modnet.Linear(6, 2, rng=1))
    check_network(net, modnet.MSE(), [[0, 1], [2, 3], [4, 4]], Y[:3]).raise_if_failed()


def test_students_embeddings_are_given_the_integers_that_came():
    class Table:
        def __init__(self):
            self._parameters = np.random.default_rng(0).normal(size=(5, 3))

        def zero_grad(self):
            self._gradient = np.zeros(self._parameters.shape)

        def forward(self, X):
            return self._parameters[X].reshape(len(X), -1)

        def update_parameters(self, gradient_step=1e-3):
            self._parameters -= gradient_step * self._gradient

        def backward_update_gradient(self, input, delta):
            np.add.at(self._gradient, input, delta.reshape(*input.shape, -1))

        def backward_delta(self, input, delta):
            return None

    check_network(Sequentiel(Table(), Lineaire(6, 2)), MSELoss(), [[0, 1], [2, 3], [4, 4]], Y[:3]).raise_if_failed()


class WrongTanh(TanH):
    def backward_delta(self, input, delta):
        return delta


class Inner(Sequentiel):
    """A student's network that can be a layer of another."""

    def backward_delta(self, input, delta):
        for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
            delta = m.backward_delta(x, delta)
        return delta


@pytest.mark.parametrize(
    "build",
    [
        lambda wrong: modnet.Sequential(modnet.Linear(3, 3, rng=0), modnet.Residual(wrong), modnet.Linear(3, 2, rng=1)),
        lambda wrong: modnet.Sequential(modnet.Concat(modnet.Identity(), wrong), modnet.Linear(6, 2, rng=1)),
        lambda wrong: modnet.Sequential(modnet.Linear(3, 4, rng=0), Inner(wrong, Lineaire(4, 2))),
    ],
    ids=["residual", "concat", "a student's network in ours"],
)
def test_a_wrong_layer_is_named_wherever_it_is_in_a_network_of_the_library(build):
    report = check_network(build(WrongTanh()), modnet.MSE(), X, Y)
    assert [f.kind for f in report.findings] == ["identity"], str(report)
    assert report.findings[0].where.startswith("layer 1 WrongTanh")


@pytest.mark.parametrize("wrong", [False, True])
def test_a_students_network_may_hold_containers_of_the_library(wrong):
    middle = WrongTanh() if wrong else TanH()
    block = modnet.Residual(modnet.Linear(4, 4, rng=0), middle)
    net = Sequentiel(Lineaire(3, 4), block, modnet.Sequential(modnet.Linear(4, 2, rng=1)))
    report = check_network(net, MSELoss(), X, Y)
    assert [f.kind for f in report.findings] == ["identity"] * wrong, str(report)
    assert [label for label, *_ in report.verdicts[:4]] == [
        "layer 0 Lineaire", "layer 1 Linear", f"layer 2 {type(middle).__name__}", "layer 3 Linear",
    ]  # fmt: skip


def test_a_wrong_chain_in_a_students_network_with_a_residual_is_not_called_by_the_name_of_another_mistake():
    net = chain(backward_update_gradient=divides)(Lineaire(3, 4), modnet.Residual(modnet.Linear(4, 4, rng=0)), Lineaire(4, 2))
    report = check_network(net, MSELoss(), X, Y)
    assert [f.kind for f in report.findings] == ["scale"], str(report)


def test_checking_leaves_a_network_as_it_was():
    for name, net in branching().items():
        net.storage.gradient[:] = 1.5
        before = [a.copy() for a in (net.parameters, net.gradient, net.storage.state, net.storage.draws)]
        check_network(net, modnet.MSE(), X, Y)
        for now, then in zip((net.parameters, net.gradient, net.storage.state, net.storage.draws), before, strict=True):
            np.testing.assert_array_equal(now, then, err_msg=name)


def test_a_network_of_students_layers_and_ours_gives_no_finding():
    net = modnet.Sequential(modnet.Linear(3, 4, rng=0), TanH(), Linear(4, 2))
    check_network(net, modnet.MSE(), X, Y).raise_if_failed()


def test_a_wrong_layer_is_named_once_and_with_its_place():
    class Broken(TanH):
        def backward_delta(self, input, delta):
            return delta

    report = check_network(Sequentiel(*layers(middle=Broken)), MSELoss(), X, Y)
    assert [f.kind for f in report.findings] == ["identity"]
    assert report.findings[0].where.startswith("layer 1 Broken")


def test_two_mistakes_in_a_loss_are_named_once_each():
    class Wrong(CrossEntropieLoss):
        def backward(self, y, yhat):
            return y - yhat

    report = check_network(Sequentiel(*layers()), Wrong(), X, np.eye(2)[LABELS])
    assert [f.kind for f in report.findings] == ["other-function", "sign"]


def chain(**methods):
    return type("Sequentiel", (Sequentiel,), methods)


def with_outputs(self, input, delta):
    for m, x, out in zip(self.modules[::-1], self.inputs[-2::-1], self.inputs[::-1]):
        m.backward_update_gradient(out if out.shape == x.shape else x, delta)
        delta = m.backward_delta(x, delta)


def same_delta(self, input, delta):
    for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)


def skips_first(self, input, delta):
    for m, x in list(zip(self.modules[::-1], self.inputs[-2::-1]))[:-1]:
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def twice(self, input, delta):
    for m, x in zip(self.modules[::-1], self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def divides(self, input, delta):
    Sequentiel.backward_update_gradient(self, input, delta / len(delta))


def upwards_through(self, input, delta):
    for m, x in zip(self.modules, self.inputs):
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def reverses_its_list(self, input, delta):
    self.modules.reverse()
    for m, x in zip(self.modules, self.inputs[-2::-1]):
        m.backward_update_gradient(x, delta)
        delta = m.backward_delta(x, delta)


def keeps_old_deltas(self, input, delta):
    self.deltas = [*getattr(self, "deltas", []), delta]
    for i in range(len(self.modules) - 1, -1, -1):
        m, x, delta = self.modules[i], self.inputs[i], self.deltas[len(self.modules) - 1 - i]
        m.backward_update_gradient(x, delta)
        self.deltas.append(m.backward_delta(x, delta))


def square():
    np.random.seed(5)
    return Linear(3, 3), TanH(), Linear(3, 3)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("at-output", with_outputs),
        ("identity", same_delta),
        ("missing-parameter", skips_first),
        ("double-counts", twice),
        ("scale", divides),
        ("order", upwards_through),
        ("order", reverses_its_list),
        ("stateful", keeps_old_deltas),
    ],
)
def test_a_wrong_chain_of_right_layers_is_named(kind, method):
    net = chain(backward_update_gradient=method)(*square())
    report = check_network(net, MSELoss(), X, rng.normal(size=(6, 3)))
    assert [f.kind for f in report.findings] == [kind], str(report)


def test_a_backward_that_begins_with_the_first_layer_is_named_though_it_crashes():
    net = chain(backward_update_gradient=upwards_through)(Linear(3, 4), TanH(), Linear(4, 2))
    report = check_network(net, MSELoss(), X, rng.normal(size=(6, 2)))
    assert [f.kind for f in report.findings] == ["order"], str(report)


def test_a_layer_that_forward_leaves_out_is_named():
    def forward(self, X):
        self.inputs = [X]
        for m in self.modules[:-1]:
            self.inputs.append(m.forward(self.inputs[-1]))
        return self.inputs[-1]

    report = check_network(chain(forward=forward)(*square()), MSELoss(), X, rng.normal(size=(6, 3)))
    assert report.findings[0].where.startswith("layer 2")


# Training


def optim(**methods):
    return type("Optim", (Optim,), methods)


def no_zero(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(yhat))
    self.net.update_parameters(self.eps)


def no_rate(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.zero_grad()
    self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(yhat))
    self.net.update_parameters()


def no_update(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.zero_grad()
    self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(yhat))


def upwards(self, batch_x, batch_y):
    yhat = self.net.forward(batch_x)
    self.net.zero_grad()
    self.net.backward_update_gradient(batch_x, self.loss.backward(yhat, batch_y) / len(yhat))
    self.net.update_parameters(self.eps)


def misspelt(self, batch_x, batch_y):
    self.network.forward(batch_x)


@pytest.mark.parametrize("kind", [Sequentiel, Indexed, Attributes])
def test_right_optimizers_of_students_give_no_finding(kind):
    net, loss = kind(*layers()), MSELoss()
    check_steps(net, loss, Optim(net, loss), X, Y).raise_if_failed()


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("never-zeroed", no_zero),
        ("lr-ignored", no_rate),
        ("layer-not-trained", no_update),
        ("sign", upwards),
        ("crash", misspelt),
    ],
)
def test_a_wrong_step_is_named(kind, step):
    net, loss = Sequentiel(*layers()), MSELoss()
    report = check_steps(net, loss, optim(step=step)(net, loss), X, Y)
    assert [f.kind for f in report.findings] == [kind], str(report)


def steps_with(swapped=False, zeroed=True, rate=True):
    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        if zeroed:
            self.net.zero_grad()
        given = (yhat, batch_y) if swapped else (batch_y, yhat)
        self.net.backward_update_gradient(batch_x, self.loss.backward(*given) / len(yhat))
        self.net.update_parameters(*([self.eps] if rate else []))

    return step


@pytest.mark.parametrize(
    ("kinds", "step"),
    [
        ({"sign", "never-zeroed"}, steps_with(swapped=True, zeroed=False)),
        ({"sign", "lr-ignored"}, steps_with(swapped=True, rate=False)),
        ({"lr-ignored", "never-zeroed"}, steps_with(zeroed=False, rate=False)),
        ({"sign", "lr-ignored", "never-zeroed"}, steps_with(swapped=True, zeroed=False, rate=False)),
        (set(), steps_with()),
    ],
)
def test_each_mistake_of_a_step_is_said_once_and_one_row_has_them_all(kinds, step):
    net, loss = Sequentiel(*layers()), MSELoss()
    report = check_steps(net, loss, optim(step=step)(net, loss), X, Y)
    assert sorted(f.kind for f in report.findings) == sorted(kinds), str(report)
    ((name, word, remark),) = report.verdicts
    assert (name, word) == ("a step", "wrong" if kinds else "right")
    assert not kinds or set(remark.split(", ")) == kinds


def test_a_network_that_leaves_out_a_layer_and_ignores_the_rate_is_told_both():
    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules[:-1]:
            m.update_parameters()

    report = check_network(chain(update_parameters=update_parameters)(*layers()), MSELoss(), X, Y)
    assert [f.kind for f in report.findings] == ["layer-not-trained", "lr-ignored"], str(report)


@pytest.mark.parametrize("place", [0, 1])
def test_masked_values_are_refused(place):
    given = [np.ma.array(X, mask=np.zeros(X.shape)), np.ma.array(Y, mask=np.zeros(Y.shape))]
    assert check_network(Sequentiel(*layers()), MSELoss(), *given).ok  # nothing is hidden
    given[place].mask[1, 0] = True
    with pytest.raises(ValueError, match=rf"check_network: {'Xy'[place]}\[1, 0\] is masked"):
        check_network(Sequentiel(*layers()), MSELoss(), *given)


class Base:
    """What layers and networks of a hand-in derive from: its methods are about one layer's arrays."""

    _parameters = _gradient = None

    def zero_grad(self):
        self._gradient[...] = 0

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient


class Own(Base, Linear):
    zero_grad, update_parameters = Linear.zero_grad, Linear.update_parameters


class NamedOtherwise(Base):
    """What it inherits from its layers' base class is no method of a network; its own have other names."""

    __init__, forward = Sequentiel.__init__, Sequentiel.forward
    backward_update_gradient = Sequentiel.backward_update_gradient
    zeroGrad, updateParameters = Sequentiel.zero_grad, Sequentiel.update_parameters


class UpdatesFirstAlone(NamedOtherwise):
    def updateParameters(self, gradient_step=1e-3):
        self.modules[0].update_parameters(gradient_step)


def test_a_network_is_asked_by_its_own_methods_and_not_by_those_of_its_layers_base_class():
    report = check_network(NamedOtherwise(Own(3, 4), TanH(), Own(4, 2)), MSELoss(), X, Y)
    assert report.ok, report
    (finding,) = check_network(UpdatesFirstAlone(Own(3, 4), TanH(), Own(4, 2)), MSELoss(), X, Y).findings
    assert (finding.kind, finding.where) == ("layer-not-trained", "UpdatesFirstAlone.updateParameters")


def test_a_layer_that_update_parameters_leaves_out_is_named():
    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules[1:]:
            m.update_parameters(gradient_step)

    net, loss = chain(update_parameters=update_parameters)(*layers()), MSELoss()
    report = check_steps(net, loss, Optim(net, loss), X, Y)
    assert report.findings[0].kind == "layer-not-trained"
    assert "layer 0 Lineaire" in report.findings[0].where


def test_a_rate_that_is_too_large_is_told_from_a_wrong_gradient():
    net, loss = Sequentiel(*layers()), MSELoss()
    report = check_steps(net, loss, Optim(net, loss, eps=30.0), X, Y)
    assert [f.kind for f in report.findings] == ["scale"]
    assert "hundredth of the rate" in report.findings[0].message


def test_a_network_is_left_as_it_was():
    net, loss = Sequentiel(*layers()), MSELoss()
    before = copy.deepcopy([m._parameters if hasattr(m, "_parameters") else m.W for m in net.modules])
    check_network(net, loss, X, Y)
    check_steps(net, loss, Optim(net, loss), X, Y)
    after = [m._parameters if hasattr(m, "_parameters") else m.W for m in net.modules]
    for a, b in zip(after, before):
        np.testing.assert_array_equal(a, b)
