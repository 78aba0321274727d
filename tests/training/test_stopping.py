"""How a training ends before its last epoch: patience, divergence, Ctrl-C."""

import json

import numpy as np
import pytest
from fit_cases import StudentLinear, StudentNet, classes, descend, network, regression
from helpers import run_script

from modnet import MSE, Callback, CrossEntropy, Linear, Module, Sequential, TrainingWarning, fit, predict
from modnet.module import Setting, Size, State, operation
from modnet.optim import SGD, Adam
from modnet.training import compiled

# Patience


def overfit(patience, callbacks, net, epochs=500):
    """Training whose validation loss first falls, then rises: targets of validation are not those of training."""
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    kept = []
    history = fit(
        net, X, 3 * X, loss=MSE(), optimizer=SGD(0.05), epochs=epochs, batch_size=20, validation=(X, X),
        patience=patience, callbacks=[*callbacks, lambda training: kept.append(np.copy(weight_of(net)))],
    )  # fmt: skip
    return history, kept


def weight_of(net):
    return (net[0] if isinstance(net, Sequential) else net.modules[0])._parameters


def test_patience_stops_and_puts_the_best_parameters_back(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    history, kept = overfit(7, path, net)
    best = int(np.argmin(history.validation_loss))
    assert 5 < best < 490
    assert history.epochs == best + 1 + 7
    assert history.best_epoch == best + 1
    assert np.array_equal(net.parameters, kept[best])
    assert not np.array_equal(net.parameters, kept[-1])
    assert history.stopped_because == "no lower validation loss in 7 epochs"


@pytest.mark.parametrize("own_net", [False, True])
def test_patience_puts_back_the_parameters_of_plain_classes_in_the_same_objects(own_net):
    layer = StudentLinear([[-2.0]])
    net = StudentNet(layer) if own_net else Sequential(layer)
    history, kept = overfit(3, [], net)
    best = int(np.argmin(history.validation_loss))
    assert history.best_epoch == best + 1 < history.epochs
    assert np.array_equal(layer._parameters, kept[best])
    assert (net.modules[0] if own_net else net[0]) is layer
    assert predict(net, [[1.0]]) == pytest.approx(kept[best], rel=1e-12)


def test_patience_puts_back_the_librarys_modules_in_a_network_of_somebodys_own():
    layer = Linear(1, 1, bias=False, rng=0)
    layer.weight[:] = -2.0
    net = StudentNet(layer)
    history, kept = overfit(3, [], net)
    assert net.modules[0] is layer
    assert np.array_equal(layer.parameters, kept[history.best_epoch - 1])
    assert history.best_epoch < history.epochs


def test_with_patience_the_best_parameters_come_back_also_where_all_epochs_were_done(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    history, kept = overfit(10_000, path, net, epochs=60)
    best = int(np.argmin(history.validation_loss))
    assert best < 59
    assert history.epochs == 60
    assert np.array_equal(net.parameters, kept[best])


# Divergence


def burst(net, lr, path=(), optimizer=None, **options):
    """Train on inputs 1 and targets 0, where each step multiplies a single weight by 1 - 2 lr."""
    options = {"epochs": 9, "batch_size": 7, "loss": MSE(), **options}
    with pytest.warns(TrainingWarning) as warned, np.errstate(all="ignore"):
        history = fit(net, np.ones((20, 1)), np.zeros((20, 1)), optimizer=optimizer or SGD(lr), callbacks=path, **options)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    return history, str(warned[0].message)


def ours():
    layer = Linear(1, 1, bias=False, rng=0)
    layer.weight[:] = 1.0
    return Sequential(layer), lambda: layer.weight.item()


def theirs():
    layer = StudentLinear([[1.0]])
    return Sequential(layer), lambda: layer._parameters.item()


def all_theirs():
    layer = StudentLinear([[1.0]])
    return StudentNet(layer), lambda: layer._parameters.item()


def ours_in_theirs():
    net, weight = ours()
    return StudentNet(net[0]), weight


NETS = pytest.mark.parametrize("make", [ours, theirs, all_theirs, ours_in_theirs])
ADVICE = "try a smaller lr, or inputs scaled to about -1 to 1"


@NETS
def test_an_infinite_loss_stops_at_its_batch_before_the_step(make, path):
    # A factor of -1e20 a step: the costs are 1, 1e40, ... 1e280, and the ninth would be 1e320.
    net, weight = make()
    history, said = burst(net, 0.5e20, path)
    assert said == (
        "fit: diverged: the loss became inf at epoch 3, batch 3 of 3; the network has its last finite parameters; " + ADVICE
    )
    assert history.stopped_because == "diverged: the loss became inf at epoch 3, batch 3 of 3"
    assert history.loss == pytest.approx([6e80 / 20, 6e200 / 20], rel=1e-6)
    assert history.epochs == 2
    assert weight() == pytest.approx(1e160, rel=1e-6)


@NETS
@pytest.mark.parametrize(("batch_size", "place"), [(7, "inf at epoch 1, batch 2 of 3"), (None, "nan at epoch 1, batch 1 of 1")])
def test_a_step_to_infinity_is_taken_back(make, path, batch_size, place):
    net, weight = make()
    history, said = burst(net, 1e308, path, batch_size=batch_size)
    assert f"diverged: the loss became {place}; the network has its last finite parameters" in said
    assert history.epochs == 0
    assert weight() == 1.0


@pytest.mark.parametrize("seconds", [0.05, 0.0])
def test_a_step_to_infinity_is_taken_back_to_the_step_before_it(seconds, monkeypatch):
    monkeypatch.setattr(compiled, "_SLICE", seconds)  # of 0: a walk comes back to Python after each batch
    net = Sequential(Linear(1, 1, bias=False, init=1.0))
    X = np.array([[1e-18], [1e140], [1.0], [1.0]])  # the first step is from 1 to 0.98, the second to infinity
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(net, X, np.zeros((4, 1)), MSE(), SGD(1e34), epochs=1, batch_size=1, shuffle=False, progress=False)
    assert net[0].weight.item() == pytest.approx(0.98)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [lambda lr: SGD(lr, momentum=0.9), Adam])
def test_after_divergence_the_network_and_the_optimizer_can_be_used_again(path, make, dtype):
    X, y = regression()
    nets = [network(outputs=1).astype(dtype) for _ in range(2)]
    optimizer = make(1e300)
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(nets[0], X, y, loss=MSE(), optimizer=optimizer, epochs=50, callbacks=path, batch_size=5, rng=0)
    assert np.isfinite(nets[0].parameters).all()
    nets[0].parameters[:] = nets[1].parameters
    optimizer.lr = 0.01
    for net, used in zip(nets, (optimizer, make(0.01)), strict=True):
        fit(net, X, y, loss=MSE(), optimizer=used, epochs=3, callbacks=path, rng=0)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


def test_an_infinite_validation_loss_stops(path):
    net, weight = ours()
    history, said = burst(net, 1e-3, path, validation=(np.full((3, 1), 1e200), np.zeros((3, 1))))
    assert said.startswith("fit: diverged: validation loss became inf at epoch 1; the network has its last finite")
    assert history.epochs == len(history.validation_loss) == 0
    assert 0 < weight() < 1


def test_with_patience_divergence_leaves_the_best_parameters(path):
    net, weight = ours()
    history, said = burst(net, 0.5e20, path, patience=5, validation=(np.full((1, 1), 1e-90), np.full((1, 1), 1.0)))
    assert "the best parameters are back" in said
    assert history.best_epoch == 1
    assert weight() == pytest.approx(-1e60, rel=1e-6)


class Statistics(Module):
    """Keeps a sum of powers over all it has seen, as a normalisation keeps its means."""

    one = Size()
    total = State("one")
    power = Setting()

    def __init__(self, power):
        self.one = 1
        super().__init__()
        self.power = power

    @operation
    def forward(x, out, st, c, draw):
        if draw > 0:
            st.total[0] += x[0, 0] ** c.power
        out[:, :] = x

    @operation
    def backward_delta(delta, dx):
        # out = x
        dx[:, :] = delta


@pytest.mark.parametrize(("power", "place"), [(2, "inf at epoch 3, batch 3 of 3"), (4, "nan at epoch 2, batch 3 of 3")])
def test_divergence_leaves_finite_statistics(path, power, place):
    # The sum of squares bursts in the batch in which the loss does, the sum of fourth powers in the epoch before.
    layer, statistics = Linear(1, 1, bias=False, rng=0), Statistics(power)
    layer.weight[:] = 1.0
    _, said = burst(Sequential(layer, statistics), 0.5e20, path)
    assert f"diverged: the loss became {place};" in said
    assert 1 < statistics.total[0] < np.inf
    assert np.isfinite(layer.weight).all()


# Ctrl-C


class Interrupting(list):
    """A list that Ctrl-C strikes when it is added to for the third time."""

    def extend(self, values):
        if len(self) == 2:
            raise KeyboardInterrupt
        super().extend(values)


@pytest.mark.parametrize("where", ["loss", "validation_loss", "accuracy", "validation_accuracy"])
def test_an_interrupted_epoch_leaves_no_half_of_itself_in_the_history(path, where):
    X, y = classes()

    def prepare(training):
        for name in ("accuracy", "validation_accuracy"):
            training.history.metrics[name] = []
        if where.endswith("loss"):
            setattr(training.history, where, Interrupting())
        else:
            training.history.metrics[where] = Interrupting()

    begin = type("Begin", (Callback,), {"on_fit_begin": lambda self, training: prepare(training)})()
    with pytest.warns(TrainingWarning) as warned:
        history = fit(
            network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=9, validation=0.2, callbacks=[*path, begin]
        )
    assert str(warned[0].message) == "fit: interrupted in epoch 3; the network has its last finite parameters"
    columns = [history.loss, history.validation_loss, *history.metrics.values()]
    assert [len(column) for column in columns] == [2] * 5


def test_ctrl_c_in_a_forward_of_the_third_batch_leaves_two_steps():
    class Interrupted(MSE):
        calls = 0

        def forward(self, y, yhat):
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().forward(y, yhat)

    X, y = regression(20)
    layer, ended = Linear(3, 1, rng=0), []
    W, b = layer.weight.copy(), layer.bias.copy()
    descend(X[:10], y[:10], W, b, np.arange(10), 5, 0.05)
    with pytest.warns(TrainingWarning, match="interrupted in epoch 1"):
        history = fit(
            Sequential(layer), X, y, loss=Interrupted(), optimizer=SGD(0.05), epochs=3, batch_size=5, shuffle=False,
            callbacks=[type("End", (Callback,), {"on_fit_end": lambda self, training: ended.append(training.step)})()],
        )  # fmt: skip
    assert history.epochs == 0
    assert layer.weight == pytest.approx(W, rel=1e-10)
    assert ended == [2]


def test_ctrl_c_with_patience_leaves_the_best_parameters(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    kept = []

    def interrupt(training):
        kept.append(net.parameters.copy())
        losses = training.history.validation_loss
        if len(losses) > np.argmin(losses) + 3:
            raise KeyboardInterrupt

    with pytest.warns(TrainingWarning, match="the best parameters are back"):
        history, _ = overfit(100, [*path, interrupt], net)
    assert history.best_epoch == np.argmin(history.validation_loss) + 1 == history.epochs - 3
    assert np.array_equal(net.parameters, kept[history.best_epoch - 1])


INTERRUPTED = """
import json, os, signal, sys, threading, warnings
import numpy as np
from modnet import Callback, MSE, Linear, Sequential, Tanh, fit, predict
from modnet.optim import Adam

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may have been told to ignore it
warnings.simplefilter("ignore")

class CtrlC(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_fit_begin(self, training):
        self.on_epoch_end(training)

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

class Batches(Callback):
    def on_batch_end(self, training):
        pass

X = np.random.default_rng(0).normal(size=(100_000, 2))
# Small epochs without end; one long epoch; a long validation; small epochs in Python.
for n, held, batch, at, more in (
    (50, 50, 10, 2, []), (100_000, 10, 1, 0, []), (50, 100_000, 1, 0, []), (50, 50, 10, 2, [Batches()]),
):
    net = Sequential(Linear(2, 200, rng=0), Tanh(), Linear(200, 200, rng=0), Tanh(), Linear(200, 1, rng=0)).eval()
    x, h = X[:n], X[:held]
    history = fit(net, x, x[:, :1], loss=MSE(), optimizer=Adam(1e-4), epochs=10**9, batch_size=batch,
                  validation=(h, h[:, :1]), callbacks=[CtrlC(at), *more])
    print(json.dumps({
        "stopped": history.stopped_because, "epochs": history.epochs, "validation": len(history.validation_loss),
        "finite": bool(np.isfinite(net.parameters).all()), "out": predict(net, X[:3]).shape, "training": net.training,
    }), flush=True)
"""


def test_ctrl_c_returns_with_the_history_so_far_and_a_usable_network():
    results = [json.loads(line) for line in run_script(INTERRUPTED).splitlines()]
    assert len(results) == 4
    for result, least in zip(results, (2, 0, 0, 2), strict=True):
        epochs = result["epochs"]
        assert result == {
            "stopped": f"interrupted in epoch {epochs + 1}", "epochs": epochs, "validation": epochs, "finite": True,
            "out": [3, 1], "training": False,
        }  # fmt: skip
        assert epochs >= least


def test_a_gradient_that_is_not_finite_though_the_loss_is_is_said_where_its_norm_is_asked_for(path):
    X, y = np.full((4, 1), 1e21, np.float32), np.full((4, 1), 1e18, np.float32)
    net = Linear(1, 1, bias=False).astype("float32")
    net.weight[...] = 0
    with pytest.warns(TrainingWarning, match="the gradient's norm became inf at epoch 1, batch 1 of 2"):
        fit(net, X, y, MSE(), SGD(1e-3, clip_norm=1.0), epochs=2, batch_size=2, callbacks=path)
    assert not net.weight.any()
