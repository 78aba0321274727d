"""scikit-learn's own checks of an estimator, all of them, with no failure that is expected."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from modnet.estimators import AutoEncoder, NetClassifier, NetRegressor

# Few and fast epochs: the checks ask for 83 % and R2 of 0.5 on easy data.
SMALL = [
    NetClassifier((20,), max_iter=40, learning_rate_init=0.02),
    NetRegressor(hidden_layer_sizes=(20,), max_iter=60, learning_rate_init=0.02),
    AutoEncoder((5, 2), max_iter=10, learning_rate_init=0.02),
]


@pytest.mark.slow
@parametrize_with_checks(SMALL)
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)
