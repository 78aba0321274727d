"""The watchers: they see what happens in a network, and change nothing."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from modnet import (
    MSE,
    BatchNorm,
    Concat,
    CrossEntropy,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Linear,
    Module,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    Tied,
    TrainingWarning,
    fit,
)
from modnet.modules.container import Container
from modnet.optim import SGD, Adam
from modnet.watch import NaNLocator, Norms, Profile, activations, deltas, locate_nan


class Square(Module):
    def forward(self, X):
        return X**2

    def backward_delta(self, input, delta):
        return 2 * input * delta


def network():
    return Sequential(Linear(3, 4, rng=0), Tanh(), Sequential(Linear(4, 4, rng=1), Square()), Linear(4, 2, rng=2))


X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 2))


def test_activations_are_the_values_that_forward_passes_on():
    net = network()
    steps = activations(net, X)
    assert [step.place for step in steps] == ["[0]", "[1]", "[2][0]", "[2][1]", "[3]"]
    for before, after in pairwise(steps):
        np.testing.assert_array_equal(before.output, after.input)
    np.testing.assert_allclose(steps[1].output, np.tanh(X @ net[0].weight + net[0].bias), rtol=1e-14)
    np.testing.assert_array_equal(steps[-1].output, net.forward(X))


def test_deltas_are_derivatives_by_each_output():
    net = network()
    steps = activations(net, X)
    found = deltas(steps, MSE().backward(Y, steps[-1].output))
    # The loss as a function of the second module's output, by central differences.
    h, out = 1e-6, steps[1].output

    def loss(values):
        for step in steps[2:]:
            values = step.module.forward(values)
        return MSE().forward(Y, values).sum()

    for index in np.ndindex(out.shape):
        up, down = out.copy(), out.copy()
        up[index] += h
        down[index] -= h
        assert found[1][index] == pytest.approx((loss(up) - loss(down)) / (2 * h), rel=1e-6, abs=1e-8)


def test_deltas_of_the_librarys_modules_are_the_same_beside_somebody_elses():
    delta = np.random.default_rng(2).normal(size=(6, 2))
    found = [
        deltas(activations(Sequential(*first, Linear(3, 2, rng=0), Tanh()), X), delta)[-2:]
        for first in ([Identity()], [Square()])
    ]
    out = Sequential(Square(), Linear(3, 2, rng=0), Tanh()).forward(X)
    np.testing.assert_allclose(found[1][0], delta * (1 - out**2), rtol=1e-12)
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_a_module_without_numbers_may_leave_another_network():
    tanh = Tanh()
    net, other, delta = Sequential(Linear(3, 2, rng=0), tanh), Sequential(Linear(3, 3, rng=1), tanh), np.ones((6, 2))
    net.forward(X)
    other.pop()
    steps = activations(net, X)
    np.testing.assert_allclose(deltas(steps, delta)[0], delta * (1 - steps.output**2), rtol=1e-12)


def test_watching_leaves_gradients_as_they_were():
    net = network()
    net.zero_grad()
    net.backward_update_gradient(X, MSE().backward(Y, net.forward(X)))
    before = net.gradient.copy()
    training = SimpleNamespace(net=net, loss=MSE())
    norms = Norms(X, Y)
    norms.on_fit_begin(training)
    watchers = {
        "Profile": lambda: Profile(net, X, repeats=1),
        "locate_nan": lambda: locate_nan(net, X, Y, MSE()),
        "Norms": lambda: norms.on_epoch_end(training),
    }
    for name, watch in watchers.items():
        watch()
        np.testing.assert_array_equal(net.gradient, before, err_msg=name)


def test_profile_has_a_row_for_every_module_and_its_times_add_up():
    start = time.perf_counter()
    profile = Profile(network(), X, repeats=2)
    taken = time.perf_counter() - start
    assert [name for name, *_ in profile.rows] == [
        "[0] Linear(3 -> 4)", "[1] Tanh()", "[2][0] Linear(4 -> 4)", "[2][1] Square", "[3] Linear(4 -> 2)",
    ]  # fmt: skip
    assert all(forward > 0 for _, forward, _, _ in profile.rows)
    assert sum(sum(times) for _, *times in profile.rows) < taken
    assert profile.rows[0][3] == 0, "the first module's delta is not needed"
    assert "[2][1] Square" in str(profile)
    profile = Profile(Sequential(Residual(Linear(3, 3, rng=0)), Tanh()), X, repeats=1)
    assert [name for name, *_ in profile.rows] == ["[0][0] Linear(3 -> 3)", "[1] Tanh()"]


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (lambda net, X: X.__setitem__((2, 1), np.nan), "the input holds nan (1 of 18 values)"),
        (lambda net, X: net[3].bias.__setitem__(0, np.inf), "[3] Linear(4 -> 2): its parameters hold inf (1 of 10 values)"),
        (lambda net, X: net[2][0].weight.fill(1e300), "[2][1] Square: its output holds inf (24 of 24 values)"),
    ],
)
def test_locate_nan_names_the_module_and_the_place(spoil, answer):
    net, x = network(), X.copy()
    spoil(net, x)
    found = locate_nan(net, x)
    assert found is not None
    assert found.startswith(answer)


def test_locate_nan_finds_what_only_the_way_back_breaks():
    class Root(Module):
        def forward(self, X):
            return np.sqrt(np.abs(X))

        def backward_delta(self, input, delta):
            return delta * np.sign(input) / (2 * np.sqrt(np.abs(input)))

    net = Sequential(ReLU(), Root(), Linear(3, 2, rng=0))
    x = -np.abs(X)
    assert locate_nan(net, x) is None
    assert locate_nan(net, x, Y, MSE()).startswith("[1] Root: its backward_delta holds nan")
    assert locate_nan(network(), X, Y, MSE()) is None


def test_locate_nan_names_a_loss():
    class Bad(MSE):
        def forward(self, y, yhat):
            return super().forward(y, yhat) * np.nan

    assert locate_nan(network(), X, Y, Bad()).startswith("Bad: its forward holds nan")


def test_nan_locator_says_so_if_its_batch_is_finite():
    net = Sequential(Linear(3, 2, rng=0))
    locator = NaNLocator(X, Y)
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(net, X, 1e100 * Y, loss=MSE(), optimizer=SGD(1e300), epochs=2, callbacks=[locator], rng=0)
    assert locator.found.startswith("no module: this batch is finite")


def test_nan_locator_reports_after_a_divergence(capsys):
    net = Sequential(Linear(3, 4, rng=0), Square(), Linear(4, 2, rng=1))
    locator = NaNLocator(X, Y)
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(net, X, Y, loss=MSE(), optimizer=SGD(1e9), epochs=30, callbacks=[locator], rng=0)
    assert locator.found is not None
    assert locator.found in capsys.readouterr().out


def test_norms_show_that_gradients_vanish_through_sigmoids(tmp_path):
    layers = [m for i in range(5) for m in (Linear(3, 3, rng=i), Sigmoid())]
    net = Sequential(*layers, Linear(3, 2, rng=9))
    labels = np.array([0, 1, 0, 1, 1, 0])
    norms = Norms(X, labels)
    start = net.parameters.copy()
    fit(net, X, labels, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=3, callbacks=[norms], rng=0)
    assert norms.delta.shape == norms.gradient.shape == norms.update.shape == (3, 11)
    assert norms.delta[0, 0] < 0.01 * norms.delta[0, 10]
    assert (norms.gradient[:, 1::2] == 0).all(), "a Sigmoid has no parameters"
    one, before = Norms(X, labels), [module.parameters.copy() for module in net]
    fit(net, X, labels, loss=CrossEntropy(), optimizer=SGD(0.5), epochs=1, callbacks=[one], rng=0)
    np.testing.assert_allclose(one.update[0], [np.linalg.norm(m.parameters - b) for m, b in zip(net, before)], rtol=1e-12)
    assert np.linalg.norm(one.update[0]) > 0
    assert not np.array_equal(net.parameters, start)
    norms.plot(path=tmp_path / "norms.png")
    assert (tmp_path / "norms.png").stat().st_size > 5000


# Networks that are no chain


class Drawing:
    """A plain class that draws from a generator of its own, and remembers what it was given."""

    def __init__(self):
        self.training, self.rng = True, np.random.default_rng(3)
        self.seen, self.calls = None, []

    def forward(self, X):
        self.seen, self.last = X, np.random.random()
        self.calls.append("forward")
        self.mask = self.rng.random(X.shape) > 0.5 if self.training else np.ones(X.shape)
        return X * self.mask

    def backward_delta(self, input, delta):
        self.calls.append("backward_delta")
        return delta * self.mask


class Counting(Linear):
    """One of the library's with a forward in Python around it."""

    count = 0

    def forward(self, X):
        self.count += 1
        return super().forward(X)


class Dense(Container):
    """x, then x + f1(x), then that plus f2 of it: joints between the modules of one container."""

    def wire(self, program, x):
        for module in program.each(self):
            x = program.sum(x, program.add(module, x))
        return x


def branching():
    """Networks with more than one way through them, by name."""
    twice = Linear(3, 3, rng=7)
    return {
        "residual": Sequential(
            Linear(3, 4, rng=0), Residual(Linear(4, 5, rng=1), Dropout(0.3, rng=0), Tanh(), Linear(5, 4, rng=2)), BatchNorm(4)
        ),
        "residual at the end": Sequential(Linear(3, 2, rng=0), Residual(Linear(2, 2, rng=1), Tanh())),
        "a residual alone": Residual(Tanh(), Linear(3, 3, rng=0)),
        "concat": Sequential(
            Concat(Linear(3, 2, rng=0), Sequential(Linear(3, 4, rng=1), Tanh()), Residual(Square())), Dropout(0.5, rng=1)
        ),
        "concat at the end": Sequential(Linear(3, 4, rng=0), Concat(Identity(), Residual(Square(), BatchNorm(4)))),
        "one module at two places": Sequential(twice, Residual(Sigmoid(), twice), Dropout(0.2, rng=2)),
        "joints between modules": Sequential(Dense(Linear(3, 3, rng=0), Tanh()), Linear(3, 2, rng=1)),
        "a plain class that draws": Sequential(Linear(3, 3, rng=0), Residual(Drawing()), Counting(3, 2, rng=1)),
    }


NAMES = sorted(branching())


def everything(net):
    """All that a forward or a backward may change."""
    storage = net.storage
    found = [storage.parameters, storage.gradient, storage.state, storage.settings, storage.draws]
    for module in net.leaves():
        if isinstance(module, Drawing):
            found += [*map(repr, sorted(vars(module).items(), key=lambda item: item[0])), repr(module.rng.bit_generator.state)]
        if isinstance(module, Counting):
            found.append(module.count)
    return [np.array(part) for part in (*found, np.random.get_state()[1])]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_last_output_is_the_networks_however_modules_are_connected(name, training):
    net = branching()[name]
    net.train() if training else net.eval()
    steps = activations(net, X)
    again = activations(net, X)
    np.testing.assert_array_equal(steps[-1].output, net.forward(X))
    for step, other in zip(steps, again, strict=True):
        np.testing.assert_array_equal(step.output, other.output, err_msg=step.name)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_its_modules_own_forward(name):
    net = branching()[name].eval()
    for step in activations(net, X):
        np.testing.assert_allclose(step.output, step.module.forward(step.input), rtol=1e-13, err_msg=step.name)


def test_containers_that_connect_outputs_have_a_step_after_their_modules():
    places = {
        name: [(step.place, type(step.module).__name__) for step in activations(net, X)] for name, net in branching().items()
    }
    assert places["residual at the end"] == [("[0]", "Linear"), ("[1][0]", "Linear"), ("[1][1]", "Tanh"), ("[1]", "Residual")]
    assert places["a residual alone"] == [("[0]", "Tanh"), ("[1]", "Linear"), ("", "Residual")]
    assert places["concat"] == [
        ("[0][0]", "Linear"), ("[0][1][0]", "Linear"), ("[0][1][1]", "Tanh"), ("[0][2][0]", "Square"), ("[0][2]", "Residual"),
        ("[0]", "Concat"), ("[1]", "Dropout"),
    ]  # fmt: skip
    assert [place for place, _ in places["joints between modules"]] == ["[0][0]", "[0][1]", "[0]", "[1]"]
    assert places["one module at two places"][3] == ("[1]", "Residual")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_watching_changes_nothing_in_either_mode(name, training):
    net = branching()[name]
    net.train() if training else net.eval()
    net.forward(X)
    net.storage.gradient[:] = 1.5
    steps = activations(net, X)
    y = np.zeros_like(steps[-1].output)
    norms, training_ = Norms(X, y), SimpleNamespace(net=net, loss=MSE())
    norms.on_fit_begin(training_)
    watchers = {
        "activations": lambda: activations(net, X),
        "deltas": lambda: deltas(steps, y + 1),
        "Profile": lambda: Profile(net, X, repeats=1),
        "locate_nan": lambda: locate_nan(net, X, y, MSE()),
        "Norms": lambda: norms.on_epoch_end(training_),
    }
    before = everything(net)
    for watcher, watch in watchers.items():
        watch()
        for now, then in zip(everything(net), before, strict=True):
            np.testing.assert_array_equal(now, then, err_msg=watcher)


@pytest.mark.parametrize("name", NAMES)
def test_deltas_and_gradients_are_those_of_the_networks_backward(name):
    net = branching()[name].eval()
    steps = activations(net, X)
    delta = np.random.default_rng(2).normal(size=steps[-1].output.shape)
    found = deltas(steps, delta)
    np.testing.assert_array_equal(found[-1], delta)
    for step, d in zip(steps, found, strict=True):
        assert d.shape == step.output.shape
        # Of a module that is at one place only, the delta it was given says what its gradient is.
        if step.name.startswith("[0] Linear") and name != "one module at two places":
            net.zero_grad()
            net.backward_update_gradient(X, delta)
            want = step.module.weight_gradient.copy()
            np.testing.assert_allclose(step.input.T @ d, want, rtol=1e-12, atol=1e-14)
    # Along a direction of a step's output, the loss moves as its delta says: whatever the way from there to the end.
    first, h = steps[0], 1e-6
    if isinstance(first.module, Linear) and name != "one module at two places":
        direction = np.random.default_rng(3).normal(size=first.module.out_features)
        values = []
        for sign in (1, -1):
            first.module.bias[:] += sign * h * direction
            values.append(float((delta * net.forward(X)).sum()))
            first.module.bias[:] -= sign * h * direction
        assert float((found[0] @ direction).sum()) == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6)


def test_deltas_in_training_mode_are_those_of_the_draw_that_was_watched():
    net = Sequential(Linear(3, 4, rng=0), Residual(Linear(4, 4, rng=1), Dropout(0.5, rng=0)), BatchNorm(4))
    steps = activations(net, X)
    delta = np.random.default_rng(2).normal(size=(6, 4))
    found = deltas(steps, delta)
    net.forward(X)
    net.zero_grad()
    net.backward_update_gradient(X, delta)
    np.testing.assert_allclose(X.T @ found[0], net[0].weight_gradient, rtol=1e-12)
    np.testing.assert_allclose(steps[1].input.T @ found[1], net[1][0].weight_gradient, rtol=1e-12)
    assert (found[1] == 0).any(), "Dropout let everything through"


def test_deltas_want_what_activations_returned():
    net = network()
    steps = activations(net, X)
    with pytest.raises(TypeError, match=r"^deltas: steps is of type list, expected what activations returned$"):
        deltas(list(steps), Y)
    with pytest.raises(ValueError, match=r"^deltas: delta has shape \(6, 3\), expected \(6, 2\), the output's$"):
        deltas(steps, X)
    with pytest.raises(ValueError, match=r"^deltas: delta has shape \(6, 1\), expected \(6, 2\), the output's$"):
        deltas(steps, X[:, :1])
    net.append(Tanh())
    with pytest.raises(ValueError, match=r"^activations: the network has changed since its forward; call activations again$"):
        deltas(steps, Y)


def test_norms_see_a_delta_go_around_a_block_that_lets_nothing_through():
    block = Linear(3, 3, rng=0)
    block.parameters[:] = 0
    net = Sequential(Linear(3, 3, rng=1), Residual(Sigmoid(), block), Linear(3, 2, rng=2))
    norms = Norms(X, Y)
    fit(net, X, Y, loss=MSE(), optimizer=SGD(1e-12), epochs=1, callbacks=[norms], rng=0)
    assert norms.names == ["[0] Linear", "[1][0] Sigmoid", "[1][1] Linear", "[1] Residual", "[2] Linear"]
    delta = dict(zip(norms.names, norms.delta[0], strict=True))
    assert delta["[1][0] Sigmoid"] < 1e-9
    assert delta["[0] Linear"] == pytest.approx(delta["[1] Residual"], rel=1e-9)
    assert (norms.gradient[0] > 0).tolist() == [True, False, True, False, True]


def test_norms_of_a_module_that_hands_on_what_it_gets_are_not_those_of_the_one_before():
    net, norms = Sequential(Linear(3, 2, rng=0), Flatten(), Tanh()), Norms(X, Y)
    fit(net, X, Y, loss=MSE(), optimizer=SGD(0.1), epochs=1, callbacks=[norms], progress=False)
    assert norms.gradient[0, 0] > 0
    np.testing.assert_array_equal(norms.gradient[0, 1:], 0)


def test_norms_of_a_shared_weight_count_every_use_of_it():
    first = Linear(3, 2, rng=0)
    net = Sequential(first, Tanh(), Tied(first))
    norms, training = Norms(X, X), SimpleNamespace(net=net, loss=MSE())
    norms.on_fit_begin(training)
    norms.on_epoch_end(training)
    code = np.tanh(first.forward(X))
    delta = 2 * (net.forward(X) - X) / 6
    own = np.concatenate([(delta.T @ code).ravel(), delta.sum(axis=0)])
    assert norms.gradient[0, 2] == pytest.approx(np.linalg.norm(own), rel=1e-12)


def test_locate_nan_names_a_sum_that_overflows():
    net = Sequential(Residual(Identity()), Linear(3, 2, rng=0))
    x = np.full((2, 3), 1.7e308)
    assert locate_nan(net, x) == "[0] Residual: its output holds inf (6 of 6 values); the outputs of its modules are finite"


def test_locate_nan_looks_into_branches():
    net = branching()["concat"]
    net[0][1][0].weight[0, 0] = np.nan
    assert locate_nan(net, X) == "[0][1][0] Linear(3 -> 4): its parameters hold nan (1 of 16 values)"


def test_locate_nan_does_not_run_the_modules_after_the_one_it_names():
    class Fragile(PlainTanh):
        def forward(self, X):
            assert np.isfinite(X).all(), "cannot take it"
            return X

    net = Sequential(Linear(3, 3, rng=0), Fragile())
    net[0].weight[0, 0] = np.inf
    assert locate_nan(net, X).startswith("[0] Linear(3 -> 3): its parameters hold inf")


class PlainTanh:
    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


def test_a_network_of_somebody_elses_is_one_step():
    class Net:
        def __init__(self):
            self.inner = Sequential(Linear(3, 2, rng=0), Dropout(0.5, rng=0))

        def forward(self, X):
            return self.inner.forward(X)

        def backward_delta(self, input, delta):
            return self.inner.backward_delta(input, delta)

        def zero_grad(self):
            self.inner.zero_grad()

        def backward_update_gradient(self, input, delta):
            self.inner.backward_update_gradient(input, delta)

    net = Net()
    net.inner.storage.gradient[:] = 2.0
    before = everything(net.inner)
    steps = activations(net, X)
    assert [(step.place, step.module) for step in steps] == [("[0]", net)]
    np.testing.assert_array_equal(deltas(steps, Y)[0], Y)
    assert locate_nan(net, X, Y, MSE()) is None
    for now, then in zip(everything(net.inner), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(steps[0].output, net.forward(X))


@pytest.mark.parametrize(("net", "name"), [(3, "3"), (Linear, "Linear"), ([Linear(3, 2)], r"\[Linear\(3 -> 2\)\]")])
def test_what_is_no_network_is_named(net, name):
    with pytest.raises(TypeError, match=f"^activations: net is {name}, expected a network"):
        activations(net, X)


def test_one_example_is_refused_with_how_to_make_a_batch_of_it():
    with pytest.raises(ValueError, match=r"input has shape \(3,\).* make it a batch of one: np.asarray\(input\)\[None\]$"):
        activations(Sequential(Linear(3, 2)), X[0])


def test_magnitudes_count_each_number_in_its_bin():
    sizes = np.array([0.0, 1e-20, 3e-5, 2.0, 2e3, 5e9])
    norms = Norms(sizes[:, None], np.zeros((6, 1)))
    fit(Sequential(Identity()), sizes[:, None], np.zeros((6, 1)), loss=MSE(), optimizer=SGD(1e-9), epochs=1, callbacks=[norms])
    (counts,) = norms.magnitudes("activation")[0]
    assert norms.edges[0] == -16
    assert norms.edges[-1] == 6
    wanted = np.zeros(len(norms.edges), int)
    wanted[0] = 2
    for power in (-5, 0, 3):  # 3e-5, 2 and 2e3, each in the half decade that begins there
        wanted[1 + int(np.flatnonzero(norms.edges == power)[0])] += 1
    wanted[-1] += 1
    np.testing.assert_array_equal(counts, wanted)


def test_magnitudes_count_the_numbers_of_a_gradient_that_are_zero():
    x = X * [1.0, 0.0, 1.0]  # nothing comes to the weights of the second feature
    norms = Norms(x, Y)
    fit(Sequential(Linear(3, 5, rng=0), Linear(5, 2, rng=1)), x, Y, MSE(), SGD(1e-9), epochs=1, callbacks=[norms])
    counts = norms.magnitudes("gradient")[0]
    assert counts.sum(axis=1).tolist() == [20, 12]
    assert counts[:, 0].tolist() == [5, 0]


def test_whole_numbers_can_be_watched():
    net = Sequential(Embedding(5, 3, rng=0), Flatten(), Linear(6, 2, rng=1))
    labels = np.array([[0, 1], [2, 3], [4, 4]])
    steps = activations(net, labels)
    assert [step.output.shape for step in steps] == [(3, 2, 3), (3, 6), (3, 2)]
    found = deltas(steps, np.ones((3, 2)))
    np.testing.assert_allclose(found[1], np.ones((3, 2)) @ net[2].weight.T, rtol=1e-14)
    np.testing.assert_array_equal(found[0].reshape(3, 6), found[1])
    assert Profile(net, labels, repeats=1).rows[0][3] == 0


def test_a_module_that_shares_a_weight_from_elsewhere_is_refused_where_gradients_are_asked_for():
    net = Sequential(Linear(3, 2, rng=1), Tied(Linear(4, 2, rng=0)))
    assert activations(net, X)[-1].output.shape == (6, 4)
    for watch in (lambda: Profile(net, X, repeats=1), lambda: locate_nan(net, X, np.zeros((6, 4)), MSE())):
        with pytest.raises(ValueError, match="shares the weight of"):
            watch()


def test_a_profile_prints_as_a_table():
    profile = Profile(network(), X, repeats=1)
    profile.rows = [("[0] Linear(3 -> 4)", 1e-6, 2e-6, 0.0), ("[1] Tanh()", 3e-6, 0.0, 14e-6)]
    assert str(profile).splitlines() == [
        "module              forward  gradient    delta  share",
        "[0] Linear(3 -> 4)   1.0 us    2.0 us   0.0 us   15 %",
        "[1] Tanh()           3.0 us    0.0 us  14.0 us   85 %",
    ]
    profile.rows = [("[0] Tanh()", 0.0, 0.0, 0.0)]
    assert str(profile).endswith(" 0 %"), "a clock that did not move"


class Scale:
    """Somebody else's: each column times a number that goes by a name."""

    def __init__(self, spoiled=1.0):
        self._parameters, self._gradient, self.spoiled = {"scale": np.ones(3)}, {"scale": np.zeros(3)}, spoiled

    def forward(self, X):
        return X * self._parameters["scale"]

    def zero_grad(self):
        self._gradient["scale"][:] = 0

    def backward_update_gradient(self, input, delta):
        self._gradient["scale"] += self.spoiled * (input * delta).sum(0)

    def backward_delta(self, input, delta):
        return delta * self._parameters["scale"]


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a Sequential"])
def test_locate_nan_looks_into_the_numbers_of_a_class_of_somebody_elses(inside):
    def found(module):
        return locate_nan(Sequential(Identity(), module) if inside else module, X, np.zeros((6, 3)), MSE())

    place, module = f"[{int(inside)}] Scale", Scale()
    module._gradient["scale"][:] = np.nan  # of an earlier step
    assert found(module) is None
    module._parameters["scale"][1] = np.nan
    assert found(module) == f"{place}: its parameters 'scale' hold nan (1 of 3 values)"
    assert found(Scale(spoiled=np.inf)).startswith(f"{place}: its gradient holds ")


class OfOnesOwn(Sequential):
    """A container with a forward of its own."""

    def forward(self, X):
        return super().forward(X)


def test_locate_nan_looks_into_a_container_of_ones_own_whose_modules_lie_apart():
    first, last = Linear(3, 3, rng=0), Linear(3, 3, rng=1)
    net = Sequential(first, Linear(3, 3, rng=2), OfOnesOwn(first, last), Linear(3, 3, rng=3), last)
    assert locate_nan(net, X, np.zeros((6, 3)), MSE()) is None
    last.weight[0, 0] = np.inf
    assert locate_nan(net, X, np.zeros((6, 3)), MSE()) == "[2] OfOnesOwn: its parameters '1.weight' hold inf (1 of 9 values)"


def test_a_delta_too_large_for_the_networks_numbers_is_refused():
    steps = activations(network().astype(np.float32), X)
    with pytest.raises(ValueError, match=r"^deltas: delta\[0, 0\] is 1e\+300, too large for float32"):
        deltas(steps, np.full((6, 2), 1e300))


@pytest.mark.parametrize("net", [Linear(3, 2, rng=0), network()], ids=["a module", "a network"])
def test_what_another_thread_trains_is_not_watched_where_gradients_are_asked_for(net):
    with ThreadPoolExecutor(1) as other, net.storage.writing("fit"):
        for watch in (lambda: Profile(net, X, repeats=1), lambda: locate_nan(net, X, Y, MSE())):
            with pytest.raises(RuntimeError, match="another thread is changing this network"):
                other.submit(watch).result()
