"""Predictions are drawn against the truth."""

import pytest

from modnet import plotting


def test_predictions_are_drawn_against_the_truth():
    figure = plotting.predictions([1.0, 2.0, 3.0], [[1.5], [2.0], [2.5]])
    points = figure.axes[0].collections[0].get_offsets()
    assert points.tolist() == [[1.0, 1.5], [2.0, 2.0], [3.0, 2.5]]
    with pytest.raises(ValueError, match=r"^predictions: y has 2 numbers but yhat has 3; yhat needs one value per example$"):
        plotting.predictions([1.0, 2.0], [1.0, 2.0, 3.0])
