"""What runs in the process of one hand-in: take the definitions of its files, build its classes, check each, write a line each.

Only definitions are executed: imports, classes, functions, and assignments that compute nothing long. So a script that trains,
plots or prints when it is imported does none of it here. Files of the same folder that it imports are taken the same way.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import random
import re
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modnet.check import known
from modnet.check.losses import check_loss
from modnet.check.modules import check_module
from modnet.check.networks import check_network, check_training
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, as_output, call
from modnet.loss import Loss
from modnet.optim import Optimizer

# --- the definitions of a file ---------------------------------------------------------------------------------------

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_LIGHT = {"np", "numpy", "math", "int", "float", "len", "range", "list", "dict", "tuple", "set"}


def definitions(node: ast.stmt) -> ast.stmt | None:
    """The statement, if it only defines; of an if or a try what defines; else None."""
    if isinstance(node, _DEFINITIONS):
        return node
    if isinstance(node, ast.Assign | ast.AnnAssign):
        calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
        return node if all(_root(inner.func) in _LIGHT for inner in calls) else None
    if isinstance(node, ast.If) and "__name__" in ast.dump(node.test):
        return None
    if isinstance(node, ast.If | ast.Try):
        for part in ("body", "orelse", "finalbody"):
            if hasattr(node, part):
                kept = [k for k in map(definitions, getattr(node, part)) if k is not None]
                setattr(node, part, kept or ([ast.copy_location(ast.Pass(), node)] if part == "body" else []))
        for handler in getattr(node, "handlers", []):
            handler.body = [k for k in map(definitions, handler.body) if k is not None] or [ast.copy_location(ast.Pass(), node)]
        return node
    return None


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def take(path: Path, namespace: dict[str, Any]) -> list[str]:
    """Execute the definitions of a file one by one in a namespace; what fails is left out and said."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        return [f"{path.name}: line {error.lineno}: {error.msg}"]
    except (OSError, ValueError) as error:
        return [f"{path.name}: {error}"]
    problems = []
    for node in tree.body:
        kept = definitions(node)
        if kept is None:
            continue
        try:
            exec(compile(ast.Module([kept], []), str(path), "exec"), namespace)
        except BaseException as error:
            problems.append(f"{path.name}: line {node.lineno}: {type(error).__name__}: {' '.join(str(error).split())}")
    return problems


#: Names that a hand-in's file may have too, but that the library's own imports mean otherwise.
_NOT_THEIRS = {*sys.stdlib_module_names, "numpy", "numba", "scipy", "sklearn", "matplotlib", "modnet"}


class _Folder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports files of one folder by their definitions alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in _NOT_THEIRS:
            return None
        base = self.folder.joinpath(*name.split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.is_file():
                return importlib.util.spec_from_file_location(
                    name, file, loader=self, submodule_search_locations=[str(base)] if file.name == "__init__.py" else None
                )
        if base.is_dir() and any(base.glob("*.py")):
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(base)]
            return spec
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        take(Path(str(module.__file__)), module.__dict__)


def load(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The namespace of a file's definitions, and what could not be defined."""
    sys.meta_path.insert(0, _Folder(path.parent))
    name = path.stem if path.stem not in sys.modules and path.stem not in _NOT_THEIRS else f"hand_in_{path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    return module.__dict__, take(path, module.__dict__)


# --- classes ---------------------------------------------------------------------------------------------------------


def classes(namespace: dict[str, Any]) -> dict[str, list[type]]:
    """The classes that a file defines, by what they look like: modules, losses, networks, optims."""
    own = [v for v in namespace.values() if isinstance(v, type) and v.__module__ == namespace["__name__"]]
    own = list(dict.fromkeys(own))
    bases = {base for cls in own for base in cls.__mro__[1:]}
    found: dict[str, list[type]] = {"modules": [], "losses": [], "networks": [], "optims": []}
    for cls in own:
        if _is_base(cls, bases) or issubclass(cls, Optimizer):
            continue
        if _has(cls, "step") and not _has(cls, "forward"):
            found["optims"].append(cls)
        elif _has(cls, "forward") and _takes_modules(cls):
            found["networks"].append(cls)
        elif _has(cls, "forward") and _is_loss(cls):
            found["losses"].append(cls)
        elif _has(cls, "forward") and (_has(cls, "backward_delta") or _has(cls, "backward_update_gradient")):
            found["modules"].append(cls)
    return found


def _has(cls: type, method: str) -> bool:
    return callable(getattr(cls, method, None))


def _is_base(cls: type, bases: set[type]) -> bool:
    """Whether it is the handout's empty Module or Loss, which others derive from, or which is named so."""
    if cls not in bases and cls.__name__ not in ("Module", "Loss", "Layer", "Couche"):
        return False
    try:
        lines = inspect.getsource(cls.forward)  # type: ignore[attr-defined]
    except (OSError, TypeError, AttributeError):
        return True
    return not re.search(r"return (?!None\b)\S", lines)


def _is_loss(cls: type) -> bool:
    if issubclass(cls, Loss):
        return True
    if _has(cls, "backward_delta") and "backward_delta" in vars(cls):
        return False
    taken = [p for p in inspect.signature(cls.forward).parameters.values() if p.default is p.empty]  # type: ignore[attr-defined]
    return len(taken) == 3 and (_has(cls, "backward") or "loss" in cls.__name__.lower())


def _takes_modules(cls: type) -> bool:
    try:
        given = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):
        return False
    word = re.sub("[^a-z]", "", cls.__name__.lower())
    names = {re.sub("[^a-z]", "", p.name.lower()) for p in given}
    return (
        any(p.kind is p.VAR_POSITIONAL for p in given)
        or word.startswith(("sequen", "network", "reseau"))
        or bool(names & {"modules", "layers", "couches", "listmodules", "modulelist", "network", "net"})
    )


_SHAPES = {2: [(4, 3), (2, 8, 2), (2, 7, 7, 2), (2, 8, 1)], 3: [(2, 8, 2), (2, 7, 7, 2), (4, 3)]}
_ARGUMENTS: tuple[tuple[Any, ...], ...] = ((), (3,), (3, 2), (0.5,), (3, 2, 4, 2), (2, 2, 0))


def build(cls: type) -> Any:
    """An object of a module's class by the handout's signatures; a `Misbehaviour` if no arguments are known to fit."""
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    names = known.roles(cls) or {}
    sizes: dict[str, Any] = {"k_size": 3, "chan_in": 2, "chan_out": 4, "stride": 2, "input": 3, "output": 2, "features": 3}
    required = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if names and len(required) <= len(names):
        return call(f"{cls.__name__}(...)", lambda: known.build(cls, **sizes))
    last: Misbehaviour | None = None
    for arguments in _ARGUMENTS:
        if len(arguments) < len(required) or (not required and arguments):
            continue
        try:
            return call(f"{cls.__name__}{arguments}", cls, *arguments)
        except Misbehaviour as problem:
            last = last or problem
    raise last or Misbehaviour(
        "crash", f"{cls.__name__} takes arguments that are not the handout's, give an example with --make"
    )


def input_for(module: Any) -> tuple[int, ...]:
    """A shape that the module takes."""
    name = type(module).__name__.lower()
    windows = "conv" in name or "pool" in name or "flat" in name
    shapes = [(2, 7, 7, 2), *_SHAPES[3]] if "2d" in name else _SHAPES[3 if windows else 2]
    for shape in shapes:
        try:
            x = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
            as_output(call("forward", module.forward, x), "forward", len(x))
            return shape
        except Misbehaviour:
            continue
    return shapes[0]


def loss_data(loss: Any) -> tuple[np.ndarray, np.ndarray]:
    """y and yhat that a loss takes: tried, for one name has several meanings."""
    rng = np.random.default_rng(0)
    labels, scores = np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))
    onehot, probabilities = np.eye(3)[labels], rng.dirichlet(np.ones(3) * 2, 4)
    numbers = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    binary = (rng.random((4, 2)) > 0.5) * 1.0, rng.uniform(0.1, 0.9, (4, 2))
    name = type(loss).__name__.lower()

    def losses(y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(call("forward", loss.forward, y.copy(), yhat.copy()), np.float64)
        except (Misbehaviour, TypeError, ValueError):
            return np.empty(0)

    if re.search("bce|bin", name):
        return binary
    if re.search("hinge|perceptron|marg", name):
        return np.sign(numbers[0]), numbers[1]
    if re.search("ce|cross|nll|entrop|log|soft", name):
        for y in (onehot, labels):
            found = losses(y, probabilities)
            log_p = -np.log(probabilities[np.arange(4), labels])
            if found.size and (
                (found.shape == (4,) and np.allclose(found, log_p, rtol=0.05))
                or (found.size == 1 and np.isclose(found.sum(), [log_p.sum(), log_p.mean()], rtol=0.05).any())
            ):
                return y, probabilities
        for y in (labels, onehot):
            found = losses(y, scores)
            if found.shape == (4,) and np.isfinite(found).all():
                return y, scores
        for y in (onehot, labels):
            if losses(y, probabilities).size:
                return y, probabilities
    return numbers


# --- checks ----------------------------------------------------------------------------------------------------------


def _layers(found: dict[str, list[type]]) -> list[Any]:
    """A Linear, an activation and a Linear: the student's own if they work, else the library's."""
    from modnet import handout

    own = {known.plain_name(cls): cls for cls in found["modules"]}
    made: list[Any] = []
    for name, arguments in (("linear", (3, 4)), ("tanh", ()), ("linear", (4, 2))):
        np.random.seed(len(made))  # noqa: NPY002
        try:
            made.append(call(name, own[name], *arguments))
        except (KeyError, Misbehaviour):
            made.append({"linear": handout.Linear, "tanh": handout.TanH}[name](*arguments))
    return made


def _network(cls: type, found: dict[str, list[type]]) -> Any:
    last: Misbehaviour | None = None
    for arrange in (lambda ms: cls(*ms), lambda ms: cls(list(ms)), lambda ms: _added(cls, ms)):
        try:
            net = call(cls.__name__, arrange, _layers(found))
            as_output(call("forward", net.forward, np.ones((2, 3))), "forward", 2)
            return net
        except Misbehaviour as problem:
            last = last or problem
    raise last or Misbehaviour("crash", cls.__name__)


def _added(cls: type, layers: list[Any]) -> Any:
    net = cls()
    add: Callable[[Any], Any] = next(
        getattr(net, n) for n in ("add", "append", "add_module", "ajouter", "insert") if hasattr(net, n)
    )
    for layer in layers:
        add(layer)
    return net


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 3)), rng.normal(size=(5, 2))


def _right_layers(found: dict[str, list[type]], wrong: set[str]) -> dict[str, list[type]]:
    """Without the modules that were found wrong already: a network is not blamed for its layers."""
    return {**found, "modules": [cls for cls in found["modules"] if cls.__name__ not in wrong]}


def check_all(path: Path, options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Check the classes of one file; `write` gets a record of each as soon as it is known."""
    from modnet.handout import MSELoss

    namespace, problems = load(path)
    found = classes(namespace)
    total = sum(map(len, found.values()))
    for problem in problems:
        write({"file": str(path), "problem": problem})
    if not total and not options.make:
        write({"file": str(path), "classes": 0})
    wrong: set[str] = set()
    whole = any(_wanted("network", cls.__name__, options) for cls in found["networks"] + found["optims"])

    def examine(kind: str, name: str, ask: Callable[[], Report]) -> None:
        shown = _wanted(kind, name, options)
        if not shown and not (kind == "module" and whole):  # a network is not judged with modules that are wrong
            return
        write({"file": str(path), "begun": name, "kind": kind})
        try:
            report = ask()
        except Misbehaviour as problem:
            report = Report(name)
            report.findings.append(Finding(problem.kind, name, problem.message + ".", "", line=problem.line))
        except Exception as error:  # one class must not hide the others
            report = Report(name)
            report.findings.append(Finding("crash", name, f"the check itself stopped: {type(error).__name__}: {error}", ""))
        if not report.ok:
            wrong.add(name)
        if not shown:
            write({"file": str(path), "skipped": name})
            return
        write({"file": str(path), "name": name, "kind": kind, "report": report.as_dict(), "text": str(report)})

    if options.make:

        def made() -> Report:
            module = call(options.make, lambda: eval(options.make, namespace))
            return check_module(module, _shape_given(options) or input_for(module))

        examine("module", options.make.split("(")[0].strip(), made)
    for cls in found["modules"]:
        if options.make and cls.__name__ == options.make.split("(")[0].strip():
            continue

        def module(cls: type = cls) -> Report:
            made = build(cls)
            return check_module(made, _shape_given(options) or input_for(made))

        examine("module", cls.__name__, module)
    for cls in found["losses"]:

        def loss(cls: type = cls) -> Report:
            made = call(f"{cls.__name__}()", cls)
            return check_loss(made, *loss_data(made))

        examine("loss", cls.__name__, loss)
    for cls in found["networks"]:

        def network(cls: type = cls) -> Report:
            return check_network(_network(cls, _right_layers(found, wrong)), MSELoss(), *_data())

        examine("network", cls.__name__, network)
    for cls in found["optims"]:

        def optim(cls: type = cls) -> Report:
            from modnet.handout import Sequentiel

            right = _right_layers(found, wrong)
            broken = [n.__name__ for n in found["networks"] if n.__name__ in wrong]
            if broken:  # its steps would be judged by a network that is wrong
                report = Report(cls.__name__)
                report.verdict("step", right=None, remark=f"{broken[0]} first")
                return report
            net = _network(found["networks"][0], right) if found["networks"] else Sequentiel(*_layers(right))
            mse = MSELoss()
            made = call(f"{cls.__name__}(net, loss, eps)", lambda: cls(net, mse, 0.01))
            return check_training(net, mse, made, *_data())

        examine("optim", cls.__name__, optim)


def _shape_given(options: argparse.Namespace) -> tuple[int, ...] | None:
    return tuple(options.shape) if options.shape else None


def _wanted(kind: str, name: str, options: argparse.Namespace) -> bool:
    if options.only or options.loss:
        return name in options.only or (kind == "loss" and name in options.loss)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files given and append records to --out, one JSON line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--loss", action="append", default=[])
    parser.add_argument("--make", default="")
    parser.add_argument("--shape", type=int, nargs="+")
    options = parser.parse_args(arguments)
    with options.out.open("a", encoding="utf-8") as out:

        def write(record: dict[str, Any]) -> None:
            out.write(json.dumps(record) + "\n")
            out.flush()

        for path in options.files:
            path = path.resolve()
            os.chdir(path.parent)
            sys.argv = [str(path)]
            check_all(path, options, write)
        write({"done": True})
    return 0


if __name__ == "__main__":
    status = main()
    # Threads and exit handlers of a hand-in have no say any more.
    os._exit(status)
