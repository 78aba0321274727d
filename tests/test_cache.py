"""The folder of compiled kernels: found again, never stale, and never in the way.

Compilations are counted by numba's own events, not timed. Scripts run in processes of their own where the state of one matters.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numba.core import config, event

import modnet
from modnet import MSE, Linear, ReLU, Sequential, Sigmoid, Tanh, fit, kernels, predict
from modnet.optim import SGD

pytestmark = pytest.mark.needs_jit

PACKAGE = Path(modnet.__file__).parent

COUNT = """
import json, os, sys
from numba.core import event

compiled = event.RecordingListener()
event.register("numba:compile", compiled)

def report(**figures):
    print(json.dumps({"compiled": sum(e.is_start for _, e in compiled.buffer), **figures}))
"""

WORK = COUNT + """
import numpy as np
from modnet import Linear, ReLU, Tanh
out = Tanh().forward(ReLU().forward(Linear(2, 3, rng=0).forward([[1.0, 2.0]])))
report(out=out.tolist())
"""

#: Makes a process fail to write under a folder, whoever it runs as. Permissions would not stop root.
READ_ONLY = """
import errno, os, sys

def refuse(event, arguments, folder={folder!r}):
    if event == "open":
        path, _, flags = arguments
        writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        path = arguments[0] if arguments else None
        writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime")
    if writes and isinstance(path, (str, bytes, os.PathLike)) and os.path.abspath(os.fsdecode(path)).startswith(folder):
        raise OSError(errno.EROFS, "Read-only file system", os.fsdecode(path))

sys.addaudithook(refuse)
"""  # fmt: skip


def start(code, root=PACKAGE.parent, **environment):
    """Run a script by itself; a variable that is None is unset."""
    variables = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=root, env={name: value for name, value in variables.items() if value is not None},
    )  # fmt: skip


def finish(process):
    """The lines it reports, from JSON; all of them must have come, and nothing else."""
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def run(code, root=PACKAGE.parent, **environment):
    (found,) = finish(start(code, root, **environment))
    return found


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(content):
    """Whether a kernel's file is complete: its hash stands before it."""
    return len(content) > 32 and content[:32] == hashlib.sha256(content[32:]).digest()


def expected():
    layer = Linear(2, 3, rng=0)
    return np.tanh(np.maximum(np.array([[1.0, 2.0]]) @ layer.weight + layer.bias, 0))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder that three processes have filled at once, from nothing."""
    folder = tmp_path_factory.mktemp("cache")
    processes = [start(WORK, MODNET_CACHE_DIR=str(folder)) for _ in range(3)]
    results = [finish(process) for process in processes]
    return folder, results


@pytest.fixture
def copied(filled, tmp_path):
    return Path(shutil.copytree(filled[0], tmp_path / "cache"))


# Filling and finding


def test_processes_that_fill_a_folder_at_once_all_succeed_and_leave_whole_files(filled):
    folder, results = filled
    for (result,) in results:
        assert result["out"] == pytest.approx(expected(), rel=1e-12)
    assert max(result["compiled"] for (result,) in results) > 0
    found = files(folder)
    assert len(found) == 4  # three kernels, and the entry of their kind
    assert {path.suffix for path in found} == {".kernel"}
    assert all(whole(content) for content in found.values())


def test_a_filled_folder_spares_all_compilation(filled):
    folder, _ = filled
    before = files(folder)
    assert run(WORK, MODNET_CACHE_DIR=str(folder)) == {"compiled": 0, "out": [pytest.approx(expected()[0], rel=1e-12)]}
    assert files(folder) == before


def test_damaged_files_are_replaced(copied):
    found = sorted(copied.rglob("*.kernel"))
    for i, path in enumerate(found):
        content = path.read_bytes()
        flipped = bytes([content[100] ^ 1])
        path.write_bytes([content[: len(content) // 2], b"", content[:100] + flipped + content[101:]][i % 3])
    assert len(found) == 4
    result = run(WORK, MODNET_CACHE_DIR=str(copied))
    assert result["compiled"] > 0
    assert result["out"] == pytest.approx(expected(), rel=1e-12)
    assert sorted(files(copied)) == [path.relative_to(copied) for path in found]
    assert all(whole(content) for content in files(copied).values())


#: The same, and one kernel more.
MORE = WORK + """
from modnet import Sigmoid
assert Sigmoid().forward([[0.0]]) == 0.5
report()
"""


def test_a_read_only_folder_is_read_and_left_as_it_is(copied):
    before = files(copied)
    for path in copied.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        result, more = finish(start(READ_ONLY.format(folder=str(copied)) + MORE, MODNET_CACHE_DIR=str(copied)))
    finally:
        for path in [copied, *copied.rglob("*")]:
            path.chmod(0o755)
    assert result == {"compiled": 0, "out": [pytest.approx(expected()[0], rel=1e-12)]}
    assert more["compiled"] > 0  # what the folder has not is compiled, and not kept
    assert files(copied) == before


def test_all_works_where_nothing_can_be_written_and_there_is_no_home(tmp_path):
    code = READ_ONLY.format(folder="/") + WORK + """
from modnet import kernels
first = kernels.cache_folder()
kernels._folder.clear()
os.environ["MODNET_CACHE_DIR"] = "/none/such"
report(folders=[first, kernels.cache_folder()])
"""
    unset = dict.fromkeys(("HOME", "MODNET_CACHE_DIR", "TMPDIR", "TEMP", "TMP"))
    result, folders = finish(start(code, XDG_CACHE_HOME=str(tmp_path / "cache"), **unset))
    assert result["out"] == pytest.approx(expected(), rel=1e-12)
    assert result["compiled"] > 0
    assert folders["folders"] == [None, None]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def unknown(monkeypatch):
    """The state before the first kernel: where the folder lies is not known yet."""
    for name in ("MODNET_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kernels, "_folder", [])
    return monkeypatch


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have other places for caches")
@pytest.mark.parametrize(
    ("home", "cache", "place"),
    [("/home/ada", "/fast/cache", "/fast/cache/modnet"), ("/home/ada", None, "/home/ada/.cache/modnet"), ("~", None, None),
     ("/home/ada", "relative", None)],
)  # fmt: skip
def test_the_folder_is_never_relative_to_where_a_program_runs(unknown, home, cache, place):
    # Without HOME and without an entry for the user, expanduser answers "~".
    unknown.setattr(os.path, "expanduser", lambda path: path.replace("~", home))
    if cache:
        unknown.setenv("XDG_CACHE_HOME", cache)
    candidates = kernels._candidates()
    assert all(path.is_absolute() for path in candidates)
    assert [str(path) for path in candidates[:-1]] == [place] * (place is not None)


def test_a_folder_asked_for_stays_where_it_was_when_the_program_moves(unknown, tmp_path):
    unknown.chdir(tmp_path)
    unknown.setenv("MODNET_CACHE_DIR", "here")
    assert kernels._candidates() == [tmp_path / "here"]


def test_a_folder_asked_for_serves_others_too(unknown, tmp_path):
    unknown.setenv("MODNET_CACHE_DIR", str(tmp_path / "shared"))
    before = os.umask(0o022)
    try:
        folder = kernels.cache_folder()
        unknown.setattr(kernels, "_folder", [folder])
        compiled_anew(lambda x, out, params, state, sizes, hyper: None)
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "shared", folder, file)] == [0o755, 0o755, 0o644]


def test_the_users_own_folder_is_closed_to_others(unknown, tmp_path):
    unknown.setenv("XDG_CACHE_HOME", str(tmp_path))
    unknown.setattr(os.path, "expanduser", lambda path: path.replace("~", str(tmp_path)))
    if sys.platform == "darwin":
        pytest.skip("macOS has another place for caches")
    assert kernels.cache_folder().parent == tmp_path / "modnet"
    assert (tmp_path / "modnet").stat().st_mode & 0o777 == 0o700


def test_folders_unused_for_a_month_are_removed(unknown, tmp_path):
    unknown.setenv("MODNET_CACHE_DIR", str(tmp_path))
    current = kernels.cache_folder()
    month = time.time() - 31 * 86400
    folders = [current, tmp_path / "old-py311-numba0.1-x", tmp_path / "new-py311-numba0.2-x", tmp_path / "not ours"]
    for folder in folders:
        folder.mkdir()
        (folder / "a.kernel").write_bytes(b"a")
        (folder / "b.part").write_bytes(b"b")
    for folder in (folders[0], folders[1], folders[3]):
        os.utime(folder, (month, month))
    unknown.setattr(kernels, "_folder", [])
    assert kernels.cache_folder() == current
    assert {path.name for path in tmp_path.iterdir()} == {current.name, "new-py311-numba0.2-x", "not ours"}
    assert current.stat().st_mtime > month + 86400  # its use counts


def compiled_anew(function):
    """Compile a kernel that no folder has."""
    found = kernels.kernel("forward")(function)
    found.compile(np.float64)
    return found


def test_a_full_disk_leaves_no_piece_of_a_file(monkeypatch, tmp_path):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernels, "_folder", [tmp_path / "folder"])
    monkeypatch.setattr(os, "replace", full)
    compiled_anew(lambda x, out, params, state, sizes, hyper: None)
    assert list((tmp_path / "folder").iterdir()) == []


# What code is kept for


def test_the_key_changes_with_every_source_file_of_the_library(monkeypatch, tmp_path):
    copy = shutil.copytree(PACKAGE, tmp_path / "modnet", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kernels, "__file__", str(copy / "kernels.py"))
    key = kernels.library_key()
    sources = sorted(copy.rglob("*.py"))
    assert len(sources) > 20
    keys = [key]
    for path in sources:
        text = path.read_bytes()
        path.write_bytes(text + b"#\n")
        keys.append(kernels.library_key())
        path.write_bytes(text)
    assert len(set(keys)) == len(keys)
    assert kernels.library_key() == key


def test_an_edit_in_a_helper_reaches_the_library_kernels_that_call_it(tmp_path):
    copy = shutil.copytree(PACKAGE, tmp_path / "modnet", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "caller.py").write_text("""
from modnet.helper import factor
from modnet.kernels import kernel
from modnet.modules.activations import Activation

@kernel("forward")
def scaled(x, out, params, state, sizes, hyper):
    out[0, 0] = x[0, 0] * factor(x[0, 0])

class Scaled(Activation):
    forward_kernel = backward_kernel = scaled
""", encoding="utf-8")  # fmt: skip
    code = COUNT + "from modnet.caller import Scaled\nreport(out=Scaled().forward([[1.0]]).item())"
    found = []
    for factor in (2, 3):
        (copy / "helper.py").write_text(
            f"from modnet.kernels import inline\n\n@inline\ndef factor(x):\n    return {factor}.0\n", encoding="utf-8"
        )
        found.append(run(code, root=tmp_path, MODNET_CACHE_DIR=str(tmp_path / "cache")))
    assert [result["out"] for result in found] == [2.0, 3.0]
    assert found[1]["compiled"] > 0


@pytest.mark.parametrize(("name", "value"), [("BOUNDSCHECK", 1), ("OPT", 0), ("CPU_NAME", "generic")])
def test_code_made_under_other_settings_lies_apart(unknown, tmp_path, name, value):
    unknown.setenv("MODNET_CACHE_DIR", str(tmp_path))
    unknown.setattr(config, "BOUNDSCHECK", None)  # as it is unless the suite runs with it
    usual = kernels.cache_folder()
    unknown.setattr(kernels, "_folder", [])
    unknown.setattr(config, name, value)
    assert kernels.cache_folder() != usual


USER = """
from constants import SCALE
from helper import shift
from modnet.kernels import kernel
from modnet.modules.activations import Activation, elementwise

@kernel("forward")
def scaled(x, out, params, state, sizes, hyper):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = {factor} * SCALE * shift(x[i, j])

class Scaled(Activation):
    forward_kernel = backward_kernel = scaled

square = elementwise(lambda x, zero, one, a, b: x * x, lambda x, out, zero, one, a, b: x)
shifted = elementwise(lambda x, zero, one, a, b: shift(x), lambda x, out, zero, one, a, b: x)

class Square(Activation):
    forward_kernel, backward_kernel = square

class Shifted(Activation):
    forward_kernel, backward_kernel = shifted
"""

HELPER = """
from modnet.kernels import inline

@inline
def shift(x):
    return x + {shift}
"""

USE = COUNT + """
sys.path.insert(0, "FOLDER")
from users import Scaled, Shifted, Square
BETWEEN
report(out=[kind().forward([[3.0]]).item() for kind in (Scaled, Square, Shifted)])
"""


def test_kernels_of_a_users_own_follow_the_files_they_are_made_of(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()

    def write(factor=2, shift=1, scale=1):
        (folder / "users.py").write_text(USER.format(factor=factor), encoding="utf-8")
        (folder / "helper.py").write_text(HELPER.format(shift=shift), encoding="utf-8")
        (folder / "constants.py").write_text(f"SCALE = {scale}", encoding="utf-8")

    def use(between=""):
        code = USE.replace("FOLDER", folder.as_posix()).replace("BETWEEN", between)
        found = run(code, MODNET_CACHE_DIR=str(tmp_path / "cache"))
        return found["out"], found["compiled"] > 0

    write()
    # The file changes after the import: what was imported must not be kept for what the file says now.
    edit = f"import pathlib; pathlib.Path({str(folder / 'users.py')!r}).write_text({USER.format(factor=5)!r})"
    assert use(edit) == ([8.0, 9.0, 4.0], True)
    assert use() == ([20.0, 9.0, 4.0], True)
    assert use() == ([20.0, 9.0, 4.0], False)
    write(factor=5, shift=2)
    assert use() == ([25.0, 9.0, 5.0], True)
    write(factor=5, shift=2, scale=10)
    assert use() == ([250.0, 9.0, 5.0], True)


# What is not compiled


def test_nothing_is_compiled_at_import(tmp_path):
    code = COUNT + """
import importlib, pkgutil
import modnet
from modnet.kernels import Compiled

for module in pkgutil.walk_packages(modnet.__path__, "modnet."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
found = {
    id(value): value for name, module in list(sys.modules.items()) if name.split(".")[0] == "modnet"
    for value in vars(module).values() if isinstance(value, Compiled)
}
report(kernels=len(found), overloads=sum(len(value.dispatcher.overloads) for value in found.values()))
"""
    result = run(code, MODNET_CACHE_DIR=str(tmp_path / "cache"))
    assert result["compiled"] == result["overloads"] == 0
    assert result["kernels"] > 20
    assert not (tmp_path / "cache").exists()


def train(*sizes, batch_size):
    modules = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        modules += [Linear(n, m, rng=i), (Tanh, ReLU, Sigmoid)[i % 3]()]
    net = Sequential(*modules)
    X = np.random.default_rng(0).random((20, sizes[0]))
    fit(net, X, X[:, : sizes[-1]], loss=MSE(), optimizer=SGD(0.1), epochs=2, batch_size=batch_size, validation=0.2, rng=0)
    net.backward(X, predict(net, X))
    return net


def test_a_new_architecture_compiles_nothing():
    train(2, 3, 4, 1, batch_size=5)
    loads = sum(sum(walk.dispatcher.stats.cache_hits.values()) for walk in walks())
    compiled = event.RecordingListener()
    event.register("numba:compile", compiled)
    try:
        train(7, 5, 30, 2, 6, 1, batch_size=3)
        train(3, 64, 2, batch_size=None)
    finally:
        event.unregister("numba:compile", compiled)
    assert compiled.buffer == []
    assert sum(sum(walk.dispatcher.stats.cache_hits.values()) for walk in walks()) == loads
    assert [len(walk.dispatcher.overloads) for walk in walks()] == [len(walk.dispatcher.signatures) for walk in walks()]


def walks():
    from modnet import table

    return [table.walk_forward, table.walk_backward, table.walk_epoch, table.walk_costs]
