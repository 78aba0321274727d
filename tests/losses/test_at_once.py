"""The losses that compute all in one pass, against their own three operations."""

import numpy as np
import pytest

from modnet import MSE, CrossEntropy
from modnet.discovery import all_losses
from modnet.loss import operation

CASES = [(loss, y, yhat) for kind in all_losses() if kind.in_one_pass is not None for loss, y, yhat in kind.examples()]


def test_the_losses_of_the_usual_trainings_have_one():
    assert {type(loss).__name__ for loss, *_ in CASES} >= {"MSE", "CrossEntropy", "BCEWithLogits"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_one_pass_gives_what_the_operations_give(case, dtype):
    loss, y, yhat = CASES[case]
    yhat = np.asarray(yhat, dtype)
    bad = yhat.copy()
    bad.reshape(-1)[0], bad.reshape(-1)[-1] = np.nan, np.inf
    wide = np.repeat(yhat, 2, axis=0)[::2]  # not contiguous
    for scores in (yhat, bad, wide, np.zeros_like(yhat), -300 * yhat):
        expected = loss.forward(y, scores), loss.hits(y, scores), loss.backward(y, scores)
        found = loss.at_once(y, scores)
        eps = 16 * np.finfo(dtype).eps
        for ours, theirs in zip(found, expected):
            if theirs is None:
                assert ours is None
            else:
                assert ours.dtype == theirs.dtype
                np.testing.assert_allclose(ours, theirs, rtol=eps, atol=eps)


def test_a_subclass_that_writes_an_operation_anew_does_not_inherit_the_pass():
    class Twice(MSE):
        @operation
        def forward(y, yhat, out, c):
            for i in range(yhat.shape[0]):
                out[i] = c.one + c.one

    class Far(MSE):
        @staticmethod
        def f(y, yhat, c):
            return abs(yhat - y)

    assert Twice.in_one_pass is None
    assert Far.in_one_pass is None, "the pass of MSE does not ask for its formula"
    assert CrossEntropy.in_one_pass is not None
    np.testing.assert_array_equal(Twice().at_once([[1.0]], [[1.0]])[0], [2.0])
