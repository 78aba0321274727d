"""From paths on the command line to hand-ins: which files belong to whom."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from modnet.check.handins.results import HandIn
from modnet.check.handins.source import read
from modnet.check.report import visible

_CODE = (".py", ".ipynb")
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
#: A folder that holds one of these is somebody's project, not a class list.
_MARKS = ("setup.py", "pyproject.toml", "requirements.txt", "__init__.py")

#: What parts of one project are called, and no student is.
_PARTS = {"src", "source", "code", "lib", "test", "util", "tool", "notebook", "script", "example", "experiment", "module"}


class HandInError(Exception):
    """What should be checked, or written, cannot be: a line that says what came and what was expected."""


def hand_ins(paths: Iterable[Path], as_project: bool = False) -> list[HandIn]:
    """The hand-ins that paths name, in their order.

    A file is a hand-in, and so are all files of one folder that import classes of one another. A folder is a list, its files
    and folders are hand-ins, unless it is a project itself: its files import from one another, or `as_project` says so.
    """
    found: list[HandIn] = []
    loose: list[Path] = []
    for path in paths:
        absolute = path.absolute()
        if path.is_file():
            if path.suffix not in _CODE:
                raise HandInError(f"{path}: expected a .py file, a notebook (.ipynb), or a folder of these")
            if absolute not in loose:
                loose.append(absolute)
        elif path.is_dir():
            found += _of_folder(absolute, as_project)
        else:
            raise HandInError(f"{path}: no such file or folder, expected a .py file, a notebook (.ipynb), or a folder of these")
    together: list[HandIn] = []
    for folder in dict.fromkeys(path.parent for path in loose):
        files = [path for path in loose if path.parent == folder]
        if len(files) > 1 and (as_project or _is_one(files)):
            together.append(HandIn(folder.name, folder, files))
        else:
            together += [HandIn(path.stem, _root_above(path), [path]) for path in files]
    return _with_own_names(together + found)


def _of_folder(folder: Path, as_project: bool) -> list[HandIn]:
    files = code_files(folder)
    if not files:
        raise HandInError(
            f"{folder}: the folder holds no .py file and no notebook, expected hand-ins: files, or a folder for each student"
        )
    loose = [f for f in files if f.parent == folder]
    marked = bool(loose) and any((folder / mark).exists() for mark in _MARKS)
    if as_project or marked or _is_one(loose) or _reaches_below(folder, files):
        return [HandIn(folder.name, folder, files)]
    found = [HandIn(f.stem, folder, [f]) for f in loose if f.name != "__init__.py"]
    inside = sorted({f.relative_to(folder).parts[0] for f in files if f.parent != folder})
    for name in inside:
        found.append(HandIn(name, folder / name, [f for f in files if f.is_relative_to(folder / name)]))
    return sorted(found, key=lambda h: h.name.lower())


def code_files(folder: Path) -> list[Path]:
    """The Python files and notebooks below a folder, in a fixed order; not those of virtual environments or hidden folders."""
    found = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and f[0] != "." and not _is_environment(here / f))
        found += [here / f for f in sorted(files) if f.endswith(_CODE) and f[0] != "." and _is_inside(here / f, folder)]
    return found


def _is_inside(file: Path, folder: Path) -> bool:
    """Whether a file lies in the folder: a link may lead out of it."""
    return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(folder.resolve()))


def _is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment, by whatever name."""
    if any((folder / mark).exists() for mark in ("pyvenv.cfg", "conda-meta", "bin/activate", "Scripts/activate")):
        return True
    libraries = [folder / "Lib" / "site-packages", *(folder / "lib").glob("python*/site-packages")]
    return any(place.is_dir() for place in libraries)


def _root_above(file: Path) -> Path:
    """The root of a lone file: its folder, or the folder above that the file's absolute and relative imports point to."""
    wanted = 0
    for node in _imports(file):
        if isinstance(node, ast.ImportFrom) and node.level:
            wanted = max(wanted, node.level - 1)
            continue
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            top = name.split(".")[0]
            for up, folder in enumerate([file.parent, *file.parent.parents[:3]]):
                if (folder / f"{top}.py").is_file() or ("." in name and (folder / top).is_dir()):
                    wanted = max(wanted, up)
                    break
    return [file.parent, *file.parent.parents][min(wanted, len(file.parents) - 1)]


@cache
def _imports(file: Path) -> list[ast.Import | ast.ImportFrom]:
    codes, _ = read(file)
    return [n for code in codes for node in code.body for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]


def _imported_names(file: Path) -> set[str]:
    found = set()
    for node in _imports(file):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names}
        else:
            found |= {alias.name for alias in node.names}
    return found


def _is_one(files: list[Path]) -> bool:
    """Whether files are one author's, and not one file a student.

    One imports another that has layers or losses in it; or one that has their base class, which may be what all students were
    given, and no class is in two files: students hand in the same classes.
    """
    if len(files) < 2:
        return False
    classes = {f: [node.name for code in read(f)[0] for node in code.body if isinstance(node, ast.ClassDef)] for f in files}
    every = [name for names in classes.values() for name in names]
    bases = {f.stem for f in files if classes[f]} if len(every) == len(set(every)) else set()
    layers = {f.stem for f in files if _has_layers(f)}
    return any((layers | bases if classes[f] else layers) & (_imported_names(f) - {f.stem}) for f in files)


def _reaches_below(folder: Path, files: list[Path]) -> bool:
    """Whether a folder is the root of one project: files import by the names of its folders, or these are called so."""
    below = {f.relative_to(folder).parts[0] for f in files if f.parent != folder}
    if any(name.lower().rstrip("s") in _PARTS for name in below):
        return True
    below -= sys.stdlib_module_names
    return any(name.split(".")[0] in below for f in files for name in _imported_names(f))


def _has_layers(file: Path) -> bool:
    """Whether a file has a function, or a class with a method, that goes backward and returns something."""
    codes, _ = read(file)
    nodes = [n for code in codes for node in code.body for n in (getattr(node, "body", ()) if _is_class(node) else [node])]
    backward = [n for n in nodes if isinstance(n, ast.FunctionDef) and "backward" in n.name]
    return any(isinstance(n, ast.Return) and n.value is not None for method in backward for n in ast.walk(method))


def _is_class(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef)


def _with_own_names(found: list[HandIn]) -> list[HandIn]:
    """Hand-ins of one name, told apart by the folder they lie in."""
    for handin in found:
        handin.name = visible(handin.name)
    for handin in found:
        twins = [h for h in found if h.name == handin.name]
        if len(twins) > 1:
            for twin in twins:
                twin.name = f"{twin.root.name if len(twin.files) == 1 else twin.root.parent.name}/{twin.name}"
    return found
