"""Curves show the numbers of the history."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pictures import a_history, lines
from PIL import Image

from modnet import History, plotting


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
    assert lines(ax)["training"].get_markevery() == [0]


def test_an_epoch_between_two_without_numbers_is_a_dot_and_others_are_not():
    (ax,) = plotting.history(a_history([3.0, np.nan, 2.0, 1.5, np.inf, 1.0])).axes
    assert lines(ax)["training"].get_markevery() == [0, 5]


@pytest.mark.parametrize(("loss", "scale"), [([2.0, 0.5], "linear"), ([2.0, 0.01], "log"), ([2.0, 0.0], "linear")])
def test_the_loss_has_a_logarithmic_axis_where_it_falls_far_and_stays_above_zero(loss, scale):
    (ax,) = plotting.history(a_history(loss)).axes
    assert ax.get_yscale() == scale
    assert ("log" in ax.get_ylabel()) == (scale == "log")


def test_the_epoch_whose_parameters_were_kept_is_marked():
    (ax,) = plotting.history(a_history([3.0, 2.0, 2.5], best=2)).axes
    assert lines(ax)["kept: epoch 2"].get_xdata() == [2, 2]


@pytest.mark.parametrize(
    "loss", [[3.0, np.inf, 2.0, np.nan], [np.nan, np.nan], [np.inf], [1e308, 1e-308], [5e-324, 1.0]], ids=str
)
def test_losses_that_are_no_numbers_are_gaps_in_the_curve(loss, tmp_path, caplog):
    h = a_history(loss, [*loss[1:], np.nan])
    (ax,) = plotting.history(h, path=tmp_path / "a.png").axes
    for label, values in (("training", h.loss), ("validation", h.validation_loss)):
        np.testing.assert_array_equal(lines(ax)[label].get_ydata(), [v if v < 1e200 else np.nan for v in values])
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
    assert caplog.text == ""


def test_history_plot_is_the_same_picture(tmp_path):
    figure = a_history([2.0, 1.0]).plot(path=tmp_path / "a.png")
    assert isinstance(figure, Figure)
    assert list(lines(figure.axes[0])) == ["training"]
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"


def test_history_refuses_what_is_no_history_and_one_without_epochs():
    with pytest.raises(TypeError, match=r"^history: h is \[1.0\], expected the History that fit returned$"):
        plotting.history([1.0])
    with pytest.raises(ValueError, match=r"^history: h has no epochs, expected at least one$"):
        plotting.history(History())


def test_text_and_frames_of_a_picture_do_not_overlap():
    h = a_history([2.0, 0.001], [2.1, 0.01], [0.2, 0.9], [0.1, 0.8])
    figure = plotting.history(h)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert boxes[0].x1 <= boxes[1].x0
    inside = Rectangle((0, 0), *figure.bbox.size).get_bbox()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1 for box in boxes)
