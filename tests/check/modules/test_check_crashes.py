"""What a student reads if an operation raises: their own line, and advice that fits what was raised."""

import subprocess
import sys

import numpy as np
import pytest

from modnet.check import check_module


class Base:
    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


class Misspelt(Base):
    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(X) ** 2)  # noqa: F821


class WithoutEnd(Base):
    def backward_delta(self, input, delta):
        return self.backward_delta(input, delta)


class Starts(Base):
    def backward_delta(self, input, delta):
        return float(subprocess.run([sys.executable, 1], check=True).returncode)


class Asks(Base):
    def backward_delta(self, input, delta):
        raise EOFError("input() has nobody to ask here")


class Reads(Base):
    def backward_delta(self, input, delta):
        return np.loadtxt("there_is_no_such_file.txt")


class NotSet(Base):
    def backward_delta(self, input, delta):
        for i in range(0):
            dx = i
        return dx


class Shaped(Base):
    def backward_delta(self, input, delta):
        return delta @ delta


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no")


class Secret(Base):
    def backward_delta(self, input, delta):
        raise Unspeakable


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (Misspelt, "nothing of that name is known there"),
        (WithoutEnd, "it calls itself and never stops"),
        (Asks, "only computes"),
        (Reads, "only computes"),
        (NotSet, "set it before"),
        (Shaped, "the shapes on that line"),
    ],
)
def test_advice_fits_what_was_raised(kind, advice):
    (finding,) = check_module(kind(), (4, 3)).findings
    assert finding.kind == "crash"
    assert advice in finding.hint


def test_the_line_is_the_students_and_not_one_of_pythons_own_library():
    (finding,) = check_module(Starts(), (4, 3)).findings
    assert "subprocess.run" in finding.line


def test_an_exception_whose_text_cannot_be_read_is_a_crash_of_the_students():
    (finding,) = check_module(Secret(), (4, 3)).findings
    assert finding.kind == "crash"
    assert "Unspeakable: its own text cannot be read (RuntimeError)" in finding.message
