"""Error surfaces are the loss, and paths lie in them."""

import numpy as np
import pytest

from modnet import MSE, Linear, Sequential, fit, plotting
from modnet.optim import Adam
from modnet.plotting import surfaces


@pytest.fixture
def drawn_surface(monkeypatch):
    found = {}

    def draw(ax, side, height, way):
        found.update(side=side, height=height, way=way)

    monkeypatch.setattr(surfaces, "_draw_surface", draw)
    return found


def test_the_error_surface_is_the_loss_over_two_parameters(drawn_surface):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    net = Sequential(Linear(2, 1, bias=False, rng=0))
    w = net.parameters.copy()
    plotting.error_surface(net, MSE(), X, y, directions=(1, 0), span=2.0, resolution=5)
    assert drawn_surface["side"].tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    for i, b in enumerate(drawn_surface["side"]):
        for j, a in enumerate(drawn_surface["side"]):
            residual = X[:, 0] * (w[0] + b) + X[:, 1] * (w[1] + a) - y[:, 0]
            np.testing.assert_allclose(drawn_surface["height"][i, j], np.mean(residual**2))
    np.testing.assert_array_equal(net.parameters, w)


def test_a_trajectory_is_drawn_in_its_own_plane(drawn_surface):
    # In the plane of the trajectory's principal directions, its points are as far apart as they are in full.
    rng = np.random.default_rng(0)
    net = Sequential(Linear(3, 2, rng=0))
    plane = np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    way = net.parameters + rng.normal(size=(6, 2)) @ plane
    way[-1] = net.parameters
    plotting.error_surface(net, MSE(), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), trajectory=way, resolution=3)
    flat = drawn_surface["way"]
    np.testing.assert_allclose(np.linalg.norm(flat[0] - flat[3]), np.linalg.norm(way[0] - way[3]))
    np.testing.assert_allclose(flat[-1], 0, atol=1e-12)
    assert drawn_surface["side"][-1] > np.abs(flat).max()


@pytest.mark.parametrize("steep", [True, False])
def test_a_real_error_surface_can_be_saved(tmp_path, steep):
    net = Sequential(Linear(1, 1, rng=0))
    X = np.linspace(-1, 1, 8)[:, np.newaxis]
    trajectory = []
    fit(net, X, 3 * X, loss=MSE(), optimizer=Adam(0.1), epochs=4, rng=0, callbacks=[
        lambda training: trajectory.append(net.parameters.copy())
    ])  # fmt: skip
    figure = plotting.error_surface(
        net, MSE(), X, 3 * X, path=tmp_path / "s.png", trajectory=trajectory, span=9.0 if steep else 0.01, resolution=9
    )
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["path of the training", "start", "the network now"]
    assert figure.axes[1].get_ylabel() == ("loss (log scale)" if steep else "loss")


def test_an_error_while_a_surface_is_computed_leaves_the_parameters():
    class Failing(MSE):
        def forward(self, y, yhat):
            raise ArithmeticError

    net = Sequential(Linear(2, 1, rng=0))
    before = net.parameters.copy()
    with pytest.raises(ArithmeticError):
        plotting.error_surface(net, Failing(), np.ones((2, 2)), np.ones((2, 1)))
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": (0, 9)}, r"directions is \(0, 9\), expected two different indices from 0 to 2"),
        ({"directions": (1, 1)}, r"directions is \(1, 1\), expected two different indices from 0 to 2"),
        ({"directions": np.ones((2, 5))}, r"directions has shape \(2, 5\), expected two indices, or vectors \(2, 3\)"),
        ({"trajectory": np.ones((4, 2))}, r"trajectory has shape \(4, 2\), expected \(steps, 3\)"),
    ],
)
def test_error_surface_refuses_directions_of_other_networks(options, message):
    with pytest.raises(ValueError, match=f"^error_surface: {message}$"):
        plotting.error_surface(Sequential(Linear(2, 1, rng=0)), MSE(), np.ones((2, 2)), np.ones((2, 1)), **options)


def test_x_in_the_place_of_the_loss_is_refused():
    X = np.zeros((4, 2))
    with pytest.raises(TypeError, match=r"^error_surface: loss is "):
        plotting.error_surface(Linear(2, 1, rng=0), X, X[:, :1], MSE())
