"""check_training: data of other sorts, faults in a person's own classes, and what it refuses."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_friedman1

import modnet.optim
from modnet import MSE, BatchNorm, CrossEntropy, Dropout, Embedding, Huber, Linear, Poisson, ReLU, Sequential, Tanh, fit
from modnet.check import check_training
from modnet.check.training import examples
from modnet.check.training.given import given
from modnet.check.training.reference import references
from modnet.check.training.task import Task
from modnet.check.training.wild import Tamed, far_out, stand_in
from modnet.optim import SGD, Adam, Optimizer, StepDecay


def line_data(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] - X[:, 1] > 0).astype(int)


def small_net(outputs=2, inputs=3):
    return Sequential(Linear(inputs, 12, rng=0), Tanh(), Linear(12, outputs, rng=1))


def kinds_of(*given, **options):
    return [f.kind for f in check_training(*given, rng=0, **options).findings]


# Numbers that cannot be meant


def test_a_value_that_stands_for_a_missing_one_is_found_and_the_line_takes_it_out():
    X, y = line_data(300)
    full = X.copy()
    X[np.random.default_rng(1).random(X.shape) < 0.05] = -9999
    net = Sequential(Linear(3, 24, rng=0), ReLU(), Linear(24, 2, rng=1))
    found = check_training(net, CrossEntropy(), SGD(0.05), X, y, epochs=40, rng=0).findings[0]
    assert found.kind == "unscaled-inputs"
    assert "-9999" in found.message
    names = {"X": X.copy(), "np": np}
    exec(found.change.split(";")[0], names)
    there = X != -9999
    assert np.array_equal(names["X"][there], full[there])
    assert np.abs(names["X"]).max() < 10


def test_wild_numbers_are_told_from_columns_that_are_only_skewed_or_sparse():
    rng = np.random.default_rng(2)
    usual = [rng.normal(size=500), rng.lognormal(size=500), rng.exponential(size=500), (rng.random(500) < 0.05) * 1.0]
    assert all(stand_in(column) is None and far_out(column) is None for column in usual)
    assert not Tamed(np.stack(usual, axis=1))
    column = usual[0].copy()
    column[:5] = [300, 310, 290, -400, 305]
    assert far_out(column) is not None
    assert stand_in(column) is None
    tamed = Tamed(column[:, None])
    assert np.abs(tamed(column[:, None])).max() < 20
    assert column[0] == 300


def test_a_few_wild_targets_do_not_hide_that_a_line_is_learned():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3))
    y = X @ [[1.0], [-2.0], [0.5]] + 0.1 * rng.normal(size=(300, 1))
    y[:12] += 60
    assert kinds_of(small_net(1), Huber(), Adam(0.02), X, y, epochs=60) == []


def test_counts_are_judged_by_their_deviance():
    task = Task.of(Poisson(), np.array([[0.0], [3.0], [7.0]]), (1,))
    y = np.array([[1.0], [2.0], [6.0]])
    assert task.score(y, np.log(y)) == pytest.approx(1)
    assert task.score(y, np.full((3, 1), np.log(3.0))) == pytest.approx(0)
    from sklearn.metrics import d2_tweedie_score

    rate = np.array([1.5, 2.5, 4.0])
    assert task.score(y, np.log(rate)[:, None]) == pytest.approx(d2_tweedie_score(y[:, 0], rate, power=1))


# Words, positions, batches


def test_places_that_do_not_count_are_left_out_of_every_score():
    task = Task.of(CrossEntropy(ignore_index=-1), np.array([[0, 1, -1]]), (3, 2))
    y, right = np.array([[0, 1, -1], [1, -1, -1]]), np.eye(2)[[[0, 1, 0], [1, 0, 0]]]
    assert task.score(y, right) == 1
    assert task.score(y, right[..., ::-1]) == 0
    assert task.shares(y) == pytest.approx([1 / 3, 2 / 3])


def test_words_have_references_however_many_there_are():
    rng = np.random.default_rng(4)
    words = rng.integers(0, 300, (200, 30))
    y = (rng.normal(size=300)[words].sum(axis=1) > 0).astype(int)
    parts = {"net": Sequential(Embedding(300, 4, rng=0), Tanh()), "loss": CrossEntropy(), "optimizer": Adam()}
    made = examples.Examples(given(**parts, X=words, y=y, options={"epochs": 1, "rng": 0}), parts | {"task": Task("classes", 2)})
    found = references(made.make(0), made.words)
    assert found
    assert all(setup.work < 2.5e9 for _, setup in found)


def test_batches_are_read_into_a_table_and_a_generator_is_not_used_up():
    X, y = line_data()
    batches = [(X[i : i + 20], y[i : i + 20]) for i in range(0, 200, 20)]
    from_list = check_training(small_net(), CrossEntropy(), SGD(1e-5), batches, epochs=20, rng=0)
    from_arrays = check_training(small_net(), CrossEntropy(), SGD(1e-5), X, y, epochs=20, batch_size=20, shuffle=False, rng=0)
    assert [f.change for f in from_list.findings] == [f.change for f in from_arrays.findings] != []
    generator = (batch for batch in batches)
    with pytest.raises(TypeError, match="used up; pass a function"):
        check_training(small_net(), CrossEntropy(), SGD(0.1), generator, epochs=20)
    assert next(generator) is batches[0]


def test_a_training_that_is_cut_is_not_blamed_for_being_short(monkeypatch):
    X, y = line_data(4000)
    monkeypatch.setattr(examples, "_A_RUN", 3e5)
    report = check_training(small_net(), CrossEntropy(), SGD(0.01), X, y, epochs=20, rng=0)
    assert report.ok, str(report)
    assert any("of 4000 examples" in remark for _, _, remark in report.verdicts)
    assert kinds_of(small_net(), CrossEntropy(), SGD(1e-6), X, y, epochs=20) == ["rate-too-small"]


# What a person wrote


class Row:
    """A squared error that subtracts a row of targets from a column of predictions."""

    def forward(self, y, yhat):
        return ((yhat - y) ** 2).mean(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y).mean(axis=1, keepdims=True)


class Optim:
    def __init__(self, net, loss, eps):
        self.net, self.loss, self.eps = net, loss, eps

    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        self.net.update_parameters(self.eps)


def test_targets_that_numpy_makes_a_table_of_are_named_with_their_shapes():
    X, _ = line_data()
    net, loss = small_net(1), Row()
    report = check_training(net, loss, Optim(net, loss, 0.1), X, X[:, 0] + X[:, 1], epochs=30, rng=0)
    assert (report.findings[0].kind, report.findings[0].change) == ("wrong-loss", "y = y[:, None]")
    assert "(n,)" in report.findings[0].message
    assert "(n, 1)" in report.findings[0].message
    assert kinds_of(small_net(1), MSE(), SGD(0.1), X, X[:, 0], epochs=30) == ["wrong-loss"]


class Bent(Tanh):
    def forward(self, x):
        return np.tanh(x)

    def backward_delta(self, x, delta):
        return -delta * (1 - np.tanh(x) ** 2)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_wrong_gradient_of_ones_own_class_is_the_diagnosis_if_the_right_one_learns(by_hand):
    X, _ = line_data(seed=5)
    y = np.sin(2 * X[:, :1])
    net, loss = Sequential(Linear(3, 12, rng=0), Bent(), Linear(12, 1, rng=1)), MSE()
    report = check_training(net, loss, Optim(net, loss, 0.2) if by_hand else SGD(0.2), X, y, epochs=30, rng=0)
    assert report.findings[0].kind == "wrong-gradient", str(report)
    assert "return -delta" in report.findings[0].line


def test_a_layer_that_is_held_where_it_cannot_serve_is_named():
    X, y = line_data()
    net, optimizer = Sequential(Linear(3, 1, rng=0), Tanh(), Linear(1, 2, rng=1)), Adam(0.05)
    net[0].weight[...] = [[0.0], [0.0], [1.0]]  # it looks at the one column that says nothing
    optimizer.attach(net, rates={0: 0.0})
    assert kinds_of(net, CrossEntropy(), optimizer, X, y, epochs=40) == ["layer-not-trained"]


def test_a_patience_that_ended_it_is_named():
    X, y = make_friedman1(400, noise=0.5, random_state=80)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), ((y - y.mean()) / y.std())[:, None]
    net = Sequential(Linear(10, 32, rng=0), Tanh(), Linear(32, 1, rng=1))
    report = check_training(net, MSE(), SGD(0.1), X, y, epochs=300, batch_size=8, validation=0.2, patience=1, rng=0)
    assert report.findings[0].kind == "too-few-epochs", str(report)
    assert "by patience=1" in report.findings[0].message


# What is given


@pytest.mark.parametrize("make", [getattr(modnet.optim, name) for name in modnet.optim.__all__ if isinstance(
    getattr(modnet.optim, name), type) and issubclass(getattr(modnet.optim, name), Optimizer)
    and getattr(modnet.optim, name) is not Optimizer])  # fmt: skip
def test_nothing_of_a_network_and_an_optimizer_with_a_state_is_changed(make):
    X, y = line_data(60)
    net = Sequential(Linear(3, 8, rng=0), BatchNorm(8), ReLU(), Dropout(0.2, rng=1), Linear(8, 2, rng=2))
    try:
        optimizer = make(StepDecay(0.01, every=2))
    except (TypeError, ValueError):  # one without a schedule
        optimizer = make()
    fit(net, X, y, CrossEntropy(), optimizer, epochs=3, rng=0, progress=False)
    rng = np.random.default_rng(3)
    before = pickle.dumps((net, optimizer, rng, X, y))
    check_training(net, CrossEntropy(), optimizer, X, y, epochs=3, rng=rng)
    assert pickle.dumps((net, optimizer, rng, X, y)) == before


X, Y = line_data(30)


@pytest.mark.parametrize(("changed", "options", "message"), [
    ({"y": np.array(["a", "b"])[Y]}, {}, "holds text such as"),
    ({"optimizer": Adam}, {}, "optimizer is Adam, expected an object"),
    ({"loss": None}, {}, "loss is None, expected an object"),
    ({"net": Sequential()}, {}, "net has no modules"),
    ({"y": Y[:-1]}, {}, "expected as many examples"),
    ({}, {"epochs": 0}, "epochs is 0"),
    ({}, {"patience": 3}, "patience without validation"),
    ({}, {"validation": 2.0}, "validation is 2.0"),
    ({}, {"validation": (X[:, :2], Y)}, "expected examples of shape"),
    ({}, {"sample_weight": np.ones(3)}, "sample_weight has shape"),
    ({}, {"augment": 0.1}, "augment is 0.1, expected a function"),
])  # fmt: skip
def test_what_no_training_takes_is_refused(changed, options, message):
    given = {"net": small_net(), "loss": CrossEntropy(), "optimizer": Adam(), "X": X, "y": Y} | changed
    with pytest.raises((TypeError, ValueError), match=message):
        check_training(**given, **options)


def test_numbers_that_are_missing_are_the_finding():
    holed = X.copy()
    holed[3, 1] = np.nan
    report = check_training(small_net(), CrossEntropy(), Adam(), holed, Y)
    assert "X[3, 1] is nan" in report.findings[0].message
    assert "1 of 30" in report.findings[0].message


@pytest.mark.parametrize("y", [Y[:, None], Y.astype(float)])
def test_labels_of_another_shape_or_type_are_brought_into_form(y):
    report = check_training(small_net(), CrossEntropy(), Adam(0.02), X, y, epochs=30, rng=0)
    assert (report.findings[0].kind, report.findings[0].change) == ("label-coding", "y = y.reshape(-1).astype(int)")
