"""What the data sets cost to import, and where their files are."""

import shutil
import subprocess
import sys
from pathlib import Path

from dataset_cases import PAGES, SCIKIT

from modnet import datasets, inputs
from modnet.datasets import load


def run(code, folder=None):
    """Return what a fresh Python prints, with a folder it imports from first."""
    path = f"import sys\nsys.path.insert(0, {str(folder)!r})\n" if folder else "import sys\n"
    command = [sys.executable, "-c", path + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def package(tmp_path):
    """Make a package modnet of what the data sets need, without files, and a folder datasets of another's."""
    (tmp_path / "modnet").mkdir()
    (tmp_path / "modnet" / "__init__.py").touch()
    shutil.copy(inputs.__file__, tmp_path / "modnet")
    shutil.copytree(Path(datasets.__file__).parent, tmp_path / "modnet" / "datasets")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "marks.csv").write_text("a,b\n0,0.5\n")
    return tmp_path / "modnet"


def test_the_module_needs_numpy_only_and_so_do_our_own_sets(tmp_path):
    shutil.copytree(PAGES, package(tmp_path) / "_data")
    out = run(
        "import modnet.datasets as ds\n"
        "heavy = {'numba', 'scipy', 'sklearn', 'matplotlib', 'pandas', 'joblib', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        f"for name in set(ds.names()) - set({SCIKIT!r}) | {{'digits', 'moons'}}:\n"
        "    ds.load(name)\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "ds.load('iris')\n"
        "print('sklearn' in sys.modules)\n",
        tmp_path,
    )
    assert out.splitlines() == ["[]", "[]", "True"]


def test_an_installed_package_reads_its_own_copy_of_the_files(tmp_path):
    shutil.copytree(PAGES, package(tmp_path) / "_data")
    ours = ["xor", "three_categories", "marks", "marks_more", "different"]
    code = f"from modnet import datasets\nprint([[a.tolist() for a in datasets.load(n)] for n in {ours!r}])"
    assert run(code, tmp_path).strip() == str([[a.tolist() for a in load(name)] for name in ours])


def test_a_file_that_is_nowhere_is_an_error_that_says_where_it_should_be(tmp_path):
    here = package(tmp_path)
    (tmp_path / "datasets" / "marks.csv").unlink()
    code = (
        "from modnet import datasets\n"
        "try:\n"
        "    datasets.load('marks')\n"
        "except FileNotFoundError as error:\n"
        "    print(error)\n"
    )
    assert run(code, tmp_path) == (
        f"load('marks'): marks.csv is missing, expected in {here / '_data'} or {tmp_path / 'datasets'}: "
        "reinstall modnet\n"
    )
