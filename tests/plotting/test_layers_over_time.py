"""Layers over time: the norms and sizes that a Norms has kept."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import lines

from modnet import MSE, Linear, Sequential, Tanh, fit, plotting
from modnet.optim import SGD
from modnet.watch import Norms

X, Y = np.random.default_rng(0).normal(size=(6, 2)), np.zeros((6, 1))


def trained(depth=1):
    norms = Norms(X, Y)
    net = Sequential(*[m for i in range(depth) for m in (Linear(2, 2, rng=i), Tanh())], Linear(2, 1, rng=9))
    fit(net, X, Y, loss=MSE(), optimizer=SGD(0.1), epochs=3, callbacks=[norms], rng=0)
    return norms


def test_each_panel_has_a_line_per_module_with_its_norms():
    norms = trained()
    axes = plotting.layers(norms, kinds=("activation", "delta", "gradient", "update")).axes
    for ax, name in zip(axes[:4], ("activation", "delta", "gradient", "update"), strict=True):
        for column, module in enumerate(norms.names):
            values = getattr(norms, name)[:, column]
            if values.any():
                np.testing.assert_array_equal(lines(ax)[module].get_ydata(), values)
    assert list(lines(axes[2])) == [norms.names[0], norms.names[2]], "Tanh has no gradient"


def test_the_last_activation_is_the_network_s_output_and_sizes_count_every_value():
    norms, kept = Norms(X, Y), []
    net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
    fit(net, X, Y, loss=MSE(), optimizer=SGD(0.1), epochs=2, rng=0,
        callbacks=[norms, lambda training: kept.append(training.net.forward(X))])  # fmt: skip
    np.testing.assert_allclose(norms.activation[:, -1], [np.linalg.norm(out) for out in kept])
    sizes = norms.magnitudes("activation")
    assert sizes.shape == (2, 3, len(norms.edges))
    assert (sizes.sum(axis=2) == [[18, 18, 6]] * 2).all()
    powers = np.log10(np.abs(kept[-1])).ravel()
    counted = np.histogram(powers, norms.edges)[0]
    np.testing.assert_array_equal(sizes[-1, -1, 1:], counted)
    assert norms.magnitudes("gradient")[0, 1].sum() == 0, "Tanh has no gradient"


def test_zeros_have_a_bin_of_their_own():
    norms = Norms(X, Y)
    net = Sequential(Linear(2, 1, rng=0))
    net[0].weight[:], net[0].bias[:] = 0.0, 0.0
    fit(net, X, Y, loss=MSE(), optimizer=SGD(0.1), epochs=1, callbacks=[norms], rng=0)
    assert norms.magnitudes("activation")[0, 0].tolist() == [6] + [0] * (len(norms.edges) - 1)


def test_ten_layers_have_a_scale_in_place_of_a_legend_that_would_crush_them():
    figure = plotting.layers(trained(10))
    figure.canvas.draw()
    assert all(ax.get_legend() is None for ax in figure.axes)
    heights = [ax.get_window_extent().height for ax in figure.axes[:3]]
    assert min(heights) > 0.25 * figure.bbox.height


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"^layers: there are no epochs, expected at least one; give the Norms to fit"):
        Norms(X, Y).plot()
    norms = trained()
    with pytest.raises(ValueError, match=r"^layers: there are 2 axes, expected 3 or 6$"):
        norms.plot(ax=Figure().subplots(1, 2))
    with pytest.raises(ValueError, match=r"^layers: kinds is \('loss',\), expected some of activation, delta"):
        plotting.layers(norms, kinds=("loss",))
    with pytest.raises(ValueError, match=r"^layers: epoch is 4, expected a whole number from 1 to 3$"):
        plotting.layers(norms, epoch=4)
    with pytest.raises(TypeError, match=r"^layers: watched is 3, expected a modnet\.watch\.Norms"):
        plotting.layers(3)
