"""Finite differences against derivatives that are known exactly."""

import numpy as np
import pytest

from modnet.check.asking.numeric import along, complex_step, derivative, factor_of

ALL = np.arange(3)


def test_a_smooth_derivative_is_within_its_error_bar_and_the_bar_is_narrow():
    x = np.array([-1.3, 0.2, 2.5])
    found = derivative(lambda v: np.sin(v) * np.exp(v), x, ALL)
    exact = np.diag((np.sin(x) + np.cos(x)) * np.exp(x))
    assert (found.low <= exact).all()
    assert (exact <= found.high).all()
    assert (found.high - found.low).max() < 1e-5
    assert not found.kinks.any()


def test_every_slope_of_a_kink_is_admissible_and_no_other():
    found = derivative(lambda v: np.maximum(v, 0) * 3, np.array([0.0, 1.0, -1.0]), ALL)
    assert found.kinks.tolist() == [True, False, False]
    assert found.low[0, 0] == pytest.approx(0, abs=1e-2)
    assert found.high[0, 0] == pytest.approx(3, abs=1e-2)
    assert found.value[1, 1] == pytest.approx(3)


def test_a_kink_beside_the_point_does_not_spoil_it():
    found = derivative(np.abs, np.array([1e-4, -2e-4, 1e-3, -1.4e-3, 1.0]), np.arange(5))  # steps are 7e-4 and 1.5e-3
    np.testing.assert_allclose(np.diag(found.value), [1, -1, 1, -1, 1], atol=1e-6)


def test_large_and_small_inputs_have_steps_of_their_own():
    x = np.array([1e4, 1.0, 1e-3])
    np.testing.assert_allclose(np.diag(derivative(lambda v: v**3, x, ALL).value), 3 * x**2, rtol=1e-7, atol=1e-9)


def test_the_derivative_along_a_direction_is_the_sum_over_its_entries():
    x, v = np.array([0.3, -0.7, 1.1]), np.array([1.0, -2.0, 0.5])
    assert along(lambda z: np.asarray((z**4).sum()), x, v) == pytest.approx(float((4 * x**3) @ v), rel=1e-9)


def test_a_complex_step_is_exact_where_the_code_is_analytic():
    x = np.array([0.3, -0.7, 1.1])
    expected = derivative(np.tanh, x, ALL).value
    np.testing.assert_allclose(complex_step(np.tanh, x, ALL, expected), np.diag(1 - np.tanh(x) ** 2), rtol=1e-15, atol=0)


@pytest.mark.parametrize("f", [np.abs, lambda z: np.real(z) ** 2, lambda z: np.maximum(z.real, 0) + 0j])
def test_a_complex_step_is_refused_where_it_does_not_hold(f):
    x = np.array([0.3, -0.7, 1.1])
    assert complex_step(f, x, ALL, derivative(lambda v: np.real(f(v)), x, ALL).value) is None


def test_the_factor_of_a_multiple_is_found_and_there_is_none_of_zeros():
    truth = np.random.default_rng(0).normal(size=(3, 2))
    assert factor_of(-2.5 * truth, truth) == pytest.approx(-2.5)
    assert factor_of(truth, np.zeros((3, 2))) == 0
    assert factor_of(truth, np.full((3, 2), np.inf)) == 0
