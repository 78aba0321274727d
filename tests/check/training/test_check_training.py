"""check_training: which change cures a training that does not learn; and that trainings that learn raise no alarm."""

import copy
import importlib.util
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import modnet
from modnet import MSE, BatchNorm, Conv1D, CrossEntropy, Dropout, Flatten, Linear, ReLU, Sequential, Sigmoid, Tanh, fit, predict
from modnet.check import check_training
from modnet.check.networks.steps import Steps
from modnet.check.training.byhand import known_loss, law_of, translated
from modnet.check.training.task import Task
from modnet.optim import SGD, Adam, CosineDecay
from modnet.optim.schedules import Schedule

_path = Path(__file__).parents[3] / "docs" / "why" / "kinds.py"
_spec = importlib.util.spec_from_file_location("why_kinds", _path)
kinds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kinds)

#: Kinds of every sort: read from the network, from the data, from the steps; the pages' script goes through all of them.
SOME = [
    "double-softmax", "label-coding", "output-range", "unscaled-targets", "symmetric-init", "no-bias", "sorted-data",
    "train-test-mismatch", "not-divided", "wrong-sign", "batch-size", "weight-decay-too-large",
    "saturated-units",
]  # fmt: skip


def rings(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, ((X**2).sum(axis=1) > 1.4).astype(int)


def net_for_rings(*end, inner=Tanh):
    return Sequential(Linear(2, 16, rng=0), inner(), Linear(16, 2, rng=1), *end)


@pytest.mark.parametrize("kind", SOME)
def test_the_change_that_cures_names_the_kind(kind):
    report = kinds.report_of(kinds.KINDS[kind][0])
    assert report.findings[0].kind == kind, str(report)
    assert report.findings[0].change in str(report)
    assert report.findings[0].proof in report.as_dict()["findings"][0]["proof"]
    assert not report.trials[0].cures
    assert [t.cures for t in report.trials if t.is_diagnosis] == [True]


def test_every_kind_has_its_page_and_every_page_its_picture():
    folder = _path.parent
    pages = {page.stem for page in folder.glob("*.md")} - {"README"}
    assert pages == set(kinds.KINDS) == {picture.stem for picture in folder.glob("*.png")}
    index = (folder / "README.md").read_text()
    assert all(f"]({name}.md)" in index for name in kinds.KINDS)


# Trainings that learn


def with_dropout(X, y):
    net = Sequential(Linear(2, 24, rng=0), BatchNorm(24), ReLU(), Dropout(0.3, rng=1), Linear(24, 2, rng=2))
    return net, CrossEntropy(), Adam(CosineDecay(0.02, over=60)), X, y


HEALTHY = {
    "adam": lambda X, y: (net_for_rings(), CrossEntropy(), Adam(0.02), X, y),
    "jumping": lambda X, y: (net_for_rings(), CrossEntropy(), SGD(1.5), X, y),
    "dropout, batch statistics, a schedule": with_dropout,
    "half of it noise": lambda X, y: (
        Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1)), MSE(), Adam(0.02), X,
        X[:, :1] + np.random.default_rng(3).normal(size=(len(X), 1)),
    ),
    "rare class": lambda X, y: (
        net_for_rings(), CrossEntropy(), Adam(0.02), X, (X[:, 0] > 1.5).astype(int),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_training_that_learns_raises_no_alarm(name):
    report = check_training(*HEALTHY[name](*rings(300)), epochs=60, rng=0)
    assert report.ok, str(report)
    assert ("learns", "right") in [verdict[:2] for verdict in report.verdicts]


def test_a_start_that_looks_flat_and_then_learns_raises_no_alarm():
    X = np.array([[(i >> k) & 1 for k in range(3)] for i in range(8)], float)
    net = Sequential(Linear(3, 12, init="xavier_normal", rng=0), Sigmoid(), Linear(12, 2, rng=1))
    arguments = net, CrossEntropy(), SGD(0.5, momentum=0.9), X, X.sum(axis=1).astype(int) % 2
    trained = copy.deepcopy(net)
    assert fit(trained, *arguments[3:], *arguments[1:3], epochs=1200, batch_size=8, rng=0).loss[50] > 0.68
    assert check_training(*arguments, epochs=1200, batch_size=8, rng=0).ok


def test_noise_alone_is_nothing_to_learn_and_a_real_column_among_it_is_not():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 4)), rng.integers(0, 2, 300)
    net = Sequential(Linear(4, 8, rng=0), Tanh(), Linear(8, 2, rng=1))
    assert [f.kind for f in check_training(net, CrossEntropy(), Adam(0.01), X, y, epochs=20).findings] == ["nothing-to-learn"]
    X[:, 2] += 3.0 * y
    assert check_training(net, CrossEntropy(), Adam(0.01), X, y, epochs=20).ok


# What is said


def test_the_line_of_code_cures_when_it_is_carried_out():
    X, y = rings()
    target = 5000 * np.sin(2 * X[:, :1])
    net = Sequential(Linear(2, 24, rng=0), Tanh(), Linear(24, 1, rng=1))
    report = check_training(net, MSE(), Adam(0.01), X, target, epochs=40, rng=0)
    names = {"np": np, "y": target}
    exec(report.findings[0].change, names)
    fit(net, X, names["y"], MSE(), Adam(0.01), epochs=40, rng=0)
    assert np.corrcoef(predict(net, X)[:, 0], target[:, 0])[0, 1] > 0.95

    slow = net_for_rings()
    report = check_training(slow, CrossEntropy(), SGD(1e-5), X, y, epochs=40, rng=0)
    assert report.findings[0].kind == "rate-too-small"
    names = {"SGD": SGD}
    exec(report.findings[0].change, names)
    fit(slow, X, y, CrossEntropy(), names["optimizer"], epochs=40, rng=0)
    assert (predict(slow, X).argmax(axis=1) == y).mean() > 0.85


def test_two_causes_that_act_together_are_both_named():
    report = kinds.report_of(kinds.KINDS["wrong-loss"][0])
    assert [f.kind for f in report.findings] == ["wrong-loss", "rate-too-small"]
    assert all("these changes together" in f.proof for f in report.findings)
    # One that is wrong in any case is named, though more of something else would do as well.
    X, y = rings()
    report = check_training(net_for_rings(modnet.Softmax()), CrossEntropy(), SGD(0.05), X, y, epochs=10, rng=0)
    assert report.findings[0].kind == "double-softmax"
    assert len(report.findings) == 2


def test_nothing_that_is_given_is_changed():
    X, y = rings()
    source = np.random.default_rng(5)
    net, optimizer = net_for_rings().eval(), SGD(1e-5, momentum=0.5)
    optimizer.attach(net, rates={0: 0.5})
    given = net, CrossEntropy(), optimizer, X, y, source
    before = pickle.dumps(given)
    report = check_training(*given[:5], epochs=20, rng=source, validation=(X[:50], y[:50]))
    assert not report.ok
    assert pickle.dumps(given) == before


def test_the_same_call_gives_the_same_answer():
    X, y = rings()
    first, second = (check_training(net_for_rings(), CrossEntropy(), SGD(60.0), X, y, epochs=20, rng=3) for _ in range(2))
    assert first.findings[0].kind == second.findings[0].kind == "rate-too-large"
    assert [(t.change, t.score, t.losses) for t in first.trials] == [(t.change, t.score, t.losses) for t in second.trials]


def test_the_clock_is_a_limit_that_the_report_tells_of():
    X, y = rings()
    report = check_training(net_for_rings(), CrossEntropy(), SGD(1e-5), X, y, seconds=1e-9, epochs=20)
    assert report.ok
    assert "limit of 1e-09 s" in str(report)


def test_the_clock_ends_a_training_from_inside(monkeypatch):
    X, y = rings()
    net, loss = net_for_rings(inner=Tanh), CrossEntropy()
    at, steps = [0.0], [0]

    class Slow(kinds.Optim):
        def step(self, batch_x, batch_y):
            steps[0] += 1
            at[0] += 0.1  # seconds
            self.net.parameters[:] -= self.eps * np.sign(self.net.parameters)

    monkeypatch.setattr("modnet.check.training.budget.time.thread_time", lambda: at[0])
    report = check_training(net, loss, Slow(net, loss, 1e-3), X, y, seconds=5, epochs=100, batch_size=10)
    assert steps[0] < 100
    assert report.ok or report.findings[0].kind == "sign"


@pytest.mark.parametrize("compiled", [True, False])
def test_the_clock_ends_a_fit_from_inside(monkeypatch, compiled):
    X, y = rings()
    at = [0.0]

    class Slow(Schedule):
        def rates(self, epoch, steps, memory):
            at[0] += 0.5  # seconds an epoch, or a step
            return np.full(len(steps), self.lr)

    class Wave:  # of no kind that the library has
        def forward(self, X):
            return X + np.sin(3 * X)

        def backward_delta(self, input, delta):
            return delta * (1 + 3 * np.cos(3 * input))

    monkeypatch.setattr("modnet.check.training.budget.time.thread_time", lambda: at[0])
    net = net_for_rings() if compiled else net_for_rings(Wave())
    report = check_training(net, CrossEntropy(), SGD(Slow(1e-5)), X, y, seconds=5, epochs=100)
    assert at[0] < 20  # one training takes fifty, and the first steps are tried before the clock is looked at
    assert report.ok
    assert "limit of 5 s" in str(report)


def test_a_loss_of_logarithms_is_judged_by_what_they_are_logarithms_of():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (400, 2))
    y = rng.poisson(np.exp(0.8 + 0.6 * X[:, :1])).astype(float)
    net = Sequential(Linear(2, 16, rng=0), Tanh(), Linear(16, 1, rng=1))
    report = check_training(net, modnet.Poisson(), Adam(0.01), X, y, epochs=40, rng=0, callbacks=[lambda training: None])
    assert report.ok, str(report)
    assert report.trials[0].score > 0.2
    assert "without callbacks" in str(report)


def test_options_that_fit_does_not_have_are_refused():
    X, y = rings(20)
    with pytest.raises(TypeError, match="epoch is no option of fit"):
        check_training(net_for_rings(), CrossEntropy(), SGD(0.1), X, y, epoch=3)
    with pytest.raises(ValueError, match="seconds is 0"):
        check_training(net_for_rings(), CrossEntropy(), SGD(0.1), X, y, seconds=0)


def test_labels_that_begin_at_one_and_classes_all_alike_are_named():
    X, y = rings()
    report = check_training(net_for_rings(), CrossEntropy(), Adam(0.02), X, y + 1, epochs=20)
    assert (report.findings[0].kind, report.findings[0].change) == ("label-coding", "y = y - 1")
    report = check_training(net_for_rings(), CrossEntropy(), Adam(0.02), X, 0 * y, epochs=20)
    assert report.findings[0].kind == "label-coding"


def test_other_shapes_of_data_are_looked_at_as_well():
    rng = np.random.default_rng(0)
    words = rng.integers(0, 12, (200, 5))
    net = Sequential(modnet.Embedding(12, 6, rng=0), Flatten(), Linear(30, 2, rng=1))
    y = (words == 3).any(axis=1).astype(int)
    assert check_training(net, CrossEntropy(), Adam(0.02), words, y, epochs=30).ok
    report = check_training(net, CrossEntropy(), SGD(1e-6), words, y, epochs=30)
    assert report.findings[0].kind == "rate-too-small"
    tags = Sequential(modnet.Embedding(12, 6, rng=0), Linear(6, 3, rng=1))
    assert check_training(tags, CrossEntropy(), Adam(0.05), words, words % 3, epochs=30).ok
    waves = np.sin(np.linspace(0, 6, 20)[None, :, None] * rng.uniform(1, 3, (120, 1, 1)))
    conv = Sequential(Conv1D(5, 1, 4, 1, rng=0), ReLU(), Flatten(), Linear(64, 1, rng=1))
    assert check_training(conv, MSE(), Adam(0.01), waves, waves[:, 3], epochs=30).ok


# Loops by hand


class Dense:
    def __init__(self, W, b=None):
        self.W, self.b = W, b
        self.zero_grad()

    def forward(self, x):
        return x @ self.W + (0 if self.b is None else self.b)

    def zero_grad(self):
        self.dW, self.db = np.zeros_like(self.W), None if self.b is None else np.zeros_like(self.b)

    def backward_update_gradient(self, x, d):
        self.dW += x.T @ d
        if self.b is not None:
            self.db += d.sum(axis=0)

    def backward_delta(self, x, d):
        return d @ self.W.T

    def update_parameters(self, gradient_step=1e-3):
        self.W -= gradient_step * self.dW
        if self.b is not None:
            self.b -= gradient_step * self.db


class Bend:
    def forward(self, x):
        return np.maximum(x, 0)

    def backward_delta(self, x, d):
        return d * (x > 0)


class Odd(Bend):
    def forward(self, x):
        return np.sin(3 * x) + x


class Chain:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x


def test_a_network_of_plain_classes_is_translated_where_it_is_known():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    net = Chain(Dense(rng.normal(size=(3, 5)), rng.normal(size=5)), Bend(), Dense(rng.normal(size=(5, 2))))
    twin = translated(net, X)
    assert [type(m).__name__ for m in twin] == ["Linear", "ReLU", "Linear"]
    assert twin[2].bias is None
    np.testing.assert_allclose(twin.forward(X), net.forward(X), rtol=1e-12)
    # All activations agree at 0: they are told apart elsewhere.
    zeros = Chain(Dense(np.zeros((3, 5))), Bend(), Dense(np.zeros((5, 2))))
    assert [type(m).__name__ for m in translated(zeros, X)] == ["Linear", "ReLU", "Linear"]
    assert translated(Chain(Dense(rng.normal(size=(3, 2))), Odd()), X) is None


def test_a_loss_of_ones_own_is_recognised_with_its_factor():
    class Half:
        def forward(self, y, yhat):
            return 0.5 * ((yhat - y) ** 2).sum(axis=1)

        def backward(self, y, yhat):
            return yhat - y

    rng = np.random.default_rng(0)
    loss, factor = known_loss(Half(), rng.normal(size=(8, 2)), rng.normal(size=(8, 2)))
    assert type(loss) is MSE
    assert factor == pytest.approx(0.5)


@pytest.mark.parametrize(("divides", "keeps"), [(True, 0.0), (False, 0.0), (True, 0.9)])
def test_the_law_of_a_loop_is_measured(divides, keeps):
    class Optim(kinds.Optim):
        before = 0.0

        def step(self, x, y):
            yhat = self.net.forward(x)
            self.net.zero_grad()
            self.net.backward_update_gradient(x, self.loss.backward(y, yhat) / (len(x) if divides else 1))
            gradient = self.net.gradient.copy()
            self.before = keeps * self.before + gradient
            self.net.parameters[:] -= self.eps * self.before

    X, y = rings(40)
    net, loss = net_for_rings(), CrossEntropy()
    law = law_of(Steps(net, loss, Optim(net, loss, 0.01), X, y))
    assert (law.divided, law.plain, law.name) == (divides, keeps == 0, "eps")
    assert law.rate == pytest.approx(0.01 if divides else 0.4, rel=1e-3)


def test_a_step_that_is_downhill_but_not_along_the_gradient_is_no_plain_descent():
    class Signs(kinds.Optim):
        def step(self, x, y):
            self.net.zero_grad()
            self.net.backward_update_gradient(x, self.loss.backward(y, self.net.forward(x)) / len(x))
            self.net.parameters[:] -= self.eps * np.sign(self.net.gradient)

    X, y = rings(40)
    net, loss = net_for_rings(), CrossEntropy()
    assert not law_of(Steps(net, loss, Signs(net, loss, 1e-4), X, y)).plain
    report = check_training(net, loss, Signs(net, loss, 1e-7), *rings(), epochs=20, rng=0)
    assert report.findings[0].kind == "rate-too-small"
    assert report.findings[0].change.startswith("optimizer.eps = ")


def test_a_loop_that_learns_raises_no_alarm_though_its_gradient_is_a_sum():
    class Summing(kinds.Optim):
        def step(self, x, y):
            self.net.zero_grad()
            self.net.backward_update_gradient(x, self.loss.backward(y, self.net.forward(x)))
            self.net.update_parameters(self.eps)

    X, y = rings()
    net, loss = net_for_rings(), CrossEntropy()
    report = check_training(net, loss, Summing(net, loss, 0.02), X, y, epochs=60, rng=0)
    assert report.ok, str(report)


# What y is, and how good an answer


def test_a_task_is_read_from_the_targets_and_the_output():
    y = np.array([0, 1, 2, 1] * 20)
    assert Task.of(CrossEntropy(), y, (3,)).kind == "classes"
    rows = Task.of(MSE(), np.eye(3)[y], (3,))
    assert (rows.kind, rows.rows, rows.classes) == ("classes", True, 3)
    assert Task.of(modnet.BCEWithLogits(), (y[:, None] > 1) * 1.0, (1,)).threshold == 0
    assert Task.of(modnet.BCE(), (y[:, None] > 1) * 1.0, (1,)).threshold == 0.5
    coded = Task.of(MSE(), y[:, None].astype(float), (1,))
    assert (coded.kind, coded.codes) == ("numbers", (0.0, 1.0, 2.0))
    assert Task.of(MSE(), np.linspace(0, 1, 80)[:, None], (1,)).codes == ()


def test_shares_are_0_at_chance_and_1_if_all_is_right():
    y = np.array([0] * 30 + [1] * 10)
    task = Task("classes", 2)
    always, right = np.eye(2)[0 * y], np.eye(2)[y]
    chance = task.chance(y, y)
    assert (task.share(task.score(y, always), chance), task.share(task.score(y, right), chance)) == (0, 1)
    fair = task.with_balance()
    assert fair.score(y, always) == fair.chance(y, y) == 0.5
    numbers, truth = Task("numbers"), np.arange(10.0)[:, None]
    assert numbers.score(truth, np.full((10, 1), 4.5)) == pytest.approx(0)
    assert numbers.score(truth, np.full((10, 1), np.nan)) == -1


# The picture


def test_the_picture_shows_the_trials_and_the_symptom(tmp_path):
    X, y = rings()
    report = check_training(net_for_rings(), CrossEntropy(), SGD(1e-5), X, y, epochs=20, rng=0)
    figure = report.plot(path=tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 5000
    tried, _, columns = figure.axes
    labels = [line.get_label() for line in tried.get_lines()]
    assert "as it is" in labels
    assert "cured: rate-too-small" in labels
    assert columns.get_title(loc="left") == "mean and deviation of the columns"
    with pytest.raises(ValueError, match="expected 3"):
        report.plot(ax=figure.axes[0])


def test_a_report_is_shown_in_a_notebook_with_its_change():
    X, y = rings()
    report = check_training(net_for_rings(modnet.Softmax()), CrossEntropy(), SGD(0.5), X, y, epochs=10, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "net.pop()" in report._repr_html_()


# Validation data


def test_validation_data_of_another_kind_are_told_from_data_without_meaning():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    net = Sequential(Linear(4, 8, rng=0), Tanh(), Linear(8, 2, rng=1))
    held = X[200:, ::-1].copy()  # the columns in another order
    report = check_training(net, CrossEntropy(), Adam(0.02), X[:200], y[:200], epochs=30, rng=0, validation=(held, y[200:]))
    assert [f.kind for f in report.findings] == ["train-test-mismatch"]
    report = check_training(net, CrossEntropy(), Adam(0.02), X[:200], y[:200], epochs=30, rng=0, validation=(X[200:], y[200:]))
    assert report.ok


def test_data_that_validate_themselves_are_judged_as_without_validation():
    X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0, 1, 1, 0])
    net = Sequential(Linear(2, 1, rng=0), Tanh(), Linear(1, 2, rng=1))
    options = dict(epochs=400, batch_size=4, rng=0, validation=(X, y))
    report = check_training(net, CrossEntropy(), Adam(0.05), X, y, **options)
    assert report.findings[0].kind == "too-small"
    net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1))
    assert check_training(net, CrossEntropy(), Adam(0.05), X, y, **options).ok
