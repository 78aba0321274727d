"""A loop by hand: after the first calls the machine looks at the arrays, and says and gives what the first calls do."""

import copy
import threading

import numpy as np
import pytest
from helpers import message

from modnet import MSE, CrossEntropy, Flatten, Linear, ReLU, Sequential, Softmax, predict
from modnet.engine.run import program_of
from modnet.optim import SGD, Adam
from modnet.optim.schedules import StepDecay

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)).astype(np.float32), np.array([0, 1, 1, 0, 1, 0])
DELTA = RNG.normal(size=(6, 2)).astype(np.float32)


def made():
    return Sequential(Linear(3, 5, rng=0), ReLU(), Linear(5, 2, rng=1)).astype("float32")


def warm(net):
    """The network after passes in which the machine learns what there is to look at."""
    for _ in range(2):
        net.forward(X)
        net.backward(X, DELTA)
    net.zero_grad()
    return net


def outcome(call, *arguments):
    """What a call gives, bit for bit, or what it says."""
    try:
        found = call(*arguments)
    except Exception as error:
        return type(error), str(error)
    return None if found is None else (found.dtype, found.shape, found.tobytes())


READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False
INPUTS = {
    "the same": X, "fewer": X[:2], "more": np.concatenate([X, X, X]), "one": X[:1], "a slice": X[2:5], "a list": X.tolist(),
    "float64": X.astype(float), "integers": np.ones((6, 3), int), "columns": np.asfortranarray(X), "every other": np.repeat(X, 2, 0)[::2],
    "read-only": READ_ONLY, "swapped bytes": X.astype(">f4"), "a subclass": X.view(np.recarray), "too wide": np.ones((6, 4), np.float32),
    "too narrow": X[:, :2].copy(), "a vector": X[0].copy(), "three axes": X[None].copy(), "empty": X[:0], "nothing": None,
    "no features": np.ones((6, 0), np.float32), "text": "text", "NaN": np.full((6, 3), np.nan, np.float32),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
def test_a_network_gives_and_says_what_it_does_at_its_first_call(x, training):
    first, later = made().train(training), warm(made()).train(training)
    warm(later)
    assert outcome(later.forward, x) == outcome(first.forward, x)
    n = len(x) if isinstance(x, np.ndarray) else 6
    delta = np.resize(DELTA, (n, 2))
    for name in ("backward", "backward_update_gradient", "backward_delta"):
        assert outcome(getattr(later, name), x, delta) == outcome(getattr(first, name), x, delta), name
    np.testing.assert_array_equal(later.gradient, first.gradient, strict=True)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
def test_so_it_is_with_a_prediction(x):
    first, later, trained = made(), made(), warm(made())
    for _ in range(2):
        predict(later, X)
    for size in (None, 2, 6, 100, 0, True, 6.5, "6"):
        want = outcome(predict, first, x, size)
        assert outcome(predict, later, x, size) == want, size
        assert outcome(predict, trained, x, size) == want, size
        first = made()
    assert outcome(trained.backward, X, DELTA) == outcome(warm(made()).backward, X, DELTA)  # of its forward, not of the prediction


DELTAS = {
    "fewer": DELTA[:2], "too wide": np.ones((6, 3), np.float32), "a vector": DELTA[:, 0].copy(), "float64": DELTA.astype(float),
    "columns": np.asfortranarray(DELTA), "a list": DELTA.tolist(), "empty": DELTA[:0], "nothing": None,
}  # fmt: skip


@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_so_it_is_with_a_delta(delta):
    first, later = made(), warm(made())
    for name in ("backward", "backward_update_gradient", "backward_delta"):
        assert outcome(getattr(later, name), X, delta) == outcome(getattr(first, name), X, delta), name
    np.testing.assert_array_equal(later.gradient, first.gradient, strict=True)


LEAVES = {"Linear": lambda: Linear(3, 2, rng=0).astype("float32"), "ReLU": ReLU, "Flatten": Flatten, "Softmax": Softmax}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("make", LEAVES.values(), ids=LEAVES)
def test_so_it_is_with_a_module_alone(make):
    for x in INPUTS.values():
        for before in (X, X[:, :2].copy(), X[None].copy()):
            first, later = make(), make()
            for _ in range(2):
                outcome(later.forward, before)
            got = outcome(first.forward, x)
            assert outcome(later.forward, x) == got
            for delta in (np.resize(DELTA, got[1]) if len(got) == 3 else DELTA, DELTA):
                for name in ("backward_update_gradient", "backward_delta"):
                    assert outcome(getattr(later, name), x, delta) == outcome(getattr(first, name), x, delta), name
            if later.counts.parameters:
                np.testing.assert_array_equal(later.gradient, first.gradient, strict=True)


CHANGES = {
    "a weight in place": lambda net: net[0].weight.__imul__(2),
    "another input": lambda net: net.forward(2 * X),
    "another batch": lambda net: net.forward(X[:3]),
    "float64": lambda net: net.astype("float64"),
    "a module more": lambda net: net.append(ReLU()),
    "a module less": lambda net: net.pop(1),
    "an outer network": lambda net: Sequential(net, ReLU()),
    "a prediction": lambda net: predict(net, 3 * X) is None,
    "a prediction by hand": lambda net: net.eval().forward(3 * X) is None or net.train(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_between_two_calls_is_seen(change):
    first, later = made(), warm(made())
    later.forward(X)
    kept = [change(net) for net in (first, later)]
    for name in ("backward", "backward_update_gradient", "backward_delta", "forward"):
        arguments = (X,) if name == "forward" else (X, DELTA)
        assert outcome(getattr(later, name), *arguments) == outcome(getattr(first, name), *arguments), name
    np.testing.assert_array_equal(later.gradient, first.gradient, strict=True)
    assert later.gradient.any()
    del kept


def test_the_kernels_of_backward_are_asked_for_by_the_first_backward():
    net = made()
    net.forward(X)
    rows = program_of(net, (3,), X.dtype).table
    assert rows["forward"].all()
    assert not rows["gradient"].any()
    assert not rows["backward"].any()
    net.backward_delta(X, DELTA)
    assert rows["backward"].all()
    assert (rows["gradient"] != 0).tolist() == [True, False, True]


def test_gradients_add_up_and_an_output_is_an_array_of_its_own():
    net = warm(made())
    out = net.forward(X)
    before = out.copy()
    net.backward(X, DELTA)
    once = net.gradient.copy()
    net.backward_update_gradient(X, DELTA)
    np.testing.assert_allclose(net.gradient, 2 * once, rtol=1e-6)
    net.forward(2 * X)
    np.testing.assert_array_equal(out, before)
    out[:] = 0
    assert net.forward(X).any()


class Doubled(CrossEntropy):
    """Looks at what it is given in its own way."""

    def targets(self, y, yhat_shape, dtype):
        return super().targets(1 - np.asarray(y), yhat_shape, dtype)


LOSSES = [CrossEntropy(), CrossEntropy(label_smoothing=0.2), CrossEntropy(ignore_index=1), Doubled(), MSE()]
TARGETS = {
    "labels": Y, "int32": Y.astype(np.int32), "a list": Y.tolist(), "too large": Y + 1, "below 0": Y - 1, "fewer": Y[:3], "a column": Y[:, None],
    "one for all": Y[:1], "every other": np.repeat(Y, 2)[::2], "rows": np.eye(2, dtype=np.float32)[Y], "rows in float64": np.eye(2)[Y],
    "too wide": np.eye(3, dtype=np.float32)[Y], "floats": Y.astype(np.float32), "flags": Y == 1, "nothing": None,
}  # fmt: skip


YHATS = [
    DELTA, DELTA.astype(float), DELTA[:, :1].copy(), np.asfortranarray(DELTA), DELTA[:3], DELTA[None].copy(), DELTA[:0], None,
    np.rint(3 * DELTA).astype(int), DELTA.astype(">f4"), DELTA.tolist(),
]  # fmt: skip


def first_call(loss):
    """A loss whose class has not been called yet."""
    found = copy.copy(loss)
    found.__class__ = type(type(loss).__name__, (type(loss),), {})
    return found


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_so_it_is_with_a_loss(loss, y):
    for name in ("forward", "backward", "hits"):
        for yhat in YHATS:
            for plain in (Y, np.eye(2, dtype=np.float32)[Y]):  # the machine learns by one of them
                outcome(getattr(loss, name), plain, DELTA)
            assert outcome(getattr(loss, name), y, yhat) == outcome(getattr(first_call(loss), name), y, yhat), name


def test_a_label_that_is_ignored_from_now_on_is():
    loss = CrossEntropy()
    for _ in range(2):
        before = loss.backward(Y, DELTA)
    loss.ignore_index = 1
    after = loss.backward(Y, DELTA)
    np.testing.assert_array_equal(after[Y == 1], 0)
    np.testing.assert_array_equal(after[Y == 0], before[Y == 0])


def test_the_mean_of_a_loss_is_that_of_its_examples():
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        for n in (1, 3, 9, 130, 1001):
            y, yhat = (rng.normal(size=(n, 2)).astype(dtype) for _ in range(2))
            assert MSE()(y, yhat) == float(np.mean(MSE().forward(y, yhat)))


# Steps


def by_hand(optimizer, steps, between=lambda: None, convert=np.asarray):
    """The parameters after some steps; convert makes inputs of which something has to be changed."""
    net, loss = made(), CrossEntropy()
    optimizer.attach(net)
    for _ in range(steps):
        net.zero_grad()
        net.backward_update_gradient(convert(X), loss.backward(convert(Y), net.forward(convert(X))) / np.float32(len(X)))
        optimizer.step()
        between()
    return net.parameters.copy()


def test_a_loop_by_hand_takes_the_same_steps_whatever_its_arrays_are_like():
    plain = by_hand(Adam(0.1), 5)
    np.testing.assert_array_equal(by_hand(Adam(0.1), 5, convert=np.ndarray.tolist), plain, strict=True)


def test_settings_of_an_optimizer_count_from_the_next_step():
    adam = Adam(0.1)
    slower = by_hand(adam, 4, lambda: setattr(adam, "lr", adam.lr / 2))
    scheduled = Adam(StepDecay(0.1, every=1, factor=0.5))
    np.testing.assert_array_equal(slower, by_hand(scheduled, 4, scheduled.epoch_end))
    clipped = SGD(0.5)
    assert not np.array_equal(by_hand(clipped, 3), by_hand(clipped, 3, lambda: setattr(clipped, "clip_norm", 0.01)))


def test_rates_of_pieces_and_what_is_frozen_hold_in_every_step():
    net, loss = made(), MSE()
    optimizer = SGD(0.5).attach(net, rates={0: 0.0, 2: 0.5})
    before = net.parameters.copy()
    for _ in range(3):
        net.zero_grad()
        net.backward_update_gradient(X, loss.backward(DELTA, net.forward(X)))
        expected = net[2].parameters - np.float32(0.25) * net[2].gradient
        optimizer.step()
        np.testing.assert_allclose(net[2].parameters, expected, rtol=1e-6)
    np.testing.assert_array_equal(net[0].parameters, before[: net[0].parameters.size])
    assert optimizer.steps == 3


def test_while_another_thread_changes_the_network_nothing_is_written():
    net = warm(made())
    optimizer = Adam(0.1).attach(net)
    optimizer.step()
    net.forward(X)
    before = net.parameters.copy(), net.gradient.copy()
    taken, done = threading.Event(), threading.Event()

    def hold():
        with net.storage.writing("another"):
            taken.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(10)
    try:
        for call in (net.zero_grad, optimizer.step, lambda: net.backward(X, DELTA), lambda: net.backward_update_gradient(X, DELTA)):
            assert "another thread is changing this network" in message(RuntimeError, call)
        assert net.forward(X).any()
        assert net.backward_delta(X, DELTA).any()
    finally:
        done.set()
        thread.join()
    np.testing.assert_array_equal(net.parameters, before[0])
    np.testing.assert_array_equal(net.gradient, before[1])


def test_an_optimizer_sees_that_its_network_has_changed_between_two_steps():
    net = warm(made())
    optimizer = Adam(0.1).attach(net)
    optimizer.step()
    net.append(Linear(2, 2, rng=3).astype("float32"))
    assert "attach(net) again" in message(ValueError, optimizer.step)


def test_many_threads_at_one_small_network_each_get_their_own():
    net = warm(made())
    inputs = [np.full((3, 3), k, np.float32) for k in range(8)]
    expected = [made().forward(x) for x in inputs]
    wrong = []

    def work(k):
        for _ in range(300):
            if not np.array_equal(net.forward(inputs[k]), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
