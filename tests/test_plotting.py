"""Pictures show the numbers they are given: lines, frontiers, tables and maps are compared with the numbers themselves."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from modnet import MSE, CrossEntropy, History, Linear, ReLU, Sequential, Tanh, fit, plotting, predict
from modnet.modules import Identity
from modnet.optim import Adam


class Answers:
    """A network that is a formula."""

    def __init__(self, formula):
        self.formula = formula

    def forward(self, X):
        return self.formula(np.asarray(X))


def a_history(loss, validation=(), accuracy=(), validation_accuracy=(), best=None):
    h = History()
    h.loss, h.validation_loss, h.best_epoch = list(loss), list(validation), best
    if accuracy:
        h.metrics["accuracy"] = list(accuracy)
    if validation_accuracy:
        h.metrics["validation_accuracy"] = list(validation_accuracy)
    return h


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


# Curves


def test_history_draws_loss_and_accuracy_of_both_parts_against_epochs():
    h = a_history([2.0, 1.5, 1.2], [2.1, 1.8, 1.9], [0.2, 0.5, 0.6], [0.1, 0.4, 0.5])
    loss, accuracy = plotting.history(h).axes
    assert loss.get_ylabel() == "loss"
    assert accuracy.get_ylabel() == "accuracy"
    for ax, training, validation in ((loss, h.loss, h.validation_loss), (accuracy, *h.metrics.values())):
        drawn = lines(ax)
        assert drawn["training"].get_xdata().tolist() == [1, 2, 3]
        assert list(drawn["training"].get_ydata()) == training
        assert list(drawn["validation"].get_ydata()) == validation
        assert ax.get_xlabel() == "epoch"


def test_history_without_validation_or_accuracy_is_one_curve():
    (ax,) = plotting.history(a_history([3.0, 2.0])).axes
    assert list(lines(ax)) == ["training"]


def test_a_single_epoch_is_a_dot_that_can_be_seen():
    (ax,) = plotting.history(a_history([3.0])).axes
    assert lines(ax)["training"].get_marker() == "o"


@pytest.mark.parametrize(("loss", "scale"), [([2.0, 0.5], "linear"), ([2.0, 0.01], "log"), ([2.0, 0.0], "linear")])
def test_the_loss_has_a_logarithmic_axis_where_it_falls_far_and_stays_above_zero(loss, scale):
    (ax,) = plotting.history(a_history(loss)).axes
    assert ax.get_yscale() == scale
    assert ("log" in ax.get_ylabel()) == (scale == "log")


def test_the_epoch_whose_parameters_were_kept_is_marked():
    (ax,) = plotting.history(a_history([3.0, 2.0, 2.5], best=2)).axes
    assert lines(ax)["kept: epoch 2"].get_xdata() == [2, 2]


def test_infinite_losses_do_not_break_the_curve(tmp_path):
    plotting.history(a_history([3.0, np.inf, 2.0, np.nan]), path=tmp_path / "a.png")


def test_history_plot_is_the_same_picture(tmp_path):
    figure = a_history([2.0, 1.0]).plot(tmp_path / "a.png")
    assert isinstance(figure, Figure)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"


def test_history_refuses_what_is_no_history_and_one_without_epochs():
    with pytest.raises(TypeError, match=r"^history: h is \[1.0\], expected the History that fit returned$"):
        plotting.history([1.0])
    with pytest.raises(ValueError, match=r"^history: it has no epochs, expected one at least$"):
        plotting.history(History())


# Frontiers

CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
RIGHT = np.array([0, 0, 1, 1])  # class 1 to the right of 0
COLUMNS = {
    "scores": lambda X: np.stack([-X[:, 0], X[:, 0]], axis=1),
    "probabilities": lambda X: np.stack([0.5 - X[:, 0] / 8, 0.5 + X[:, 0] / 8], axis=1),
    "log-probabilities": lambda X: np.log(np.stack([0.5 - X[:, 0] / 8, 0.5 + X[:, 0] / 8], axis=1)),
    "one score": lambda X: X[:, :1],
    "one score without an axis of its own": lambda X: X[:, 0],
    "one probability": lambda X: 1 / (1 + np.exp(-X[:, :1])),
    "one number from 0 to 1 and beyond": lambda X: 0.5 + 0.7 * X[:, :1],
}


def frontier_points(figure):
    """The points of the drawn frontier."""
    paths = [path for kind in figure.axes[0].collections if hasattr(kind, "levels") for path in kind.get_paths()]
    return np.concatenate([path.vertices for path in paths])


@pytest.mark.parametrize("formula", COLUMNS.values(), ids=COLUMNS)
def test_the_frontier_lies_where_the_winner_changes(formula):
    points = frontier_points(plotting.frontier(Answers(formula), CORNERS, RIGHT))
    assert np.abs(points[:, 0]).max() < 0.01
    assert np.ptp(points[:, 1]) > 2  # from the bottom to the top


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (RIGHT, ["class 0", "class 1"]),
        (2 * RIGHT - 1, ["class -1", "class 1"]),
        ((2.0 * RIGHT - 1)[:, np.newaxis], ["class -1.0", "class 1.0"]),
        (np.array(["no", "no", "yes", "yes"]), ["no", "yes"]),
        (np.eye(2)[RIGHT], ["class 0", "class 1"]),
        (RIGHT.astype(bool), ["class 0", "class 1"]),
    ],
)
def test_labels_of_any_kind_are_the_columns_in_sorted_order(y, names):
    figure = plotting.frontier(Answers(COLUMNS["scores"]), CORNERS, y)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [name.removesuffix(".0") for name in legend] == [name.removesuffix(".0") for name in names]  # and none is wrong


def test_the_plane_has_the_colour_of_the_winner():
    figure = plotting.frontier(Answers(COLUMNS["scores"]), CORNERS, RIGHT)
    image = figure.axes[0].images[0].get_array()
    blue, vermilion = image[100, 5], image[100, -5]
    assert blue[2] > blue[0]
    assert vermilion[0] > vermilion[2]


def test_three_classes_meet_at_their_frontiers():
    # The class of the nearest of three directions: the frontiers are rays from 0, halfway between them.
    angles = 2 * np.pi * np.arange(3) / 3
    ways = np.stack([np.cos(angles), np.sin(angles)])
    points = frontier_points(plotting.frontier(Answers(lambda X: X @ ways), ways.T, np.arange(3)))
    scores = np.sort(points @ ways, axis=1)
    assert np.abs(scores[:, 2] - scores[:, 1]).max() < 0.02


def test_examples_on_the_wrong_side_are_counted_and_ringed():
    figure = plotting.frontier(Answers(COLUMNS["scores"]), np.tile(CORNERS, (2, 1)), [0, 1, 1, 1, 0, 0, 1, 1])
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend[-1] == "wrong: 1 of 8"
    ring = next(c for c in figure.axes[0].collections if c.get_label() == "wrong: 1 of 8")
    assert ring.get_offsets().tolist() == [[-1.0, 1.0]]


def test_a_regression_of_one_input_is_a_curve_of_the_predictions():
    X, y = np.linspace(-1, 1, 9)[:, np.newaxis], np.linspace(-1, 1, 9) ** 2
    figure = plotting.frontier(Answers(lambda X: 3 * X), X, y, feature_names=["width"])
    curve = lines(figure.axes[0])["network"]
    np.testing.assert_allclose(curve.get_ydata(), 3 * curve.get_xdata())
    assert figure.axes[0].get_xlabel() == "width"


def test_a_regression_of_two_inputs_is_a_map_with_a_scale():
    X = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    figure = plotting.frontier(Answers(lambda X: X[:, :1] + 2 * X[:, 1:]), X, X.sum(axis=1))
    assert len(figure.axes) == 2
    assert figure.axes[1].get_ylabel() == "prediction; points: target"


def test_classes_of_one_input_are_curves_of_their_probabilities():
    X, y = np.linspace(-1, 1, 9)[:, np.newaxis], (np.linspace(-1, 1, 9) > 0).astype(int)
    scores = Answers(lambda X: np.concatenate([-X, X], axis=1))
    figure = plotting.frontier(scores, X, y, class_names=["low", "high"])
    curve = lines(figure.axes[0])["high"]
    np.testing.assert_allclose(curve.get_ydata(), 1 / (1 + np.exp(-2 * curve.get_xdata())))


def test_the_task_can_be_said():
    X, y = np.arange(4.0)[:, np.newaxis], np.array([0, 1, 1, 0])
    assert "network" in lines(plotting.frontier(Answers(lambda X: X), X, y, task="regression").axes[0])
    assert "class 1" in lines(plotting.frontier(Answers(lambda X: X), X, y).axes[0])


def test_frontier_leaves_the_network_as_it_was():
    net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 2, rng=1))
    before = net.parameters.copy()
    net.train()
    plotting.frontier(net, CORNERS, RIGHT)
    assert net.training
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        (np.zeros((4, 3)), RIGHT, {}, r"X has shape \(4, 3\), expected \(n, 2\) or \(n, 1\)"),
        (CORNERS, RIGHT[:3], {}, r"X has 4 examples and y shape \(3,\), expected as many"),
        (CORNERS, [0, 1, 2, 3], {}, "y has 4 classes, expected at most 2 for a network of 2 outputs"),
        (np.where(CORNERS == 1, np.nan, CORNERS), RIGHT, {}, r"X\[1, 1\] is nan, expected finite numbers"),
        (CORNERS, RIGHT, {"feature_names": ["a"]}, "there are 1 feature names, expected 2"),
        (CORNERS, RIGHT, {"class_names": ["a"]}, "there are 1 class names, expected 2"),
        (CORNERS, RIGHT, {"task": "both"}, "task is 'both', expected 'classification', 'regression' or None"),
        (CORNERS, np.eye(3)[[0, 1, 2, 0]], {}, r"y has shape \(4, 3\), expected \(4,\) or \(4, 2\)"),
    ],
)
def test_frontier_refuses_what_does_not_meet(X, y, options, message):
    with pytest.raises(ValueError, match=f"^frontier: {message}$"):
        plotting.frontier(Answers(COLUMNS["scores"]), X, y, **options)


def test_a_constant_feature_has_a_plane_too():
    X = np.stack([CORNERS[:, 0], np.full(4, 7.0)], axis=1)
    assert np.abs(frontier_points(plotting.frontier(Answers(COLUMNS["scores"]), X, RIGHT))[:, 0]).max() < 0.01


# Films


def test_animate_frontier_trains_and_saves_a_frame_every_so_many_epochs(tmp_path):
    net = Sequential(Linear(2, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
    before = net.parameters.copy()
    seen = []
    figure = plotting.animate_frontier(
        net, CORNERS, RIGHT, tmp_path / "film.gif", loss=CrossEntropy(), optimizer=Adam(), epochs=7, every=3, rng=0,
        callbacks=[lambda training: seen.append(training.epoch)],
    )  # fmt: skip
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4  # before training, and after epochs 3, 6 and 7
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert not np.array_equal(net.parameters, before)
    assert figure.axes[0].get_title(loc="left") == "epoch 7 of 7"


def test_animate_frontier_refuses_other_endings_before_training(tmp_path):
    net = Sequential(Linear(2, 2, rng=0))
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"expected a file ending in \.gif$"):
        plotting.animate_frontier(net, CORNERS, RIGHT, tmp_path / "a.png", loss=CrossEntropy(), optimizer=Adam())
    np.testing.assert_array_equal(net.parameters, before)


# Tables and scatters


def test_confusion_shows_how_often_each_class_was_taken_for_which():
    rng = np.random.default_rng(0)
    y, yhat = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    ax = plotting.confusion(y, yhat, ["a", "b", "c", "d"]).axes[0]
    drawn = {(int(text.get_position()[1]), int(text.get_position()[0])): int(text.get_text()) for text in ax.texts}
    counted = {}
    for i, j in zip(y.tolist(), yhat.tolist(), strict=True):
        counted[i, j] = counted.get((i, j), 0) + 1
    assert drawn == counted
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c", "d"]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "predicted class")


def test_confusion_takes_the_highest_of_scores():
    ax = plotting.confusion([0, 1], [[0.1, 0.9], [0.2, 0.3]]).axes[0]
    assert {text.get_position() for text in ax.texts} == {(1, 0), (1, 1)}


def test_right_and_wrong_have_different_colours_in_a_confusion_matrix():
    image = plotting.confusion([0, 0, 1], [0, 1, 1]).axes[0].images[0].get_array()
    assert image[0, 0, 2] > image[0, 0, 0]  # blue
    assert image[0, 1, 0] > image[0, 1, 2]  # vermilion
    assert (image[1, 0] == 1).all()  # nothing there


@pytest.mark.parametrize(
    ("y", "yhat", "names", "message"),
    [
        ([0, 1], [0], None, "y has 2 examples and yhat 1, expected as many"),
        ([0, -1], [0, 1], None, r"y has shape \(2,\) and values such as 0, expected whole numbers from 0 \(n,\)"),
        ([0, 1], [0, 0.5], None, r"yhat has shape .* or scores \(n, classes\)"),
        ([0, 2], [0, 1], ["a", "b"], "there are 2 class names, expected 3"),
    ],
)
def test_confusion_refuses_what_are_no_classes(y, yhat, names, message):
    with pytest.raises(ValueError, match=f"^confusion: {message}$"):
        plotting.confusion(y, yhat, names)


def test_many_classes_with_long_names_stay_readable_and_distinct():
    ax = plotting.confusion(np.arange(24), np.arange(24), [f"a very long name {i}" for i in range(24)]).axes[0]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert len(set(labels)) == 24
    assert max(map(len, labels)) <= 14


def test_predictions_are_drawn_against_the_truth():
    figure = plotting.predictions([1.0, 2.0, 3.0], [[1.5], [2.0], [2.5]])
    points = figure.axes[0].collections[0].get_offsets()
    assert points.tolist() == [[1.0, 1.5], [2.0, 2.0], [3.0, 2.5]]
    with pytest.raises(ValueError, match=r"^predictions: y has 2 numbers and yhat 3, expected as many$"):
        plotting.predictions([1.0, 2.0], [1.0, 2.0, 3.0])


# Activations and error surfaces


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
    assert ax.get_title() == "Square()"
    np.testing.assert_allclose(lines(ax)["f"].get_ydata(), x**2 / 20)
    np.testing.assert_allclose(lines(ax)["f′"].get_ydata(), x / 10)


def test_activations_without_modules_are_all_of_the_library():
    titles = [ax.get_title() for ax in plotting.activations().axes if ax.get_visible()]
    assert [title.partition("(")[0] for title in titles] == list(plotting.elementwise())
    assert {"ReLU", "Tanh", "Sigmoid", "Identity"} <= set(plotting.elementwise())
    assert "Softmax" not in plotting.elementwise()


def test_a_jump_is_not_drawn_as_a_slope():
    slope = lines(plotting.activations(ReLU()).axes[0])["f′"].get_ydata()
    assert np.isnan(slope).sum() == 1
    assert set(slope[~np.isnan(slope)]) == {0.0, 1.0}


def test_activations_refuses_what_is_not_elementwise_and_ends_that_are_crossed():
    with pytest.raises(ValueError, match=r"gives shape \(801, 2\) for \(801, 1\), expected the same$"):
        plotting.activations(Linear(1, 2, rng=0))
    with pytest.raises(ValueError, match=r"^activations: low is 1 and high -1, expected low below high$"):
        plotting.activations(Identity(), low=1, high=-1)


@pytest.fixture
def drawn_surface(monkeypatch):
    found = {}

    def draw(ax, side, height, way):
        found.update(side=side, height=height, way=way)

    monkeypatch.setattr(plotting, "_draw_surface", draw)
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
        net, MSE(), X, 3 * X, tmp_path / "s.png", trajectory=trajectory, span=9.0 if steep else 0.01, resolution=9
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
        ({"directions": (0, 9)}, r"directions is \(0, 9\), expected two different places from 0 to 2"),
        ({"directions": (1, 1)}, r"directions is \(1, 1\), expected two different places from 0 to 2"),
        ({"directions": np.ones((2, 5))}, r"directions has shape \(2, 5\), expected two places, or vectors \(2, 3\)"),
        ({"trajectory": np.ones((4, 2))}, r"trajectory has shape \(4, 2\), expected \(steps, 3\)"),
    ],
)
def test_error_surface_refuses_directions_of_other_networks(options, message):
    with pytest.raises(ValueError, match=f"^error_surface: {message}$"):
        plotting.error_surface(Sequential(Linear(2, 1, rng=0)), MSE(), np.ones((2, 2)), np.ones((2, 1)), **options)


# Figures and files


def a_net():
    return Sequential(Linear(2, 2, rng=0))


DRAW = {
    "history": lambda **options: plotting.history(a_history([2.0, 1.0]), **options),
    "frontier": lambda **options: plotting.frontier(a_net(), CORNERS, RIGHT, **options),
    "confusion": lambda **options: plotting.confusion(RIGHT, predict(a_net(), CORNERS), **options),
    "predictions": lambda **options: plotting.predictions([1.0, 2.0], [1.0, 3.0], **options),
    "error_surface": lambda **options: plotting.error_surface(
        a_net(), CrossEntropy(), CORNERS, RIGHT, resolution=3, **options
    ),
}
each_picture = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@each_picture
def test_pictures_are_drawn_into_the_axes_given(draw):
    figure = Figure()
    ax = figure.subplots()
    assert draw(ax=ax) is figure
    assert ax.has_data()


@each_picture
@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_are_saved_in_the_format_of_the_ending(draw, ending, start, tmp_path):
    draw(path=tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ValueError, match=r"^modnet\.plotting: path is '.*a\.xyz', expected an ending of .*pdf.*png.*svg"):
        plotting.predictions([1.0, 2.0], [1.0, 3.0], tmp_path / "a.xyz")
    assert not list(tmp_path.iterdir())


def test_axes_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"^modnet\.plotting: ax is 3, expected matplotlib Axes$"):
        plotting.predictions([1.0, 2.0], [1.0, 3.0], ax=3)


def test_the_style_of_pictures_does_not_leak():
    before = dict(matplotlib.rcParams)
    for draw in DRAW.values():
        draw()
    assert dict(matplotlib.rcParams) == before


def test_text_and_frames_of_a_picture_do_not_overlap():
    h = a_history([2.0, 0.001], [2.1, 0.01], [0.2, 0.9], [0.1, 0.8])
    figure = plotting.history(h)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert boxes[0].x1 <= boxes[1].x0
    inside = Rectangle((0, 0), *figure.bbox.size).get_bbox()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1 for box in boxes)


def test_pyplot_is_neither_imported_nor_filled(tmp_path):
    code = """
import sys
import modnet.plotting as p
assert not any(name.startswith(("matplotlib", "sklearn")) for name in sys.modules)
p.predictions([1.0, 2.0], [1.0, 3.0], sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
p.predictions([1.0, 2.0], [1.0, 3.0])
assert pyplot.get_fignums() == []
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)
