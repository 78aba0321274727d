"""In pipelines, searches, calibration and inspection; in pickles and skops files; with metadata routed to it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_regression
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import estimator_html_repr

import modnet
from modnet.estimators import AutoEncoder, NetClassifier, NetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
QUICK = NetClassifier((6,), solver="lbfgs", max_iter=15, random_state=0)


def test_a_grid_in_two_processes_is_that_of_one():
    grid = {"netclassifier__alpha": [1e-3, 10.0], "netclassifier__activation": ["relu", "tanh"]}
    found = [
        GridSearchCV(make_pipeline(MinMaxScaler(), QUICK), grid, cv=2, n_jobs=jobs).fit(X, y).cv_results_["mean_test_score"]
        for jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*found)


def test_a_halving_search_raises_max_iter():
    search = HalvingRandomSearchCV(
        NetClassifier((6,), random_state=0), {"learning_rate_init": loguniform(1e-3, 1e-1)}, resource="max_iter", min_resources=5,
        max_resources=20, cv=2, random_state=0,
    )  # fmt: skip
    assert search.fit(X, y).best_estimator_.max_iter in (5, 15, 20)


def test_probabilities_can_be_calibrated():
    model = CalibratedClassifierCV(QUICK, cv=2).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.score(X, y) > 0.9


def test_importance_and_dependence_see_what_the_network_uses():
    data, target = make_regression(150, 4, n_informative=1, random_state=0)
    model = NetRegressor(hidden_layer_sizes=(5,), solver="lbfgs", random_state=0).fit(data, target)
    importance = permutation_importance(model, data, target, n_repeats=2, random_state=0).importances_mean
    used = int(np.argmax(np.abs(np.corrcoef(data.T, target)[:-1, -1])))
    assert np.argmax(importance) == used
    curves = [np.ptp(partial_dependence(model, data, [k], grid_resolution=5)["average"]) for k in range(4)]
    assert np.argmax(curves) == used


def test_several_targets_of_classes_by_scikit_learns_wrapper():
    both = np.stack([y, y % 2], axis=1)
    assert MultiOutputClassifier(QUICK).fit(X, both).predict(X).shape == both.shape


def test_weights_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        model = QUICK.__sklearn_clone__().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, X, y, params={"sample_weight": np.where(y == 0, 1.0, 0.0) + 1e-9}, cv=2, return_estimator=True)
    assert (found["test_score"] > 0.99).all()  # the others count for nothing
    assert (found["estimator"][0].predict(X) == 0).mean() > 0.9


def test_codes_come_as_a_frame():
    frame = pd.DataFrame(X, columns=list("abcd"))
    code = AutoEncoder((2,), max_iter=2).set_output(transform="pandas").fit_transform(frame)
    assert code.columns.tolist() == ["autoencoder0", "autoencoder1"]


def test_a_clone_is_as_new_and_the_page_shows_it():
    model = clone(NetClassifier(net=build, loss=modnet.CrossEntropy(0.1), optimizer=modnet.optim.AdamW(), max_iter=2).fit(X, y))
    assert not hasattr(model, "net_")
    assert model.net is build
    assert "NetClassifier" in estimator_html_repr(model)


def build(inputs, outputs):
    return modnet.Sequential(modnet.Linear(inputs, 4, rng=0), modnet.Mish(), Doubled(), modnet.Linear(4, outputs, rng=1))


class Doubled(modnet.Module):
    """A module of one's own, in plain numpy."""

    def forward(self, x):
        return 2 * np.asarray(x)

    def backward_delta(self, x, delta):
        return 2 * delta

    def backward_update_gradient(self, x, delta):
        pass


COPIES = {"pickle": lambda model: pickle.loads(pickle.dumps(model)), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("own", [False, True], ids=["built", "own classes"])
def test_a_copy_goes_on_as_the_original(way, own):
    settings = {"net": build} if own else {"dropout": 0.2, "batch_norm": True, "hidden_layer_sizes": (5,)}
    model = NetClassifier(random_state=0, **settings)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    other = COPIES[way](model)
    for one in (model, other):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert model.net_ is not other.net_ or (own and way == "copy")
    assert len(pickle.dumps(model)) < 40_000


def test_a_network_of_an_estimator_is_saved_as_any(tmp_path):
    model = NetClassifier((6,), dropout=0.1, max_iter=3).fit(X, y)
    modnet.save(model.net_, tmp_path / "net.npz")
    net = modnet.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(modnet.predict(net, X), modnet.predict(model.net_, X))


def test_skops_asks_for_three_types_and_gives_back_the_pipeline():
    skops = pytest.importorskip("skops.io")
    model = make_pipeline(StandardScaler(), NetClassifier((6,), max_iter=3, random_state=0)).fit(X, y)
    data = skops.dumps(model)
    asked = skops.get_untrusted_types(data=data)
    assert asked == [
        "modnet.estimators.classifier.NetClassifier", "modnet.estimators.scaling.Scale", "modnet.training.history.History",
    ]  # fmt: skip
    again = skops.loads(data, trusted=asked)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    for one in (model, again):
        one[-1].partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    with pytest.raises(Exception, match="ntrusted"):
        skops.loads(data)
