"""What load refuses, and how it says so."""

import numpy as np
import pytest
from dataset_cases import NAMES, message

from modnet import datasets
from modnet.datasets import load


def test_an_unknown_name_is_answered_with_the_names_and_the_nearest():
    known = ", ".join(NAMES)
    assert message(ValueError, load, "moon") == (
        f"modnet.datasets: there is no data set 'moon', expected one of {known}; did you mean 'moons'?"
    )
    for name, end in (("cancer", "did you mean 'breast_cancer'?"), ("houses", "different"), ("USPS", "reads the file of the course")):
        assert message(ValueError, datasets.load, name).endswith(end)
    assert "fetch_openml('mnist_784')" in message(ValueError, datasets.load, "mnist")
    assert message(ValueError, datasets.info, "breast-cancer").endswith("; did you mean 'breast_cancer'?")
    assert message(ValueError, datasets.describe, "zzz") == (
        f"modnet.datasets: there is no data set 'zzz', expected one of {known}"
    )
    assert message(TypeError, load, 3) == f"modnet.datasets: the name is 3, expected one of {known}"


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        (
            "moons",
            {"nois": 0.1},
            TypeError,
            "load('moons'): there is no option 'nois', expected one of n_samples, shuffle, noise, rng, "
            "labels; did you mean 'noise'?",
        ),
        (
            "spiral",
            {"zzz": 1},
            TypeError,
            "load('spiral'): there is no option 'zzz', expected one of n, arms, turns, noise, rng, labels",
        ),
        ("marks", {"rng": 0}, TypeError, "load('marks'): there is no option 'rng', expected none"),
        ("marks", {"labels": (0, 1)}, TypeError, "load('marks'): there is no option 'labels', expected none"),
        (
            "xor",
            {"labels": (0, 1, 2)},
            ValueError,
            "load('xor'): labels is (0, 1, 2), expected 2 different values, one a class",
        ),
        (
            "iris",
            {"labels": (0, 1, 1)},
            ValueError,
            "load('iris'): labels is (0, 1, 1), expected 3 different values, one a class",
        ),
        (
            "xor",
            {"labels": 7},
            ValueError,
            "load('xor'): labels is 7, expected 2 different values, one a class",
        ),
        (
            "xor",
            {"sigma": -1},
            ValueError,
            "load('xor'): sigma is -1, expected a finite number of at least 0",
        ),
        (
            "four_gaussians",
            {"epsilon": "0.1"},
            TypeError,
            "load('four_gaussians'): epsilon is '0.1', expected a finite number of at least 0",
        ),
        ("digits", {"scale": 1}, TypeError, "load('digits'): scale is 1, expected True or False"),
        ("diabetes", {"scaled": "no"}, TypeError, "load('diabetes'): scaled is 'no', expected True or False"),
        ("digits", {"n_class": 11}, ValueError, "load('digits'): n_class is 11, expected at most 10"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_words(name, options, error, text):
    assert message(error, load, name, **options) == text


@pytest.mark.parametrize(
    ("name", "option", "value", "error"),
    [
        ("two_gaussians", "n", 0, ValueError),
        ("checkerboard", "n", 10.0, TypeError),
        ("xor", "n", "4", TypeError),
        ("spiral", "n", -3, ValueError),
        ("spiral", "arms", True, TypeError),
        ("spiral", "turns", np.inf, ValueError),
        ("four_gaussians", "centerx", np.nan, ValueError),
        ("digits", "n_class", 0, ValueError),
        ("xor", "rng", True, TypeError),
        ("spiral", "rng", 0.5, TypeError),
        ("moons", "rng", "0", TypeError),
        ("blobs", "rng", -1, (TypeError, ValueError)),
    ],
)
def test_an_option_that_is_not_the_number_it_should_be_is_refused(name, option, value, error):
    text = message(error, load, name, **{option: value})
    assert text.startswith(f"load({name!r}): {option} is {value!r}, expected ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"noise": -1.0}),
        ("moons", {"labels": (1, 1)}),
        ("spiral", {"noise": -1.0}),
        ("spiral", {"labels": 3}),
    ],
)
def test_a_call_that_fails_draws_nothing_from_the_generator_it_was_given(name, options):
    generator = np.random.default_rng(6)
    with pytest.raises(ValueError, match=r"noise|labels"):
        load(name, rng=generator, **options)
    assert generator.random() == np.random.default_rng(6).random()
