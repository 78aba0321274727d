"""Count the lines of code of modnet: no blank lines, no comments, no docstrings. `make lines`.

The core is what a training runs through. The rooms beside it, which use it as anybody could, are counted apart.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "modnet"
NOT_CORE = {
    "check/", "cli/", "datasets/", "estimators/", "exchange/", "persistence/", "playground/", "plotting/",
    "scalar.py", "tables/", "__main__.py",
}  # fmt: skip
NO_CODE = {
    tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(text: str) -> int:
    """How many lines have code on them. Each line of a text that is no docstring counts."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            found -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(found)


def group(path: Path) -> str:
    """The folder of a file in the package, or the file's own name at the top."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] + "/" * (len(parts) > 1)


def main() -> None:
    count: Counter[str] = Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        count[group(path)] += code_lines(path.read_text(encoding="utf-8"))
    core = {name for name in count if name not in NOT_CORE}
    for name, lines in sorted(count.items(), key=lambda item: (item[0] not in core, -item[1])):
        print(f"{name:20}{lines:7}" + ("" if name in core else "  not core"))
    print(f"{'core':20}{sum(count[name] for name in core):7}\n{'all':20}{count.total():7}")


if __name__ == "__main__":
    main()
