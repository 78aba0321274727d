"""Change the library's code a little, many times, and see whether the tests notice. `make mutation N=300`.

A mutant is a copy of the package with one small change made by cosmic-ray: another operator, another number, a loop that
ends at once, an `and` for an `or`. One that no test of its own folder refuses has survived: it asks for a test, or for a
reason in `.ci/mutants`. Everything happens in a copy of this folder, without compilation (NUMBA_DISABLE_JIT=1), so that
the bodies of kernels are mutated too. The sample is drawn by a seed. A first run of the tests notes which functions each
calls; a mutant meets those that call its own, the fastest first, in a fork of this process, which has numba loaded.
Status 1 says that one survived without a reason.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = {".git", ".venv", ".venv-bench", "dist", "demo", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"}

# An area's code, its own tests, and which of them are left out: those that take longest without compilation.
AREAS = {
    "engine": (
        "modnet/engine",
        "tests/engine tests/modules/test_sequential.py tests/modules/test_residual_and_concat.py"
        " tests/modules/test_ownership.py tests/test_watch.py tests/persistence/test_saving.py tests/training/test_fit.py"
        " tests/training/test_checkpoints.py"
        " tests/training/test_weights_of_positions.py",
        "many_threads",
    ),
    "training": ("modnet/training", "tests/training", "ctrl_c_returns or in_another_process or move_the_border"),
    "watch": ("modnet/watch.py", "tests/test_watch.py", "gradients_vanish"),
    "optim": ("modnet/optim", "tests/optim", "fitted_better_than or never_rises"),
}

# What runs only where walks are compiled, or in other processes: its tests are not seen from here.
UNSEEN = {"parts.py", "parallel.py"}

# No mistake that anybody would make: no decorator. The same for what is compared here: `is` for ==, or == for `is`.
NOT_ASKED = ("RemoveDecorator", "NoOp", "no-op", "_Eq_Is", "_NotEq_IsNot", "_Is_Eq", "_IsNot_NotEq")

Function = tuple[str, int]  # its file and its first line, decorators included


class Observer:
    """Pytest plugin of the run without a mutant: which functions each test calls, and how long it takes."""

    def __init__(self, code: str) -> None:
        self.code, self.test = code, ""
        self.seconds: dict[str, float] = {}
        self.callers: defaultdict[Function, set[str]] = defaultdict(set)

    def trace(self, frame: Any, *_: Any) -> None:
        """Python calls it at every call; it returns None, so that lines are not followed."""
        code = frame.f_code
        if code.co_filename.startswith(self.code):
            self.callers[code.co_filename, code.co_firstlineno].add(self.test)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.test, self.seconds[nodeid] = nodeid, -time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.test = ""
        self.seconds[nodeid] += time.monotonic()

    def __enter__(self) -> None:
        sys.settrace(self.trace)
        threading.settrace(self.trace)

    def __exit__(self, *_: Any) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]

    def tests_of(self, path: Path, line: int) -> list[str]:
        """The tests that call the function around a line, the fastest first; all for what runs at the import."""
        inside: Function | None = None
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first <= line <= (node.end_lineno or 0) and (inside is None or first > inside[1]):
                    inside = (str(path), first)
        found = set(self.seconds) if inside is None else self.callers.get(inside, set())
        return sorted(self.seconds if "" in found else found, key=lambda test: self.seconds[test])


class Choice:
    """Pytest plugin: these tests alone, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.order = {test: i for i, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.order), key=lambda item: self.order[item.nodeid])


def forked(work: Callable[[], int], timeout: float) -> int | None:
    """What the work returns, in a fork of this process that says nothing; None if it does not end in time."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 1
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            code = work()
        finally:
            os._exit(code)
    end, status = time.monotonic() + timeout, None
    try:
        while status is None and time.monotonic() < end:
            done, answer = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(answer) if done else None
            time.sleep(0.02)
    finally:
        if status is None:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return status


def run_tests(tree: Path, area: str, plugin: Any, *arguments: str) -> int:
    """Pytest's status for the tests of an area. In a fork: it imports modnet."""
    import pytest

    os.chdir(tree)
    sys.path.insert(0, str(tree))
    _, tests, without = AREAS[area]
    plain = ["-q", "--assert=plain", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    chosen = ["-m", "not slow and not needs_jit", "-k", f"not ({without})", *tests.split()]
    return int(pytest.main([*plain, *arguments, *chosen], plugins=[plugin]))


def observed(tree: Path, area: str) -> Observer | None:
    """The tests of an area as they are; None if they do not pass."""
    observer, file = Observer(str(tree / AREAS[area][0])), tree / ".observed"

    def work() -> int:
        with observer:
            code = run_tests(tree, area, observer)
        file.write_bytes(pickle.dumps((observer.seconds, dict(observer.callers))))
        return code

    if forked(work, 3600) != 0:
        return None
    observer.seconds, callers = pickle.loads(file.read_bytes())
    observer.callers.update(callers)
    return observer


def nothing_to_test(text: str) -> set[tuple[int, int]]:
    """The places (line, column) in annotations and under TYPE_CHECKING: mypy reads those, no test does."""
    places: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(text)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            if part is not None:
                for inner in ast.walk(part):
                    if isinstance(inner, ast.expr):
                        for line in range(inner.lineno, (inner.end_lineno or 0) + 1):
                            first = inner.col_offset if line == inner.lineno else 0
                            last = (inner.end_col_offset or 0) if line == inner.end_lineno else 200
                            places.update((line, column) for column in range(first, last))
    return places


class Mutant(NamedTuple):
    """One change of one file."""

    path: Path
    line: int
    change: Callable[[str], str | None]


def lines(before: str, after: str) -> tuple[int, str, str]:
    """The first line that differs: its number, and its text before and after."""
    old, new = before.splitlines(), after.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)) - 1)
    return at + 1, " ".join(old[at].split()), " ".join(new[at].split())


def all_mutants(paths: list[Path]) -> list[list[Mutant]]:
    """The mutants that there are, those of one place and kind together: a + has eleven replacements."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.mutating import mutate_code

    together: defaultdict[tuple[Path, tuple[int, int], str], list[Mutant]] = defaultdict(list)
    for path in paths:
        tree, left_out = get_ast_from_path(path), nothing_to_test(path.read_text(encoding="utf-8"))
        nodes = list(ast_nodes(tree))
        for name in plugins.operator_names():
            operator = plugins.get_operator(name)
            if operator.arguments() or name.endswith(NOT_ASKED):
                continue
            places = (start for node in nodes for start, _ in operator().mutation_positions(node))
            for occurrence, start in enumerate(places):
                if start not in left_out:
                    change = partial(mutate_code, operator=operator(), occurrence=occurrence)
                    kind = name.split("/")[-1].split("_")[0]
                    together[path, start, kind].append(Mutant(path, start[0], change))
    return [together[key] for key in sorted(together)]


def is_python(text: str) -> bool:
    """Whether a change has left what can be read: the star of a signature is no product."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def reasons() -> dict[tuple[str, str, str], str]:
    """The survivors that need no test, and why: file ¦ line ¦ the line as changed ¦ reason."""
    known = {}
    for line in (ROOT / ".ci" / "mutants").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            file, before, after, reason = line.split(" ¦ ")
            known[file, before, after] = reason
    return known


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", default=list(AREAS), metavar="area", help=f"of {', '.join(AREAS)}; default all")
    parser.add_argument("-n", type=int, default=300, help="how many mutants, over the areas together (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no mutant after that long")
    words = parser.parse_args()
    # What a child would otherwise load again for each mutant; modnet itself is loaded in the child.
    os.environ.update(NUMBA_DISABLE_JIT="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg", PYTHONDONTWRITEBYTECODE="1")
    import hypothesis  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import numba  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import tqdm  # noqa: F401

    rng, known, count, survivors = random.Random(words.seed), reasons(), Counter(), []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="modnet-mutation-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=lambda _, names: NOT_COPIED.intersection(names))
        drawn: list[tuple[float, str, Mutant]] = []
        observers: dict[str, Observer] = {}
        share = -(-words.n // len(words.areas))
        for area in words.areas:
            place = tree / AREAS[area][0]
            files = [place] if place.is_file() else [path for path in sorted(place.glob("*.py")) if path.name not in UNSEEN]
            together = all_mutants(files)
            rng.shuffle(together)
            drawn += [((i + 0.5) / share, area, rng.choice(group)) for i, group in enumerate(together[:share])]
            observer = observed(tree, area)
            if observer is None:
                print(f"{area}: its tests do not pass as they are")
                return 1
            observers[area] = observer
            print(f"{area}: {len(together)} places, {sum(observer.seconds.values()):.0f} s for its tests", flush=True)
        for _, area, mutant in sorted(drawn, key=lambda item: item[0]):
            if time.monotonic() - began > 60 * words.minutes:
                break
            before = mutant.path.read_text(encoding="utf-8")
            after = mutant.change(before)
            if after is None or after == before or not is_python(after):
                continue
            number, old, new = lines(before, after)
            tests = observers[area].tests_of(mutant.path, mutant.line)
            took = sum(observers[area].seconds[test] for test in tests)
            mutant.path.write_text(after, encoding="utf-8")
            try:
                code = forked(partial(run_tests, tree, area, Choice(tests), "-x"), 10 + 3 * took) if tests else 0
            finally:
                mutant.path.write_text(before, encoding="utf-8")
            file = mutant.path.relative_to(tree).as_posix()
            outcome = "timeout" if code is None else "killed" if code else "survived"
            if outcome == "survived" and (file, old, new) in known:
                outcome = "explained"
            count[area, outcome] += 1
            if outcome in ("survived", "timeout"):
                survivors.append(outcome)
                print(f"{outcome} ({len(tests)} tests) {file}:{number} ¦ {old} ¦ {new}", flush=True)
    for area in words.areas:
        found = {outcome: n for (where, outcome), n in sorted(count.items()) if where == area}
        print(f"{area:10}{sum(found.values()):5} mutants: " + ", ".join(f"{n} {outcome}" for outcome, n in found.items()))
    print(f"{'all':10}{count.total():5} mutants in {time.monotonic() - began:.0f} s")
    return int("survived" in survivors)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
