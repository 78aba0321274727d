"""The code of a file, statement by statement: of a Python file, of a notebook by cells; if part cannot be read, the rest."""

from __future__ import annotations

import ast
import json
import linecache
import re
import symtable
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from modnet.check.handins.loaded import code_name

_LARGEST = {".py": 5_000_000, ".ipynb": 100_000_000}  # bytes; a notebook holds its pictures
#: Cell magics whose cell is Python all the same; the others are another language, or text.
_PYTHON_CELLS = ("time", "timeit", "capture", "prun", "lprun", "mprun", "memit", "python", "python3", "writefile", "check")


@dataclass(frozen=True)
class Problem:
    """What of a file could not be used, and why.

    Attributes
    ----------
    file, cell, line : where; cell is None outside notebooks, line is 0 if it is the whole file or cell. text : what is wrong.
    classes : the names of the classes that are lost with it.
    """

    file: Path
    cell: int | None
    line: int
    text: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """The statements of a Python file or of a notebook cell.

    Attributes
    ----------
    file, cell : where they come from. text : the code, with the lines of magics empty. body : the statements that can be read.
    """

    file: Path
    cell: int | None
    text: str
    body: tuple[ast.stmt, ...]

    @property
    def name(self) -> str:
        """What the code is compiled under."""
        return code_name(self.file, self.cell)


def read(file: Path) -> tuple[list[Code], list[Problem]]:
    """The code of a file, and what of it cannot be read."""
    try:
        size = file.stat().st_size
        if size > _LARGEST.get(file.suffix, 0):
            return [], [Problem(file, None, 0, f"it has {size / 1e6:.0f} MB, more than is read of a {file.suffix} file")]
        content = file.read_bytes()
    except OSError as error:
        return [], [Problem(file, None, 0, error.strerror or str(error))]
    found, problems = [], []
    try:
        pieces = list(_cells(content)) if file.suffix == ".ipynb" else [(None, _decoded(content))]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return [], [Problem(file, None, 0, f"it is no notebook that can be read ({error})")]
    for cell, text in pieces:
        code, wrong = parse(text, file, cell)
        found.append(code)
        problems += wrong
        if cell is not None or not _is_utf8(content):  # tracebacks and inspect find here what they could not read themselves
            linecache.cache[code.name] = (len(code.text), None, code.text.splitlines(keepends=True), code.name)
    return found, problems


def _is_utf8(content: bytes) -> bool:
    try:
        return content.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False


def _decoded(content: bytes) -> str:
    """The text of a Python file: by its own declaration, else UTF-8, else what Windows writes."""
    import io
    import tokenize

    for encoding in (None, "utf-8-sig", "cp1252", "latin-1"):
        try:
            encoding = encoding or tokenize.detect_encoding(io.BytesIO(content).readline)[0]
            return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        except (SyntaxError, UnicodeDecodeError, LookupError):
            continue
    return ""


def _cells(content: bytes) -> Iterator[tuple[int, str]]:
    """The code cells of a notebook of any version of the format, counted from 1."""
    book = json.loads(content.decode("utf-8-sig", errors="replace"))
    cells = book["cells"] if "cells" in book else [c for sheet in book["worksheets"] for c in sheet["cells"]]
    number = 0
    for cell in cells:
        if cell.get("cell_type") == "code":
            number += 1
            text = cell.get("source", cell.get("input", ""))
            yield number, (text if isinstance(text, str) else "".join(text)).replace("\r\n", "\n")


def parse(text: str, file: Path, cell: int | None) -> tuple[Code, list[Problem]]:
    """The statements of a text. In a notebook magics are left out; what has a syntax error is left out and said."""
    if cell is not None:
        text = _without_cell_magic(text)
    tree, error, text = _parsed(text, notebook=cell is not None)
    if tree is not None:
        return Code(file, cell, text, tuple(tree.body)), []
    body: list[ast.stmt] = []
    problems = []
    for first, piece in _pieces(text):
        tree, error, _ = _parsed("\n" * (first - 1) + piece, notebook=cell is not None)
        if tree is not None:
            body += tree.body
        elif error is not None:
            lost = tuple(re.findall(r"^class\s+(\w+)", piece, re.MULTILINE))
            problems.append(Problem(file, cell, error.lineno or first, f"SyntaxError: {error.msg}", lost))
    others = [p for p in problems if not p.classes]
    if len(others) > 1:  # such as the prints of Python 2
        one = replace(others[0], text=f"{others[0].text}; {len(others) - 1} more like this")
        problems = [one, *(p for p in problems if p.classes)]
    return Code(file, cell, text, tuple(body)), problems


def _parsed(text: str, notebook: bool) -> tuple[ast.Module | None, SyntaxError | None, str]:
    """The tree of a text, or its error. In a notebook, a line that is no Python and looks like a magic is emptied."""
    lines = text.split("\n")
    for _ in range(len(lines) + 1):
        try:
            return ast.parse("\n".join(lines)), None, "\n".join(lines)
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            plain = _without_magic(lines[at]) if notebook and 0 <= at < len(lines) else None
            if plain is None:
                return None, error, "\n".join(lines)
            lines[at] = plain
        except (ValueError, RecursionError, MemoryError) as error:
            return None, SyntaxError(f"{type(error).__name__}: {error}"), text
    return None, None, text


def _without_magic(line: str) -> str | None:
    """The line without what only IPython understands; None if there is nothing of that kind in it."""
    indent, rest = re.match(r"(\s*)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
    if rest.startswith(("%", "!", "?")) or rest.rstrip().endswith("?"):
        return f"{indent}pass"
    assigned = re.match(r"([\w, ]+=\s*)[%!]", rest)
    return f"{indent}{assigned[1]}None" if assigned else None


def _without_cell_magic(text: str) -> str:
    """A cell without the %% line at its top; empty if that makes it something other than Python."""
    first, _, rest = text.lstrip("\n").partition("\n")
    found = re.match(r"%%\s*(\w+)(.*)", first)
    if found is None:
        return text
    python = found[1] in _PYTHON_CELLS and not (found[1] == "writefile" and ".py" not in found[2])
    return "\n" * (len(text) - len(text.lstrip("\n")) + 1) + rest if python else ""


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """A text cut before every line that begins a statement at the margin: (number of its first line, lines)."""
    first, piece = 1, [""][:0]
    for number, line in enumerate(text.split("\n"), 1):
        begins = line[:1] not in ("", " ", "\t", "#", ")", "]", "}") and not re.match(r"(else|elif|except|finally)\b", line)
        if begins and piece and not all(re.match(r"@|#|\s*$", above) for above in piece):
            yield first, "\n".join(piece)
            first, piece = number, []
        piece.append(line)
    yield first, "\n".join(piece)


def names_set(codes: Iterable[Code]) -> dict[str, bool]:
    """The global names that code sets anywhere, also if it is not executed or cannot be read, and whether by an import."""
    found: dict[str, bool] = {}
    for code in codes:
        with suppress(SyntaxError, ValueError, RecursionError):
            found |= _set_in(symtable.symtable(ast.unparse(ast.Module(list(code.body), [])), code.name, "exec"))
        begun = re.findall(r"^(?:(?:class|def|type) +(\w+)|(\w+) *=(?!=))", code.text, re.MULTILINE)
        found = dict.fromkeys(map("".join, begun), False) | found
    return found


def _set_in(table: symtable.SymbolTable) -> dict[str, bool]:
    top = table.get_type() == "module"
    every = (s for s in table.get_symbols() if s.is_assigned() or s.is_imported())
    own = {s.get_name(): s.is_imported() for s in every if top or s.is_declared_global()}
    for inner in table.get_children():
        own |= _set_in(inner)
    return own


def training_loops(codes: Iterable[Code]) -> Iterator[tuple[str, int | None, int]]:
    """The functions and methods that take steps in a loop: name, cell and line of each."""
    for code in codes:
        for outer in code.body:
            inner, prefix = (outer.body, f"{outer.name}.") if isinstance(outer, ast.ClassDef) else ([outer], "")
            for node in inner:
                if isinstance(node, ast.FunctionDef) and node.name != "step" and _takes_steps(node):
                    yield prefix + node.name, code.cell, node.lineno


def _takes_steps(function: ast.FunctionDef) -> bool:
    """Whether a loop of a function calls a step, or what a step is made of."""
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For | ast.While)]
    calls = [n.func for loop in loops for n in ast.walk(loop) if isinstance(n, ast.Call)]
    called = {f.attr for f in calls if isinstance(f, ast.Attribute)}
    return "step" in called or {"forward", "update_parameters"} <= called
