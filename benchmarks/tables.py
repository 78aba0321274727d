"""Writes the tables of README and docs from what `make bench-docs` measured: no figure there is copied by hand.

    python benchmarks/tables.py FOLDER

The folder has what `run.py --json` wrote: default.json with all parts, avx2.json, float64.json, one.json and two.json (threads)
with the training, and scaling.md, what `scaling.py` printed. A table is between two marks in a page, ``<!-- bench: NAME -->``
and ``<!-- end -->``; if it was not measured, what is there stays.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from processes import VARIES, Figures, in_microseconds, times

ROOT = Path(__file__).resolve().parent.parent
PAGES = "README.md", "docs/speed.md", "docs/costs.md"

#: What a row is called: the network, and how many examples a step takes.
NAMES = {
    "toy16": "2-16-16-2 ReLU, 32",
    "toy100t": "2-100-100-2 tanh, 32",
    "digits": "64-100-10 ReLU, 32",
    "auto": "256-100-10-100-256 tanh, 32",
    "full": "4-32-16-4 tanh, 10,000",
    "handout": "the handout's convolution, 32",
    "lenet": "LeNet, 64",
    "large": "784-512-512-10 ReLU, 256",
}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


def machine(figures: Figures) -> str:
    """The machine in one line, with its day, its versions and its threads."""
    own = figures["machine"]
    versions: dict[str, str] = {}
    for about in own["libraries"].values():
        versions.update(about["versions"])
    core = own["libraries"]["modnet fit"]["pools"][0]
    names = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX", "sklearn": "scikit-learn"}
    listed = ", ".join(f"{names[name]} {versions[name]}" for name in names if name in versions)
    threads = {0: "threads as each library chooses", 1: "one thread"}.get(own["threads"], f"{own['threads']} threads")
    return f"{own['processor']}; {listed}, OpenBLAS {core['version']} for {core['core']}; {threads}; {own['day']}."


def wall(row: Figures, name: str) -> float:
    """The median of the turns; NaN for who did not take part."""
    return median(turn["wall"] for turn in row[name]["turns"]) if name in row else float("nan")


def best(row: Figures, name: str) -> float:
    return min(turn["wall"] for turn in row[name]["turns"])


def marked(row: Figures, name: str) -> str:
    """A figure in microseconds; with a star if the turns vary."""
    if name not in row:
        return ""
    return in_microseconds(wall(row, name)) + ("*" if wall(row, name) > (1 + VARIES) * best(row, name) else "")


def first_other(row: Figures) -> str:
    """The fastest of the other libraries."""
    return min((name for name in row if name != "learning" and not name.startswith("modnet")), key=lambda name: wall(row, name))


def of_training(figures: Figures) -> str:
    names = [name for name in figures["machine"]["libraries"] if name != "modnet fit"]
    rows = [
        [NAMES[task], *(marked(row, name) for name in ("modnet fit", "modnet loop", *names))]
        for task, row in figures["training"].items()
    ]
    return markdown(["network, batch", "`modnet.fit`", "loop by hand", *names], rows)


def of_steps(figures: Figures) -> str:
    rows = []
    for task, row in figures["training"].items():
        other, ours = first_other(row), f"{in_microseconds(best(row, 'modnet fit'))} ({marked(row, 'modnet fit')})"
        ratio = times(wall(row, other) / wall(row, "modnet fit"))
        rows.append([NAMES[task], ours, marked(row, "modnet loop"), f"{other} {marked(row, other)}", ratio])
    return markdown(["row", "`fit`, best (median)", "loop by hand", "best other", "ratio"], rows)


def of_parts(figures: Figures) -> str:
    found = figures["parts"]
    head = ["row", "a step", *list(next(iter(found.values())))[1:]]
    return markdown(head, [[NAMES[task], *map(in_microseconds, row.values())] for task, row in found.items()])


def of_calls(figures: Figures) -> str:
    rows = [
        [f"`{call}`" if "(" in call else call, *("" if value is None else f"{1e9 * value:.0f}" for value in row)]
        for call, row in figures["calls"].items()
    ]
    return markdown(["call", "ns", "kernels"], rows)


def gain(row: Figures, fast: str, plain: str) -> list[str]:
    return [in_microseconds(row[fast]), in_microseconds(row[plain]), times(row[plain] / row[fast])]


def of_gains(figures: Figures) -> str:
    found = [(what.rsplit(", ", 1), row) for what, row in figures["gains"].items() if "plain" in row]
    return markdown(["", "sizes", "us", "plain", "gain"], [[*what, *gain(row, "modnet", "plain")] for what, row in found])


def of_tiles(figures: Figures) -> str:
    found = [(what.removeprefix("a step of "), row) for what, row in figures["gains"].items() if "tiles" in row]
    rows = [[NAMES[task], *gain(row, "tiles", "BLAS")] for task, row in found]
    return markdown(["a step of", "us", "products by OpenBLAS alone", "gain"], rows)


def of_alone(figures: Figures) -> str:
    """Prediction of one row and of 10,000, and backward of a batch."""
    rows = []
    for task, name in NAMES.items():
        line = [name]
        for part, size in (("prediction", "1"), ("prediction", "10000"), ("backward", "")):
            row = next((row for key, row in figures[part].items() if key.startswith(f"{task}, {size}")), None)
            if row is None:
                line += ["", ""]
                continue
            other = min((name for name in row if name != "modnet fit"), key=lambda name: row[name]["median"])
            line += [in_microseconds(row["modnet fit"]["median"]), f"{other} {in_microseconds(row[other]['median'])}"]
        rows.append(line)
    return markdown(["network", "one row", "best other", "10,000 rows", "best other", "backward", "best other"], rows)


def of_slower(figures: Figures) -> str:
    """Where a module alone is slower than PyTorch's."""
    rows, count = [], 0
    for what, row in figures["modules"].items():
        for direction in ("forward", "backward"):
            both = {name: row.get(f"{direction} {name}") for name in ("modnet", "PyTorch")}
            if both["PyTorch"]:
                count += 1
                if both["modnet"] > both["PyTorch"]:
                    rows.append([f"`{what.split(', (')[0]}`", row["shape"], direction, *gain(both, "modnet", "PyTorch")])
    return f"{len(rows)} of {count} figures:\n\n{markdown(['', 'input', '', 'us', 'PyTorch', 'ratio'], rows)}"


def of_start(figures: Figures) -> str:
    keys = {"wall warm": "warm", "wall empty": "nothing compiled", "cpu empty": "its processor time"}
    return markdown(["", *keys.values()], [[what, *(f"{row[k]:.2f}" for k in keys)] for what, row in figures["start"].items()])


def of_script(figures: Figures) -> str:
    return markdown(["", "seconds"], [[label, f"{row['wall']:.2f}"] for label, row in figures["script"].items()])


def of_threads(one: Figures, two: Figures) -> str:
    rows = []
    for task, row in one["training"].items():
        figures = wall(row, "modnet fit"), wall(two["training"][task], "modnet fit")
        rows.append([NAMES[task], *map(in_microseconds, figures), times(figures[0] / figures[1])])
    return markdown(["row", "one thread", "two threads", "gain"], rows)


#: Each table by its name: which files it needs, and how it is made of them.
TABLES: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "machine": (("default",), machine),
    "training": (("default",), of_training),
    "steps": (("default",), of_steps),
    "parts": (("default",), of_parts),
    "parts-avx2": (("avx2",), of_parts),
    "calls": (("default",), of_calls),
    "gains": (("default",), of_gains),
    "tiles": (("default",), of_tiles),
    "tiles-avx2": (("avx2",), of_tiles),
    "alone": (("default",), of_alone),
    "slower": (("default",), of_slower),
    "start": (("default",), of_start),
    "script": (("default",), of_script),
    "avx2": (("avx2",), of_steps),
    "float64": (("float64",), of_steps),
    "threads": (("one", "two"), of_threads),
}


def main() -> None:
    folder = Path(sys.argv[1])
    measured: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    scaling = folder / "scaling.md"
    lines = subprocess.run([sys.executable, ROOT / ".ci" / "lines.py"], capture_output=True, text=True, check=True).stdout
    parts = dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n*(?=<!--|\Z)", scaling.read_text(), re.DOTALL)) if scaling.exists() else {}
    parts["lines"] = "\n".join(line for line in lines.splitlines() if line.startswith("|"))

    def table(found: re.Match[str]) -> str:
        name = found[1]
        needs, make = TABLES.get(name, ((), None))
        if name in parts:
            text = parts[name]
        elif make is not None and all(need in measured for need in needs):
            text = make(*(measured[need] for need in needs))
        else:
            print(f"{name}: not measured")
            return found[0]
        return f"<!-- bench: {name} -->\n{text}\n<!-- end -->"

    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf8")
        path.write_text(re.sub(r"<!-- bench: ([\w-]+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL), encoding="utf8")


if __name__ == "__main__":
    main()
