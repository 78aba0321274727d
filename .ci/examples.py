"""Run the examples as people run them, without a screen, each in less than a minute, and look at what they print and save.

    python .ci/examples.py                  # all
    python .ci/examples.py 01 09            # some, by number
    python .ci/examples.py --short          # those that take a few seconds
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LIMIT = 60.0

#: The lecture's numbers, which the examples must print, by example.
PROMISED = {
    "01": ["two_gaussians: never more than 100.0%", "four_gaussians: never more than"],
    "02": ["of 40 starts learn XOR"],
    "03": ["the outputs are apart by at most"],
    "04": ["the largest is 0.25", "[0. 1.]"],
    "05": ["three neurons break at [-1.5  0.5  1. ]"],
    "06": ["[0.1,0.2,0.7]: 0.36"],
    "07": ["(x + y) y at (2, -3): 3, gradient (-3, -4)"],
    "08": ["(23, 10)", "3, gradient (-3, -4)", "(-0.3324, -0.0665)", "(-0.6648, -0.1330)", "RuntimeError", "= 9.066086"],
    "09": ["5 moves, 6 points", "point 92, x = 1.00, f = -3.92", "35 points instead of 92"],
    "10": ["after 150 steps"],
    "11": ["mean squared error 2.24", "0.81 and 2.93"],
    "12": ["right: True"],
    "13": ["m = 1: 30 of 30 right"],
    "14": ["100 hidden units are enough: 9 of 10 starts reach 98 % in 200 epochs"],
    "15": ["Tanh, pretrained"],
    "16": ["early stopping"],
    "17": ["time grows as |w|"],
}
SHORT = ("01", "03", "04", "06", "07", "09", "11", "12")


def run(path: Path) -> list[str]:
    """What is wrong with an example."""
    number = path.name[:2]
    start = time.perf_counter()
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {"MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "error", path.name]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, env=environment)
    took = time.perf_counter() - start
    print(f"\n--- {path.name}, {took:.1f} s\n{done.stdout}{done.stderr}", end="", flush=True)
    wrong = [f"ended with status {done.returncode}"] if done.returncode else []
    wrong += [f"did not print {text!r}" for text in PROMISED[number] if text not in done.stdout]
    if took > LIMIT:
        wrong.append(f"took {took:.0f} s")
    for name in sorted(set(re.findall(r'OUT / "([^"]+)"', path.read_text(encoding="utf-8")))):
        picture = EXAMPLES / "out" / name
        if not picture.is_file() or picture.stat().st_mtime < time.time() - took - 2:
            wrong.append(f"did not save {name}")
    return wrong


def main() -> int:
    """Run what was asked for; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="those that take a few seconds")
    parser.add_argument("numbers", nargs="*", help="numbers of examples, such as 01")
    options = parser.parse_args()
    chosen = options.numbers or (SHORT if options.short else sorted(PROMISED))
    wrong = []
    for path in sorted(EXAMPLES.glob("[0-9][0-9]_*.py")):
        if path.name[:2] in chosen:
            wrong += [f"{path.name} {text}" for text in run(path)]
    print("\n" + ("\n".join(wrong) or "all as promised"))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
