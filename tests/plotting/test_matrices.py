"""The confusion matrix counts as one would by hand."""

import numpy as np
import pandas as pd
import pytest

from modnet import plotting


def test_confusion_shows_how_often_each_class_was_taken_for_which():
    rng = np.random.default_rng(0)
    y, yhat = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    ax = plotting.confusion(y, yhat, class_names=["a", "b", "c", "d"]).axes[0]
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
        ([0, 1], [0], None, "y has 2 examples but yhat has 1; yhat needs one value per example"),
        ([0, -1], [0, 1], None, r"y has shape \(2,\) and values such as 0, expected whole numbers from 0 \(n,\)"),
        ([0, 1], [0, 0.5], None, r"yhat has shape .* or scores \(n, classes\)"),
        ([0, 2], [0, 1], ["a", "b"], "there are 2 class names, expected 3"),
    ],
)
def test_confusion_refuses_what_are_no_classes(y, yhat, names, message):
    with pytest.raises(ValueError, match=f"^confusion: {message}$"):
        plotting.confusion(y, yhat, class_names=names)


def test_many_classes_with_long_names_stay_readable_and_distinct():
    ax = plotting.confusion(np.arange(24), np.arange(24), class_names=[f"a very long name {i}" for i in range(24)]).axes[0]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert len(set(labels)) == 24
    assert max(map(len, labels)) <= 14


def test_a_file_in_the_place_of_class_names_is_refused_with_advice():
    message = r"^confusion: class_names is 'c\.png', expected a list of names; a file to save to is path=\.\.\.$"
    with pytest.raises(TypeError, match=message):
        plotting.confusion([0, 1], [0, 1], class_names="c.png")


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda v: np.array(v, object), lambda v: pd.Series(v).astype("category")])
def test_classes_may_be_text_as_a_classifier_predicts_them(kind):
    ax = plotting.confusion(kind(["cat", "dog", "ant", "dog"]), kind(["cat", "cat", "bee", "dog"])).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ant", "bee", "cat", "dog"]
    assert {text.get_position(): text.get_text() for text in ax.texts} == {(1, 0): "1", (2, 2): "1", (2, 3): "1", (3, 3): "1"}


def test_text_beside_numbers_is_refused():
    with pytest.raises(TypeError, match="confusion: y holds text such as 'a'"):
        plotting.confusion(["a", "b"], [0, 1])
