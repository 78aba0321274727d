"""The folder of compiled kernels: found again, never stale, never somebody else's, and never in the way.

Compilations are counted by numba's own events, not timed. Scripts run in processes of their own where the state of one matters.
"""

import compileall
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
from helpers import run_script
from numba.core import config, event

import modnet
from modnet import MSE, Linear, ReLU, Sequential, Sigmoid, Tanh, fit, predict
from modnet.engine import walk
from modnet.kernels import cache, keys
from modnet.kernels.compiled import Compiled
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

#: What it leaves in the folder.
FILES = ["Linear.forward", "ReLU.forward", "Tanh.forward"]

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
        cwd=tempfile.gettempdir(), env={name: value for name, value in variables.items() if value is not None},
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
    """Whether a kernel's file is complete: its hash is in front of it."""
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
    assert sorted(path.name.rpartition("-")[0] for path in found if path.suffix != ".entry") == FILES
    assert {path.suffix for path in found} == {".kernel", ".entry"}
    assert all(whole(content) for content in found.values())


def test_a_filled_folder_spares_all_compilation(filled):
    folder, _ = filled
    before = files(folder)
    assert run(WORK, MODNET_CACHE_DIR=str(folder)) == {"compiled": 0, "out": [pytest.approx(expected()[0], rel=1e-12)]}
    assert files(folder) == before


#: A kernel that takes memory, one with a bool for a result and walks; then whether numba was imported for them.
WITHOUT_NUMBA = """
import json, sys
import numpy as np
from modnet import MSE, BatchNorm, Linear, Sequential, fit
from modnet.optim import SGD
net = Sequential(Linear(2, 3, rng=0), BatchNorm(3), Linear(3, 1, rng=1))
X = np.arange(12.0).reshape(6, 2) / 12
fit(net, X, X[:, :1], loss=MSE(), optimizer=SGD(0.1), epochs=3, batch_size=3, rng=0, progress=False)
out = net.forward(X)
net.backward(X, out)
print(json.dumps([out.tolist(), net.gradient.tolist(), "numba" in sys.modules]))
"""


def test_numba_is_imported_only_where_a_kernel_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)  # with it code raises Python's errors, and is kept in numba's form
    chosen = {"MODNET_CACHE_DIR": str(tmp_path), "MODNET_MACHINE_CODE": "0"}
    first, again = (run(WITHOUT_NUMBA, **chosen) for _ in range(2))
    assert (first[2], again[2]) == (True, False)
    assert again[:2] == first[:2]
    next(tmp_path.rglob("BatchNorm.forward*.kernel")).unlink()
    assert run(WITHOUT_NUMBA, **chosen) == first


def test_the_way_of_compiling_is_part_of_every_key():
    assert "modnet.kernels.compiling" in keys.kernels()[1]


def test_where_objects_are_not_understood_numba_keeps_and_loads_them(tmp_path):
    other_system = "from modnet.kernels import objects\nobjects.undefined = lambda code: None\n"
    first, again = (run(other_system + WORK, MODNET_CACHE_DIR=str(tmp_path), MODNET_MACHINE_CODE="0") for _ in range(2))
    assert first["compiled"] > again["compiled"] == 0
    assert again["out"] == first["out"] == [pytest.approx(expected()[0], rel=1e-12)]
    assert all(path.read_bytes()[32:33] == b"\n" for path in tmp_path.rglob("*.forward-*.kernel"))


PRINTS = COUNT + """
sys.path.insert(0, "FOLDER")
from prints import Loud
report(out=Loud().forward([[3.0]]).item())
"""

LOUD = """
from modnet.module import Module, operation

class Loud(Module):
    @operation
    def forward(x, out):
        print("hello")
        out[0, 0] = x[0, 0]
"""


def test_a_kernel_that_calls_python_is_kept_as_numba_keeps_it(tmp_path):
    (tmp_path / "prints.py").write_text(LOUD, encoding="utf-8")
    for _ in range(2):
        process = start(PRINTS.replace("FOLDER", tmp_path.as_posix()), MODNET_CACHE_DIR=str(tmp_path / "cache"))
        out, err = process.communicate(timeout=240)
        assert (process.returncode, out.splitlines()[0]) == (0, "hello"), err
    assert json.loads(out.splitlines()[1]) == {"compiled": 0, "out": 3.0}


def test_damaged_files_are_replaced(copied):
    found = sorted(path for path in copied.rglob("*") if path.is_file())
    for i, path in enumerate(found):
        content = path.read_bytes()
        flipped = bytes([content[100] ^ 1])
        path.write_bytes([content[: len(content) // 2], b"", content[:100] + flipped + content[101:]][i % 3])
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


@pytest.mark.parametrize("chosen", [None, "~no-such-user/cache"])
def test_all_works_where_nothing_can_be_written_and_there_is_no_home(tmp_path, chosen):
    code = READ_ONLY.format(folder="/") + WORK + """
from modnet.kernels import cache, keys
report(folder=cache.cache_folder())
"""
    unset = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"))
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "MODNET_CACHE_DIR": chosen, **unset}
    result, folder = finish(start(code, **environment))
    assert result["out"] == pytest.approx(expected(), rel=1e-12)
    assert result["compiled"] > 0
    assert folder["folder"] is None
    assert list(tmp_path.iterdir()) == []


# Where the folder is


@pytest.fixture
def unknown(monkeypatch, tmp_path):
    """A process in which nobody has asked for the folder yet, with a home and a folder for temporary files."""
    for name in ("MODNET_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", str(tmp_path / "home")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("home", "temporary", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return monkeypatch


def fresh():
    """The cache as a new process has it."""
    spec = importlib.util.spec_from_file_location("modnet.kernels.cache_again", cache.__file__)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def compiled(by, add=1):
    """Compile a function, or load it, and say how often it was loaded."""

    def plus(x):
        return x + add

    kept = by.KernelCache(plus)
    loaded = made = kept.load_numbas()
    if made is None:
        function = numba.njit(plus)
        function.compile((numba.types.float64,))
        (made,) = function.overloads.values()
        kept.save_numbas(made)
    assert made.entry_point(2.0) == 2 + add
    return int(loaded is not None)


TEMPORARY = f"temporary/modnet-{os.getuid() if hasattr(os, 'getuid') else ''}"
linux = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have other places for caches")


@linux
@pytest.mark.parametrize(
    ("variable", "place"),
    [(None, "home/.cache/modnet"), ("{}/fast", "fast/modnet"), ("relative", TEMPORARY)],
)
def test_by_default_it_is_in_the_users_cache_and_never_relative_to_where_a_program_runs(unknown, tmp_path, variable, place):
    if variable:
        unknown.setenv("XDG_CACHE_HOME", variable.format(tmp_path))
    assert fresh().cache_folder().parent == tmp_path / place
    assert list((tmp_path / "here").iterdir()) == []


@linux
def test_a_user_without_a_home_has_it_among_temporary_files(unknown, tmp_path):
    # Without HOME and without an entry for the user, expanduser answers "~".
    unknown.setattr(os.path, "expanduser", lambda path: path)
    assert fresh().cache_folder().parent == tmp_path / TEMPORARY
    unknown.setenv("MODNET_CACHE_DIR", "~/cache")
    assert fresh().cache_folder() is None
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(("chosen", "place"), [("kernels", "here/kernels"), ("~/kernels", "home/kernels"), ("~", "home")])
def test_a_folder_asked_for_is_where_it_says_and_stays_there_when_the_program_moves(unknown, tmp_path, chosen, place):
    unknown.setenv("MODNET_CACHE_DIR", chosen)
    by = fresh()
    folder = by.cache_folder()
    assert folder.parent == tmp_path / place
    unknown.chdir(tmp_path)
    compiled(by)
    assert by.cache_folder() == folder
    assert len(list(folder.iterdir())) == 1


def test_a_folder_asked_for_serves_others_too(unknown, tmp_path):
    unknown.setenv("MODNET_CACHE_DIR", str(tmp_path / "shared"))
    before = os.umask(0o022)
    try:
        by = fresh()
        compiled(by)
    finally:
        os.umask(before)
    (file,) = by.cache_folder().iterdir()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "shared", file.parent, file)] == [0o755, 0o755, 0o644]


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_the_users_own_folder_is_closed_to_others(unknown):
    before = os.umask(0o002)
    try:
        by = fresh()
        compiled(by)
    finally:
        os.umask(before)
    (file,) = by.cache_folder().iterdir()
    assert [path.stat().st_mode & 0o777 for path in (file.parent.parent, file.parent, file)] == [0o700, 0o700, 0o600]


def linked(path):
    """Put a link in the place of a file or folder."""
    real = path.with_name(path.name + " itself")
    path.rename(real)
    path.symlink_to(real)


def given_away(path):
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, -1)


TOUCHED = {
    "its group may write": lambda path: path.chmod(path.stat().st_mode | 0o020),
    "everybody may write": lambda path: path.chmod(path.stat().st_mode | 0o002),
    "a link": linked,
    "somebody else's": given_away,
}


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
@pytest.mark.parametrize("touch", TOUCHED.values(), ids=TOUCHED)
@pytest.mark.parametrize("what", ["folder", "folder of the version", "file"])
@pytest.mark.parametrize("chosen", [False, True])
def test_what_others_may_have_written_is_read_only_from_a_folder_that_was_chosen(unknown, tmp_path, what, touch, chosen):
    if chosen:
        unknown.setenv("MODNET_CACHE_DIR", str(tmp_path / "shared"))
    by = fresh()
    assert [compiled(by), compiled(by), compiled(fresh())] == [0, 1, 1]
    (file,) = by.cache_folder().iterdir()
    touch({"folder": file.parent.parent, "folder of the version": file.parent, "file": file}[what])
    assert compiled(fresh()) == chosen
    if not chosen and what == "folder":
        assert fresh().cache_folder().parent.parent == tmp_path / "temporary"


def test_folders_unused_for_a_month_are_removed(unknown, tmp_path):
    unknown.setenv("MODNET_CACHE_DIR", str(tmp_path))
    current = fresh().cache_folder()
    month = time.time() - 31 * 86400
    folders = [current, tmp_path / "old-py311-numba0.1-x", tmp_path / "new-py311-numba0.2-x", tmp_path / "not ours"]
    for folder in folders:
        folder.mkdir()
        (folder / "a.kernel").write_bytes(b"a")
        (folder / "b.part").write_bytes(b"b")
    for folder in (folders[0], folders[1], folders[3]):
        os.utime(folder, (month, month))
    assert fresh().cache_folder() == current
    assert {path.name for path in tmp_path.iterdir()} == {
        current.name, "new-py311-numba0.2-x", "not ours", "home", "temporary", "here"
    }  # fmt: skip
    assert current.stat().st_mtime > month + 86400  # its use counts


def test_a_full_disk_leaves_no_piece_of_a_file(unknown):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    by = fresh()
    unknown.setattr(os, "replace", full)
    assert [compiled(by), compiled(by)] == [0, 0]
    assert list(by.cache_folder().iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [("BOUNDSCHECK", 1), ("OPT", 0), ("CPU_NAME", "generic")])
def test_code_made_under_other_settings_lies_apart(unknown, name, value):
    unknown.setattr(config, "BOUNDSCHECK", None)  # as it is unless the suite runs with it
    usual = fresh().cache_folder()
    unknown.setattr(config, name, value)
    assert fresh().cache_folder() != usual


# What code is kept for


@pytest.fixture
def library(tmp_path):
    """A copy of the library, to be edited."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "modnet", ignore=shutil.ignore_patterns("__pycache__", "_data")))


def edited(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_only_what_kernels_are_made_of_is_in_their_key(filled, library, tmp_path):
    folder = shutil.copytree(filled[0], tmp_path / "cache")

    def compiles():
        return run(WORK, root=tmp_path, MODNET_CACHE_DIR=str(folder))["compiled"]

    assert compiles() == 0  # wherever it is installed
    for name in ("plotting/curves.py", "module.py", "engine/storage.py", "training/fit.py", "modules/conv.py"):
        path = library / name
        path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert compiles() == 0
    activations = library / "modules/activations.py"
    activations.write_text(activations.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert compiles() == 0  # the operations in it are what they were
    path = library / "kernels/loops.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert compiles() > 0


CALLER = """
from modnet.helper import FACTOR, factor
from modnet.module import Module, operation

class Scaled(Module):
    @operation
    def forward(x, out):
        out[0, 0] = x[0, 0] * factor(x[0, 0]) * FACTOR

    @operation
    def backward_delta(delta, dx):
        # out = x * constants
        dx[:, :] = delta
"""

HELP = """
from modnet.kernels import inline

FACTOR = {constant}

@inline
def factor(x):
    return {factor}.0
"""


def test_an_edit_of_a_helper_or_a_constant_reaches_the_library_kernels_that_read_it(library, tmp_path):
    (library / "caller.py").write_text(CALLER, encoding="utf-8")
    code = COUNT + "from modnet.caller import Scaled\nBETWEEN\nreport(out=Scaled().forward([[1.0]]).item())"

    def use(factor, constant, between=""):
        (library / "helper.py").write_text(HELP.format(factor=factor, constant=constant), encoding="utf-8")
        found = run(code.replace("BETWEEN", between), root=tmp_path, MODNET_CACHE_DIR=str(tmp_path / "cache"))
        return found["out"], found["compiled"] > 0

    assert use(2, 1) == (2.0, True)
    assert use(2, 1) == (2.0, False)
    assert use(3, 1) == (3.0, True)
    assert use(3, 5) == (15.0, True)
    # The library is updated after the import: what was imported must not be kept for what the file says now.
    edit = f"import pathlib; pathlib.Path({str(library / 'helper.py')!r}).write_text({HELP.format(factor=7, constant=1)!r})"
    assert use(4, 1, edit) == (4.0, True)
    assert use(7, 1) == (7.0, True)


def test_an_edit_of_the_table_reaches_the_walks_that_read_it(library, tmp_path):
    code = COUNT + """
from modnet import Linear, Sequential
net = Sequential(Linear(1, 1, rng=0))
net.parameters[:] = [2, 1]
report(out=net.forward([[3.0]]).item())
"""
    cache_dir = str(tmp_path / "cache")
    assert run(code, root=tmp_path, MODNET_CACHE_DIR=cache_dir)["out"] == 7
    edited(library / "engine/program.py", '("forward", np.int64), ("gradient", np.int64), ("backward", np.int64),',
           '("backward", np.int64), ("gradient", np.int64), ("forward", np.int64),')  # fmt: skip
    assert run(code, root=tmp_path, MODNET_CACHE_DIR=cache_dir)["out"] == 7


def as_zip(library, place):
    with zipfile.ZipFile(place / "library.zip", "w") as archive:
        for file in library.rglob("*.py"):
            archive.write(file, file.relative_to(library.parent))
    return place / "library.zip"


def as_compiled_files(library, place):
    assert compileall.compile_dir(library, quiet=2, legacy=True)
    for file in library.rglob("*.pyc"):
        target = place / file.relative_to(library.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    return place


@pytest.mark.parametrize("packed", [as_zip, as_compiled_files], ids=["zip", "without sources"])
def test_a_new_version_without_source_files_never_runs_the_code_of_the_old(library, tmp_path, packed):
    code = COUNT + """
from modnet import Softmax
import modnet
assert not os.path.exists(modnet.__file__) or modnet.__file__.endswith(".pyc"), modnet.__file__
report(out=Softmax().forward([[0.0, 0.0]]).sum().item())
"""
    found = []
    for factor, runs in ((1, 2), (3, 1)):  # the sum of two equal ones is twice as much with 3
        place = tmp_path / f"version {factor}"
        place.mkdir()
        version = shutil.copytree(library, tmp_path / f"source {factor}" / "modnet")
        edited(version / "kernels/softmax_rows.py", "total[i] += x[i, j]", f"total[i] += x[i, j] * {factor}")
        root = packed(version, place)
        found += [run(code, root=root, MODNET_CACHE_DIR=str(tmp_path / "cache")) for _ in range(runs)]
    assert [result["out"] for result in found] == [1.0, 1.0, 0.5]
    assert found[0]["compiled"] > found[1]["compiled"] == 0
    assert found[2]["compiled"] > 0


USER = """
from constants import SCALE
from helper import shift
from modnet.module import Module, operation
from modnet.modules.elementwise import Elementwise

class Scaled(Module):
    @operation
    def forward(x, out):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = {factor} * SCALE * shift(x[i, j])

    @operation
    def backward_delta(delta, dx):
        dx[:, :] = delta

class Square(Elementwise):
    def f(x, c):
        return x * x

    def slope(x, out, c):
        return x

class Shifted(Elementwise):
    def f(x, c):
        return shift(x)

    def slope(x, out, c):
        return x
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


# What is not compiled, and not imported


def test_nothing_is_compiled_at_import(tmp_path):
    code = COUNT + """
import importlib, pkgutil
import numpy as np
import modnet
from modnet.kernels.compiled import Compiled

for module in pkgutil.walk_packages(modnet.__path__, "modnet."):
    if not module.name.endswith("__main__") and not module.name.startswith("modnet.playground."):  # which needs an extra
        importlib.import_module(module.name)
found = {
    id(value): value for name, module in list(sys.modules.items()) if name.split(".")[0] == "modnet"
    for value in vars(module).values() if isinstance(value, Compiled)
}
kept = os.path.exists(os.environ["MODNET_CACHE_DIR"])
made = [value for value in found.values() if any(value.entry.knows(np.dtype(t)) for t in "fd")]
report(functions=len(found), made=len(made), kept=kept)
"""
    result = run(code, MODNET_CACHE_DIR=str(tmp_path / "cache"))
    assert result["compiled"] == result["made"] == 0
    assert result["functions"] > 10
    assert not result["kept"]


def train(*sizes, batch_size):
    modules = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        modules += [Linear(n, m, rng=i), (Tanh, ReLU, Sigmoid)[i % 3]()]
    net = Sequential(*modules)
    X = np.random.default_rng(0).random((20, sizes[0]))
    fit(net, X, X[:, : sizes[-1]], loss=MSE(), optimizer=SGD(0.1), epochs=2, batch_size=batch_size, validation=0.2, rng=0)
    net.backward(X, predict(net, X))
    return net


def test_a_new_architecture_compiles_and_loads_nothing():
    def loads():
        return [function.entry.knows(np.dtype(t)) for function in walks for t in "fd"]

    walks = [value for value in vars(walk).values() if isinstance(value, Compiled)]
    train(2, 3, 4, 1, batch_size=5)
    train(2, 20, 20, 1, batch_size=16)  # large enough for products by tiles
    before, compilations = loads(), event.RecordingListener()
    event.register("numba:compile", compilations)
    try:
        train(7, 5, 30, 2, 6, 1, batch_size=3)
        train(3, 64, 2, batch_size=None)
    finally:
        event.unregister("numba:compile", compilations)
    assert compilations.buffer == []
    assert loads() == before
    assert sum(loads()) > 3


ALONE = """
import numpy as np
from modnet import Linear
layer = Linear(3, 2, rng=0).astype("float32")
layer.weight = [[1, 2], [3, 4], [5, 6]]
layer.bias = [0.5, -0.5]
assert layer.forward(np.ones((1, 3), "f")).tolist() == [[9.5, 11.5]]
"""

FIT = """
import sys
import numpy as np
from modnet import CrossEntropy, Linear, ReLU, Sequential, fit
from modnet.optim import Adam
net = Sequential(Linear(2, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
fit(net, np.eye(2), np.arange(2), loss=CrossEntropy(), optimizer=Adam(0.1), epochs=2, rng=0, progress=False)
print(*(name for name in ("scipy.linalg", "sklearn", "matplotlib", "tqdm", "numba.np.linalg") if name in sys.modules))
"""


def test_a_kernel_of_matrix_products_is_loaded_by_a_process_that_has_compiled_nothing(tmp_path):
    run_script(ALONE, MODNET_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("*.kernel"))
    run_script(ALONE, MODNET_CACHE_DIR=str(tmp_path))


def test_a_fit_from_the_cache_imports_no_library_that_it_does_not_use(monkeypatch):
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)  # as above
    run_script(FIT)
    assert run_script(FIT).strip() == ""
