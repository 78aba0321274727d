"""A loss, an optimizer and a schedule of one's own, written as the library's are: found, checked and trained compiled."""

import copy
import pickle
import re
import textwrap

import numpy as np
import pytest
from helpers import watch_paths

import modnet.loss
import modnet.losses
import modnet.optim
import modnet.optim.optimizer
from modnet import MSE, Callback, CrossEntropy, Linear, Sequential, Tanh, fit
from modnet.check import check_loss
from modnet.check.handins.classes import loaded_classes
from modnet.check.handins.loading import Loader
from modnet.discovery import all_losses, all_optimizers
from modnet.kernels import Setting, State, operation
from modnet.loss import ClassLoss, Loss
from modnet.optim import SGD, Adam, Optimizer, Schedule


class Quantile(Loss):
    """Errors above weigh `share`, errors below 1 - share: the constant of least loss is a quantile."""

    share = Setting("between 0 and 1", lambda v: 0 < v < 1, default=0.5)

    def __init__(self, share=0.5):
        super().__init__()
        self.share = share

    @operation
    def forward(y, yhat, out, c):
        # y, yhat (batch, columns), out (batch,)
        for i in range(y.shape[0]):
            total = c.zero
            for j in range(y.shape[1]):
                e = yhat[i, j] - y[i, j]
                total += c.share * e if e > c.zero else (c.share - c.one) * e
            out[i] = total

    @operation
    def backward(y, yhat, delta, c):
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                delta[i, j] = c.share if yhat[i, j] > y[i, j] else c.share - c.one

    @operation
    def hits(y, yhat, out, c):
        for i in range(y.shape[0]):
            out[i] = abs(yhat[i, 0] - y[i, 0]) < c.share

    def check_values(self, y):
        if y.max() > 100:
            raise ValueError(f"{self}: y holds {y.max():g}, expected at most 100")


class Brier(ClassLoss):
    """The squared distance of probabilities from the one-hot truth."""

    @operation
    def forward(y, yhat, out, z):
        for i in range(out.size):
            out[i] = 0
            for j in range(z.classes):
                e = yhat[i, j] - (y[i, 0] == j)
                out[i] += e * e

    @operation
    def backward(y, yhat, delta, z):
        for i in range(delta.shape[0]):
            for j in range(z.classes):
                e = yhat[i, j] - (y[i, 0] == j)
                delta[i, j] = e + e


class Lion(Optimizer):
    """The sign of a mixture of the gradient and its mean."""

    mean = State("n")
    beta1 = Setting("from 0 up to 1", lambda v: 0 <= v < 1)
    beta2 = Setting("from 0 up to 1", lambda v: 0 <= v < 1, fixed=True)

    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.99, clip_norm=None):
        super().__init__(lr, clip_norm, beta1=beta1, beta2=beta2)

    @operation
    def step(p, g, st, s):
        # p, g, m = st.mean (n,)
        s.steps += 1
        m, real = st.mean, p.dtype.type
        lr, beta1, beta2, one = real(s.lr), real(s.beta1), real(s.beta2), real(1.0)
        for i in range(p.size):
            p[i] -= lr * np.sign(beta1 * m[i] + (one - beta1) * g[i])
            m[i] = beta2 * m[i] + (one - beta2) * g[i]

    @classmethod
    def examples(cls):
        return [cls(0.01), cls(0.02, beta1=0.5, clip_norm=0.5)]


class Triangle(Schedule):
    """Up and down again, every `period` steps."""

    def __init__(self, lr, period):
        super().__init__(lr, per="step")
        self.period = period

    def at(self, t):
        return self.lr * (1 + np.abs((t % self.period) - self.period / 2)) / self.period


class Fall(Schedule):
    """One that looks at the loss and remembers: a tenth less after every epoch that was worse than the one before."""

    def begin(self):
        return np.array([self.lr, np.inf])

    def rates(self, epoch, steps, memory):
        return np.full(steps.shape, memory[0])

    def epoch_end(self, loss, memory):
        if loss > memory[1]:
            memory[0] *= 0.9
        memory[1] = loss


X = np.random.default_rng(0).normal(size=(50, 3))
Y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]
LABELS = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)


class EveryBatch(Callback):
    """Its presence makes fit run in Python."""

    def on_batch_end(self, training):
        pass


def network(outputs=1, dtype="float64"):
    return Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, outputs, rng=2)).astype(dtype)


def trained(loss, optimizer, callbacks=(), dtype="float64", rates=None, epochs=5):
    y = LABELS if isinstance(loss, ClassLoss) else Y
    net = network(3 if isinstance(loss, ClassLoss) else 1, dtype)
    optimizer = copy.deepcopy(optimizer).attach(net, rates)
    history = fit(
        net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=16, rng=0, callbacks=callbacks, progress=False
    )
    return net, optimizer, history


OWN = {
    "loss": (Quantile(0.3), SGD(0.05)),
    "loss of classes": (Brier(), SGD(0.05)),
    "optimizer": (MSE(), Lion(0.01)),
    "optimizer, clipped": (CrossEntropy(), Lion(0.01, beta1=0.5, clip_norm=0.1)),
    "schedule of steps": (MSE(), SGD(Triangle(0.05, 10))),
    "schedule of losses": (MSE(), Adam(Fall(0.05))),
    "all three": (Quantile(0.7), Lion(Fall(0.05))),
}
every_own = pytest.mark.parametrize(("loss", "optimizer"), OWN.values(), ids=OWN)


@every_own
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rates", [None, {0: 0.5}, {2: 0.0}], ids=str)
def test_fit_takes_the_compiled_path_with_them_and_gives_what_python_gives(loss, optimizer, dtype, rates, monkeypatch):
    taken = watch_paths(monkeypatch)
    net, mine, history = trained(loss, optimizer, dtype=dtype, rates=rates)
    assert set(taken) == {"compiled"}
    again, theirs, same = trained(loss, optimizer, [EveryBatch()], dtype, rates)
    assert taken[-5:] == ["python"] * 5
    assert net.dtype == again.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(net.parameters, again.parameters)
    kept, same_kept = mine.state_dict(), theirs.state_dict()
    # Losses, which a schedule may remember, are added up in another order.
    np.testing.assert_allclose(kept.pop("memory"), same_kept.pop("memory"), rtol=1e-6)
    np.testing.assert_equal(kept, same_kept)
    np.testing.assert_allclose(history.loss, same.loss, rtol=1e-12 if dtype == "float64" else 1e-5)
    assert history.metrics.keys() == same.metrics.keys()
    assert history.loss[-1] < history.loss[0]


@every_own
def test_they_are_kept_whole_in_pickles_and_copies(loss, optimizer):
    net, mine, _ = trained(loss, optimizer)
    y = LABELS if isinstance(loss, ClassLoss) else Y
    for keep in (copy.deepcopy, lambda all_three: pickle.loads(pickle.dumps(all_three))):
        first, second = keep((net, mine, loss)), keep((net, mine, loss))
        fit(second[0], X, y, loss=loss, optimizer=second[1], epochs=1, batch_size=16, shuffle=False, progress=False)
        third = keep(second)
        fit(first[0], X, y, loss=first[2], optimizer=first[1], epochs=2, batch_size=16, shuffle=False, progress=False)
        fit(third[0], X, y, loss=third[2], optimizer=third[1], epochs=1, batch_size=16, shuffle=False, progress=False)
        np.testing.assert_array_equal(first[0].parameters, third[0].parameters)
        np.testing.assert_equal(first[1].state_dict(), third[1].state_dict())


@pytest.mark.parametrize("loss", [Quantile(), Quantile(0.2), Brier()], ids=lambda loss: f"{loss}{getattr(loss, 'share', '')}")
def test_a_loss_of_ones_own_is_checked(loss):
    y, yhat = next((y, yhat) for _, y, yhat in type(loss).examples() if yhat.ndim == 2 and len(yhat) > 1)
    report = check_loss(loss, y, yhat)
    assert report.ok, str(report)

    class Wrong(type(loss)):
        @operation
        def backward(y, yhat, delta):
            for i in range(delta.shape[0]):
                for j in range(delta.shape[1]):
                    delta[i, j] = y[i, 0]

    assert not check_loss(Wrong(), y, yhat).ok


def test_a_loss_of_ones_own_checks_y_and_counts_hits():
    assert Quantile(0.25).hits([[0.0], [0.0]], [[0.2], [0.3]]).tolist() == [1, 0]
    assert Quantile(0.25).forward([0.0, 0.0], [2.0, -2.0]).tolist() == [0.5, 1.5]
    with pytest.raises(ValueError, match=r"^Quantile\(\): y holds 1000, expected at most 100$"):
        fit(network(), X, 1000 * np.ones((50, 1)), loss=Quantile(), optimizer=SGD(0.1))
    with pytest.raises(ValueError, match=r"^Quantile: share is 1, expected between 0 and 1$"):
        Quantile(1)
    _, _, history = trained(Quantile(0.25), SGD(0.05))
    assert 0 < history.metrics["accuracy"][-1] <= 1


def test_a_setting_of_ones_own_may_be_changed_between_steps_and_between_epochs():
    def change(training):
        training.optimizer.beta1 = 0.1

    ends = [trained(MSE(), Lion(0.01), callbacks)[0].parameters for callbacks in ([], [change], [change, EveryBatch()])]
    assert not np.array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[1], ends[2])
    net, optimizer, _ = trained(MSE(), Lion(0.01, beta1=0.9), rates={0: 0.5})
    twin = copy.deepcopy(optimizer)
    optimizer.beta1 = twin.beta1 = 0.0
    before = [n.parameters.copy() for n in (net, twin.net)]
    for one in (optimizer, twin):
        one.net.gradient[:] = 1.0
        one.step()
    np.testing.assert_array_equal(before[0] - net.parameters, before[1] - twin.net.parameters)
    # What moves is the sign of the gradient alone, at half of the rate in the first layer.
    np.testing.assert_allclose((before[0] - net.parameters)[[0, -1]], [0.005, 0.01], rtol=1e-9)
    with pytest.raises(ValueError, match=r"^Lion: beta1 is 2, expected from 0 up to 1$"):
        optimizer.beta1 = 2


def test_an_optimizer_without_a_constructor_has_lr_and_clip_norm():
    class Plain(Optimizer):
        @operation
        def step(p, g, s):
            s.steps += 1
            for i in range(p.size):
                p[i] -= p.dtype.type(s.lr) * g[i]

    [example] = Plain.examples()
    assert repr(example) == "Plain(lr=0.01)"
    net, _, _ = trained(MSE(), Plain(0.05, clip_norm=1.0))
    np.testing.assert_array_equal(net.parameters, trained(MSE(), SGD(0.05, clip_norm=1.0))[0].parameters)


def test_a_step_in_plain_python_is_taken_too(monkeypatch):
    taken = watch_paths(monkeypatch)

    class ByHand(Optimizer):
        def step(self, loss=None):
            self.check_attached()
            for array, factor in self.moving():
                array -= self.lr * factor * self.net.gradient
            self.count_step()

    net, optimizer, _ = trained(MSE(), ByHand(0.05))
    assert set(taken) == {"python"}
    assert optimizer.steps == 20
    np.testing.assert_allclose(net.parameters, trained(MSE(), SGD(0.05))[0].parameters, rtol=1e-12)


# A gradient that is not finite


class Spike(Loss):
    """Squares whose derivative bursts where the truth is above 1."""

    @operation
    def forward(y, yhat, out):
        for i in range(y.shape[0]):
            out[i] = (yhat[i, 0] - y[i, 0]) * (yhat[i, 0] - y[i, 0])

    @operation
    def backward(y, yhat, delta):
        for i in range(y.shape[0]):
            delta[i, 0] = yhat.dtype.type(np.inf) if y[i, 0] > 1 else yhat[i, 0] - y[i, 0]


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["compiled", "python"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_fit_ends_where_clip_norm_meets_a_gradient_that_is_not_finite_and_says_so(callbacks, dtype):
    y = np.where(np.arange(50)[:, None] == 40, 2.0, 0.5)
    net = network(dtype=dtype)
    optimizer = Adam(0.01, clip_norm=1.0).attach(net)
    options = {"loss": Spike(), "batch_size": 16, "shuffle": False, "epochs": 3, "progress": False, "callbacks": callbacks}
    good = copy.deepcopy(net)
    fit(good, X[:32], y[:32], loss=Spike(), optimizer=Adam(0.01, clip_norm=1.0), batch_size=16, shuffle=False, epochs=1)
    with pytest.warns(modnet.TrainingWarning) as told:
        history = fit(net, X, y, optimizer=optimizer, **options)
    assert history.stopped_because.startswith("diverged: the gradient's norm became ")
    assert history.stopped_because.endswith(" at epoch 1, batch 3 of 4")
    assert [str(w.message) for w in told] == [
        f"fit: {history.stopped_because}; the network has its last finite parameters; "
        "try a smaller lr, or inputs scaled to about -1 to 1"
    ]
    np.testing.assert_array_equal(net.parameters, good.parameters)  # two steps were taken, the third was not
    assert optimizer.steps == 0  # what comes next begins anew


# Found


def block(text, name):
    """A class of a docstring, as it stands there."""
    found = re.search(rf"^    class {name}\(.*?(?=^\S)", text, re.DOTALL | re.MULTILINE)
    assert found
    return textwrap.dedent(found[0])


LOSS_FILE = "from modnet.loss import Loss, Setting, operation\n\n\n" + block(modnet.loss.__doc__, "Squares")
OPTIMIZER_FILE = (
    "import numpy as np\n\nfrom modnet.kernels import State, operation\n"
    "from modnet.optim.arguments import Rate, share\nfrom modnet.optim.optimizer import Optimizer\n\n\n"
    + block(modnet.optim.optimizer.__doc__, "SignDescent")
    + "\n    @classmethod\n    def examples(cls):\n        return [cls(0.01)]\n"
)


@pytest.fixture
def written(monkeypatch, tmp_path):
    """The classes of the docstrings, each written into a file of its package."""
    for package, text in ((modnet.losses, LOSS_FILE), (modnet.optim, OPTIMIZER_FILE)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / f"written_in_{tmp_path.name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    losses = {kind.__name__: kind for kind in all_losses()}
    optimizers = {kind.__name__: kind for kind in all_optimizers()}
    return losses["Squares"], optimizers["SignDescent"], tmp_path


def test_what_the_docstrings_show_is_found_in_its_package_and_trained_compiled(written, monkeypatch):
    taken = watch_paths(monkeypatch)
    squares, sign_descent, _ = written
    for loss, y, yhat in squares.examples():
        assert check_loss(loss, y, yhat).ok
        np.testing.assert_allclose(loss.forward(y, yhat), MSE().forward(y, yhat), rtol=1e-14)
    net, _, history = trained(squares(), sign_descent(0.01))
    assert set(taken) == {"compiled"}
    assert history.loss[-1] < history.loss[0]
    again, _, _ = trained(squares(), sign_descent(0.01), [EveryBatch()])
    np.testing.assert_array_equal(net.parameters, again.parameters)
    half = squares()
    half.scale = 0.5
    assert half([1.0], [3.0]) == 2.0


def test_what_the_docstrings_show_is_found_by_the_check_of_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(LOSS_FILE + "\n\n" + OPTIMIZER_FILE)
    loaded = Loader(tmp_path, [file]).file(file)
    assert loaded.problems == []
    found = [(cls.kind, cls.name) for cls in loaded_classes(loaded, ())]
    assert found == [("loss", "Squares")]  # nothing judges an optimizer
