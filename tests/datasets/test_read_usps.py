"""The USPS reader against files written here."""

import gzip

import numpy as np
import pytest
from dataset_cases import message

from modnet.datasets import read_usps


def usps(tmp_path, lines, name="usps.txt"):
    path = tmp_path / name
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


def usps_line(label, pixels):
    return f"{label} " + " ".join(f"{p:g}" for p in pixels)


@pytest.mark.parametrize("name", ["usps.txt", "usps.txt.gz"])
@pytest.mark.parametrize("end", [[], ["-1"], ["-1", "", " "]])
def test_usps_gives_back_what_was_written(tmp_path, name, end):
    rng = np.random.default_rng(0)
    pixels = np.maximum(rng.integers(-100, 201, (12, 256)), 0) / 100
    labels = rng.integers(0, 10, 12)
    lines = ["10 256", *(usps_line(label, row) for label, row in zip(labels, pixels, strict=True)), *end]
    X, y = read_usps(usps(tmp_path, lines, name))
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert np.array_equal(X, pixels)
    assert np.array_equal(y, labels)


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        ([], ", line 1: it is '', expected the counts of classes and pixels, as '10 256'"),
        (["3 0 1 2"], ", line 1: it is '3 0 1 2', expected the counts of classes and pixels, as '10 256'"),
        (["10 0"], ", line 1: it is '10 0', expected the counts of classes and pixels, as '10 256'"),
        (["10 3"], " has no digits, expected a line for each after the first"),
        (["10 3", "-1"], " has no digits, expected a line for each after the first"),
        (["10 3", "1 0 1 2", "1 0 1"], ", line 3: there are 3 values, expected a label and 3 pixels"),
        (["10 3", "1 0 1 2", "", "1 0 1 2 0"], ", line 4: there are 5 values, expected a label and 3 pixels"),
        (["10 3", "1 0 x 2"], ", line 2: value 3 is 'x', expected a number"),
        (["10 3", "1 0 1 2", "10 0 1 2"], ", line 3: the label is 10, expected a whole number from 0 to 9"),
        (["10 3", "1.5 0 1 2"], ", line 2: the label is 1.5, expected a whole number from 0 to 9"),
        (["10 3", "-1 0 1 2"], ", line 2: the label is -1, expected a whole number from 0 to 9"),
        (["10 3", "nan 0 1 2"], ", line 2: the label is nan, expected a whole number from 0 to 9"),
        (["10 3", "1 0 1 2", "", "1 0 2.5 2"], ", line 4: pixel 2 is 2.5, expected a value from 0 to 2"),
        (["10 3", "1 0 1 -0.1"], ", line 2: pixel 3 is -0.1, expected a value from 0 to 2"),
        (["10 3", "1 nan 1 1"], ", line 2: pixel 1 is nan, expected a value from 0 to 2"),
        (
            ["10 3", "1 0 1 2", "-1", "1 0 1 2"],
            ", line 4: it comes after the end, expected nothing after the '-1' of line 3",
        ),
    ],
)
def test_usps_errors_say_the_line_and_what_is_wrong_there(tmp_path, lines, after):
    path = usps(tmp_path, lines)
    assert message(ValueError, read_usps, path) == f"read_usps: {path}{after}"
