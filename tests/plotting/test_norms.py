"""Norms of a training are drawn, one panel for each of the three."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import lines

from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.optim import SGD
from modnet.watch import Norms


def test_each_panel_has_a_line_per_module_with_its_norms(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(6, 2)), np.zeros((6, 1))
    norms = Norms(X, y)
    with pytest.raises(ValueError, match=r"^Norms\.plot: there are no epochs, expected at least one"):
        norms.plot()
    net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
    fit(net, X, y, loss=MSE(), optimizer=SGD(0.1), epochs=3, callbacks=[norms], rng=0)
    axes = norms.plot(path=tmp_path / "n.png").axes
    assert (tmp_path / "n.png").stat().st_size > 5000
    for ax, name in zip(axes, ("delta", "gradient", "update"), strict=True):
        assert ax.get_title() == f"norm of {name}"
        for column, module in enumerate(norms.names):
            values = getattr(norms, name)[:, column]
            if values.any():
                np.testing.assert_array_equal(lines(ax)[module].get_ydata(), values)
    assert list(lines(axes[1])) == [norms.names[0], norms.names[2]], "Tanh has no gradient"
    figure = Figure()
    assert norms.plot(ax=figure.subplots(1, 3)) is figure
    with pytest.raises(ValueError, match=r"^Norms\.plot: there are 2 axes, expected 3$"):
        norms.plot(ax=Figure().subplots(1, 2))
