"""The magics %check and %%check, in a shell of their own; their HTML in both themes."""

import atexit

import numpy as np
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

LAYERS = """
import numpy as np

class TanH:
    def forward(self, X):
        return np.tanh(X)
    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)

class Forgets(TanH):
    def backward_delta(self, input, delta):
        return delta

class Dense:
    def calcule_sortie(self, x):
        return x
    def retropropage_erreur(self, dout):
        return dout
"""


@pytest.fixture
def shell():
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    shell.run_line_magic("load_ext", "modnet.check")
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


def test_check_names_calls_and_everything(shell):
    shell.run_cell(LAYERS)
    (report,) = shell.run_line_magic("check", "Forgets")
    assert [f.kind for f in report.findings] == ["identity"]
    assert [r.subject.split()[0] for r in shell.run_line_magic("check", "TanH Forgets")] == ["TanH", "Forgets"]
    everything = shell.run_line_magic("check", "")
    assert [r.subject.split()[0] for r in everything] == ["TanH", "Forgets", "Dense"]
    assert "not recognised" in repr(everything)
    (report,) = shell.run_line_magic("check", "TanH() --shape 2,5")
    assert report.ok
    assert "(2, 5)" in report.subject
    with pytest.raises(UsageError, match="there is no Softmax in this notebook"):
        shell.run_line_magic("check", "Softmax")
    (report,) = shell.run_line_magic("check", "TanH --shape=(2, 5)")
    assert "(2, 5)" in report.subject
    for wrong in ("2,-5", "", "2,0", "2,5 Forgets"):
        with pytest.raises(UsageError, match="expected sizes"):
            shell.run_line_magic("check", f"TanH --shape {wrong}")


def test_a_cell_is_run_and_what_it_defines_is_checked_with_its_line(shell):
    shell.run_cell(LAYERS)
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    cell = "class Mine(TanH):\n    def forward(self, X):\n        return undefined\n"
    (report,) = shell.run_cell_magic("check", "", cell)
    assert report.subject == "Mine on an input of shape (4, 3)"
    assert report.findings[0].line == "line 3: return undefined"
    assert shell.user_ns["Mine"].__name__ == "Mine"
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert shell.run_cell_magic("check", "", "x = 1\n") is None


def test_html_escapes_and_takes_the_colours_of_its_page(shell):
    shell.run_cell(LAYERS)
    text = shell.run_line_magic("check", "Forgets")._repr_html_()
    assert "<b>Forgets.backward_delta: identity</b>" in text
    assert "background" not in text
    assert "color:#000" not in text
    assert "</b>: 1 finding<table" in text
    assert "color:var(--jp-error-color1, var(--vscode-errorForeground, #e5484d))'>✗ wrong</td>" in text


def test_what_was_not_checked_is_not_called_right(shell):
    shell.run_cell(LAYERS)
    (report,) = shell.run_line_magic("check", "Dense")
    assert str(report).splitlines()[0] == "Dense: not checked"
    assert "<b>Dense</b>: not checked" in report._repr_html_()
    (report,) = shell.run_line_magic("check", "TanH")
    assert str(report).splitlines()[0].endswith(": all right")
