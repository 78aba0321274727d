"""The check is numpy alone: nothing of it waits for a compiler, neither in Python nor from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from modnet.check import check_backward, check_module, check_network, check_update

ROOT = Path(__file__).parents[2]
#: In a process of its own: whoever compiles, or loads what was compiled, writes so into a file and fails.
HOOK = """
import importlib.abc, importlib.util, os, sys

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "numba.core.dispatcher":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def loaded(module):
            run(module)
            def refuse(self, *_):
                with open(os.environ["COMPILED"], "a") as file:
                    file.write(self.py_func.__qualname__ + "\\\\n")
                raise RuntimeError("compiled")
            module.Dispatcher.compile = refuse
        spec.loader.exec_module = loaded
        return spec

sys.meta_path.insert(0, Hook())
"""
LAYERS = """
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout[-1]
        return dout @ self.W.T

class SGD:
    def __init__(self, lr=0.1):
        self.lr = lr
    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * grads[key]
"""


@pytest.fixture
def forbidden(monkeypatch):
    def refuse(dispatcher, signature):
        raise AssertionError(f"{dispatcher.py_func.__qualname__} would be compiled")

    monkeypatch.setattr(Dispatcher, "compile", refuse)


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class Net:
    def __init__(self):
        self.layers = [Tanh(), Tanh()]

    def forward(self, x):
        return self.layers[1].forward(self.layers[0].forward(x))

    def backward(self, dout):
        self.layers[0].backward(self.layers[1].backward(dout))


def sgd(w, dw, config=None):
    return w - config["learning_rate"] * dw, config


@pytest.mark.usefixtures("forbidden")
def test_no_check_of_another_style_compiles():
    def forward(x):
        return x**2, x

    assert check_backward(forward, lambda dout, x: 2 * x * dout, np.ones((2, 3))).ok
    assert check_module(Tanh(), (4, 3)).ok
    assert check_network(Net(), None, np.ones((2, 3))).ok
    assert check_update(sgd).ok


def test_the_command_compiles_nothing(tmp_path):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    (tmp_path / "layers.py").write_text(LAYERS, encoding="utf-8")
    compiled = tmp_path / "compiled"
    path = os.pathsep.join([str(tmp_path / "hook"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "COMPILED": str(compiled), "MODNET_CACHE_DIR": str(tmp_path / "cache")}

    def run(*given):
        return subprocess.run([sys.executable, *given], env=env, capture_output=True, text=True, timeout=300, check=False)

    found = run("-m", "modnet", "check", str(tmp_path / "layers.py"))
    assert "overwrites" in found.stdout, found
    assert "SGD" in found.stdout, found
    assert not compiled.exists(), compiled.read_text(encoding="utf-8")
    shown = run("-c", "import numba\nnumba.njit(lambda x: x)(1)")
    assert shown.returncode == 1, shown  # the hook does see what is compiled
    assert compiled.exists(), shown
