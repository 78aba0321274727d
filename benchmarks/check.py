"""Whether training has become slower: this tree against another revision, `make bench-check BASE=HEAD~1`.

    python benchmarks/check.py BASE [--pairs 9] [--seconds 0.2] [--rows "2-16-16-2" LeNet]

Eight networks train in float32, in `fit` and in a loop written by hand, with one thread. Processes come in pairs, one of each
tree, on the same core; the pairs begin with the base and with this tree by turns, so that what else the machine does falls on
both. In a process a figure is the best of the timings of `--seconds`, because all that disturbs makes it longer; the table has
the medians over the processes. What is uncommitted in this tree is timed too.

Ends with status 1 if a row takes more than 1.05 times the base's time, or all rows 1.02 times in the geometric mean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import exp, log
from pathlib import Path
from statistics import mean, median
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ROW_LIMIT, MEAN_LIMIT = 1.05, 1.02


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A folder with the files of a revision, for a while."""
    with tempfile.TemporaryDirectory(prefix="modnet-base-") as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"check: git {arguments[0]} failed; its message is above")
    return done.stdout.strip()


def fixed_core() -> int | None:
    """The core that all processes run on: the last of those this one may use, since the first often serves the system."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else None


def run(tree: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The times of one process that imports modnet from a tree."""
    # A core type or cache size forced on OpenBLAS from outside would measure another machine than this one.
    left_out = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, HERE / "check_worker.py", json.dumps(options)],
        stdout=subprocess.PIPE, text=True, check=False, env=env | {"PYTHONPATH": str(tree)},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"check: the process for {tree} failed; its message is above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not Path(found["modnet"]).is_relative_to(tree):
        raise SystemExit(f"check: modnet came from {found['modnet']}, expected {tree}")
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def options_of(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("base", help="a git revision")
    parser.add_argument("--pairs", type=int, default=9, help="pairs of processes (default: 9)")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each row in each process (default: 0.2)")
    parser.add_argument("--rows", nargs="+", metavar="NETWORK", choices=names, default=names, help=", ".join(names))
    return parser.parse_args()


def main() -> int:
    from check_worker import ROWS

    options = options_of(list(ROWS))
    revision = git("rev-parse", "--verify", "--short", options.base + "^{commit}")
    work = {"core": fixed_core(), "seconds": options.seconds, "rows": options.rows}
    times: dict[str, list[dict[str, float]]] = {"base": [], "current": []}
    with checkout(revision) as base:
        trees = {"base": base, "current": ROOT}
        for tree in trees.values():  # fills the cache of kernels
            machine = run(tree, work | {"seconds": 0.0})["machine"]
        for pair in range(options.pairs):
            for name in ("base", "current") if pair % 2 == 0 else ("current", "base"):
                times[name].append(run(trees[name], work)["times"])
            print(f"pair {pair + 1} of {options.pairs}", file=sys.stderr, flush=True)
    print(f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print("not bound to a core" if work["core"] is None else f"all processes on core {work['core']}")
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"base {revision}, {options.pairs} pairs; us a step, best of {options.seconds} s, median of the processes\n")
    return report(times)


def report(times: dict[str, list[dict[str, float]]]) -> int:
    """Print the table; 1 if the current tree is slower than is allowed."""
    rows = list(times["base"][0])
    wide = max(map(len, rows))
    print(f"{'row':{wide}}  {'base':>9}  {'current':>9}  {'ratio':>6}")
    ratios = []
    for row in rows:
        base, current = (median(process[row] for process in times[name]) for name in ("base", "current"))
        ratios.append(current / base)
        mark = "  slower" if ratios[-1] > ROW_LIMIT else ""
        print(f"{row:{wide}}  {base * 1e6:9.2f}  {current * 1e6:9.2f}  {ratios[-1]:6.3f}{mark}")
    together = exp(mean(map(log, ratios)))
    mark = "  slower" if together > MEAN_LIMIT else ""
    print(f"{'geometric mean':{wide}}  {'':9}  {'':9}  {together:6.3f}{mark}")
    return int(together > MEAN_LIMIT or max(ratios) > ROW_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
