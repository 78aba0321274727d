"""The lines of a method, and of them the one to quote."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from modnet.check.report import Line, code_lines

#: The folder of the library: no line of a file in it is a stranger's.
LIBRARY = str(Path(__file__).parents[2])


def source(kind: type, method: str) -> list[tuple[int, str]]:
    """The numbered lines of an author's method, without comments; empty if they can't be read, or are the library's."""
    try:
        function = inspect.unwrap(getattr(kind, method))
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, AttributeError):
        return []
    if str(inspect.getsourcefile(function)).startswith(LIBRARY):
        return []
    tree, options = tree_of(function), getattr(getattr(kind, method), "options", {})
    idle = set() if tree is None else _idle(tree, options)
    return [(first + i, line) for i, line in enumerate(code_lines("".join(lines))[0][: len(lines)]) if i + 1 not in idle]


def quote(kind: type, method: str, *patterns: str) -> str:
    """The last line of a method that fits the first of the patterns any line fits, as "line 12: return ..."; else empty."""
    code = source(kind, method)
    for pattern in patterns:
        fitting = [(i, text) for i, text in code if re.search(pattern, text) and not text.startswith(("def ", "#", '"'))]
        if fitting:
            return Line(inspect.unwrap(getattr(kind, method)).__code__.co_filename, fitting[-1][0])
    return ""


def text_of(function: Any) -> str:
    """The lines of a function or a class; empty if they cannot be read."""
    try:
        return _text_of(inspect.unwrap(getattr(function, "__func__", function)))
    except (OSError, TypeError):
        return ""


@functools.lru_cache(1024)  # to find a class among its file's lines, Python parses all of them
def _text_of(function: Any) -> str:
    return inspect.getsource(function)


def tree_of(function: Any) -> ast.FunctionDef | None:
    """A function as Python reads it; None if its lines cannot be read."""
    try:
        (node,) = ast.parse(textwrap.dedent(text_of(function))).body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.FunctionDef) else None


def returned(function: Any) -> ast.expr | None:
    """What the last line of a function that returns something returns."""
    tree = tree_of(function)
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return)] if tree is not None else []
    return max(returns, key=lambda node: node.lineno).value if returns else None


def unread(function: Any) -> set[str]:
    """The arguments of a function that none of its lines reads: they may be anything."""
    if (tree := tree_of(function)) is None:
        return set()
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    given = {a.arg for a in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}
    return set() if "locals" in read else given - read


def does_nothing(function: Any, or_raises: bool = False) -> bool:
    """Whether a function has no line that does anything, perhaps but for a NotImplementedError."""
    tree = tree_of(function)
    return tree is not None and all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Return) and ast.unparse(node) in ("return", "return None"))
        or (or_raises and isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node))
        for node in tree.body
    )


def _left_empty(kind: type, method: str) -> bool:
    """Whether a class has a method from a base alone, where it does nothing: what it does instead has another name."""
    own = getattr(kind, method, None)
    return inspect.isfunction(own) and method not in vars(kind) and does_nothing(own, or_raises=True)


left_empty: Callable[[type, str], bool] = functools.cache(_left_empty)


def words_compared(function: Any, name: str) -> list[str]:
    """The words that an argument may be, by the lines of a function that compare it: mode == "max", wrt in ("x", "W")."""
    asks = rf"\b{name}\s*(?:\.lower\(\)\s*)?(?:==|!=|(?:not\s+)?in|is)\s*([\[(]?(?:\s*,?\s*[\"']\w+[\"'])+)"
    text = text_of(function)
    compared = re.findall(asks, text)
    # or the keys of a table in which it is looked up
    tables = re.findall(rf"(?:\b(\w+)\[{name}\]|\b{name}\s+(?:not\s+)?in\s+(\w+)\b)", text)
    for table in dict.fromkeys(filter(None, (t for pair in tables for t in pair))):
        held = re.findall(rf"\b{table}\b[^=\n]*=\s*\{{([^}}]*)\}}", text)
        compared += [word for inside in held for word in re.findall(r"[\"'](\w+)[\"']\s*:", inside)]
    return list(dict.fromkeys(word for words in compared for word in re.findall(r"\w+", words)))


def deciding(function: Any, name: str, among: Collection[str]) -> set[str]:
    """Which of these names decide whether a function reads another: every line that does is under an if that asks for one."""
    found: list[set[str]] = []

    def follow(node: ast.AST, above: set[str]) -> None:
        if isinstance(node, ast.If | ast.IfExp):
            above = above | {n for inner in ast.walk(node.test) for n in _named(inner) if n in among}
        if name in _named(node) and isinstance(getattr(node, "ctx", None), ast.Load):
            found.append(above)
        for inner in ast.iter_child_nodes(node):
            follow(inner, above)

    tree = tree_of(function)
    for line in tree.body if tree is not None else ():
        follow(line, set())
    return set().union(*found) if all(found) else set()


def _named(node: ast.AST) -> list[str]:
    """The name that a node reads or sets: that of a variable, or of an attribute."""
    return [getattr(node, part) for part in ("id", "attr") if hasattr(node, part)]


def _idle(tree: ast.FunctionDef, options: dict[str, Any]) -> set[int]:
    """The lines of a function that are its docstring, or not executed when it is called with these options, counted from 1."""
    first = tree.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    idle = set(_lines_of([first] if text else []))
    if options:
        _follow(tree.body, options, idle)
    return idle


def _lines_of(nodes: list[ast.stmt]) -> Iterator[int]:
    for node in nodes:
        yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _follow(body: list[ast.stmt], options: dict[str, Any], idle: set[int]) -> bool:
    """Note the lines of these statements that are not executed; whether what comes after them is not."""
    for i, node in enumerate(body):
        ends = isinstance(node, ast.Return | ast.Raise)
        if isinstance(node, ast.If):
            try:
                chosen = bool(eval(compile(ast.Expression(node.test), "", "eval"), {"__builtins__": {}}, dict(options)))
            except Exception:
                continue  # it asks for something else
            idle.update(_lines_of(node.orelse if chosen else node.body))
            ends = _follow(node.body if chosen else node.orelse, options, idle)
        if ends:
            idle.update(_lines_of(body[i + 1 :]))
            return True
    return False


def set_elsewhere(cls: type, method: str, message: str) -> bool:
    """Whether what an object lacks in a method is set by another one of its own, that somebody else is to call."""
    lacks = re.search(rf"AttributeError: '{cls.__name__}' object has no attribute '(\w+)'", message)
    own = text_of(getattr(cls, method, None))
    held = [f for k in cls.__mro__[:-1] for f in vars(k).values() if inspect.isfunction(f)]
    others = [f for f in held if f.__name__[:2] != "__" and f.__name__ != method and f"self.{f.__name__}(" not in own]
    return lacks is not None and any(re.search(rf"self\.{lacks[1]}\s*=[^=]", text_of(f)) for f in others)


def miscalled(cls: type, message: str) -> str:
    """The method that is meant by another name, which nothing of a class defines or sets, where that was called; else empty."""
    lacks = re.search(rf"AttributeError: '{cls.__name__}' object has no attribute '(\w+)'", message)
    text = "".join(text_of(k) for k in cls.__mro__[:-1])
    if lacks is None or f".{lacks[1]}(" not in text or re.search(rf"\.{lacks[1]}\s*=[^=]", text):
        return ""
    methods = [n for n in dir(cls) if n[:2] != "__" and inspect.isfunction(getattr(cls, n))]
    return next(iter(difflib.get_close_matches(lacks[1], methods, 1, 0.85)), "")


def _calls_more(kind: Any) -> bool:
    """Whether calling an object of a class does more than its forward: keeps what backward reads, or takes the mean."""
    call = next((vars(k)["__call__"] for k in kind.__mro__[:-1] if "__call__" in vars(k)), None)
    function = tree_of(call) if inspect.isfunction(call) else None
    if function is None or not callable(getattr(kind, "forward", None)):
        return False
    called = [n.func.attr for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    kept = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return "forward" in called and bool(kept or {"mean", "sum"}.intersection(called))


calls_more: Callable[[Any], bool] = functools.cache(_calls_more)
