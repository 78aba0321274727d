"""Machine code that comes with an installation: it serves without numba, and never in the place of other code."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import modnet
from modnet import BatchNorm, Linear, Tanh
from modnet.kernels.target import levels

pytestmark = [
    pytest.mark.needs_jit,
    pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="machine code is built elsewhere"),
    pytest.mark.skipif(not levels(), reason="this processor has no level"),
]

PACKAGE = Path(modnet.__file__).parent
BUILDER = PACKAGE.parent / ".ci" / "machine_code.py"

WORK = """
import json, sys
import numpy as np
from modnet import BatchNorm, Linear, Tanh
{between}
x = np.linspace(-2, 2, 24).reshape(4, 6)
found = {{}}
for dtype in ("float32", "float64"):
    layers = Linear(6, 3, rng=0).astype(dtype), BatchNorm(6).astype(dtype), Tanh()
    found[dtype] = [layer.forward(x.astype(dtype)).tolist() for layer in layers]
from modnet.kernels import shipped
bundle = shipped.bundle()
print(json.dumps([found, "numba" in sys.modules, bundle and [bundle.level, bundle.used], shipped.why_not()]))
"""

TANH = """
import json, sys
from modnet import Tanh
{between}
out = Tanh().forward([[0.5]]).item()
from modnet.kernels import shipped
bundle = shipped.bundle()
print(json.dumps([out, bundle is None or bundle.used < 2, shipped.why_not()]))  # the entries from Python, and the kernel
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library with machine code of a few kernels: one that calls BLAS, one that takes memory, one that does neither."""
    root = tmp_path_factory.mktemp("installed")
    shutil.copytree(PACKAGE, root / "modnet", ignore=shutil.ignore_patterns("__pycache__", "_data", "_machine"))
    only = ["Linear.forward", "BatchNorm.forward", "Tanh.forward"]
    subprocess.run([sys.executable, BUILDER, root / "modnet/_machine", "--only", *only], check=True, timeout=300)
    return root


@pytest.fixture
def installed(built, tmp_path):
    return Path(shutil.copytree(built / "modnet", tmp_path / "site" / "modnet")).parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(code, root, cache, between="", **environment):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.format(between=between)], capture_output=True, text=True, timeout=240,
        env={**variables, "PYTHONPATH": str(root), "MODNET_CACHE_DIR": str(cache), **environment}, check=False, cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def edited(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(("processor", "level"), [("", levels()[0] if levels() else ""), ("haswell", "x86-64-v3")])
def test_it_runs_without_numba_and_gives_what_compiled_kernels_give(built, tmp_path, processor, level):
    found, has_numba, served, why = run(WORK, built, tmp_path / "none", NUMBA_CPU_NAME=processor)
    assert (has_numba, served, why) == (False, [level, 7], "")  # three kernels of two types each, and the entries from Python
    assert not (tmp_path / "none").exists()
    for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-14)):
        x = np.linspace(-2, 2, 24).reshape(4, 6).astype(dtype)
        layers = Linear(6, 3, rng=0).astype(dtype), BatchNorm(6).astype(dtype), Tanh()
        for layer, out in zip(layers, found[dtype]):
            np.testing.assert_allclose(out, layer.forward(x), rtol=tolerance, atol=tolerance)


def test_code_of_an_edited_source_is_not_run(installed, cache):
    assert run(TANH, installed, cache)[:2] == [np.tanh(0.5), False]
    path = installed / "modnet/modules/activations.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source + "\n# another line\n", encoding="utf-8")
    assert run(TANH, installed, cache)[:2] == [np.tanh(0.5), True]
    path.write_text(source, encoding="utf-8")
    assert run(TANH, installed, cache)[:2] == [np.tanh(0.5), False]  # as it was: the code is that of these sources
    helper = installed / "modnet/kernels/loops.py"
    helper.write_text(helper.read_text(encoding="utf-8") + "\n# another line\n", encoding="utf-8")
    assert run(TANH, installed, cache)[:2] == [np.tanh(0.5), True]


def test_code_of_another_formula_is_not_run(installed, cache):
    between = """
class Other(Tanh):
    @staticmethod
    def f(x, c):
        return x + x
Tanh.f = Other.f
"""
    assert run(TANH, installed, cache, between)[:2] == [1.0, True]


def test_a_file_that_changes_after_it_was_imported_has_no_certain_source(installed, cache):
    touch = f"import pathlib; pathlib.Path({str(installed / 'modnet/modules/activations.py')!r}).touch()"
    assert run(TANH, installed, cache, touch)[:2] == [np.tanh(0.5), True]


def level_of(installed):
    return levels()[0], installed / "modnet/_machine"


def with_index(change):
    def damage(folder, level):
        index = json.loads((folder / f"{level}.json").read_text())
        change(index)
        (folder / f"{level}.json").write_text(json.dumps(index))

    return damage


def _cut(folder, level):
    (folder / f"{level}.json").write_text("{")


def _flipped(folder, level):
    file = folder / f"{level}.float64.xz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def _calls_what_nobody_has(index):
    for found in index["objects"].values():
        found[5].append("no_such_function_anywhere")


DAMAGE = {
    "flipped": (_flipped, ""),
    "cut": (_cut, "its index cannot be read"),
    "calls what nobody has": (with_index(_calls_what_nobody_has), ""),
    "of another numba": (with_index(lambda index: index["made_for"].update(numba="0.1")), "it was made for numba 0.1"),
    "of another system": (
        with_index(lambda index: index["made_for"].update(triple="arm64-apple-darwin")), "it was made for triple arm64-apple-darwin"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "why"), DAMAGE.values(), ids=DAMAGE)
def test_where_it_cannot_serve_kernels_are_compiled(installed, cache, damage, why):
    level, folder = level_of(installed)
    damage(folder, level)
    out, has_numba, told = run(TANH, installed, cache)
    assert (out, has_numba) == (np.tanh(0.5), True)
    assert told.startswith(why)
    assert bool(told) == bool(why)


ELSEWHERE = {
    "Apple's processors": ("import platform; platform.machine = lambda: 'arm64'", "it is for other processors"),
    "a processor without AVX2": (
        "from modnet.kernels import target; target._HAS = dict.fromkeys(target._HAS, ('no such feature',))",
        "it is for other processors",
    ),
    "Windows": (
        "from modnet.kernels import shipped; import llvmlite.binding as llvm; triple = llvm.get_process_triple; "
        "llvm.get_process_triple = lambda: 'other'; shipped.bundle(); llvm.get_process_triple = triple",
        "it was made for triple x86_64",
    ),
    "another llvmlite": ("import llvmlite; llvmlite.__version__ = '99.0.0'", "it was made for llvmlite 0."),
}  # fmt: skip


@pytest.mark.parametrize(("between", "why"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_elsewhere_kernels_are_compiled_as_without_it(installed, cache, between, why):
    out, is_compiled, told = run(TANH, installed, cache, between)
    assert (out, is_compiled) == (np.tanh(0.5), True)
    assert told.startswith(why)


@pytest.mark.parametrize("setting", [{"NUMBA_BOUNDSCHECK": "1"}, {"MODNET_MACHINE_CODE": "0"}, {"NUMBA_CPU_NAME": "generic"}])
def test_settings_that_ask_for_other_code_are_heard(installed, cache, setting):
    out, has_numba, why = run(TANH, installed, cache, **setting)
    assert (out, has_numba) == (pytest.approx(np.tanh(0.5), rel=1e-15), True)
    assert why


def test_a_kernel_of_ones_own_is_compiled_and_walks_beside_those_that_came(installed, cache, tmp_path):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "mine.py"], capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "PYTHONPATH": str(installed), "MODNET_CACHE_DIR": str(cache)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


MINE = """
import numpy as np
from modnet import Sequential, Tanh
from modnet.module import Module, operation

class Twice(Module):
    @operation
    def forward(x, out):
        if x.size > 10:
            raise ValueError("too large")
        for j in range(x.shape[1]):
            out[0, j] = x[0, j] + x[0, j]

    @operation
    def backward_delta(delta, dx):
        for j in range(dx.shape[1]):
            dx[0, j] = delta[0, j] + delta[0, j]

assert Tanh().forward([[0.5]]) == np.tanh(0.5)
print(Sequential(Twice(), Tanh(), Twice()).forward([[np.arctanh(0.5) / 2]]).item())
try:
    Twice().forward(np.ones((1, 11)))
except ValueError as error:
    assert str(error) == "too large"
else:
    raise SystemExit("no error")
"""


def test_the_index_and_the_code_are_small_and_name_no_place_of_the_builder(built):
    for file in (built / "modnet/_machine").iterdir():
        assert str(PACKAGE.parent).encode() not in file.read_bytes()
    names = {file.name.partition(".")[0] for file in (built / "modnet/_machine").iterdir()}
    assert names == {"x86-64-v3", "x86-64-v4"}
    for level in names:
        index = json.loads((built / f"modnet/_machine/{level}.json").read_text())
        for stream, digest in index["streams"].items():
            content = (built / f"modnet/_machine/{level}.{stream}.xz").read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest
