"""The rooms of the checker: imports go one way between them, as the table in docs/design_check.md has it; each says what it is."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "modnet" / "check"
ROWS = re.findall(r"^\| (`.*`) \|", (ROOT / "docs" / "design_check.md").read_text(encoding="utf-8"), re.M)
#: Each room of the table, a folder or a file beside them, with its row.
ORDER = {name.strip("`/").removesuffix(".py"): row for row, names in enumerate(ROWS) for name in names.split(", ")}
FOLDERS = sorted(path.parent.name for path in CHECK.glob("*/__init__.py"))


def imported(path):
    """The rooms that a file imports from, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modnet.check"):
            parts = node.module.split(".")[2:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]


def test_the_table_has_every_room():
    assert {*FOLDERS, *(path.stem for path in CHECK.glob("*.py")), "simple"} == {*ORDER, "simple"}


@pytest.mark.parametrize("path", sorted(CHECK.rglob("*.py")), ids=lambda path: str(path.relative_to(CHECK)))
def test_a_room_imports_from_those_above_it_in_the_table(path):
    own = path.relative_to(CHECK).parts[0].removesuffix(".py")
    wrong = {room for room in imported(path) if room != own and ORDER[room] > ORDER.get(own, 0)}
    assert not wrong


@pytest.mark.parametrize("room", FOLDERS)
def test_a_room_says_which_file_to_read_first(room):
    first = re.search(r"Read `(\w+)` first", import_module(f"modnet.check.{room}").__doc__)
    assert first is not None
    assert (CHECK / room / f"{first[1]}.py").is_file()
