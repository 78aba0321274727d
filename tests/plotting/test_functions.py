"""Activations and their derivatives are drawn as their formulas say."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import lines

from modnet import Linear, ReLU, plotting
from modnet.modules import Identity
from modnet.plotting.functions import elementwise


def test_activations_draw_f_and_its_derivative_of_anyones_module():
    class Square:
        def forward(self, X):
            return X**2 / 20

        def backward_delta(self, input, delta):
            return delta * input / 10

        def __repr__(self):
            return "Square()"

    (ax,) = plotting.activations(Square(), low=-2, high=3).axes
    x = np.linspace(-2, 3, 801)
    assert ax.get_title(loc="left") == "Square()"
    np.testing.assert_allclose(lines(ax)["f"].get_ydata(), x**2 / 20)
    np.testing.assert_allclose(lines(ax)["f′"].get_ydata(), x / 10)


def test_activations_without_modules_are_all_of_the_library():
    titles = [ax.get_title(loc="left") for ax in plotting.activations().axes if ax.get_visible()]
    assert [title.partition("(")[0] for title in titles] == list(elementwise())
    assert {"ReLU", "Tanh", "Sigmoid", "Identity"} <= set(elementwise())
    assert "Softmax" not in elementwise()


def test_a_jump_is_not_drawn_as_a_slope():
    slope = lines(plotting.activations(ReLU()).axes[0])["f′"].get_ydata()
    assert np.isnan(slope).sum() == 1
    assert set(slope[~np.isnan(slope)]) == {0.0, 1.0}


def test_activations_refuses_what_is_not_elementwise_and_ends_that_are_crossed():
    with pytest.raises(ValueError, match=r"gives shape \(801, 2\) for \(801, 1\), expected the same$"):
        plotting.activations(Linear(1, 2, rng=0))
    with pytest.raises(ValueError, match=r"^activations: low is 1 and high -1, expected low below high$"):
        plotting.activations(Identity(), low=1, high=-1)


def test_each_activation_needs_axes_of_its_own():
    axes = Figure().subplots(1, 3)
    plotting.activations(ReLU(), Identity(), ax=axes)
    assert [ax.get_title(loc="left") for ax in axes] == ["ReLU()", "Identity()", ""]
    assert axes[2].get_visible()
    with pytest.raises(ValueError, match=r"^activations: there are 2 modules but 1 axes; each module needs its own$"):
        plotting.activations(ReLU(), Identity(), ax=axes[0])


def test_a_graph_of_a_plain_number_is_refused():
    with pytest.raises(TypeError, match=r"^scalar_graph: value is 3, expected a modnet\.scalar\.Value$"):
        plotting.scalar_graph(3)
