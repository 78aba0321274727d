"""Hidden layers trained one by one: as auto-encoders, and as restricted Boltzmann machines."""

import copy

import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

import modnet
from modnet import (
    BatchNorm,
    BCEWithLogits,
    Concat,
    CrossEntropy,
    Flatten,
    Identity,
    Linear,
    Module,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    fit,
    pretrain,
    pretrain_rbm,
)
from modnet.optim import SGD, Adam


def blobs(n=120, d=8, seed=0, noise=0.05):
    """Points near a plane in d dimensions."""
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(n, 2)) @ rng.normal(size=(2, d))) + noise * rng.normal(size=(n, d))


def deep(d=8):
    return Sequential(Linear(d, 5, rng=0), Tanh(), Linear(5, 2, rng=1), Tanh(), Linear(2, 3, rng=2))


def rebuilt(H, code):
    """How well a straight line gives H back from its code: the share of the variance that is lost."""
    A = np.c_[code, np.ones(len(code))]
    rest = H - A @ np.linalg.lstsq(A, H, rcond=None)[0]
    return (rest**2).sum() / ((H - H.mean(0)) ** 2).sum()


def test_codes_keep_what_random_ones_lose():
    X, trained, drawn = blobs(noise=0.3), deep(), deep()
    histories = pretrain(trained, X, epochs=60, optimizer=Adam(0.01), rng=0)
    assert [len(h.loss) for h in histories] == [60, 60]
    assert all(h.loss[-1] < 0.4 * h.loss[0] for h in histories)
    code, random_code = (net[:4].forward(X) for net in (trained, drawn))
    assert code.shape == (120, 2)
    variances = np.linalg.svd(X - X.mean(0), compute_uv=False) ** 2
    least = variances[2:].sum() / variances.sum()  # of any two numbers, by the principal components
    assert least < rebuilt(X, code) < least + 0.5 * (rebuilt(X, random_code) - least)


def test_the_answering_layer_and_the_networks_place_in_memory_stay():
    net = deep()
    parameters, last = net.parameters, net[4].parameters.copy()
    before = net.parameters.copy()
    pretrain(net, blobs(), epochs=2, rng=0)
    assert np.shares_memory(net.parameters, parameters)
    assert np.array_equal(net[4].parameters, last)
    assert (net[0].parameters != before[:45]).all()
    assert (net[2].parameters != before[45:57]).all()


def test_the_first_layer_is_that_of_an_auto_encoder_made_by_hand():
    X, net = blobs(), deep()
    pretrain(net, X, epochs=3, optimizer=SGD(0.05), rng=4)
    source = np.random.default_rng(4)
    mine = Sequential(Linear(8, 5, rng=0), Tanh(), Linear(5, 8, rng=source))
    fit(mine, X, X, loss=modnet.MSE(), optimizer=SGD(0.05), epochs=3, rng=source)
    assert np.array_equal(net[0].parameters, mine[0].parameters)


def test_it_is_ready_for_fit_and_a_deep_network_of_sigmoids_learns_sooner():
    X = blobs(300)
    y = (X[:, 0] > 0).astype(int) + 2 * (X[:, 1] > 0)

    def net():
        chain = []
        for i, (n, m) in enumerate([(8, 8), (8, 8), (8, 6), (6, 4)]):
            chain += [Linear(n, m, rng=i), Sigmoid()]
        return Sequential(*chain, Linear(4, 4, rng=9))

    started, drawn = net(), net()
    pretrain(started, X, epochs=40, optimizer=Adam(0.02), rng=0)
    losses = [
        fit(one, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=10, rng=0).loss[-1] for one in (started, drawn)
    ]
    assert losses[0] < 0.7 * losses[1]


def test_the_same_seed_gives_the_same_parameters():
    nets = [deep(), deep()]
    for net in nets:
        pretrain(net, blobs(), epochs=2, rng=7)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


def test_the_optimizer_given_stays_free_for_fit():
    optimizer, net = Adam(0.01), deep()
    pretrain(net, blobs(), epochs=1, optimizer=optimizer, rng=0)
    assert optimizer.net is None
    assert optimizer.steps == 0


class Noise(Module):
    """Adds noise in training; counts its batches."""

    seen: tuple = ()

    def forward(self, X):
        type(self).seen += (self.training,)
        return X + 0.5 * np.random.default_rng(len(self.seen)).normal(size=X.shape) if self.training else X

    def backward_delta(self, input, delta):
        return delta


def test_corruption_stands_before_every_auto_encoder_and_not_in_the_network():
    Noise.seen = ()
    net, clean = deep(), deep()
    histories = pretrain(net, blobs(), epochs=2, batch_size=60, corruption=Noise(), rng=0)
    without = pretrain(clean, blobs(), epochs=2, batch_size=60, rng=0)
    assert sum(Noise.seen) == 8  # two layers, two epochs, two batches
    assert histories[0].loss[0] > without[0].loss[0]
    assert len(net) == 5
    assert not np.array_equal(net.parameters, clean.parameters)


def test_nested_networks_flattened_inputs_and_float32_are_pretrained_too():
    X = blobs().reshape(120, 4, 2).astype("float32")
    encoder = Sequential(Linear(8, 5, rng=0), Tanh(), Linear(5, 2, rng=1), Tanh())
    net = Sequential(Flatten(), encoder, Sequential(Linear(2, 8, rng=2))).astype("float32")
    flat = deep().astype("float32")
    pretrain(net, X, epochs=3, rng=0)
    pretrain(flat, X.reshape(120, 8), epochs=3, rng=0)
    assert net.dtype == np.float32
    assert np.array_equal(net.parameters[:57], flat.parameters[:57])


class Student(Module):
    """A plain class with a parameter after a Linear."""

    def __init__(self):
        self._parameters = np.ones(5)
        self.zero_grad()

    def forward(self, X):
        return X * self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += (input * delta).sum(0)

    def backward_delta(self, input, delta):
        return delta * self._parameters


def with_blocks():
    return Sequential(
        Linear(8, 5, rng=0), Tanh(), Residual(Linear(5, 5, rng=3), BatchNorm(5), Tanh()),
        Linear(5, 4, rng=1), Concat(Tanh(), Sequential(Linear(4, 2, rng=4))), Linear(6, 3, rng=2),
    )  # fmt: skip


def test_a_block_that_is_no_chain_learns_as_a_whole_with_the_layer_that_it_is_in():
    X, net = blobs(), with_blocks()
    blocks = net[2], net[4]
    last = net[5].parameters.copy()
    pretrain(net, X, epochs=3, optimizer=SGD(0.05), rng=4)
    # The same by hand: what each auto-encoder is given comes through the skip and both branches.
    source, mine = np.random.default_rng(4), with_blocks()
    first = Sequential(*copy.deepcopy(list(mine[:3])), Linear(5, 8, rng=source))
    fit(first, X, X, loss=modnet.MSE(), optimizer=SGD(0.05), epochs=3, rng=source)
    H = modnet.predict(first[:3], X)
    second = Sequential(*copy.deepcopy(list(mine[3:5])), Linear(6, 5, rng=source))
    fit(second, H, H, loss=modnet.MSE(), optimizer=SGD(0.05), epochs=3, rng=source)
    assert (net[2], net[4]) == blocks
    assert np.array_equal(net[:3].parameters, first[:3].parameters)
    assert np.array_equal(net[2][1].running_mean, first[2][1].running_mean)
    assert np.array_equal(net[3:5].parameters, second[:2].parameters)
    assert np.array_equal(net[5].parameters, last)


def test_machines_see_what_a_block_makes_of_their_units():
    X = bits()
    twice = Concat(Identity(), Identity())
    net = Sequential(Linear(9, 4, rng=0), Sigmoid(), twice, Linear(8, 3, rng=1), Sigmoid(), Linear(3, 2, rng=2))
    machines = pretrain_rbm(net, X, rng=0)
    H = machines[0].transform(X)
    assert [m.components_.shape for m in machines] == [(4, 9), (3, 8)]
    np.testing.assert_allclose(net[:5].forward(X), machines[1].transform(np.c_[H, H]), rtol=1e-10)


@pytest.mark.parametrize("start", [pretrain, pretrain_rbm])
def test_layers_inside_a_block_do_not_count(start):
    net = Sequential(Residual(Linear(8, 8, rng=0), Sigmoid()), Residual(Linear(8, 8, rng=1), Sigmoid()), Linear(8, 2, rng=2))
    said = "the network has 1 Linear, not counting those inside a module that is no plain chain, expected at least 2"
    with pytest.raises(ValueError, match=f"^{start.__name__}: {said}"):
        start(net, blobs())
    with pytest.raises(TypeError, match=f"^{start.__name__}: net is Residual, expected a Sequential"):
        start(Residual(Linear(8, 8), Sigmoid(), Linear(8, 8)), blobs())


def test_plain_classes_in_a_layer_are_trained_with_it():
    net = Sequential(Linear(8, 5, rng=0), Student(), Tanh(), Linear(5, 3, rng=1))
    student = net[1]
    [history] = pretrain(net, blobs(), epochs=3, optimizer=Adam(0.05), rng=0)
    assert net[1] is student
    assert (student._parameters != 1).all()
    assert history.loss[-1] < history.loss[0]


def test_another_loss_can_be_chosen():
    X = (blobs() > 0).astype(float)
    one = Sequential(Linear(8, 4, rng=0), Sigmoid(), Linear(4, 2, rng=1))
    [history] = pretrain(one, X, loss=BCEWithLogits(), optimizer=Adam(0.05), epochs=30, rng=0)
    assert history.loss[0] == pytest.approx(8 * np.log(2), rel=0.15)
    assert history.loss[-1] < 0.6 * history.loss[0]


# restricted Boltzmann machines


def bits(n=150, d=9):
    rng = np.random.default_rng(0)
    kinds = rng.random((3, d)) > 0.5
    return (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, d)) < 0.05)).astype(float)


def sigmoids(d=9):
    return Sequential(Linear(d, 6, rng=0), Sigmoid(), Linear(6, 4, rng=1), Sigmoid(), Linear(4, 3, rng=2))


def test_layers_start_from_the_machines_weights_one_upon_the_other():
    X, net = bits(), sigmoids()
    last = net[4].parameters.copy()
    machines = pretrain_rbm(net, X, epochs=5, lr=0.05, rng=3)
    source = np.random.default_rng(3)
    H = X
    for layer, machine, m in zip((net[0], net[2]), machines, (6, 4)):
        own = BernoulliRBM(m, learning_rate=0.05, n_iter=5, random_state=int(source.integers(2**31))).fit(H)
        np.testing.assert_allclose(machine.components_, own.components_, rtol=1e-9, atol=1e-12)
        assert np.array_equal(layer.weight, machine.components_.T)
        assert np.array_equal(layer.bias, machine.intercept_hidden_)
        H = own.transform(H)
    np.testing.assert_allclose(net[:4].forward(X), H, rtol=1e-12)
    assert np.array_equal(net[4].parameters, last)


def test_a_network_started_by_machines_can_be_fitted():
    X, net = bits(), sigmoids()
    y = (2 * X[:, 0] + X[:, 4]).astype(int) % 3  # the largest class has 39 %
    pretrain_rbm(net, X, epochs=10, rng=0)
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=60, rng=0)
    assert history.metrics["accuracy"][-1] > 0.95


def test_machines_start_layers_without_bias_and_float32():
    X = bits()
    net = Sequential(Linear(9, 4, bias=False, rng=0), Sigmoid(), Linear(4, 2, rng=1)).astype("float32")
    [machine] = pretrain_rbm(net, X, rng=0)
    np.testing.assert_allclose(net[0].weight, machine.components_.T, rtol=1e-6)
    assert net.dtype == np.float32


@pytest.mark.parametrize("start", [pretrain, pretrain_rbm])
@pytest.mark.parametrize(
    ("net", "X", "message"),
    [
        (Linear(8, 2), blobs(), "net is Linear, expected a Sequential"),
        (Sequential(Linear(8, 2), Sigmoid()), blobs(), "the network has 1 Linear, expected at least 2"),
        (sigmoids(8), np.full((3, 8), np.nan), r"X\[0, 0\] is nan, expected finite numbers"),
    ],
)
def test_what_cannot_be_pretrained_is_refused(start, net, X, message):
    with pytest.raises((ValueError, TypeError), match=f"^{start.__name__}: {message}"):
        start(net, X)


@pytest.mark.parametrize(
    ("net", "X", "message"),
    [
        (deep(9), bits(), r"Linear\(9 -> 5\) is followed by Tanh\(\), expected Sigmoid\(\)"),
        (Sequential(Linear(9, 4), Linear(4, 2)), bits(), r"Linear\(9 -> 4\) is followed by nothing, expected Sigmoid\(\)"),
        (sigmoids(), 2 * bits(), "the first layer's input has values from 0 to 2, expected .* from 0 to 1"),
        (sigmoids(), bits().reshape(50, 3, 9), r"the first layer's input has shape \(50, 3, 9\)"),
    ],
)
def test_what_no_machine_can_be_made_of_is_refused_before_anything_changes(net, X, message):
    before = copy.deepcopy(net).parameters
    with pytest.raises(ValueError, match=f"^pretrain_rbm: {message}"):
        pretrain_rbm(net, X)
    assert np.array_equal(net.parameters, before)


def test_a_layer_that_changes_more_than_the_last_axis_is_refused():
    net = Sequential(Linear(3, 4), ReLU(), Flatten(), Linear(8, 2))
    with pytest.raises(ValueError, match=r"^pretrain: Flatten\(\) after Linear\(3 -> 4\) makes \(5, 8\) of \(5, 2, 3\)"):
        pretrain(net, np.zeros((5, 2, 3)))
