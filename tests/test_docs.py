"""What the documentation shows must run, and give what it says."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import modnet
from modnet import losses, modules

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
OURS = ("training", "saving", "estimators", "tables", "first_steps", "contract", "coming_from", "frames")
PAGES = ["README.md", *(f"docs/{name}.md" for name in OURS)]

EXTRAS = ("__main__", "playground.page")  # the second needs Panel, which nothing else does
NAMES = [
    "modnet",
    *(m.name for m in pkgutil.walk_packages(modnet.__path__, "modnet.") if not m.name.endswith(EXTRAS)),
]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder for what examples write, and pictures that need no screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "agg")


def examples(name):
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


#: Its trainings have five seconds of processor time.
TIMED = "modnet.check.training.why"


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.needs_jit] if n == TIMED else []) for n in NAMES])
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


def test_the_readme_shows_linear_as_it_stands_in_its_file():
    (shown,) = re.findall(r"^```py\nclass Linear\(Module\):\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    file = inspect.getsource(importlib.import_module("modnet.modules.linear"))
    assert shown.rstrip() in file
    assert shown.count("@operation") == 3


DOCS = README.parent / "docs"


def test_what_pages_say_to_install_and_to_make_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    wrong = []
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        named = ",".join(re.findall(r"pip install [^\n]*?(?:\.|modnet)\[([a-z, ]+)\]", text)).replace(" ", "").split(",")
        made = " ".join(re.findall(r"(?:^|`)make ((?:[a-z0-9-]+ ?)+)(?:`|$|  )", text, re.MULTILINE)).split()
        wrong += [f"{path.name}: {name}" for name in [*(set(named) - {""} - set(extras)), *(set(made) - set(targets))]]
    assert len(targets) > 20
    assert wrong == []


def test_the_first_network_of_the_french_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "handout_fr.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "gen_arti" in block]
    exec(compile(block, "handout_fr.md", "exec"), {"__name__": "page"})
    assert Path("xor.png").stat().st_size > 1000


@pytest.mark.parametrize("path", [README, README.parent / "examples" / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_links_between_pages_of_the_repository_lead_somewhere(path):
    made = ("gallery/", "api/", "modules/", "pictures/")  # by `make docs`, which follows its own links
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith(made) and not (path.parent / link).exists()] == []
