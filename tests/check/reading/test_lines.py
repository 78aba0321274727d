"""The line of a student's code that is quoted, with the statement that it is part of."""

from __future__ import annotations

import copy
import importlib.util

import pytest

from modnet.check import check_module
from modnet.check.reading.lines import quote, source
from modnet.check.report import Line

CODE = '''
import numpy as np


class Lin:
    def forward(self, X): return X * 2  # twice
    def zero_grad(self): pass
    def backward_update_gradient(self, input, delta): pass
    def backward_delta(
        self, input, delta
    ):
        """It returns
        an array."""
        assert input.shape == \\
            delta.shape
        if (self is not None
                and len(delta) > 0):
            pass
        name = "not # a comment"
        return np.sum(
            delta[None] * 3,  # three times

            axis=0,
        )

    def other(self, input):
        return np.tensordot(
            np.stack([input[:, start : start + self.k_size, :] for start in range(0, self.length, self.stride)]),
            self.delta.reshape(self.batch, self.length_out, self.chan_out),
            axes=([0, 1], [0, 1]),
        )
'''


@pytest.fixture
def lin(tmp_path):
    file = tmp_path / "lin.py"
    file.write_text(CODE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("lin", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Lin


def _number(text):
    return next(i for i, line in enumerate(CODE.splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("twice", "return X * 2"),
        ("zero_grad", "pass"),
        ("def backward_delta", "def backward_delta(self, input, delta):"),
        ("an array", '"""It returns an array."""'),
        ("delta.shape", "assert input.shape == delta.shape"),
        ("and len", "if (self is not None and len(delta) > 0):"),
        ("a comment", 'name = "not # a comment"'),
        ("np.sum(", "return np.sum(delta[None] * 3, axis=0,)"),
        ("three times", "return np.sum(delta[None] * 3, axis=0,)"),
        ("tensordot", "return np.tensordot( ..."),
        ("reshape", "return np.tensordot( ... self.delta.reshape(self.batch, self.length_out, self.chan_out), ..."),
    ],
)
def test_the_statement_that_a_line_is_part_of_is_quoted_whole_or_cut_where_it_says_so(tmp_path, part, whole):
    file = tmp_path / "lin.py"
    file.write_text(CODE, encoding="utf-8")
    assert Line(str(file), _number(part)) == f"line {_number(part)}: {whole}"


def test_a_line_keeps_its_place_in_copies_and_is_a_number_if_there_is_none_to_read(tmp_path, lin):
    line = copy.deepcopy(quote(lin, "backward_delta", "three|sum"))
    assert (line.number, line) == (_number("np.sum("), f"line {_number('np.sum(')}: return np.sum(delta[None] * 3, axis=0,)")
    assert Line(str(tmp_path / "none.py"), 3) == "line 3"


@pytest.mark.parametrize("broken", ['x = np.sum(\n    1,\nprint "a"\n', "def f(:\n  return 1\n x = 2\n", "x = '\ny = 2\n"])
def test_what_cannot_be_read_is_quoted_line_by_line(tmp_path, broken):
    file = tmp_path / "broken.py"
    file.write_text(broken, encoding="utf-8")
    quoted = {i: Line(str(file), i) for i in range(1, 5)}
    assert quoted[2].startswith(f"line 2: {broken.splitlines()[1].strip()}")
    assert quoted[4] == "line 4"


def test_patterns_see_no_comment_and_no_def_that_a_statement_follows(lin):
    assert source(lin, "forward") == [(6, "return X * 2")]
    read = str(source(lin, "backward_delta"))
    assert "np.sum" in read
    assert "# three times" not in read
    assert "It returns" not in read


def test_a_report_has_the_statement_over_several_lines(lin):
    report = check_module(lin(), (4, 3))
    assert f"line {_number('np.sum(')}: return np.sum(delta[None] * 3, axis=0,)" in str(report)
