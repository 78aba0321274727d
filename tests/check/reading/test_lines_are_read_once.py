"""The lines of a stranger's class: read once, however often they are asked for."""

import importlib.util
import inspect
import sys
from collections import Counter

from modnet.check import check_module
from modnet.check.modules.contract import examine_module
from modnet.check.reading.lines import text_of

FILE = '''
import numpy as np

class Average:
    """Windows of pictures, channels last."""

    def __init__(self, kernel_size, stride, mode="mean"):
        self.k, self.stride, self.mode = kernel_size, stride, mode

    def forward(self, x):
        self.shape = x.shape
        seen = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(1, 2))[:, :: self.stride, :: self.stride]
        return seen.max(axis=(4, 5)) if self.mode == "max" else seen.mean(axis=(4, 5))

    def backward(self, grad):
        back = np.zeros(self.shape)
        for i, j in np.ndindex(*grad.shape[1:3]):
            y, x = i * self.stride, j * self.stride
            back[:, y : y + self.k, x : x + self.k] += grad[:, i : i + 1, j : j + 1] / self.k**2
        return back
'''


def loaded(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_class_that_is_built_in_many_sizes_is_read_once(tmp_path, monkeypatch):
    read, getsource = Counter(), inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda of: read.update([of]) or getsource(of))
    monkeypatch.setitem(sys.modules, "windows", windows := loaded(tmp_path / "windows.py", FILE))
    report = examine_module(windows.Average)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)
    assert read[windows.Average] == 1
    assert max(read.values()) == 1


def test_lines_are_those_of_the_class_at_hand_though_a_file_has_been_changed(tmp_path, monkeypatch):
    first = loaded(tmp_path / "one.py", "class Double:\n    def forward(self, X):\n        return 2 * X\n")
    assert "2 * X" in text_of(first.Double().forward)
    second = loaded(tmp_path / "one.py", "class Double:\n    def forward(self, X):\n        # three\n        return 3 * X\n")
    assert "3 * X" in text_of(second.Double().forward)
    assert "2 * X" in text_of(first.Double().forward)


def test_what_cannot_be_hashed_has_lines_too():
    class Odd:
        __hash__ = None

        def forward(self, X):
            return 2.0 * X

    assert "2.0 * X" in text_of(Odd().forward)
    assert check_module(Odd(), (3, 2)).verdicts
