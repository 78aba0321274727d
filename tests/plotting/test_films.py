"""Films of a training."""

import numpy as np
import pytest
from pictures import CORNERS, RIGHT
from PIL import Image

from modnet import CrossEntropy, Linear, ReLU, Sequential, plotting
from modnet.optim import Adam


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


def test_a_film_of_a_figure_that_is_redrawn_has_its_frames_and_needs_one(tmp_path):
    figure, ax = plotting.subplots(size=(2, 2))
    film = plotting.Film(figure, tmp_path / "film.gif", seconds=1)
    with pytest.raises(ValueError, match=r"^Film: there are no frames"):
        film.save()
    for i in range(3):
        ax.plot([0, 1], [0, i])
        film.add()
    film.save()
    with Image.open(tmp_path / "film.gif") as read:
        assert read.n_frames == 3
    with pytest.raises(ValueError, match=r"expected a file ending in \.gif$"):
        plotting.Film(figure, "film.mp4")


def test_animate_frontier_refuses_other_endings_before_training(tmp_path):
    net = Sequential(Linear(2, 2, rng=0))
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"expected a file ending in \.gif$"):
        plotting.animate_frontier(net, CORNERS, RIGHT, tmp_path / "a.png", loss=CrossEntropy(), optimizer=Adam())
    np.testing.assert_array_equal(net.parameters, before)
