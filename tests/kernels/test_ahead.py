"""Kernels that several processes compile: each once, none lost, whatever becomes of the others."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers import run_script

from modnet import Linear, Module, Sequential
from modnet.engine.walk import shuffle, walk_epoch
from modnet.kernels import ahead
from modnet.kernels.ahead import Ahead, Kernel, of_class, of_functions
from modnet.optim import Adam

pytestmark = pytest.mark.needs_jit

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Fake:
    """A kernel whose file has its name, and that notes who compiles it."""

    module: str
    name: str
    compiled: list

    def cached(self):
        return self

    def path(self):
        return Path(self.name)

    def compile(self):
        self.compiled.append(self.name)


def list_of(names, later="", processes=0):
    """Kernels a1, a2 of file a and so on."""
    compiled = []
    made = [[Fake(name[0], name, compiled) for name in each.split()] for each in (names, later)]
    return Ahead(*made, processes), compiled


def take(found, who):
    taken = found._next(who)
    return taken and taken[1].name


def test_each_process_stays_with_a_file_and_does_not_begin_with_that_of_another():
    found, _ = list_of("a1 b1 a2 b2 c1")
    assert [take(found, who) for who in (0, 1, 0, 1, 0, 1)] == ["a1", "b1", "a2", "b2", "c1", None]


def test_this_process_helps_with_the_file_of_another_and_leaves_what_is_for_later():
    found, _ = list_of("a1 a2 a3", "d1")
    assert [take(found, 0), take(found, None), take(found, None), take(found, None)] == ["a1", "a2", "a3", None]
    assert take(found, 0) == "d1"


def test_finish_compiles_what_is_left_and_says_how_far_it_is():
    found, compiled = list_of("a1 b1 a2", "d1")
    shown = []
    found.finish(shown.append)
    assert compiled == ["a1", "b1", "a2"]
    assert shown == [1, 2, 3]
    assert found.done == found.count == 3


def test_whoever_needs_what_another_is_at_waits_for_it_and_takes_the_rest_from_the_list():
    found, _ = list_of("a1 b1 c1")
    assert take(found, 0) == "a1"
    timer = threading.Timer(0.05, found._note_done, [Path("a1")])
    timer.start()
    assert found.wait_for(Path("a1"))
    assert timer.finished.is_set()
    assert not found.wait_for(Path("b1"))  # which is compiled here, then, and so by nobody else
    assert [take(found, 0), take(found, 0)] == ["c1", None]


@pytest.mark.parametrize("code", ["raise SystemExit", "print(); raise SystemExit", "print(); input(); input(); raise SystemExit"])
def test_nothing_is_lost_when_a_process_ends_too_soon(monkeypatch, code):
    monkeypatch.setattr(ahead, "_SERVE", code)
    found, compiled = list_of("a1 a2 b1", processes=1)
    found.finish(lambda done: None)
    assert found.done == 3
    assert len(set(compiled)) >= 2  # at most one is left to whoever asks for it


def test_names_of_kernels_lead_back_to_them():
    kernels = [*of_class(Linear, Linear.operations, "float32"), *of_class(Adam, [Adam.step], "float64")]
    assert kernels[0] == Kernel("modnet.modules.linear", "Linear", "forward", "float32")
    assert [kernel.cached().name for kernel in kernels] == [
        "Linear.forward", "Linear.backward_update_gradient", "Linear.backward_delta", "Adam.step"
    ]  # fmt: skip
    assert [kernel.cached().name for kernel in of_functions([walk_epoch, shuffle], "float32")] == ["walk_epoch", "shuffle"]
    assert kernels[0].cached().path() == Linear.forward.cached(Linear, np.dtype("float32")).path()


def test_a_class_of_a_users_own_is_compiled_here():
    class Linear(Module):  # of the same name
        pass

    assert of_class(Linear, Sequential.operations, "float32") == []


FIT = """
import numpy as np
from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.kernels.cache import KernelCache, cache_folder
from modnet.optim import SGD
net = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
X = np.arange(12.0).reshape(6, 2) / 12
fit(net, X, X[:, :1], loss=MSE(), optimizer=SGD(0.1), epochs=3, batch_size=3, rng=0, progress=False)
made = [*cache_folder().glob("*.kernel")]
print(KernelCache.compiled, len(made), net.parameters.tolist())
"""


@pytest.mark.skipif(CORES < 2, reason="one core is all there is")
def test_two_processes_compile_what_one_does(tmp_path):
    first = run_script(FIT, MODNET_CACHE_DIR=str(tmp_path), MODNET_MACHINE_CODE="0").split(maxsplit=2)
    again = run_script(FIT, MODNET_CACHE_DIR=str(tmp_path), MODNET_MACHINE_CODE="0").split(maxsplit=2)
    assert int(first[0]) < int(first[1])
    assert int(again[0]) == 0
    assert again[2] == first[2]


def test_few_kernels_and_processes_that_are_not_alone_begin_no_other(monkeypatch):
    kernels = [Kernel("modnet.modules.linear", "Linear", "forward", dtype) for dtype in ("float32", "float64")]
    monkeypatch.setattr(ahead.shipped, "is_here", lambda kept: False)
    monkeypatch.setattr(ahead, "_here", set())
    assert ahead.begin(kernels) is None
    kernels += of_functions([walk_epoch], "float32")
    monkeypatch.setattr(ahead.sys, "executable", "/usr/sbin/httpd")  # to call it would start another server
    assert ahead.begin(kernels) is None
    monkeypatch.undo()
    monkeypatch.setattr(ahead.shipped, "is_here", lambda kept: False)
    monkeypatch.setattr(ahead, "_here", set())
    monkeypatch.setattr("multiprocessing.process.parent_process", lambda: object())
    assert ahead.begin(kernels) is None
    assert ahead.begun() is None
