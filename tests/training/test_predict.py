"""predict: the output in evaluation mode, in batches."""

import copy

import numpy as np
import pytest
from fit_cases import Mode, StudentLinear, StudentNet, network, regression
from helpers import message

from modnet import BatchNorm, Embedding, Linear, Module, Sequential, predict


def test_predict_runs_in_batches_of_the_size_asked_for():
    mode = Mode()
    net = Sequential(mode, Linear(3, 2, rng=0))
    X, _ = regression(23)
    whole = X @ net[1].weight + net[1].bias
    assert predict(net, X) == pytest.approx(whole, rel=1e-12)
    assert predict(net, X, batch_size=10) == pytest.approx(whole, rel=1e-12)
    assert predict(net, X, batch_size=100) == pytest.approx(whole, rel=1e-12)
    assert mode.seen == [(False, 23), (False, 10), (False, 10), (False, 3), (False, 23)]


def test_predict_leaves_the_mode_as_it_was_also_where_it_fails():
    net = Sequential(Mode(), Linear(3, 2))
    for mode in (True, False):
        net.train() if mode else net.eval()
        predict(net, np.ones((2, 3)))
        assert (net.training, net[0].training) == (mode, mode)
        with pytest.raises(ValueError, match="expected"):
            predict(net, np.ones((2, 4)))
        assert (net.training, net[0].training) == (mode, mode)


def test_predict_refuses_indices_that_are_not_there():
    with pytest.raises(ValueError, match="Embedding"):
        predict(Sequential(Embedding(3, 2)), np.array([[0], [3]]))


def test_predict_takes_single_modules_and_networks_of_a_students_own():
    X, _ = regression()
    layer, own = Linear(3, 2, rng=0), StudentNet(StudentLinear(np.eye(3)))
    assert predict(layer, X) == pytest.approx(X @ layer.weight + layer.bias, rel=1e-12)
    assert np.array_equal(predict(own, X, batch_size=4), X)
    assert predict(network().astype("float32"), X).dtype == np.float32


class Nothing(Module):
    def forward(self, X):
        return None


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: predict(network(), np.empty((0, 3))), ValueError,
         "predict: X has shape (0, 3): the batch is empty, expected at least one example"),
        (lambda: predict(network(), [["a"]]), TypeError, "predict: X holds text such as 'a', expected real numbers"),
        (lambda: predict(network(), np.ones((2, 3)), batch_size=0), ValueError,
         "predict: batch_size is 0, expected at least 1"),
        (lambda: predict(Linear, np.ones((2, 3))), TypeError,
         "predict: net is Linear, expected a network such as Sequential(...)"),
        (lambda: predict(Nothing(), np.ones((2, 3))), ValueError,
         "Nothing(): forward returned None, expected an array (2, ...)"),
    ],
)  # fmt: skip
def test_predict_refuses_what_it_cannot_use(call, error, said):
    assert message(error, call) == said


def test_a_class_in_evaluation_may_hold_a_module_in_training():
    class OneByOne(Sequential):
        def forward(self, X):
            for module in self:
                X = module.forward(X)
            return X

    inner = OneByOne(Linear(3, 3, rng=0), BatchNorm(3)).eval()
    inner[1].train()
    net = Sequential(inner, Linear(3, 2, rng=1))
    X = np.random.default_rng(0).normal(size=(1, 3))
    want = predict(Sequential(*copy.deepcopy(inner), Linear(3, 2, rng=1)), X)
    np.testing.assert_allclose(predict(net, X), want)  # one row, of which there is no variance in training
    assert inner[1].training
