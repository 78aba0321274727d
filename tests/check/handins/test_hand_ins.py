"""What students hand in: files that find one another, absent packages, half-broken files, notebooks; and what it is called."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from answered import classes

from modnet.check.building.handed import straight
from modnet.check.handins import outside
from modnet.check.handins.ask import ask
from modnet.check.handins.classes import bases_of, kind_of, loaded_classes, loaded_packages, lost_classes
from modnet.check.handins.discover import HandInError, hand_ins
from modnet.check.handins.examine import examine
from modnet.check.handins.loaded import Project
from modnet.check.handins.loading import Loader
from modnet.check.handins.options import Options
from modnet.check.handins.page import as_html
from modnet.check.handins.results import HandIn, as_csv, as_table, as_text, status
from modnet.check.handins.source import parse, training_loops
from modnet.check.reading.lines import quote
from modnet.check.report import Finding, Report, row_weights, visible

BASE = """
class Module:
    def forward(self, X):
        pass

    def backward_delta(self, input, delta):
        pass
"""
TANH = """
class TanH(Module):
    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)
"""


@pytest.fixture
def write(tmp_path):
    """Write files into a folder: {name: text}, or a list of cells for a notebook."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".ipynb"):
                cells = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in text]
                text = json.dumps({"cells": [{"cell_type": "markdown", "source": ["# TP"]}, *cells], "nbformat": 4})
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Modules of hand-ins leave no trace in the test's own process."""
    monkeypatch.setattr(outside, "absent", {})
    monkeypatch.setattr(outside, "used", set())
    monkeypatch.setattr(outside, "unset", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("hand_in"):
            del sys.modules[name]


def load(root):
    """The loaded files of a folder by name, and the classes found in them."""
    (handin,) = hand_ins([root], as_project=True)
    loader = Loader(handin.root, handin.files)
    loader.load_all()
    files = {path.relative_to(root).as_posix(): file for path, file in loader.files.items()}
    return files, {c.name: c for file in files.values() for c in loaded_classes(file, bases_of(files.values()))}


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("src/activation.py", "from .base import Module"),  # relative
        ("src/activation.py", "from src.base import Module"),  # from the root
        ("src/activation.py", "from base import Module"),  # from the own folder
        ("src/activation.py", "from base import *"),
        ("src/activation.py", "import src.base as b; Module = b.Module"),
        ("src/activation.py", "import src.base; Module = src.base.Module"),
        ("src/deep/down/activation.py", "from ...base import Module"),
        ("src/deep/down/activation.py", "from ... import base; Module = base.Module"),
        ("tests/activation.py", "import sys; sys.path.append('../src'); from base import Module"),  # another folder
        ("tests/activation.py", "from Base import Module"),  # as a disk without case finds it
    ],
)
def test_files_find_one_another_and_are_loaded_once(write, place, line):
    root = write({"src/base.py": BASE, place: f"import numpy as np\n{line}\n{TANH}", "other.py": "from src.base import Module"})
    files, found = load(root)
    assert [p for file in files.values() for p in file.problems] == []
    assert found["TanH"].kind == "module"
    assert found["TanH"].cls.__mro__[1] is files["other.py"].names["Module"]


def test_a_folder_is_what_is_meant_from_the_root_though_a_file_in_it_has_its_name(write):
    root = write({
        "loss/loss.py": "class Loss:\n    scale = 2\n", "loss/mse.py": "from loss.loss import Loss\nclass MSE(Loss):\n    pass\n",
        "loss/both.py": "from loss import mse\nclass Both(mse.MSE):\n    def backward(self, d): return d\n    def forward(self, x): return x\n",
        "loss/own.py": "from loss import Loss\nclass Own(Loss):\n    def backward(self, d): return d\n    def forward(self, x): return x\n",
    })  # fmt: skip
    files, found = load(root)
    assert [p for file in files.values() for p in file.problems] == []
    assert found["Both"].cls.scale == found["Own"].cls.scale == 2


def test_what_classes_derive_from_by_a_star_of_a_file_that_is_not_there_is_stood_in_for(write):
    more = "from layers import *\n" + TANH.replace("TanH", "More")
    files, found = load(write({"layers.py": f"from handout_not_here import *\n{TANH}", "more.py": more}))
    assert {name: c.kind for name, c in found.items()} == {"TanH": "module", "More": "module"}
    for cls in (found["TanH"].cls, found["More"].cls):
        assert outside.derives_from_unfound(cls)
        assert cls().forward(np.zeros(2)).tolist() == [0, 0]
    with pytest.raises(NameError):  # a function of it is another matter
        exec("plot_all()", files["layers.py"].names)


def test_a_base_of_another_file_is_no_class_to_check_and_a_forward_alone_is_not_left_out(write):
    root = write({
        "kind.py": "class Activation:\n    def forward(self, X): pass\n    def backward_delta(self, input, delta): pass\n",
        "tanh.py": "import numpy as np\nimport torch_that_is_not_here as torch\nfrom kind import Activation as Module\n" + TANH
        + "class Half:\n    def forward(self, X):\n        return X\n\nclass Net(torch.Module):\n    def forward(self, X):\n        return X\n",
    })  # fmt: skip
    _, found = load(root)
    assert {name: c.kind for name, c in found.items()} == {"Activation": "base", "TanH": "module", "Half": ""}
    assert found["Half"].remark == "not recognised: it has forward"


def test_what_is_seen_and_what_is_not_of_the_hand_in(write):
    root = write({
        "bases.py": 'class Loss:\n    def forward(self, y, yhat):\n        """@return : the cost"""\n        pass\n\n'
        "class MSE(Loss):\n    def forward(self, y, yhat): return ((y - yhat) ** 2).sum(axis=1)\n"
        "    def backward(self, y, yhat): return 2 * (yhat - y)\n",
        "tests.py": "import unittest\n\nclass Case(unittest.TestCase):\n    def test_gradient(self):\n        pass\n",
        "net.py": "class Sequentiel:\n    def __init__(self, modules):\n        self.modules = modules\n\n"
        "    def evaluate(self, X):\n        return [m.forward(X) for m in self.modules]\n",
    })  # fmt: skip
    _, found = load(root)
    assert {name: c.kind for name, c in found.items()} == {"Loss": "base", "MSE": "loss", "Sequentiel": ""}
    assert found["Sequentiel"].remark == "not recognised: it has evaluate"


def test_a_name_of_python_is_the_students_own_file_only_beside_it(write):
    root = write({
        "code.py": "WIDE = 3\n", "one.py": "from code import WIDE\nclass A:\n    wide = WIDE\n    def forward(self): pass\n",
        "below/two.py": "import code\nclass B:\n    kind = code.InteractiveConsole\n    def forward(self): pass\n",
        "numpy.py": "raise RuntimeError\n", "three.py": "import numpy as np\nclass C:\n    x = np.ones(2)\n    def forward(self): pass\n",
    })  # fmt: skip
    files, _ = load(root)
    assert [files[f].problems for f in ("one.py", "below/two.py", "three.py")] == [[], [], []]


def test_of_a_script_only_what_a_class_needs_is_executed(write):
    root = write({"script.py": f"""
import numpy as np
import logging
log = logging.getLogger("mine")
log.info("hello")
EPS = compute_eps = 10.0 ** -3
TABLE = [i * EPS for i in range(4)]
TABLE[0] = 7
while True:
    pass
trained = train_for_hours()
if trained > 3:
    print("good")
def helper(x):
    return log, x + TABLE[0]
{BASE}
class Shift(Module):
    scale = TABLE[1]
    def forward(self, X):
        return helper(X)[1] * self.scale
    def backward_delta(self, input, delta):
        return input
def right(self, input, delta):
    return delta * self.scale
Shift.backward_delta = right
if __name__ == "__main__":
    raise SystemExit
"""})  # fmt: skip
    files, found = load(root)
    assert files["script.py"].problems == []
    np.testing.assert_allclose(found["Shift"].cls().forward(np.zeros(2)), 7 * 1e-3)
    np.testing.assert_allclose(found["Shift"].cls().backward_delta(None, np.ones(2)), 1e-3)
    assert "trained" not in files["script.py"].names


SCALED = f"""
import numpy as np
{BASE}
class Scaled(Module):
    def forward(self, X):
        return X * FACTOR
    def backward_delta(self, input, delta):
        return delta * FACTOR
"""


@pytest.mark.parametrize(
    ("factor", "more", "said"),
    [
        ("conf.FACTOR", {"conf.py": "BASE = 2.0\nFACTOR = BASE + 1\n"}, "right"),  # an attribute of a file
        ("twice()", {"conf.py": "FACTOR = 2.0\n"}, "right"),  # what a function of a file reads through that file
        ("gpu.scale()", {"gpu.py": "on = 3.0\ntry:\n    import no_gpu\nexcept ImportError:\n    on = 2.0\n"
                         "def scale(): return on\n"}, "right"),
        ("MADE", {"end": "def begin():\n    global MADE\n    MADE = 2.0\nbegin()"}, "right"),  # a call that sets it
        ("conf.FACTOR", {"conf.py": "FACTOR = None\ndef begin():\n    global FACTOR\n    FACTOR = 2.0\nbegin()\n"}, "right"),
        ("LATE", {"top": "LATE = float(open('weights.txt').read())"}, "set in lines that are not executed here, or fail"),
        ("MAIN", {"end": "if __name__ == '__main__':\n    MAIN = 2.0"}, "set in lines that are not executed here, or fail"),
        ("MADE", {"end": "def begin():\n    global MADE\n    MADE = 2.0"}, "set in lines that are not executed here, or fail"),
        ("fast(1)", {"top": "try:\n    from no_such_compiled import fast\nexcept ImportError:\n    print('build it')"},
         "m.py imports and which cannot be imported here: install it, or build it"),
        ("fast(1)", {"top": "from no_such_helpers import *"}, "which cannot be imported here: install it, or build it"),
        ("MAIN", {"top": "from conf import *", "conf.py": "if __name__ == '__main__':\n    MAIN = 2.0\n"},
         "not executed here, or fail: set it at the top of m.py"),
        ("FORGOTTEN", {"conf.py": "FORGOTTEN = 2.0\n"}, "NameError"),  # set in a file that is not asked for it
        ("local", {"end": "def other():\n    local = 2.0\n    return local"}, "NameError"),
    ],
)  # fmt: skip
def test_a_name_that_is_set_where_nothing_is_executed_is_no_mistake(write, factor, more, said):
    more = {"conf.py": "", "gpu.py": "", **more}
    top, end = more.pop("top", ""), more.pop("end", "")
    root = write({
        **more,
        "m.py": f"import conf, gpu\nfrom helpers import twice\n{top}\n{SCALED.replace('FACTOR', factor)}\n{end}\n",
        "helpers.py": "import conf\ndef twice():\n    return 2 * conf.FACTOR\n",
    })  # fmt: skip
    (handin,) = hand_ins([root], as_project=True)
    loader = Loader(handin.root, handin.files)
    loader.load_all()
    classes = {c.name: c for f in loader.files.values() for c in loaded_classes(f, set())}
    project = Project(classes.values(), {path: file.names for path, file in loader.files.items()})
    outside.used.clear()
    record = examine(classes["Scaled"], project, Options())
    if said == "right":
        assert record["report"]["ok"]
        assert record["checked"]
    elif said == "NameError":
        assert [f["kind"] for f in record["report"]["findings"]] == ["crash"]
        assert said in record["report"]["findings"][0]["message"]
    else:
        assert not record["checked"]
        assert said in record["remark"]


@pytest.mark.parametrize("asks", ["xp != np", "xp is not np", "not xp == np", "xp == cp", "cp is xp"])
def test_code_may_ask_whether_an_array_is_on_a_graphics_card(write, asks):
    root = write({
        "m.py": f"import numpy as np\nfrom gpu import cp, get_array_module\n{BASE}" + f"""
class TanH(Module):
    def forward(self, X):
        xp = get_array_module(X)
        if {asks}:
            raise RuntimeError("on the card")
        out = np.empty(X.shape)
        out[...] = np.tanh(X)
        return out
    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)
""",
        "gpu.py": """
import numpy as np
ready = True
try:
    import cupy as cp
except ImportError:
    ready = False
def get_array_module(x):
    return cp.get_array_module(x) if ready else np
""",
    })  # fmt: skip
    _, found = load(root)
    record = examine(found["TanH"], Project(found.values()), Options())
    assert record["checked"]
    assert record["report"]["ok"], record["report"]


def test_a_mistake_of_the_check_is_none_of_the_class(write, monkeypatch):
    def stops(*_):
        raise ZeroDivisionError("in modnet")

    monkeypatch.setattr("modnet.check.handins.examine.ask", stops)
    _, found = load(write({"m.py": f"import numpy as np\n{BASE}\n{TANH}"}))
    record = examine(found["TanH"], Project(found.values()), Options())
    assert not record["checked"]
    assert "please report it (ZeroDivisionError: in modnet)" in record["remark"]
    assert record["report"]["findings"] == []


def test_an_absent_package_is_stood_in_for_and_said(write):
    root = write({"m.py": f"""
import numpy as np
import no_such_package as nsp
from no_such_package.plots import draw, Style
from sklearn.datasets import load_nothing_like_this
try:
    import no_such_gpu as xp
except ImportError:
    xp = np
{BASE}
@nsp.register
class TanH(Module, Style):
    palette = nsp.colours("deep", name="blue", self=1)
    def show(self) -> nsp.Figure | None:
        draw(self)
    def forward(self, X: "nsp.Array"):
        return xp.tanh(X)
    def backward_delta(self, input, delta):
        return delta * (1 - xp.tanh(input) ** 2)
"""})  # fmt: skip
    files, found = load(root)
    assert files["m.py"].problems == []
    assert found["TanH"].cls().forward(np.zeros(2)).tolist() == [0, 0]
    assert outside.absent["no_such_package"] == "not found"
    assert "no_such_gpu" not in outside.absent


def test_in_a_package_a_name_of_python_is_pythons(write):
    root = write({
        "net/__init__.py": "",
        "net/typing.py": "Array = list\n",
        "net/act.py": f"import numpy as np\nfrom typing import Any\nfrom net.typing import Array\n{BASE}{TANH}",
    })  # fmt: skip
    files, _ = load(root)
    assert [p for file in files.values() for p in file.problems] == []
    assert files["net/act.py"].names["Array"] is list


def test_a_base_does_nothing_itself_and_a_class_that_others_derive_from_may(write):
    root = write({"m.py": """
class Activation:
    def __call__(self, x):
        pass
    def backward(self):
        pass

class Relu(Activation):
    def __call__(self, x):
        self.x = x
        return x * (x > 0)
    def backward(self):
        return self.x > 0

class Optimizer:
    def step(self):
        pass

class SGD(Optimizer):
    def step(self):
        for layer in self.layers:
            layer.w -= self.lr * layer.dw

class Clipped(SGD):
    def step(self):
        super().step()

class Criterion:
    def forward(self, x, t):
        return self.value_of(x, t)
    def backward(self, x, t):
        return self.slope_of(x, t)
    def value_of(self, x, t):
        return self.output
    def slope_of(self, x, t):
        return self.slope

class Squares(Criterion):
    def value_of(self, x, t):
        return ((x - t) ** 2).sum()
    def slope_of(self, x, t):
        return 2 * (x - t)

class Handing:
    def forward(self, x):
        return self.value_of(x)
    def backward(self, d):
        return 2 * d
    def value_of(self, x):
        return 2 * x

class Alike(Handing):
    pass
"""})  # fmt: skip
    _, found = load(root)
    kinds = {name: c.kind for name, c in found.items()}
    steps = {"Optimizer": "base", "SGD": "optim", "Clipped": "optim"}
    losses = {"Criterion": "base", "Squares": "loss", "Handing": "module", "Alike": "module"}
    assert kinds == {"Activation": "base", "Relu": "module", **steps, **losses}


def test_a_package_that_imports_what_no_file_defines(write):
    root = write({
        "net/__init__.py": "from .act import Relu, TanH\nfrom .no_file import Linear\n",
        "net/act.py": f"import numpy as np\nfrom .late import scale\n{BASE}{TANH}",
        "net/late.py": "from .act import TanH\ndef scale(X):\n    return TanH().forward(X)\n",  # in a circle, but defined in the end
        "net/other.py": "from .act import Layer\nclass Twice(Layer):\n    def forward(self, X):\n        return self.k * X\n"
        "    def backward(self, delta):\n        return self.k * delta\n",
    })  # fmt: skip
    files, found = load(root)
    assert {name: c.kind for name, c in found.items() if name != "Module"} == {"TanH": "module", "Twice": "module"}
    package, *more = [c for file in files.values() for c in loaded_packages(file)]
    assert not more
    assert package.file.name == "__init__.py"
    assert [(line, name) for line, _, name in package.cls.lacks] == [(1, "Relu"), (2, "Linear")]
    assert [p.text.partition("; ")[2] for p in files["net/__init__.py"].problems] == ["stood in for: Relu", "stood in for: Linear"]
    (finding,) = ask(package, Project([package]), Options()).findings
    assert finding.kind == "crash"
    assert finding.line == "line 1: from .act import Relu, TanH"
    outside.used.clear()  # what making the class used
    record = examine(found["Twice"], Project(list(found.values())), Options())
    assert record["remark"] == "it derives from a class that no file defines"
    np.testing.assert_allclose(files["net/late.py"].names["scale"](np.ones(1)), np.tanh(1))


def test_half_a_file_is_better_than_none(write):
    broken = BASE + TANH + "class Half(Module):\n    def forward(self, X)\n        return X\nprint 'python 2'\nprint 'again'\n"
    root = write({"m.py": "import numpy as np\n" + broken, "latin.py": "x = 1\n"})
    (root / "latin.py").write_bytes(f"# caf\xe9\nimport numpy as np\n{BASE}{TANH}".encode("latin-1"))
    files, found = load(root)
    assert found["TanH"].kind == "module"
    ((name, cell, line, why),) = lost_classes(files["m.py"])
    assert (name, cell, line) == ("Half", None, 17)
    assert why.startswith("SyntaxError")
    assert [p.line for p in files["m.py"].problems] == [19, 17]
    assert files["m.py"].problems[0].text.endswith("; 1 more like this")
    latin = loaded_classes(files["latin.py"], bases_of(files.values()))
    assert [c.name for c in latin] == ["Module", "TanH"]
    assert quote(latin[1].cls, "forward", "return").endswith("return np.tanh(X)")  # a file in latin-1 that does not say so


def test_a_notebook_keeps_the_classes_of_every_cell_that_works(write):
    root = write({"TP.ipynb": [
        "%matplotlib inline\n!pip install this\nimport numpy as np\nfiles = !ls\nnp.tanh?",
        "%%time\n" + BASE,
        "raise RuntimeError('this cell fails')\n",
        "for epoch in range(10**12):\n    pass\n",
        "%%bash\nrm -rf nothing\n",
        "text = '''\n%not a magic\n'''\n" + TANH,
        "class Lost(Module:\n    def forward(self, X): pass\n",
        "class Softmax(Module):\n    def forward(self, X):\n        return X / X.sum()\n\n    def backward_delta(self, input, delta):\n        return missing\n",
    ]})  # fmt: skip
    files, found = load(root)
    assert {(c.name, c.kind, c.cell, c.line) for c in found.values()} == {
        ("Module", "base", 2, 3), ("TanH", "module", 6, 5), ("Softmax", "module", 8, 1),
    }  # fmt: skip
    assert [(name, cell) for name, cell, *_ in lost_classes(files["TP.ipynb"])] == [("Lost", 7)]
    with pytest.raises(NameError) as caught:
        found["Softmax"].cls().backward_delta(0, 0)
    finding = Finding("crash", "Softmax.backward_delta", "it raises")
    finding.locate(found["Softmax"].cls)
    assert (finding.file, finding.cell, finding.line_number) == (str(root / "TP.ipynb"), 8, 5)
    assert caught.traceback[-1].lineno + 1 == 6
    assert str(caught.traceback[-1].statement).strip() == "return missing"


def test_what_belongs_to_whom(write):
    layers = f"import numpy as np\n{BASE}{TANH}"
    root = write({
        "list/alice.py": layers, "list/bob.py": layers + "import tools\n", "list/tools.py": "x = 1\n",
        "list/carol/src/m.py": layers, "list/carol/venv/pyvenv.cfg": "", "list/carol/venv/lib/x.py": layers,
        "list/carol/env2/lib/python3.11/site-packages/y.py": layers, "list/.git/z.py": layers,
        "project/linear.py": layers, "project/net.py": "from linear import TanH\n",
        "package/src/m.py": layers, "package/main.py": "from src.m import TanH\n",
        "folders/src/m.py": layers, "folders/src/n.py": "from src.m import TanH\n",
        "flat/module.py": BASE, "flat/tanh.py": f"from module import Module\n{TANH}", "flat/net.py": "import module\nclass Net: pass\n",
        "given/module.py": BASE, "given/ann.py": f"from module import Module\n{TANH}", "given/ben.py": f"import module\n{TANH}",
    })  # fmt: skip
    assert [(h.name, len(h.files)) for h in hand_ins([root / "list"])] == [("alice", 1), ("bob", 1), ("carol", 1), ("tools", 1)]
    assert [(h.name, len(h.files)) for h in hand_ins([root / "project", root / "package"])] == [("project", 2), ("package", 2)]
    assert [(h.name, len(h.files)) for h in hand_ins([root / "folders"])] == [("folders", 2)]
    assert [(h.name, len(h.files)) for h in hand_ins([root / "flat"])] == [("flat", 3)]
    assert [h.name for h in hand_ins([root / "given"])] == ["ann", "ben", "module"]  # they hand in the same class
    both = [root / "project" / "linear.py", root / "project" / "net.py"]
    assert [h.files for h in hand_ins(both)] == [both]
    lone = hand_ins([root / "list" / "carol" / "src" / "m.py", root / "list" / "alice.py"])
    assert [h.name for h in lone] == ["m", "alice"]
    with pytest.raises(HandInError, match="no such file or folder"):
        hand_ins([root / "nowhere"])


def test_the_root_of_a_lone_file_is_where_its_imports_begin(write):
    root = write({"src/base.py": BASE, "src/m.py": "from src.base import Module\n", "src/n.py": "from .base import Module\n"})
    assert [h.root for h in hand_ins([root / "src" / "m.py"])] == [root]
    assert [h.root for h in hand_ins([root / "src" / "n.py"])] == [root / "src"]


class Activation:
    def __init__(self, *args):
        pass

    def forward(self, X):
        return X

    def backward_delta(self, input, delta):
        return delta


class Chain(Activation):
    def __init__(self, *parts):
        self.parts = parts

    def forward(self, X):
        for part in self.parts:
            X = part.forward(X)
        return X


class Halves:
    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder

    def forward(self, X):
        return self.decoder(self.encoder(X))

    def backward(self, input, delta):
        return self.encoder.backward(input, self.decoder.backward(input, delta))


class Put:
    def __init__(self, size_in, size_out):
        self.W = np.ones((size_in, size_out))

    def __call__(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dz):
        self.dW = self.x.T @ dz
        return dz @ self.W.T

    def update_params(self, params):
        self.W = params[0]


class Cost:
    def forward(self, y, yhat):
        return y - yhat

    def backward(self, y, yhat):
        return yhat - y


class Steps:
    def step(self, x, y):
        pass


class Dense:
    def calcule_sortie(self, x):
        return x

    def retropropage_erreur(self, dout):
        return dout


def test_kinds_of_classes():
    kinds = [kind_of(c) for c in (Activation, Chain, Halves, Put, Cost, Steps, Dense)]
    assert kinds == ["module", "network", "network", "module", "loss", "optim", ""]


# --- what is said ----------------------------------------------------------------------------------------------------


def record(name, *kinds, checked=True):
    report = Report(name)
    report.findings += [Finding(kind, f"{name}.backward_delta", "wrong <b>", line="line 3: return x") for kind in kinds]
    report.verdict("all", right=None if not checked else not kinds, remark="" if checked else "not recognised")
    place = {"id": name, "name": name, "kind": "module", "file": "/x/m.py", "cell": None, "line": 1}
    return {**place, "checked": checked, "remark": "" if checked else "not recognised", "report": report.as_dict()}


@pytest.fixture
def course(tmp_path):
    """Five hand-ins: right, wrong, wrong in two ways, not recognised, not loaded."""
    lost = {"name": "Softmax", "file": "/x/m.py", "cell": None, "line": 4, "remark": "ImportError: no"}
    found = [
        {"records": [record("TanH"), record("Softmax")]},
        {"records": [record("Tanh"), record("Softmax", "diagonal")]},
        {"records": [record("TanH"), record("SoftMax", "diagonal", "stateful")]},
        {"records": [record("TanH"), record("Dense", checked=False)]},
        {"records": [record("TanH")], "lost": [lost]},
    ]
    return [HandIn(f"=s{i}", tmp_path, [tmp_path / "m.py"], **what) for i, what in enumerate(found)]


def test_status_says_what_is_wrong_and_what_was_not_checked(course):
    assert [status([handin]) for handin in course] == [0, 1, 1, 3, 3]
    assert status(course[3:]) == 3
    assert [h.ok for h in course] == [True, False, False, False, False]
    assert "Dense  not checked: not recognised" in as_text(course[3])
    assert "not loaded: Softmax" in as_text(course[4])
    assert as_text(course[4]).endswith("2 classes, 1 not checked")


def test_the_table_joins_spellings_and_counts(course):
    lines = as_table(course).splitlines()
    assert lines[0].split() == ["TanH", "Softmax", "others"]
    assert re.split(r"\s{2,}", lines[3]) == ["=s2", "ok", "diagonal; in part: stateful", "-"]
    assert lines[7].split("  ")[0] == "right"
    assert "5 of 5" in lines[7]
    assert "1 of 4" in lines[7]
    assert "2 of 4: Softmax, diagonal" in lines
    narrow = as_table(course, width=30).splitlines()
    assert [line.split() for line in narrow if line.startswith(" ")] == [["TanH"], ["Softmax"], ["others"]]
    assert sorted(" ".join(narrow).split()) == sorted(" ".join(lines).split() + 2 * [line.split()[0] for line in lines[1:8] if line])


def test_the_page_escapes_links_kinds_and_marks_without_colour(course):
    page = as_html(course)
    assert "<b>wrong" not in page
    assert "wrong &lt;b&gt;" in page
    assert "<a href='#kind-diagonal'>diagonal</a>" in page
    assert "id='kind-diagonal'" in page
    assert "<span>2 of 4:</span> diagonal" in page
    assert "<td><div class='wrong'>✗&nbsp;diagonal</div><div class='part'>◐&nbsp;stateful</div></td>" in page
    assert "<p>Found most:</p><ul><li>2 of 4: Softmax, <a href='#kind-diagonal'>diagonal</a></li></ul>" in page  # by more than one
    assert "<a href='#kind-stateful'>stateful</a></b><span class='muted'> (in part)</span>" in page
    assert "<td class='muted'>–</td>" in page
    assert "&nbsp; – not there</p>" in page
    assert "line 3: return x" in page
    assert "<span class='wrong'>✗&nbsp;all</span>" in page
    assert "<span class='wrong'>✗ 1 wrong</span>: <a href='#class-1-0'>Softmax</a>" in page
    assert "<h3 id='class-1-0'><span class='wrong'>✗</span> Softmax" in page
    assert page.count("not checked: Dense") == 1
    assert "1 of 2 classes right</span>: Tanh" in page
    for theme in ("prefers-color-scheme: dark", "@media print", "width=device-width"):
        assert theme in page


def test_the_mark_sheet_holds_numbers_and_no_formula(course):
    lines = as_csv(course).splitlines()
    assert lines[0] == "hand-in,right,wrong,in part,form,not checked,Dense,SoftMax,Softmax,TanH,Tanh"
    assert lines[3] == "'=s2,1,1,0,0,0,,diagonal; in part: stateful,,ok,"
    assert lines[5] == "'=s4,1,0,0,0,1,,,not loaded,ok,"
    course[0].records = [record("Linear", "diagonal"), record("Linear", "saturates"), record("Linear"), record("A", checked=False)]
    assert as_csv(course[:1]).splitlines()[1] == "'=s0,0,1,0,0,1,not checked,diagonal"  # of two of a name, the worse


def test_findings_say_what_they_weigh():
    weights = [Finding(kind, "A.forward", "").weight for kind in ("diagonal", "saturates", "old-numpy", "no-such-kind")]
    assert weights == ["wrong", "in part", "form", "wrong"]
    with_option, plain = Report("A"), Report("A")
    with_option.findings.append(Finding("sign", "A.forward", ""))
    plain.add(with_option, "with bias=True")
    assert plain.findings[0].as_dict()["weight"] == "in part"


def test_an_operation_weighs_as_much_as_the_heaviest_of_what_was_found_in_it():
    report = Report("Softmax")
    for kind, where in (("saturates", "forward"), ("stateful", "backward_delta"), ("diagonal", "backward_delta")):
        report.findings.append(Finding(kind, f"Softmax.{where}", "wrong"))
    report.verdict("forward", right=False, remark="saturates")
    report.verdict("backward_delta", right=False, remark="stateful, diagonal")
    report.verdict("zero_grad")
    report.verdict("backward_update_gradient", right=None, remark="no parameters")
    assert row_weights(report.as_dict()) == ["in part", "wrong", "right", "not checked"]
    assert [verdict for _, verdict, _ in report.verdicts] == ["wrong", "wrong", "right", "not checked"]  # as JSON and users have it
    lines = str(report).splitlines()
    assert re.split(r"\s{2,}", lines[1]) == ["", "forward", "in part", "saturates"]
    assert "1. Softmax.forward: saturates (in part)" in lines
    assert "3. Softmax.backward_delta: diagonal" in lines
    shown = report._repr_html_()
    assert "◐ in part" in shown
    assert "Softmax.forward: saturates</b> (in part)" in shown


def test_what_is_said_of_an_earlier_class_is_said_once(tmp_path):
    records = [record("Linear", "stateful"), record("Flatten", "stateful"), record("ReLU", "stateful")]
    for i, one in enumerate(records):
        one["report"]["findings"][0].update(line=f"line {i + 3}: return x", line_number=i + 3, hint="use the input")
    records[2]["report"]["findings"][0]["hint"] = "another advice"
    handin = HandIn("s", tmp_path, [tmp_path / "m.py"], records=records)
    text, page = as_text(handin), as_html([handin])
    assert "Flatten  stateful (backward_delta, in part, as in Linear)" in text
    assert "1. Flatten.backward_delta: stateful (in part, as in Linear)\n   Your line 4: return x\n" in text
    assert page.count(", as in Linear</span>") == 1
    for shown in (text, page):
        assert shown.count("use the input") == 1
        assert shown.count("another advice") == 1
    assert text.count("in part: right on an ordinary example") == 1
    assert page.count("<div class='sheet'><p class='muted'><span class='wrong'>✗</span> wrong: on an ordinary example") == 1
    records[0]["report"]["findings"].append(records[0]["report"]["findings"][0] | {"message": "another one"})
    assert as_text(handin).splitlines()[0] == "Linear   stateful (backward_delta, in part)"  # in a few words, once


def test_the_method_is_shown_where_a_line_says_too_little(tmp_path):
    file = tmp_path / "m.py"
    file.write_text("class A:\n    def forward(self, x):\n        x = abs(x)  # <\n        return x\n\n    def other(self):\n        pass\n")
    records = [record("A", "forward"), record("B", "diagonal", "stateful")]
    for finding in (finding for one in records for finding in one["report"]["findings"]):
        finding.update(file=str(file), line_number=4, line="line 4: return +x")
    handin = HandIn("s", tmp_path, [file], records=records)
    text, page = as_text(handin), as_html([handin])
    assert "   Your m.py:\n      2  def forward(self, x):\n      3      x = abs(x)  # <\n      4      return x\n" in text
    assert text.count("abs(x)") == 1
    assert "Your m.py, line 4: return +x" in text  # of the other kind
    assert "<details open><summary>m.py, lines 2 to 4</summary>" in page
    assert "   3      x = abs(x)  # &lt;\n<mark>   4      return x</mark></pre>" in page
    assert page.count("<pre>m.py, line 4: return +x</pre><details><summary>lines 2 to 4</summary>") == 1  # for both in B
    assert page.count("<pre>m.py, line 4: return +x</pre>") == 2
    for line, shown in (("return -(", 2), ("return self.out", 2), ("return f(x)", 1), ("out[a(b[1])] = 2", 1), ("x = a[", 2)):
        records[1]["report"]["findings"][0]["line"] = f"line 4: {line}"
        assert (as_text(handin).count("abs(x)"), as_html([handin]).count("<details open>")) == (shown, shown)
    file.write_text(file.read_text().replace("        return x", "\n" * 50 + "        return x"))
    handin = HandIn("s", tmp_path, [file], records=records)  # as it is read now
    assert "abs(x)" not in as_text(handin)
    assert "<pre>m.py, line 4: return +x</pre><details><summary>lines 2 to 54</summary>" in as_html([handin])
    handin = HandIn("s", tmp_path, [], records=records)  # what does not belong to the hand-in is not opened
    assert "abs(x)" not in as_text(handin) + as_html([handin])
    assert "Your m.py, line 4: return +x" in as_text(handin)


def test_each_student_has_sheets_with_their_name_whatever_it_is(course):
    course[0].name = "o'neil} </style>"
    page = as_html(course)
    assert page.count("</style>") == 1
    assert "@page student-0 { size: A4 portrait; margin: 15mm; font: 8pt sans-serif; @bottom-left { content: 'o\\27 neil" in page
    for i in range(len(course)):
        assert f"<section class='student-{i}'>" in page
        assert f".student-{i} {{ page: student-{i} }}" in page


def test_a_line_that_is_inherited_is_said_to_be_the_same(tmp_path):
    records = [record(name, "crash") for name in ("TanH", "Sigmoide", "ReLU")]
    for one in records:
        one["report"]["findings"][0].update(file="/x/m.py", line_number=3)
    records[2]["report"]["findings"][0]["line_number"] = 9
    handin = HandIn("s", tmp_path, [tmp_path / "m.py"], records=records)
    lines = as_text(handin).splitlines()
    assert lines[1].split("  ")[-1] == "crash (backward_delta, the same line as in TanH)"
    assert "same line" not in lines[0] + lines[2]
    assert as_html([handin]).count("the same line as in TanH") == 1
    records[1].update(name="TanH", file=str(tmp_path / "b.py"))
    records[0]["file"] = str(tmp_path / "a.py")
    assert "crash (backward_delta, the same line as in TanH of a.py)" in as_text(handin)


def test_what_most_others_have_is_missed_and_a_function_that_trains_is_listed(course):
    code, _ = parse(
        "class Optim:\n    def SGD(self, X, y):\n        for x in X:\n            self.step(x, y)\n\n"
        "    def step(self, x, y):\n        pass\n\ndef show(net):\n    for x in net:\n        print(x)\n",
        Path("m.py"),
        None,
    )
    assert list(training_loops([code])) == [("Optim.SGD", None, 2)]
    course[0].loops = course[1].loops = [{"name": "Optim.SGD", "file": "/x/m.py", "cell": None, "line": 2}]
    course[0].records[0]["report"]["notes"] = ["it returns nothing"]
    page = as_html(course)
    assert page.count("<p class='muted'>note on TanH: it returns nothing</p>") == 1
    assert page.count("most others have it: Softmax") == 1
    assert page.count(">? not asked: Optim.SGD") == 2
    assert as_table(course).endswith("not asked, because they train: Optim.SGD (2)")


def test_json_holds_no_number_that_json_has_not():
    found = Finding("saturates", "A.forward", "nan", error=float("inf"), analytic=float("nan"), numeric=0.5).as_dict()
    json.loads(json.dumps(found, allow_nan=False))
    assert (found["error"], found["analytic"], found["numeric"]) == ("inf", "nan", 0.5)


def test_a_strangers_text_is_made_visible_and_short():
    assert visible("\x1b[31mred\x07 \u202e é ✓\n") == "\\x1b[31mred\\x07 \\u202e é ✓\n"
    assert visible("x" * 10**6, 10) == "xxxxxxxxxx... (999990 more characters)"
    assert visible(f"{object()} at 0x12") == "<object object> at 0x12"


def test_no_place_in_memory_is_said_of_what_is_made_anew_each_time(tmp_path):
    (tmp_path / "m.py").write_text(
        "class Odd:\n    def forward(self, X):\n        raise ValueError(f'{self}')\n"
        "    def backward_delta(self, input, delta):\n        return delta\n"
    )
    odd = classes(tmp_path / "m.py")["Odd"]
    assert "m.Odd object>" in odd["findings"][0]["message"]
    assert "0x" not in str(odd)
    assert repr(straight) == "identity"  # it stands among the arguments of a pair of functions


@pytest.mark.parametrize("use", [np.array, np.asarray, list, len])
def test_a_stand_in_says_what_it_cannot_be(use):
    with pytest.raises(ImportError, match=r"no_such_package is not installed, and no_such_package.value cannot be "):
        use(outside.Outside("no_such_package.value"))


def test_a_stand_in_can_be_called_indexed_and_set():
    name = outside.Outside("no_such_package.value")
    name.mode = name[0] = 1

    @name
    def function():
        return 2

    with name as entered:
        assert entered is name
    assert function() == 2
    assert isinstance(name(3).more[1:], outside.Outside)
    assert not name
    assert not isinstance(2, name)


def test_a_name_of_an_installed_package_is_itself_once_it_is_used():
    decimal = outside.Outside("decimal.Decimal")
    assert decimal(2) + 1 == 3
    assert isinstance(decimal(2), decimal)
    assert list(outside.Outside("string.digits"))[:2] == ["0", "1"]
