"""What tests of the data sets and of the readers share."""

from pathlib import Path

import pytest

from modnet import datasets

PAGES = Path(__file__).parents[2] / "datasets"
NAMES = datasets.names()
SCIKIT = ["moons", "circles", "blobs", "digits", "iris", "wine", "breast_cancer", "diabetes"]
DRAWN = [name for name in NAMES if "rng" in datasets.info(name).options]
# xor is its four points unless it is asked for noise.
NOISY = {"xor": {"n": 40, "sigma": 0.1}}
CLASSIFICATIONS = [name for name in NAMES if datasets.info(name).task == "classification"]


def message(error, call, *args, **options):
    """Return the message of the error that the call must raise; it is a single line."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    text = str(raised.value)
    assert "\n" not in text
    return text
