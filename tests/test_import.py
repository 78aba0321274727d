"""What `import modnet` brings into a program, and what comes only when it is used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import modnet

CODE = """
import json, sys
import numpy, numba

given = set(sys.modules)
OURS = {"modnet", "numba", "numpy", "llvmlite"}

def others():
    "Modules that have come since, of no package that import modnet may bring."
    names = {name for name in set(sys.modules) - given if name.split(".")[0] not in OURS | sys.stdlib_module_names}
    return sorted(name for name in names if not name.startswith("_"))

import modnet
stages = {"import": others()}

from modnet import datasets, handout
X, y = datasets.load("xor")
handout.gen_arti(nbex=4)
handout.make_grid(X)
stages["data"] = others()

net = modnet.Sequential(modnet.Linear(2, 2, rng=0), modnet.Tanh(), modnet.Linear(2, 2, rng=1))
modnet.fit(net, X, y, loss=modnet.CrossEntropy(), optimizer=modnet.optim.Adam(), epochs=2)
modnet.predict(net, X)
net.backward(X, net.forward(X))
print(net.summary(2), file=sys.stderr)
stages["training"] = sorted({name.split(".")[0] for name in others()})
print(json.dumps(stages))
"""


@pytest.fixture(scope="module")
def stages():
    """The modules of other packages that are there after each stage of a small program."""
    environment = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_modnet_brings_numpy_and_numba_alone(stages):
    assert stages["import"] == []


@pytest.mark.needs_jit
def test_numba_comes_in_with_the_first_kernel_that_is_compiled(tmp_path):
    code = """
import sys, modnet
assert "numba" not in sys.modules
modnet.Tanh().forward([[1.0]])
print("numba" in sys.modules)
"""
    root = str(Path(modnet.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "MODNET_CACHE_DIR": str(tmp_path), "MODNET_MACHINE_CODE": "0"}
    environment.pop("NUMBA_BOUNDSCHECK", None)  # code with checks is kept otherwise
    command = [sys.executable, "-c", code]
    said = [
        subprocess.run(command, check=True, timeout=120, env=environment, capture_output=True, text=True).stdout for _ in range(2)
    ]
    assert said[0] == "True\n"
    if sys.platform == "linux":  # where the cache keeps object code, which is loaded without numba
        assert said[1] == "False\n"


def test_the_handout_and_data_made_here_bring_nothing_more(stages):
    assert stages["data"] == []


def test_training_brings_no_pictures_no_bar_and_no_scikit_learn(stages):
    # Compiled code may reach BLAS through SciPy.
    assert set(stages["training"]) <= {"scipy"}


def test_every_public_name_is_there():
    assert sorted(set(modnet.__all__)) == sorted(modnet.__all__)
    for name in modnet.__all__:
        assert getattr(modnet, name, None) is not None


@pytest.mark.parametrize("name", ["check", "datasets", "estimators", "exchange", "handout", "losses", "modules", "optim",
                                  "plotting", "scalar", "tables", "training", "watch"])  # fmt: skip
def test_a_star_brings_what_is_of_the_library_and_nothing_else(name):
    names = {}
    exec(f"from modnet.{name} import *", names)
    del names["__builtins__"]
    assert names
    assert [n for n, value in names.items() if not getattr(value, "__module__", "").startswith("modnet")] == []


def test_submodules_come_in_when_they_are_first_named():
    names = ("check", "datasets.load", "handout", "optim.Adam", "plotting.history", "watch.Norms")
    code = "import modnet\n" + "\n".join(f"modnet.{name}" for name in names)
    environment = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)


def test_an_editor_offers_submodules_that_are_not_imported_yet():
    code = "import modnet, sys; assert 'modnet.plotting' not in sys.modules; print(*dir(modnet))"
    environment = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment, capture_output=True, text=True)
    assert {"datasets", "plotting", "handout", "estimators", "scalar", "Linear", "fit"} <= set(done.stdout.split())
