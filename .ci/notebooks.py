"""Notebooks of the examples and exercises: one source, a script with `# %%` cells for each.

    python .ci/notebooks.py                 # write examples/notebooks/
    python .ci/notebooks.py --run           # execute the exercises with their solutions, in fresh kernels; nothing is written

In an exercise, what stands between `# solution` and `# end` becomes `...`: the student's lines.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
OUT = EXAMPLES / "notebooks"


def emptied(source: str) -> str:
    """An exercise without its solutions."""
    return re.sub(r"^( *)# solution\n.*?^\1# end\n", r"\1...  # your lines\n", source, flags=re.MULTILINE | re.DOTALL)


def solved(source: str) -> str:
    """An exercise with its solutions, and without the marks."""
    return re.sub(r"^ *# (?:solution|end)\n", "", source, flags=re.MULTILINE)


def read(source: str) -> object:
    """A notebook of a script, for the kernel that is there."""
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def write() -> None:
    """Write all notebooks, without outputs."""
    for path in sorted(EXAMPLES.glob("[0-9][0-9]_*.py")):
        _write(read(path.read_text(encoding="utf-8")), OUT / f"{path.stem}.ipynb")
    for path in sorted((EXAMPLES / "exercises").glob("exercise*.py")):
        _write(read(emptied(path.read_text(encoding="utf-8"))), OUT / "exercises" / f"{path.stem}.ipynb")


def _write(notebook: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(notebook, path)
    print(path.relative_to(ROOT))


def run(names: list[str]) -> int:
    """Execute the solved exercises; the number of those that failed or whose checks found something."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    failed = 0
    for path in sorted((EXAMPLES / "exercises").glob("exercise*.py")):
        if names and path.stem not in names:
            continue
        notebook = read(solved(path.read_text(encoding="utf-8")))
        try:
            NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
        except CellExecutionError as error:
            print(f"{path.stem}: {error}")
            failed += 1
            continue
        said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", ()))
        wrong = [line for line in said.splitlines() if " wrong" in line or "problem" in line]
        failed += bool(wrong)
        print(f"{path.stem}: {'; '.join(wrong) or 'runs, and its checks find nothing'}", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="execute the solved exercises")
    parser.add_argument("names", nargs="*", help="exercises to execute, such as exercise1_linear")
    options = parser.parse_args()
    if options.run:
        sys.exit(min(run(options.names), 1))
    write()
