"""Images, codes, paths and drawings of networks show the numbers they were given."""

import numpy as np
import pytest

from modnet import MSE, Conv1D, Conv2D, Linear, Sequential, Tanh, plotting
from modnet.watch import activations, deltas

RNG = np.random.default_rng(0)


def tiles(ax):
    """The images of an axes, from the top left."""
    found = sorted(ax.images, key=lambda image: (image.get_extent()[3], image.get_extent()[0]))
    return [np.asarray(image.get_array()) for image in found]


def test_reconstructions_have_the_input_in_the_first_row_and_each_output_below():
    X, Z = RNG.uniform(size=(4, 9)), RNG.uniform(size=(4, 9))
    ax = plotting.reconstructions(X, {"mine": Z}, count=3).axes[0]
    np.testing.assert_array_equal(tiles(ax), np.concatenate([X[:3], Z[:3]]).reshape(6, 3, 3))
    assert [text.get_text() for text in ax.texts] == ["input", "mine"]
    with pytest.raises(ValueError, match=r"^reconstructions: output has shape \(4, 2, 2\), expected the input's shape, \(4, 3, 3\)"):
        plotting.reconstructions(X, Z[:, :4])
    with pytest.raises(ValueError, match=r"input has 6 pixels, expected shape=\(height, width\)"):
        plotting.reconstructions(X[:, :6], X[:, :6])


@pytest.mark.parametrize(
    ("module", "images"),
    [
        (Linear(9, 2, rng=0), lambda w: w.T.reshape(2, 3, 3)),
        (Conv1D(3, 2, 4, rng=0), lambda w: w.transpose(2, 1, 0)),
        (Conv2D(2, 1, 3, rng=0), lambda w: w[:, :, 0].transpose(2, 0, 1)),
    ],
)
def test_filters_are_the_weights_of_each_output(module, images):
    ax = plotting.filters(module).axes[0]
    np.testing.assert_array_equal(tiles(ax), images(module.weight))
    assert all(image.norm.vmin == -image.norm.vmax for image in ax.images), "white is 0"


def test_filters_that_are_too_many_are_those_with_the_largest_weights():
    weights = np.arange(1.0, 6.0)[:, None, None] * np.ones((5, 2, 2))
    ax = plotting.filters(weights, count=2).axes[0]
    assert [image.mean() for image in tiles(ax)] == [4.0, 5.0]
    with pytest.raises(TypeError, match=r"^filters: weights is Tanh\(\), expected a Linear"):
        plotting.filters(Tanh())


def test_codes_of_two_numbers_are_drawn_as_they_are_and_more_by_their_principal_directions():
    Z, y = RNG.normal(size=(20, 2)), np.arange(20) % 2
    ax = plotting.codes(Z, y, class_names=["even", "odd"]).axes[0]
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])
    np.testing.assert_array_equal(drawn, np.concatenate([Z[y == 0], Z[y == 1]]))
    assert [text.get_text() for text in ax.texts] == ["even", "odd"]
    flat = np.column_stack([3 * Z[:, 0], np.zeros(20), Z[:, 1]])
    ax = plotting.codes(flat).axes[0]
    centred = flat - flat.mean(axis=0)
    apart = np.linalg.norm(np.asarray(ax.collections[0].get_offsets()), axis=1) - np.linalg.norm(centred, axis=1)
    assert np.abs(apart).max() < 1e-12, "a plane in space keeps its distances"
    with pytest.raises(ValueError, match=r"^codes: Z has 20 examples but y has 3"):
        plotting.codes(Z, [0, 1, 2])


def test_a_path_is_drawn_on_its_function():
    way = np.array([3.0, 2.0, 1.0])
    ax = plotting.path(lambda x: x**2, way).axes[0]
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_array_equal(points, np.column_stack([way, way**2]))
    assert ax.get_legend().get_texts()[0].get_text() == "3 points"


def test_a_path_in_the_plane_is_drawn_on_a_map():
    way = np.array([[3.0, 1.0], [1.0, 0.5]])
    ax = plotting.path(lambda v: v @ v, {"mine": way}).axes[0]
    np.testing.assert_array_equal(np.column_stack(ax.get_lines()[0].get_data()), way)
    with pytest.raises(ValueError, match=r"^path: points have shape \(1, 3\), expected finite numbers \(n,\) or \(n, 2\)$"):
        plotting.path(lambda v: 0.0, [[1.0, 2.0, 3.0]])


def test_a_drawing_of_a_network_has_its_outputs_and_deltas():
    net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
    x, y = np.array([0.5, -1.0]), np.array([0.3])
    ax = plotting.network(net, x, y=y, loss=MSE()).axes[0]
    steps = activations(net, x[None])
    back = deltas(steps, MSE().backward(y[None], steps.output))
    numbers = [*x, *np.concatenate([np.concatenate([s.output[0], d[0]]) for s, d in zip(steps, back, strict=True)])]
    said = [text.get_text() for text in ax.texts]
    assert [text for text in said if text in {f"{v:.2g}" for v in numbers}] == [f"{v:.2g}" for v in numbers]
    assert any("9 parameters" in text for text in said)
    with pytest.raises(ValueError, match=r"^network: loss is MSE\(\) and y is None, expected both or neither$"):
        plotting.network(net, x, loss=MSE())


def test_curves_are_the_numbers_given_and_each_must_fit_its_x():
    ax = plotting.curves({"a": [1.0, np.inf, 2.0], "b": ([5, 6], [1.0, 2.0])}).axes[0]
    first, second = ax.get_lines()
    np.testing.assert_array_equal(first.get_data(), [[1, 2, 3], [1.0, np.nan, 2.0]])
    np.testing.assert_array_equal(second.get_data(), [[5, 6], [1.0, 2.0]])
    with pytest.raises(ValueError, match=r"^curves: a has 2 values but x has 3, expected one for each$"):
        plotting.curves({"a": [1.0, 2.0]}, x=[1, 2, 3])
