"""Count the lines of code of modnet: no blank lines, no comments, no docstrings. `make lines`.

The core is what a training runs through. The rooms beside it, which use it as anybody could, are counted apart; so, by file,
is what of the core is there for speed alone: with numba's own cache and wrappers, BLAS and plain loops, all would run without.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Collection
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "modnet"
NOT_CORE = {
    "check/", "cli/", "datasets/", "estimators/", "exchange/", "persistence/", "playground/", "plotting/",
    "scalar.py", "tables/", "__main__.py",
}  # fmt: skip
#: What speed costs: what it is for, and the files, or functions of files.
SPEED = {
    "products by tiles": ("kernels/tiles.py", "kernels/called.py", "kernels/blas.py _tiles _tiles_tn _tiles_nt"),
    "convolution without a matrix of windows": ("kernels/windows.py",),
    "registers as values": ("kernels/simd.py",),
    "pooling by registers": ("kernels/pools.py",),
    "fetching rows": ("kernels/loops.py fetch_rows",),
    "exp, log, tanh without calls": ("kernels/mathfun.py",),
    "losses in one pass": (
        "losses/mse.py at_once", "losses/cross_entropy.py at_once", "losses/binary.py at_once", "loss.py at_once _newest"
    ),
    "several threads": ("kernels/threads.py", "kernels/together.py", "training/parts.py"),
    "a call from Python": (
        "kernels/entry.py", "kernels/targets.py", "engine/run.py attempt_forward attempt_backward", "engine/walk.py move",
        "loss.py learn by_machine", "optim/groups.py attempt_step",
    ),
    "machine code from the wheel and the cache": (
        "kernels/shipped.py", "kernels/objects.py", "kernels/loading.py", "kernels/target.py", "kernels/keys.py",
        "kernels/cache.py", "kernels/jit.py",
    ),
    "a shorter first compilation": ("kernels/compiling.py", "kernels/ahead.py", "training/waiting.py"),
}  # fmt: skip
NO_CODE = {
    tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(text: str, functions: Collection[str] = ()) -> int:
    """How many lines have code on them, of some functions or of all. Each line of a text that is no docstring counts."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            found -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    if functions:
        named = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name in functions]
        if {node.name for node in named} != set(functions):
            raise ValueError(f"there are no functions {' '.join(set(functions) - {node.name for node in named})}")
        found &= {line for node in named for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    return len(found)


def speed() -> str:
    """What speed costs, as a table for the documentation."""
    rows, total = ["| for | files | lines |", "|---|---|---|"], 0
    for purpose, places in SPEED.items():
        told = []
        for place in places:
            name, *functions = place.split()
            lines = code_lines((PACKAGE / name).read_text(encoding="utf-8"), functions)
            total += lines
            told.append(f"`{name}`{' ' + ', '.join(functions) if functions else ''} {lines}")
        rows.append(f"| {purpose} | {'; '.join(told)} | {sum(int(each.split()[-1]) for each in told)} |")
    return "\n".join([*rows, f"| in all | | {total} |"])


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
    print(f"\nOf the core for speed alone:\n\n{speed()}")


if __name__ == "__main__":
    main()
