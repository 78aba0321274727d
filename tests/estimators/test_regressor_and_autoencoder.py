"""NetRegressor and AutoEncoder beyond what the checks ask for; PCA and a GLM are the referees."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.decomposition import PCA
from sklearn.linear_model import HuberRegressor, Ridge

import modnet
from modnet.estimators import AutoEncoder, NetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = make_regression(80, 5, noise=5.0, random_state=0)


def test_without_hidden_layers_it_is_ridge_regression():
    # alpha |W|^2 / 2 beside half the sum of squares, W per deviation of X and y: Ridge on standardised data.
    ours = NetRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=4.0, tol=1e-9, max_iter=500).fit(X, y)
    Z, t = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    theirs = Ridge(alpha=4.0).fit(Z, t)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(Z) * y.std() + y.mean(), atol=1e-4 * y.std())
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, rtol=1e-4)


def test_the_unit_of_the_target_does_not_matter():
    one, thousand = (NetRegressor(max_iter=5, random_state=0).fit(X, unit * y) for unit in (1.0, 1e6))
    np.testing.assert_allclose(1e6 * one.predict(X), thousand.predict(X), rtol=1e-6)
    assert one.loss_ == pytest.approx(thousand.loss_)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", modnet.Huber(0.5)], ids=str)
def test_losses_that_outliers_do_not_pull(loss):
    wild = y.copy()
    wild[:4] += 1e5
    model = NetRegressor(loss, (), solver="adam", learning_rate_init=0.05, max_iter=300, random_state=0).fit(X, wild)
    fair = NetRegressor(hidden_layer_sizes=(), solver="lbfgs").fit(X, wild)
    rest = slice(4, None)
    assert np.abs(model.predict(X)[rest] - y[rest]).mean() < 0.5 * np.abs(fair.predict(X)[rest] - y[rest]).mean()


def test_huber_is_scikit_learns():
    ours = NetRegressor(modnet.Huber(1.35), (), solver="lbfgs", alpha=0.0, scale=False, tol=1e-10, max_iter=2000).fit(X / 1, y / 10)
    theirs = HuberRegressor(epsilon=1.35, alpha=0.0, tol=1e-10, max_iter=5000).fit(X, y / 10)
    # Theirs estimates the scale too: with its scale as the unit both minimise the same.
    again = NetRegressor(modnet.Huber(1.35 * theirs.scale_), (), solver="lbfgs", alpha=0.0, scale=False, tol=1e-10, max_iter=2000)
    np.testing.assert_allclose(again.fit(X, y / 10).coefs_[0][:, 0], theirs.coef_, rtol=1e-4)
    assert ours.score(X, y / 10) > 0.9


def test_hidden_layer_sizes_in_place_of_the_loss_are_hinted_at():
    with pytest.raises(ValueError, match=r"loss is \(50,\), expected one of .*; hidden_layer_sizes=\(50,\) goes by name"):
        NetRegressor((50,)).fit(X, y)


def test_a_target_that_does_not_vary_is_predicted():
    X = np.random.default_rng(0).normal(size=(40, 3))
    wide = np.c_[X, np.full(40, 2024.0)]
    model = NetRegressor(hidden_layer_sizes=(5,), learning_rate_init=0.01, random_state=0).fit(wide, np.full(40, 1000.0))
    np.testing.assert_allclose(model.predict(wide), 1000, rtol=1e-3)
    np.testing.assert_array_equal(model.input_scale_.apply(wide)[:, 3], 0)


def test_a_loss_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"NetRegressor: loss is CrossEntropy\(\), which is for classes, expected one such as Huber"):
        NetRegressor(loss=modnet.CrossEntropy()).fit([[0.0], [1.0]], [0.0, 1.0])


def test_counts_must_not_be_negative():
    with pytest.raises(ValueError, match=r"y holds -[0-9.]+, expected no negative numbers with loss='poisson'"):
        NetRegressor("poisson").fit(X, y)


def test_a_linear_autoencoder_finds_the_principal_components():
    data = load_iris().data
    model = AutoEncoder((2,), solver="lbfgs", alpha=0.0, tol=1e-9, max_iter=300, scale=False, random_state=0)
    with pytest.warns(UserWarning, match="far from mean 0"):
        model.fit(data)
    pca = PCA(2).fit(data)
    expected = pca.inverse_transform(pca.transform(data))
    np.testing.assert_allclose(model.inverse_transform(model.transform(data)), expected, atol=5e-3)
    error = ((data - expected) ** 2).sum()
    assert model.score(data) == pytest.approx(1 - error / ((data - data.mean(0)) ** 2).sum(), abs=1e-5)


def test_the_code_is_between_two_halves_that_share_the_networks_numbers():
    data = load_digits().data[:200]
    model = AutoEncoder((30, 5), ["tanh", "relu"], dropout=[0.1, 0.0], batch_norm=True, noise=0.1, max_iter=3, random_state=0)
    code = model.fit_transform(data)
    assert code.shape == (200, 5)
    assert (code >= 0).all()  # the code's own activation
    np.testing.assert_allclose(modnet.predict(model.decoder_, code), modnet.predict(model.net_, model._scaled(data)), rtol=1e-9)
    assert model.get_feature_names_out().tolist() == [f"autoencoder{k}" for k in range(5)]
    model.encoder_[1].parameters[:] = 0.0
    assert not np.array_equal(model.transform(data), code)


def test_inputs_from_0_to_1_are_said_again_as_probabilities():
    bits = (load_digits().data[:80, 20:44] > 8).astype(float)
    model = AutoEncoder((16, 8), loss="log_loss", solver="lbfgs", max_iter=60, random_state=0).fit(bits)
    again = model.inverse_transform(model.transform(bits))
    assert again.min() >= 0
    assert again.max() <= 1
    assert ((again > 0.5) == bits).mean() > 0.9
    with pytest.raises(ValueError, match="X has values from 0 to 2, expected 0 to 1 with 'log_loss'"):
        AutoEncoder(loss="log_loss").fit(2 * bits)
