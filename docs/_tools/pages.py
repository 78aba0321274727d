"""Pages made from the library: one for each file of modules, losses and optimizers, and the reference of functions."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

from _tools.docstrings import protect

PACKAGES = {
    "modules": "Modules",
    "losses": "Losses",
    "optim": "Optimizers and schedules",
}
HIDDEN = {"elementwise", "container", "windowed", "summary", "optimizer"}

#: The functions and classes that are no module, loss or optimizer, by what they are for.
REFERENCE = {
    "Training": ("modnet", ["fit", "predict", "History", "Callback", "Training", "TrainingWarning", "restart", "Restarts",
                            "pretrain", "pretrain_rbm", "balanced_weights", "save", "load", "evaluate"]),
    "The contract": ("modnet", ["Module", "Loss"]),
    "Gradient checks": ("modnet.check", None),
    "Watching a network": ("modnet.watch", ["activations", "deltas", "Profile", "locate_nan", "NaNLocator", "Norms"]),
    "Pictures": ("modnet.plotting", None),
    "Scalars that know their derivatives": ("modnet.scalar", None),
    "Data": ("modnet.datasets", None),
    "Initializers": ("modnet.initializers", ["uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal",
                                             "orthogonal", "zeros"]),
    "Estimators for scikit-learn": ("modnet.estimators", None),
    "The handout": ("modnet.handout", None),
}  # fmt: skip


def write_modules(folder: Path) -> None:
    """A page for each file with a class of its own, from its docstring, and an index."""
    names: dict[str, list[str]] = {}
    for package, title in PACKAGES.items():
        for info in pkgutil.iter_modules(import_module(f"modnet.{package}").__path__):
            if info.name in HIDDEN or info.name.startswith("_"):
                continue
            file = import_module(f"modnet.{package}.{info.name}")
            public = getattr(import_module(f"modnet.{package}"), "__all__", [])
            kinds = [n for n in public if getattr(getattr(file, n, None), "__module__", "") == file.__name__]
            if not kinds:
                continue
            name = f"{package}_{info.name}"
            names.setdefault(title, []).append(name)
            _write(folder / f"{name}.rst", _page(file, package, kinds))
    lines = ["Modules, losses, optimizers", "===========================", "",
             "A page for each file of the library: what it computes, its equations with shapes, and its classes. The link to",
             "the source leads to the three operations, which are written as the equations are.", ""]  # fmt: skip
    for title, pages in names.items():
        lines += [title, "-" * len(title), "", ".. toctree::", "   :maxdepth: 1", "", *(f"   {page}" for page in pages), ""]
    _write(folder / "index.rst", lines)


def _page(file: object, package: str, kinds: list[str]) -> list[str]:
    title, _, text = inspect.cleandoc(file.__doc__ or "").partition("\n")
    short = " ".join(kinds) if len(kinds) <= 4 else re.split(r"[:.]", title)[0]
    # Equations need the width of the sidebar.
    lines = [":html_theme.sidebar_secondary.remove:", "", short, "=" * max(3, len(short)), ""]
    lines += [protect(title), "", *equations(text), ""]
    for kind in kinds:
        directive = "autoclass" if isinstance(getattr(file, kind), type) else "autofunction"
        heading = [kind, "-" * len(kind), ""] if len(kinds) > 1 else []
        lines += [*heading, f".. {directive}:: modnet.{package}.{kind}", ""]
    return lines


def equations(text: str) -> list[str]:
    """The paragraphs of a file's docstring: prose as prose, equations and tables as they are written."""
    out: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = paragraph.split("\n")
        literal = any(re.search(r"^\s*\(\d+\)|^\s{2,}\S|\S {3,}\S", line) for line in lines)
        if literal:
            out += [".. code-block:: text", "", *(f"   {line}" for line in lines), ""]
        else:
            out += [*(protect(line) for line in lines), ""]
    return out


def write_api(folder: Path) -> None:
    """The reference: tables of functions, each with a page."""
    lines = ["Reference", "=========", "",
             "Functions and classes beside the modules, losses and optimizers, which have",
             ":doc:`their own pages </modules/index>`.", ""]  # fmt: skip
    for title, (name, chosen) in REFERENCE.items():
        try:
            module = import_module(name)
        except ImportError:
            continue
        names = [n for n in (chosen or getattr(module, "__all__", [])) if callable(getattr(module, n, None))]
        if chosen is None:  # what it has from elsewhere is told there
            names = [n for n in names if getattr(module, n).__module__.startswith(name)]
        if not names:
            continue
        lines += [title, "-" * len(title), ""]
        summary = inspect.cleandoc(module.__doc__ or "").split("\n")[0] if name != "modnet" else ""
        lines += [*([protect(summary), ""] if summary else []), f".. currentmodule:: {name}", "", ".. autosummary::",
                  "   :toctree: generated", "   :nosignatures:", "", *(f"   {n}" for n in names), ""]  # fmt: skip
    _write(folder / "index.rst", lines)


def _write(path: Path, lines: list[str]) -> None:
    """Only if it is new: Sphinx builds pages that have changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
