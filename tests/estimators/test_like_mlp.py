"""The same numbers as scikit-learn's MLPs, from the same seed, for all that both have: the referee is another implementation."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from modnet.estimators import NetClassifier, NetRegressor, ScaleWarning

# Batches of all examples, as each library shuffles in its own way.
BINARY = make_classification(60, 6, random_state=0)
THREE = make_classification(60, 6, n_informative=4, n_classes=3, random_state=1)
LABELS = make_multilabel_classification(50, 8, n_classes=4, random_state=0)
NUMBERS = make_regression(60, 6, noise=1.0, random_state=0)
SEVERAL = make_regression(60, 6, n_targets=3, noise=1.0, random_state=1)
COUNTS = NUMBERS[0], np.random.default_rng(0).poisson(3.0, 60)

# Adam's eps is added to a root that is divided before or after; a tiny one makes both the same.
SOLVERS = [
    {"solver": "sgd", "learning_rate_init": 0.02},
    {"solver": "sgd", "learning_rate_init": 0.02, "momentum": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.02, "nesterovs_momentum": False},
    {"solver": "adam", "epsilon": 1e-30},
    {"solver": "lbfgs"},
]


def pair(kinds, data, **settings):
    settings = {"hidden_layer_sizes": (7, 5), "max_iter": 8, "random_state": 3, **settings}
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", ScaleWarning)
        return kinds[0](scale=False, **settings).fit(X, y), kinds[1](**settings).fit(X, y)


def require_same(ours, theirs, rtol):
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
@pytest.mark.parametrize("data", [BINARY, THREE, LABELS], ids=["binary", "three", "labels"])
def test_classifiers_end_with_the_same_parameters(data, settings):
    ours, theirs = pair((NetClassifier, MLPClassifier), data, alpha=0.3, activation="tanh", **settings)
    require_same(ours, theirs, 1e-9 if settings["solver"] != "lbfgs" else 1e-5)
    np.testing.assert_allclose(ours.predict_proba(data[0]), theirs.predict_proba(data[0]), rtol=1e-5)
    np.testing.assert_array_equal(ours.predict(data[0]), theirs.predict(data[0]))
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=0.01)


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
@pytest.mark.parametrize("data", [NUMBERS, SEVERAL], ids=["one", "three"])
def test_regressors_end_with_the_same_parameters(data, settings):
    X, y = data
    settings = {**settings, "learning_rate_init": 1e-4}
    ours, theirs = pair((NetRegressor, MLPRegressor), (X, y / 10), alpha=0.3, activation="tanh", **settings)
    require_same(ours, theirs, 1e-9 if settings["solver"] != "lbfgs" else 1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations_and_first_parameters_are_the_same(activation):
    ours, theirs = pair((NetClassifier, MLPClassifier), THREE, activation=activation, max_iter=3, epsilon=1e-30)
    require_same(ours, theirs, 1e-9)


@pytest.mark.skipif("loss" not in MLPRegressor().get_params(), reason="scikit-learn's MLPRegressor has had losses since 1.7")
def test_the_poisson_deviance_is_the_same():
    ours, theirs = pair((NetRegressor, MLPRegressor), COUNTS, loss="poisson", solver="sgd", alpha=0.1)
    require_same(ours, theirs, 1e-9)
    np.testing.assert_allclose(ours.predict(COUNTS[0]), theirs.predict(COUNTS[0]), rtol=1e-8)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-3)


@pytest.mark.parametrize("rate", ["constant", "invscaling", "adaptive"])
def test_training_ends_at_the_same_epoch_and_at_the_same_rate(rate):
    settings = {"solver": "sgd", "learning_rate": rate, "momentum": 0.0, "learning_rate_init": 0.1, "tol": 1e-2, "max_iter": 300}
    ours, theirs = pair((NetClassifier, MLPClassifier), BINARY, n_iter_no_change=3, **settings)
    require_same(ours, theirs, 1e-9)
    assert ours.n_iter_ < 300
    assert ours._optimizer.lr == pytest.approx(theirs._optimizer.learning_rate)


@pytest.mark.parametrize(("kinds", "data"), [((NetClassifier, MLPClassifier), BINARY), ((NetRegressor, MLPRegressor), NUMBERS)])
def test_early_stopping_takes_the_same_share_and_the_same_epoch(kinds, data):
    settings = {"solver": "sgd", "learning_rate_init": 0.001, "early_stopping": True, "validation_fraction": 0.3, "max_iter": 60}
    ours, theirs = pair(kinds, data, n_iter_no_change=4, **settings)
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-6)
    require_same(ours, theirs, 1e-7)


def test_partial_fit_goes_the_same_way():
    X, y = BINARY
    models = [kind(solver="sgd", random_state=1, **extra) for kind, extra in ((NetClassifier, {"scale": False}), (MLPClassifier, {}))]
    for _ in range(4):
        for model in models:
            model.partial_fit(X, y, classes=[0, 1])
    require_same(*models, 1e-9)
    assert models[0].n_iter_ == models[1].n_iter_


def test_a_warm_start_goes_on_from_the_last_parameters_with_a_new_optimizer():
    X, y = BINARY
    models = [kind(solver="sgd", random_state=1, warm_start=True, max_iter=3, **extra)
              for kind, extra in ((NetClassifier, {"scale": False}), (MLPClassifier, {}))]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(2):
            for model in models:
                model.fit(X, y)
    require_same(*models, 1e-9)
    np.testing.assert_allclose(models[0].loss_curve_, models[1].loss_curve_, rtol=1e-3)


def test_what_the_network_is_built_with_cannot_change_while_it_goes_on():
    X, y = BINARY
    changes = {"hidden_layer_sizes": (7,), "activation": "tanh", "dropout": 0.5, "batch_norm": True, "scale": False}
    for name, value in changes.items():
        model = NetClassifier([6], warm_start=True, max_iter=500, random_state=1, tol=1e9, n_iter_no_change=1).fit(X, y)
        model.set_params(hidden_layer_sizes=(6,), alpha=0.1, learning_rate_init=0.1).fit(X, y)  # as good as the list; no matter
        before, kept = model.get_params()[name], model.net_.parameters.copy()
        model.set_params(**{name: value})
        for call in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=rf"which was built with {name}=.*: set_params\(warm_start=False\)\.fit\(X, y\)$"):
                call(X, y)
        np.testing.assert_array_equal(model.net_.parameters, kept)
        model.set_params(**{name: before}).partial_fit(X, y)
        model.set_params(**{name: value, "warm_start": False}).fit(X, y)


def test_partial_fit_takes_steps_as_the_settings_say_now():
    X, y = BINARY
    model = NetClassifier(solver="sgd", learning_rate_init=0.5, random_state=1).partial_fit(X, y, classes=[0, 1])
    model = pickle.loads(pickle.dumps(model.set_params(learning_rate_init=1e-12, momentum=0.0)))
    before = model.net_.parameters.copy()
    model.partial_fit(X, y)
    np.testing.assert_allclose(model.net_.parameters, before, atol=1e-9)


def test_weights_are_those_of_repeated_examples():
    X, y = THREE
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, len(X))
    settings = {"solver": "sgd", "max_iter": 20, "random_state": 0, "alpha": 0.5, "hidden_layer_sizes": (5,)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = NetClassifier(**settings).fit(X, y, sample_weight=weights)
        repeated = NetClassifier(**settings).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-9)
