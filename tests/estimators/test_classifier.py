"""NetClassifier: what it has beyond MLPClassifier, and what it says to wrong settings and data."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris, make_blobs, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import modnet
from modnet.estimators import NetClassifier, ScaleWarning
from modnet.optim import SGD, AdamW

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
QUICK = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (6,)}


@pytest.mark.slow
def test_digits_are_learned_to_97_percent_at_the_defaults():
    X, y = load_digits(return_X_y=True)
    X, test_X, y, test_y = train_test_split(X, y, random_state=3, stratify=y)  # of four splits 97.1 to 98.7 %, 97.6 on average
    assert NetClassifier(random_state=0).fit(X, y).score(test_X, test_y) >= 0.97


def test_without_hidden_layers_it_is_scikit_learns_logistic_regression():
    # No hidden layer, L-BFGS, and the penalty of LogisticRegression: alpha = 1 / C, on the sum of the losses.
    X, y = make_blobs(100, centers=3, cluster_std=4.0, random_state=0)
    ours = NetClassifier((), solver="lbfgs", alpha=0.5, max_iter=1000, tol=1e-8, scale=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScaleWarning)
        ours.fit(X, y)
    theirs = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-5)


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [10, 20], [True, False]])
def test_labels_of_any_kind_come_back(labels):
    data, places = make_blobs(60, centers=len(labels), random_state=0)
    named = np.array(sorted(labels))[places]
    model = NetClassifier((10,), solver="lbfgs", max_iter=30, random_state=0).fit(data, named)
    np.testing.assert_array_equal(model.predict(data), named)
    np.testing.assert_array_equal(model.classes_, sorted(labels))


def test_class_weights_are_sample_weights():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class = NetClassifier(class_weight=weights, **QUICK).fit(X, y)
    by_sample = NetClassifier(**QUICK).fit(X, y, sample_weight=np.array([1.0, 5.0, 0.5])[y])
    np.testing.assert_array_equal(by_class.coefs_[0], by_sample.coefs_[0])
    own = np.random.default_rng(0).uniform(0.5, 2.0, 120)
    both = NetClassifier(class_weight=weights, **QUICK).fit(X, y, sample_weight=own)
    product = NetClassifier(**QUICK).fit(X, y, sample_weight=own * np.array([1.0, 5.0, 0.5])[y])
    np.testing.assert_array_equal(both.coefs_[0], product.coefs_[0])
    few = np.r_[np.arange(120)[y == 0][:5], np.arange(120)[y != 0]]
    balanced = NetClassifier(class_weight="balanced", **QUICK).fit(X[few], y[few])
    by_sample = NetClassifier(**QUICK).fit(X[few], y[few], sample_weight=modnet.balanced_weights(y[few]))
    np.testing.assert_allclose(balanced.coefs_[0], by_sample.coefs_[0], rtol=1e-12)


def test_a_part_with_one_class_has_the_weight_of_its_class():
    moved = []
    for weight in (1.0, 3.0):
        model = NetClassifier(class_weight={1: weight}, solver="sgd", momentum=0.0, alpha=0.0, **QUICK)
        model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
        before = model.coefs_[0].copy()
        moved.append(model.partial_fit(X[y == 1], y[y == 1]).coefs_[0] - before)
    np.testing.assert_allclose(moved[1], 3 * moved[0], rtol=1e-9)


def test_the_network_is_built_as_the_settings_say():
    settings = {"hidden_layer_sizes": (5, 4), "activation": ["gelu", modnet.LeakyReLU(0.2)], "dropout": [0.1, 0.0], "batch_norm": True}
    model = NetClassifier(max_iter=1, **settings).fit(X, y)
    kinds = [type(module).__name__ for module in model.net_]
    assert kinds == ["RidgeLinear", "BatchNorm", "GELU", "Dropout", "RidgeLinear", "BatchNorm", "LeakyReLU", "RidgeLinear"]
    assert model.net_[3].p == 0.1
    assert model.net_[6].slope == 0.2
    assert not model.net_.training


def test_a_batch_of_one_is_avoided_with_batch_norm():
    NetClassifier((5,), batch_norm=True, batch_size=17, max_iter=2).fit(X[:103], y[:103])


@pytest.mark.parametrize(
    ("loss", "outputs", "probabilities"),
    [
        ("log_loss", 3, True), ("hinge", 3, False), (modnet.CrossEntropy(label_smoothing=0.1), 3, True),
        (modnet.BCEWithLogits(), 3, True), (modnet.Hinge(), 3, False), (modnet.MSE(), 3, False),
    ],
    ids=str,
)  # fmt: skip
def test_losses(loss, outputs, probabilities):
    model = NetClassifier((20,), loss=loss, learning_rate_init=0.02, max_iter=60, random_state=0).fit(X, y)
    assert model.n_outputs_ == outputs
    assert model.score(X, y) > 0.8
    np.testing.assert_array_equal(model.decision_function(X).argmax(axis=1), model.predict(X))
    assert hasattr(model, "predict_proba") == probabilities
    if probabilities:
        p = model.predict_proba(X)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_array_equal(p.argmax(axis=1), model.predict(X))
        np.testing.assert_allclose(np.log(p), model.predict_log_proba(X), atol=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "hinge", modnet.CrossEntropy(), modnet.MultiMargin()], ids=str)
def test_two_classes_have_one_score_the_second_against_the_first(loss):
    data, two = X[y < 2], y[y < 2]
    model = NetClassifier((20,), loss=loss, learning_rate_init=0.02, max_iter=60, random_state=0).fit(data, two)
    score = model.decision_function(data)
    assert score.shape == (len(data),)
    np.testing.assert_array_equal(model.predict(data), model.classes_[(score > 0).astype(int)])
    assert model.score(data, two) > 0.8


def test_several_labels_are_learned_one_by_one():
    data, rows = make_multilabel_classification(80, 10, n_classes=4, random_state=0)
    model = NetClassifier((30,), solver="lbfgs", random_state=0).fit(data, rows)
    np.testing.assert_array_equal(model.predict(data), rows)
    assert model.predict_proba(data).shape == rows.shape


def test_an_optimizer_of_the_library_is_copied():
    optimizer = AdamW(0.01)
    first, second = (NetClassifier(optimizer=optimizer, **QUICK).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert optimizer.net is None


def test_a_network_of_ones_own():
    def build(inputs, outputs):
        return modnet.Sequential(modnet.Linear(inputs, 8, rng=0), modnet.Tanh(), modnet.Linear(8, outputs, rng=1))

    model = NetClassifier(net=build, solver="sgd", learning_rate_init=0.1, max_iter=3, alpha=0.0, random_state=0).fit(X, y)
    again = build(6, 3)
    rng = np.random.RandomState(0).randint(2**31 - 1)
    modnet.fit(again, (X - X.mean(0)) / X.std(0), y, modnet.CrossEntropy(), SGD(0.1, momentum=0.9, nesterov=True), epochs=3,
               batch_size=120, rng=int(rng))  # fmt: skip
    np.testing.assert_allclose(model.net_.parameters, again.parameters, rtol=1e-9)


def test_alpha_of_a_network_of_ones_own_is_weight_decay():
    model = NetClassifier(net=lambda n, m: modnet.Linear(n, m, rng=0), alpha=60.0, batch_size=30, max_iter=1).fit(X, y)
    assert model._optimizer.weight_decay == 2.0


def test_assigned_weights_are_those_that_predict_and_go_on():
    model = NetClassifier(warm_start=True, solver="sgd", **QUICK).fit(X, y)
    other = NetClassifier(**{**QUICK, "random_state": 5}).fit(X, y)
    model.coefs_, model.intercepts_ = other.coefs_, other.intercepts_
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    model.coefs_[0][0, 0] += 1.0
    assert not np.array_equal(model.predict_proba(X), other.predict_proba(X))
    model.coefs_ = [np.zeros((2, 2))]
    with pytest.raises(ValueError, match=r"coefs_ has the shapes \[\(2, 2\)\], expected \[\(6, 6\), \(6, 3\)\]"):
        model.predict(X)
    fresh = NetClassifier(**QUICK).fit(X, y)
    fresh.coefs_ = [np.zeros((2, 2))]
    fresh.fit(X, y)  # without a warm start what was assigned is gone
    np.testing.assert_array_equal(fresh.predict_proba(X), NetClassifier(**QUICK).fit(X, y).predict_proba(X))


def test_a_frame_keeps_its_names_and_another_order_is_refused():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = NetClassifier(**QUICK).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("bacdef")])


def test_the_scale_belongs_to_the_model():
    moved = X * [1, 1e3, 1e-3, 1, 1, 1] + [0, 1e4, 0, -50, 0, 0]
    plain, scaled = (NetClassifier(**QUICK).fit(data, y) for data in (X, moved))
    np.testing.assert_allclose(plain.predict_proba(X), scaled.predict_proba(moved), rtol=1e-6)


def test_columns_that_are_not_scaled_are_named():
    frame = pd.DataFrame(X * [1, 1e3, 1, 1, 1, 1], columns=list("abcdef"))
    with pytest.warns(ScaleWarning, match="scale=False, and columns of X are far from mean 0 and deviation 1: b; scale them first"):
        NetClassifier(scale=False, **QUICK).fit(frame, y)
    with pytest.warns(ScaleWarning, match="the first call of partial_fit has 5 examples, too few to scale by, .*: b; begin with 20"):
        NetClassifier(**QUICK).partial_fit(frame[:5], y[:5], classes=[0, 1, 2])


def test_early_stopping_keeps_the_best_epoch_and_shares_out_rare_classes():
    model = NetClassifier((20,), early_stopping=True, learning_rate_init=0.05, max_iter=100, random_state=0, n_iter_no_change=5)
    model.fit(X, y)
    assert model.n_iter_ < 100
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.history_.best_epoch == 1 + int(np.argmax(model.validation_scores_))
    rare = np.where(np.arange(120) < 4, 3, y)
    NetClassifier(early_stopping=True, **QUICK).fit(X, rare)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "rel"}, "activation is 'rel', expected one of 'elu', "),
        ({"activation": ["relu", "tanh"]}, r"activation has 2 values for 1 hidden layers, expected one for all, or one each"),
        ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must be > 0, got \[5, 0\]"),
        ({"solver": "adams"}, "solver is 'adams', expected one of 'adam', 'sgd', 'lbfgs'"),
        ({"learning_rate": 0.01}, "learning_rate is 0.01; the rate is learning_rate_init=0.01"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, "must not be below zero, nor all zero"),
        ({"class_weight": {"a": 2.0}}, r"class_weight has the class 'a', expected classes of \[0, 1, 2\]"),
        ({"dropout": 1.0}, "dropout is 1.0, expected from 0 up to 1"),
        ({"loss": "mse"}, "loss is 'mse', expected one of 'log_loss', 'hinge' or a loss such as"),
        ({"loss": modnet.BCE()}, "takes probabilities, expected BCEWithLogits"),
        ({"loss": modnet.NLL()}, "takes log-probabilities, expected CrossEntropy"),
        ({"class_weight": "balance"}, "class_weight is 'balance', expected None, 'balanced', or a dict with the weight of each"),
        ({"class_weight": [1, 2, 3]}, r"class_weight is \[1, 2, 3\], expected None"),
        ({"net": lambda n, m: modnet.Linear(n, 7)}, r"the network of net gives \(7,\) for an example, expected \(3,\), the second"),
        ({"alpha": -1}, "alpha is -1, expected a number that is not negative"),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
        ({"random_state": -1}, r"random_state is -1, expected an int from 0 to 2\*\*32 - 1, a RandomState or None"),
        ({"random_state": np.random.default_rng(0)}, "random_state is Generator.*, expected an int"),
        ({"net": lambda n, m: modnet.Sequential(modnet.Linear(n, m), modnet.Softmax())}, "ends in Softmax, expected scores"),
        ({"net": lambda n, m: None}, "net returned None, expected a network"),
        ({"net": lambda n, m: modnet.Linear(n, m), "optimizer": AdamW(), "alpha": 1.0}, "alpha with net and optimizer does nothing"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(settings, message):
    with pytest.raises((ValueError, TypeError), match=f"NetClassifier: .*{message}"):
        NetClassifier(**{"max_iter": 1, **settings}).fit(X, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.zeros(120), "none below zero and some above"), (-np.ones(120), "none below zero"), ([1.0], r"shape \(1,\), expected \(120,\)")],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"sample_weight .*{message}"):
        NetClassifier(max_iter=1).fit(X, y, sample_weight=weights)


def test_a_training_that_diverged_is_an_error():
    with pytest.warns(modnet.TrainingWarning, match="diverged"), pytest.raises(ValueError, match="NetClassifier: the training diverged"):
        NetClassifier((5,), "identity", solver="sgd", learning_rate_init=1e200, random_state=0, max_iter=20).fit(X, y)


def test_max_iter_that_is_too_low_is_said():
    with pytest.warns(ConvergenceWarning, match="after 2 epochs, as many as max_iter allows"):
        NetClassifier(max_iter=2).fit(X, y)


def test_float32_stays_float32():
    X, y = load_iris(return_X_y=True)
    model = NetClassifier(**QUICK).fit(X.astype(np.float32), y)
    assert model.net_.dtype == model.predict_proba(X.astype(np.float32)).dtype == np.float32


class Interrupting(modnet.CrossEntropy):
    """Ctrl-C in the fifth forward."""

    forwards = 0

    def forward(self, y, yhat):
        Interrupting.forwards += 1
        if Interrupting.forwards == 5:
            raise KeyboardInterrupt
        return super().forward(y, yhat)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_ends_a_fit_with_a_warning_and_a_model(monkeypatch, solver):
    monkeypatch.setattr(Interrupting, "forwards", 0)
    model = NetClassifier((6,), solver=solver, loss=Interrupting(), max_iter=300, random_state=0)
    with pytest.warns(modnet.TrainingWarning, match="interrupted"):
        model.fit(X, y)
    assert 1 <= model.n_iter_ <= 5
    assert model.predict(X).shape == (120,)
