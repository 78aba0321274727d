"""The sets that are scikit-learn's, against scikit-learn."""

import inspect

import numpy as np
import pytest
from dataset_cases import SCIKIT

from modnet import datasets
from modnet.datasets import load, load_table


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"n_samples": (30, 50), "noise": None, "shuffle": False}),
        ("circles", {"n_samples": 41, "noise": 0.2, "factor": 0.7}),
        ("blobs", {"n_samples": 60, "n_features": 3, "centers": 5, "cluster_std": 0.1, "center_box": (0, 1)}),
    ],
)
def test_options_reach_scikit_learns_makers_and_an_int_is_their_random_state(name, options):
    import sklearn.datasets

    X, y = load(name, rng=12, **options)
    expected_X, expected_y = getattr(sklearn.datasets, f"make_{name}")(random_state=12, **options)
    assert np.array_equal(X, expected_X)
    assert np.array_equal(y, expected_y)
    assert load_table(name, **options).X.shape == expected_X.shape


@pytest.mark.parametrize("name", ["moons", "circles", "blobs"])
def test_all_options_of_scikit_learns_makers_are_offered(name):
    import sklearn.datasets

    theirs = set(inspect.signature(getattr(sklearn.datasets, f"make_{name}")).parameters)
    # return_centers would change what load returns.
    assert set(datasets.info(name).options) == theirs - {"random_state", "return_centers"} | {"rng", "labels"}


@pytest.mark.parametrize("name", SCIKIT[3:])
def test_the_files_of_scikit_learn_come_unchanged(name):
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    table = load_table(name, **({"scale": False} if name == "digits" else {}))
    assert np.array_equal(table.X, bunch.data)
    assert np.array_equal(table.y, bunch.target)
    assert table.feature_names == tuple(bunch.feature_names)
    if name != "diabetes":
        assert table.class_names == tuple(str(word) for word in bunch.target_names)


def test_digits_are_scaled_to_0_and_1_unless_asked_not_to():
    X, _ = load("digits")
    raw, _ = load("digits", scale=False)
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert np.array_equal(16 * X, raw)


def test_digits_can_be_the_first_few():
    table = load_table("digits", n_class=3, labels=["a", "b", "c"])
    assert table.class_names == ("a", "b", "c")
    assert set(table.y.tolist()) == {"a", "b", "c"}


def test_diabetes_comes_centred_or_as_measured():
    X, _ = load("diabetes")
    assert np.allclose(X.sum(axis=0), 0.0, atol=1e-12)
    assert np.allclose((X**2).sum(axis=0), 1.0)
    raw, _ = load("diabetes", scaled=False)
    assert (raw[:, 0].min(), raw[:, 0].max()) == (19.0, 79.0)
