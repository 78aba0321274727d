"""Frontiers lie where the network changes its mind."""

import numpy as np
import pandas as pd
import pytest
from pictures import CORNERS, RIGHT, Answers, lines

from modnet import Linear, Sequential, Tanh, plotting

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
        (CORNERS, RIGHT[:3], {}, r"X has 4 examples but y has shape \(3,\); y needs one value per example"),
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


@pytest.mark.parametrize("name", ["class_names", "feature_names"])
def test_a_file_in_the_place_of_names_is_refused_with_advice(name):
    message = rf"^frontier: {name} is 'c.png', expected a list of names; a file to save to is path=\.\.\.$"
    with pytest.raises(TypeError, match=message):
        plotting.frontier(Answers(COLUMNS["scores"]), CORNERS, RIGHT, **{name: "c.png"})


def test_axes_have_the_names_of_a_frames_columns():
    frame = pd.DataFrame(CORNERS, columns=["height", "width"])
    net = Sequential(Linear(2, 2, rng=0))
    for names, said in (({}, ("height", "width")), ({"feature_names": ["a", "b"]}, ("a", "b"))):
        ax = plotting.frontier(net, frame, RIGHT, **names).axes[0]
        assert (ax.get_xlabel(), ax.get_ylabel()) == said
    ax = plotting.frontier(net, pd.DataFrame(CORNERS), RIGHT).axes[0]  # whose columns are 0 and 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x1", "x2")
