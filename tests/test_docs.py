"""What the documentation shows must run, and give what it says."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
from pathlib import Path

import pytest

import modnet
from modnet import losses, modules

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "docs/training.md", "docs/saving.md", "docs/estimators.md", "docs/tables.md"]

NAMES = [
    "modnet",
    *(m.name for m in pkgutil.walk_packages(modnet.__path__, "modnet.") if not m.name.endswith("__main__")),
]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder for what examples write, and pictures that need no screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "agg")


def examples(name):
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_docstrings_give_what_they_show(name):
    report = []
    runner = doctest.DocTestRunner()
    for test in examples(name):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("package", [modules, losses])
def test_every_module_and_loss_shows_an_example(package):
    kinds = [getattr(package, name) for name in package.__all__]
    missing = [kind.__name__ for kind in kinds if inspect.isclass(kind) and ">>> " not in (kind.__doc__ or "")]
    assert len(kinds) > 5
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_python_of_a_page_runs_from_top_to_bottom(page):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    space = {"__name__": "page"}
    for i, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {i + 1}", "exec"), space)
