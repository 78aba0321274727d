"""Masked arrays: scikit-learn takes the numbers that they hide; an estimator here refuses them."""

import numpy as np
import pytest
from helpers import message

from modnet.estimators import AutoEncoder, NetClassifier, NetRegressor

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 2
HIDDEN = np.ma.masked_array(X, mask=np.eye(20, 3, dtype=bool))


@pytest.mark.parametrize("estimator", [NetClassifier(max_iter=1), NetRegressor(max_iter=1), AutoEncoder(max_iter=1)])
@pytest.mark.filterwarnings("ignore:.*not converged")
def test_masked_values_are_refused_in_fit_and_predict(estimator):
    text = message(ValueError, estimator.fit, HIDDEN, Y)
    assert ": X[0, 0] is masked, expected a number; leave such examples out: " in text
    estimator.fit(X, Y)
    ask = estimator.transform if isinstance(estimator, AutoEncoder) else estimator.predict
    assert message(ValueError, ask, HIDDEN) == text


def test_a_masked_y_is_refused():
    text = message(ValueError, NetClassifier().fit, X, np.ma.masked_array(Y, mask=Y == 1))
    assert text.startswith("NetClassifier: y[1] is masked, expected a number; leave such examples out: ")
