"""What could make a compiled walk read or write where it must not: each is refused in one line, or answered rightly.

Calls in any order are in `test_any_order`, threads in `test_threads`; here is each known danger by itself.
"""

import copy
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import DictLinear, PassThrough, StudentTanh, assert_unchanged, before_forward, message, network_state

from modnet import (
    MSE,
    AvgPool1D,
    BatchNorm,
    Callback,
    Concat,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    CrossEntropy,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool1D,
    MultiMargin,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    Tied,
    fit,
    predict,
)
from modnet.optim import SGD, Adam, CosineDecay, ExponentialDecay, StepDecay, Warmup


class EveryBatch(Callback):
    """Sends fit into Python."""

    def on_batch_end(self, training):
        pass


both_paths = pytest.mark.parametrize("path", [[], [EveryBatch()]], ids=["compiled", "python"])


def data(n=12, features=3, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.normal(size=(n, outputs))


def network(seed=0):
    return Sequential(Linear(3, 4, rng=seed), Tanh(), Linear(4, 2, rng=seed + 1))


def at_epoch(number, call):
    """A callback that is called at the end of one epoch."""
    return lambda training: call(training) if training.epoch == number else None


# An optimizer, while fit is running


@both_paths
def test_an_optimizer_that_a_callback_attaches_elsewhere_takes_no_step_there(path):
    x, y = data()
    net, other, optimizer = network(), network(5), Adam(0.01)
    before = network_state(other)
    text = message(
        ValueError, fit, net, x, y, MSE(), optimizer, epochs=3,
        callbacks=[*path, at_epoch(1, lambda training: training.optimizer.attach(other))],
    )  # fmt: skip
    assert text == "fit: a callback attached Adam(lr=0.01) to another network; give that network an optimizer of its own"
    assert_unchanged(other, before)
    assert optimizer.net is other
    assert optimizer.steps == 0


@both_paths
def test_a_callback_cannot_replace_what_is_trained(path):
    x, y = data()
    net = network()
    for name, value in (("optimizer", SGD(0.1)), ("net", network()), ("loss", MSE())):
        callback = at_epoch(1, lambda training, name=name, value=value: setattr(training, name, value))
        text = message(AttributeError, fit, net, x, y, MSE(), Adam(0.01), epochs=2, callbacks=[*path, callback])
        assert text.startswith(f"Training: {name} cannot be replaced while fit is running")


@both_paths
def test_a_callback_may_attach_the_optimizer_anew_to_the_same_network(path):
    x, y = data()
    net, twin = network(), network()
    options = {"batch_size": 5, "shuffle": False, "callbacks": path}
    frozen = at_epoch(1, lambda training: training.optimizer.attach(training.net, {0: 0.0}))
    fit(net, x, y, MSE(), Adam(0.01), epochs=2, **{**options, "callbacks": [*path, frozen]})
    fit(twin, x, y, MSE(), Adam(0.01), epochs=1, **options)
    fit(twin, x, y, MSE(), Adam(0.01).attach(twin, {0: 0.0}), epochs=1, **options)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


@both_paths
def test_a_callback_may_put_an_earlier_state_of_the_optimizer_back(path):
    x, y = data()
    nets, options = [network(), network()], {"batch_size": 4, "shuffle": False}
    first = Adam(0.01).attach(nets[0])
    kept = first.state_dict()
    fit(nets[0], x, y, MSE(), first, epochs=2, callbacks=[*path, at_epoch(1, lambda t: t.optimizer.load_state_dict(kept))], **options)
    for _ in range(2):
        fit(nets[1], x, y, MSE(), Adam(0.01), epochs=1, callbacks=path, **options)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


# Data, while fit is running


def words():
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (10, 3)), rng.integers(0, 2, 10)


@pytest.mark.parametrize("what", ["X", "y", "validation X", "validation y"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint8])
@pytest.mark.parametrize("loss", [CrossEntropy(), MultiMargin()], ids=repr)
@both_paths
def test_numbers_that_are_places_are_those_that_were_checked(path, loss, dtype, what):
    """Whatever a callback writes into the arrays that were given, fit reads what it checked."""
    ends = []
    for spoils in (False, True):
        net = Sequential(Embedding(5, 4, rng=0), Flatten(), Linear(12, 2, rng=1))
        x, y = words()
        arrays = {"X": x.astype(dtype), "y": y, "validation X": x[:6].astype(dtype), "validation y": y[:6].copy()}
        beyond = 200 if dtype is np.uint8 or arrays[what].dtype == np.uint8 else 10**9

        def spoil(training, array=arrays[what], beyond=beyond, spoils=spoils):
            if spoils:
                array[...] = beyond

        fit(
            net, arrays["X"], arrays["y"], loss, SGD(0.1), epochs=3, batch_size=4, rng=0,
            validation=(arrays["validation X"], arrays["validation y"]), callbacks=[*path, spoil],
        )  # fmt: skip
        ends.append(net.parameters.copy())
    np.testing.assert_array_equal(*ends)


# Optimizers by hand


@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.5), lambda: Adam(0.1)], ids=["SGD", "Adam"])
def test_two_optimizers_of_one_network_have_moments_of_their_own(make):
    x, y = data()
    net, loss, one = network(), MSE(), make()

    def step(optimizer):
        net.zero_grad()
        net.backward_update_gradient(x, loss.backward(y, net.forward(x)) / len(x))
        before = net.parameters.copy()
        optimizer.step()
        return net.parameters - before, net.gradient.copy()

    one.attach(net)
    step(one)
    two = copy.copy(one)  # with one's moments so far
    three = make().attach(net)
    slopes = {id(o): [] for o in (one, two, three)}
    start = net.gradient.copy()
    for optimizer in (two, one, three, one, two, two, three, one):
        move, slope = step(optimizer)
        slopes[id(optimizer)].append(slope)
        alone = Linear(net.parameters.size - 1, 1, rng=0)  # as many numbers, moved by the same gradients, and by nothing else
        again = make().attach(alone)
        for g in ([] if optimizer is three else [start]) + slopes[id(optimizer)]:
            before = alone.parameters.copy()
            alone.gradient[:] = g
            again.step()
        np.testing.assert_allclose(move, alone.parameters - before, rtol=1e-9, atol=1e-15)
    assert (one.steps, two.steps, three.steps) == (4, 4, 2)


@pytest.mark.parametrize(
    "make",
    [network, lambda: Sequential(DictLinear(3, 4), Linear(4, 2, rng=0)), lambda: Sequential(DictLinear(3, 2))],
    ids=["ours", "mixed", "students'"],
)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_not_clipped_and_not_stepped_along(make, wrong):
    net, (x, y) = make(), data()
    optimizer = Adam(0.1, clip_norm=0.5).attach(net)

    def backward():
        net.zero_grad()
        net.backward_update_gradient(x, 2 * (net.forward(x) - y))

    backward()
    optimizer.step()
    before, moments = copy.deepcopy(net), optimizer.state_dict()
    backward()
    gradient = net.gradient if net.gradient.size else net[0]._gradient["W"].reshape(-1)
    gradient[0] = wrong
    assert message(ValueError, optimizer.step) == (
        f"Adam(lr=0.1, clip_norm=0.5): the norm of the gradient is {abs(wrong)}, so clip_norm cannot scale it; no step was taken. "
        "modnet.watch.locate_nan(net, X, y, loss) says where it comes from"
    )
    np.testing.assert_equal(optimizer.state_dict(), moments)
    np.testing.assert_array_equal(predict(net, x), predict(before, x))
    backward()
    optimizer.step()
    assert optimizer.steps == 2


@pytest.mark.parametrize("copied", [lambda o: o, copy.copy], ids=["the optimizer", "a copy"])
@pytest.mark.parametrize(
    "make", [lambda: Sequential(DictLinear(3, 3)), lambda: Sequential(Tanh()), network], ids=["students'", "none", "ours"]
)
def test_no_step_is_taken_if_the_network_has_got_a_module_since_attach(make, copied):
    net = make()
    optimizer = copied(SGD(0.1, momentum=0.5).attach(net))
    net.append(DictLinear(net.forward(np.ones((2, 3))).shape[1], 2))
    net.zero_grad()
    net.backward(np.ones((2, 3)), np.ones((2, 2)))
    before = copy.deepcopy(net)
    for each in (optimizer, copy.copy(optimizer)):
        assert message(ValueError, each.step) == (
            "SGD(lr=0.1, momentum=0.5): the network was changed by append or astype since attach; "
            "call optimizer.attach(net) again"
        )
    np.testing.assert_array_equal(predict(net, np.ones((1, 3))), predict(before, np.ones((1, 3))))


def test_what_an_earlier_optimizer_has_frozen_counts_as_free_if_a_new_one_will_train_it():
    x, y = data(5)
    net = Sequential(Linear(3, 2, rng=0), BatchNorm(2))
    frozen = SGD(0.1).attach(net, {1: 0.0})
    before = network_state(net)
    text = message(ValueError, fit, net, x, y, MSE(), SGD(0.1), epochs=1, batch_size=2)
    assert text.startswith("fit: Sequential[1] BatchNorm(2): a batch of one in training mode")
    assert_unchanged(net, before)
    fit(net, x, y, MSE(), frozen, epochs=1, batch_size=2)  # its statistics stay, so a batch of one will do
    np.testing.assert_array_equal(net[1].running_var, [1.0, 1.0])


# Whose a module is


def test_networks_that_outlive_the_one_around_them_go_on_when_one_of_them_moves():
    one, two = network(), Sequential(Sequential(Linear(3, 3, rng=2)), Sequential(Linear(3, 2, rng=3)))
    around = Concat(one, two)
    x, want = np.ones((2, 3)), [one.forward(np.ones((2, 3))), two.forward(np.ones((2, 3)))]
    del around
    gc.collect()
    one.astype("float32")
    assert two[0].root() is two
    np.testing.assert_array_equal(two[1].forward(two[0].forward(x)), want[1])
    np.testing.assert_allclose(one.forward(x), want[0], rtol=1e-5)
    assert np.shares_memory(two[0].parameters, two.parameters)


def test_a_network_without_numbers_belongs_to_one_network_too():
    inner = Sequential(Tanh())
    one, two = Sequential(inner, Linear(3, 2, rng=0)), Sequential(Linear(3, 3, rng=1), inner)
    x = np.ones((2, 3))
    expected = "Sequential[1] Sequential: already belongs to another network; use copy.deepcopy to get an independent one"
    assert message(ValueError, two.forward, x) == expected
    inner.append(ReLU())
    np.testing.assert_array_equal(one.forward(x), Sequential(Tanh(), ReLU(), copy.deepcopy(one[1])).forward(x))
    del one
    gc.collect()
    assert two.forward(x).shape == (2, 3)


def test_two_types_are_refused_at_once_though_the_network_must_wait_for_its_owner():
    inner = network()
    around = Sequential(inner)
    expected = "Sequential: its modules hold float32 and float64; convert them to one type with astype"
    assert message(ValueError, Sequential, inner, Linear(2, 2, rng=0).astype("float32")) == expected
    assert inner.root() is around


def test_an_empty_concat_is_refused():
    net = Concat(Linear(3, 2, rng=0))
    assert message(ValueError, net[1:].forward, np.ones((2, 3))) == "Concat: got no branches, expected at least one"
    assert message(ValueError, net.pop) == "Concat: got no branches, expected at least one"
    assert net.forward(np.ones((2, 3))).shape == (2, 2)


@both_paths
def test_a_network_that_another_thread_is_training_cannot_be_put_into_another(path):
    (x, y), net, running, done = data(), network(), threading.Event(), threading.Event()

    def wait(training):
        running.set()
        assert done.wait(60)

    thread = threading.Thread(
        target=fit, args=(net, x, y, MSE(), SGD(0.1)), kwargs={"epochs": 2, "callbacks": [*path, at_epoch(1, wait)]}
    )
    thread.start()
    try:
        assert running.wait(60)
        busy = "another thread is changing this network; wait for it to finish, or give each thread a copy.deepcopy of its own"
        for call in (lambda: Sequential(net, Tanh()), lambda: Concat(net, Tanh())):
            assert message(RuntimeError, call).endswith(busy)
    finally:
        done.set()
        thread.join(60)
    assert net.root() is None
    assert len(Sequential(net, Tanh())) == 2


# Modes and constructors


class Spoken(Sequential):
    """A student's container, with an operation of its own in Python."""

    def forward(self, X):
        return super().forward(X)


@pytest.mark.parametrize("kind", [Sequential, Spoken])
def test_training_is_set_for_a_whole_network_and_predict_leaves_it_as_it_is(kind):
    x = np.ones((6, 3))
    net = Sequential(kind(Dropout(0.5, rng=0), Linear(3, 3, rng=0), Dropout(0.5, rng=1)), StudentTanh(), BatchNorm(3))
    net.training = False
    assert [module.training for module in (net[0], net[0][0], net[0][2], net[2])] == [False] * 4
    want = net.forward(x)
    np.testing.assert_array_equal(net.forward(x), want)
    net[0][0].train()
    np.testing.assert_array_equal(predict(net, x), want)
    assert [module.training for module in (net[0], net[0][0], net[0][2])] == [False, True, False]
    net.training = True
    net[0][0].eval()
    np.testing.assert_array_equal(predict(net, x), want)
    assert [module.training for module in (net[0], net[0][0], net[0][2], net[2])] == [True, False, True, True]
    assert not np.array_equal(net.forward(x), want)


@pytest.mark.parametrize("plain", [[], [PassThrough()]], ids=["ours", "mixed"])
def test_backward_of_a_network_repeats_the_last_draw_of_each_module(plain):
    """Whoever called the modules since: backward of the network is the loop over its modules, as students write it."""
    x, delta = data(20, outputs=3)
    net = Sequential(Dropout(0.5, rng=0), Linear(3, 3, rng=0), *plain, Dropout(0.5, rng=1), BatchNorm(3))
    net.forward(x)
    for call in (lambda: net[:2].forward(x), lambda: net[-2].forward(x), lambda: net.forward(x)):
        call()
        inputs = [x]
        kept = before_forward(net)
        for module in net:  # the masks of the last draws, without drawing
            repeated = module.backward_delta(np.ones((20, 3)), inputs[-1]) if isinstance(module, Dropout) else None
            inputs.append(module.forward(inputs[-1]) if repeated is None else repeated)
        kept.restore()
        want = delta
        for module, at in zip(reversed(list(net)), reversed(inputs[:-1])):
            want = module.backward_delta(at, want)
        np.testing.assert_allclose(net.backward_delta(x, delta), want, rtol=1e-12)
        net.zero_grad()
        np.testing.assert_allclose(net.backward(x, delta), want, rtol=1e-12)


@pytest.mark.parametrize("value", [1, "yes", 2.5, None, 0])
def test_any_value_of_training_is_true_or_false(value):
    net = Sequential(Dropout(0.5, rng=0))
    net[0].training = value
    x = np.ones((1, 200))
    out, twice = net.forward(x), net.backward_delta(x, x)
    np.testing.assert_array_equal(out, twice)
    assert (out == 0).any() == bool(value)


@pytest.mark.parametrize("kind", [Sequential, Residual, Concat, Spoken])
def test_a_networks_init_is_called_once(kind):
    net = kind(Linear(3, 3, rng=0))
    around = Sequential(net, Linear(net.forward(np.ones((1, 3))).shape[1], 2, rng=1))
    before = network_state(around)
    text = f"{kind.__name__}: __init__ was called a second time; make a new {kind.__name__}"
    for modules in ((), (Tanh(),), (Linear(9, 9),)):
        assert message(RuntimeError, net.__init__, *modules) == text
    assert len(net) == 1
    assert_unchanged(around, before)


# Numbers too large


def layers_too_large():
    huge, most = 10**30, "is too large, expected at most 2147483647"
    signal = np.ones((2, 5, 1))
    return [
        (lambda: Linear(huge, 2), f"Linear: in_features {most}"),
        (lambda: Linear(2, 2**40), f"Linear: out_features {most}"),
        (lambda: Linear(2**31 - 1, 2**31 - 1), "Linear: its 4611686016279904256 numbers do not fit into memory"),
        (lambda: BatchNorm(2**63), f"BatchNorm: features {most}"),
        (lambda: LayerNorm(np.uint64(2**63 + 1)), f"LayerNorm: features {most}"),
        (lambda: Embedding(huge, 2), f"Embedding: count {most}"),
        (lambda: Embedding(2**24 + 1, 1), "Embedding: count is 16777217, expected at most 16777216, as far as a float32 counts"),
        (lambda: Conv1D(huge, 1, 1), f"Conv1D: k_size {most}"),
        (lambda: Conv1D(2, 1, 1, stride=2**62), f"Conv1D: stride {most}"),
        (lambda: Conv2D(2, 1, 1, padding=(0, 2**62)), f"Conv2D: padding {most}"),
        (lambda: MaxPool1D(2, stride=huge), f"MaxPool1D: stride {most}"),
        (lambda: AvgPool1D(2**31), f"AvgPool1D: k_size {most}"),
        (lambda: ConvTranspose1D(2, 1, 1, stride=2**31), f"ConvTranspose1D: stride {most}"),
        (
            lambda: ConvTranspose2D(2, 1, 1, stride=2**31 - 1).forward(np.ones((2, 5, 5, 1))),
            "ConvTranspose2D(1 -> 1, k_size=2, stride=2147483647): an example of shape (8589934590, 8589934590, 1) is not "
            "possible, expected at most 2**40 numbers",
        ),
        (
            lambda: Sequential(ConvTranspose1D(2, 1, 1, stride=2**31 - 1), *[MaxPool1D(1)] * 1, Conv1D(1, 1, 2**12, rng=0)).forward(signal),
            "Sequential[2]: an example of shape (8589934590, 4096) is not possible, expected at most 2**40 numbers",
        ),
        (
            lambda: network().output_shape((huge, 3)),
            f"Sequential: an example of shape ({huge}, 3) is not possible, expected at most 2**40 numbers",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), layers_too_large())
def test_sizes_too_large_are_refused(call, text):
    assert message(ValueError, call) == text


@pytest.mark.parametrize("axis", [2**31 - 1, 2**20])
@pytest.mark.parametrize("make", [lambda s: Conv1D(2, 1, 1, stride=s, rng=0), lambda s: MaxPool1D(2, stride=s)], ids=["Conv1D", "MaxPool1D"])
def test_the_largest_strides_give_one_window(make, axis):
    x, layer = np.arange(10.0).reshape(2, 5, 1), make(axis)
    out = layer.forward(x)
    np.testing.assert_array_equal(out, layer.forward(x[:, :2]))
    assert np.count_nonzero(layer.backward_delta(x, np.ones_like(out)).any(axis=(0, 2))[2:]) == 0


def trainings_too_large():
    most = "is too large, expected at most 9223372036854775807"
    x, y = data()
    return [
        (lambda net: fit(net, x, y, MSE(), SGD(0.1), epochs=10**30), f"fit: epochs {most}"),
        (lambda net: fit(net, x, y, MSE(), SGD(0.1), batch_size=2**70), f"fit: batch_size {most}"),
        (lambda net: fit(net, x, y, MSE(), SGD(0.1), patience=10**30, validation=0.5), f"fit: patience {most}"),
        (lambda net: predict(net, x, batch_size=2**70), f"predict: batch_size {most}"),
        (lambda net: SGD(StepDecay(0.1, every=10**30)), f"StepDecay: every {most}"),
        (lambda net: SGD(CosineDecay(0.1, over=2**64)), f"CosineDecay: over {most}"),
        (lambda net: SGD(Warmup(10**30, then=0.1)), f"Warmup: steps {most}"),
        (lambda net: SGD(10**400), "SGD: lr is outside the range of a float, expected a positive number or a schedule"),
        (
            lambda net: fit(net, x, y, MSE(), SGD(StepDecay(1.0, 1, factor=1e200)), epochs=3, callbacks=[lambda t: t.net.parameters.fill(0)]),
            "SGD(lr=StepDecay(lr=1, every=1, factor=1e+200)): the schedule gave the rates [inf], expected 1 finite numbers, "
            "none negative",
        ),
        (
            lambda net: fit(net, x, y, MSE(), SGD(ExponentialDecay(1.0, 1e200, per="step")), batch_size=4),
            "SGD(lr=ExponentialDecay(lr=1, factor=1e+200, per='step')): the schedule gave the rates [1.0, 1e+200, inf], expected "
            "3 finite numbers, none negative",
        ),
        (
            lambda net: SGD(0.1).attach(net, {10**30: 0.0}),
            f"SGD(lr=0.1): rates has the place {10**30}, expected one of the network's 3 modules",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), trainings_too_large())
def test_numbers_too_large_for_a_training_are_refused(call, text):
    assert message(ValueError, call, network()) == text


def test_the_largest_batch_is_all_examples_at_once():
    x, y = data()
    ends = []
    for size in (None, 2**63 - 1):
        net = network()
        fit(net, x, y, MSE(), SGD(0.1), epochs=2, batch_size=size, rng=0)
        ends.append(net.parameters.copy())
        np.testing.assert_array_equal(predict(net, x, batch_size=size), net.forward(x))
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("label", [1e300, 2.0**63, -1e300, 2**63, np.nan, np.inf, 10**30])
@pytest.mark.parametrize("plain", [[], [PassThrough()]], ids=["ours", "mixed"])
def test_labels_beyond_every_integer_are_refused(label, plain):
    table = Sequential(Embedding(3, 2, rng=0), Flatten(), *plain, Linear(2, 2, rng=1))
    before = network_state(table)
    for call in (
        lambda: table.forward([[label]]),
        lambda: predict(table, [[label]]),
        lambda: table.backward_update_gradient([[label]], np.ones((1, 2))),
        lambda: fit(table, [[label], [0]], [0, 1], CrossEntropy(), SGD(0.1)),
    ):
        message(ValueError, call)
    for call in (
        lambda: CrossEntropy()([label], np.ones((1, 2))),
        lambda: fit(table, [[1], [0]], [label, 0], CrossEntropy(), SGD(0.1)),
    ):
        with pytest.raises((ValueError, TypeError)) as raised:
            call()
        assert "\n" not in str(raised.value)
    assert_unchanged(table, before)


def too_large_for_float32():
    x, y = data()
    return [
        (lambda net: net.forward(x * 1e300), "Sequential: input[0, 0] is"),
        (lambda net: predict(net, x * 1e300), "predict: X[0, 0] is"),
        (lambda net: net.backward(x, y * 1e300), "Sequential: delta[0, 0] is"),
        (lambda net: fit(net, x * 1e300, y, MSE(), SGD(0.1)), "fit: X[0, 0] is"),
        (lambda net: fit(net, x, y * 1e300, MSE(), SGD(0.1)), "MSE(): y[0, 0] is"),
        (lambda net: net.update_parameters(1e300), "Sequential: gradient_step is"),
        (lambda net: net[0].update_parameters(1e300), "Linear(3 -> 4): gradient_step is"),
        (lambda net: setattr(net[0], "weight", np.full((3, 4), 1e300)), "Linear(3 -> 4): weight[0, 0] is"),
        (lambda net: setattr(net[0], "bias_gradient", np.full(4, -1e39)), "Linear(3 -> 4): bias_gradient[0] is"),
        (lambda net: large(network()).astype("float32"), "Sequential: parameters[0] is"),
        (lambda net: large(Linear(3, 2, rng=0)).astype("float32"), "Linear(3 -> 2): parameters[0] is"),
    ]


def large(net):
    net.parameters[:] = 1e300
    return net


@pytest.mark.parametrize(("call", "text"), too_large_for_float32())
def test_what_would_be_infinite_as_a_float32_is_refused(call, text):
    net = network().astype("float32")
    before = network_state(net)
    found = message(ValueError, call, net)
    assert found.startswith(text)
    assert found.endswith(", too large for float32, whose largest number is 3.4e+38; scale the values, or use float64: net.astype('float64')")
    assert_unchanged(net, before)


@pytest.mark.parametrize("make", [lambda: Embedding(3, 2, rng=0), lambda: MaxPool1D(1), Tanh, lambda: Linear(3, 2, rng=0)])
def test_inputs_without_numbers_give_outputs_without_numbers(make):
    layer = make()
    shape = {Embedding: (2, 0), MaxPool1D: (2, 3, 0), Tanh: (2, 0), Linear: (2, 0, 3)}[type(layer)]
    for module in (layer, Sequential(make())):
        assert module.forward(np.ones(shape)).size == 0


def test_a_network_that_uses_the_weight_of_another_sees_that_it_has_changed():
    linear = Linear(2, 3, rng=0)
    owner, net = Sequential(linear), Sequential(Linear(3, 3, rng=1), Tied(linear), Tanh())
    x, delta = np.random.default_rng(0).normal(size=(5, 3)), np.ones((5, 2))
    net.forward(x)
    owner[0].weight *= 0.5
    got = net.backward_delta(x, delta)
    twin = copy.deepcopy(net)
    np.testing.assert_allclose(got, twin.backward_delta(x, delta), rtol=1e-12)


def test_a_forward_in_training_beside_a_fit_counts_as_one():
    net = Sequential(Dropout(0.5, rng=0))
    x = np.ones((20, 20))
    net.forward(x)
    with ThreadPoolExecutor(1) as other, net.storage.writing("here"):
        beside, repeated = other.submit(lambda: (net.forward(x), net.backward_delta(x, x))).result()
    assert net[0].draws == (2, 2)
    np.testing.assert_array_equal(beside, repeated)
    assert not np.array_equal(beside, net.forward(x))
