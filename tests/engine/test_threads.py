"""One network in many threads: whoever reads may do so at once and beside a training, whoever writes has it alone."""

import copy
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from helpers import PassThrough

from modnet import (
    MSE,
    BatchNorm,
    Callback,
    Concat,
    Conv1D,
    Dropout,
    Flatten,
    GaussianNoise,
    LayerNorm,
    Linear,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    evaluate,
    fit,
    predict,
    pretrain,
    watch,
)
from modnet.engine import run
from modnet.engine.storage import Storage
from modnet.kernels import loading
from modnet.modules.container import Container
from modnet.optim import SGD, Adam, groups

pytestmark = pytest.mark.slow

THREADS = 8
BUSY = "another thread is changing this network; wait for it to finish, or give each thread a copy.deepcopy of its own"


class Watcher(Callback):
    """Sends fit into Python."""

    def on_batch_end(self, training):
        pass


def dense():
    return Sequential(
        Linear(4, 40, rng=0), Tanh(), Residual(LayerNorm(40), Linear(40, 40, rng=1), ReLU()),
        Concat(Linear(40, 3, rng=2), Sequential(Tanh(), Linear(40, 2, rng=3))),
    )  # fmt: skip


def convolution():
    return Sequential(Conv1D(2, 1, 8, rng=0), ReLU(), Flatten(), Linear(24, 5, rng=1))


def one_layer():
    return Linear(4, 5, rng=0)


def with_a_plain_class():
    return Sequential(Linear(4, 20, rng=0), PassThrough(), Tanh(), Linear(20, 5, rng=1))


NETWORKS = {"dense": dense, "convolution": convolution, "one layer": one_layer, "with a plain class": with_a_plain_class}


def examples(net, n, rng):
    shape = (n, 4, 1) if isinstance(net, Sequential) and isinstance(net[0], Conv1D) else (n, 4)
    return rng.normal(size=shape)


def in_threads(*works):
    """Run each work in a thread of its own, all from the same moment; the first error of any is raised here.

    Threads take turns a thousand times as often as usual.
    """
    errors, gate, interval = [], threading.Barrier(len(works)), sys.getswitchinterval()

    def run(work):
        try:
            gate.wait(30)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    sys.setswitchinterval(5e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def readers(net, questions=40, go_on=lambda: False):
    """Works that ask a network, each with examples of its own, and compare every answer with that of a copy alone."""
    works = []
    for i in range(THREADS):
        rng, twin = np.random.default_rng(i), copy.deepcopy(net)
        asked = []
        for n in (1, 3 + i, 50 + 7 * i):
            x = examples(net, n, rng).astype(net.dtype)
            out = twin.forward(x)
            delta = rng.normal(size=out.shape).astype(net.dtype)
            asked.append((x, out, delta, twin.backward_delta(x, delta)))

        def work(asked=asked, i=i):
            k = 0
            while k < questions or go_on():
                k += 1
                x, out, delta, dx = asked[k % len(asked)]
                if (k + i) % 3 == 0:
                    np.testing.assert_array_equal(predict(net, x, len(x)), out)
                elif (k + i) % 3 == 1:
                    np.testing.assert_array_equal(net.forward(x), out)
                else:
                    np.testing.assert_array_equal(net.backward_delta(x, delta), dx)

        works.append(work)
    return works


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_many_threads_get_the_answers_of_one(make, training, dtype):
    net = make().astype(dtype)
    net.train() if training else net.eval()
    in_threads(*readers(net))
    assert net.training == training


@pytest.mark.parametrize("watchers", [[], [Watcher()]], ids=["compiled", "python"])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_many_threads_get_the_answers_of_one_beside_a_fit(make, watchers):
    net = make()
    rng = np.random.default_rng(0)
    x, done, steps = examples(net, 64, rng), threading.Event(), []
    y = rng.normal(size=net.forward(x).shape)
    net.parameters[:] += 0.1  # none of them 0, which would move
    before = net.parameters.copy()

    def stop(training):
        steps.append(training.step)
        if done.is_set():
            training.stop()

    def train():  # steps too small to move a number
        fit(net, x, y, loss=MSE(), optimizer=SGD(1e-300), epochs=10**6, batch_size=8, callbacks=[*watchers, stop], progress=False)

    def read(works=readers(net, go_on=lambda: len(steps) < 5)):
        try:
            in_threads(*works)
        finally:
            done.set()

    in_threads(train, read)
    assert len(steps) >= 5
    np.testing.assert_array_equal(net.parameters, before)


def noisy():
    return Sequential(
        Linear(4, 16, rng=0), Dropout(0.4, rng=1), BatchNorm(16), Tanh(), GaussianNoise(0.1, rng=2),
        Residual(Linear(16, 16, rng=3), Dropout(0.2, rng=4)), Linear(16, 5, rng=5),
    )  # fmt: skip


def numbers(net):
    storage = net.storage
    return [storage.parameters.copy(), storage.state.copy()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("watchers", [[], [Watcher()]], ids=["compiled", "python"])
def test_a_fit_leaves_the_same_bits_whatever_other_threads_ask_meanwhile(watchers, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(60, 5))

    begun, done, asked, somebody_asked = threading.Event(), threading.Event(), [], threading.Event()
    nobody_asks = threading.Barrier(5)

    class Bounds(Callback):
        """Others ask from the beginning of the fit to its end, and neither before nor after."""

        def on_fit_begin(self, training):
            begun.set()
            if training.net is beside:
                somebody_asked.wait(60)

        def on_fit_end(self, training):
            done.set()
            if training.net is beside:
                nobody_asks.wait(60)

    def train(net):
        fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=60, batch_size=8, rng=3, progress=False,
            callbacks=[Bounds(), *watchers])  # fmt: skip

    alone, beside = noisy().astype(dtype), noisy().astype(dtype)
    train(alone)
    begun.clear()
    done.clear()

    def ask(i):
        own = np.random.default_rng(i).normal(size=(5 + i, 4))
        assert begun.wait(60)
        while not done.is_set():
            out = (beside.forward(own), predict(beside, own), beside.backward_delta(own, np.ones((5 + i, 5))))
            assert all(np.isfinite(o).all() for o in out)
            asked.append(i)
            somebody_asked.set()
        nobody_asks.wait(60)

    in_threads(lambda: train(beside), *(lambda i=i: ask(i) for i in range(4)))
    assert asked
    for one, two in zip(numbers(alone), numbers(beside), strict=True):
        np.testing.assert_array_equal(one, two)


WRITERS = {
    "zero_grad": lambda net, x, d: net.zero_grad(),
    "update_parameters": lambda net, x, d: net.update_parameters(0.1),
    "backward": lambda net, x, d: net.backward(x, d),
    "backward_update_gradient": lambda net, x, d: net.backward_update_gradient(x, d),
    "backward_update_gradient of a layer": lambda net, x, d: net[0].backward_update_gradient(x, np.ones((len(x), 16))),
    "zero_grad of a layer": lambda net, x, d: net[0].zero_grad(),
    "update_parameters of a layer": lambda net, x, d: net[0].update_parameters(0.1),
    "backward of a slice": lambda net, x, d: net[:1].backward(x, np.ones((len(x), 16))),
    "fit": lambda net, x, d: fit(net, x, d, loss=MSE(), optimizer=SGD(0.1), epochs=1),
    "fit of an inner network": lambda net, x, d: fit(net[5], np.ones((8, 16)), np.ones((8, 16)), loss=MSE(), optimizer=SGD(0.1)),
    "append": lambda net, x, d: net.append(Tanh()),
    "insert": lambda net, x, d: net.insert(0, Tanh()),
    "a new head": lambda net, x, d: net.__setitem__(6, Linear(16, 2, rng=0)),
    "pop": lambda net, x, d: net.pop(),
    "astype": lambda net, x, d: net.astype("float32"),
    "a weight": lambda net, x, d: setattr(net[0], "weight", np.ones((4, 16))),
    "a gradient": lambda net, x, d: setattr(net[0], "bias_gradient", np.ones(16)),
    "attach": lambda net, x, d: SGD(0.1).attach(net, rates={0: 0.0}),
    "pretrain": lambda net, x, d: pretrain(net, x, epochs=1, progress=False),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("watchers", [[], [Watcher()]], ids=["compiled", "python"])
def test_a_second_writer_is_refused_and_changes_nothing(watchers, write):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 5))
    said = []

    def other(net):
        try:
            write(net, x, y)
        except RuntimeError as error:
            said.append(str(error))

    def interfere(training):
        thread = threading.Thread(target=other, args=(training.net,))
        thread.start()
        thread.join(60)

    nets = [noisy(), noisy()]
    for net, more in zip(nets, ([], [interfere]), strict=True):
        fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=3, batch_size=8, rng=3, callbacks=[*watchers, *more])
    assert len(said) == 3
    assert all(text.endswith(": " + BUSY) for text in said)
    for one, two in zip(*map(numbers, nets), strict=True):
        np.testing.assert_array_equal(one, two)
    write(nets[1], x, y)  # afterwards it may


def test_a_step_by_hand_is_refused_beside_a_fit():
    net, other = noisy(), SGD(0.1)
    other.attach(net)
    x, y = np.ones((8, 4)), np.ones((8, 5))
    said = []

    def step():
        try:
            other.step()
        except RuntimeError as error:
            said.append(str(error))

    def interfere(training):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join(60)

    fit(net, x, y, loss=MSE(), optimizer=SGD(0.1), epochs=1, callbacks=[interfere])
    assert said == [f"SGD(lr=0.1): {BUSY}"]


def test_each_thread_may_train_a_network_of_its_own():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(60, 5))

    def train(net):
        fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=20, batch_size=8, rng=3, progress=False)

    alone, nets = noisy(), [noisy() for _ in range(4)]
    train(alone)
    in_threads(*(lambda net=net: train(net) for net in nets))
    for net in nets:
        np.testing.assert_array_equal(net.parameters, alone.parameters)


def test_who_asks_a_network_that_another_thread_changes_gets_the_answer_of_before_or_after():
    net = Sequential(Linear(4, 30, rng=0), Tanh(), Linear(30, 5, rng=1))
    x = np.random.default_rng(0).normal(size=(9, 4))
    short, longer = copy.deepcopy(net), copy.deepcopy(net).append(Linear(5, 5, rng=2))
    layer = net[0]
    answers = {
        key: {str(each.astype(dtype).forward(x).dtype): each.forward(x) for dtype in ("float32", "float64")}
        for key, each in (("short", short), ("longer", longer))
    }
    done = threading.Event()

    def ask(i):
        count = 0
        while not done.is_set() or count < 3:
            count += 1
            rows = 1 + (i + count) % len(x)  # other shapes are other programs
            out = net.forward(x[:rows]) if count % 2 else predict(net, x[:rows])
            wanted = [answers[key][str(out.dtype)][:rows] for key in answers]
            assert any(np.allclose(out, want, rtol=1e-5, atol=1e-6) for want in wanted)
            np.testing.assert_allclose(layer.forward(x), x @ short[0].weight + short[0].bias, rtol=1e-4, atol=1e-5)

    def change():
        try:
            for _ in range(60):
                net.append(Linear(5, 5, rng=2).astype(net.dtype))
                net.astype("float32")
                net.pop()
                net.astype("float64")
        finally:
            done.set()

    in_threads(change, *(lambda i=i: ask(i) for i in range(4)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("watchers", [[], [Watcher()]], ids=["compiled", "python"])
def test_a_forked_child_can_train_what_the_parent_is_training(watchers):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4)), rng.normal(size=(64, 5))
    net, started, done = noisy(), threading.Event(), threading.Event()

    def noted(training):
        started.set()
        if done.is_set():
            training.stop()

    def train():
        fit(net, x, y, loss=MSE(), optimizer=Adam(1e-3), epochs=10**6, batch_size=8, callbacks=[*watchers, noted], progress=False)

    thread = threading.Thread(target=train)
    thread.start()
    assert started.wait(60)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads is what is tested
            child = os.fork()
        if child == 0:
            status = 1
            try:
                warnings.simplefilter("ignore")  # the parent may have trained it as far as it goes
                before = net.parameters.copy()
                history = fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=30, batch_size=8, rng=0, progress=False)
                moved = not np.array_equal(net.parameters, before)
                net.zero_grad()
                net.backward(x, predict(net, x) - y)
                net.append(Tanh()).astype("float32")
                large = Sequential(Linear(200, 200, rng=0))
                large.forward(np.ones((100, 200)))  # products that BLAS makes
                status = 0 if moved and history.epochs == 30 and np.isfinite(net.parameters).all() else 2
            finally:
                os._exit(status)
        ended = time.monotonic() + 60
        pid = 0
        while pid == 0 and time.monotonic() < ended:
            pid, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)
        if pid == 0:
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert pid == child, "the child waits for something that nobody holds"
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        done.set()
        thread.join(60)
    assert not thread.is_alive()


@pytest.mark.needs_jit
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_loads_kernels_though_threads_of_the_parent_were_loading_theirs():
    code = loading.assembled("define i64 @seven() {\n  ret i64 7\n}\n")
    done = threading.Event()

    def load():
        while not done.is_set():
            loading.load(code, ["seven"], [])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads is what is tested
                child = os.fork()
            if child == 0:
                signal.alarm(20)  # a child that waits for a thread of the parent is ended
                loading.load(code, ["seven"], [])
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("outermost", [False, True])
def test_predicts_that_overlap_leave_a_class_of_ones_own_in_the_mode_that_it_had(outermost):
    """Whoever comes second finds evaluation, and must not put that back."""
    second, first = threading.Event(), threading.Event()

    class Meets(Sequential):
        def forward(self, X):
            if other is None:
                return super().forward(X)
            (second if threading.current_thread() is other else first).set()
            assert (first if threading.current_thread() is other else second).wait(20)
            seen.append([module.training for module in self])
            if threading.current_thread() is not other:
                other_has_gone.wait(0.05)  # the other ends first, and this one computes on in evaluation
                seen.append([module.training for module in self])
            return super().forward(X)

    seen, other_has_gone, other = [], threading.Event(), None
    inner = Meets(Linear(3, 3, rng=0), Dropout(0.5))
    net = inner if outermost else Sequential(Linear(3, 3, rng=1), inner)
    x = np.ones((4, 3))
    predict(net, x)  # its shape is asked for once, by one thread at a time

    def ask():
        predict(net, x)
        other_has_gone.set()

    other = threading.Thread(target=ask)
    other.start()
    predict(net, x)
    other.join()
    assert not np.any(seen)
    assert net.training
    assert all(module.training for module in inner)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("outermost", [False, True])
@pytest.mark.parametrize("ends", ["in the middle of the fit", "after the fit"])
@pytest.mark.parametrize("begins", ["before the fit", "in the middle of the fit"])
def test_a_predict_that_overlaps_with_a_fit_leaves_the_mode_to_the_fit(begins, ends, outermost, training):
    """Neither gives back what it found because of the other."""
    inside, go_on = threading.Event(), threading.Event()

    class Waits(Sequential):
        def forward(self, X):
            if threading.current_thread() is other:
                inside.set()
                assert go_on.wait(20)
            return super().forward(X)

    other = None
    inner = Waits(Linear(3, 3, rng=0), Dropout(0.5))
    net = inner if outermost else Sequential(Linear(3, 3, rng=1), inner)
    x = np.ones((4, 3))
    predict(net, x)
    net.train(training)
    other = threading.Thread(target=predict, args=(net, x))

    def begin():
        other.start()
        assert inside.wait(20)

    def end():
        go_on.set()
        other.join(20)

    def watch(state):
        during.append([module.training for module in (inner, *inner)])
        if state.epoch == 1 and begins != "before the fit":
            begin()
        if state.epoch == 2 and ends != "after the fit":
            end()

    during = []
    if begins == "before the fit":
        begin()
    fit(net, x, x, MSE(), SGD(0.1), epochs=3, callbacks=[watch], progress=False)
    if ends == "after the fit":
        end()
    assert during[-1] == [True, True, True] or ends == "after the fit"
    assert [module.training for module in (net, inner, *inner)] == [training] * 4


@pytest.mark.parametrize("derives", [False, True])
def test_a_predict_that_ends_while_one_watches_leaves_the_mode_as_it_was(derives):
    """Watching puts back all that a class of one's own holds, but its mode, which somebody else has changed meanwhile."""
    inside, go_on = threading.Event(), threading.Event()

    class Plain:
        training = True

        def forward(self, X):
            return np.tanh(X)

        def backward_delta(self, input, delta):
            return delta / np.cosh(input) ** 2

        def train(self):
            self.training = True

        def eval(self):
            self.training = False

    class Waits(Sequential if derives else Plain):
        def forward(self, X):
            if threading.current_thread() is other:
                inside.set()
                assert go_on.wait(20)
            elif watching:
                go_on.set()
                other.join(20)
            return super().forward(X)

    other, watching = None, False
    inner = Waits(Linear(3, 3, rng=0), Dropout(0.5)) if derives else Waits()
    net = Sequential(Linear(3, 3, rng=1), inner)
    x = np.ones((4, 3))
    predict(net, x)
    net.train()
    other = threading.Thread(target=predict, args=(net, x))
    other.start()
    assert inside.wait(20)
    watching = True
    watch.activations(net, x)
    assert not other.is_alive()
    assert inner.training
    assert net.training


def test_a_step_in_the_middle_of_another_threads_forward_is_seen_by_the_backward_after_it():
    """What a forward came from is noted before it begins."""
    inside, go_on = threading.Event(), threading.Event()

    class Waits:
        def forward(self, X):
            if threading.current_thread() is other:
                inside.set()
                assert go_on.wait(20)
            return np.tanh(X)

        def backward_delta(self, input, delta):
            return delta / np.cosh(input) ** 2

    other = None
    net = Sequential(Linear(3, 3, rng=0), Waits(), Linear(3, 3, rng=1))
    x, delta = np.ones((4, 3)), np.ones((4, 3))
    net.forward(x)
    other = threading.Thread(target=net.forward, args=(2 * x,))
    other.start()
    assert inside.wait(20)
    net.parameters[:] *= 2
    go_on.set()
    other.join(20)
    expected = Sequential(Linear(3, 3), Waits(), Linear(3, 3))
    expected.parameters[:] = net.parameters
    np.testing.assert_array_equal(net.backward_delta(2 * x, delta), expected.backward_delta(2 * x, delta))


@pytest.mark.parametrize("call", ["forward", "backward_delta"])
def test_a_predict_that_begins_and_ends_in_the_middle_of_a_walk_leaves_nothing_to_remember(call):
    """A class of one's own was in evaluation there, and was in training before and afterwards."""
    inside, go_on = threading.Event(), threading.Event()

    class Own(Sequential):
        def forward(self, X):
            return super().forward(X)

    class Begins(PassThrough):
        def forward(self, X):
            if other is not None and threading.current_thread() is not other and other.ident is None:
                other.start()
                assert inside.wait(20)
            return X

    class Ends(PassThrough):
        def forward(self, X):
            if threading.current_thread() is other:
                inside.set()
                assert go_on.wait(20)
            elif other is not None:
                go_on.set()
                other.join(20)
            return X

    other, p = None, 0.5
    net = Sequential(Begins(), Own(Dropout(p, rng=0)), Ends(), Tanh())
    x, delta = np.full((4, 5), 0.3), np.ones((4, 5))
    predict(net, x)
    other = threading.Thread(target=predict, args=(net, x))
    net.forward(x) if call == "forward" else net.backward_delta(x, delta)
    assert go_on.is_set()
    assert not other.is_alive()
    kept = net.backward_delta(x, delta)
    np.testing.assert_allclose(kept, np.where(kept == 0, 0, 2 * (1 - np.tanh(2 * x) ** 2)), rtol=1e-5)
    assert 0 < np.count_nonzero(kept) < kept.size


@pytest.mark.parametrize("whose", ["the network", "a module's"])
@pytest.mark.parametrize("call", ["forward", "backward_delta"])
def test_a_mode_set_and_set_back_in_the_middle_of_a_walk_leaves_nothing_to_remember(call, whose):
    """By whoever it was set: here another thread calls eval, and train, between two modules."""

    class Own(Sequential):
        def forward(self, X):
            return super().forward(X)

    class Sets(PassThrough):
        def __init__(self, mode):
            self.mode = mode

        def forward(self, X):
            if setting:
                thread = threading.Thread(target=getattr(net if whose == "the network" else net[1], self.mode))
                thread.start()
                thread.join(20)
            return X

    setting = False
    net = Sequential(Sets("eval"), Own(Dropout(0.5, rng=0)), Sets("train"), Tanh())
    x, delta = np.full((4, 5), 0.3), np.ones((4, 5))
    predict(net, x)
    setting = True
    net.forward(x) if call == "forward" else net.backward_delta(x, delta)
    setting = False
    kept = net.backward_delta(x, delta)
    np.testing.assert_allclose(kept, np.where(kept == 0, 0, 2 * (1 - np.tanh(2 * x) ** 2)), rtol=1e-5)
    assert 0 < np.count_nonzero(kept) < kept.size


@pytest.mark.parametrize("call", [predict, Sequential.forward], ids=["predict", "forward"])
def test_a_network_that_grows_while_another_thread_looks_for_its_program_is_computed_whole(monkeypatch, call):
    """The program found then is for numbers that have moved since, to a storage with as many versions."""
    net, x, found = Sequential(Linear(3, 3, rng=0), Tanh()), np.ones((4, 3)), run.program_for

    def grown_meanwhile(*arguments):
        program = found(*arguments)
        monkeypatch.setattr(run, "program_for", found)
        net.append(Linear(3, 2, rng=1))
        assert net.storage.version == program.version
        return program

    monkeypatch.setattr(run, "program_for", grown_meanwhile)
    call(net, x)
    whole = Sequential(*copy.deepcopy(net))
    np.testing.assert_array_equal(net.forward(x), whole.forward(x))
    np.testing.assert_array_equal(predict(net, x), predict(whole, x))
    net.backward(x, np.ones((4, 2)))
    whole.backward(x, np.ones((4, 2)))
    np.testing.assert_array_equal(net.gradient, whole.gradient)


@pytest.mark.parametrize("change", ["append", "astype"])
def test_a_network_cannot_change_while_an_optimizer_notes_where_its_numbers_lie(monkeypatch, change):
    """It had moments for the old network and wrote by the places of the new one: past the end, or numbers of another size."""
    net = Sequential(Linear(3, 4, rng=0), Tanh())
    calls = {"append": lambda: net.append(Linear(4, 2, rng=1)), "astype": lambda: net.astype(np.float32)}
    other, original, was_waiting = threading.Thread(target=calls[change]), groups._stretches, []

    def slowly(*arguments):
        other.start()
        other.join(0.2)
        was_waiting.append(other.is_alive())
        return original(*arguments)

    monkeypatch.setattr(groups, "_stretches", slowly)
    optimizer = Adam(0.01).attach(net)
    other.join()
    assert was_waiting == [True]
    assert len(net) == (3 if change == "append" else 2)
    with pytest.raises(ValueError, match="the network was changed by append or astype since attach"):
        optimizer.step()


WAITING = {
    "update_parameters": lambda net, x: net.update_parameters(0.01),
    "load_state_dict": lambda net, x: net.load_state_dict(net.state_dict()),
    "append": lambda net, x: net.append(Tanh()),
    "fit": lambda net, x: fit(net, x, np.zeros((4, 4)), MSE(), Adam(), epochs=1, progress=False),
    "evaluate": lambda net, x: evaluate(net, x, np.zeros((4, 4)), loss=MSE()),
    "watch": lambda net, x: watch.activations(net, x),
}


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING)
def test_nobody_writes_to_a_network_in_the_middle_of_its_conversion(monkeypatch, call):
    """The numbers lie in a new storage then, which nobody has locked; a `fit` that took it trained float64 as float32."""
    net, x = Sequential(Linear(3, 4, rng=0), Tanh()), np.random.default_rng(0).normal(size=(4, 3))
    original, said, was_waiting = Storage.convert, [], []

    def other():
        try:
            call(net, x)
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=other)

    def slowly(self, *arguments):
        thread.start()
        thread.join(0.2)
        was_waiting.append(thread.is_alive())
        original(self, *arguments)

    monkeypatch.setattr(Storage, "convert", slowly)
    net.astype(np.float32)
    thread.join(20)
    assert was_waiting == [True] or said
    assert all("another thread is changing this network" in text for text in said)
    assert net.dtype == np.float32
    want = x.astype(np.float32)
    for module in net:
        want = module.forward(want)
    np.testing.assert_array_equal(net.forward(x), want)


CHANGES = {
    "append": lambda net: net.append(ReLU()), "insert": lambda net: net.insert(0, ReLU()), "set": lambda net: net.__setitem__(0, ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_another_thread_has_changed_is_not_undone(monkeypatch, change):
    """Each change makes the new list of modules from the one that it sees, and the other's may come between."""
    net, original = Sequential(Linear(3, 3)), Container._require_module

    def slowly(self, module, i):
        monkeypatch.undo()
        other = threading.Thread(target=net.append, args=(Tanh(),))
        other.start()
        other.join(20)
        original(self, module, i)

    monkeypatch.setattr(Container, "_require_module", slowly)
    with pytest.raises(RuntimeError, match="another thread is changing this network"):
        change(net)
    assert [type(module) for module in net] == [Linear, Tanh]
