"""`warmup`: it knows all kernels, and compiles each once."""

import gc
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from command_lines import run

import modnet
from modnet.cli import warmup
from modnet.kernels.compiled import Compiled
from modnet.kernels.operation import Operation


def test_warmup_knows_every_kernel_there_is():
    known = warmup.kernels()
    functions = [found.__self__ for found in known if isinstance(getattr(found, "__self__", None), Compiled)]
    operations = {(found.func.__self__, *found.args) for found in known if isinstance(found, partial)}
    made = [held for held in gc.get_objects() if type(held) in (Compiled, Operation)]
    missing = [held for held in made if isinstance(held, Compiled) and _is_of_modnet(held.py_func) and held not in functions]
    assert missing == []
    # An operation of a family's base class is compiled for each of its subclasses; the statement's layers have the same code.
    compiled = {operation.body for operation, _ in operations}
    missing = [held for held in made if isinstance(held, Operation) and _is_of_modnet(held.body)
               and held.body not in compiled and not held.owner.__module__.startswith("modnet.handout")]  # fmt: skip
    assert missing == []
    assert len(functions) > 10
    assert len(operations) > 120


def _is_of_modnet(function):
    """Whether a function stands in the library's folder: other tests make modules that are called `modnet.…`, too."""
    return Path(function.__code__.co_filename).is_relative_to(Path(modnet.__file__).parent)


@pytest.mark.needs_jit
def test_warmup_compiles_once_and_finds_the_kernels_there_the_next_time(tmp_path):
    code = """
import sys
from functools import partial
from types import SimpleNamespace
from modnet import MSE
from modnet.cli import warmup
from modnet.engine.walk import scale, shuffle
from modnet.handout import MSELoss
operations = [partial(kind.forward.compile, kind) for kind in (MSE, MSELoss)]  # one code
warmup.kernels = lambda: [scale.compile, shuffle.compile, *operations]  # shuffle has no numbers of either type: it is one too
sys.exit(warmup.warmup(SimpleNamespace(dtype="both")))
"""
    env = {**os.environ, "MODNET_CACHE_DIR": str(tmp_path)}
    for compiled, there in ((5, 0), (0, 5)):
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{compiled} kernels compiled, {there} were there already, " in done.stdout  # a slow one says how far it is
        assert str(tmp_path) in done.stdout
    # Beside them lie the functions by which Python enters `scale` and `shuffle`.
    assert len([path for path in tmp_path.rglob("*.kernel") if not path.name.startswith("modnet_enter")]) == 5
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, "MODNET_CACHE_DIR": "/dev/null/x"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not all of them could be kept" in done.stderr


def test_warmup_without_a_compiler_has_nothing_to_do(capsys, monkeypatch):
    monkeypatch.setattr(warmup, "JIT_DISABLED", True)
    status, out, _ = run(capsys, "warmup")
    assert status == 0
    assert out == "NUMBA_DISABLE_JIT is set: kernels run as plain Python, there is nothing to compile\n"
